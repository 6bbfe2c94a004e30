"""Pooling: a window that slides over one or two axes and keeps one number of what it sees."""

from __future__ import annotations

from typing import Any

from . import functional as F
from .module import Module

Sizes = int | tuple[int, ...]


class Pool(Module):
    """What pooling layers share. The stride is the size of the window unless given."""

    def __init__(self, kernel_size: Sizes, stride: Sizes | None, padding: Sizes, ceil_mode: bool) -> None:
        super().__init__()
        self.kernel_size, self.padding, self.ceil_mode = kernel_size, padding, ceil_mode
        self.stride = kernel_size if stride is None else stride

    def extra_repr(self) -> str:
        text = f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"
        return text + ", ceil_mode=True" * self.ceil_mode


class MaxPool(Pool):
    """What max pooling layers share."""

    def __init__(
        self,
        kernel_size: Sizes,
        stride: Sizes | None = None,
        padding: Sizes = 0,
        dilation: Sizes = 1,
        ceil_mode: bool = False,
    ) -> None:
        super().__init__(kernel_size, stride, padding, ceil_mode)
        self.dilation = dilation


class MaxPool1d(MaxPool):
    """The largest of every `kernel_size` neighbours along the last axis, every `stride` (by default as many).

    x (N, C, L) or (C, L). Padding does not count. `ceil_mode` keeps a last window that reaches over the end.
    """

    def forward(self, x: Any) -> Any:
        return F.max_pool1d(x, self.kernel_size, self.stride, self.padding, self.dilation, self.ceil_mode)


class MaxPool2d(MaxPool):
    """The largest in every window of `kernel_size`, every `stride` (by default side by side). Padding does not count.

    x (N, C, H, W) or (C, H, W); settings are numbers or pairs.
    """

    def forward(self, x: Any) -> Any:
        return F.max_pool2d(x, self.kernel_size, self.stride, self.padding, self.dilation, self.ceil_mode)


class AvgPool(Pool):
    """What average pooling layers share."""

    def __init__(
        self,
        kernel_size: Sizes,
        stride: Sizes | None = None,
        padding: Sizes = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
    ) -> None:
        super().__init__(kernel_size, stride, padding, ceil_mode)
        self.count_include_pad = count_include_pad


class AvgPool1d(AvgPool):
    """The mean of every `kernel_size` neighbours along the last axis. Zeros of the padding count, if so chosen."""

    def forward(self, x: Any) -> Any:
        return F.avg_pool1d(x, self.kernel_size, self.stride, self.padding, self.ceil_mode, self.count_include_pad)


class AvgPool2d(AvgPool):
    """The mean of every window of `kernel_size`. Zeros of the padding count, if so chosen."""

    def forward(self, x: Any) -> Any:
        return F.avg_pool2d(x, self.kernel_size, self.stride, self.padding, self.ceil_mode, self.count_include_pad)


class AdaptiveAvgPool(Module):
    """What adaptive pooling layers share: the size of the result is given instead of that of the windows."""

    output_size: Any

    def __init__(self, output_size: Sizes) -> None:
        super().__init__()
        self.output_size = output_size

    def extra_repr(self) -> str:
        return f"output_size={self.output_size}"


class AdaptiveAvgPool1d(AdaptiveAvgPool):
    """Means of `output_size` windows that cover the last axis evenly."""

    def forward(self, x: Any) -> Any:
        return F.adaptive_avg_pool1d(x, self.output_size)


class AdaptiveAvgPool2d(AdaptiveAvgPool):
    """Means of `output_size` windows that cover the last two axes evenly. Size 1 is the mean of a whole image."""

    def forward(self, x: Any) -> Any:
        return F.adaptive_avg_pool2d(x, self.output_size)
