"""Puzzle: counting, with atomics."""

from __future__ import annotations

import numpy as np

from teachgrad.errors import counted

from ..costs import elements
from ..hints import both, finds, lacks, over
from ..puzzle import Bound, Case, Hint, Puzzle

TASK = """\
x holds numbers from 0 to 7; add to out[v] how often v occurs (out begins as zeros). Two threads that do
out[v]++ at once both read the old number, and one count is lost: atomicAdd(&out[v], 1) makes reading, adding
and writing one thing.

Atomics in global memory wait for each other. Let each block count in shared memory, with atomics there,
and add its 8 counts to out at the end: at most 8 atomic operations in global memory for each block.
Blocks have 16 threads, and there are not enough for all elements: use a strided loop."""

START = """\
extern "C" __global__ void histogram(const int* x, int* out, int n)
{
    __shared__ int counts[8];
    int t = threadIdx.x;
    // TODO: counts begin as zeros
    for (int i = blockIdx.x * blockDim.x + t; i < n; i += gridDim.x * blockDim.x)
        out[x[i]]++;  // TODO
    // TODO: counts are added to out
}
"""


def case(n: int, grid: int) -> Case:
    x = np.random.default_rng(n).integers(0, 8, n, dtype=np.int32)
    told = f"{counted(n, 'element')}, {counted(grid, 'block')} of 16 threads"
    return Case(told, (grid,), (16,), {"x": x, "out": np.zeros(8, np.int32), "n": n},
                {"out": np.bincount(x, minlength=8).astype(np.int32)})  # fmt: skip


PUZZLE = Puzzle("histogram", "counting, with atomics", "histogram", TASK, START,
                lambda: [case(16, 1), case(40, 2), case(1, 1), case(333, 3)], (
    Hint("not-atomic", finds("race", space="global"),
         "Several threads change one element of out at once, and counts are lost. Use atomicAdd(&..., 1)."),
    Hint("not-zeroed", finds("uninitialised"),
         "The counts of a block begin as rubbish. Let threads 0 to 7 put zeros there, and wait before anybody "
         "counts."),
    Hint("not-atomic-in-shared", both(finds("race", space="shared"), lacks(r"atomicAdd\s*\(\s*(&\s*)?counts")),
         "Threads of a block change one of the counts at once: atomics are needed in shared memory, too."),
    Hint("missing-barrier", finds("race", space="shared"),
         "Three things happen, one after the other: zeros, counting, adding up. Between them all must wait."),
    Hint("too-many-atomics", over("atomics"),
         "Right, but every element is an atomic operation in global memory. Count in shared memory first."),
), (Bound("atomics", "atomic operations in global memory", elements("global", "atomic"), lambda case: 8 * case.grid[0]),
))  # fmt: skip
