"""Lengths of vectors, and how alike two of them are."""

from __future__ import annotations

import math
from typing import Any

from ...errors import SettingError
from ...ops.elementwise import abs, maximum
from ...ops.norms import p_norm
from ...ops.reductions import Axes, max, sum
from ...spelling import own_keywords


def length(x: Any, p: float, axis: Axes, keepdims: bool) -> Any:
    """(Σ |x|^p)^(1/p) along the axes; the gradient at x = 0 is 0."""
    if p <= 0:
        raise SettingError(f"a norm needs p > 0, not {p}")
    if p == 1:
        return sum(abs(x), axis=axis, keepdims=keepdims)
    if p == math.inf:
        return max(abs(x), axis=axis, keepdims=keepdims)
    return p_norm(x, axis=axis, keepdims=keepdims, ord=p)


@own_keywords
def normalize(input: Any, p: float = 2.0, axis: Axes = 1, eps: float = 1e-12) -> Any:
    """x / max(‖x‖_p, eps), the norm along the axis"""
    return input / maximum(length(input, p, axis, True), eps)


@own_keywords
def cosine_similarity(x1: Any, x2: Any, axis: int = 1, eps: float = 1e-8) -> Any:
    """Σ x y / (max(‖x‖, eps) max(‖y‖, eps)) along the axis: the cosine of the angle between x and y

    x and y broadcast.
    """
    scale = maximum(sqrt_of_sum(x1, axis), eps) * maximum(sqrt_of_sum(x2, axis), eps)
    return sum(x1 * x2, axis=axis) / scale


def sqrt_of_sum(x: Any, axis: int) -> Any:
    return length(x, 2, axis, False)


def pairwise_distance(x1: Any, x2: Any, p: float = 2.0, eps: float = 1e-6, keepdims: bool = False) -> Any:
    """‖x - y + eps‖_p along the last axis; eps keeps the derivative finite where x = y"""
    return length(x1 - x2 + eps, p, -1, keepdims)
