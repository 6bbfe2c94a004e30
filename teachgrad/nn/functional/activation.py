"""Activation functions, and softmax with its relatives."""

from __future__ import annotations

import math
from typing import Any

from ...errors import SettingError, ShapeError
from ...ops import activations
from ...ops import softmax as softmaxes
from ...ops.elementwise import abs, tanh, where
from ...ops.erf import erf
from ...ops.functions import clip
from ...ops.reductions import Axes
from ...ops.shape import normalize_axis, reshape
from ...spelling import own_keywords

SELU_SCALE, SELU_ALPHA = 1.0507009873554804934, 1.6732632423543772848
"""Source: G. Klambauer, T. Unterthiner, A. Mayr, S. Hochreiter, "Self-normalizing neural networks" (2017)."""

__all__ = [
    "celu", "elu", "erf", "gelu", "glu", "hardsigmoid", "hardswish", "hardtanh", "leaky_relu", "log_softmax",
    "logsigmoid", "logsumexp", "mish", "prelu", "relu", "relu6", "selu", "sigmoid", "silu", "softmax", "softmin",
    "softplus", "softsign", "tanh",
]


def relu(input: Any) -> Any:
    """max(x, 0). The derivative at 0 is taken as 0."""
    return activations.relu(input)


def relu6(input: Any) -> Any:
    """min(max(x, 0), 6)"""
    return hardtanh(input, 0.0, 6.0)


def leaky_relu(input: Any, negative_slope: float = 0.01) -> Any:
    """x where x > 0, else negative_slope · x"""
    return activations.leaky_relu(input, negative_slope)


def prelu(input: Any, weight: Any) -> Any:
    """x where x > 0, else w x, with one w for all, or one for each channel (axis 1)"""
    channels = input.shape[1] if input.ndim > 1 else 1
    if weight.size not in (1, channels):
        raise ShapeError(f"prelu: the weight has {weight.size} slopes; it needs 1, or one for each of {channels} "
                         "channels")
    if weight.size != 1:
        weight = reshape(weight, (channels, *[1] * (input.ndim - 2)))
    return where(input > 0.0, input, input * weight)


def elu(input: Any, alpha: float = 1.0) -> Any:
    """x where x > 0, else α (exp(x) - 1)

    Source: D. Clevert, T. Unterthiner, S. Hochreiter, "Fast and accurate deep network learning by exponential linear
    units" (2015).
    """
    return activations.elu(input, alpha)


def selu(input: Any) -> Any:
    """1.0507 · elu(x, 1.6733), which keeps mean 0 and variance 1 from layer to layer"""
    return activations.elu(input, SELU_ALPHA) * SELU_SCALE


def celu(input: Any, alpha: float = 1.0) -> Any:
    """x where x > 0, else α (exp(x/α) - 1)

    Source: J. Barron, "Continuously differentiable exponential linear units" (2017).
    """
    if alpha == 0:
        raise SettingError("celu: alpha must not be 0")
    return activations.elu(input / alpha) * alpha if alpha != 1.0 else activations.elu(input)


def hardtanh(input: Any, min_val: float = -1.0, max_val: float = 1.0) -> Any:
    """x, but at least min_val and at most max_val"""
    return clip(input, min_val, max_val)


def hardsigmoid(input: Any) -> Any:
    """min(max(x + 3, 0), 6) / 6"""
    return clip(input + 3.0, 0.0, 6.0) / 6.0


def hardswish(input: Any) -> Any:
    """x · hardsigmoid(x)

    Source: A. Howard et al., "Searching for MobileNetV3" (2019).
    """
    return input * hardsigmoid(input)


def sigmoid(input: Any) -> Any:
    """σ(x) = 1 / (1 + exp(-x))"""
    return activations.sigmoid(input)


def logsigmoid(input: Any) -> Any:
    """log σ(x) = -log(1 + exp(-x)), without overflow"""
    return -activations.softplus(-input, threshold=math.inf)


def softsign(input: Any) -> Any:
    """x / (1 + |x|)"""
    return input / (abs(input) + 1.0)


def gelu(input: Any, approximate: str = "none") -> Any:
    """x Φ(x), where Φ is the normal distribution function

    With approximate="tanh", x (1 + tanh(√(2/π) (x + 0.044715 x³))) / 2, which is faster and differs by at most 5e-4.
    """
    return activations.gelu_form(approximate)(input)


def silu(input: Any) -> Any:
    """x σ(x); also known as swish"""
    return activations.silu(input)


def mish(input: Any) -> Any:
    """x tanh(log(1 + exp(x)))

    Source: D. Misra, "Mish: a self regularized non-monotonic activation function" (2019).
    """
    return input * tanh(activations.softplus(input, threshold=math.inf))


def softplus(input: Any, beta: float = 1.0, threshold: float = 20.0) -> Any:
    """log(1 + exp(βx)) / β, and x itself where βx > threshold"""
    if beta == 0:
        raise SettingError("softplus: beta must not be 0")
    return activations.softplus(input, beta, threshold)


@own_keywords
def glu(input: Any, axis: int = -1) -> Any:
    """a σ(b), where a and b are the halves of x along the axis

    Source: Y. Dauphin, A. Fan, M. Auli, D. Grangier, "Language modeling with gated convolutional networks" (2016).
    """
    axis = normalize_axis(axis, input.ndim)
    length = input.shape[axis]
    if length % 2:
        raise ShapeError(f"glu: axis {axis} of shape {input.shape} cannot be halved; its length {length} is odd")
    before = (slice(None),) * axis
    return input[(*before, slice(length // 2))] * sigmoid(input[(*before, slice(length // 2, None))])


@own_keywords
def softmax(input: Any, axis: int = -1) -> Any:
    """exp(x_i) / Σ_j exp(x_j) along the axis, without overflow"""
    return softmaxes.softmax(input, axis)


@own_keywords
def log_softmax(input: Any, axis: int = -1) -> Any:
    """x_i - log Σ_j exp(x_j) along the axis, without overflow"""
    return softmaxes.log_softmax(input, axis)


@own_keywords
def softmin(input: Any, axis: int = -1) -> Any:
    """softmax(-x)"""
    return softmaxes.softmax(-input, axis)


@own_keywords
def logsumexp(input: Any, axis: Axes = None, keepdims: bool = False) -> Any:
    """log Σ exp(x) along the axes (all for None), without overflow"""
    return softmaxes.logsumexp(input, axis, keepdims)
