"""Puzzle: several blocks."""

from __future__ import annotations

from teachgrad.errors import counted

from ..costs import ONCE
from ..hints import both, lacks, unwritten, writes
from ..puzzle import Case, Hint, Puzzle, blank, integers

TASK = """\
A block has at most 1024 threads, so long arrays take several blocks. Write a[i] + 10 into
out[i]. There are just enough blocks; the last one may have threads too many.

threadIdx.x begins at 0 in each block. blockIdx.x says which block it is, blockDim.x how
many threads a block has."""

START = """\
extern "C" __global__ void blocks(const float* a, float* out, int n)
{
    int i = threadIdx.x;  // TODO: that is my place in the block; where is the block?
    if (i < n)
        out[i] = a[i] + 10;
}
"""


def case(n: int, threads: int) -> Case:
    grid = -(-n // threads)
    told = f"{counted(n, 'element')}, {counted(grid, 'block')} of {counted(threads, 'thread')}"
    return Case(told, (grid,), (threads,),
                {"a": integers(n), "out": blank(n), "n": n}, {"out": integers(n) + 10})  # fmt: skip


PUZZLE = Puzzle("blocks", "several blocks", "blocks", TASK, START,
                lambda: [case(21, 8), case(9, 4), case(64, 32), case(1000, 128)], (
    Hint("thread-only", both(unwritten, lacks(r"blockIdx")),
         "All blocks do the same elements: the first thread of each has threadIdx.x = 0. How many threads are in the"
         " blocks before this one?"),
    Hint("grid-for-block", writes(r"gridDim"),
         "gridDim.x is the number of blocks. What counts is how many threads a block has: blockDim.x."),
    Hint("no-multiple", both(unwritten, lacks(r"blockDim")),
         "Blocks overlap. Block 1 begins where block 0 ends, which is after blockDim.x elements."),
), (ONCE,))  # fmt: skip
