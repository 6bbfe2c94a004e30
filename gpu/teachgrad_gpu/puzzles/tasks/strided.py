"""Puzzle: fewer threads than elements."""

from __future__ import annotations

from teachgrad.errors import counted

from ..costs import ONCE
from ..hints import both, lacks, over, right, unwritten, writes
from ..puzzle import Case, Hint, Puzzle, blank, integers

TASK = """\
Write a[i] + 10 into out[i], for any n, though the number of threads is fixed: a thread
does its element, then goes on by the number of all threads in the grid, as long as it is inside.

All threads together move along the array like one wide brush. (Kernels are often written
so: the grid can then have the size that the device likes.)"""

START = """\
extern "C" __global__ void strided(const float* a, float* out, int n)
{
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n)  // TODO: that does one element, not more
        out[i] = a[i] + 10;
}
"""


def case(n: int, grid: int, threads: int) -> Case:
    told = f"{counted(n, 'element')}, {counted(grid, 'block')} of {counted(threads, 'thread')}"
    return Case(told, (grid,), (threads,),
                {"a": integers(n), "out": blank(n), "n": n}, {"out": integers(n) + 10})  # fmt: skip


PUZZLE = Puzzle("strided", "fewer threads than elements", "strided", TASK, START,
                lambda: [case(21, 2, 4), case(3, 2, 4), case(16, 1, 8), case(500, 3, 32)], (
    Hint("no-loop", both(unwritten, lacks(r"\b(for|while)\b")),
         "Every thread does one element and stops. It needs a loop."),
    Hint("steps-of-one", both(over("once"), writes(r"i\s*\+\+|\+\+\s*i|i\s*\+=\s*1\b")),
         "With steps of one, every thread walks over the elements of its neighbours. How many threads are there to "
         "share the work?"),
    Hint("block-stride", both(right, over("once"), lacks(r"gridDim")),
         "A step of blockDim.x leads into the elements of the next block. The whole grid has gridDim.x * blockDim.x "
         "threads."),
    Hint("small-steps", both(right, over("once")),
         "Elements are done more than once: the steps are too small. gridDim.x alone counts blocks; the whole grid has "
         "gridDim.x * blockDim.x threads."),
), (ONCE,))  # fmt: skip
