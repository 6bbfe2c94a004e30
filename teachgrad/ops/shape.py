"""Ops that move elements or change their type without computing with them: reshape, permute, broadcast, join, cast.

Most are views: the result shares the memory of the input. The gradient of each is the move backwards, so the ops of
this file are each other's gradients: `broadcast_to` copies a value to many places, `sum_to` collects from them.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from functools import lru_cache
from math import prod
from typing import Any

import numpy as np

from .. import dtypes
from ..errors import ShapeError
from ..op import Array, Op, Shape, Spec, Vertex, apply
from ..sizes import as_length, broadcast_shapes
from ..spelling import own_keywords
from .transfer import to_device


def normalize_axis(axis: int, ndim: int) -> int:
    """`axis` counted from the front. Raises `ShapeError` when there is no such axis."""
    axis = operator.index(axis)
    if not -ndim <= axis < max(ndim, 1):
        raise ShapeError(f"axis {axis} does not exist: the tensor has {ndim} axes, so axis runs from {-ndim} to "
                         f"{ndim - 1}")
    return axis % ndim if ndim else 0


def normalize_axes(axis: int | Sequence[int] | None, ndim: int) -> tuple[int, ...]:
    """All named axes counted from the front, each once; all axes for None."""
    if axis is None:
        return tuple(range(ndim))
    if type(axis) is int and 0 <= axis < ndim:
        return (axis,)
    if isinstance(axis, (list, tuple)):
        axes = tuple(normalize_axis(a, ndim) for a in axis)
        if len(set(axes)) < len(axes):
            raise ShapeError(f"axis {tuple(axis)} names an axis twice")
        return axes
    return (normalize_axis(operator.index(axis), ndim),)  # type: ignore[arg-type]


def as_shape(shape: Any) -> Shape:
    """A shape given as an int or a sequence of ints, as a tuple."""
    if isinstance(shape, (tuple, list)):
        return tuple(as_length(n) for n in shape)
    return (as_length(shape),)


class Astype(Op):
    r"""z = x as another dtype,   dz/dx = 1 between floating-point types; nothing flows through integers"""

    arithmetic = 0
    derivatives: tuple[str, ...] = ("1",)

    def __call__(self, x: Vertex, dtype: Any, /, *, copy: bool = True, device: Any = None) -> Any:
        if device is not None:
            x = to_device(x, device)
        dtype = dtypes.as_dtype(dtype)
        if not copy and x.dtype == dtype:
            return x
        return apply(self if dtype.kind == "f" and x.dtype.kind == "f" else cast, (x,), {"dtype": dtype})

    def infer(self, x: Spec, *, dtype: dtypes.DType) -> Spec:
        return Spec(x.shape, dtype)

    def forward(self, xp: Any, x: Array, *, dtype: dtypes.DType) -> Array:
        return x.astype(dtype)

    def vjp(self, g: Vertex, z: Vertex, x: Vertex) -> Any:
        return (astype(g, x.dtype),)


class Cast(Astype):
    r"""z = x as another dtype, where one of the two is not a floating-point type: no gradient flows"""

    differentiable = False
    derivatives = ()


class Copy(Op):
    r"""z = x in memory of its own,   dz/dx = 1"""

    arithmetic = 0
    derivatives = ("1",)

    def __call__(self, x: Vertex, /) -> Any:
        return apply(self, (x,))

    def infer(self, x: Spec) -> Spec:
        return x

    def forward(self, xp: Any, x: Array) -> Array:
        return x.copy()

    def vjp(self, g: Vertex, z: Vertex, x: Vertex) -> Any:
        return (g,)


class StopGradient(Op):
    r"""z = x, as a constant: no gradient flows through it"""

    arithmetic = 0
    differentiable = False
    view = True

    def __call__(self, x: Vertex, /) -> Any:
        return apply(self, (x,))

    def infer(self, x: Spec) -> Spec:
        return x

    def forward(self, xp: Any, x: Array) -> Array:
        return x


class BroadcastTo(Op):
    r"""z repeats x along new axes and along axes of length 1, up to `shape`;   the gradient sums over the repeats"""

    arithmetic = 0
    view = True

    def __call__(self, x: Vertex, /, shape: Any) -> Any:
        if type(shape) is not tuple:
            shape = as_shape(shape)
        return x if x.shape == shape else apply(self, (x,), {"shape": shape})

    def infer(self, x: Spec, *, shape: Shape) -> Spec:
        if broadcast_shapes(x.shape, shape) != shape:
            raise ShapeError(f"shape {x.shape} does not broadcast to {shape}")
        return Spec(shape, x.dtype)

    def forward(self, xp: Any, x: Array, *, shape: Shape) -> Array:
        if x.ndim == 0 and xp is np:  # the seed of every backward pass comes by here; this is five times as quick
            z: Array = np.ndarray(shape, x.dtype, x, 0, (0,) * len(shape))
            z.flags.writeable = False
            return z
        return xp.broadcast_to(x, shape)

    def vjp(self, g: Vertex, z: Vertex, x: Vertex) -> Any:
        return (sum_to(g, x.shape),)


@lru_cache(maxsize=64)
def ones(n: int, dtype: dtypes.DType) -> Array:
    """A row of n ones, read-only."""
    row = np.ones(n, dtype)
    row.flags.writeable = False
    return row


def add_rows(xp: Any, x: Array, out: Array | None = None) -> Array:
    """Σ over the first axis of a matrix. As a product with a row of ones: BLAS is several times as quick."""
    if xp is np and sums_by_product(x):
        return np.matmul(ones(len(x), x.dtype), x, out=out)
    return xp.add.reduce(x, axis=0, dtype=x.dtype, out=out)


def sums_by_product(x: Array | Spec) -> bool:
    """Whether `add_rows` of this matrix is a matrix product."""
    return x.ndim == 2 and x.dtype.char in "fd" and 0 < x.shape[0] <= 1 << 16


class SumTo(Op):
    r"""z sums x over the axes along which an array of `shape` is repeated to the shape of x: undoes broadcasting"""

    c_start, c_step = "0", "{z} + {x}"

    def __call__(self, x: Vertex, /, shape: Any) -> Any:
        if type(shape) is not tuple:
            shape = as_shape(shape)
        return x if x.shape == shape else apply(self, (x,), {"shape": shape})

    def infer(self, x: Spec, *, shape: Shape) -> Spec:
        if broadcast_shapes(x.shape, shape) != x.shape:
            raise ShapeError(f"shape {x.shape} does not sum to {shape}")
        return Spec(shape, x.dtype)

    def forward(self, xp: Any, x: Array, *, shape: Shape) -> Array:
        extra = x.ndim - len(shape)
        kept = tuple(extra + i for i, n in enumerate(shape) if n == 1 and x.shape[extra + i] != 1)
        if kept:
            x = xp.sum(x, axis=kept, keepdims=True)
        return add_rows(xp, x.reshape(prod(x.shape[:extra]), prod(shape))).reshape(shape) if extra else x

    def vjp(self, g: Vertex, z: Vertex, x: Vertex) -> Any:
        return (broadcast_to(g, x.shape),)


class Reshape(Op):
    r"""z has the elements of x in the same (row-major) order and another shape; a length -1 is whatever is left"""

    view = True
    may_copy = True

    def __call__(self, x: Vertex, /, shape: Any, *, copy: bool | None = None) -> Any:
        shape = as_shape(shape)
        if -1 in shape:
            known = prod(n for n in shape if n != -1)
            if shape.count(-1) > 1 or known == 0 or x.size % known:
                raise ShapeError(f"a tensor of shape {x.shape} ({x.size} elements) cannot take the shape {shape}")
            shape = tuple(x.size // known if n == -1 else n for n in shape)
        if copy:
            x = copy_of(x)
        return apply(self, (x,), {"shape": shape})

    def infer(self, x: Spec, *, shape: Shape) -> Spec:
        if prod(shape) != x.size:
            raise ShapeError(f"a tensor of shape {x.shape} ({x.size} elements) cannot take the shape {shape}")
        return Spec(shape, x.dtype)

    def forward(self, xp: Any, x: Array, *, shape: Shape) -> Array:
        return x.reshape(shape)

    def vjp(self, g: Vertex, z: Vertex, x: Vertex) -> Any:
        return (reshape(g, x.shape),)


class PermuteDims(Op):
    r"""z has the axes of x in the order `axes`: z.shape[i] = x.shape[axes[i]]"""

    view = True

    def __call__(self, x: Vertex, /, axes: Sequence[int]) -> Any:
        order = normalize_axes(tuple(axes), x.ndim)
        if len(order) != x.ndim:
            raise ShapeError(f"permute_dims needs all {x.ndim} axes in their new order, got {tuple(axes)}")
        return apply(self, (x,), {"axes": order})

    def infer(self, x: Spec, *, axes: tuple[int, ...]) -> Spec:
        return Spec(tuple(x.shape[a] for a in axes), x.dtype)

    def forward(self, xp: Any, x: Array, *, axes: tuple[int, ...]) -> Array:
        return x.transpose(axes)

    def vjp(self, g: Vertex, z: Vertex, x: Vertex) -> Any:
        axes = z.attrs["axes"]
        back = [0] * len(axes)
        for position, axis in enumerate(axes):
            back[axis] = position
        return (permute_dims(g, tuple(back)),)


class Flip(Op):
    r"""z is x with the order of the elements reversed along the axes"""

    arithmetic = 0

    def __call__(self, x: Vertex, /, *, axis: int | Sequence[int] | None = None) -> Any:
        return apply(self, (x,), {"axis": normalize_axes(axis, x.ndim)})

    def infer(self, x: Spec, *, axis: tuple[int, ...]) -> Spec:
        return x

    def forward(self, xp: Any, x: Array, *, axis: tuple[int, ...]) -> Array:
        return xp.flip(x, axis).copy()

    def vjp(self, g: Vertex, z: Vertex, x: Vertex) -> Any:
        return (flip(g, axis=z.attrs["axis"]),)


class Concat(Op):
    r"""z joins the inputs along an axis that exists already; all other lengths must agree"""

    arithmetic = 0
    writes_out = True

    def __call__(self, arrays: Sequence[Vertex], /, *, axis: int | None = 0) -> Any:
        parts = list(arrays)
        if not parts:
            raise ShapeError("concat needs at least one tensor")
        if axis is None:
            parts, axis = [reshape(x, (-1,)) for x in parts], 0
        dtype = parts[0].dtype
        for x in parts[1:]:
            dtype = dtypes.promote(dtype, x.dtype)
        parts = [astype(x, dtype, copy=False) for x in parts]
        return apply(self, tuple(parts), {"axis": normalize_axis(axis, parts[0].ndim)})

    def infer(self, *inputs: Spec, axis: int) -> Spec:
        first = inputs[0].shape
        for x in inputs[1:]:
            if len(x.shape) != len(first) or x.shape[:axis] + x.shape[axis + 1:] != first[:axis] + first[axis + 1:]:
                raise ShapeError(f"concat along axis {axis}: shapes {[x.shape for x in inputs]} differ in another axis")
        total = sum(x.shape[axis] for x in inputs)
        return Spec((*first[:axis], total, *first[axis + 1:]), inputs[0].dtype)

    def forward(self, xp: Any, *inputs: Array, axis: int, out: Array | None = None) -> Array:
        return xp.concatenate(inputs, axis=axis, out=out)

    def c_body(self, z: Vertex, *inputs: Vertex) -> str:
        axis = z.attrs["axis"]
        row, lines, at = prod(z.shape[axis:]), [f"for (int64_t i = 0; i < {prod(z.shape[:axis])}; i++) {{"], 0
        for k, x in enumerate(inputs):
            width = prod(x.shape[axis:])
            lines.append(f"    memcpy(z + {row} * i + {at}, x{k} + {width} * i, {width * z.dtype.itemsize});")
            at += width
        return "\n".join([*lines, "}", "return 0;", ""])

    def vjp(self, g: Vertex, z: Vertex, *inputs: Vertex) -> Any:
        axis, start, parts = z.attrs["axis"], 0, []
        for x in inputs:
            stop = start + x.shape[axis]
            parts.append(g[(slice(None),) * axis + (slice(start, stop),)] if x.requires_grad else None)
            start = stop
        return parts


astype, cast, copy_of, stop_gradient = Astype(), Cast(), Copy(), StopGradient()
broadcast_to, sum_to = BroadcastTo(), SumTo()
reshape, permute_dims, flip, concat = Reshape(), PermuteDims(), Flip(), Concat()


@own_keywords
def expand_dims(x: Vertex, /, axis: int = 0) -> Any:
    """`x` with a new axis of length 1 at position `axis`."""
    axis = normalize_axis(axis, x.ndim + 1)
    return reshape(x, (*x.shape[:axis], 1, *x.shape[axis:]))


@own_keywords
def squeeze(x: Vertex, /, axis: int | Sequence[int]) -> Any:
    """`x` without the named axes, each of which must have length 1."""
    axes = normalize_axes(axis, x.ndim)
    for a in axes:
        if x.shape[a] != 1:
            raise ShapeError(f"squeeze: axis {a} of shape {x.shape} has length {x.shape[a]}, not 1")
    return reshape(x, tuple(n for i, n in enumerate(x.shape) if i not in axes))


def matrix_transpose(x: Vertex, /) -> Any:
    """`x` with its last two axes exchanged."""
    n = x.ndim
    if n < 2:
        raise ShapeError(f"matrix_transpose needs at least 2 axes, not shape {x.shape}")
    return apply(permute_dims, (x,), {"axes": (*range(n - 2), n - 1, n - 2)})


def moveaxis(x: Vertex, source: int | Sequence[int], destination: int | Sequence[int], /) -> Any:
    """`x` with some axes moved to new places; the others keep their order."""
    taken, placed = normalize_axes(source, x.ndim), normalize_axes(destination, x.ndim)
    if len(taken) != len(placed):
        raise ShapeError(f"moveaxis: {source} and {destination} name different numbers of axes")
    order = [a for a in range(x.ndim) if a not in taken]
    for place, axis in sorted(zip(placed, taken, strict=True)):
        order.insert(place, axis)
    return permute_dims(x, order)


@own_keywords
def stack(arrays: Sequence[Vertex], /, *, axis: int = 0) -> Any:
    """Join tensors of one shape along a new axis."""
    parts = list(arrays)
    if parts and any(x.shape != parts[0].shape for x in parts):
        raise ShapeError(f"stack needs tensors of one shape, got {[x.shape for x in parts]}")
    return concat([expand_dims(x, axis=axis) for x in parts], axis=axis)
