"""Softmax, cross-entropy and norms: a line is read once or twice, where CuPy would read it at every step."""

from __future__ import annotations

from math import prod
from typing import Any

from teachgrad.ops.embedding import counted_targets
from teachgrad.ops.losses import cross_entropy, cross_entropy_gradient, number_of
from teachgrad.ops.normalization import standardize, standardize_gradient, standardize_gradients
from teachgrad.ops.softmax import log_softmax, log_softmax_gradient, softmax, softmax_gradient

from ..kernels.kernel import INTEGERS
from .table import computes, fits, launch, lines_of

MANY, SHORT = 1024, 2048
"""A warp for each row pays where there are many rows, or short ones: else most of the GPU would have nothing to do."""
IN_REGISTERS = 32 * 1024
"""The longest row that a block keeps in registers."""
BLOCKS = 256
"""With so many blocks, each with a line of any length, a GPU is busy."""
SMALL = 1 << 20
"""With fewer elements than these, the number of launches is what counts."""


def for_warps(x: Any) -> Any:
    """The rows of x, if a warp for each pays."""
    lines = lines_of(x)
    fits(lines.shape[0] >= MANY or lines.shape[1] <= SHORT)
    return lines


def columns_of(x: Any, axis: int) -> Any:
    """x as (outer, along the axis, inner)."""
    fits(bool(x.flags.c_contiguous))
    return x.reshape(prod(x.shape[:axis]), x.shape[axis], prod(x.shape[axis + 1:]))


# ---- softmax ---------------------------------------------------------------------------------------------------------

@computes(softmax)
def softmax_along(there: Any, x: Any, *, axis: int) -> Any:
    if axis < x.ndim - 1:
        columns = columns_of(x, axis)
        z = there.xp.empty_like(columns)
        launch(there, "softmax_columns", columns, z)
        return z.reshape(x.shape)
    lines = lines_of(x)
    z = there.xp.empty_like(lines)
    launch(there, "softmax_registers", lines, z)
    return z.reshape(x.shape)


@computes(log_softmax)
def log_softmax_of_rows(there: Any, x: Any, *, axis: int) -> Any:
    fits(axis == x.ndim - 1)
    lines = for_warps(x)
    z = there.xp.empty_like(lines)
    launch(there, "log_softmax", lines, z)
    return z.reshape(x.shape)


@computes(softmax_gradient)
def softmax_gradient_along(there: Any, u: Any, y: Any, *, axis: int) -> Any:
    if axis < y.ndim - 1:
        given, columns = columns_of(u, axis), columns_of(y, axis)
        z = there.xp.empty_like(columns)
        launch(there, "softmax_columns_backward", given, columns, z)
        return z.reshape(y.shape)
    return gradient_of_rows(there, "softmax_backward", u, y, axis)


@computes(log_softmax_gradient)
def log_softmax_gradient_of_rows(there: Any, u: Any, y: Any, *, axis: int) -> Any:
    return gradient_of_rows(there, "log_softmax_backward", u, y, axis)


def gradient_of_rows(there: Any, kernel: str, u: Any, y: Any, axis: int) -> Any:
    """The gradient u of what has the value y, pulled back."""
    fits(axis == y.ndim - 1)
    given, lines = for_warps(u), for_warps(y)
    z = there.xp.empty_like(lines)
    launch(there, kernel, given, lines, z)
    return z.reshape(y.shape)


# ---- cross-entropy ---------------------------------------------------------------------------------------------------

def losses(there: Any, x: Any, target: Any, ignore_index: int) -> tuple[Any, Any, Any]:
    """The loss of each row of scores, the logarithm of its sum of exponentials, and which rows count, None for all.

    A target out of range is an IndexError: that is asked before, of the targets alone.
    """
    fits(x.ndim == 2 and str(target.dtype) in INTEGERS and -(2**31) <= ignore_index < 2**31)
    rows, flat = for_warps(x), target.reshape(-1)
    _, counted = counted_targets(there.xp, flat, x.shape[1], ignore_index)
    loss, log_sums = there.xp.empty(len(x), x.dtype), there.xp.empty(len(x), x.dtype)
    launch(there, "cross_entropy", rows, flat, loss, log_sums, ignored=ignore_index)
    return loss, log_sums, counted


@computes(cross_entropy)
def cross_entropy_of_rows(there: Any, x: Any, target: Any, *, ignore_index: int, reduction: str) -> Any:
    loss, _, counted = losses(there, x, target, ignore_index)
    if reduction == "none":
        return loss.reshape(target.shape)
    total = there.xp.add.reduce(loss)
    return total / number_of(there.xp, loss, counted) if reduction == "mean" else total


@computes(cross_entropy_gradient)
def cross_entropy_gradient_of_rows(there: Any, u: Any, x: Any, target: Any, *, ignore_index: int,
                                   reduction: str) -> Any:
    loss, log_sums, counted = losses(there, x, target, ignore_index)
    loss[...] = u / number_of(there.xp, loss, counted) if reduction == "mean" else u
    z = there.xp.empty_like(x)
    launch(there, "cross_entropy_backward", loss, x, target.reshape(-1), log_sums, z, ignored=ignore_index)
    return z


# ---- norms -----------------------------------------------------------------------------------------------------------

def laid(there: Any, x: Any, per_line: bool) -> Any:
    """x; in C order if a line is a channel, which is seldom one in memory."""
    return there.xp.ascontiguousarray(x) if per_line else x


@computes(standardize)
def standardize_lines(there: Any, x: Any, *parts: Any, axes: int, epsilon: float, centred: bool, per_line: bool) -> Any:
    fits(centred or not per_line)
    lines, xp = lines_of(laid(there, x, per_line), axes), there.xp
    length = lines.shape[0 if per_line else 1]
    weight = parts[0].reshape(-1) if parts else xp.ones(length, x.dtype)
    bias = parts[1].reshape(-1) if len(parts) == 2 else xp.zeros(length, x.dtype)
    if per_line:
        return normalized_by_line(there, lines, weight, bias, epsilon)[0].reshape(x.shape)
    return normalized_by_place(there, lines, weight, bias, epsilon, centred)[0].reshape(x.shape)


def normalized_by_place(there: Any, lines: Any, weight: Any, bias: Any, epsilon: float,
                        centred: bool) -> tuple[Any, Any, Any]:
    """Layer norm of rows, or root-mean-square norm; the mean of each row (or 0), and 1/√(σ² + ε)."""
    xp, (rows, n) = there.xp, lines.shape
    fits(n <= IN_REGISTERS or rows >= BLOCKS)
    z, means, scales = xp.empty_like(lines), xp.empty(rows, lines.dtype), xp.empty(rows, lines.dtype)
    kernel = "layer_norm_registers" if n <= IN_REGISTERS else "layer_norm"
    launch(there, kernel, lines, weight, bias, z, means, scales, eps=epsilon, centred=centred)
    return z, means, scales


def normalized_by_line(there: Any, lines: Any, weight: Any, bias: Any, epsilon: float) -> tuple[Any, Any, Any]:
    """Batch norm, a channel for each row; its mean and σ²."""
    xp, (rows, n) = there.xp, lines.shape
    fits(lines.size <= SMALL or rows >= BLOCKS)
    z, means, variances = xp.empty((1, rows, n), lines.dtype), xp.empty(rows, lines.dtype), xp.empty(rows, lines.dtype)
    launch(there, "batch_norm", lines.reshape(1, rows, n), weight, bias, z, means, variances, eps=epsilon)
    return z, means, variances


@computes(standardize_gradient)
def standardize_gradient_of_lines(there: Any, u: Any, x: Any, *, axes: int, epsilon: float, centred: bool,
                                  per_line: bool) -> Any:
    given, lines = (lines_of(laid(there, a, per_line), axes) for a in (u, x))
    xp = there.xp
    ones = xp.ones(lines.shape[1], x.dtype)
    z, means, scales = normalized_by_place(there, lines, ones, ones, epsilon, centred)
    launch(there, "layer_norm_backward", given, lines, ones, means, scales, z, centred=centred)
    return z.reshape(x.shape)


@computes(standardize_gradients)
def standardize_gradients_of_lines(there: Any, u: Any, x: Any, weight: Any, *, axes: int, epsilon: float,
                                   centred: bool, per_line: bool) -> Any:
    fits(centred or not per_line)
    given, lines = (lines_of(laid(there, a, per_line), axes) for a in (u, x))
    w = weight.reshape(-1)
    z, gw, gb = pulled_back_by_line(there, given, lines, w, epsilon) if per_line else \
        pulled_back_by_place(there, given, lines, w, epsilon, centred)
    return z.reshape(x.shape), gw.reshape(weight.shape), gb.reshape(weight.shape)


def pulled_back_by_place(there: Any, given: Any, lines: Any, weight: Any, epsilon: float,
                         centred: bool) -> tuple[Any, Any, Any]:
    """The gradients of layer norm for x, w and b. Sums down the columns are taken of parts of the rows, then of these:
    columns alone are too few to keep a GPU busy."""
    xp, (rows, n) = there.xp, lines.shape
    z, means, scales = normalized_by_place(there, lines, weight, weight, epsilon, centred)
    launch(there, "layer_norm_backward", given, lines, weight, means, scales, z, centred=centred)
    count = max(1, min(BLOCKS * 32 // n, rows // 64))
    parts = xp.empty((2, count, n), lines.dtype)
    launch(there, "layer_norm_backward_weights", given, lines, means, scales, parts[0], parts[1])
    sums = parts[:, 0] if count == 1 else xp.add.reduce(parts, axis=1)
    return z, sums[0], sums[1]


def pulled_back_by_line(there: Any, given: Any, lines: Any, weight: Any, epsilon: float) -> tuple[Any, Any, Any]:
    """The gradients of batch norm for x, w and b."""
    xp, shape = there.xp, (1, *lines.shape)
    z, means, variances = normalized_by_line(there, lines, weight, weight, epsilon)
    gw, gb = xp.empty_like(weight), xp.empty_like(weight)
    launch(there, "batch_norm_backward", given.reshape(shape), lines.reshape(shape), weight, means, variances, z, gw,
           gb, eps=epsilon)
    return z, gw, gb
