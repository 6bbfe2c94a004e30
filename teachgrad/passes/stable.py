"""Stabilise: forms that keep digits or do not overflow, for those that people write from the textbook."""

from __future__ import annotations

from functools import reduce

from ..op import Vertex, apply
from ..ops.activations import sigmoid, sigmoid_gradient, softplus
from ..ops.elementwise import abs, add, log, multiply, negative, sqrt, square, subtract
from ..ops.functions import expm1, hypot, log1p, logaddexp
from ..ops.reductions import sum
from ..ops.shape import reshape
from ..ops.softmax import log_softmax, log_softmax_gradient, logsumexp, softmax, softmax_gradient
from .patterns import (
    argument,
    exponent,
    fitted,
    is_float,
    minus,
    number,
    one_minus,
    one_plus,
    pairs,
    summed,
    unrepeated,
)
from .products import product_of
from .ratios import is_mirrored
from .rules import Bound, Miss, rule
from .sums import terms_of

INFINITY = float("inf")


def softplus_of(x: Vertex) -> Vertex:
    """log(1 + exp(x)), exact everywhere."""
    y: Vertex = softplus(x, threshold=INFINITY)
    return y


# ---- logarithms and exponentials near 0 ------------------------------------------------------------------------------

@rule(log, cost="keeps the digits of a small x", bound=Bound(4, beside=1.0), grows=1,
      source="Theano, stabilize: local_log1p")
def log_of_one_plus(v: Vertex) -> Vertex | None:
    """log(1 + x) = log1p(x) and log(1 - x) = log1p(-x)."""
    x = one_plus(v.inputs[0])
    if x is not None:
        return fitted(log1p(x), v)
    x = one_minus(v.inputs[0])
    return fitted(log1p(minus(x)), v) if x is not None else None


@rule(subtract, add, cost="keeps the digits near x = 0", bound=Bound(4, beside=1.0), grows=1,
      source="Theano, stabilize: local_expm1")
def exp_minus_one(v: Vertex) -> Vertex | None:
    """exp(x) - 1 = expm1(x) and 1 - exp(x) = -expm1(x)."""
    x, y = v.inputs
    for a, b, one in ((x, y, 1.0), (x, y, -1.0), (y, x, -1.0)):
        inner = exponent(a)
        if inner is not None and number(b) == one and (v.op is add) == (one < 0):
            return fitted(expm1(inner), v)
    inner = exponent(y)
    if v.op is subtract and inner is not None and number(x) == 1.0:
        return fitted(negative(expm1(inner)), v)
    return None


# ---- sigmoid and softplus --------------------------------------------------------------------------------------------

@rule(log, cost="no logarithm of 0", bound=Bound(8, beside=1.0), grows=2,
      source="Theano, stabilize: logsigm_to_softplus", domain="grows where σ(x) underflows: x instead of -inf")
def log_of_sigmoid(v: Vertex) -> Vertex | None:
    """log σ(x) = -log(1 + exp(-x)), which is -softplus(-x)."""
    x = argument(unrepeated(v.inputs[0]), sigmoid)
    return fitted(negative(softplus_of(minus(x))), v) if x is not None else None


@rule(log1p, cost="no overflow of exp(x)", bound=Bound(8, beside=1.0), grows=1,
      source="Theano, stabilize: log1pexp_to_softplus", domain="grows where exp(x) overflows: x instead of inf")
def log_of_one_plus_exp(v: Vertex) -> Vertex | None:
    """log(1 + exp(x)) = softplus(x) and log(1 - σ(x)) = -softplus(x)."""
    x = exponent(v.inputs[0])
    if x is not None:
        return fitted(softplus_of(x), v)
    inner = argument(unrepeated(v.inputs[0]), negative)
    x = argument(unrepeated(inner), sigmoid) if inner is not None else None
    return fitted(negative(softplus_of(x)), v) if x is not None else None


@rule(subtract, cost="keeps the digits where σ(x) is near 1", bound=Bound(8, beside=1.0), grows=1,
      source="Theano, stabilize: local_1msigmoid; for the product, its gradient")
def one_minus_sigmoid(v: Vertex) -> Vertex | None:
    """1 - σ(x) = σ(-x) and a - a·σ(x) = a·σ(-x)."""
    a, b = v.inputs
    x = argument(unrepeated(b), sigmoid)
    if x is not None and number(a) == 1.0:
        return fitted(sigmoid(minus(x)), v)
    if b.op is multiply:
        for same, s in pairs(b):
            x = argument(unrepeated(s), sigmoid)
            if same is a and x is not None:
                return fitted(multiply(a, sigmoid(minus(x))), v)
    return None


@rule(sigmoid_gradient, cost="no quotient by a σ(x) that underflows", bound=Bound(32, terms=True), grows=2,
      source="the derivatives of log σ(x) and log(1 - σ(x))",
      domain="grows where σ(x) is 0 or 1: a number instead of nan")
def gradient_of_log_sigmoid(v: Vertex) -> Vertex | Miss | None:
    """a/σ(x) · σ(x)(1 - σ(x)) = a·σ(-x) and b/σ(-x) · σ(x)(1 - σ(x)) = b·σ(x), also for sums of such terms."""
    u, s = v.inputs
    x = argument(s, sigmoid)
    found = terms_of(u) if x is not None and is_float(v) else None
    if x is None or found is None:
        return None
    parts: list[Vertex] = []
    for term in found[0]:
        product = term.product
        below = next((f for f, n in product.present() if n < 0 and (f is s or is_mirrored(f, x))), None)
        if below is None:
            return Miss("not every term of the gradient is over σ(x) or σ(-x)") if parts else None
        product.coefficient = term.coefficient
        product.times(below, 1)
        product.times(sigmoid(minus(x)) if below is s else s, 1)
        parts.append(product.emit(v))
    return fitted(reduce(add, parts), v)


# ---- sums of exponentials --------------------------------------------------------------------------------------------

@rule(log, cost="no overflow of exp(x)", bound=Bound(16, beside=1.0), grows=1,
      source="Theano, stabilize: local_log_sum_exp", domain="grows where exp(x) overflows or all of them underflow")
def log_sum_exp(v: Vertex) -> Vertex | Miss | None:
    """log Σ exp(x) = logsumexp(x) = m + log Σ exp(x - m) with m = max x; log(exp(x) + exp(y)) for two."""
    total = unrepeated(v.inputs[0])
    if total.op is add:
        x, y = exponent(total.inputs[0]), exponent(total.inputs[1])
        return fitted(logaddexp(x, y), v) if x is not None and y is not None else None
    found = summed_in_any_shape(total)
    if found is None:
        return None
    x = exponent(found[0])
    if x is None:
        return None
    if x.shape != found[0].shape or any(found[0].shape[a] == 0 for a in found[1]):
        return Miss("the exponentials are repeated before they are summed, or there are none")
    if total.op is sum:
        return fitted(logsumexp(x, axis=found[1], keepdims=total.attrs["keepdims"]), v)
    return fitted(reshape(logsumexp(x, axis=found[1], keepdims=True), total.shape), v)


def summed_in_any_shape(v: Vertex) -> tuple[Vertex, tuple[int, ...]] | None:
    """(x, axes) where v is Σ x over the axes, with or without them."""
    return (v.inputs[0], v.attrs["axis"]) if v.op is sum else summed(v)


@rule(log, cost="no logarithm of 0", bound=Bound(16, beside=1.0), grows=1,
      source="Theano, stabilize: local_logsoftmax", domain="grows where softmax(x) underflows: x - logsumexp(x) "
      "instead of -inf")
def log_of_softmax(v: Vertex) -> Vertex | None:
    """log softmax(x) = log_softmax(x) = x - logsumexp(x)."""
    s = unrepeated(v.inputs[0])
    x = argument(s, softmax)
    return fitted(log_softmax(x, s.attrs["axis"]), v) if x is not None else None


@rule(softmax_gradient, cost="no quotient by a softmax(x) that underflows", bound=Bound(32, terms=True), grows=1,
      source="Theano, stabilize: local_logsoftmax_grad", domain="grows where softmax(x) is 0: a number instead of nan")
def gradient_of_log_softmax(v: Vertex) -> Vertex | Miss | None:
    """The gradient g/s of log s through s = softmax(x): s·(g/s - Σ g) = g - s·Σ g."""
    u, s = v.inputs
    x = argument(s, softmax)
    product = product_of(u) if x is not None else None
    if x is None or product is None or product.powers.get(s.id) != -1:
        return None
    if s.attrs["axis"] != v.attrs["axis"]:
        return Miss(f"the gradient is along axis {v.attrs['axis']}, the softmax along axis {s.attrs['axis']}")
    product.times(s, 1)
    g = fitted(product.emit(v), v)
    return apply(log_softmax_gradient, (g, log_softmax(x, s.attrs["axis"])), v.attrs)


@rule(softmax, log_softmax, cost="softmax subtracts the largest element itself", bound=Bound(64, terms=True),
      source="the shift invariance of softmax", domain="grows where x - c overflows")
def shift_of_softmax(v: Vertex) -> Vertex | Miss | None:
    """softmax(x - c) = softmax(x + c) = softmax(x), for a c that does not vary along the axis."""
    assert v.op is not None
    z, axis = v.inputs[0], v.attrs["axis"]
    if z.op is not subtract and z.op is not add:
        return None
    for x, c in (tuple(z.inputs), tuple(reversed(z.inputs)))[:1 + (z.op is add)]:
        lead = z.ndim - c.ndim
        if x.shape == z.shape and (axis < lead or c.shape[axis - lead] == 1) and z.shape[axis] > 1:
            return v.op(x, axis)  # type: ignore[operator]
    return Miss(f"neither term is the same all along axis {axis}")


@rule(sqrt, cost="no overflow of the squares", bound=Bound(4), grows=0, source="the definition of hypot",
      domain="grows where a square overflows or underflows")
def root_of_squares(v: Vertex) -> Vertex | None:
    """√(x² + y²) = hypot(x, y) and √(x²) = |x|."""
    total = v.inputs[0]
    if total.op is square:
        return abs(total.inputs[0])
    if total.op is not add or total.inputs[0].op is not square or total.inputs[1].op is not square:
        return None
    return hypot(total.inputs[0].inputs[0], total.inputs[1].inputs[0])
