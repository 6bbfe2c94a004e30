"""Puzzle: the first shared memory."""

from __future__ import annotations

import numpy as np

from teachgrad.errors import counted

from ..costs import elements
from ..hints import both, finds, gives, over, writes
from ..puzzle import Array, Bound, Case, Hint, Puzzle, blank, integers

TASK = """\
The array is cut into pieces of 8, a block for each; turn each piece round, within itself.
The last piece may be shorter: n = 11 makes 7 6 5 4 3 2 1 0 10 9 8.

Do it through shared memory, which all threads of a block see: each thread puts its
element there, the block waits at __syncthreads(), and each takes another's element out.
Threads with nothing to do must come to the barrier all the same."""

START = """\
extern "C" __global__ void reverse(const float* a, float* out, int n)
{
    __shared__ float piece[8];
    int begin = blockIdx.x * 8;
    int length = min(8, n - begin);  // of this piece
    int t = threadIdx.x;
    // TODO: put a[begin + t] into piece, wait, and write out[begin + t]
}
"""


def reversed_pieces(a: Array) -> Array:
    return np.concatenate([a[i:i + 8][::-1] for i in range(0, len(a), 8)])


def case(n: int) -> Case:
    grid = -(-n // 8)
    told = f"{counted(n, 'element')}, {counted(grid, 'block')} of 8 threads"
    return Case(told, (grid,), (8,),
                {"a": integers(n), "out": blank(n), "n": n}, {"out": reversed_pieces(integers(n))})  # fmt: skip


PUZZLE = Puzzle("reverse", "turn round, through shared memory", "reverse", TASK, START,
                lambda: [case(8), case(11), case(1), case(100)], (
    Hint("missing-barrier", finds("race", space="shared"),
         "A thread reads what another one writes, and it may come too early. Between the two, all must wait: "
         "__syncthreads()."),
    Hint("off-by-one", finds("out of bounds", space="shared"),
         "A thread takes out an element beyond the end. Thread 0 wants the last one, which is piece[length - 1]: "
         "count from 0."),
    Hint("fixed-length", finds("uninitialised"),
         "A thread takes out an element that nobody has put in: the last piece is shorter, and its last element is "
         "piece[length - 1]."),
    Hint("not-turned", gives(lambda case: case.arguments["a"]),
         "That is the array as it was: every thread has taken out what it had put in."),
    Hint("no-shared", over("shared"),
         "The result is right, but it did not go through shared memory, which is what this is about."),
    Hint("returns-early", both(finds("missed barrier"), writes(r"\breturn\b")),
         "A thread that returns never comes to the barrier, and the others would wait for ever. Guard the load and "
         "the store instead."),
), (Bound("shared", "elements that did not come out of shared memory",
          lambda counters, case: case.arguments["n"] - elements("shared", "load")(counters, case),
          lambda case: 0),))  # fmt: skip
