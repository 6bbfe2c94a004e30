"""Rows of a table by number, numbers as rows of zeros and a one, and one element out of each line by number."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ..errors import DTypeError, ShapeError
from ..op import Array, Op, Spec, Vertex, apply
from .comparison import not_equal
from .elementwise_op import Elementwise
from .shape import astype, expand_dims, normalize_axis


def in_range(indices: Array, length: int, what: str) -> None:
    """Raise IndexError unless all indices are from 0 to length - 1: negative ones do not count from the end here."""
    # one comparison instead of two: negative numbers are large ones when read as unsigned
    if indices.size and indices.view(f"u{indices.itemsize}").max() >= length:
        worst = indices[(indices < 0) | (indices >= length)].flat[0]
        raise IndexError(f"{what} {worst} is not one of the {length} from 0 to {length - 1}")


def need_integers(name: str, indices: Vertex) -> None:
    if not isinstance(indices, Vertex):
        raise DTypeError(f"{name} takes a tensor of integers, not a {type(indices).__name__}; write "
                         f"tg.tensor(...) around it")
    if indices._data.dtype.kind not in "iu":
        raise DTypeError(f"{name} takes integer indices, not {indices.dtype}; write tg.astype(indices, tg.int64)")


class Within(Elementwise):
    r"""z = x, an index from 0 to length - 1; anything else is an IndexError that calls it `what`, one of `of`

    `of` is the op that the user called, of which this is a part.
    """

    c = "{x}"
    c_kinds = "iu"
    c_fails = "(uint64_t){x} >= {length}"  # negative numbers are large ones when read as unsigned
    may_fail = True
    differentiable = False

    def told(self, inputs: Any, attrs: Any) -> str:
        return str(attrs["of"])

    def forward(self, xp: Any, x: Array, out: Array | None = None, *, length: int, what: str, of: str) -> Array:
        in_range(x, length, what)
        return xp.positive(x, out=out)


def within(x: Vertex, length: int, what: str, of: str) -> Any:
    """`x`, all of whose elements must be indices from 0 to length - 1."""
    return apply(within_length, (x,), {"length": length, "what": what, "of": of})


class Embedding(Op):
    r"""z[..., :] = table[indices[...], :],   the gradients of a row that is taken several times are added

    table (rows, ...), indices any shape of integers from 0 to rows - 1.
    """

    arithmetic = 0
    may_fail = True
    derivatives = ("one_hot(indices)",)

    def __call__(self, indices: Vertex, table: Vertex, /, *, padding_index: int | None = None) -> Any:
        need_integers(self.name, indices)
        if table.ndim < 1:
            raise ShapeError("embedding needs a table with at least one axis")
        return apply(self, (table, indices), {"padding_index": padding_index})

    def infer(self, table: Spec, indices: Spec, *, padding_index: int | None) -> Spec:
        return Spec((*indices.shape, *table.shape[1:]), table.dtype)

    def forward(self, xp: Any, table: Array, indices: Array, *, padding_index: int | None) -> Array:
        in_range(indices, table.shape[0], "row")
        return xp.take(table, indices, axis=0)

    def c_body(self, z: Vertex, table: Vertex, indices: Vertex) -> str:
        width = table.size // table.shape[0]
        return f"""\
for (int64_t i = 0; i < {indices.size}; i++) {{
    const int64_t row = indices[i];
    if ((uint64_t)row >= {table.shape[0]}) return 1;
    for (int64_t j = 0; j < {width}; j++)
        z[{width} * i + j] = table[{width} * row + j];
}}
return 0;
"""

    def settings_of_derivative(self, attrs: Mapping[str, Any]) -> Mapping[str, Any]:
        return {**attrs, "padding_index": None}

    def vjp(self, g: Vertex, z: Vertex, table: Vertex, indices: Vertex) -> Any:
        return apply(embedding_gradient, (g, indices), {**z.attrs, "rows": table.shape[0]}), None


class EmbeddingGradient(Op):
    r"""z[r] = Σ u[i] over the places i whose index is r, and 0 for the row `padding_index`: the adjoint of embedding

    The places are sorted by row, and each run of equal rows is summed at once. Adding one by one takes four times as
    long.
    """

    derivatives = ("one_hot(indices)^T",)

    def infer(self, u: Spec, indices: Spec, *, rows: int, padding_index: int | None) -> Spec:
        return Spec((rows, *u.shape[indices.ndim:]), u.dtype)

    def forward(self, xp: Any, u: Array, indices: Array, *, rows: int, padding_index: int | None) -> Array:
        shape = u.shape[indices.ndim:]
        z = xp.zeros((rows, *shape), u.dtype)
        flat = indices.reshape(-1)
        if flat.size:
            order = xp.argsort(flat, kind="stable")
            row = flat[order]
            starts = xp.flatnonzero(xp.concatenate([xp.ones(1, bool), row[1:] != row[:-1]]))
            z[row[starts]] = xp.add.reduceat(u.reshape(flat.size, *shape)[order], starts, axis=0)
        if padding_index is not None:
            z[padding_index] = 0
        return z

    def c_body(self, z: Vertex, u: Vertex, indices: Vertex) -> str:
        width, padding = z.size // z.shape[0], z.attrs["padding_index"]
        skip = "" if padding is None else f"\n    if (indices[i] == {padding % z.shape[0]}) continue;"
        return f"""\
for (int64_t i = 0; i < {z.size}; i++)
    z[i] = 0;
for (int64_t i = 0; i < {indices.size}; i++) {{{skip}
    for (int64_t j = 0; j < {width}; j++)
        z[{width} * (int64_t)indices[i] + j] += u[{width} * i + j];
}}
return 0;
"""

    def vjp(self, g: Vertex, z: Vertex, u: Vertex, indices: Vertex) -> Any:
        gu = embedding(indices, g)
        if z.attrs["padding_index"] is not None:
            counted = astype(not_equal(indices, z.attrs["padding_index"]), u.dtype)
            for _ in range(u.ndim - indices.ndim):
                counted = expand_dims(counted, axis=counted.ndim)
            gu = gu * counted
        return gu, None


class OneHot(Op):
    r"""z[..., k] = 1 where index[...] = k, else 0, as int64"""

    arithmetic = 0
    may_fail = True
    differentiable = False

    def __call__(self, indices: Vertex, classes: int, /) -> Any:
        need_integers(self.name, indices)
        return apply(self, (indices,), {"classes": classes})

    def infer(self, indices: Spec, *, classes: int) -> Spec:
        return Spec((*indices.shape, classes), np.dtype(np.int64))

    def forward(self, xp: Any, indices: Array, *, classes: int) -> Array:
        in_range(indices, classes, "class")
        return (indices[..., None] == xp.arange(classes)).astype(xp.int64)

    def c_body(self, z: Vertex, indices: Vertex) -> str:
        classes = z.attrs["classes"]
        return f"""\
for (int64_t i = 0; i < {indices.size}; i++) {{
    const int64_t hot = indices[i];
    if ((uint64_t)hot >= {classes}) return 1;
    for (int64_t k = 0; k < {classes}; k++)
        z[{classes} * i + k] = k == hot;
}}
return 0;
"""


class PickClass(Op):
    r"""z[n, ...] = x[n, t[n, ...], ...], the element of class t along the axis; 0 where t is `ignore_index`

    x (..., classes, ...), t the shape of x without the axis, of integers from 0 to classes - 1.
    """

    arithmetic = 0
    may_fail = True
    derivatives = ("one_hot(t)",)

    def __call__(self, x: Vertex, target: Vertex, /, *, axis: int = 1, ignore_index: int = -100) -> Any:
        need_integers(self.name, target)
        axis = normalize_axis(axis, x.ndim)
        if target.shape != (*x.shape[:axis], *x.shape[axis + 1:]):
            raise ShapeError(f"scores {x.shape} with classes along axis {axis} need targets of shape "
                             f"{(*x.shape[:axis], *x.shape[axis + 1:])}, not {target.shape}")
        return apply(self, (x, target), {"axis": axis, "ignore_index": ignore_index})

    def infer(self, x: Spec, target: Spec, *, axis: int, ignore_index: int) -> Spec:
        return Spec(target.shape, x.dtype)

    def forward(self, xp: Any, x: Array, target: Array, *, axis: int, ignore_index: int) -> Array:
        index, counted = class_index(xp, target, x.shape[axis], axis, ignore_index)
        z = xp.squeeze(xp.take_along_axis(x, index, axis=axis), axis=axis)
        return z if counted is None else z * counted.astype(z.dtype)

    def vjp(self, g: Vertex, z: Vertex, x: Vertex, target: Vertex) -> Any:
        return apply(put_class, (g, target), {**z.attrs, "classes": x.shape[z.attrs["axis"]]}), None


class PutClass(Op):
    r"""z[n, t[n, ...], ...] = u[n, ...], and 0 elsewhere: the adjoint of pick_class"""

    arithmetic = 0
    derivatives = ("one_hot(t)^T",)

    def infer(self, u: Spec, target: Spec, *, axis: int, ignore_index: int, classes: int) -> Spec:
        return Spec((*u.shape[:axis], classes, *u.shape[axis:]), u.dtype)

    def forward(self, xp: Any, u: Array, target: Array, *, axis: int, ignore_index: int, classes: int) -> Array:
        index, counted = class_index(xp, target, classes, axis, ignore_index)
        given = u if counted is None else u * counted.astype(u.dtype)
        z = xp.zeros((*u.shape[:axis], classes, *u.shape[axis:]), u.dtype)
        xp.put_along_axis(z, index, xp.expand_dims(given, axis), axis=axis)
        return z

    def vjp(self, g: Vertex, z: Vertex, u: Vertex, target: Vertex) -> Any:
        return pick_class(g, target, axis=z.attrs["axis"], ignore_index=z.attrs["ignore_index"]), None


def class_index(xp: Any, target: Array, classes: int, axis: int, ignore_index: int) -> tuple[Array, Array | None]:
    """Targets as an index along the axis, with 0 for those to ignore; and which count, or None when all do."""
    target, counted = counted_targets(xp, target, classes, ignore_index)
    return xp.expand_dims(target, axis), counted


def counted_targets(xp: Any, target: Array, classes: int, ignore_index: int) -> tuple[Array, Array | None]:
    """Targets with 0 for those to ignore, and which count, or None when all do. One out of range is an IndexError."""
    counted = None
    if 0 <= ignore_index < classes or (target.size and target.view(f"u{target.itemsize}").max() >= classes):
        counted = target != ignore_index
        target = xp.where(counted, target, 0)
        in_range(target, classes, "target")
    return target, counted


embedding, embedding_gradient, one_hot = Embedding(), EmbeddingGradient(), OneHot()
within_length = Within()
pick_class, put_class = PickClass(), PutClass()
