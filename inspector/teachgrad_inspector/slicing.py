"""What a value comes from, and what comes of it: slices of a training step, through forward, backward and update.

One row depends on another if a number of the other went into its own:

- an op on what last wrote each of its inputs;
- gradient along an edge on the gradient that came in, on the sum to which it is added, and on what the rule of the op
  reads: of z = x y, the gradient of x reads y, that of x + y nothing;
- an update on the gradient and on the value before; and on the op that computed the new value, where it is recorded.

A backward pass begins with a number that was given, so a gradient depends on the forward pass only by what the rules
read. A slice is the rows that a row depends on, by however many steps, or that depend on it. It is after M. Weiser,
"Program slicing" (1981); here it is dynamic, of the run that was recorded.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from teachgrad.recording import Row, Step

from .formulas import needs
from .session import Session

Ways = Literal["ancestors", "descendants", "both"]
WAYS: tuple[Ways, ...] = ("ancestors", "descendants", "both")
SLICES: dict[Ways, str] = {
    "ancestors": "only what this value comes from",
    "descendants": "only what comes of this value",
    "both": "only what this value comes from, and what comes of it",
}
"""What each kind of slice shows."""


@dataclass(frozen=True, slots=True)
class Slice:
    """What the row number `nth` about `label` comes from in each training step, or what comes of it, or both."""

    label: str
    nth: int
    ways: Ways

    @property
    def title(self) -> str:
        """What the slice is called."""
        return f"{'both ways from' if self.ways == 'both' else f'{self.ways} of'} {self.label}"

    def rows(self, session: Session, number: int) -> frozenset[int] | None:
        """The rows of the slice in a training step; None where there is nothing of that name."""
        step = session.run.step(number)
        places = step.about().get(self.label)
        if not places:
            return None
        start = places[min(self.nth, len(places) - 1)]
        sources: list[tuple[int, ...]] = session.kept(
            lambda: sources_of(step, session.run.level == "values"), "sources", number, len(step.rows)
        )
        found: set[int] = set()
        if self.ways != "descendants":
            found |= _ancestors(sources, start)
        if self.ways != "ancestors":
            found |= _descendants(sources, start)
        return frozenset(found)


def slice_at(step: Step, row: Row, ways: Ways) -> Slice:
    """The slice of a row."""
    label = step.label(row)
    return Slice(label, step.about()[label].index(row.row), ways)


def sources_of(step: Step, by_number: bool = False) -> list[tuple[int, ...]]:
    """For each row of a training step, the rows that it depends on directly; all are before it. `by_number` says that
    equal numbers of arrays mean equal values, which tells the op behind an update."""
    value: dict[int, int] = {}
    """The row that last wrote each vertex; the next two likewise of gradients, in this backward pass and before."""
    total: dict[int, int] = {}
    before: dict[int, int] = {}
    computed: dict[int, int] = {}
    """The op whose result is the array of this number."""
    found: list[tuple[int, ...]] = []
    for row in step.rows:
        sources: list[int | None] = []
        if row.kind == "op":
            sources = [value.get(vertex) for vertex in row.inputs]
            if row.value is not None:
                computed[row.value] = row.row
        elif row.kind == "seed":
            if row.row and step.rows[row.row - 1].kind != "seed":
                before |= total
                total = {}
        elif row.kind == "edge":
            sources = [total.get(row.source or 0), total.get(row.vertex), *_read(step, row, value)]
        elif row.kind == "deposit":
            sources = [total.get(row.vertex), before.get(row.vertex)]
        elif row.kind == "update":
            sources = [value.get(row.vertex), total.get(row.vertex, before.get(row.vertex))]
            if by_number and row.value is not None:
                sources.append(computed.get(row.value))
        (total if row.of_gradient else value)[row.vertex] = row.row
        found.append(tuple(dict.fromkeys(source for source in sources if source is not None)))
    return found


def _read(step: Step, row: Row, value: dict[int, int]) -> list[int | None]:
    """The rows of the forward pass that the gradient rule of an edge reads."""
    made = step.made.get(row.source or 0)
    if made is None or step.rows[made].kind != "op":
        return []
    op = step.rows[made]
    inputs, result = needs(op.op, row.edge or 0, len(op.inputs))
    read = [value.get(op.inputs[i]) for i in sorted(inputs) if i < len(op.inputs)]
    return [*read, made] if result else read


def _ancestors(sources: list[tuple[int, ...]], start: int) -> set[int]:
    found, waiting = {start}, [start]
    while waiting:
        for source in sources[waiting.pop()]:
            if source not in found:
                found.add(source)
                waiting.append(source)
    return found


def _descendants(sources: list[tuple[int, ...]], start: int) -> set[int]:
    found = {start}
    for row in range(start + 1, len(sources)):
        if not found.isdisjoint(sources[row]):
            found.add(row)
    return found
