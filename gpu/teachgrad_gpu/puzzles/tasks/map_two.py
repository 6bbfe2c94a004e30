"""Puzzle: a matrix, and threads in two dimensions."""

from __future__ import annotations

import numpy as np

from teachgrad.errors import counted

from ..hints import both, either, finds, gives, lacks, one_written, writes
from ..puzzle import Array, Case, Hint, Puzzle, blank, integers

TASK = """\
a and out are matrices, kept row after row: element (row, column) is a[row * columns + column].
The block has two dimensions, threadIdx.x and threadIdx.y; x runs along a row, so that
neighbouring threads touch neighbouring elements. Write a + 10 into out.

There are more threads than rows and more than columns, and no more than that of each:
x belongs to the columns, y to the rows."""

START = """\
extern "C" __global__ void map2(const float* a, float* out, int rows, int columns)
{
    int row = 0;     // TODO
    int column = 0;  // TODO
    out[row * columns + column] = a[row * columns + column] + 10;
}
"""


def case(rows: int, columns: int, block: tuple[int, int]) -> Case:
    a = integers(rows * columns).reshape(rows, columns)
    told = f"{counted(rows, 'row')}, {counted(columns, 'column')}, block ({block[0]}, {block[1]})"
    return Case(told, (1,), block, {"a": a, "out": blank(rows, columns), "rows": rows, "columns": columns},
                {"out": a + 10})  # fmt: skip


def swapped(case: Case) -> Array:
    wanted = case.expected["out"]
    row, column = np.indices(wanted.shape)
    return np.where((row < case.block[0]) & (column < case.block[1]), wanted, np.nan)


PUZZLE = Puzzle("map_two", "threads in two dimensions", "map2", TASK, START,
                lambda: [case(3, 7, (8, 4)), case(1, 1, (4, 4)), case(7, 3, (4, 8)), case(15, 31, (32, 16))], (
    Hint("swapped", gives(swapped),
         "x and y are swapped: x counts columns, along a row, and y counts rows."),
    Hint("wrong-stride", writes(r"row\s*\*\s*rows"),
         "From one row to the next there are as many elements as a row has: columns of them, not rows."),
    Hint("same-element", one_written,
         "All threads do the same element. A thread's place is threadIdx.x and threadIdx.y."),
    Hint("one-guard", both(either(finds("race"), finds("out of bounds")),
                           either(lacks(r"column\s*<\s*columns"), lacks(r"row\s*<\s*rows"))),
         "There are threads beyond the last row and beyond the last column. Who is past the end of a row lands in "
         "the next one: both need a guard, row < rows and column < columns."),
))  # fmt: skip
