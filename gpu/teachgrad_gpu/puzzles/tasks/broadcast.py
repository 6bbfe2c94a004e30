"""Puzzle: a column and a row make a matrix."""

from __future__ import annotations

from teachgrad.errors import counted

from ..hints import both, either, finds, gives, lacks, writes
from ..puzzle import Case, Hint, Puzzle, blank, integers

TASK = """\
a has an element for each row, b one for each column. Write a[row] + b[column] into
out[row * columns + column]: what NumPy calls broadcasting, a[:, None] + b[None, :].

There are more threads than rows and columns."""

START = """\
extern "C" __global__ void broadcast(const float* a, const float* b, float* out, int rows, int columns)
{
    int row = threadIdx.y;
    int column = threadIdx.x;
    // TODO
}
"""


def case(rows: int, columns: int, block: tuple[int, int]) -> Case:
    a, b = integers(rows), integers(columns, 1)
    told = f"{counted(rows, 'row')}, {counted(columns, 'column')}, block ({block[0]}, {block[1]})"
    return Case(told, (1,), block,
                {"a": a, "b": b, "out": blank(rows, columns), "rows": rows, "columns": columns},
                {"out": a[:, None] + b[None, :]})  # fmt: skip


PUZZLE = Puzzle("broadcast", "a column and a row make a matrix", "broadcast", TASK, START,
                lambda: [case(4, 4, (8, 5)), case(3, 7, (8, 4)), case(1, 1, (2, 2)), case(7, 3, (4, 8))], (
    Hint("transposed", writes(r"column\s*\*\s*(rows|columns)"),
         "The result lies on its side. Element (row, column) is out[row * columns + column]."),
    Hint("swapped", either(gives(lambda case: case.arguments["a"][None, :] + case.arguments["b"][:, None]),
                           writes(r"\ba\s*\[\s*column\s*\]")),
         "a belongs to the rows and b to the columns; here it is the other way round. With as many rows as columns "
         "it would even stay inside the arrays."),
    Hint("no-guard", both(either(finds("race"), finds("out of bounds")),
                          either(lacks(r"column\s*<\s*columns"), lacks(r"row\s*<\s*rows"))),
         "Threads beyond the last row or column must do nothing: row < rows and column < columns."),
))  # fmt: skip
