"""Convolutions and their transposes, over one or two axes."""

from __future__ import annotations

from math import prod, sqrt
from typing import Any

import teachgrad as tg

from ..errors import SettingError
from . import functional as F
from . import init
from .module import Module

Sizes = int | tuple[int, ...]


def sizes(value: Sizes, axes: int, name: str) -> tuple[int, ...]:
    """One number for each axis."""
    if isinstance(value, int):
        return (value,) * axes
    if len(value) != axes:
        raise SettingError(f"{name} is one number or {axes} of them, not {value}")
    return tuple(value)


class Convolution(Module):
    """What convolutions share: a weight of shape (channels, channels / groups, *kernel_size), and a bias.

    Both start evenly between ±1/√(weight.shape[1] · kernel size), as in PyTorch.
    """

    axes: int
    transposed = False
    padding: Any

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Sizes,
        stride: Sizes = 1,
        padding: Sizes | str = 0,
        dilation: Sizes = 1,
        groups: int = 1,
        bias: bool = True,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        if in_channels % groups or out_channels % groups:
            raise SettingError(f"{in_channels} and {out_channels} channels cannot be divided into {groups} groups")
        self.in_channels, self.out_channels, self.groups = in_channels, out_channels, groups
        self.kernel_size = sizes(kernel_size, self.axes, "kernel_size")
        self.stride = sizes(stride, self.axes, "stride")
        self.padding = padding if isinstance(padding, str) else sizes(padding, self.axes, "padding")
        self.dilation = sizes(dilation, self.axes, "dilation")
        first, second = (in_channels, out_channels) if self.transposed else (out_channels, in_channels)
        self.weight = tg.Parameter(tg.empty((first, second // groups, *self.kernel_size), dtype=dtype))
        self.bias = tg.Parameter(tg.empty(out_channels, dtype=dtype)) if bias else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw new initial values."""
        bound = 1.0 / sqrt(prod(self.weight.shape[1:]))
        init.uniform_(self.weight, -bound, bound)
        if self.bias is not None:
            init.uniform_(self.bias, -bound, bound)

    def extra_repr(self) -> str:
        text = f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, stride={self.stride}"
        for name, usual in (("padding", 0), ("dilation", 1), ("output_padding", 0)):
            if getattr(self, name, usual) not in (usual, (usual,) * self.axes):
                text += f", {name}={getattr(self, name)}"
        return text + f", groups={self.groups}" * (self.groups > 1) + ", bias=False" * (self.bias is None)


class Conv1d(Convolution):
    r"""y[n, o, i] = b[o] + Σ_{c, k} W[o, c, k] x[n, c, s i + d k - p]:   a window slides along the last axis

    x (N, in_channels, L), y (N, out_channels, ⌊(L + 2p - d (K - 1) - 1) / s⌋ + 1), also without the axis N. s is
    `stride`, d `dilation`, K `kernel_size`, p `padding`, with zeros ("same": as many as make y as long as x). With
    `groups`, channels are divided, and each group sees its own. `weight` is W (out_channels, in_channels / groups, K),
    `bias` b (out_channels,).
    """

    axes = 1

    def forward(self, x: Any) -> Any:
        return F.conv1d(x, self.weight, self.bias, self.stride, self.padding, self.dilation, self.groups)


class Conv2d(Convolution):
    r"""y[n, o, i, j] = b[o] + Σ_{c, k, l} W[o, c, k, l] x[n, c, s i + d k - p, s j + d l - p]:   a window over images

    x (N, in_channels, H, W), also without the axis N; y and the settings as for `Conv1d`, on both axes: each is a
    number or a pair. `weight` is W (out_channels, in_channels / groups, K, L), `bias` b (out_channels,).
    """

    axes = 2

    def forward(self, x: Any) -> Any:
        return F.conv2d(x, self.weight, self.bias, self.stride, self.padding, self.dilation, self.groups)


class TransposedConvolution(Convolution):
    """What transposed convolutions share: their weight has the input channels first, and a setting of their own."""

    transposed = True

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Sizes,
        stride: Sizes = 1,
        padding: Sizes = 0,
        output_padding: Sizes = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: Sizes = 1,
        dtype: Any = None,
    ) -> None:
        super().__init__(in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias, dtype)
        self.output_padding = sizes(output_padding, self.axes, "output_padding")


class ConvTranspose1d(TransposedConvolution):
    r"""The map that goes backwards through a `Conv1d` of the same settings: its gradient with respect to x

    x (N, in_channels, L), y (N, out_channels, (L - 1) s - 2p + d (K - 1) + q + 1), where q is `output_padding`.
    `weight` is (in_channels, out_channels / groups, K), `bias` (out_channels,).
    """

    axes = 1

    def forward(self, x: Any) -> Any:
        return F.conv_transpose1d(
            x, self.weight, self.bias, self.stride, self.padding, self.output_padding, self.groups, self.dilation
        )


class ConvTranspose2d(TransposedConvolution):
    r"""The map that goes backwards through a `Conv2d` of the same settings: its gradient with respect to x

    x (N, in_channels, H, W); shapes as for `ConvTranspose1d`, on both axes.
    `weight` is (in_channels, out_channels / groups, K, L), `bias` (out_channels,).
    """

    axes = 2

    def forward(self, x: Any) -> Any:
        return F.conv_transpose2d(
            x, self.weight, self.bias, self.stride, self.padding, self.output_padding, self.groups, self.dilation
        )
