"""The Compare screen: two training steps side by side, and the op at which they part."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass

from teachgrad.recording import Moment, Reader, RecordingError, Row

from ..comparing import Comparison, Pair, compare, first_step_apart
from ..session import Session
from .options import Options
from .tape import what_of

AROUND = 200
"""So many pairs around the chosen one are part of the view."""


@dataclass(frozen=True, slots=True)
class Other:
    """What a recording is compared with: another recording, or one training step of the same; None for the same."""

    session: Session | None
    step: int | None


@dataclass(frozen=True, slots=True)
class PairLine:
    """A row and its partner."""

    state: str
    label: str
    what: str
    partner: str
    """What the partner is called and does, where that is something else."""
    left: str
    right: str
    difference: float | None
    relative: float | None
    by_value: bool
    place: str
    chosen: bool


@dataclass(frozen=True, slots=True)
class CompareView:
    """Two training steps, matched. `parting` is the place in all pairs of the first one that parts."""

    left: str
    right: str
    same: int
    different: int
    only_left: int
    only_right: int
    unknown: int
    parting: int | None
    lines: tuple[PairLine, ...]
    first: int
    """The place of the first line in all pairs."""
    chosen: int
    count: int
    note: str


def other_of(session: Session, text: str, opened: ExitStack) -> Other:
    """What a text such as `t3`, `run.tgr` or `run.tgr t3` names; files are opened into `opened`."""
    path, _, last = text.strip().rpartition(" ")
    if not re.fullmatch(r"t\d{1,18}", last):
        path, last = text.strip(), ""
    if not path and not last:
        raise RecordingError("nothing to compare with; write a recording or a training step, such as run.tgr or t3")
    right = Session(opened.enter_context(Reader(path))) if path else None
    step = int(last[1:]) if last else None
    if step is not None:
        (right or session).run.length(step)
    return Other(right, step)


def other_side(session: Session, moment: Moment, options: Options) -> tuple[Session, int] | None:
    """The session and training step on the right."""
    other = options.other
    if not isinstance(other, Other):
        return None
    right = other.session or session
    step = other.step if other.step is not None else moment.step
    return (right, step) if step < right.run.steps else None


def comparison(session: Session, moment: Moment, options: Options,
               going: Callable[[], bool] = lambda: True) -> Comparison | None:  # fmt: skip
    """The comparison of the training step of a moment with the other one, made once. Raises `GivenUp` when `going` says
    so."""
    side = other_side(session, moment, options)
    if side is None:
        return None
    right, step = side
    found: Comparison = session.kept(
        lambda: compare(session, moment.step, right, step, going), *_key(session, moment, side)
    )
    return found


def left_to_compare(session: Session, moment: Moment, options: Options) -> int:
    """About how many rows are to be looked at before there is a comparison."""
    side = other_side(session, moment, options)
    if side is None or session.has_kept(*_key(session, moment, side)):
        return 0
    right, step = side
    return session.weight(moment.step) + right.weight(step)


def _key(session: Session, moment: Moment, side: tuple[Session, int]) -> tuple[str, str, int, int, int, int]:
    right, step = side
    lengths = session.run.length(moment.step), right.run.length(step)
    return "compare", str(right.run.path), step, moment.step, *lengths


def chosen_pair(session: Session, moment: Moment, options: Options) -> int | None:
    """Which pair is chosen: the one asked for, else the one at which the steps part, else that of the moment."""
    found = comparison(session, moment, options)
    if found is None or not found.pairs:
        return None
    if options.line is not None:
        return max(0, min(options.line, len(found.pairs) - 1))
    if found.parting is not None:
        return found.pairs.index(found.parting)
    here = (place for place, pair in enumerate(found.pairs) if pair.left is not None and pair.left.row >= moment.row)
    return next(here, len(found.pairs) - 1)


def view_compare(session: Session, moment: Moment, options: Options) -> CompareView:
    """The Compare screen."""
    found, side = comparison(session, moment, options), other_side(session, moment, options)
    if found is None or side is None:
        note = "nothing to compare with: press d and say what, a recording or a training step such as t3"
        if isinstance(options.other, Other):
            note = f"the other recording has no training step t{moment.step}"
        return CompareView(session.title, "", 0, 0, 0, 0, 0, None, (), 0, 0, 0, note)
    right, step = side
    chosen = chosen_pair(session, moment, options) or 0
    first = max(0, chosen - AROUND)
    lines = tuple(
        _line(session, right, pair, first + place == chosen, options.hiding)
        for place, pair in enumerate(found.pairs[first : chosen + AROUND])
    )
    parting = found.parting
    return CompareView(
        f"{session.title} t{moment.step}", f"{right.title} t{step}", found.count("same"),
        found.count("differs", "parts"), found.count("left"), found.count("right"), found.count("unknown"),
        found.pairs.index(parting) if parting is not None else None, lines, first, chosen, len(found.pairs), "",
    )  # fmt: skip


def differs(session: Session, moment: Moment, options: Options) -> bool:
    """Whether the two sides are known to differ."""
    found = comparison(session, moment, options)
    return found is not None and found.parting is not None


def start_of(session: Session, other: Session) -> Moment:
    """Where to begin: the first training step that is not all the same on both sides."""
    step = first_step_apart(session, other)
    return session.run.at(min(step or 0, session.run.steps - 1), 0)


def _line(left: Session, right: Session, pair: Pair, chosen: bool, hiding: bool) -> PairLine:
    label, what = _told(left, pair.left) if pair.left is not None else ("", "")
    other = _told(right, pair.right) if pair.right is not None else ("", "")
    shown = pair.left or pair.right
    session = left if pair.left is not None else right
    assert shown is not None
    hidden = hiding and shown.of_gradient  # that it differs may be said; by how much would give it away
    site = session.site(shown, shown.moment)
    place = f"{site.file.replace(chr(92), '/').rpartition('/')[2]}:{site.line}" if site else ""
    partner = "" if pair.left is None or pair.right is None or other == (label, what) else f"{other[0]} {other[1]}"
    return PairLine(
        pair.state, label or other[0], what or other[1], partner,
        str(pair.left.moment) if pair.left is not None else "",
        str(pair.right.moment) if pair.right is not None else "",
        None if hidden else pair.difference, None if hidden else pair.relative, pair.by_value, place, chosen,
    )  # fmt: skip


def _told(session: Session, row: Row) -> tuple[str, str]:
    """What a row is about, and what happens in it."""
    return session.run.label(row), what_of(session, row, session.run.step(row.step))
