"""Stabilise: quotients of exponentials, as softmax and sigmoid are written and as the quotient rule differentiates.

In the textbook's form both sides of the quotient overflow together, though the quotient is between 0 and 1.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import reduce

from ..op import Vertex, apply
from ..ops.activations import sigmoid
from ..ops.elementwise import add, divide, exp, multiply, reciprocal, subtract
from ..ops.reductions import sum
from ..ops.shape import sum_to
from ..ops.softmax import logsumexp, softmax
from .moves import axes_of, constant_along
from .patterns import argument, exponent, fitted, is_float, minus, negated, one_plus, pairs, summed
from .products import Product, product_of
from .rules import Bound, Miss, rule
from .sums import Term, terms_of


@rule(multiply, divide, reciprocal, cost="no quotient of infinities", bound=Bound(16), grows=2,
      source="Theano, stabilize: local_exp_over_1_plus_exp, and softmax_simplifier",
      domain="grows where exp(x) or its sum overflows or is 0: the quotient instead of nan")
def ratio_of_exponentials(v: Vertex) -> Vertex | Miss | None:
    """exp(x)/Σ exp(x) = softmax(x), exp(x)/(1 + exp(x)) = σ(x), 1/(1 + exp(x)) = σ(-x),
    exp(x)/(exp(x) + exp(y)) = σ(x - y), exp(x)·σ(-x) = σ(x); also where other factors stand between, as in gradients.
    """
    if not is_float(v):
        return None
    product = product_of(v)
    if product is None:
        return None
    miss = None
    for e, s in mirrored_pairs(product):
        product.times(e, -1)
        product.times(s, -1)
        product.times(sigmoid(e.inputs[0]), 1)
        return fitted(product.emit(v), v)
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


def mirrored_pairs(product: Product) -> Iterator[tuple[Vertex, Vertex]]:
    """Factors exp(x) and σ(-x) of a product."""
    above = [f for f, n in product.present() if n > 0]
    for e in above:
        if e.op is exp:
            yield from ((e, s) for s in above if is_mirrored(s, e.inputs[0]))


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


def is_mirrored(s: Vertex, x: Vertex) -> bool:
    """Whether s is σ(-x)."""
    y = argument(s, sigmoid)
    return y is not None and (negated(y) is x or negated(x) is y)


@rule(multiply, cost="no product of an infinite exp(x) and a quotient that is 0", bound=Bound(64, terms=True), grows=4,
      source="the derivative of exp(x)/Σ exp(x), as the quotient rule writes it",
      domain="grows where exp(x) or its sum overflows or is 0: a number instead of nan")
def exponential_times_ratios(v: Vertex) -> Vertex | None:
    """exp(x)·(a/s - Σ b/s) = p·(a - Σ b) with s = Σ exp(x) and p = softmax(x); likewise for s = exp(x) + exp(y), and
    for terms over exp(x) itself.
    """
    product = product_of(v) if is_float(v) else None
    if product is None:
        return None
    for e, n in list(product.present()):
        if n != 1 or e.op is not exp:
            continue
        for total, m in list(product.present()):
            terms = terms_of(total) if m == 1 and total is not e else None
            parts = [times_exponential(term, e) for term in terms[0]] if terms is not None else [None]
            found = [part for part in parts if part is not None]
            if len(found) == len(parts):
                product.times(e, -1)
                product.times(total, -1)
                product.times(reduce(add, found), 1)
                return fitted(product.emit(v), v)
    return None


def times_exponential(term: Term, e: Vertex) -> Vertex | None:
    """e = exp(x) times a term over a sum of exponentials, without the quotient; None if the term is another kind."""
    product = Product(term.coefficient, dict(term.product.powers), dict(term.product.factors))
    factors = list(product.present())
    product.times(e, 1)
    if not product.powers[e.id] or cancel_exponential(product, e):
        return product.emit(e)
    if len(factors) != 1 or factors[0][1] != 1 or factors[0][0].op not in (sum, sum_to):
        return None
    total = factors[0][0]
    assert total.op is not None
    inner = product_of(total.inputs[0])
    if inner is None:
        return None
    x, (axes, gone) = total.inputs[0], axes_of(total)
    if not gone and constant_along(e, x, axes):  # Σ b/s · e = Σ (b · e/s)
        inner.times(e, 1)
        if cancel_exponential(inner, e):
            return multiply(apply(total.op, (fitted(inner.emit(e), x),), total.attrs), term.coefficient)
        return None
    for d, n in list(inner.present()):
        if n < 0 and not gone and constant_along(d, x, axes):  # Σ b/s · e = e/s · Σ b
            outer = Product(term.coefficient)
            outer.times(d, -1)
            outer.times(e, 1)
            if cancel_exponential(outer, e):
                inner.times(d, 1)
                outer.times(apply(total.op, (fitted(inner.emit(e), x),), total.attrs), 1)
                return outer.emit(e)
    return None


def cancel_exponential(product: Product, e: Vertex) -> bool:
    """Take exp(x) and what it stands over out of a product, for their quotient. Whether there was such a thing."""
    for d, n in list(product.present()):
        found = quotient_over(d, product) if n < 0 else None
        if isinstance(found, tuple) and found[1] is e:
            product.times(d, 1)
            product.times(e, -1)
            product.times(found[0], 1)
            return True
    return False
