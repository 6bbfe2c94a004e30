"""Canonicalise: bring what means the same to the same form, so that later rules see it. Signs, ones, zeros; like
factors and like terms meet."""

from __future__ import annotations

from ..op import Vertex
from ..ops.elementwise import (
    abs,
    add,
    divide,
    exp,
    log,
    multiply,
    negative,
    positive,
    power,
    reciprocal,
    sqrt,
    square,
    subtract,
)
from ..ops.elementwise_op import lift
from .patterns import argument, fitted, is_float, number
from .products import product_of, tree_size
from .rules import EXACT, Bound, Miss, rule
from .sums import collected, common_factors, leaves_of, terms_of, total_of

THEANO = "Theano, canonicalize"


@rule(negative, positive, cost="one kernel less", bound=EXACT, source=THEANO)
def double_negative(v: Vertex) -> Vertex | None:
    """-(-x) = x and +x = x."""
    return v.inputs[0] if v.op is positive else argument(v.inputs[0], negative)


@rule(add, subtract, cost="one kernel less", bound=EXACT, source=THEANO)
def zero_added(v: Vertex) -> Vertex | None:
    """x + 0 = x - 0 = x and 0 - x = -x; a zero result may change its sign."""
    x, y = v.inputs
    if number(y) == 0.0:
        return fitted(x, v)
    if number(x) == 0.0:
        return fitted(y, v) if v.op is add else fitted(negative(y), v)
    return None


@rule(multiply, divide, power, cost="one kernel less", bound=EXACT, source=THEANO)
def one_multiplied(v: Vertex) -> Vertex | None:
    """1·x = x/1 = x¹ = x."""
    x, y = v.inputs
    if number(y) == 1.0:
        return fitted(x, v)
    return fitted(y, v) if v.op is multiply and number(x) == 1.0 else None


@rule(multiply, divide, cost="one kernel less", bound=EXACT, source=THEANO)
def minus_one_multiplied(v: Vertex) -> Vertex | None:
    """-1·x = x/(-1) = -x."""
    x, y = v.inputs
    if number(y) == -1.0:
        return fitted(negative(x), v)
    return fitted(negative(y), v) if v.op is multiply and number(x) == -1.0 else None


@rule(multiply, cost="the product goes, and often what made x", bound=EXACT, source=THEANO,
      domain="grows where x is infinite or nan: 0 instead of nan")
def zero_multiplied(v: Vertex) -> Vertex | None:
    """0·x = 0."""
    return fitted(lift(0.0, v), v) if is_float(v) and any(number(x) == 0.0 for x in v.inputs) else None


@rule(add, subtract, cost="one kernel less", bound=EXACT, source=THEANO)
def sign_into_sum(v: Vertex) -> Vertex | None:
    """x + (-y) = x - y, x - (-y) = x + y, (-x) + y = y - x."""
    x, y = v.inputs
    inner = argument(y, negative)
    if inner is not None:
        return subtract(x, inner) if v.op is add else add(x, inner)
    inner = argument(x, negative)
    return subtract(y, inner) if inner is not None and v.op is add else None


@rule(negative, cost="one kernel less", bound=EXACT, source=THEANO)
def negative_difference(v: Vertex) -> Vertex | None:
    """-(x - y) = y - x; a zero result may change its sign."""
    d = v.inputs[0]
    return subtract(d.inputs[1], d.inputs[0]) if d.op is subtract else None


@rule(multiply, divide, reciprocal, negative, cost="fewer products", bound=Bound(8),
      source="Theano, canonicalize: Canonizer")
def like_factors(v: Vertex) -> Vertex | Miss | None:
    """2·(3·x) = 6·x, (-x)·(-y) = x·y, x·x = x², x/y/y = x/y²: numbers and powers meet, however far apart.

    Holds for real numbers, and only where fewer ops remain.
    """
    product = product_of(v) if is_float(v) else None
    if product is None:
        return Miss("the product has too many factors, or a number beyond the dtype") if is_float(v) else None
    if not product.coefficient or product.cancelled or product.cost() >= product.ops:
        return None
    return fitted(product.emit(v), v)


@rule(multiply, divide, cost="the quotient goes, and what was only computed for it", bound=Bound(8),
      source="Theano, canonicalize: Canonizer", domain="grows at x = 0, and where x is infinite or nan")
def factors_that_cancel(v: Vertex) -> Vertex | Miss | None:
    """x·y/x = y and (g/x)·x = g: a factor goes with its like in the denominator, however far apart they are.

    Holds for real numbers x other than 0; a whole quotient of equals is 1.
    """
    product = product_of(v) if is_float(v) else None
    if product is None or not product.coefficient or not product.cancelled:
        return None
    return fitted(product.emit(v), v)


@rule(add, subtract, cost="fewer products and sums", bound=Bound(8, terms=True), source=THEANO,
      domain="grows where a term is infinite, and where a partial sum overflows")
def like_terms(v: Vertex) -> Vertex | None:
    """x + x = 2x, (x + 1) + 2 = x + 3, a·x + b·x = (a + b)·x: like terms are collected, common factors taken out.

    Holds for real numbers, and only where fewer ops remain.
    """
    found = terms_of(v) if is_float(v) else None
    if found is None:
        return None
    terms, ops = found
    kept, cancelled = collected(terms)
    if cancelled or not kept:
        return None
    common, scale = common_factors(kept) if len(kept) > 1 else ({}, 1.0)
    if len(kept) == len(terms) and not common and scale == 1.0:
        return None
    after = total_of(kept, v, common, scale)
    return fitted(after, v) if tree_size(after, leaves_of(terms)) < ops else None


@rule(add, subtract, cost="the difference goes, and what was only computed for it", bound=Bound(8, terms=True),
      source=THEANO, domain="grows where x is infinite or nan")
def terms_that_cancel(v: Vertex) -> Vertex | None:
    """x - x = 0 and (x + y) - x = y."""
    found = terms_of(v) if is_float(v) else None
    if found is None:
        return None
    kept, cancelled = collected(found[0])
    return fitted(total_of(kept, v, {}, 1.0), v) if cancelled else None


@rule(log, cost="two kernels less", bound=Bound(1, beside=1.0), source=THEANO,
      domain="grows where exp(x) overflows or underflows")
def log_of_exp(v: Vertex) -> Vertex | None:
    """log(exp(x)) = x."""
    return argument(v.inputs[0], exp)


@rule(square, cost="two kernels less", bound=Bound(2), source=THEANO, domain="grows at x < 0: x instead of nan")
def square_of_root(v: Vertex) -> Vertex | None:
    """(√x)² = x."""
    return argument(v.inputs[0], sqrt)


@rule(square, abs, cost="one kernel less", bound=EXACT, source=THEANO)
def sign_is_lost(v: Vertex) -> Vertex | None:
    """(-x)² = |x|² = x² and |-x| = ||x|| = |x|."""
    x = v.inputs[0]
    if x.op is not negative and x.op is not abs:
        return None
    return square(x.inputs[0]) if v.op is square else abs(x.inputs[0])
