"""Puzzle: sums over neighbours, each element read once."""

from __future__ import annotations

import numpy as np

from teachgrad.errors import counted

from ..costs import elements
from ..hints import both, either, finds, gives, over
from ..puzzle import Array, Bound, Case, Hint, Puzzle, blank, integers

TASK = """\
out[i] is the sum of a[i] and the two elements before it, as far as there are such:
out[0] = a[0], out[1] = a[0] + a[1], out[2] = a[0] + a[1] + a[2], and so on.

Reading three elements for each sum would read all of a three times. Global memory is far
away: a block shall read each element that it needs once, into shared memory, and sum from
there. Mind that the first sums of a block need two elements of the block before."""

START = """\
extern "C" __global__ void pool(const float* a, float* out, int n)
{
    __shared__ float near[8 + 2];  // near[t + 2] is for a[i]; near[0] and near[1] for the two before the block
    int t = threadIdx.x;
    int i = blockIdx.x * 8 + t;
    // TODO: fill near, wait, and sum
}
"""


def sums(a: Array) -> Array:
    padded = np.concatenate([np.zeros(2, a.dtype), a])
    return padded[2:] + padded[1:-1] + padded[:-2]


def without_halo(case: Case) -> Array:
    a = case.arguments["a"]
    return np.concatenate([sums(a[i:i + 8]) for i in range(0, len(a), 8)])


def case(n: int) -> Case:
    grid = -(-n // 8)
    told = f"{counted(n, 'element')}, {counted(grid, 'block')} of 8 threads"
    return Case(told, (grid,), (8,), {"a": integers(n), "out": blank(n), "n": n},
                {"out": sums(integers(n))})  # fmt: skip


PUZZLE = Puzzle("pool", "sums of neighbours, each element read once", "pool", TASK, START,
                lambda: [case(13), case(8), case(1), case(100)], (
    Hint("missing-barrier", finds("race", space="shared"),
         "A neighbour's element is read before it is surely there: all must have filled near before anybody sums."),
    Hint("no-halo", either(gives(without_halo), both(finds("uninitialised"))),
         "Inside a block the sums are right, but the first two threads of a block need elements that lie before it: "
         "somebody must put a[i - 2] into near[0] and near[1] (and a zero where there is none)."),
    Hint("too-many-reads", over("reads"),
         "The sums are right, but elements are read several times. After the barrier, read from near alone."),
), (Bound("reads", "elements read from global memory", elements("global", "load"),
          lambda case: case.arguments["n"] + 2 * (case.grid[0] - 1)),))  # fmt: skip
