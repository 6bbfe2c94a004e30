"""Pooling over windows that move along the spatial axes."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from ...errors import SettingError
from ...ops.elementwise_op import lift
from ...ops.matmul import matmul, matmul_nt
from ...ops.pooling import pool_average, pool_max
from ...ops.reductions import mean
from .settings import Sizes, batched, per_axis


def max_pool_over(axes: int, input: Any, kernel_size: Sizes, stride: Sizes | None, padding: Sizes, dilation: Sizes,
                  ceil_mode: bool) -> Any:
    """Max pooling over so many spatial axes."""
    kernel = per_axis(kernel_size, axes, "kernel_size")
    compute = partial(pool_max, kernel=kernel, padding=per_axis(padding, axes, "padding"), ceil_mode=ceil_mode,
                      stride=kernel if stride is None else per_axis(stride, axes, "stride"),
                      dilation=per_axis(dilation, axes, "dilation"))
    return batched(input, axes, f"max_pool{axes}d", compute)


def max_pool1d(input: Any, kernel_size: Sizes, stride: Sizes | None = None, padding: Sizes = 0, dilation: Sizes = 1,
               ceil_mode: bool = False) -> Any:
    """The largest element of each window of x (N, C, L) or (C, L); stride is kernel_size unless given

    The gradient goes to the first element that attains the maximum. `ceil_mode` keeps a last window that reaches over
    the end.
    """
    return max_pool_over(1, input, kernel_size, stride, padding, dilation, ceil_mode)


def max_pool2d(input: Any, kernel_size: Sizes, stride: Sizes | None = None, padding: Sizes = 0, dilation: Sizes = 1,
               ceil_mode: bool = False) -> Any:
    """The largest element of each window of x (N, C, H, W) or (C, H, W); see `max_pool1d`"""
    return max_pool_over(2, input, kernel_size, stride, padding, dilation, ceil_mode)


def average_over(axes: int, input: Any, kernel_size: Sizes, stride: Sizes | None, padding: Sizes, ceil_mode: bool,
                 count_include_pad: bool, divisor: int | None) -> Any:
    """Average pooling over so many spatial axes."""
    kernel = per_axis(kernel_size, axes, "kernel_size")
    compute = partial(pool_average, kernel=kernel, padding=per_axis(padding, axes, "padding"), ceil_mode=ceil_mode,
                      stride=kernel if stride is None else per_axis(stride, axes, "stride"),
                      count_include_pad=count_include_pad, divisor=divisor)
    return batched(input, axes, f"avg_pool{axes}d", compute)


def avg_pool1d(input: Any, kernel_size: Sizes, stride: Sizes | None = None, padding: Sizes = 0, ceil_mode: bool = False,
               count_include_pad: bool = True) -> Any:
    """The mean of each window of x (N, C, L) or (C, L); stride is kernel_size unless given

    Padding counts as zeros, or, without `count_include_pad`, not at all.
    """
    return average_over(1, input, kernel_size, stride, padding, ceil_mode, count_include_pad, None)


def avg_pool2d(input: Any, kernel_size: Sizes, stride: Sizes | None = None, padding: Sizes = 0, ceil_mode: bool = False,
               count_include_pad: bool = True, divisor_override: int | None = None) -> Any:
    """The mean of each window of x (N, C, H, W) or (C, H, W), or its sum over `divisor_override`; see `avg_pool1d`"""
    return average_over(2, input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)


def adaptive(axes: int, input: Any, output_size: Any) -> Any:
    """The means over so many windows along each spatial axis."""
    sizes = output_size if isinstance(output_size, (tuple, list)) else (output_size,) * axes
    if len(sizes) != axes or any(size is not None and size < 1 for size in sizes):
        raise SettingError(f"output_size is one positive number, or one (or None) for each of {axes} axes, not "
                           f"{output_size}")
    lengths = input.shape[2:]
    sizes = tuple(n if size is None else size for n, size in zip(lengths, sizes, strict=True))
    if set(sizes) == {1}:
        return mean(input, axis=tuple(range(2, input.ndim)), keepdims=True)
    if all(n % size == 0 for n, size in zip(lengths, sizes, strict=True)):
        kernel = tuple(n // size for n, size in zip(lengths, sizes, strict=True))
        return pool_average(input, kernel=kernel, stride=kernel, padding=(0,) * axes)
    z = matmul_nt(input, lift(averages(lengths[-1], sizes[-1], input.dtype), input))
    return z if axes == 1 else matmul(lift(averages(lengths[0], sizes[0], input.dtype), input), z)


def averages(length: int, count: int, dtype: Any) -> Any:
    """The matrix whose row i takes the mean of the elements from ⌊i n/count⌋ to ⌈(i + 1) n/count⌉."""
    matrix = np.zeros((count, length), dtype)
    for i in range(count):
        start, stop = i * length // count, -(-(i + 1) * length // count)
        matrix[i, start:stop] = 1 / (stop - start)
    return matrix


def adaptive_avg_pool1d(input: Any, output_size: int | tuple[int]) -> Any:
    """The means over `output_size` windows, as equal as can be, of x (N, C, L) or (C, L)"""
    return batched(input, 1, "adaptive_avg_pool1d", lambda x: adaptive(1, x, output_size))


def adaptive_avg_pool2d(input: Any, output_size: int | tuple[int | None, int | None] | None) -> Any:
    """The means over so many windows along height and width, as equal as can be, of x (N, C, H, W) or (C, H, W)

    None keeps the size of that axis.
    """
    return batched(input, 2, "adaptive_avg_pool2d", lambda x: adaptive(2, x, output_size))
