"""Convolutions over one, two or three spatial axes, and their transposes."""

from __future__ import annotations

from functools import partial
from typing import Any

from ...errors import SettingError
from ...ops.convolution import convolve, convolve_transposed
from ...ops.shape import reshape
from ...ops.windows import Pairs
from .settings import Sizes, batched, per_axis


def padding_pairs(padding: Sizes | str, kernel: tuple[int, ...], stride: tuple[int, ...],
                  dilation: tuple[int, ...]) -> Pairs:
    """Padding before and after, for each axis. "same" puts the odd one after."""
    if padding == "valid":
        return ((0, 0),) * len(kernel)
    if padding == "same":
        if set(stride) != {1}:
            raise SettingError(f"padding='same' needs a stride of 1, not {stride}: the size could not stay the same")
        reach = [d * (k - 1) for d, k in zip(dilation, kernel, strict=True)]
        return tuple((r // 2, r - r // 2) for r in reach)
    if isinstance(padding, str):
        raise SettingError(f"padding must be numbers, 'same' or 'valid', not {padding!r}")
    pairs = per_axis(padding, len(kernel), "padding")
    if min(pairs) < 0:
        raise SettingError(f"padding must not be negative, got {padding}")
    return tuple((p, p) for p in pairs)


def forward(axes: int, input: Any, weight: Any, bias: Any, stride: Sizes, padding: Sizes | str, dilation: Sizes,
             groups: int) -> Any:
    """Convolution over so many spatial axes."""
    steps, spread = per_axis(stride, axes, "stride"), per_axis(dilation, axes, "dilation")
    pairs = padding_pairs(padding, weight.shape[2:], steps, spread)
    if input.ndim == axes + 2:
        return convolve(input, weight, bias, stride=steps, padding=pairs, dilation=spread, groups=groups)
    return batched(input, axes, f"conv{axes}d", lambda x: convolve(
        x, weight, bias, stride=steps, padding=pairs, dilation=spread, groups=groups))


def conv1d(input: Any, weight: Any, bias: Any = None, stride: Sizes = 1, padding: Sizes | str = 0, dilation: Sizes = 1,
           groups: int = 1) -> Any:
    """z[n,o,i] = b[o] + Σ_{c,k} x[n,c, i·stride + k·dilation - padding] w[o,c,k]

    x (N, C, L) or (C, L), w (O, C/groups, K), b (O,). padding is a number, "valid" (none), or "same".
    """
    return forward(1, input, weight, bias, stride, padding, dilation, groups)


def conv2d(input: Any, weight: Any, bias: Any = None, stride: Sizes = 1, padding: Sizes | str = 0, dilation: Sizes = 1,
           groups: int = 1) -> Any:
    """z[n,o,i,j] = b[o] + Σ_{c,k,l} x[n,c, i·stride + k·dilation - padding, j·... + l·... - ...] w[o,c,k,l]

    x (N, C, H, W) or (C, H, W), w (O, C/groups, K, L), b (O,). stride, padding and dilation are numbers or pairs;
    padding may also be "valid" (none) or "same" (as much as keeps the size; the odd one after).
    """
    return forward(2, input, weight, bias, stride, padding, dilation, groups)


def conv3d(input: Any, weight: Any, bias: Any = None, stride: Sizes = 1, padding: Sizes | str = 0, dilation: Sizes = 1,
           groups: int = 1) -> Any:
    """As `conv2d`, over three spatial axes: x (N, C, D, H, W) or (C, D, H, W), w (O, C/groups, K, L, M), b (O,)"""
    return forward(3, input, weight, bias, stride, padding, dilation, groups)


def transpose(axes: int, input: Any, weight: Any, bias: Any, stride: Sizes, padding: Sizes, output_padding: Sizes,
              groups: int, dilation: Sizes) -> Any:
    """Transposed convolution over so many spatial axes."""
    pairs = tuple((p, p) for p in per_axis(padding, axes, "padding"))
    compute = partial(convolve_transposed, stride=per_axis(stride, axes, "stride"), padding=pairs,
                      dilation=per_axis(dilation, axes, "dilation"), groups=groups,
                      output_padding=per_axis(output_padding, axes, "output_padding"))
    z = batched(input, axes, f"conv_transpose{axes}d", lambda x: compute(x, weight))
    return z if bias is None else z + reshape(bias, (-1, *[1] * axes))


def conv_transpose1d(input: Any, weight: Any, bias: Any = None, stride: Sizes = 1, padding: Sizes = 0,
                     output_padding: Sizes = 0, groups: int = 1, dilation: Sizes = 1) -> Any:
    """The adjoint of `conv1d`: each x[n,c,i] times w[c] is added to z at i·stride - padding

    x (N, C, L) or (C, L), w (C, O/groups, K), b (O,); z has (L - 1)·stride - 2·padding + dilation·(K - 1) + 1 +
    output_padding elements along its last axis.
    """
    return transpose(1, input, weight, bias, stride, padding, output_padding, groups, dilation)


def conv_transpose2d(input: Any, weight: Any, bias: Any = None, stride: Sizes = 1, padding: Sizes = 0,
                     output_padding: Sizes = 0, groups: int = 1, dilation: Sizes = 1) -> Any:
    """The adjoint of `conv2d`: x (N, C, H, W) or (C, H, W), w (C, O/groups, K, L), b (O,)"""
    return transpose(2, input, weight, bias, stride, padding, output_padding, groups, dilation)


def conv_transpose3d(input: Any, weight: Any, bias: Any = None, stride: Sizes = 1, padding: Sizes = 0,
                     output_padding: Sizes = 0, groups: int = 1, dilation: Sizes = 1) -> Any:
    """The adjoint of `conv3d`: x (N, C, D, H, W) or (C, D, H, W), w (C, O/groups, K, L, M), b (O,)"""
    return transpose(3, input, weight, bias, stride, padding, output_padding, groups, dilation)
