"""Puzzle: the sum of each row of a matrix."""

from __future__ import annotations

from teachgrad.errors import counted

from ..hints import both, either, finds, gives, lacks
from ..puzzle import Array, Case, Hint, Puzzle, blank, integers

TASK = """\
out[row] is the sum of a row of the matrix a. There is a block of 8 threads for each row,
and any number of columns: a thread sums every eighth element of the row, beginning with its own,
and then the 8 sums are added up by halves in shared memory."""

START = """\
extern "C" __global__ void axis_sum(const float* a, float* out, int rows, int columns)
{
    __shared__ float part[8];
    int row = blockIdx.x;
    int t = threadIdx.x;
    float sum = 0;
    // TODO: every eighth element of my row
    part[t] = sum;
    for (int half = 4; half > 0; half /= 2) {
        // TODO
    }
    if (t == 0)
        out[row] = part[0];
}
"""


def case(rows: int, columns: int) -> Case:
    a = integers(rows * columns).reshape(rows, columns)
    told = f"{counted(rows, 'row')}, {counted(columns, 'column')}, {counted(rows, 'block')} of 8 threads"
    return Case(told, (rows,), (8,),
                {"a": a, "out": blank(rows), "rows": rows, "columns": columns}, {"out": a.sum(axis=1)})  # fmt: skip


def first_eight(case: Case) -> Array:
    return case.arguments["a"][:, :8].sum(axis=1)


PUZZLE = Puzzle("axis_sum", "the sum of each row", "axis_sum", TASK, START,
                lambda: [case(3, 3), case(2, 19), case(7, 8), case(1, 1), case(5, 100)], (
    Hint("barrier-in-if", either(finds("divergent barrier"), finds("missed barrier")),
         "All 8 threads must come to the barrier, also those that do not add any more."),
    Hint("missing-barrier", finds("race", space="shared"),
         "The numbers of other threads are read before they are surely there: wait at the beginning of each step."),
    Hint("row-begins", both(finds("out of bounds", space="global"), lacks(r"row\s*\*\s*columns|columns\s*\*\s*row")),
         "A thread leaves the matrix. A row has `columns` elements, so this one begins at a[row * columns]."),
    Hint("other-axis", gives(lambda case: case.arguments["a"].sum(axis=0)),
         "These are the sums of the columns. Along a row, elements are neighbours: a[row * columns + column]."),
    Hint("no-loop", gives(first_eight),
         "Only the first 8 columns are in the sums. There are more columns than threads: each must go on by 8 until "
         "the row ends."),
    Hint("whole-matrix", gives(lambda case: case.expected["out"].sum() + 0 * case.expected["out"]),
         "Every block sums the whole matrix. Its row is blockIdx.x."),
))  # fmt: skip
