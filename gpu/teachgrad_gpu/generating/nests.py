"""Which threads compute what of a fused kernel.

A kernel without sums has a thread for each element. A kernel with sums has a row for each turn of its outer loops, and
a team of threads for each row: one thread where rows are short, or where neighbouring threads then read neighbouring
memory; a warp of 32 for rows of middling length; a whole block for long ones. The threads of a team take turns along
the row, and put their sums together.
"""

from __future__ import annotations

from functools import cached_property
from math import prod

from teachgrad.executors.c.groups import is_reduction
from teachgrad.executors.c.nest import Nest
from teachgrad.op import Vertex

WARP = 32
BLOCK = 256
"""The threads of a block."""
WIDE = 1024
"""The threads of a block that sums a very long row: the most that there can be."""
NARROW = 64
"""The threads of a block where each has a row of its own: more blocks, and so more processors, have work."""
ROWS = 4
"""So many rows are in one block, where each has a warp."""
SHORT = 8
"""Rows of up to so many elements have one thread."""
LONGEST_ALONE = 512
"""Up to so many elements are summed by one thread, where that lets neighbours read neighbouring memory."""
LONG = 1024
"""Rows of more elements than this have a block."""
VERY_LONG = 1 << 14
"""Rows of at least so many elements have a wide one."""
SHARED = 32 << 10
"""So many bytes of a block's shared memory at most keep what a row needs later on. A block has 48 KiB."""


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
    def team(self) -> int:
        """How many threads share a row."""
        if not self.has_rows or self.length <= SHORT:
            return 1
        last_is_outer = len(self.space) - 1 not in self.inner
        if last_is_outer and not self.kept and self.length <= LONGEST_ALONE and self.rows >= WARP:
            return 1
        if self.length <= LONG:
            return WARP
        return BLOCK if self.length < VERY_LONG else WIDE

    @property
    def block(self) -> int:
        """The threads of a block."""
        if not self.has_rows:
            return BLOCK
        return {1: NARROW, WARP: WARP * ROWS}.get(self.team, self.team)

    @property
    def grid(self) -> int:
        """The number of blocks."""
        if not self.has_rows:
            return max(1, -(-prod(self.space) // BLOCK))
        return -(-self.rows * self.team // self.block)

    @property
    def needs_memory(self) -> list[Vertex]:
        """Members that a later phase reads and that shared memory has no room for."""
        if self.team == 1:
            return []
        each = ROWS if self.team == WARP else 1
        room, found = SHARED, []
        for v in self.group.members:
            if v.id in self.kept:
                size = self.length * v.dtype.itemsize * each
                if size <= room:
                    room -= size
                else:
                    found.append(v)
        return found
