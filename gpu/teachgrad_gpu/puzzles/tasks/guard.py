"""Puzzle: more threads than elements."""

from __future__ import annotations

from teachgrad.errors import counted

from ..hints import both, either, finds, unwritten, writes
from ..puzzle import Case, Hint, Puzzle, blank, integers

TASK = """\
Blocks come in round sizes, arrays do not: here are more threads than the n elements.
Write a[i] + 10 into out[i], and let the threads beyond the end do nothing."""

START = """\
extern "C" __global__ void guard(const float* a, float* out, int n)
{
    int i = threadIdx.x;
    // TODO: not every thread may do this
    out[i] = a[i] + 10;
}
"""


def case(n: int, threads: int) -> Case:
    told = f"{counted(n, 'element')}, {counted(threads, 'thread')}"
    return Case(told, (1,), (threads,), {"a": integers(n), "out": blank(n), "n": n}, {"out": integers(n) + 10})


PUZZLE = Puzzle("guard", "more threads than elements", "guard", TASK, START,
                lambda: [case(5, 8), case(1, 32), case(8, 8), case(45, 64)], (
    Hint("off-by-one", both(finds("out of bounds"), writes(r"<=\s*n\b|\bn\s*>=")),
         "Almost: n elements are counted from 0 to n - 1, so a thread whose i is n has nothing to do either."),
    Hint("wrong-limit", both(finds("out of bounds"), writes(r"<=?\s*blockDim")),
         "Every thread has an index below blockDim.x. How many elements are there?"),
    Hint("backwards", either(unwritten, writes(r"if\s*\(\s*(i\s*>=?\s*n|n\s*<=?\s*i)\s*\)")),
         "Elements were left out. Which threads does your condition keep from working?"),
))  # fmt: skip
