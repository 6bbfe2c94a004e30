"""Puzzle: prefix sums."""

from __future__ import annotations

import numpy as np

from teachgrad.errors import counted

from ..hints import both, either, finds, gives, lacks, wrong
from ..puzzle import Case, Hint, Puzzle, blank, integers

TASK = """\
out[i] is the sum of a[0], a[1], ..., a[i]: a prefix sum, or scan. There is one block with
at most 64 threads, and at least n.

After step k = 1, 2, 4, 8, ... each element holds the sum of up to 2 k elements that end with it:
it adds what stands k places before. In a step some threads read what others write: first all
read, then all wait, then all write, then all wait."""

START = """\
extern "C" __global__ void scan(const float* a, float* out, int n)
{
    __shared__ float sum[64];
    int t = threadIdx.x;
    sum[t] = t < n ? a[t] : 0;
    __syncthreads();
    for (int k = 1; k < n; k *= 2) {
        // TODO: add what stands k places before me, if there is such
    }
    if (t < n)
        out[t] = sum[t];
}
"""


def case(n: int, threads: int) -> Case:
    a = integers(n)
    told = f"{counted(n, 'element')}, {counted(threads, 'thread')}"
    return Case(told, (1,), (threads,), {"a": a, "out": blank(n), "n": n},
                {"out": np.cumsum(a)})  # fmt: skip


PUZZLE = Puzzle("scan", "prefix sums", "scan", TASK, START,
                lambda: [case(8, 8), case(5, 8), case(1, 4), case(64, 64), case(37, 64)], (
    Hint("barrier-in-if", either(finds("divergent barrier"), finds("missed barrier")),
         "Not all threads come to the barrier. Only the reading and the writing may stand behind `if (t >= k)`."),
    Hint("barrier-between", finds("race", space="shared"),
         "Within a step a thread reads sum[t - k] while its owner changes it. Keep what was read in a variable, "
         "wait, then add, and wait again before the next step reads."),
    Hint("before-the-beginning", finds("out of bounds", space="shared"),
         "A thread looks before the beginning: those with t < k have nothing to add."),
    Hint("exclusive", gives(lambda case: np.cumsum(case.arguments["a"]) - case.arguments["a"]),
         "Nearly: that leaves out the element itself. Here out[i] includes a[i]."),
    Hint("one-step", both(wrong, lacks(r"t\s*-\s*k")),
         "In a step a thread adds sum[t - k]; the distance k doubles each time."),
))  # fmt: skip
