"""Elements that are taken from elsewhere, or put elsewhere: indexing, joining, turning, casting."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from teachgrad.op import Shape, Spec, Vertex
from teachgrad.ops.indexing import (
    HOLE,
    Pattern,
    getitem,
    put_along,
    put_item,
    set_item,
    set_items,
    take_along,
    take_items,
)
from teachgrad.ops.joining import roll
from teachgrad.ops.linalg import diagonal, place_diagonal
from teachgrad.ops.shape import astype, cast, concat, flip

from .threads import Threads, Work, kernel_of

AXES = "ijklmnqr"
"""The names of the axes of a result."""
ADDABLE = ("float32", "float64", "int32", "uint32", "int64", "uint64")
"""The types that can be added to memory which others add to at the same time."""


def few_axes(v: Vertex) -> bool:
    """Whether there are names for all axes."""
    return max(v.ndim, *(x.ndim for x in v.inputs)) <= len(AXES)


def names_of(shape: Shape) -> list[str]:
    """The names of the axes of a shape."""
    return list(AXES[:len(shape)])


def add_to(k: Threads, where: str, value: str) -> str:
    """The statement that adds to an element which other threads may add to at the same time."""
    k.store(where, value)
    if k.kind("z") in ("int64_t", "uint64_t"):  # sums of both kinds have the same bits
        return f"atomicAdd((unsigned long long *)&z[{where}], (unsigned long long){value});"
    return f"atomicAdd(&z[{where}], {value});"


def cleared(work: Work) -> None:
    """A kernel that sets all of z to zero."""
    k = work.threads("_zero")
    k.spread(["i"], (work.v.size,))
    k.put(k.store("i", "0"))


# ---- joining and turning ---------------------------------------------------------------------------------------------

@kernel_of(concat, fits=few_axes)
def join(work: Work) -> None:
    """z is the inputs one after the other along an axis."""
    z, axis, k = work.v, work.v.attrs["axis"], work.threads()
    names = names_of(z.shape)
    k.spread(names, z.shape)
    start = 0
    for number, x in enumerate(z.inputs):
        stop = start + x.shape[axis]
        at = f"({names[axis]} - {start})" if start else names[axis]
        last = number == len(z.inputs) - 1
        head = "" if number == 0 and last else "else " if last else \
            f"{'else ' if number else ''}if ({names[axis]} < {stop}) "
        k.put(head + k.store(k.element, k.load(f"x{number}", *names[:axis], at, *names[axis + 1:])))
        start = stop


@kernel_of(flip, "x", fits=few_axes)
def turn(work: Work) -> None:
    """z is x with the order of the elements reversed along the axes."""
    z, k = work.v, work.threads()
    names = names_of(z.shape)
    k.spread(names, z.shape)
    places = [f"({n - 1} - {name})" if axis in z.attrs["axis"] else name
              for axis, (name, n) in enumerate(zip(names, z.shape, strict=True))]
    k.put(k.store(k.element, k.load("x", *places)))


@kernel_of(roll, "x", fits=few_axes)
def push(work: Work) -> None:
    """z_i = x_(i - shift) along the axes."""
    z, k = work.v, work.threads()
    names = names_of(z.shape)
    k.spread(names, z.shape)
    shifts = [0] * z.ndim
    for shift, axis in zip(z.attrs["shift"], z.attrs["axis"], strict=True):
        shifts[axis] += shift
    places = [f"(({name} + {-shift % n}) % {n})" if shift % n else name
              for name, shift, n in zip(names, shifts, z.shape, strict=True)]
    k.put(k.store(k.element, k.load("x", *places)))


@kernel_of(diagonal, "x", fits=few_axes)
def take_diagonal(work: Work) -> None:
    """z_i = x_(i, i + offset)."""
    z, offset, k = work.v, work.v.attrs["offset"], work.threads()
    names = names_of(z.shape)
    k.spread(names, z.shape)
    *lead, i = names
    k.put(k.store(k.element, k.load("x", *lead, f"({i} + {max(0, -offset)})", f"({i} + {max(0, offset)})")))


@kernel_of(place_diagonal, "x", fits=few_axes)
def put_diagonal(work: Work) -> None:
    """z is zero but for z_(i, i + offset) = x_i."""
    z, offset, k = work.v, work.v.attrs["offset"], work.threads()
    names = names_of(z.shape)
    k.spread(names, z.shape)
    *lead, i, j = names
    place = f"({i} - {max(0, -offset)})"
    inside = f"{j} == {i} + {offset} && {i} >= {max(0, -offset)} && {i} < {z.inputs[0].shape[-1] + max(0, -offset)}"
    k.put(k.store("at", f"{inside} ? {k.load('x', *lead, place)} : 0"))


@kernel_of(astype, "x", fits=few_axes)
@kernel_of(cast, "x", fits=few_axes)
def convert(work: Work) -> None:
    """z is x in another type: a number beyond it is cut to its last bits, by way of 64."""
    z, k = work.v, work.threads()
    names = names_of(z.shape)
    k.spread(names, z.shape)
    k.put(k.store(k.element, f"({k.kind('z')})(int64_t){k.load('x', *names)}"))


# ---- indexing --------------------------------------------------------------------------------------------------------

def readable(v: Vertex) -> bool:
    """Whether an index is one of numbers and slices, and all tensors in it are of integers."""
    pattern = v.attrs["index"]
    holes = sum(item is HOLE for item in pattern)
    return (few_axes(v) and not any(isinstance(item, (bool, np.bool_)) for item in pattern)
            and all(x.dtype.kind in "iu" for x in v.inputs[len(v.inputs) - holes:]))


def addable(v: Vertex) -> bool:
    """Whether a gradient of indexing can be summed up in memory."""
    return readable(v) and (v.dtype.name in ADDABLE or not any(item is HOLE for item in v.attrs["index"]))


def places(k: Threads, shape: Shape, pattern: Pattern, names: Sequence[str], holes: Sequence[str]) -> list[str]:
    """For an element of x[index] with these names along its axes: its place along each axis of x.

    What index tensors give stands where the first of them is; at the front, if slices lie between (NumPy's rule).
    """
    inputs = k.work.inputs
    ndim = max((inputs[hole].ndim for hole in holes), default=0)
    used = sum(item is not None and item is not Ellipsis for item in pattern)
    advanced = [n for n, item in enumerate(pattern) if item is HOLE or (holes and isinstance(item, int))]
    together = not advanced or advanced[-1] - advanced[0] == len(advanced) - 1
    rest, fill = list(names), iter(holes)
    answer: list[str] = []
    common: list[str] = []
    if advanced and not together:
        common, rest = rest[:ndim], rest[ndim:]
    for n, item in enumerate(pattern):
        if advanced and together and n == advanced[0]:
            common, rest = rest[:ndim], rest[ndim:]
        axis = len(answer)
        if item is Ellipsis:
            count = len(shape) - used
            answer += rest[:count]
            rest = rest[count:]
        elif item is None:
            rest.pop(0)
        elif item is HOLE:
            hole = next(fill)
            x, length = inputs[hole], shape[axis]
            name = f"place{axis}"
            k.put(f"int64_t {name} = {k.load(hole, *common[ndim - x.ndim:])};")
            if x.dtype.kind == "i":
                k.put(f"if ({name} < 0) {name} += {length};")
            k.refuse(f"(uint64_t){name} >= {length}")
            answer.append(name)
        elif isinstance(item, slice):
            start, _, step = item.indices(shape[axis])
            name = rest.pop(0)
            word = name if step == 1 else f"{step} * {name}"
            answer.append(f"({start} + {word})" if start else f"({word})" if step != 1 else name)
        else:
            answer.append(str(item if item >= 0 else item + shape[axis]))
    return [*answer, *rest]


def offset_in(shape: Shape, where: Sequence[str]) -> str:
    """The number of the element of z at a place."""
    terms, step = [], 1
    for n, name in zip(reversed(shape), reversed(where), strict=True):
        terms.append(name if step == 1 else f"{step} * {name}")
        step *= n
    return " + ".join(reversed(terms)) or "0"


@kernel_of(take_items, "x", fits=readable, fails=True)
def take(work: Work) -> None:
    """z = x[index]."""
    z, x, k = work.v, work.v.inputs[0], work.threads()
    names = names_of(z.shape)
    k.spread(names, z.shape)
    where = places(k, x.shape, z.attrs["index"], names, work.names[1:])
    k.put(k.store(k.element, k.load("x", *where)))


@kernel_of(put_item, "x", fits=addable, fails=True)
def put(work: Work) -> None:
    """z is zero but for z[index] += x."""
    z, x = work.v, work.v.inputs[0]
    cleared(work)
    k = work.threads()
    names = names_of(x.shape)
    k.spread(names, x.shape)
    where = offset_in(z.shape, places(k, z.shape, z.attrs["index"], names, work.names[1:]))
    value = k.load("x", *names)
    k.put(add_to(k, where, value) if work.names[1:] else k.store(where, value))


def overwritable(v: Vertex) -> bool:
    """Whether it does not matter in which order values are written: slices name a place once, or there is one value."""
    return readable(v) and (len(v.inputs) == 2 or v.inputs[1].size == 1)


@kernel_of(set_items, "x", "value", fits=overwritable, fails=True)
@kernel_of(set_item, "x", "value", fits=overwritable, fails=True)
def overwrite(work: Work) -> None:
    """z = x but for z[index] = value."""
    z, (_, value, *indices) = work.v, work.v.inputs
    k = work.threads("_copy")
    names = names_of(z.shape)
    k.spread(names, z.shape)
    k.put(k.store(k.element, k.load("x", *names)))
    region = getitem.infer(Spec(z.shape, z.dtype), *[Spec(i.shape, i.dtype) for i in indices],
                           index=z.attrs["index"]).shape
    if 0 in region:
        return
    k = work.threads()
    names = names_of(region)
    k.spread(names, region)
    where = offset_in(z.shape, places(k, z.shape, z.attrs["index"], names, work.names[2:]))
    k.put(k.store(where, k.load("value", *names[len(region) - value.ndim:])))


@kernel_of(take_along, "x", "index", fits=few_axes, fails=True)
def take_along_axis(work: Work) -> None:
    """z[i, j, k] = x[i, index[i, j, k], k] for axis 1, likewise for other axes."""
    z, axis, k = work.v, work.v.attrs["axis"], work.threads()
    names = names_of(z.shape)
    k.spread(names, z.shape)
    where = found_along(k, names, axis, z.inputs[0].shape[axis])
    k.put(k.store(k.element, k.load("x", *where)))


@kernel_of(put_along, "x", "index", fits=lambda v: few_axes(v) and v.dtype.name in ADDABLE, fails=True)
def put_along_axis(work: Work) -> None:
    """z is zero but for z[i, index[i, j, k], k] += x[i, j, k] (axis 1)."""
    z, x, axis = work.v, work.v.inputs[0], work.v.attrs["axis"]
    cleared(work)
    k = work.threads()
    names = names_of(x.shape)
    k.spread(names, x.shape)
    where = found_along(k, names, axis, z.shape[axis])
    k.put(add_to(k, offset_in(z.shape, where), k.load("x", *names)))


def found_along(k: Threads, names: list[str], axis: int, length: int) -> list[str]:
    """A place with its number along an axis taken from `index`."""
    k.put(f"int64_t place = {k.load('index', *names)};")
    if k.work.inputs["index"].dtype.kind == "i":
        k.put(f"if (place < 0) place += {length};")
    k.refuse(f"(uint64_t)place >= {length}")
    return [*names[:axis], "place", *names[axis + 1:]]
