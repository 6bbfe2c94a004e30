"""Long sums, made of the sums of parts: how the loops are cut for them, and who does which part.

The parts are fixed by the lengths of the loops alone. So the bits are the same for any number of threads that share
them, and the error of a sum grows with the length of a part, not of the whole. A sum over outer loops goes on while
they turn: each chunk of them has one of its own, and these are added at the end. A sum over inner loops goes in tiles.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod

from ...dtypes import C_TYPES
from ...op import Vertex
from .groups import TILE, Group, is_reduction, varying
from .nest import Nest
from .spelling import cost, is_sum, step
from .team import LEAST, Team

Loop = tuple[str, str, str]
"""The name of a loop, its first number, and the number after its last."""
FEWEST = 16
"""So many chunks at least, where the loop is long enough: they are what threads can share."""
LONGEST = 128
"""So many turns of a loop in a chunk at most, where memory allows it."""
MOST_TILES = 1 << 14
"""The tiles of a loop are no more than this, but longer: threads that share them note the sum of each."""
MOST_BYTES = 1 << 18
"""The sums of all chunks lie on the stack; more than this would be much for it."""


@dataclass(frozen=True)
class Chunks:
    """A loop of `length` turns, cut into `count` chunks of `turns` turns each, the last one perhaps shorter."""

    length: int
    count: int
    turns: int

    @classmethod
    def of(cls, length: int, work: int, sums: Sequence[Vertex]) -> Chunks | None:
        """The chunks for these sums over a loop of a nest with so much work; None where one chunk is as good."""
        if not sums or work < LEAST:
            return None
        numbers, size = sum(v.size for v in sums), sum(v.size * 8 for v in sums)
        count = min(max(FEWEST, length // LONGEST), length, work // (8 * numbers), MOST_BYTES // size)
        if count < 2:
            return None
        turns = -(-length // count)
        return cls(length, -(-length // turns), turns)

    @property
    def head(self) -> str:
        """The loop over the chunks."""
        return f"for (int64_t chunk = 0; chunk < {self.count}; chunk++) {{"

    def loop(self, name: str) -> str:
        """The loop over the turns of a chunk."""
        last = f"{self.turns} * chunk + {self.turns}"
        if self.length % self.turns:
            last = f"(chunk < {self.count - 1} ? {last} : {self.length})"
        return f"for (int64_t {name} = {self.turns} * chunk; {name} < {last}; {name}++) {{"


class Sums:
    """The part of a function of loops that is about its sums. It knows the rest by these names."""

    nest: Nest
    group: Group
    team: Team
    label: Mapping[int, str]
    outer: list[tuple[str, list[int]]]
    inner: list[tuple[str, list[int]]]
    chunks: Chunks | None
    lasting: list[Vertex]
    """The reductions over outer loops."""
    fails: bool
    depth: int
    shared_tiles: int
    """The number of tiles that threads share, or 0 if one thread does them all."""
    tile: str
    """The name of the number of the tile."""

    def put(self, line: str) -> None:
        raise NotImplementedError

    def length(self, bundle: list[int]) -> int:
        raise NotImplementedError

    def kind(self, v: Vertex) -> str:
        raise NotImplementedError

    def array(self, v: Vertex, written: bool = False) -> str:
        raise NotImplementedError

    def result(self, v: Vertex) -> str:
        raise NotImplementedError

    def conversion(self, v: Vertex) -> str:
        return f"({self.kind(v)})" if self.wide(v) != self.kind(v) else ""

    @staticmethod
    def wide(v: Vertex) -> str:
        """The type in which a long sum is kept."""
        return "double" if is_sum(v) and v.dtype.kind == "f" else C_TYPES[v.dtype]

    def wide_of(self, v: Vertex) -> str:
        """The type in which a sum over outer loops is kept: a wide one if it is a single number."""
        return self.wide(v) if self.is_total(v) else self.kind(v)

    def is_total(self, v: Vertex) -> bool:
        """Whether a member is a reduction whose result is known only after the loops, as a single number."""
        return self.outlives(v) and not varying(self.group.places[v.id])

    def outlives(self, v: Vertex) -> bool:
        """Whether a member is a reduction over outer loops. Among single numbers there are no loops."""
        return (self.group.kind == "loops" and is_reduction(v)
                and bool(self.group.summed(v) & (self.group.loops - self.nest.inner)))

    def begin(self) -> None:
        """What comes before the outer loops: the starts of what is summed over them, and who does which turns."""
        clauses = ["reduction(|:failed)"] * self.fails
        if self.chunks:
            for v in self.lasting:
                size = "" if self.is_total(v) else f"[{v.size}]"
                self.put(f"{self.wide_of(v)} {self.label[v.id]}_parts[{self.chunks.count}]{size};")
            self.divide(clauses)
            self.put(self.chunks.head)
            self.depth += 1
        elif not self.lasting:
            self.divide([f"collapse({len(self.outer)})"] * (len(self.outer) > 1) + clauses)
        for v in self.lasting:
            name, start = self.label[v.id], v.op.c_start  # type: ignore[union-attr]
            if self.is_total(v):
                self.put(f"{self.wide_of(v)} {name} = {start};")
                continue
            if self.chunks:
                self.put(f"{self.kind(v)} *restrict {name}_chunk = {name}_parts[chunk];")
            self.put(f"for (int64_t i = 0; i < {v.size}; i++)")
            self.put(f"    {f'{name}_chunk' if self.chunks else self.array(v, True)}[i] = {start};")

    def divide(self, clauses: list[str]) -> None:
        """Let threads share the loop that follows, if it is an outer one and long enough."""
        if self.outer:
            for line in self.team.parallel_for(self.work(self.group.members), " ".join(clauses)):
                self.put(line)

    def end(self) -> None:
        """What comes after the outer loops: the sums over them, put together and stored."""
        if self.chunks:
            for v in self.lasting:
                if self.is_total(v):
                    self.put(f"{self.label[v.id]}_parts[chunk] = {self.label[v.id]};")
            self.depth -= 1
            self.put("}")
        for v in self.lasting:
            if self.chunks and self.is_total(v):
                self.add_parts(v)
            elif self.chunks:
                self.add_lines(v, self.chunks.count)
            if self.is_total(v):
                self.put(f"{self.array(v, True)}[0] = {self.conversion(v)}{self.label[v.id]};")

    def add_parts(self, v: Vertex) -> None:
        """A single sum from those of all chunks."""
        assert self.chunks
        name = self.label[v.id]
        self.put(f"{self.wide_of(v)} {name} = {name}_parts[0];")
        self.put(f"for (int64_t chunk = 1; chunk < {self.chunks.count}; chunk++)")
        self.put(f"    {name} = {step(v, name, f'{name}_parts[chunk]')};")

    def add_lines(self, v: Vertex, count: int) -> None:
        """An array of sums from those of all chunks."""
        name, element = self.label[v.id], f"{self.array(v, True)}[i]"
        turns = f"for (int64_t i = 0; i < {v.size}; i++)"
        self.put(turns)
        self.put(f"    {element} = {name}_parts[0][i];")
        self.put(f"for (int64_t chunk = 1; chunk < {count}; chunk++)")
        self.put(f"    {turns}")
        self.put(f"        {element} = {step(v, element, f'{name}_parts[chunk][i]')};")

    # ---- inner loops ------------------------------------------------------------------------------------------------

    def running(self, v: Vertex) -> str:
        """The name of the running result of a reduction over inner loops."""
        return self.label[v.id] + ("_part" if self.outlives(v) or self.tiled(self.nest.phase[v.id]) else "")

    def summed_in(self, phase: int) -> list[Vertex]:
        """The reductions over inner loops of a phase."""
        return [v for v in self.group.members if self.nest.phase[v.id] == phase and self.nest.is_full(v)
                and is_reduction(v) and self.group.summed(v) and self.nest.inner <= self.group.summed(v)]

    def tiled(self, phase: int) -> bool:
        """Whether the inner loops of a phase go in tiles, for the sake of their sums."""
        return prod(self.length(bundle) for _, bundle in self.inner) >= 2 * TILE and bool(self.summed_in(phase))

    def begin_tiles(self, members: list[Vertex], loops: list[Loop]) -> list[Loop]:
        """The loop over the tiles of a phase, and the loops that are left to be written in it.

        One long loop is cut into tiles; of several, each turn of the first one is a tile.
        """
        name, first, last = loops[0]
        sums, lines = self.summed_in(self.nest.phase[members[0].id]), []
        length = max(TILE, -(-int(last) // MOST_TILES))
        count = -(-int(last) // length) if not loops[1:] else int(last)
        if not self.outer and count * len(sums) * 8 <= MOST_BYTES:
            lines = self.team.parallel_for(self.work(members), "reduction(|:failed)" * self.fails)
        self.shared_tiles = count if lines else 0
        for v in sums:
            self.put(f"{self.wide(v)} {self.label[v.id]}_parts[{count}];" if lines
                     else f"{self.wide(v)} {self.label[v.id]}_sum = {v.op.c_start};")  # type: ignore[union-attr]
        for line in lines:
            self.put(line)
        if loops[1:]:
            self.put(f"for (int64_t {name} = {first}; {name} < {last}; {name}++) {{")
            self.depth += 1
            self.tile = name
            return loops[1:]
        self.put(f"for (int64_t tile = 0; tile < {count}; tile++) {{")
        self.depth += 1
        self.put(f"const int64_t start = {length} * tile;")
        self.put(f"const int64_t stop = start + {length} < {last} ? start + {length} : {last};")
        self.tile = "tile"
        return [(name, "start", "stop")]

    def end_tiles(self, members: list[Vertex]) -> None:
        """The end of that loop, and the sums of all tiles."""
        sums = self.summed_in(self.nest.phase[members[0].id])
        count = self.shared_tiles
        for v in sums:
            total = f"{self.label[v.id]}_sum"
            self.put(f"{self.label[v.id]}_parts[{self.tile}] = {self.running(v)};" if count
                     else f"{total} = {step(v, total, self.running(v))};")
        self.depth -= 1
        self.put("}")
        for v in sums:
            total = f"{self.label[v.id]}_sum"
            if count:
                self.put(f"{self.wide(v)} {total} = {v.op.c_start};")  # type: ignore[union-attr]
                self.put(f"for (int64_t tile = 0; tile < {count}; tile++)")
                self.put(f"    {total} = {step(v, total, f'{self.label[v.id]}_parts[tile]')};")
            name = self.label[v.id] + ("_part" if self.outlives(v) else "")
            self.put(f"const {self.kind(v)} {name} = {self.conversion(v)}{total};")

    def add_to_memory(self, v: Vertex, element: str) -> None:
        """Add to a reduction that outlives the turn of the outer loops."""
        target = self.label[v.id] if self.is_total(v) else self.result(v)
        self.put(f"{target} += {element};" if is_sum(v) else f"{target} = {step(v, target, element)};")

    def work(self, members: list[Vertex]) -> int:
        """About how many steps it takes to compute these."""
        return sum(cost(v) * prod(self.nest.space if self.nest.is_full(v) else [v.size]) for v in members)

    def divided(self, members: list[Vertex], sums: list[Vertex]) -> list[str]:
        """The line that divides the first of the inner loops of a phase among threads, if that is worth while."""
        if self.outer or sums or not self.inner:
            return []
        before = self.inner[:-1]
        clauses = [f"collapse({len(before)})"] * (len(before) > 1) + ["reduction(|:failed)"] * self.fails
        return self.team.parallel_for(self.work(members), " ".join(clauses), simd=not before)

