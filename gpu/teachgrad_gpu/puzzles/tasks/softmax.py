"""Puzzle: softmax with maximum and sum found in one pass."""

from __future__ import annotations

import numpy as np

from teachgrad.errors import counted

from ..costs import elements
from ..hints import both, gives, lacks, over, wrong
from ..puzzle import Array, Bound, Case, Hint, Puzzle, Seen, blank

TASK = """\
out is the softmax of each row of x: exp(x - m) / s, with m the largest of the row and s the sum of all
exp(x - m). (Without m, exp(1000) would be infinite.) A thread does a row.

The kernel below reads each row three times: for m, for s, for the result. Find m and s in one pass. When
a new x is larger than the m so far, what is in s was measured from the old m: multiply it by
exp(old m - new m). Each element may be read twice in all, once in that pass and once for the result.

(This trick is what makes attention in one pass possible.)"""

START = """\
extern "C" __global__ void softmax(const float* x, float* out, int rows, int columns)
{
    int row = blockIdx.x * blockDim.x + threadIdx.x;
    if (row >= rows)
        return;
    x += row * columns;
    out += row * columns;
    float m = -__int_as_float(0x7f800000), s = 0;  // m is -infinity, by its bits
    for (int j = 0; j < columns; j++)  // TODO: m and s together
        m = fmaxf(m, x[j]);
    for (int j = 0; j < columns; j++)
        s += expf(x[j] - m);
    for (int j = 0; j < columns; j++)
        out[j] = expf(x[j] - m) / s;
}
"""


def case(rows: int, columns: int, threads: int, scale: float) -> Case:
    x = (np.random.default_rng(columns).normal(size=(rows, columns)) * scale).astype(np.float32)
    e = np.exp(x.astype(np.float64) - x.max(axis=1, keepdims=True))
    grid = -(-rows // threads)
    told = f"{counted(rows, 'row')}, {counted(columns, 'column')}, values up to {np.abs(x).max():.0f}"
    return Case(told, (grid,), (threads,), {"x": x, "out": blank(rows, columns), "rows": rows, "columns": columns},
                {"out": (e / e.sum(axis=1, keepdims=True)).astype(np.float32)})  # fmt: skip


def not_rescaled(case: Case) -> Array:
    x = case.arguments["x"].astype(np.float64)
    s = np.exp(x - np.maximum.accumulate(x, axis=1)).sum(axis=1, keepdims=True)
    return np.exp(x - x.max(axis=1, keepdims=True)) / s


def overflown(seen: Seen) -> bool:
    return seen.got is not None and not bool(np.isfinite(seen.got["out"]).all())


PUZZLE = Puzzle("softmax", "softmax with one pass less", "softmax", TASK, START,
                lambda: [case(3, 7, 4, 2.0), case(1, 1, 4, 1.0), case(9, 33, 4, 400.0)], (
    Hint("not-rescaled", gives(not_rescaled),
         "The sum holds terms measured from different maxima. Whenever m grows, multiply s by exp(old m - new m), "
         "before the new term is added."),
    Hint("no-maximum", both(overflown, lacks(r"\bf?max")),
         "Small numbers work, large ones overflow: exp(1000) is infinite. The maximum of the row must be subtracted."),
    Hint("old-after-new", both(wrong, overflown),
         "The result is nan: was exp(old m - new m) taken after m had already been replaced, or from -infinity to "
         "-infinity?"),
    Hint("too-many-reads", over("reads"),
         "Right, but the row is read too often: maximum and sum belong into one loop."),
), (Bound("reads", "elements read from global memory", elements("global", "load"),
          lambda case: 2 * case.arguments["x"].size),))  # fmt: skip
