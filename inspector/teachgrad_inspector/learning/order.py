"""The order of the backward pass: which ops are ready, and which of them runs next.

The backward pass of an op can run when the gradient of its result is complete: when gradient has come along every
edge by which it will. Any order that keeps to this is right; teachgrad takes the youngest of those that are ready.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from teachgrad.recording import Moment, Row, Step

from ..session import Session

MOST = 5
"""So many choices at most."""
LETTERS = "abcdefgh"


class Choice(NamedTuple):
    """An op whose backward pass may be next: by the name of its result."""

    vertex: int
    name: str
    expression: str


@dataclass(frozen=True, slots=True)
class Front:
    """The ops whose backward pass is still to come: those that are ready, and what the others wait for."""

    ready: frozenset[int]
    waiting: dict[int, frozenset[int]]
    """For each op that is not ready, the results of the ops that have still to send it gradient."""
    following: int
    """The one that runs next."""


def can_run_next(session: Session, moment: Moment) -> frozenset[int]:
    """The results of the ops that can run backward after a moment."""
    front = _front(session.step(moment), moment.row)
    return front.ready if front is not None else frozenset()


def front(session: Session, moment: Moment) -> Front | None:
    """What is ready and what waits after a moment; None where no backward pass goes on from one op to another."""
    return _front(session.step(moment), moment.row)


def _front(step: Step, row: int) -> Front | None:
    following = _following(step, row)
    if following is None or following.source is None:
        return None
    end = _end(step, row)
    rest = [item for item in step.rows[row + 1 : end] if item.kind == "edge" and item.source is not None]
    sources = dict.fromkeys(item.source for item in rest if item.source is not None)
    waits: dict[int, set[int]] = {source: set() for source in sources}
    for item in rest:
        if item.vertex in waits and item.source is not None:
            waits[item.vertex].add(item.source)
    ready = frozenset(source for source, missing in waits.items() if not missing)
    waiting = {source: frozenset(missing) for source, missing in waits.items() if missing}
    return Front(ready, waiting, following.source)


def _following(step: Step, row: int) -> Row | None:
    """The next row, where it begins the backward pass of another op."""
    if row + 1 >= len(step.rows) or step.rows[row].kind not in ("seed", "edge"):
        return None
    here, after = step.rows[row], step.rows[row + 1]
    return after if after.kind == "edge" and (here.kind == "seed" or here.source != after.source) else None


def _end(step: Step, row: int) -> int:
    """Where this backward pass ends."""
    end = row + 1
    while end < len(step.rows) and step.rows[end].phase == "bwd" and step.rows[end].kind != "seed":
        end += 1
    return end


def choices(session: Session, moment: Moment) -> dict[str, Choice]:
    """The choices after a moment by letter, in the order of the forward pass: at least two, among them what runs next
    and, where there is room, both what is ready and what is not. Empty where there is nothing to choose."""
    step = session.step(moment)
    found: dict[str, Choice] = session.kept(
        lambda: _choices(session, step, moment.row), "choices", moment.step, moment.row, len(step.rows)
    )
    return found


def _choices(session: Session, step: Step, row: int) -> dict[str, Choice]:
    front = _front(step, row)
    if front is None or len(front.ready) + len(front.waiting) < 2:
        return {}
    waiting = sorted(front.waiting, reverse=True)
    ready = sorted(front.ready - {front.following}, reverse=True)
    picked = [front.following, *waiting[: MOST - 2], *ready]
    picked = sorted({*picked[: MOST - 1], *(ready[:1] or waiting[MOST - 2 : MOST - 1])})
    return {letter: _choice(session, step, vertex) for letter, vertex in zip(LETTERS, picked, strict=False)}


def _choice(session: Session, step: Step, vertex: int) -> Choice:
    made = step.made.get(vertex)
    op = step.rows[made].op if made is not None else None
    return Choice(vertex, session.name(vertex, step.number), op or "")
