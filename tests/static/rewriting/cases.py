"""One row for each rule of rewriting: an expression at which it fires, the inputs for it, and one that it leaves alone.

Inputs are (shape, low, high), or (shape, n) for integers below n. A rule without a row fails the tests.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

import teachgrad as tg
from teachgrad.op import apply
from teachgrad.ops.activations import sigmoid, sigmoid_gradient
from teachgrad.ops.embedding import one_hot, pick_class
from teachgrad.ops.losses import cross_entropy
from teachgrad.ops.softmax import log_softmax, softmax
from teachgrad.passes.special import SMALL_POWERS

Input = tuple[Any, ...]
N = (1000,)
LINE = (N, -3.0, 3.0)
POSITIVE = (N, 0.2, 3.0)
TABLE = ((250, 4), -3.0, 3.0)
TARGETS = ((250,), 4)


@dataclass(frozen=True)
class Case:
    """`misses` is the same kind of expression, on the same inputs, where the rule must not fire; `why` a part of the
    reason that it gives then, if it gives one."""

    inputs: tuple[Input, ...]
    fires: Callable[..., Any]
    misses: Callable[..., Any]
    why: str = ""


def pulled(y: Any, x: Any) -> Any:
    return tg.grad(y.sum(), x)


def softmax_slope(x: Any, y: Any) -> Any:
    """What the quotient rule makes of softmax(x), but for the factor exp(x)."""
    s = tg.exp(x).sum(-1, keepdims=True)
    return y / s - (y / s * softmax(x)).sum(-1, keepdims=True)


CASES: dict[str, Case] = {
    # moves
    "repeat_later": Case((TABLE, ((4,), -3.0, 3.0)), lambda x, y: x * tg.broadcast_to(y, x.shape), lambda x, y: x * y),
    "moves_in_a_row": Case((TABLE,), lambda x: x.reshape(500, 2).reshape(1000), lambda x: x.reshape(500, 2)),
    "index_is_reshape": Case((TABLE,), lambda x: x[:, None] * x[None], lambda x: x[1:, None] * x[None, 1:]),
    "reshape_later": Case((TABLE,), lambda x: tg.exp(x.reshape(1000)), lambda x: tg.exp(x).reshape(1000)),
    "sums_in_a_row": Case((TABLE,), lambda x: x.sum(0).sum(), lambda x: x.mean(0).sum()),
    "sum_of_repeats": Case((((4,), -3.0, 3.0),), lambda x: tg.broadcast_to(x, (250, 4)).sum(0),
                           lambda x: tg.broadcast_to(x, (250, 4)).sum(1), "not those that are summed over"),
    "factor_out_of_sum": Case((TABLE, ((250, 1), -3.0, 3.0)), lambda x, y: (x * y).sum(1), lambda x, y: (x * y).sum(0),
                              "every factor varies"),
    "transpose_into_product": Case((((20, 30), -1.0, 1.0), ((20, 50), -1.0, 1.0)), lambda x, y: (x.T @ y).T,
                                   lambda x, y: (x.copy().T.copy() @ y).T, "nothing would cancel"),
    # canonical
    "double_negative": Case((LINE,), lambda x: tg.negative(-x), lambda x: -x),
    "zero_added": Case((LINE,), lambda x: tg.exp(x) + 0.0, lambda x: tg.exp(x) + 1.0),
    "one_multiplied": Case((LINE,), lambda x: tg.exp(x) * 1.0, lambda x: tg.exp(x) * 2.0),
    "minus_one_multiplied": Case((LINE,), lambda x: x / -1.0, lambda x: x / -2.0),
    "zero_multiplied": Case((LINE,), lambda x: 0.0 * tg.exp(x), lambda x: 1.0 * tg.exp(x)),
    "sign_into_sum": Case((LINE, LINE), lambda x, y: x - (-y), lambda x, y: -x - y),
    "negative_difference": Case((LINE, LINE), lambda x, y: -(x - y), lambda x, y: -(x + y)),
    "like_factors": Case((LINE, POSITIVE), lambda x, y: 2.0 * (-(x * 3.0)) / y / y, lambda x, y: x / y * 2.0),
    "factors_that_cancel": Case((POSITIVE, LINE), lambda x, y: x * y / x, lambda x, y: x * y / (x + 1.0)),
    "like_terms": Case((LINE, LINE), lambda x, y: 2.0 * x * y + x + x * y, lambda x, y: x + 2.0 * y),
    "terms_that_cancel": Case((LINE, LINE), lambda x, y: (x + y) - x, lambda x, y: (x + y) - 2.0 * x),
    "log_of_exp": Case((LINE,), lambda x: tg.log(tg.exp(x)), lambda x: tg.log(tg.cosh(x))),
    "square_of_root": Case((POSITIVE,), lambda x: tg.square(tg.sqrt(x)), lambda x: tg.sqrt(tg.square(x))),
    "sign_is_lost": Case((LINE,), lambda x: tg.square(-x), lambda x: tg.exp(-x)),
    # stable
    "log_of_one_plus": Case(((N, -0.9, 3.0),), lambda x: tg.log(1.0 + x), lambda x: tg.log(2.0 + x)),
    "exp_minus_one": Case((LINE,), lambda x: tg.exp(x) - 1.0, lambda x: tg.exp(x) + 1.0),
    "ratio_of_exponentials": Case((TABLE,), lambda x: tg.exp(x) / tg.exp(x).sum(-1, keepdims=True),
                                  lambda x: tg.exp(x) / tg.exp(2.0 * x).sum(-1, keepdims=True), "not those in the"),
    "log_of_sigmoid": Case((LINE,), lambda x: tg.log(sigmoid(x)), lambda x: tg.log(tg.tanh(x))),
    "log_of_one_plus_exp": Case((LINE,), lambda x: tg.log1p(tg.exp(x)), lambda x: tg.log1p(tg.square(x))),
    "one_minus_sigmoid": Case((LINE, LINE), lambda x, y: y - sigmoid(x) * y, lambda x, y: 2.0 - sigmoid(x) * y),
    "gradient_of_log_sigmoid": Case((LINE, LINE), lambda g, x: apply(sigmoid_gradient, (g / sigmoid(x), sigmoid(x))),
                                    lambda g, x: apply(sigmoid_gradient, (g / x, sigmoid(x)))),
    "log_sum_exp": Case((TABLE,), lambda x: tg.log(tg.exp(x).sum(0)),
                        lambda x: tg.log(tg.broadcast_to(tg.exp(x), (2, 250, 4)).sum(0))),
    "log_of_softmax": Case((TABLE,), lambda x: tg.log(softmax(x, 0)), lambda x: tg.log(softmax(x, 0) + 1e-6)),
    "gradient_of_log_softmax": Case((TABLE,), lambda x: pulled(tg.sin(tg.log(softmax(x))), x),
                                    lambda x: pulled(tg.sin(softmax(x)), x)),
    "shift_of_softmax": Case((TABLE,), lambda x: softmax(x - x.max(-1, keepdims=True)),
                             lambda x: softmax(x - x.max(0, keepdims=True)), "same all along axis 1"),
    "root_of_squares": Case((LINE, LINE), lambda x, y: tg.sqrt(x ** 2 + y ** 2),
                            lambda x, y: tg.sqrt(x ** 2 + tg.exp(y))),
    "exponential_times_ratios": Case((TABLE, TABLE), lambda x, y: tg.exp(x) * softmax_slope(x, y),
                                     lambda x, y: tg.exp(x) * (y / tg.exp(x).sum(-1, keepdims=True) - y)),
    "picked_log_softmax": Case((TABLE, TARGETS), lambda x, t: pick_class(log_softmax(x), t),
                               lambda x, t: pick_class(log_softmax(x, 0), t), "cross_entropy has them along 1"),
    "gradient_of_picked_log_softmax": Case(
        (TABLE, TARGETS), lambda x, t: pulled(pick_class(log_softmax(x), t), x),
        lambda x, t: pulled(pick_class(log_softmax(x, 0), t), x), "the axis of the softmax"),
    "one_hot_cross_entropy": Case(
        (TABLE, TARGETS), lambda x, t: (log_softmax(x) * tg.astype(one_hot(t, 4), x.dtype)).sum(-1),
        lambda x, t: (log_softmax(x, 0) * tg.astype(one_hot(t, 4), x.dtype)).sum(-1), "the softmax over axis 0"),
    "sum_of_cross_entropy": Case((TABLE, TARGETS), lambda x, t: cross_entropy(x, t, reduction="none").sum(),
                                 lambda x, t: cross_entropy(x, t, reduction="sum") / 250.0),
    # special
    "divide_by_number": Case((LINE,), lambda x: x / 3.0, lambda x: x / 1e-40, "no normal number"),
    "small_powers": Case((POSITIVE,), lambda x: sum(tg.power(x, tg.tensor(n, dtype=x.dtype)) for n in SMALL_POWERS),
                         lambda x: x ** 2.5),
    "exp_of_log": Case((POSITIVE,), lambda x: tg.exp(tg.log(x)), lambda x: tg.exp(tg.log1p(x))),
    "product_of_exponentials": Case((LINE, LINE), lambda x, y: tg.exp(x) * 3.0 / tg.exp(y),
                                    lambda x, y: tg.exp(x) + tg.exp(y)),
    "sum_of_products": Case((((50, 20, 1), -1.0, 1.0), ((20, 30), -1.0, 1.0)), lambda x, y: (x * y).sum(1),
                            lambda x, y: (x * tg.broadcast_to(y, (50, 20, 30))).sum(2), "does not vary"),
}


def leaves(case: Case, dtype: str, seed: int) -> tuple[list[Any], list[Any]]:
    """Placeholders for the inputs of a case, and random values."""
    rng = np.random.default_rng(seed)
    placeholders, values = [], []
    for shape, *limits in case.inputs:
        if len(limits) == 1:
            placeholders.append(tg.placeholder(shape, "int64"))
            values.append(rng.integers(0, limits[0], shape))
        else:
            placeholders.append(tg.placeholder(shape, dtype))
            values.append(rng.uniform(*limits, shape).astype(dtype))
    return placeholders, values


__all__ = ["CASES", "Case", "leaves"]
