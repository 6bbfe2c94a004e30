"""Which threads compute what of a fused kernel.

A kernel without sums has a thread for each element, or for four neighbours. A kernel with sums has a row for each turn
of its outer loops, and a team of threads for each row, which take turns along it and put their sums together:

- one thread where rows are short;
- a warp, or a block, where the elements of a row lie side by side: the longer the row, the more threads;
- a column of a block where neighbours in memory belong to different rows, as in a sum over the first axis of a matrix:
  the 32 threads of a warp then have 32 rows, and read 32 neighbours.

What is needed again after a sum stays in the registers of the thread that has read or computed it, if there is room.
Where there are too few rows to keep a device busy, each is summed in parts, by several blocks.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import prod

from teachgrad.executors.c.groups import is_reduction
from teachgrad.executors.c.nest import Nest
from teachgrad.op import Vertex

WARP = 32
BLOCK = 256
"""The threads of a block."""
NARROW = 64
"""The threads of a block where each has a row of its own: more blocks, and so more processors, have work."""
ROWS = 4
"""So many rows are in one block, where each has a warp."""
SHORT = 8
"""Rows of up to so many elements have one thread."""
FEW_ACROSS, MANY_ACROSS, MANY = 32, 512, 1 << 17
"""Where neighbours belong to different rows, one thread has a row of fewer elements than the first; or of up to the
second, if there are so many rows that a thread for each keeps a device busy."""
LONG = 1024
"""Rows of more elements than this have a block."""
KEPT = 32
"""So many elements of a row at most stay in the registers of each thread."""
TEAMS = {WARP: 96, 256: 96, 512: 64, 1024: 40}
"""How many threads a team can have that keeps its row in registers, and how many registers of each it may take."""
FEW, BUSY = 1 << 6, 1 << 10
"""Fewer blocks than this leave a large device idle, and had better have many threads; so many keep any device busy."""
PART, PART_ACROSS = 1 << 13, 64
"""Each part of a row that several blocks sum has at least so many elements."""
WORTH = 1 << 17
"""Fewer elements than this are not summed in parts: the launch of the second kernel would take longer than it saves."""
LARGEST = 2**31 - 2**21
"""Up to so many elements are counted in 32 bits: divisions and indices in 64 take several instructions each."""


@dataclass(frozen=True)
class Team:
    """The threads that share a row."""

    threads: int = 1
    across: bool = False
    """Whether they are a column of a block: one thread of each of its warps."""
    keeps: bool = False
    """Whether each keeps its elements in registers from one phase to the next."""
    parts: int = 1
    """Of how many such teams each has a part of a row."""


class ThreadNest(Nest):
    """The loops of a group, and the threads that run them."""

    @property
    def sums(self) -> list[Vertex]:
        """The reductions over inner loops."""
        if self.group.kind != "loops":
            return []
        return [v for v in self.group.members if is_reduction(v) and self.group.summed(v)]

    @cached_property
    def has_rows(self) -> bool:
        """Whether there are sums, and so rows."""
        return bool(self.sums)

    @property
    def rows(self) -> int:
        """How many rows there are; without sums, one."""
        return prod(self.space) // self.length if self.has_rows else 1

    @property
    def length(self) -> int:
        """The number of elements of a row."""
        return prod(self.space[loop] for loop in self.inner)

    @cached_property
    def team(self) -> Team:
        """The threads that share a row."""
        if not self.has_rows or self.length <= SHORT:
            return Team()
        if self.lies_across():
            return self.team_across()
        if self.phases == 1:
            if self.length <= LONG:
                return Team(WARP)
            parts = self.parts(self.rows, PART)
            return Team(1024 if parts == 1 and self.rows < FEW else BLOCK, parts=parts)
        for threads in TEAMS:
            if self.fits(4 * -(-self.length // (4 * threads)), threads):
                return Team(threads, keeps=True)
        return Team(WARP if self.length <= LONG else BLOCK if self.length <= KEPT * 1024 else 1024)

    def lies_across(self) -> bool:
        """Whether neighbours in memory belong to different rows, in most of what is read."""
        across = 0
        for v, x in self.loads():
            steps = self.steps(x, v)
            near = [loop for loop, n in enumerate(self.space) if steps[loop] == 1 and n > 1]
            if self.is_full(v) and near:
                across += -x.size if near[-1] in self.inner else x.size
        return across > 0 or (across == 0 and len(self.space) - 1 not in self.inner)

    def team_across(self) -> Team:
        """The team of a row whose neighbours in memory belong to other rows."""
        if self.phases == 1:
            if self.length < FEW_ACROSS or (self.length <= MANY_ACROSS and self.rows >= MANY):
                return Team()
            blocks = -(-self.rows // WARP)
            parts = self.parts(blocks, PART_ACROSS)
            wide = parts == 1 and blocks < FEW and self.length >= MANY_ACROSS
            return Team((1024 if wide else BLOCK) // WARP, across=True, parts=parts)
        for threads in (BLOCK, 1024):
            if self.fits(-(-self.length // (threads // WARP)), threads):
                return Team(threads // WARP, across=True, keeps=True)
        return Team(1024 // WARP, across=True)

    def parts(self, blocks: int, least: int) -> int:
        """In how many parts each row is summed, where so many blocks sum all rows, and a part has some elements."""
        return max(1, min(BUSY // blocks, self.length // least)) if self.rows * self.length >= WORTH else 1

    def fits(self, count: int, block: int) -> bool:
        """Whether the registers of a thread hold so many elements of all that goes along a row."""
        lines = {(self.views.base(x).id, self.steps(x, v)): x for v, x in self.loads()
                 if self.is_full(v) and self.goes_along(x, v)}
        lines |= {(v.id, ()): v for v in self.group.members if v.id in self.kept}
        words = sum(max(1, x.dtype.itemsize // 4) for x in lines.values())
        return count <= KEPT and count * words <= TEAMS[block]

    def goes_along(self, x: Vertex, v: Vertex) -> bool:
        """Whether an input of a member varies along a row."""
        return any(self.steps(x, v)[loop] for loop in self.inner)

    @property
    def counts_in(self) -> str:
        """The type of indices."""
        sizes = [prod(self.space), *(self.views.base(x).size for _, x in self.loads())]
        return "int" if max(sizes) <= LARGEST else "int64_t"

    @property
    def block(self) -> int:
        """The threads of a block."""
        if not self.has_rows:
            return BLOCK
        if self.team.across:
            return WARP * self.team.threads
        return {1: NARROW, WARP: WARP * ROWS}.get(self.team.threads, self.team.threads)

    @property
    def grid(self) -> int:
        """The number of blocks of a kernel with rows."""
        return -(-self.rows // self.rows_of_block) * self.team.parts

    @property
    def rows_of_block(self) -> int:
        """How many rows a block has."""
        return WARP if self.team.across else self.block // self.team.threads

    @property
    def needs_memory(self) -> list[Vertex]:
        """Members that a later phase reads and that registers have no room for."""
        if self.team.threads == 1 or self.team.keeps:
            return []
        return [v for v in self.group.members if v.id in self.kept]

