"""Puzzle: a sum over a warp, without memory."""

from __future__ import annotations

import numpy as np

from teachgrad.errors import counted

from ..costs import elements
from ..hints import either, finds, gives, over
from ..puzzle import Array, Bound, Case, Hint, Puzzle, blank, integers

TASK = """\
32 threads are a warp, and run side by side. They can look into each other's registers:

    __shfl_down_sync(0xffffffff, mine, k)

gives a lane the `mine` of the lane k places further on (its own, if there is none). Each
warp sums 32 elements of a, and its lane 0 writes the sum to out[warp]. The last warp may have
fewer elements. Use no shared memory and no atomics; five shuffles do.

All 32 lanes must take part in a shuffle: those without element bring a zero."""

START = """\
extern "C" __global__ void warp_sum(const float* a, float* out, int n)
{
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    int lane = threadIdx.x % 32;
    float sum = 0;
    // TODO: my element, then five shuffles
    if (lane == 0 && i < n)
        out[i / 32] = sum;
}
"""


def by_warps(a: Array) -> Array:
    return np.array([a[i:i + 32].sum() for i in range(0, len(a), 32)], np.float32)


def case(n: int, threads: int) -> Case:
    grid = -(-n // threads)
    told = f"{counted(n, 'element')}, {counted(grid, 'block')} of {counted(threads, 'thread')}"
    return Case(told, (grid,), (threads,),
                {"a": integers(n), "out": blank(-(-n // 32)), "n": n}, {"out": by_warps(integers(n))})  # fmt: skip


def every_other(case: Case) -> Array:
    a = case.arguments["a"]
    return np.array([a[i:i + 32][::2].sum() for i in range(0, len(a), 32)], np.float32)


def first_half(case: Case) -> Array:
    a = case.arguments["a"]
    return np.array([a[i:i + 16].sum() for i in range(0, len(a), 32)], np.float32)


PUZZLE = Puzzle("warp_sum", "a sum over a warp, by shuffles", "warp_sum", TASK, START,
                lambda: [case(32, 32), case(40, 64), case(1, 32), case(200, 64)], (
    Hint("lanes-left", either(finds("inactive lane"), finds("warp mask"), finds("deadlock")),
         "Some lanes are not there when the others shuffle. Do not leave early and do not shuffle inside an if: "
         "without element, bring a zero."),
    Hint("starts-at-32", gives(lambda case: 2 * case.expected["out"]),
         "Twice too much: there is no lane 32 places further on, so each has added its own number. The first "
         "distance is 16."),
    Hint("starts-at-8", gives(first_half),
         "Only the first 16 of 32 elements are in the sum: the first distance is 16."),
    Hint("stops-early", gives(every_other),
         "Every other element is missing: the last distance is 1."),
    Hint("one-element", gives(lambda case: case.arguments["a"][::32]),
         "That is the element of lane 0 alone. Has what the shuffle gives been added to the sum?"),
    Hint("every-lane-writes", finds("race", array="out"),
         "After the shuffles only lane 0 has the whole sum; the others must not write theirs."),
    Hint("no-shuffles", over("detours"),
         "The sum goes through memory. Lanes can pass numbers directly, by __shfl_down_sync."),
), (Bound("detours", "elements in shared memory, and atomic operations",
          lambda counters, case: elements("shared", "load", "store", "atomic")(counters, case)
          + elements("global", "atomic")(counters, case), lambda case: 0),
    Bound("detours", "elements read from global memory", elements("global", "load"), lambda case: case.arguments["n"]),
))  # fmt: skip
