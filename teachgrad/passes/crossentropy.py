"""Stabilise: softmax cross-entropy, put together from its parts, becomes the one op that never makes the table of
logarithms; so does its gradient."""

from __future__ import annotations

from ..op import Vertex, apply
from ..ops.elementwise import divide, multiply, negative
from ..ops.embedding import one_hot, pick_class, put_class
from ..ops.losses import class_axis, cross_entropy, cross_entropy_gradient
from ..ops.reductions import mean, sum
from ..ops.shape import cast, reshape
from ..ops.softmax import log_softmax, log_softmax_gradient
from .patterns import argument, minus, number, pairs
from .rules import Bound, Miss, rule

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


@rule(sum, mean, divide, cost="one op instead of two", bound=Bound(16, terms=True), source=CROSS,
      covers=(cross_entropy,))
def sum_of_cross_entropy(v: Vertex) -> Vertex | Miss | None:
    """Σ_n cross_entropy(x_n, t_n) in one op; over the number of targets that count, the mean."""
    if v.op is not divide:
        losses = v.inputs[0]
        if losses.op is not cross_entropy or losses.attrs["reduction"] != "none" or v.ndim:
            return None
        if v.op is mean and losses.attrs["ignore_index"] != NO_CLASS:
            return Miss("a target may be one to ignore, which this mean counts, and that of cross_entropy does not")
        return apply(cross_entropy, losses.inputs, {**losses.attrs, "reduction": str(v.op)})
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


