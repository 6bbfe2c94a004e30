"""The narration of a screen: a sentence about what it shows; where that is the row itself, what happens in the row."""

from __future__ import annotations

from typing import Any

from teachgrad.recording import Moment

from ..numbers import nbytes, number, signed
from ..session import Session
from .compare import CompareView
from .doctor import DoctorView
from .memory import MemoryView
from .narrate import narrate
from .options import Options
from .passes import PassesView
from .train import TrainView
from .watches import StopsView
from .whatif import WhatIf


def tell(session: Session, moment: Moment, options: Options, view: Any) -> str:
    """A sentence about what a screen shows at a moment."""
    if isinstance(view, PassesView) and not view.note:
        return _of_passes(view)
    if isinstance(view, TrainView):
        return _of_training(view)
    if isinstance(view, DoctorView):
        return _of_the_doctor(view)
    if isinstance(view, WhatIf) and not view.note:
        return _of_a_change(view)
    if isinstance(view, CompareView) and not view.note:
        return _of_a_comparison(view)
    sentence = narrate(session, moment, options)
    if isinstance(view, MemoryView):
        return f"{sentence} {_of_memory(view)}".strip()
    if isinstance(view, StopsView) and view.lines:
        count = len(view.lines)
        return f"{count} {'place or condition' if count == 1 else 'places and conditions'} to stop at. {sentence}"
    return sentence


def _of_passes(view: PassesView) -> str:
    if view.rule is None:
        what = "as it was recorded; s does the first rewrite" if view.stop == 0 else "between two passes"
        return f"The graph of {view.function} {what}."
    statement = f": {view.rule.statement}" if view.rule.statement else ""
    proof = f" Checked: {view.rule.verdict}." if view.rule.verdict else ""
    return f"Rewrite {view.stop} of {view.stops}, by the rule {view.rule.rule}{statement.removesuffix('.')}.{proof}"


def _of_training(view: TrainView) -> str:
    place = f"Training step {view.step + 1} of {view.steps}"
    now = view.loss.now
    before = next((value for step, value in reversed(view.loss.points) if step < view.step), None)
    if now is None:
        return f"{place}; its loss is not known{' yet' if view.hidden else ''}."
    change = "" if before is None else f", {'down' if now < before else 'up' if now > before else 'unchanged'}"
    since = "" if before is None or now == before else f" by {number(abs(now - before), 3)}"
    rate = f"; the learning rate is {number(view.rate.now)}" if view.rate.now is not None else ""
    return f"{place}: the loss is {number(now)}{change}{since}{rate}."


def _of_memory(view: MemoryView) -> str:
    total = next((total for total in view.totals if total.mode == view.mode), None)
    if total is None:
        return ""
    now = next((size for row, size in reversed(total.live) if row <= view.row), 0)
    peak = "this is the peak" if now == total.peak else f"the peak, {nbytes(total.peak)}, is at {total.moment}"
    return f"About {nbytes(now)} are held now; {peak}."


def _of_the_doctor(view: DoctorView) -> str:
    if view.chosen is None:
        return f"The doctor looked at {view.looked} of {view.steps} training steps and found nothing."
    finding = view.findings[view.chosen]
    count = f"Finding {view.chosen + 1} of {len(view.findings)}"
    return f"{count}: {finding.kind}, born {finding.phase} at {finding.moment}, in {finding.name}. {finding.advice}."


def _of_a_change(view: WhatIf) -> str:
    if view.before is None or view.after is None or view.actual is None:
        return ""
    predicted = f"; its gradient predicts {signed(view.predicted)}" if view.predicted is not None else ""
    return (f"If {view.name} were {number(view.after)} and not {number(view.before)}, {view.goal} would change by "
            f"{signed(view.actual)}{predicted}.")  # fmt: skip


def _of_a_comparison(view: CompareView) -> str:
    if not view.different:
        return f"{view.left} and {view.right} are the same: all {view.same} rows that both have."
    return f"{view.left} and {view.right}: {view.same} rows are the same, {view.different} are different."
