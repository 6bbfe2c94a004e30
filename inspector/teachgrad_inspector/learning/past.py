"""The recording as it was at a moment: what came later is not in it, and neither is what is to be predicted now.

A screen cannot give away what it does not have. So in predict mode the screens see this instead of the recording.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import replace
from functools import cached_property

import numpy as np

from teachgrad.recording import ArrayInfo, Held, Moment, Ran, Reader, Row, Statistics, Step

from ..history import History, StepFacts
from ..lanes import Lanes
from ..queries import Query
from ..session import Keep, Session
from ..slicing import Slice
from ..views.options import Options
from .questions import VALUE, asks

SHUT = ("passes", "memory", "kernels", "doctor", "compare", "what-if")
"""Screens that are about the whole run: there is nothing to show on them that would give nothing away."""


GIVES_AWAY = "not as long as you predict: conditions would give numbers away"


def gives_away(address: str) -> bool:
    """Whether the place that an address leads to would tell numbers: `W1 where max(abs(W1)) > 10`, `nan`."""
    return " where " in address or address.strip().removeprefix(":").strip() in ("nan", "inf")


def keep_gives_away(keep: Keep | None) -> str:
    """Why a part of the rows cannot be shown alone to somebody who predicts; "" if it can.

    >>> from teachgrad_inspector.queries import query
    >>> keep_gives_away(query("shape:(32,*)"))
    'not as long as you predict: shapes would be given away'
    """
    if isinstance(keep, Slice):
        return "not as long as you predict: what comes of what would be given away"
    if isinstance(keep, Query) and any(term.field in ("shape", "dtype") for term in keep.terms):
        return "not as long as you predict: shapes would be given away"
    return ""


def is_shut(screen: str, moment: Moment, options: Options) -> bool:
    """Whether a screen is shut because somebody predicts. Passes opens after the first training step, when the shapes
    of its program have been seen."""
    return options.predict and screen in SHUT and not (screen == "passes" and moment.step > 0)


def seen(session: Session, moment: Moment, options: Options) -> Session:
    """What the screens may see at a moment: everything, or in predict mode the past."""
    if not options.predict or isinstance(session, PastSession):
        return session
    row = session.row(moment)
    asked = {question.kind for question in asks(session, moment, options.element)} - options.revealed
    kept: dict[tuple[object, ...], Session] = session.kept(dict, "past")
    key = moment.step, row.row, frozenset(asked), session.run.length(moment.step)
    if key not in kept:
        kept.clear()  # each holds a training step
        kept[key] = PastSession(session, moment, "shape" in asked, VALUE in asked)
    return kept[key]


def as_asked(session: Session, moment: Moment, options: Options) -> Options:
    """The options with what is not asked at a moment revealed: there is no reason to hide it."""
    if not options.predict:
        return options
    asked = {question.kind for question in asks(session, moment, options.element)}
    return options if VALUE in asked else options.but(revealed=options.revealed | {VALUE})


class Past(Reader):
    """A recording up to a moment. The same file and the same caches; `shape` and `value` hide those of the last row."""

    def __init__(self, whole: Reader, moment: Moment, shape: bool, value: bool) -> None:
        self.__dict__.update(whole.__dict__)
        self._whole = whole
        self._steps = OrderedDict()
        self._last_step = moment.step
        full = whole.step(moment.step)
        rows = full.rows[: moment.row + 1]
        if shape or value:
            rows[-1] = _veiled(rows[-1], shape)
        self._present = Step(moment.step, rows, {}, full.name)
        self._present.names = {vertex: full.names[vertex] for vertex in self._present.made}

    def length(self, step: int) -> int:
        return len(self._present.rows) if step == self._present.number else self._whole.length(step)

    def rows(self, step: int, start: int = 0, stop: int | None = None) -> Iterator[Row]:
        if step == self._present.number:
            return iter(self._present.rows[start:stop])
        return self._whole.rows(step, start, stop)

    def step(self, number: int) -> Step:
        if number == self._present.number:
            return self._present
        self.length(number)
        return self._whole.step(number)

    def has_step(self, number: int) -> bool:
        return number == self._present.number or self._whole.has_step(number)

    def memory(self, step: int) -> Iterator[Held]:
        return (held for held in self._whole.memory(step) if self._is_past(step, held.row))

    def kernels(self, step: int) -> Iterator[Ran]:
        return (ran for ran in self._whole.kernels(step) if self._is_past(step, ran.row))

    def _is_past(self, step: int, row: int) -> bool:
        return step != self._present.number or row < len(self._present.rows)

    def array(self, number: int) -> ArrayInfo:
        if number < 0:
            return replace(super().array(-1 - number), statistics=None, has_values=False)
        return super().array(number)

    def values(self, number: int) -> np.ndarray | None:
        return None if number < 0 else super().values(number)

    def statistics(self, number: int) -> Statistics | None:
        return None if number < 0 else super().statistics(number)


def _veiled(row: Row, shape: bool) -> Row:
    """A row without its result: arrays of which only the shape is known have negative numbers."""

    def veil(number: int | None) -> int | None:
        return None if shape or number is None else -1 - number

    return row._replace(value=veil(row.value), delta=veil(row.delta))


class PastSession(Session):
    """Questions about a recording, answered from what came before a moment."""

    def __init__(self, whole: Session, moment: Moment, shape: bool, value: bool) -> None:
        super().__init__(Past(whole.run, moment, shape, value), whole.title)
        self.live, self.grows = whole.live, whole.grows
        self._whole = whole
        self._present = moment.step
        self._last = moment.step, moment.row
        self._veils = shape or value

    @property
    def knows_the_future(self) -> bool:
        return False

    def is_complete(self, vertex: int, moment: Moment) -> bool:
        whole = self._whole.step(moment)
        later = (*whole.into.get(vertex, ()), *whole.seeds.get(vertex, ()))
        return all(row <= moment.row for row in later)

    def hides(self, row: Row) -> bool:
        return self._veils and (row.step, row.row) == self._last

    @cached_property
    def history(self) -> History:
        return PastHistory(self._whole.history, self.run, self._present)

    def lanes(self, step: int, folded: frozenset[str], keep: Keep | None = None) -> Lanes:
        """Those of the whole training step: the tape shows them as far as it goes."""
        return self._whole.lanes(step, folded, keep)

    def has_layout(self, step: int, folded: frozenset[str], keep: Keep | None = None) -> bool:
        return self._whole.has_layout(step, folded, keep)


class PastHistory(History):
    """Facts of training steps: of those that are over, what the whole recording says."""

    def __init__(self, whole: History, run: Reader, present: int) -> None:
        super().__init__(run)
        self._whole = whole
        self._present = present

    def of(self, step: int) -> StepFacts:
        return self._whole.of(step) if step < self._present else super().of(step)
