"""Puzzle: one thread, one element."""

from __future__ import annotations

import numpy as np

from ..hints import both, finds, gives, writes
from ..puzzle import Case, Hint, Puzzle, blank, integers

TASK = """\
One thread is launched, and each of the two arrays has one element. Write a[0] + 10
into out[0].

A kernel has no result of its own: it works on arrays that it is given as pointers."""

START = """\
extern "C" __global__ void add_ten(const float* a, float* out)
{
    // TODO: one line
}
"""


def cases() -> list[Case]:
    drawn = (integers(1, seed) for seed in (0, 2, 3))
    return [Case(f"a = [{a[0]:g}]", (1,), (1,), {"a": a, "out": blank(1)}, {"out": a + 10}) for a in drawn]


PUZZLE = Puzzle("add_ten", "one thread adds 10 to one element", "add_ten", TASK, START, cases, (
    Hint("only-ten", gives(lambda case: np.array([10.0])),
         "That is the 10 alone. Where is a[0]?"),
    Hint("adds-to-out", both(gives(lambda case: np.array([np.nan])), writes(r"\bout\b[^;]*(\+=|=[^;]*\bout\b)")),
         "out holds nothing yet (nan, here): read from a, and write into out."),
    Hint("copies", gives(lambda case: case.arguments["a"]),
         "That is a copy of a[0]: the 10 is missing."),
    Hint("counts-from-one", finds("out of bounds"),
         "Arrays are counted from 0: the only element is [0]."),
))  # fmt: skip
