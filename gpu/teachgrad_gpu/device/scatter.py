"""The gradient of an embedding: rows that are added to a table, in the same order and to the same bits in every run.

CuPy's `add.at` adds by atomics, so its last bits change from run to run. Here no two threads add to one place: small
tables are gone through by `scatter_add_ordered`; for large ones the places are sorted, and each run of equal rows is
summed by the thread that finds its beginning. Both add in the order of the places, so they give the same bits.
"""

from __future__ import annotations

from math import prod
from typing import Any

from teachgrad.ops.embedding import embedding_gradient

from ..kernels.kernel import INTEGERS
from .table import computes, fits, launch, lines_of

FEW = 1 << 27
"""So many looks at an index cost less than sorting, which is some ten launches."""


@computes(embedding_gradient)
def rows_added(there: Any, u: Any, indices: Any, *, rows: int, padding_index: int | None) -> Any:
    fits(rows > 0 and str(indices.dtype) in INTEGERS and bool(indices.flags.c_contiguous))
    xp, shape, flat = there.xp, u.shape[indices.ndim:], indices.reshape(-1)
    given = lines_of(u, len(shape)) if shape else u.reshape(-1, 1)
    if rows * prod(shape) * flat.size <= FEW:
        z = xp.empty((rows, given.shape[1]), u.dtype)
        launch(there, "scatter_add_ordered", given, flat, z)
    else:
        z = xp.zeros((rows, given.shape[1]), u.dtype)
        launch(there, "scatter_add_sorted", given, flat, xp.argsort(flat, kind="stable"), z)
    if padding_index is not None:
        z[padding_index] = 0
    return z.reshape(rows, *shape)
