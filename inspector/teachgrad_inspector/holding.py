"""What a training step holds in memory: by the plan of its static programs, and as dynamic mode would.

Both are lists of **spans**: a value lies at an offset, in so many bytes, from the row that makes it to the row after
which nobody needs it. Parameters and what else lives on from step to step are not counted.

Dynamic mode gives every value memory of its own. What the backward pass may need stays until that pass has ended, and
a gradient until the rule of its op has run.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from heapq import heappop, heappush
from itertools import pairwise

import numpy as np

from teachgrad.op import Op, Spec
from teachgrad.recording import Reader, RecordingError, Row, Step
from teachgrad.recording.schema import DTYPES

from .formulas import op_named

MAX_SIZE = 1 << 48
"""Bytes that no value takes."""
PLAN, DYNAMIC = "plan", "dynamic"


@dataclass(frozen=True, slots=True)
class Span:
    """A value in memory. `first` and `last` are rows, both included."""

    vertex: int
    bytes: int
    offset: int
    first: int
    last: int
    stays: bool = False
    """Whether the program hands it out: nothing in the step ends it."""
    own: bool = False
    """Whether it has memory of its own, outside the arena. The offset is then only where it is drawn."""
    over: int | None = None
    """The vertex that it is written over."""
    kind: str = "value"
    """`value`, or `gradient` of a value in dynamic mode."""


class Holding:
    """Spans, with what follows from them together."""

    def __init__(self, spans: Sequence[Span], rows: int, arena: int = 0) -> None:
        self.spans = list(spans)
        self.rows = rows
        self.arena = arena
        """Bytes of the arena, up to the highest that was used."""

    @cached_property
    def covered(self) -> set[tuple[int, int]]:
        """(vertex, row) where another value is written over it: they lie in the same bytes then."""
        return {(span.over, span.first) for span in self.spans if span.over is not None}

    def end(self, span: Span) -> int:
        """The last row at which a span counts for itself."""
        return span.last - ((span.vertex, span.last) in self.covered)

    @cached_property
    def live(self) -> np.ndarray:
        """Bytes held at each row. What is written over another value counts once."""
        change = np.zeros(self.rows + 1, np.int64)
        for span in self.spans:
            change[min(span.first, self.rows)] += span.bytes
            change[min(self.end(span) + 1, self.rows)] -= span.bytes
        return np.cumsum(change[: self.rows])

    @cached_property
    def peak_row(self) -> int:
        """The first row at which most is held."""
        return int(self.live.argmax()) if self.rows else 0

    @property
    def peak(self) -> int:
        return int(self.live[self.peak_row]) if self.rows else 0

    def heights(self, count: int) -> tuple[tuple[int, int], ...]:
        """At most so many (row, bytes), evenly spread; each is the most of its stretch."""
        width = max(1, -(-self.rows // count))
        return tuple([(row, int(self.live[row : row + width].max())) for row in range(0, self.rows, width)])

    @cached_property
    def extent(self) -> int:
        """The end of the highest span."""
        return max((span.offset + span.bytes for span in self.spans), default=0)

    @cached_property
    def by_size(self) -> list[Span]:
        """The spans that take the most room for the longest time first."""
        return sorted(self.spans, key=lambda span: -span.bytes * (span.last - span.first + 1))

    @cached_property
    def values(self) -> dict[int, Span]:
        """The spans of values, not of gradients, by vertex."""
        return {span.vertex: span for span in self.spans if span.kind == "value"}

    @cached_property
    def _rows(self) -> tuple[np.ndarray, np.ndarray]:
        return np.array([span.first for span in self.spans]), np.array([span.last for span in self.spans])

    def at(self, row: int) -> list[Span]:
        """What is held at a row, the largest first."""
        first, last = self._rows
        found = [self.spans[number] for number in np.flatnonzero((first <= row) & (row <= last))]
        return sorted(found, key=lambda span: (-span.bytes, span.first))


# ---- by the plan -----------------------------------------------------------------------------------------------------


def planned(run: Reader, step: Step) -> Holding | None:
    """What the static programs of a step held, or None if none ran."""
    rows = len(step.rows)
    open_: dict[int, Span] = {}
    places: dict[int, int] = {}
    """The vertex that lies at a place of the arena now."""
    done: list[Span] = []
    for held in run.memory(step.number):
        sound = all(0 <= (number or 0) < MAX_SIZE for number in (held.vertex, held.bytes, held.place))
        if not sound or not 0 <= held.row <= rows:
            raise RecordingError(f"memory that was taken in step {step.number} is damaged")
        if held.bytes is None:
            span = open_.pop(held.vertex, None)
            if span is not None:
                done.append(replace(span, last=max(span.first, held.row - 1)))
                if places.get(span.offset) == held.vertex:
                    del places[span.offset]
            continue
        over = places.get(held.place) if held.place is not None else None
        if held.place is not None:
            places[held.place] = held.vertex
        open_[held.vertex] = Span(held.vertex, held.bytes, held.place or 0, held.row, held.row,
                                  own=held.place is None, over=over)  # fmt: skip
    done += [replace(span, last=max(span.first, rows - 1), stays=True) for span in open_.values()]
    if not done:
        return None
    arena = max((span.offset + span.bytes for span in done if not span.own), default=0)
    inside = [span for span in done if not span.own]
    outside = pooled([span for span in done if span.own], arena)
    return Holding(sorted([*inside, *outside], key=lambda span: span.first), rows, arena)


def pooled(spans: Iterable[Span], start: int) -> list[Span]:
    """Spans with offsets from `start` on, as a pool gives them that keeps what comes back for the same size."""
    free: dict[int, list[int]] = {}
    busy: list[tuple[int, int, int]] = []
    """(last row, size, offset) of what is in use."""
    placed = []
    for span in sorted(spans, key=lambda span: span.first):
        while busy and busy[0][0] < span.first:
            _, size, offset = heappop(busy)
            heappush(free.setdefault(size, []), offset)
        holes = free.get(span.bytes)
        if holes:
            offset = heappop(holes)
        else:
            offset, start = start, start + span.bytes
        heappush(busy, (span.last, span.bytes, offset))
        placed.append(replace(span, offset=offset))
    return placed


# ---- as dynamic mode -------------------------------------------------------------------------------------------------


def dynamic(run: Reader, step: Step) -> Holding:
    """What dynamic mode holds in this step, or would hold if it ran the same ops."""
    rows = len(step.rows)
    lives = Lives(step)
    pulled = max((row.row for row in step.rows if row.phase == "bwd"), default=None)
    if pulled is None:  # a static program: its backward pass is ops among others
        taped = {row.vertex for row in step.rows if row.kind == "op" and row.requires_grad}
        pulled = max((lives.last[vertex] for vertex in taped if vertex in lives.last), default=0)
    handed = {held.vertex for held in run.memory(step.number) if held.bytes is not None and held.place is None}
    spans = []
    for row in step.rows:
        if row.kind == "op" and not is_view(row) and row.value is not None:
            size = run.array(row.value).nbytes
            last = max(row.row, lives.last.get(row.vertex, row.row))
            if row.requires_grad:
                last = max(last, pulled)
            stays = row.vertex in handed and not lives.readers.get(row.vertex)
            spans.append(Span(row.vertex, size, 0, row.row, rows - 1 if stays else last, stays))
    for vertex, into in step.into.items():
        first = step.rows[into[0]]
        if first.value is not None:
            passed = step.out_of.get(vertex)
            last = max(into[-1], passed[-1]) if passed else rows - 1
            size = run.array(first.value).nbytes
            spans.append(Span(vertex, size, 0, first.row, last, stays=not passed, kind="gradient"))
    return Holding(pooled([span for span in spans if span.bytes], 0), rows)


def is_view(row: Row) -> bool:
    """Whether the result of an op lies in the memory of its input."""
    op = op_named(row.op)
    return op is not None and op.view


class Lives:
    """Who reads which value of a step, and when for the last time; whoever reads a view of a value reads it, too."""

    def __init__(self, step: Step) -> None:
        self.base: dict[int, int] = {}
        """The vertex whose memory a view lies in."""
        self.readers: dict[int, list[int]] = {}
        for row in step.rows:
            if row.kind == "op":
                read = row.inputs
                if row.inputs and is_view(row):
                    self.base[row.vertex] = self.base.get(row.inputs[0], row.inputs[0])
            elif row.kind == "edge" and row.source in step.made:  # its rule may read all that its op has seen
                read = (row.source, *step.rows[step.made[row.source]].inputs)
            else:
                continue
            for vertex in dict.fromkeys(self.base.get(x, x) for x in read):
                self.readers.setdefault(vertex, []).append(row.row)
        self.last = {vertex: rows[-1] for vertex, rows in self.readers.items()}


# ---- what if it were recomputed --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Recomputed:
    """What becomes of a step when some values are dropped where they lie idle longest, and computed again."""

    peak: int
    row: int
    flops: int
    """More than before."""
    longer: tuple[int, ...]
    """Values that are kept longer, since they are needed for it."""


def idle(span: Span, readers: Sequence[int]) -> tuple[int, int] | None:
    """The longest stretch in which nobody touches a value: the row before it and the row after it."""
    touched = [span.first, *(row for row in readers if span.first < row <= span.last)]
    gaps = [(after - before, before, after) for before, after in pairwise(touched) if after - before > 1]
    return max(gaps)[1:] if gaps else None


def recomputed(run: Reader, step: Step, holding: Holding, lives: Lives, chosen: frozenset[int]) -> Recomputed:
    """Predict the peak and the flops if the values `chosen` were dropped while they lie idle.

    A value is computed again just before it is read again, from its inputs: those that were dropped too are computed
    again with it, and stay then until they are read themselves; the others are kept until then.
    """
    values = holding.values
    cuts = {vertex: gap for vertex in chosen & values.keys()
            if (gap := idle(values[vertex], lives.readers.get(vertex, ()))) is not None}  # fmt: skip
    again = {vertex: after for vertex, (_, after) in cuts.items()}
    """The row at which each is computed again."""
    kept: dict[int, int] = {}
    todo = list(again)
    while todo:
        vertex = todo.pop()
        at = again[vertex]
        for x in step.rows[step.made[vertex]].inputs:
            x = lives.base.get(x, x)
            if x in cuts and cuts[x][0] < at:
                if at < again[x]:
                    again[x] = at
                    todo.append(x)
            elif x in values and values[x].last < at:
                kept[x] = max(kept.get(x, 0), at)
    change = np.zeros(holding.rows + 1, np.int64)

    def count(first: int, last: int, size: int) -> None:
        if first <= last:
            change[first] += size
            change[last + 1] -= size

    for vertex, (before, _) in cuts.items():
        span = values[vertex]
        last = span.last if span.stays else max(again[vertex], lives.last[vertex])
        count(before + 1, holding.end(span), -span.bytes)
        count(again[vertex], holding.end(replace(span, last=last)), span.bytes)
    for vertex, last in kept.items():
        count(holding.end(values[vertex]) + 1, last, values[vertex].bytes)
    live = holding.live + np.cumsum(change[: holding.rows])
    row = int(live.argmax()) if holding.rows else 0
    flops = sum(flops_of(run, step, step.rows[step.made[vertex]]) or 0 for vertex in again)
    return Recomputed(int(live[row]) if holding.rows else 0, row, flops, tuple(sorted(kept)))


def flops_of(run: Reader, step: Step, row: Row) -> int | None:
    """The floating-point operations of an op, or None if this teachgrad does not know it or lacks its shapes."""
    op = op_named(row.op)
    specs = [spec_of(run, number) for number in (row.value, *(_value(run, step, vertex) for vertex in row.inputs))]
    return flops_for(op, specs, run.attrs(row)) if op is not None else None


def flops_for(op: Op, specs: Sequence[Spec | None], attrs: Mapping[str, object]) -> int | None:
    """The floating-point operations of an op for the specs of its result and its inputs."""
    if any(spec is None for spec in specs):
        return None
    try:
        count = op.flops(*specs, **attrs)
    except Exception:  # a stranger's file may name any shapes and settings
        return None
    return count if type(count) is int and math.isfinite(count) else None


def spec_of(run: Reader, number: int | None) -> Spec | None:
    """The spec of an array."""
    if number is None:
        return None
    info = run.array(number)
    return Spec(info.shape, DTYPES[info.dtype].newbyteorder("="))


def _value(run: Reader, step: Step, vertex: int) -> int | None:
    """The array that a vertex holds first in a step, or held before it."""
    made = step.made.get(vertex)
    row = step.rows[made] if made is not None else run.leaf(vertex)
    return row.value if row is not None else None
