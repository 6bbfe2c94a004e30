"""Taking elements out and putting elements in.

An index is split into a pattern, which is a setting of the call (slices, integers, None, ...), and the index tensors
that stand in it, which are inputs. So an index may itself be computed in a static graph. `GetItem` with slices alone
is a view; with index tensors it is a copy. Its gradient puts the gradient back where the elements came from and adds
where one element was taken several times; `PutItem` is that, and `SetItem` overwrites.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import dtypes
from ..errors import DTypeError, ShapeError
from ..op import Array, Op, Shape, Spec, Vertex, apply, beside
from ..sizes import as_length, broadcast_shapes, is_open
from ..spelling import own_keywords
from .code import Code, index, steps
from .shape import broadcast_to, normalize_axis

Pattern = tuple[Any, ...]
LOOPS = "ijklmnqr"
"""The names of loops in C over the axes of an array."""


class Hole:
    """The place of an index tensor in a pattern."""

    def __repr__(self) -> str:
        return "#"


HOLE = Hole()


def split_index(x: Vertex, index: Any) -> tuple[Pattern, tuple[Vertex, ...]]:
    """An index as a pattern and the index tensors that fill its holes."""
    items = index if isinstance(index, tuple) else (index,)
    pattern: list[Any] = []
    tensors: list[Vertex] = []
    for item in items:
        if isinstance(item, (list, np.ndarray)):
            array = np.asarray(item)
            item = beside(x, array.astype(np.int64) if array.size == 0 and array.dtype.kind == "f" else array)
        if isinstance(item, Vertex):
            if item.dtype.kind not in "biu":
                raise DTypeError(f"an index must be integers or booleans, not {item.dtype}")
            pattern.append(HOLE)
            tensors.append(item)
        elif isinstance(item, slice):
            pattern.append(slice(*(None if part is None else as_length(part)
                                   for part in (item.start, item.stop, item.step))))
        elif item is None or item is Ellipsis or isinstance(item, (bool, np.bool_)):
            pattern.append(item)
        else:
            try:
                pattern.append(as_length(item))
            except TypeError:
                raise DTypeError(f"{item!r} is not an index: use integers, slices, None, ..., or integer or boolean "
                                 "tensors") from None
    if not any(item is Ellipsis for item in pattern):
        pattern.append(Ellipsis)  # so that picking one element gives a view without axes, not a copy of the number
    return tuple(pattern), tuple(tensors)


def join_index(pattern: Pattern, arrays: Sequence[Array]) -> tuple[Any, ...]:
    """The index that a pattern and its index arrays stand for."""
    if not arrays:
        return pattern
    fill = iter(arrays)
    return tuple(next(fill) if item is HOLE else item for item in pattern)


def need_reach(xp: Any, shape: Shape, pattern: Pattern, arrays: Sequence[Array]) -> None:
    """Refuse positions of no element where the array library does not: CuPy counts on from the beginning.

    To know, the program has to wait for the device.
    """
    if xp is np:
        return
    used = sum(item is not None and item is not Ellipsis and not isinstance(item, (bool, np.bool_)) for item in pattern)
    used += sum(array.ndim - 1 for array in arrays if array.dtype.kind == "b")
    axis, fill = 0, iter(arrays)
    for item in pattern:
        if item is HOLE:
            array = next(fill)
            if array.dtype.kind != "b":
                need_positions(array, shape[axis], axis)
            axis += array.ndim if array.dtype.kind == "b" else 1
        elif item is Ellipsis:
            axis += len(shape) - used
        elif item is not None and not isinstance(item, (bool, np.bool_)):
            axis += 1


def need_positions(array: Array, n: int, axis: int) -> None:
    """Refuse positions outside of -n ... n - 1."""
    array = array.astype(np.int64)
    beyond = (array < -n) | (array >= n)
    if beyond.any():
        raise IndexError(f"index {int(array[beyond].flat[0])} is out of bounds for axis {axis} with size {n}")


def put(xp: Any, z: Array, index: tuple[Any, ...], value: Any) -> None:
    """z[index] = value. Of several values for one place the last stays; CuPy leaves open which, so there all of them
    become the last one first."""
    positions = any(getattr(item, "dtype", np.dtype(bool)).kind in "iu" and item.ndim for item in index)
    if xp is np or not positions or getattr(value, "size", 1) == 1:
        z[index] = value
        return
    places = xp.arange(z.size).reshape(z.shape)[index]
    flat = places.reshape(-1)
    order = xp.argsort(flat, kind="stable")
    last = order[xp.searchsorted(flat[order], flat, side="right") - 1]
    z[index] = xp.broadcast_to(value, places.shape).reshape(-1)[last].reshape(places.shape)


def indexed_shape(shape: Shape, pattern: Pattern, holes: Sequence[Shape]) -> Shape:
    """The shape of x[index], by the rules of NumPy, for lengths that may be open.

    What index tensors and truth values give stands where the first of them is; at the front, if slices lie between.
    """
    truths = [(1 if item else 0,) for item in pattern if isinstance(item, (bool, np.bool_))]
    used = sum(item is not None and item is not Ellipsis for item in pattern) - len(truths)
    if used > len(shape):
        raise ShapeError(f"{used} indices for a tensor of shape {shape}")
    axis = 0
    answer: list[Any] = []
    places: list[tuple[int, int]] = []
    for place, item in enumerate(pattern):
        if item is Ellipsis:
            rest = len(shape) - used
            answer += shape[axis:axis + rest]
            axis += rest
        elif item is None:
            answer.append(1)
        elif isinstance(item, slice):
            answer.append(slice_length(shape[axis], item))
            axis += 1
        else:
            if item is HOLE or truths or holes:  # beside index tensors, a number is one too
                places.append((place, len(answer)))
            if not isinstance(item, (bool, np.bool_)):
                if item is not HOLE:
                    check_position(item, shape, axis)
                axis += 1
    if not places:
        return tuple(answer)
    found = broadcast_shapes(*holes, *truths)
    together = places[-1][0] - places[0][0] == len(places) - 1
    start = places[0][1] if together else 0
    return (*answer[:start], *found, *answer[start:])


def check_position(item: Any, shape: Shape, axis: int) -> None:
    """Refuse the position of no element."""
    n = shape[axis]
    if not (item < n if item >= 0 else -item <= n):
        raise IndexError(f"index {item} is out of bounds for axis {axis} with size {n}")


def slice_length(n: Any, part: slice) -> Any:
    """How many elements a slice takes of n: Python's rules, for numbers that may be open."""
    step = 1 if part.step is None else part.step
    if step == 0:
        raise ValueError("slice step cannot be zero")
    if step > 0:
        start, stop = clipped(part.start, 0, 0, n, n), clipped(part.stop, n, 0, n, n)
        span, step = stop - start, step
    else:
        start, stop = clipped(part.start, n - 1, -1, n - 1, n), clipped(part.stop, -1, -1, n - 1, n)
        span, step = start - stop, -step
    return -(-span // step) if span > 0 else 0


def clipped(bound: Any, default: Any, low: Any, high: Any, n: Any) -> Any:
    """A bound of a slice, counted from the front and within reach."""
    if bound is None:
        return default
    if bound < 0:
        bound = bound + n
    return low if bound < low else high if bound > high else bound


class GetItem(Op):
    r"""z = x[index]: elements of x;   the gradient goes back to the places they came from"""

    arithmetic = 0
    view = True

    def __call__(self, x: Vertex, index: Any, /) -> Any:
        pattern, tensors = split_index(x, index)
        copies = bool(tensors) or any(isinstance(item, (bool, np.bool_)) for item in pattern)
        return apply(take_items if copies else self, (x, *tensors), {"index": pattern})

    def infer(self, x: Spec, *indices: Spec, index: Pattern) -> Spec:
        if any(i.dtype.kind == "b" for i in indices):
            raise ShapeError("the number of elements that a boolean index takes depends on its values")
        if is_open(x.shape) or is_open(index) or any(is_open(i.shape) for i in indices):
            return Spec(indexed_shape(x.shape, index, [i.shape for i in indices]), x.dtype)
        probe = np.broadcast_to(np.empty((), np.bool_), x.shape)
        where = join_index(index, [np.broadcast_to(np.zeros((), np.int64), i.shape) for i in indices])
        return Spec(probe[where].shape, x.dtype)

    def forward(self, xp: Any, x: Array, *indices: Array, index: Pattern) -> Array:
        need_reach(xp, x.shape, index, indices)
        return x[join_index(index, indices)]

    def vjp(self, g: Vertex, z: Vertex, x: Vertex, *indices: Vertex) -> Any:
        return apply(put_item, (g, *indices), {"index": z.attrs["index"], "shape": x.shape}), *[None] * len(indices)


class TakeItems(GetItem):
    r"""z = x[index] with index tensors: a copy of the elements;   gradients of elements taken twice are added"""

    view = False
    may_fail = True


class PutItem(Op):
    r"""z is zero but for z[index] = x, adding up where the index names a place twice: the adjoint of x[index]"""

    def infer(self, x: Spec, *indices: Spec, index: Pattern, shape: Shape) -> Spec:
        return Spec(shape, x.dtype)

    def forward(self, xp: Any, x: Array, *indices: Array, index: Pattern, shape: Shape) -> Array:
        z = xp.zeros(shape, x.dtype)
        if not indices:
            z[index] = x
        elif len(indices) == 1 and indices[0].dtype.kind == "b":
            z[join_index(index, indices)] = x
        else:
            add_at(xp, z, join_index(index, indices), x)
        return z

    def c_body(self, z: Vertex, x: Vertex, *indices: Vertex) -> str | None:
        whole = np.empty(z.shape, np.bool_)
        part = whole if indices else whole[z.attrs["index"]]
        if indices or not np.may_share_memory(part, whole) or x.ndim > len(LOOPS):
            return None
        code, runs = Code(), merged(x.shape, part.strides)
        with code.loop("i", z.size) as i:
            code.put(f"z[{i or 0}] = 0;")
        with code.loops(LOOPS, [n for n, _ in runs]) as loops:
            sources = zip(steps([n for n, _ in runs]), loops, strict=True)
            begin = part.__array_interface__["data"][0] - whole.__array_interface__["data"][0]
            targets = [(step, loop) for (_, step), loop in zip(runs, loops, strict=True)]
            code.put(f"z[{index(*targets, begin)}] = x[{index(*sources)}];")
        return code.text()

    def vjp(self, g: Vertex, z: Vertex, x: Vertex, *indices: Vertex) -> Any:
        op = take_items if indices else getitem
        return apply(op, (g, *indices), {"index": z.attrs["index"]}), *[None] * len(indices)


def merged(shape: Shape, strides: Sequence[int]) -> list[tuple[int, int]]:
    """The lengths and steps of loops over an array, those put together that run on from one another."""
    runs: list[tuple[int, int]] = []
    for n, step in zip(shape, strides, strict=True):
        if runs and runs[-1][1] == n * step:
            runs[-1] = runs[-1][0] * n, step
        elif n != 1:
            runs.append((n, step))
    return runs


def add_at(xp: Any, z: Array, index: tuple[Any, ...], x: Array) -> None:
    """z[index] += x, every occurrence counted, in order."""
    if xp is np:
        np.add.at(z, index, x)
    else:
        xp.add.at(z, index, x)


class SetItem(Op):
    r"""z = x but for z[index] = value;   dz/dx = 1 outside the index and 0 inside, dz/dvalue = 1"""

    arithmetic = 0

    def infer(self, x: Spec, value: Spec, *indices: Spec, index: Pattern) -> Spec:
        if not any(i.dtype.kind == "b" for i in indices):
            region = getitem.infer(x, *indices, index=index).shape
            if broadcast_shapes(region, value.shape) != region:
                raise ShapeError(f"a value of shape {value.shape} does not fit into x[index] of shape {region}")
        return x

    def forward(self, xp: Any, x: Array, value: Array, *indices: Array, index: Pattern) -> Array:
        need_reach(xp, x.shape, index, indices)
        z = x.copy()
        put(xp, z, join_index(index, indices), value)
        return z

    def vjp(self, g: Vertex, z: Vertex, x: Vertex, value: Vertex, *indices: Vertex) -> Any:
        index = z.attrs["index"]
        nothing = beside(g, np.zeros((), g.dtype))
        gx = apply(set_item, (g, nothing, *indices), {"index": index})
        gv = apply(take_items if indices else getitem, (g, *indices), {"index": index}) if value.requires_grad else None
        return gx, gv, *[None] * len(indices)


class SetItems(SetItem):
    r"""z = x but for z[index] = value, with index tensors, which nothing has looked at before"""

    may_fail = True


class TakeAlong(Op):
    r"""z[i, j, k] = x[i, index[i, j, k], k] for axis 1, likewise for other axes;   gradients of repeats are added"""

    arithmetic = 0
    may_fail = True

    def __call__(self, x: Vertex, indices: Vertex, /, *, axis: int = -1) -> Any:
        if indices.dtype.kind not in "iu":
            raise DTypeError(f"the indices must be integers, not {indices.dtype}")
        if indices.ndim != x.ndim:
            raise ShapeError(f"x {x.shape} and indices {indices.shape} must have the same number of axes")
        axis = normalize_axis(axis, x.ndim)
        lead = broadcast_shapes(*[(*v.shape[:axis], 1, *v.shape[axis + 1:]) for v in (x, indices)])
        shapes = [(*lead[:axis], v.shape[axis], *lead[axis + 1:]) for v in (x, indices)]
        return apply(self, (broadcast_to(x, shapes[0]), broadcast_to(indices, shapes[1])), {"axis": axis})

    def infer(self, x: Spec, indices: Spec, *, axis: int) -> Spec:
        return Spec(indices.shape, x.dtype)

    def forward(self, xp: Any, x: Array, indices: Array, *, axis: int) -> Array:
        if xp is not np:
            need_positions(indices, x.shape[axis], axis)
        return xp.take_along_axis(x, indices, axis=axis)

    def vjp(self, g: Vertex, z: Vertex, x: Vertex, indices: Vertex) -> Any:
        return apply(put_along, (g, indices), {"axis": z.attrs["axis"], "length": x.shape[z.attrs["axis"]]}), None


class PutAlong(Op):
    r"""z is zero but for z[i, index[i, j, k], k] += x[i, j, k] (axis 1): the adjoint of `take_along`"""

    may_fail = True

    def infer(self, x: Spec, indices: Spec, *, axis: int, length: int) -> Spec:
        return Spec((*x.shape[:axis], length, *x.shape[axis + 1:]), x.dtype)

    def forward(self, xp: Any, x: Array, indices: Array, *, axis: int, length: int) -> Array:
        z = xp.zeros((*x.shape[:axis], length, *x.shape[axis + 1:]), x.dtype)
        grid = [xp.arange(n).reshape([-1 if a == k else 1 for k in range(x.ndim)]) for a, n in enumerate(x.shape)]
        grid[axis] = indices
        add_at(xp, z, tuple(grid), x)
        return z

    def vjp(self, g: Vertex, z: Vertex, x: Vertex, indices: Vertex) -> Any:
        return apply(take_along, (g, indices), {"axis": z.attrs["axis"]}), None


getitem, take_items, put_item, set_item, set_items = GetItem(), TakeItems(), PutItem(), SetItem(), SetItems()
take_along, put_along = TakeAlong(), PutAlong()


@own_keywords
def take(x: Vertex, indices: Vertex, /, *, axis: int | None = None) -> Any:
    """The elements (or slices) of `x` at integer positions along one axis; `axis` may be left out for one axis."""
    if axis is None:
        if x.ndim != 1:
            raise ShapeError(f"take needs an axis for a tensor of shape {x.shape}")
        axis = 0
    return getitem(x, (slice(None),) * normalize_axis(axis, x.ndim) + (indices,))


class Nonzero(Op):
    r"""The indices where x is not zero, as one integer array of shape (ndim, how many)"""

    arithmetic = 0
    differentiable = False

    def infer(self, x: Spec) -> Spec:
        raise ShapeError("how many elements are nonzero depends on their values")

    def forward(self, xp: Any, x: Array) -> Array:
        return xp.stack(xp.nonzero(x)).astype(dtypes.int64)


find_nonzero = Nonzero()


def nonzero(x: Vertex, /) -> tuple[Any, ...]:
    """The indices of the elements that are not zero, one integer tensor an axis. How many depends on the values."""
    if x.ndim == 0:
        raise ShapeError("nonzero needs at least one axis")
    found = apply(find_nonzero, (x,))
    return tuple(found[i] for i in range(x.ndim))
