"""Puzzle: as many threads as elements."""

from __future__ import annotations

from teachgrad.errors import counted

from ..costs import ONCE
from ..hints import both, one_written, over, unwritten, writes
from ..puzzle import Case, Hint, Puzzle, blank, integers

TASK = """\
There are as many threads as elements, in one block. Write a[i] + 10 into out[i], for
every i: each thread does one element.

All threads run the same text. What tells them apart is threadIdx.x: 0, 1, 2, ..."""

START = """\
extern "C" __global__ void map(const float* a, float* out)
{
    int i = 0;  // TODO: which element is mine?
    out[i] = a[i] + 10;
}
"""


def cases() -> list[Case]:
    return [Case(f"{counted(n, 'element')}, {counted(n, 'thread')}", (1,), (n,), {"a": integers(n), "out": blank(n)},
                 {"out": integers(n) + 10}) for n in (8, 1, 37)]  # fmt: skip


PUZZLE = Puzzle("map_one", "every thread adds 10 to its element", "map", TASK, START, cases, (
    Hint("block-for-thread", both(one_written, writes(r"blockIdx")),
         "blockIdx.x is the number of the block, and there is one block only: all its threads get 0. They are told "
         "apart by threadIdx.x."),
    Hint("everyone-does-all", over("once"),
         "Now every thread does all elements. There is no need for a loop: the threads are the loop."),
    Hint("one-thread-only", both(unwritten, writes(r"\bif\b")),
         "The if keeps threads from working. There are just as many threads as elements, and each should do its own."),
    Hint("same-element", one_written,
         "All threads write the same element. A thread must find out which one it is."),
), (ONCE,))  # fmt: skip
