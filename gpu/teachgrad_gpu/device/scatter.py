"""The gradients of an embedding and of x[i]: rows that are added to a table, to the same bits in every run.

CuPy's `add.at` adds by atomics, so its last bits change from run to run. Here no two threads add to one place: small
tables are gone through by `scatter_add_ordered`; for large ones the places are sorted, and each run of equal rows is
summed by the thread that finds its beginning. Both add in the order of the places, so they give the same bits.
"""

from __future__ import annotations

from math import prod
from typing import Any

from teachgrad.ops.embedding import embedding_gradient
from teachgrad.ops.indexing import HOLE, put_item

from ..kernels.kernel import INTEGERS
from .table import computes, fits, launch

FEW = 1 << 27
"""So many looks at an index cost less than sorting, which is some ten launches."""


@computes(embedding_gradient)
def rows_of_embedding(there: Any, u: Any, indices: Any, *, rows: int, padding_index: int | None) -> Any:
    z = added(there, u, indices, (rows, *u.shape[indices.ndim:]))
    if padding_index is not None:
        z[padding_index] = 0
    return z


@computes(put_item)
def rows_put(there: Any, x: Any, *indices: Any, index: Any, shape: tuple[int, ...]) -> Any:
    fits(len(indices) == 1 and index[0] is HOLE and all(item is Ellipsis for item in index[1:]))
    fits(indices[0].dtype.kind == "i")
    positions = there.xp.where(indices[0] < 0, indices[0] + shape[0], indices[0])  # from the end
    return added(there, x, positions, shape)


def added(there: Any, x: Any, indices: Any, shape: tuple[int, ...]) -> Any:
    """A table of zeros with the rows x added at these numbers."""
    fits(shape[0] > 0 and str(indices.dtype) in INTEGERS and bool(indices.flags.c_contiguous and x.flags.c_contiguous))
    xp, width, flat = there.xp, prod(shape[1:]), indices.reshape(-1)
    given = x.reshape(flat.size, width)
    if shape[0] * width * flat.size <= FEW:
        z = xp.empty((shape[0], width), x.dtype)
        launch(there, "scatter_add_ordered", given, flat, z)
    else:
        z = xp.zeros((shape[0], width), x.dtype)
        launch(there, "scatter_add_sorted", given, flat, xp.argsort(flat, kind="stable"), z)
    return z.reshape(shape)
