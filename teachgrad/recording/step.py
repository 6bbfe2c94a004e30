"""One training step of a recording, in memory: its rows, and where in it things are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import NamedTuple

from .schema import Kind, Phase


class Row(NamedTuple):
    """Something that happened.

    - `leaf`: an input, a constant or a parameter is used for the first time; `value` is its value.
    - `op`: an op made `vertex` from `inputs`; `value` is the result.
    - `seed`: a backward pass starts at `vertex`; `value` is the gradient it starts with.
    - `edge`: gradient flows out of vertex `source` into its input number `edge`, which is `vertex`. `incoming` is the
      gradient at the source, `delta` the contribution, `value` the running sum of the gradient at `vertex`.
    - `update`: a leaf was overwritten; `value` is its new value, `delta` the old one, where that was not the last one
      recorded.

    `value`, `delta` and `incoming` are numbers of arrays, or None where nothing was kept.
    """

    step: int
    row: int
    phase: Phase
    kind: Kind
    vertex: int
    source: int | None
    edge: int | None
    op: str | None
    name: str | None
    scope: str
    inputs: tuple[int, ...]
    attrs: str | None
    site: int | None
    requires_grad: bool
    parameter: bool
    value: int | None
    delta: int | None
    incoming: int | None


class Site(NamedTuple):
    """A place in the user's source: `first` and `last` are columns of `text`, the line."""

    file: str
    line: int
    function: str
    first: int
    last: int
    text: str


class Step:
    """The rows of one training step, with what can be said of them only together."""

    def __init__(
        self, number: int, rows: list[Row], assigned: Mapping[int, str], earlier: Callable[[int], str]
    ) -> None:
        """`assigned` has the names that the source gives at some sites, `earlier` names vertices from before."""
        self.number = number
        self.rows = rows
        self.made: dict[int, int] = {}
        """The row of each vertex that first appears in this step."""
        self.into: dict[int, list[int]] = {}
        """The rows in which gradient flows into a vertex."""
        self.out_of: dict[int, list[int]] = {}
        """The rows in which gradient flows out of a vertex, that is, of the op that made it."""
        self.seeds: dict[int, list[int]] = {}
        """The rows in which a backward pass starts at a vertex."""
        self.updates: dict[int, list[int]] = {}
        """The rows in which a leaf is overwritten."""
        for row in rows:
            if row.kind == "leaf" or row.kind == "op":
                self.made.setdefault(row.vertex, row.row)
            elif row.kind == "edge":
                self.into.setdefault(row.vertex, []).append(row.row)
                self.out_of.setdefault(row.source or 0, []).append(row.row)
            elif row.kind == "seed":
                self.seeds.setdefault(row.vertex, []).append(row.row)
            else:
                self.updates.setdefault(row.vertex, []).append(row.row)
        self.names = self._name(assigned)
        """What to call each vertex that first appears here."""
        self._earlier = earlier
        self._about: dict[str, list[int]] | None = None
        self._readers: dict[int, list[int]] | None = None

    def _name(self, assigned: Mapping[int, str]) -> dict[int, str]:
        """The name that a vertex has; else, of the ops of one named expression, for the last of them, what
        the source calls it; else the op and a number."""
        names: dict[int, str] = {}
        counts: Counter[str] = Counter()
        rows = self.rows
        ends = self._ends_of_expressions(assigned)
        for vertex, index in self.made.items():
            row = rows[index]
            if row.name:
                names[vertex] = row.name
            elif index in ends:
                names[vertex] = assigned[row.site or 0]
            else:
                stem = row.op or ("parameter" if row.parameter else "leaf" if row.requires_grad else "input")
                counts[stem] += 1
                names[vertex] = f"{stem}_{counts[stem]}"
        return names

    def _ends_of_expressions(self, assigned: Mapping[int, str]) -> set[int]:
        """The rows of ops that are the last of a run from the same named expression."""
        ends: set[int] = set()
        site, last = None, -1
        for row in self.rows:
            if row.kind != "op":
                continue
            if row.site != site and site in assigned:
                ends.add(last)
            site, last = row.site, row.row
        if site in assigned:
            ends.add(last)
        return ends

    def about(self) -> dict[str, list[int]]:
        """The rows about each thing that can be named: `W1`, `W1.grad`."""
        if self._about is None:
            self._about = {}
            for row in self.rows:
                self._about.setdefault(self.label(row), []).append(row.row)
        return self._about

    def readers(self, vertex: int) -> list[int]:
        """The rows of ops that take a vertex as an input."""
        if self._readers is None:
            self._readers = {}
            for row in self.rows:
                for source in row.inputs:
                    self._readers.setdefault(source, []).append(row.row)
        return self._readers.get(vertex, [])

    def name(self, vertex: int) -> str:
        """What to call a vertex."""
        return self.names.get(vertex) or self._earlier(vertex)

    def label(self, row: Row) -> str:
        """What a row of this step is about."""
        name = self.name(row.vertex)
        return f"{name}.grad" if row.kind in ("seed", "edge") else name
