"""Stabilise: forms that keep digits or do not overflow, for those that people write from the textbook."""

from __future__ import annotations

from ..op import Vertex, apply
from ..ops.activations import sigmoid, sigmoid_gradient, softplus
from ..ops.elementwise import abs, add, divide, exp, log, multiply, negative, reciprocal, sqrt, square, subtract
from ..ops.embedding import one_hot, pick_class, put_class
from ..ops.functions import expm1, hypot, log1p, logaddexp
from ..ops.losses import class_axis, cross_entropy, cross_entropy_gradient
from ..ops.reductions import sum
from ..ops.shape import cast, reshape
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
from .products import Product, product_of
from .rules import Bound, Miss, rule

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

@rule(multiply, divide, reciprocal, cost="no quotient of infinities", bound=Bound(16), grows=1,
      source="Theano, stabilize: local_exp_over_1_plus_exp, and softmax_simplifier",
      domain="grows where exp(x) or its sum overflows or is 0: the quotient instead of nan")
def ratio_of_exponentials(v: Vertex) -> Vertex | Miss | None:
    """exp(x)/Σ exp(x) = softmax(x), exp(x)/(1 + exp(x)) = σ(x), 1/(1 + exp(x)) = σ(-x),
    exp(x)/(exp(x) + exp(y)) = σ(x - y); also where other factors stand between, as in gradients.
    """
    if not is_float(v):
        return None
    product = product_of(v)
    if product is None:
        return None
    miss = None
    for d, n in list(product.present()):
        if n >= 0:
            continue
        found = quotient_over(d, product)
        if isinstance(found, Miss):
            miss = found
        elif found is not None:
            factor, used = found
            product.times(d, 1)
            if used is not None:
                product.times(used, -1)
            product.times(factor, 1)
            return fitted(product.emit(v), v)
    return miss


def quotient_over(d: Vertex, product: Product) -> tuple[Vertex, Vertex | None] | Miss | None:
    """What a denominator makes with a numerator, and that numerator; for 1 + exp(x) none is needed."""
    above = [x for x, n in product.present() if n > 0]
    inner = one_plus(d)
    if inner is not None:
        x = exponent(inner)
        if x is None:
            return None
        used = next((e for e in above if same_exponent(e, x)), None)
        return (sigmoid(x), used) if used is not None else (sigmoid(minus(x)), None)
    if d.op is add:
        for a, b in pairs(d):
            x, y = exponent(a), exponent(b)
            used = next((e for e in above if x is not None and same_exponent(e, x)), None)
            if used is not None and x is not None and y is not None:
                return sigmoid(subtract(x, y)), used
        return None
    found = summed(d)
    if found is None or (x := exponent(found[0])) is None:
        return None
    used = next((e for e in above if same_exponent(e, x)), None)
    if used is None or x.shape != found[0].shape:
        return Miss("the exponentials that are summed are not those in the numerator") if above else None
    axes = found[1]
    if len(axes) == 1:
        return softmax(x, axes[0]), used
    return exp(subtract(x, logsumexp(x, axis=axes, keepdims=True))), used


def same_exponent(e: Vertex, x: Vertex) -> bool:
    """Whether e is exp(x)."""
    return exponent(e) is x


@rule(log, cost="no logarithm of 0", bound=Bound(8, beside=1.0), grows=1,
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


@rule(sigmoid_gradient, cost="no quotient by a σ(x) that underflows", bound=Bound(8, beside=1.0), grows=1,
      source="the derivative of log σ(x)", domain="grows where σ(x) is 0 or 1: a number instead of nan")
def gradient_of_log_sigmoid(v: Vertex) -> Vertex | None:
    """g/σ(x) · σ(x)(1 - σ(x)) = g·σ(-x)."""
    g, s = v.inputs
    x = argument(s, sigmoid)
    if x is None or g.op is not divide or g.inputs[1] is not s:
        return None
    return fitted(multiply(g.inputs[0], sigmoid(minus(x))), v)


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
    if x is None or u.op is not divide or u.inputs[1] is not s:
        return None
    if s.attrs["axis"] != v.attrs["axis"]:
        return Miss(f"the gradient is along axis {v.attrs['axis']}, the softmax along axis {s.attrs['axis']}")
    g = fitted(u.inputs[0], v)
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


# ---- softmax cross-entropy -------------------------------------------------------------------------------------------

CROSS = "Theano, specialize: crossentropy_to_crossentropy_with_softmax"


@rule(pick_class, cost="one op that never makes the table of logarithms", bound=Bound(16, beside=1.0), source=CROSS)
def picked_log_softmax(v: Vertex) -> Vertex | Miss | None:
    """log_softmax(x)[n, t_n] = -cross_entropy(x, t), one number for each n."""
    logs, target = v.inputs
    x = argument(logs, log_softmax)
    if x is None:
        return None
    if not logs.attrs["axis"] == v.attrs["axis"] == class_axis(x.shape):
        return Miss(f"the classes lie along axis {v.attrs['axis']}; cross_entropy has them along "
                    f"{class_axis(x.shape)}")
    settings = {"ignore_index": v.attrs["ignore_index"], "reduction": "none"}
    return negative(apply(cross_entropy, (x, target), settings))


@rule(log_softmax_gradient, cost="one op instead of two tables", bound=Bound(32, beside=1.0), source=CROSS)
def gradient_of_picked_log_softmax(v: Vertex) -> Vertex | Miss | None:
    """The gradient of log_softmax(x)[n, t_n]: u at t_n less softmax(x)·u, which is that of -cross_entropy(x, t)."""
    table, logs = v.inputs
    x = argument(logs, log_softmax)
    if x is None or table.op is not put_class:
        return None
    if not table.attrs["axis"] == v.attrs["axis"] == logs.attrs["axis"] == class_axis(x.shape):
        return Miss("the classes do not lie along the axis of the softmax that cross_entropy has")
    u, target = table.inputs
    settings = {"ignore_index": table.attrs["ignore_index"], "reduction": "none"}
    return apply(cross_entropy_gradient, (minus(u), x, target), settings)


@rule(sum, cost="one op instead of a table of zeros and ones", bound=Bound(16, terms=True), source=CROSS,
      covers=(one_hot,))
def one_hot_cross_entropy(v: Vertex) -> Vertex | Miss | None:
    """Σ_k one_hot(t)_k · log_softmax(x)_k = -cross_entropy(x, t), where x is finite."""
    product = v.inputs[0]
    if product.op is not multiply:
        return None
    for logs, hot in pairs(product):
        x, codes = argument(logs, log_softmax), argument(hot, cast)
        target = argument(codes, one_hot) if codes is not None else None
        if x is None or target is None:
            continue
        axis = class_axis(x.shape)
        if not (logs.attrs["axis"],) == v.attrs["axis"] == (x.ndim - 1,) or axis != x.ndim - 1 or hot.shape != x.shape:
            return Miss(f"the sum is over axis {v.attrs['axis']}, the softmax over axis {logs.attrs['axis']}, and "
                        "cross_entropy has the classes along axis 1")
        answer = negative(apply(cross_entropy, (x, target), {"ignore_index": NO_CLASS, "reduction": "none"}))
        return reshape(answer, v.shape) if v.shape != answer.shape else answer
    return None


NO_CLASS = -(1 << 62)
"""An `ignore_index` that no target is."""


@rule(sum, divide, cost="one op instead of two", bound=Bound(16, terms=True), source=CROSS, covers=(cross_entropy,))
def sum_of_cross_entropy(v: Vertex) -> Vertex | Miss | None:
    """Σ_n cross_entropy(x_n, t_n) in one op; over the number of targets that count, the mean."""
    if v.op is sum:
        losses = v.inputs[0]
        if losses.op is not cross_entropy or losses.attrs["reduction"] != "none" or v.ndim:
            return None
        return apply(cross_entropy, losses.inputs, {**losses.attrs, "reduction": "sum"})
    total, count = v.inputs
    if total.op is not cross_entropy or total.attrs["reduction"] != "sum":
        return None
    mask = argument(count.inputs[0] if count.op is sum else count, cast)
    ignored = total.attrs["ignore_index"]
    if mask is None or mask.op is None or mask.op.name != "not_equal":
        return None
    if mask.inputs[0] is not total.inputs[1] or number(mask.inputs[1]) != ignored or count.ndim:
        return Miss("what the sum is divided by is not the number of its targets")
    return apply(cross_entropy, total.inputs, {**total.attrs, "reduction": "mean"})


