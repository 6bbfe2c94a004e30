"""One training step of a recording, in memory: its rows, and where in it things are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import NamedTuple

from .moment import Moment
from .names import Names
from .schema import Kind, Phase


class Row(NamedTuple):
    """Something that happened.

    - `leaf`: an input, a constant or a parameter is used for the first time; `value` is its value.
    - `op`: an op made `vertex` from `inputs`; `value` is the result.
    - `seed`: a backward pass starts at `vertex`; `value` is the gradient it starts with.
    - `edge`: gradient flows out of vertex `source` into its input number `edge`, which is `vertex`. `incoming` is the
      gradient at the source, `delta` the contribution, `value` the running sum of the gradient at `vertex`.
    - `deposit`: a leaf had a gradient from before this backward pass, `delta`; `value` is the sum of both, the new
      `.grad`.
    - `update`: a leaf was overwritten; `value` is its new value. The old one is in the row about it before this one.

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

    @property
    def moment(self) -> Moment:
        """The address of this row."""
        return Moment(self.step, self.row, self.phase)

    @property
    def of_gradient(self) -> bool:
        """Whether `value` is a gradient of the vertex."""
        return self.kind in ("seed", "edge", "deposit")

    @property
    def part(self) -> int | None:
        """What this row adds to a gradient, or the value that it is about."""
        return self.delta if self.kind in ("edge", "deposit") else self.value


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
        self, number: int, rows: list[Row], called: Mapping[int, Names], earlier: Callable[[int], str]
    ) -> None:
        """`called` has the names in the source at some sites, `earlier` names vertices from before."""
        self.number = number
        self.rows = rows
        self.made: dict[int, int] = {}
        """The row of each vertex that first appears in this step."""
        self.into: dict[int, list[int]] = {}
        """The rows in which gradient is added to that of a vertex."""
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
            elif row.kind == "deposit":
                self.into.setdefault(row.vertex, []).append(row.row)
            elif row.kind == "seed":
                self.seeds.setdefault(row.vertex, []).append(row.row)
            else:
                self.updates.setdefault(row.vertex, []).append(row.row)
        self.names = self._name(called)
        """What to call each vertex that first appears here."""
        self._earlier = earlier
        self._about: dict[str, list[int]] | None = None
        self._readers: dict[int, list[int]] | None = None

    def _name(self, called: Mapping[int, Names]) -> dict[int, str]:
        """The name that a vertex has; else what the source calls it; else its op or kind and a number.

        Of all ops of one expression, the last has made what the expression is called.
        """
        names: dict[int, str] = {}
        counts: Counter[str] = Counter()
        borrowed, last = self._borrow(called)
        for vertex, index in self.made.items():
            row = self.rows[index]
            result = called[row.site].result if index in last and row.site is not None and row.site in called else None
            name = row.name or result or borrowed.get(vertex)
            if name is None:
                kind = row.op or ("parameter" if row.parameter else "leaf" if row.requires_grad else "input")
                stem = f"{row.scope}.{kind}" if row.scope else kind
                counts[stem] += 1
                name = f"{stem}_{counts[stem]}" if counts[stem] > 1 or not row.scope else stem
            names[vertex] = name
        return names

    def _borrow(self, called: Mapping[int, Names]) -> tuple[dict[int, str], set[int]]:
        """What nameless leaves are called where they are used first, and the last op of each expression."""
        borrowed: dict[int, str] = {}
        last: set[int] = set()
        site: int | None = None
        before = -1
        for row in self.rows:
            if row.kind != "op":
                continue
            if row.site != site:
                last.add(before)
                if row.site is not None and row.site in called:
                    self._match(row, called[row.site].operands, borrowed)
            site, before = row.site, row.row
        last.add(before)
        return borrowed, last

    def _match(self, row: Row, operands: tuple[str | None, ...], borrowed: dict[int, str]) -> None:
        """Give leaves among the inputs of an op the names of the operands in the same places, if there are as many."""
        made = [self.rows[self.made[v]] if v in self.made else None for v in row.inputs]
        inputs = [row for row in made if row is not None and not row.parameter]
        if len(inputs) == len(operands):
            for leaf, name in zip(inputs, operands, strict=True):
                if leaf.kind == "leaf" and name is not None:
                    borrowed.setdefault(leaf.vertex, name)

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
        return f"{name}.grad" if row.of_gradient else name
