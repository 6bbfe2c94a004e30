"""Hints for wrong answers: each belongs to a known misconception, and is given only where that leads to this answer.

What a misconception leads to is computed from the recording, so a hint never fires by the look of an answer.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..session import Session
from .gradients import gradient_suspects
from .order import choices, front
from .questions import (
    NEXT,
    REWRITE,
    SHAPE,
    VALUE,
    Question,
    agrees,
    chosen,
    is_right,
    read_number,
    read_shape,
    truth,
)
from .rewriting import rewrite_suspects
from .shapes import shape_suspects
from .suspects import Suspect, at
from .values import update_suspects, value_suspects


def suspects(session: Session, question: Question) -> Iterator[Suspect]:
    """The misconceptions that lead to another answer than the right one, the most telling first."""
    right = truth(session, question)
    for suspect in _all(session, question):
        if question.kind in (VALUE, REWRITE):
            assert isinstance(suspect.answer, float)
            if not is_right(session, question, repr(suspect.answer)):
                yield suspect
        elif question.kind == SHAPE or not isinstance(right, frozenset):
            if suspect.answer != right:
                yield suspect
        elif suspect.answer not in right:
            yield suspect


def hint_for(session: Session, question: Question, text: str) -> Suspect | None:
    """The misconception that a wrong answer shows, if it is what one leads to. Raises `AnswerError`."""
    if is_right(session, question, text):
        return None
    answer: float | tuple[int, ...] | int
    if question.kind == NEXT:
        answer = chosen(session, question.moment, text)
    else:
        answer = read_shape(text) if question.kind == SHAPE else read_number(text)
    for suspect in suspects(session, question):
        if suspect.answer == answer:
            return suspect
        if isinstance(answer, float) and isinstance(suspect.answer, float) and agrees(answer, suspect.answer):
            return suspect
    return None


def _all(session: Session, question: Question) -> Iterator[Suspect]:
    if question.kind == REWRITE:
        yield from rewrite_suspects(session, question.element)
        return
    row = session.row(question.moment)
    if question.kind == NEXT:
        yield from _order_suspects(session, question)
    elif question.kind == SHAPE:
        yield from shape_suspects(session, row)
    elif row.kind == "edge":
        yield from gradient_suspects(session, row, question.element)
    elif row.kind == "op":
        yield from value_suspects(session, row, question.element)
    elif row.kind == "update":
        yield from update_suspects(session, row, question.element)
    elif row.kind == "seed":
        own = at(session.array(session.value_of(row.vertex, row.moment)), question.element)
        name = session.name(row.vertex, row.step)
        yield Suspect("zero", 0.0, f"how much does {name} change if {name} changes?")
        if own is not None:
            yield Suspect("value", own, f"that is the value of {name}: its gradient says how much {name} changes if "
                          f"{name} changes")  # fmt: skip
    else:
        after, old = (at(session.array(number), question.element) for number in (row.value, row.delta))
        if after is not None and old is not None:
            name = session.name(row.vertex, row.step)
            yield Suspect("cleared", after - old, f"that is the gradient of this pass alone: {name}.grad was not "
                          "cleared, so what it held before is added")  # fmt: skip
            yield Suspect("left out", old, f"that is what {name}.grad held before: this pass adds to it")


def _order_suspects(session: Session, question: Question) -> Iterator[Suspect]:
    coming = front(session, question.moment)
    if coming is None:
        return
    step = question.moment.step
    for choice in choices(session, question.moment).values():
        missing = coming.waiting.get(choice.vertex, frozenset())
        names = sorted(session.name(vertex, step) for vertex in missing)
        if names:
            rest = f" and {len(names) - 3} more" if len(names) > 3 else ""
            yield Suspect("not ready", choice.vertex, f"{choice.name}.grad is not complete yet: gradient has still to "
                          f"come from {', '.join(names[:3])}{rest}")  # fmt: skip
