"""Moves of data: repeats that an op does by itself, shapes and orders of axes that undo each other, sums of repeats.

Nothing here computes otherwise than before but in the order of sums; it makes views meet, and it makes values that are
repeated be computed before they are repeated.
"""

from __future__ import annotations

from math import prod
from typing import Any

from ..op import REGISTRY, Op, Vertex, apply
from ..ops.elementwise import multiply, negative
from ..ops.elementwise_op import Elementwise
from ..ops.indexing import getitem, put_item
from ..ops.matmul import matmul
from ..ops.reductions import max, mean, min, reduced_shape, sum
from ..ops.shape import broadcast_to, matrix_transpose, permute_dims, reshape, sum_to
from .patterns import argument, fitted, is_float
from .products import Product, product_of
from .rules import EXACT, Bound, Miss, rule

THEANO = "Theano, canonicalize"
ELEMENTWISE = tuple(op for op in REGISTRY.values() if isinstance(op, Elementwise))
SUMS = (sum, sum_to)


def again(op: Op, inputs: tuple[Vertex, ...], v: Vertex) -> Any:
    """The op of v on other inputs."""
    return apply(op, inputs, v.attrs)


@rule(*ELEMENTWISE, cost="no copies of repeated values; computed before it is repeated, where all inputs are",
      bound=EXACT, source="Theano, local_elemwise_lift of dimshuffle and fill")
def repeat_later(v: Vertex) -> Vertex | None:
    """f(repeat x, y) = f(x, y) repeated: an elementwise op repeats its inputs by itself, and the result afterwards."""
    if not any(x.op is broadcast_to for x in v.inputs):
        return None
    assert v.op is not None
    return fitted(again(v.op, tuple([bare(x) for x in v.inputs]), v), v)


def bare(x: Vertex) -> Vertex:
    """x before it was repeated."""
    return x.inputs[0] if x.op is broadcast_to else x


@rule(broadcast_to, reshape, permute_dims, cost="one view less", bound=EXACT, source=THEANO)
def moves_in_a_row(v: Vertex) -> Vertex | None:
    """Two repeats are one, two reshapes are one, two orders of axes are one; one that changes nothing is none."""
    assert v.op is not None
    x = v.inputs[0]
    if v.op is permute_dims:
        axes = v.attrs["axes"]
        if x.op is permute_dims:
            return permute_dims(x.inputs[0], tuple(x.attrs["axes"][a] for a in axes))
        return x if axes == tuple(range(len(axes))) else None
    if x.shape == v.shape:
        return x
    return v.op(x.inputs[0], v.shape) if x.op is v.op else None  # type: ignore[operator]


@rule(getitem, put_item, cost="one kind of view less to see through; none of the zeros that put_item makes first",
      bound=EXACT, source="the definition of x[:, None]")
def index_is_reshape(v: Vertex) -> Vertex | None:
    """x[:, None] and what undoes it are reshapes: they only add or drop axes of length 1."""
    whole = all(item is None or item is Ellipsis or item == slice(None) for item in v.attrs["index"])
    return reshape(v.inputs[0], v.shape) if whole and len(v.inputs) == 1 else None


@rule(*ELEMENTWISE, cost="views meet; the op runs on memory in order", bound=EXACT,
      source="Theano, local_reshape_lift, the other way")
def reshape_later(v: Vertex) -> Vertex | None:
    """f(reshape x, reshape y, c) = reshape f(x, y, c), where all but numbers c are reshaped from one shape."""
    assert v.op is not None
    sources = [x.inputs[0] for x in v.inputs if x.op is reshape and x.shape == v.shape]
    numbers = [x for x in v.inputs if x.op is None and not x.ndim]
    if not sources or len(sources) + len(numbers) < len(v.inputs) or len({x.shape for x in sources}) > 1:
        return None
    if sources[0].ndim > v.ndim and len(v.inputs) > 1:
        return None
    inputs = tuple([x.inputs[0] if x.op is reshape and x.shape == v.shape else x for x in v.inputs])
    return reshape(again(v.op, inputs, v), v.shape)


@rule(sum, mean, max, min, cost="one pass over the data less", bound=Bound(2, terms=True), source="Theano, "
      "local_sum_sum")
def sums_in_a_row(v: Vertex) -> Vertex | None:
    """Σ Σ x over some and then over other axes = Σ x over all of them; likewise for the mean, max and min."""
    assert v.op is not None
    x = v.inputs[0]
    if x.op is not v.op:
        return None
    inner, kept = x.attrs["axis"], x.attrs["keepdims"]
    left = [a for a in range(x.inputs[0].ndim) if kept or a not in inner]
    axes = tuple(sorted({*inner, *(left[a] for a in v.attrs["axis"])}))
    after = v.op(x.inputs[0], axis=axes, keepdims=v.attrs["keepdims"])  # type: ignore[operator]
    return reshape(after, v.shape) if after.shape != v.shape else after


@rule(sum, sum_to, mean, max, min, cost="the sum runs over what is not repeated", bound=Bound(2, terms=True),
      source="Theano, local_reduce_broadcastable and local_sum_prod_of_fill")
def sum_of_repeats(v: Vertex) -> Vertex | Miss | None:
    """Σ of x repeated n times = n · Σ x; mean, max and min of repeats are those of x. No axis may be empty."""
    if v.inputs[0].op is not broadcast_to or not is_float(v) or not v.inputs[0].size:
        return None
    wide, x = v.inputs[0], v.inputs[0].inputs[0]
    lead = wide.ndim - x.ndim
    axes, _ = axes_of(v) if v.op in SUMS else (v.attrs["axis"], ())
    repeated = [a for a in axes if a < lead or (x.shape[a - lead] == 1 and wide.shape[a] != 1)]
    if not repeated:
        return Miss("the axes that are repeated are not those that are summed over")
    inner = tuple(a - lead for a in axes if a >= lead and a not in repeated)
    result = x
    if inner:
        how = sum if v.op is sum_to else v.op
        result = how(x, axis=inner, keepdims=True)  # type: ignore[operator,misc]
    if v.op in SUMS:
        result = multiply(result, float(prod(wide.shape[a] for a in repeated)))
    full = reduced_shape(wide.shape, axes, True)
    return reshape(fitted_shape(result, full), v.shape) if v.shape != result.shape else result


def fitted_shape(x: Vertex, shape: tuple[int, ...]) -> Vertex:
    """x repeated to a shape, unless only axes of length 1 in front are missing."""
    y: Vertex = x if prod(shape) == x.size else broadcast_to(x, shape)
    return y


@rule(sum, sum_to, mean, cost="the factor is applied to the sum instead of to each term", bound=Bound(4, terms=True),
      source="Theano, local_sum_prod_mul_or_div_by_scalar",
      domain="grows and shrinks where a partial sum overflows")
def factor_out_of_sum(v: Vertex) -> Vertex | Miss | None:
    """Σ c·x = c · Σ x and Σ x/c = (Σ x)/c, for what does not vary along the axes of the sum; Σ -x = -Σ x.
    Likewise for the mean.
    """
    x = v.inputs[0]
    if x.op is None or not is_float(v) or (x.op is not negative and x.op.name not in ("multiply", "divide")):
        return None
    assert v.op is not None
    product = product_of(x)
    if product is None:
        return Miss("the product has too many factors to look through")
    axes, gone = axes_of(v)
    factors = list(product.present())
    outside = [(f, n) for f, n in factors if constant_along(f, x, axes)]
    inside = [(f, n) for f, n in factors if not constant_along(f, x, axes)]
    if not inside or (not outside and product.coefficient == 1.0):
        return Miss("every factor varies along the axes of the sum") if len(factors) > 1 else None
    terms = Product()
    for f, n in inside:
        terms.times(f, n)
    core = terms.emit(x)
    if core.shape != x.shape:
        return Miss("the factor that does not vary gives the terms their shape")
    result = Product(product.coefficient)
    result.times(sum_to(core, v.shape) if v.op is sum_to else again(v.op, (core,), v), 1)
    for f, n in outside:
        result.times(without(f, x, gone), n)
    return fitted(result.emit(v), v)


def axes_of(v: Vertex) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The axes of its input that v sums over, and those of them that the result does not have."""
    x = v.inputs[0]
    if v.op is sum_to:
        short = x.ndim - v.ndim
        return (tuple(a for a in range(x.ndim) if a < short or v.shape[a - short] != x.shape[a]),
                tuple(range(short)))
    axes = v.attrs["axis"]
    return axes, () if v.attrs["keepdims"] else axes


def constant_along(f: Vertex, x: Vertex, axes: tuple[int, ...]) -> bool:
    """Whether a factor of x is the same along the axes."""
    lead = x.ndim - f.ndim
    return all(a < lead or f.shape[a - lead] == 1 for a in axes)


def without(f: Vertex, x: Vertex, axes: tuple[int, ...]) -> Vertex:
    """A factor of x without axes of x, along which it has length 1 if it has them at all."""
    lead = x.ndim - f.ndim
    shape = tuple(n for a, n in enumerate(f.shape, lead) if a not in axes)
    y: Vertex = f if shape == f.shape else reshape(f, shape)
    return y


@rule(permute_dims, cost="two transposes cancel", bound=Bound(2, terms=True),
      source="Theano, local_lift_transpose_through_dot")
def transpose_into_product(v: Vertex) -> Vertex | Miss | None:
    """(x y)ᵀ = yᵀ xᵀ, where x or y is a transpose itself."""
    product = argument(v, permute_dims)
    if product is None or product.op is not matmul or not swaps_last(v):
        return None
    x, y = product.inputs
    if x.ndim < 2 or y.ndim < 2:
        return None
    if not any(part.op is permute_dims and swaps_last(part) for part in (x, y)):
        return Miss("neither factor is a transpose: nothing would cancel")
    return matmul(turned(y), turned(x))


def swaps_last(v: Vertex) -> bool:
    """Whether v exchanges the last two axes of its input and no others."""
    axes = v.attrs["axes"]
    n = len(axes)
    return n >= 2 and axes == (*range(n - 2), n - 1, n - 2)


def turned(x: Vertex) -> Vertex:
    """xᵀ; x itself if that is what was transposed."""
    y: Vertex = x.inputs[0] if x.op is permute_dims and swaps_last(x) else matrix_transpose(x)
    return y


