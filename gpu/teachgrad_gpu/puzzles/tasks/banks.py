"""Puzzle: a transposition without bank conflicts."""

from __future__ import annotations

from ..costs import bank_conflicts
from ..hints import both, finds, lacks, over, writes
from ..puzzle import Bound, Hint, Puzzle
from .coalesce import SECTORS, case

TASK = """\
This transposition goes along rows in global memory. But shared memory has 32 banks, and
element (i, j) of the tile is in bank (32 i + j) % 32 = j: a warp that reads a column of the tile
asks one bank for 32 different words, and gets them one after the other.

Change the tile so that rows and columns both lie in 32 different banks. Not one conflict may be left.
It takes two characters or three."""

START = """\
extern "C" __global__ void banks(const float* a, float* out, int rows, int columns)
{
    __shared__ float tile[32][32];  // TODO
    int column = blockIdx.x * 32 + threadIdx.x;
    int row = blockIdx.y * 32 + threadIdx.y;
    if (row < rows && column < columns)
        tile[threadIdx.y][threadIdx.x] = a[row * columns + column];
    __syncthreads();
    int i = blockIdx.x * 32 + threadIdx.y;  // row and column of out
    int j = blockIdx.y * 32 + threadIdx.x;
    if (i < columns && j < rows)
        out[i * rows + j] = tile[threadIdx.x][threadIdx.y];
}
"""

PUZZLE = Puzzle("banks", "a transposition without bank conflicts", "banks", TASK, START,
                lambda: [case(32, 32), case(33, 70), case(64, 32)], (
    Hint("one-row-more", both(over("conflicts"), writes(r"\[\s*(33|32\s*\+\s*1)\s*\]\s*\[\s*32\s*\]")),
         "A row more changes no distance: a column still lies in one bank. What matters is the length of a row."),
    Hint("even-length", both(over("conflicts"), writes(r"\[\s*32\s*\]\s*\[\s*(34|36|40|48|64|32\s*\+\s*[2468])\s*\]")),
         "Better, but with rows of even length the elements of a column still meet in some banks. Which lengths have"
         " no divisor in common with 32?"),
    Hint("no-tile", both(over("sectors"), lacks(r"__shared__")),
         "Without a tile there are no conflicts, but global memory pays. Keep the tile."),
    Hint("down-columns", over("sectors"),
         "Now the conflicts have moved to global memory: it is read or written down columns."),
    Hint("conflicts", over("conflicts"),
         "Shared memory is asked for several words of one bank at once. In which bank is the element (i, j), and how"
         " does that change if rows are longer than 32?"),
    Hint("too-short", finds("out of bounds", space="shared"),
         "32 elements go into each row of the tile, and 32 rows into the tile: it may become larger, not smaller."),
    Hint("missing-barrier", finds("race", space="shared"),
         "The barrier was there for a reason."),
), (Bound("conflicts", "bank conflicts", bank_conflicts, lambda case: 0), SECTORS))  # fmt: skip
