"""Puzzle: a sum over a block."""

from __future__ import annotations

import numpy as np

from teachgrad.errors import counted

from ..hints import both, either, finds, gives, writes
from ..puzzle import Case, Hint, Puzzle, blank, integers

TASK = """\
out[0] is the sum of all a[i] * b[i]. There is one block; the number of its threads is a
power of two, at most 64, and not less than n.

Each thread puts its product into shared memory (a thread without element: a zero). Then
half of the threads add the other half's numbers to theirs, then half of those, and so on:
log2 steps instead of n. Everybody has to wait before each step."""

START = """\
extern "C" __global__ void dot(const float* a, const float* b, float* out, int n)
{
    __shared__ float part[64];
    int t = threadIdx.x;
    // TODO: a product for each thread
    for (int half = blockDim.x / 2; half > 0; half /= 2) {
        // TODO: wait; then the first `half` threads add
    }
    if (t == 0)
        out[0] = part[0];
}
"""


def case(n: int, threads: int) -> Case:
    a, b = integers(n, high=12), integers(n, 1, high=12)
    told = f"{counted(n, 'element')}, {counted(threads, 'thread')}"
    return Case(told, (1,), (threads,), {"a": a, "b": b, "out": blank(1), "n": n},
                {"out": np.array([a @ b])})  # fmt: skip


PUZZLE = Puzzle("dot", "a dot product: halves add to halves", "dot", TASK, START,
                lambda: [case(8, 8), case(5, 8), case(1, 1), case(16, 16), case(50, 64)], (
    Hint("racing-sum", finds("race", array="out"),
         "All threads add to out[0] at once: they read the same old value, and all sums but one are lost. Put "
         "products into shared memory and add them by halves."),
    Hint("barrier-in-if", either(finds("divergent barrier"), finds("missed barrier")),
         "The barrier is only reached by the threads that add. All have to come to it: put it before the if."),
    Hint("missing-barrier", finds("race", space="shared"),
         "A step reads what the step before has written, by other threads. __syncthreads() belongs at the beginning "
         "of each step, and before the last line nothing may be unsettled."),
    Hint("no-zero", finds("uninitialised"),
         "Threads without an element have put nothing into part, but it is added up with the rest. Let them put a "
         "zero."),
    Hint("sum-of-one", both(gives(lambda case: np.array([case.arguments["a"].sum()]))),
         "That is the sum of a alone."),
    Hint("stops-early", writes(r"half\s*>\s*1"),
         "The last step, in which half is 1, is missing."),
))  # fmt: skip
