"""Pooling: a window that slides over one or two axes and keeps one number of what it sees."""

from __future__ import annotations

from typing import Any

from . import functional as F
from .module import Module

Sizes = int | tuple[int, ...]


class Pool(Module):
    """What pooling layers share."""

    def __init__(self, kernel_size: Sizes, stride: Sizes | None = None, padding: Sizes = 0) -> None:
        super().__init__()
        self.kernel_size, self.padding = kernel_size, padding
        self.stride = kernel_size if stride is None else stride

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class MaxPool1d(Pool):
    """The largest of every `kernel_size` neighbours along the last axis, every `stride` (by default as many).

    x (N, C, L) or (C, L). Padding does not count.
    """

    def forward(self, x: Any) -> Any:
        return F.max_pool1d(x, self.kernel_size, self.stride, self.padding)


class MaxPool2d(Pool):
    """The largest in every window of `kernel_size`, every `stride` (by default side by side). Padding does not count.

    x (N, C, H, W) or (C, H, W); settings are numbers or pairs.
    """

    def forward(self, x: Any) -> Any:
        return F.max_pool2d(x, self.kernel_size, self.stride, self.padding)


class AvgPool(Pool):
    """What average pooling layers share."""

    def __init__(
        self, kernel_size: Sizes, stride: Sizes | None = None, padding: Sizes = 0, count_include_pad: bool = True
    ) -> None:
        super().__init__(kernel_size, stride, padding)
        self.count_include_pad = count_include_pad


class AvgPool1d(AvgPool):
    """The mean of every `kernel_size` neighbours along the last axis. Zeros of the padding count, if so chosen."""

    def forward(self, x: Any) -> Any:
        return F.avg_pool1d(x, self.kernel_size, self.stride, self.padding, count_include_pad=self.count_include_pad)


class AvgPool2d(AvgPool):
    """The mean of every window of `kernel_size`. Zeros of the padding count, if so chosen."""

    def forward(self, x: Any) -> Any:
        return F.avg_pool2d(x, self.kernel_size, self.stride, self.padding, count_include_pad=self.count_include_pad)


class AdaptiveAvgPool(Module):
    """What adaptive pooling layers share: the size of the result is given instead of that of the windows."""

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
