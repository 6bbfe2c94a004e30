"""Puzzle: two arrays."""

from __future__ import annotations

from teachgrad.errors import counted

from ..costs import ONCE
from ..hints import gives, one_written
from ..puzzle import Case, Hint, Puzzle, blank, integers

TASK = """\
Write a[i] + b[i] into out[i]. There are as many threads as elements, in one block."""

START = """\
extern "C" __global__ void zip(const float* a, const float* b, float* out)
{
    // TODO: two lines
}
"""


def case(n: int) -> Case:
    a, b = integers(n), integers(n, 1)
    told = f"{counted(n, 'element')}, {counted(n, 'thread')}"
    return Case(told, (1,), (n,), {"a": a, "b": b, "out": blank(n)}, {"out": a + b})


PUZZLE = Puzzle("zip_two", "two arrays, element by element", "zip", TASK, START,
                lambda: [case(8), case(3), case(41)], (
    Hint("same-array-twice", gives(lambda case: 2 * case.arguments["a"]),
         "That is a[i] + a[i]. The other array is b."),
    Hint("fixed-element", gives(lambda case: case.arguments["a"] + case.arguments["b"][0]),
         "Every thread takes the same element of b. Its index must be the thread's own, too."),
    Hint("product", gives(lambda case: case.arguments["a"] * case.arguments["b"]),
         "That is the product."),
    Hint("same-element", one_written,
         "All threads write the same element: use threadIdx.x as the index."),
), (ONCE,))  # fmt: skip
