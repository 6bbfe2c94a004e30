"""The rungs of the ladders: which kernel, what it changes, and why that is faster."""

from __future__ import annotations

from typing import NamedTuple


class Rung(NamedTuple):
    """One kernel of a ladder."""

    kernel: str
    changed: str
    why: str


class Ladder(NamedTuple):
    """Kernels that compute the same, from the first idea to the last."""

    name: str
    what: str
    shape: tuple[int, ...]
    """The example on which accesses are counted."""
    counts: str
    """What bounds it at best: "bytes" or "flops"."""
    rungs: tuple[Rung, ...]


REDUCE = Ladder(
    "reduce", "the sum of n numbers", (16384,), "bytes", (
        Rung("sum_atomic", "Every thread adds its number to one place in memory, by atomicAdd.",
             "It is the shortest way to a right sum. All n additions are for one address, so they happen one by one."),
        Rung("sum_interleaved", "Each block of 256 adds its numbers as a tree in shared memory; one atomicAdd a block.",
             "256 times fewer atomics. But the threads that add are spread over all warps: a half of the lanes of "
             "each idles at first, then three quarters, and so on. Every level of the tree costs a barrier."),
        Rung("sum_folded", "The tree is folded: the lower half of the threads adds the upper half.",
             "Whole warps work or are done, so lanes do not idle in warps that run. The barriers are still there."),
        Rung("sum_shuffled", "A thread first adds many numbers alone; then warps exchange registers by shuffles.",
             "Hardly any work is left for shared memory: two barriers for many numbers instead of nine for 256, and "
             "one atomicAdd for all of them."),
        Rung("sum_last_block", "Blocks leave their sums in memory; the one that comes last adds them.",
             "No atomicAdd of floats: it is as fast, and the order of additions, so every bit, is the same each time."),
    ))

SOFTMAX = Ladder(
    "softmax", "the softmax of each row", (64, 512), "bytes", (
        Rung("softmax_naive", "A thread a row, three walks along it.",
             "Neighbouring threads are a whole row apart: each request touches 32 sectors, of which it uses 4 bytes."),
        Rung("softmax_shared", "A block a row; maximum and sum are trees in shared memory.",
             "Neighbouring threads read neighbours: 4 sectors a request. The trees cost many barriers a row."),
        Rung("softmax_shuffled", "A warp a row; maximum and sum by shuffles.",
             "No barrier and no shared memory at all: the lanes of a warp exchange registers."),
        Rung("softmax_online", "Maximum and sum in one walk: the sum is rescaled when a larger maximum comes.",
             "Two reads of each number instead of three: a quarter less to move, for a little more arithmetic."),
        Rung("softmax_registers", "The row stays in registers between the walks.",
             "One read and one write of each number, which is all that a copy does. Nothing is left to save."),
    ))

TRANSPOSE = Ladder(
    "transpose", "the transpose of a matrix", (128, 128), "bytes", (
        Rung("transpose_naive", "z[j, i] = x[i, j], a thread an element.",
             "Reads run along rows, writes down columns: a warp that writes touches 32 sectors, 4 bytes of each."),
        Rung("transpose_tiled", "A tile of 32 x 32 is turned in shared memory.",
             "Reads and writes both run along rows: 4 sectors. But a column of the tile lies in one bank, so reading "
             "it takes 32 wavefronts."),
        Rung("transpose_padded", "The tile has one unused column more.",
             "A column then lies in 32 different banks: one wavefront, and nothing is left to save."),
    ))

MATMUL = Ladder(
    "matmul", "the product of two matrices", (128, 128, 64), "flops", (
        Rung("matmul_naive", "A thread an element of C, straight from memory.",
             "Each multiplication loads two numbers. Caches help, but nothing here makes use of a number twice."),
        Rung("matmul_tiled", "A block loads tiles of 16 x 16 into shared memory and uses each number 16 times.",
             "Far less traffic with memory. Now shared memory is the limit: two loads for one multiplication."),
        Rung("matmul_registers", "A thread computes 4 x 4 elements from registers.",
             "8 loads from shared memory for 16 multiplications, and tiles of 64 x 64: a quarter of either traffic."),
        Rung("matmul_vectorised", "8 x 8 elements a thread, loads of 16 bytes, the next tiles loaded in advance.",
             "Half of the traffic again, with an eighth of the load instructions. A step is half as long, but has one "
             "barrier instead of two. And memory is waited for while computing."),
        Rung("matmul_tensor", "Half-precision numbers, multiplied 16 x 16 x 16 at a time by tensor cores.",
             "One instruction of a warp is 4096 multiplications; the bytes are half as many. Tiles are copied into "
             "shared memory three steps ahead, past the registers. The result is as exact as inputs of 11 bits allow."),
    ))

LADDERS = {ladder.name: ladder for ladder in (MATMUL, REDUCE, SOFTMAX, TRANSPOSE)}
