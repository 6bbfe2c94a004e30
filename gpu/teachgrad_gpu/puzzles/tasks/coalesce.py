"""Puzzle: a transposition that goes along rows only."""

from __future__ import annotations

from teachgrad.errors import counted

from ..costs import sectors_per_request
from ..hints import both, finds, gives, lacks, over, wrong
from ..puzzle import Bound, Case, Hint, Puzzle, blank, integers

TASK = """\
out is a with rows and columns exchanged. The kernel below is right, and slow: memory moves in
sectors of 32 bytes. When a warp reads along a row, its 32 floats lie in 4 sectors. When it
writes down a column, it touches 32, and uses 4 bytes of each.

Make reads and writes both go along rows, at no more than 5 sectors a request (on average): read a tile
of 32 x 32 into shared memory, wait, and write it out the other way round. The block has
(32, 32) threads; threadIdx.x is the lane. The tile at (blockIdx.y, blockIdx.x) of a becomes the
tile at (blockIdx.x, blockIdx.y) of out."""

START = """\
extern "C" __global__ void coalesce(const float* a, float* out, int rows, int columns)
{
    int column = blockIdx.x * 32 + threadIdx.x;
    int row = blockIdx.y * 32 + threadIdx.y;
    if (row < rows && column < columns)
        out[column * rows + row] = a[row * columns + column];  // TODO: reads along rows, writes down columns
}
"""


def case(rows: int, columns: int) -> Case:
    a = integers(rows * columns).reshape(rows, columns)
    grid = (-(-columns // 32), -(-rows // 32))
    told = f"{counted(rows, 'row')}, {counted(columns, 'column')}, blocks of (32, 32)"
    return Case(told, grid, (32, 32),
                {"a": a, "out": blank(columns, rows), "rows": rows, "columns": columns},
                {"out": a.T.copy()})  # fmt: skip


SECTORS = Bound("sectors", "sectors for each request to global memory", sectors_per_request, lambda case: 5)
PUZZLE = Puzzle("coalesce", "a transposition along rows", "coalesce", TASK, START,
                lambda: [case(32, 32), case(64, 64), case(33, 70), case(64, 32)], (
    Hint("barrier-in-if", finds("missed barrier"),
         "Threads outside the matrix must come to the barrier, too."),
    Hint("missing-barrier", finds("race", space="shared"),
         "The tile is read before it is filled: __syncthreads()."),
    Hint("edges", finds("uninitialised"),
         "A part of the tile that was not filled is written out. The guard of the writes is about rows and columns "
         "of out, which are exchanged."),
    Hint("no-tile", both(over("sectors"), lacks(r"__shared__")),
         "Either reads or writes go down columns, as long as the turn is made in global memory. Make it inside: "
         "__shared__ float tile[32][32]."),
    Hint("still-down-columns", over("sectors"),
         "There is a tile, but one side still goes down columns. threadIdx.x must be what is added last in both "
         "indices of global memory; only tile[..][..] has them exchanged."),
    Hint("not-turned", gives(lambda case: case.arguments["a"]),
         "The tile comes out as it went in. On one of the two ways its indices have to be exchanged: "
         "tile[threadIdx.x][threadIdx.y]."),
    Hint("blocks-not-exchanged", wrong,
         "Within a tile it may be right, but the tiles must change places as well: where blockIdx.x counted columns "
         "of a, it counts rows of out."),
), (SECTORS,))  # fmt: skip
