"""Puzzle: a tiled matrix product."""

from __future__ import annotations

from ..costs import elements
from ..hints import both, either, finds, over, writes, wrong
from ..puzzle import Bound, Case, Hint, Puzzle, blank, integers

TASK = """\
out = a @ b, with a of m x k, b of k x n. The kernel below is right, but each thread reads a row of a and a
column of b from global memory, which others read, too.

Go along k in steps of 8: the block, of (8, 8) threads, brings a tile of a and a tile of b to shared
memory, an element of each by each thread; waits; each thread adds 8 products; waits again; and so on. Then
an element of a is read once for every 8 columns of out. Sizes need not be multiples of 8: fill up with
zeros, which add nothing."""

START = """\
extern "C" __global__ void matmul(const float* a, const float* b, float* out, int m, int k, int n)
{
    int row = blockIdx.y * 8 + threadIdx.y;
    int column = blockIdx.x * 8 + threadIdx.x;
    float sum = 0;
    if (row < m && column < n)
        for (int i = 0; i < k; i++)  // TODO: in tiles
            sum += a[row * k + i] * b[i * n + column];
    if (row < m && column < n)
        out[row * n + column] = sum;
}
"""


def tiles(n: int) -> int:
    return -(-n // 8)


def case(m: int, k: int, n: int) -> Case:
    a = integers(m * k, high=9).reshape(m, k)
    b = integers(k * n, 1, high=9).reshape(k, n)
    told = f"{m} x {k} by {k} x {n}, blocks of (8, 8)"
    return Case(told, (tiles(n), tiles(m)), (8, 8),
                {"a": a, "b": b, "out": blank(m, n), "m": m, "k": k, "n": n}, {"out": a @ b})  # fmt: skip


def enough(case: Case) -> float:
    m, k, n = (case.arguments[name] for name in "mkn")
    return m * k * tiles(n) + k * n * tiles(m)


PUZZLE = Puzzle("matmul", "a matrix product in tiles", "matmul", TASK, START,
                lambda: [case(8, 16, 8), case(16, 8, 24), case(5, 11, 9), case(1, 1, 1), case(20, 17, 19)], (
    Hint("barrier-in-if", either(finds("divergent barrier"), finds("missed barrier")),
         "All 64 threads help to bring tiles, also those outside the matrix: the barriers stand in no if."),
    Hint("no-second-barrier", both(finds("race", space="shared"), writes(r"__syncthreads")),
         "One barrier is there, another is needed: tiles are full before anybody multiplies, and everybody has "
         "multiplied before they are filled again."),
    Hint("no-barrier", finds("race", space="shared"),
         "Tiles are read before they are full. Wait twice in each round: after filling, and after multiplying."),
    Hint("edges", either(finds("uninitialised"), finds("out of bounds", space="global")),
         "At the edges a tile goes beyond the matrix. Put zeros there: the element only if both its row and its "
         "column are inside."),
    Hint("too-many-reads", over("reads"),
         "The product is right, but it is not the tiles that it is read from: each thread may read two elements from"
         " global memory in each round."),
    Hint("stale-tiles", wrong,
         "The products do not fit. With tiles as[y][x] of a and bs[y][x] of b, round r adds as[threadIdx.y][i] * "
         "bs[i][threadIdx.x]; and what is beyond the edge must be zero, not left from before."),
), (Bound("reads", "elements read from global memory", elements("global", "load"), enough),))  # fmt: skip
