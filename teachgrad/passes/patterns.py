"""Recognising forms: the small words that rules are written in. Each answers with the parts it finds, or with None."""

from __future__ import annotations

from ..graph import is_constant
from ..op import Op, Vertex
from ..ops.elementwise import add, exp, multiply, negative, subtract
from ..ops.reductions import reduced_shape, sum
from ..ops.shape import broadcast_to, reshape, sum_to

SMALL = 4096
"""Constants of more elements are not searched for being all one number."""
Axes = tuple[int, ...]


def argument(v: Vertex, op: Op) -> Vertex | None:
    """x where v = op(x)."""
    return v.inputs[0] if v.op is op else None


def is_float(v: Vertex) -> bool:
    """Whether the elements are real numbers, for which algebra holds up to rounding."""
    return type(v._data) is not tuple and v._data.dtype.kind == "f"


def number(v: Vertex) -> float | None:
    """The number that every element of v is, if v is a constant; also one that is moved or repeated."""
    v = unrepeated(v)
    while v.op is reshape:
        v = v.inputs[0]
    if not is_constant(v) or not v._data.size or v._data.dtype.kind not in "iuf":
        return None
    a = v._data
    first = a.flat[0] if a.ndim else a[()]
    if a.size == 1 or not any(a.strides) or (a.size <= SMALL and bool((a == first).all())):
        return float(first)
    return None


def fitted(x: Vertex, like: Vertex) -> Vertex:
    """x repeated to the shape of a vertex: a simpler form may not need all the shapes that the old one met."""
    fit: Vertex = x if x.shape == like.shape else broadcast_to(x, like.shape)
    return fit


def unrepeated(v: Vertex) -> Vertex:
    """v before it was repeated to a larger shape: an elementwise op does that by itself."""
    while v.op is broadcast_to:
        v = v.inputs[0]
    return v


def pairs(v: Vertex) -> tuple[tuple[Vertex, Vertex], ...]:
    """The inputs of a commutative op of two, both ways round."""
    x, y = v.inputs
    return (x, y), (y, x)


def one_plus(v: Vertex) -> Vertex | None:
    """x where v = 1 + x."""
    v = unrepeated(v)
    if v.op is add:
        for one, x in pairs(v):
            if number(one) == 1.0:
                return x
    return v.inputs[0] if v.op is subtract and number(v.inputs[1]) == -1.0 else None


def one_minus(v: Vertex) -> Vertex | None:
    """x where v = 1 - x."""
    v = unrepeated(v)
    return v.inputs[1] if v.op is subtract and number(v.inputs[0]) == 1.0 else None


def exponent(v: Vertex) -> Vertex | None:
    """x where v = exp(x)."""
    return argument(unrepeated(v), exp)


def negated(v: Vertex) -> Vertex | None:
    """x where v = -x."""
    v = unrepeated(v)
    if v.op is negative:
        return v.inputs[0]
    if v.op is multiply:
        for minus, x in pairs(v):
            if number(minus) == -1.0:
                return x
    return None


def minus(x: Vertex) -> Vertex:
    """-x, without piling up signs."""
    inner = argument(x, negative)
    y: Vertex = negative(x) if inner is None else inner
    return y


def summed(v: Vertex) -> tuple[Vertex, Axes] | None:
    """(x, axes) where v is Σ x over the axes, in a shape in which it meets x again by broadcasting."""
    v = unrepeated(v)
    if v.op is sum_to:
        x, lead = v.inputs[0], v.inputs[0].ndim - v.ndim
        return x, tuple(a for a in range(x.ndim) if a < lead or v.shape[a - lead] != x.shape[a])
    total = v.inputs[0] if v.op is reshape else v
    if total.op is not sum:
        return None
    x, axes = total.inputs[0], total.attrs["axis"]
    if v.shape == reduced_shape(x.shape, axes, True) or (v is total and axes == tuple(range(len(axes)))):
        return x, axes
    return None
