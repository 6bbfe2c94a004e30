"""Losses: how far a prediction is from its target. `reduction` is "mean", "sum", or "none" for one number each."""

from __future__ import annotations

import math
from typing import Any

from ...errors import SettingError, ShapeError
from ...ops import losses
from ...ops.activations import relu, softplus
from ...ops.comparison import greater, not_equal
from ...ops.elementwise import abs, equal, exp, log, maximum, minimum, square, where
from ...ops.elementwise_op import lift
from ...ops.embedding import pick_class
from ...ops.reductions import mean, sum
from ...ops.shape import astype, broadcast_to, reshape
from ...ops.softmax import log_softmax
from .distance import cosine_similarity, pairwise_distance


def reduced(loss: Any, reduction: str) -> Any:
    """The mean, the sum, or the losses as they are."""
    if reduction == "mean":
        return mean(loss)
    if reduction == "sum":
        return sum(loss)
    known_reduction(reduction)
    return loss


def known_reduction(reduction: str) -> None:
    if reduction not in ("mean", "sum", "none"):
        raise SettingError(f"reduction is 'mean', 'sum' or 'none', not {reduction!r}")


def same_shape(name: str, input: Any, target: Any) -> None:
    """Refuse a prediction and a target that would broadcast: (n, 1) against (n,) would give n² differences."""
    if input.shape != target.shape:
        raise ShapeError(f"{name}: the prediction has shape {input.shape}, the target {target.shape}.\n"
                         "Way out: give one the shape of the other, for instance with reshape() or expand_dims().")


# ---- distances -------------------------------------------------------------------------------------------------------

def mse_loss(input: Any, target: Any, reduction: str = "mean") -> Any:
    """(x - t)²"""
    same_shape("mse_loss", input, target)
    if reduction == "none":
        return square(input - target)
    known_reduction(reduction)
    if input.dtype != target.dtype or input.dtype.kind != "f":
        return reduced(square(input - target), reduction)
    return losses.mean_squared_error(input, target, mean=reduction == "mean")


def l1_loss(input: Any, target: Any, reduction: str = "mean") -> Any:
    """|x - t|"""
    same_shape("l1_loss", input, target)
    return reduced(abs(input - target), reduction)


def huber_loss(input: Any, target: Any, reduction: str = "mean", delta: float = 1.0) -> Any:
    """d²/2 where d = |x - t| ≤ delta, else delta (d - delta/2)"""
    same_shape("huber_loss", input, target)
    if delta <= 0:
        raise SettingError(f"huber_loss: delta must be positive, not {delta}")
    distance = abs(input - target)
    near = minimum(distance, delta)
    return reduced(near * (distance - near * 0.5), reduction)


def smooth_l1_loss(input: Any, target: Any, reduction: str = "mean", beta: float = 1.0) -> Any:
    """d²/(2 beta) where d = |x - t| < beta, else d - beta/2"""
    if beta < 0:
        raise SettingError(f"smooth_l1_loss: beta must not be negative, got {beta}")
    if beta == 0:
        return l1_loss(input, target, reduction)
    return huber_loss(input, target, reduction, beta) / beta


# ---- classes ---------------------------------------------------------------------------------------------------------

def cross_entropy(input: Any, target: Any, weight: Any = None, ignore_index: int = -100, reduction: str = "mean",
                  label_smoothing: float = 0.0) -> Any:
    """-Σ_c q_c log softmax(x)_c,   with q = 1 for the target class and 0 for the others

    x (N, C), (N, C, ...) or (C,): scores, not probabilities. target: integers of that shape without the axis C, or
    probabilities q of the shape of x. weight (C,) multiplies the loss of each class; the mean is then divided by the
    weights of the targets. Integer targets equal to `ignore_index` count for nothing. label_smoothing s replaces q
    by (1 - s) q + s/C.
    """
    known_reduction(reduction)
    if not 0.0 <= label_smoothing <= 1.0:
        raise SettingError(f"cross_entropy: label_smoothing lies between 0 and 1, it is {label_smoothing}")
    if label_smoothing and input.ndim and input.shape[losses.class_axis(input.shape)] == 0:
        raise ShapeError(f"cross_entropy: the scores of shape {input.shape} have no classes to smooth the labels over")
    if target.dtype.kind == "f":
        return soft_cross_entropy(input, target, weight, reduction, label_smoothing)
    if weight is None and label_smoothing == 0.0:
        return losses.cross_entropy(input, target, ignore_index=ignore_index, reduction=reduction)
    axis = losses.class_axis(input.shape)
    logs = log_softmax(input, axis)
    chosen = nll_loss(logs, target, weight, ignore_index, reduction)
    if label_smoothing == 0.0:
        return chosen
    weighted = logs if weight is None else logs * along_classes(weight, input)
    counted = astype(not_equal(target, ignore_index), input.dtype)
    even = -sum(weighted, axis=axis) * counted
    if reduction == "mean":
        even = sum(even) / sum(class_weights(weight, input, target, ignore_index))
    elif reduction == "sum":
        even = sum(even)
    return chosen * (1.0 - label_smoothing) + even * (label_smoothing / input.shape[axis])


def soft_cross_entropy(input: Any, target: Any, weight: Any, reduction: str, label_smoothing: float) -> Any:
    """Cross entropy with a target of probabilities; the mean is over the items."""
    same_shape("cross_entropy with probabilities", input, target)
    axis = losses.class_axis(input.shape)
    if label_smoothing:
        target = target * (1.0 - label_smoothing) + label_smoothing / input.shape[axis]
    logs = log_softmax(input, axis)
    terms = logs * target if weight is None else logs * target * along_classes(weight, input)
    return reduced(-sum(terms, axis=axis), reduction)


def along_classes(weight: Any, input: Any) -> Any:
    """One number for each class, in a shape that meets the scores."""
    axis = losses.class_axis(input.shape)
    if weight.shape != (input.shape[axis],):
        raise ShapeError(f"the class weights have shape {weight.shape}, and there are {input.shape[axis]} classes")
    return reshape(weight, (-1, *[1] * (input.ndim - 1 - axis)))


def class_weights(weight: Any, input: Any, target: Any, ignore_index: int) -> Any:
    """The weight of each target's class, 0 for those to ignore."""
    if weight is None:
        return astype(not_equal(target, ignore_index), input.dtype)
    table = broadcast_to(along_classes(weight, input), input.shape)
    return pick_class(table, target, axis=losses.class_axis(input.shape), ignore_index=ignore_index)


def nll_loss(input: Any, target: Any, weight: Any = None, ignore_index: int = -100, reduction: str = "mean") -> Any:
    """-x[target class], for log-probabilities x; shapes and settings as for `cross_entropy`"""
    known_reduction(reduction)
    axis = losses.class_axis(input.shape)
    picked = pick_class(input, target, axis=axis, ignore_index=ignore_index)
    factors = class_weights(weight, input, target, ignore_index)
    loss = -(picked * factors) if weight is not None else -picked
    return sum(loss) / sum(factors) if reduction == "mean" else reduced(loss, reduction)


def binary_cross_entropy(input: Any, target: Any, weight: Any = None, reduction: str = "mean") -> Any:
    """-(t log x + (1 - t) log(1 - x)) · weight,   for probabilities x; logarithms are taken to be at least -100

    From scores, `binary_cross_entropy_with_logits` is more accurate.
    """
    same_shape("binary_cross_entropy", input, target)
    loss = losses.binary_cross_entropy(input, target)
    return reduced(loss if weight is None else loss * weight, reduction)


def binary_cross_entropy_with_logits(input: Any, target: Any, weight: Any = None, reduction: str = "mean",
                                     pos_weight: Any = None) -> Any:
    """-(pos_weight · t log σ(x) + (1 - t) log(1 - σ(x))) · weight,   for scores x, without overflow

    weight and pos_weight broadcast to x.
    """
    same_shape("binary_cross_entropy_with_logits", input, target)
    if pos_weight is None:
        loss = losses.binary_cross_entropy_with_logits(input, target)
    else:  # log σ(x) = -softplus(-x) and log(1 - σ(x)) = -softplus(-x) - x
        loss = (1.0 - target) * input + (target * (pos_weight - 1.0) + 1.0) * softplus(-input, threshold=math.inf)
    return reduced(loss if weight is None else loss * weight, reduction)


def kl_div(input: Any, target: Any, reduction: str = "mean", log_target: bool = False) -> Any:
    """t (log t - x),   for log-probabilities x, and probabilities t, or their logarithms with `log_target`

    "mean" divides by all elements; "batchmean" by the length of the first axis, which gives the divergence itself.
    """
    if log_target:
        loss = exp(target) * (target - input)
    else:
        some = greater(target, 0.0)  # t log t is 0 at t = 0
        loss = where(some, target * log(where(some, target, 1.0)), 0.0) - target * input
    if reduction == "batchmean":
        return sum(loss) / input.shape[0]
    return reduced(loss, reduction)


# ---- margins and other distributions ---------------------------------------------------------------------------------

def hinge_embedding_loss(input: Any, target: Any, margin: float = 1.0, reduction: str = "mean") -> Any:
    """x where t = 1, and max(0, margin - x) where t = -1"""
    return reduced(where(equal(target, 1), input, relu(margin - input)), reduction)


def soft_margin_loss(input: Any, target: Any, reduction: str = "mean") -> Any:
    """log(1 + exp(-t x)),   t = 1 or -1"""
    same_shape("soft_margin_loss", input, target)
    return reduced(softplus(-(input * target), threshold=math.inf), reduction)


def margin_ranking_loss(input1: Any, input2: Any, target: Any, margin: float = 0.0, reduction: str = "mean") -> Any:
    """max(0, -t (x - y) + margin),   t = 1 where x should be the larger, -1 where y should be"""
    return reduced(relu((input2 - input1) * target + margin), reduction)


def triplet_margin_loss(anchor: Any, positive: Any, negative: Any, margin: float = 1.0, p: float = 2.0,
                        eps: float = 1e-6, swap: bool = False, reduction: str = "mean") -> Any:
    """max(0, ‖a - p‖ - ‖a - n‖ + margin), the norms along the last axis; with `swap`, ‖p - n‖ if that is smaller"""
    far = pairwise_distance(anchor, negative, p, eps)
    if swap:
        far = minimum(far, pairwise_distance(positive, negative, p, eps))
    return reduced(relu(pairwise_distance(anchor, positive, p, eps) - far + margin), reduction)


def cosine_embedding_loss(input1: Any, input2: Any, target: Any, margin: float = 0.0, reduction: str = "mean") -> Any:
    """1 - cos(x, y) where t = 1, and max(0, cos(x, y) - margin) where t = -1; x and y (N, D) or (D,)"""
    similarity = cosine_similarity(input1, input2, axis=-1, eps=1e-8)
    return reduced(where(equal(target, 1), 1.0 - similarity, relu(similarity - margin)), reduction)


def gaussian_nll_loss(input: Any, target: Any, var: Any, full: bool = False, eps: float = 1e-6,
                      reduction: str = "mean") -> Any:
    """(log v + (x - t)²/v) / 2 with v = max(var, eps), plus log(2π)/2 with `full`"""
    variance = maximum(var, eps)
    loss = (log(variance) + square(input - target) / variance) * 0.5
    return reduced(loss + 0.5 * math.log(2.0 * math.pi) if full else loss, reduction)


def poisson_nll_loss(input: Any, target: Any, log_input: bool = True, full: bool = False, eps: float = 1e-8,
                     reduction: str = "mean") -> Any:
    """exp(x) - t x, or x - t log(x + eps) without `log_input`; with `full`, plus Stirling's log t! where t > 1"""
    loss = exp(input) - target * input if log_input else input - target * log(input + eps)
    if full:
        many = greater(target, 1)
        t = where(many, target, lift(1, target))
        loss = loss + where(many, t * log(t) - t + log(t * (2.0 * math.pi)) * 0.5, 0.0)
    return reduced(loss, reduction)
