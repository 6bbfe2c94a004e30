"""Layers that shift and scale values to mean 0 and variance 1, then by what they have learnt."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

import teachgrad as tg

from ..errors import SettingError, ShapeError
from . import functional as F
from .module import Module


class FeatureNorm(Module):
    """What norms with statistics for each channel share: the learnt scale and shift, and running statistics.

    `weight` γ and `bias` β (num_features,) are there if `affine`; `running_mean`, `running_var` and
    `num_batches_tracked` if `track_running_stats`.
    """

    ndims: tuple[int, ...]
    weight: Any
    bias: Any
    running_mean: Any
    running_var: Any
    num_batches_tracked: Any

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.num_features, self.eps, self.momentum = num_features, eps, momentum
        self.affine, self.track_running_stats = affine, track_running_stats
        self.weight = tg.Parameter(tg.ones(num_features, dtype=dtype)) if affine else None
        self.bias = tg.Parameter(tg.zeros(num_features, dtype=dtype)) if affine else None
        for name, start in (("running_mean", tg.zeros), ("running_var", tg.ones)):
            self.register_buffer(name, start(num_features, dtype=dtype) if track_running_stats else None)
        self.register_buffer("num_batches_tracked", tg.tensor(np.array(0)) if track_running_stats else None)

    def reset_running_stats(self) -> None:
        """Begin the running statistics anew: mean 0, variance 1."""
        if self.track_running_stats:
            with tg.no_grad():
                self.running_mean.fill_(0.0)
                self.running_var.fill_(1.0)
                self.num_batches_tracked.fill_(0)

    def reset_parameters(self) -> None:
        """Begin everything anew: scale 1, shift 0."""
        self.reset_running_stats()
        with tg.no_grad():
            if self.affine:
                self.weight.fill_(1.0)
                self.bias.fill_(0.0)

    def check(self, x: Any) -> None:
        """Refuse an input of the wrong shape."""
        if x.ndim not in self.ndims:
            axes = " or ".join(map(str, self.ndims))
            raise ShapeError(f"{type(self).__name__} takes a tensor with {axes} axes, not one of shape {x.shape}")

    def extra_repr(self) -> str:
        return (
            f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, affine={self.affine}, "
            f"track_running_stats={self.track_running_stats}"
        )


class BatchNorm(FeatureNorm):
    """What batch norms share; see `BatchNorm1d`."""

    def forward(self, x: Any) -> Any:
        self.check(x)
        rate: Any = self.momentum
        if self.training and self.track_running_stats:
            with tg.no_grad():
                seen = self.num_batches_tracked
                seen += 1
                if rate is None:
                    rate = 1.0 / tg.astype(seen, x.dtype)
        return F.batch_norm(
            x,
            self.running_mean,
            self.running_var,
            self.weight,
            self.bias,
            self.training or not self.track_running_stats,
            rate,
            self.eps,
        )


class BatchNorm1d(BatchNorm):
    r"""y = γ (x - E x) / √(Var x + ε) + β,   with mean and variance of each channel over the batch

    x (N, C) or (N, C, L). In training the statistics are those of the batch (the variance divided by n), and running
    averages follow them: r ← (1 - momentum) r + momentum · statistic (the variance divided by n - 1); a momentum of
    None averages all batches equally. In evaluation the running averages are used instead.

    Source: S. Ioffe, C. Szegedy, "Batch normalization" (2015), algorithms 1 and 2.
    """

    ndims = (2, 3)


class BatchNorm2d(BatchNorm):
    r"""As `BatchNorm1d`, for images x (N, C, H, W): mean and variance of each channel over batch, height and width"""

    ndims = (4,)


class InstanceNorm(FeatureNorm):
    """What instance norms share; see `InstanceNorm1d`."""

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float = 0.1,
        affine: bool = False,
        track_running_stats: bool = False,
        dtype: Any = None,
    ) -> None:
        super().__init__(num_features, eps, momentum, affine, track_running_stats, dtype)

    def forward(self, x: Any) -> Any:
        self.check(x)
        single = x.ndim == min(self.ndims)
        y = F.instance_norm(
            tg.expand_dims(x, axis=0) if single else x,
            self.running_mean,
            self.running_var,
            self.weight,
            self.bias,
            self.training or not self.track_running_stats,
            self.momentum,
            self.eps,
        )
        return tg.squeeze(y, axis=0) if single else y


class InstanceNorm1d(InstanceNorm):
    r"""y = γ (x - E x) / √(Var x + ε) + β,   with mean and variance of each channel of each item

    x (N, C, L) or (C, L). γ and β are there only if `affine`, running statistics only if `track_running_stats`; they
    are then used in evaluation.

    Source: D. Ulyanov, A. Vedaldi, V. Lempitsky, "Instance normalization" (2016).
    """

    ndims = (2, 3)


class InstanceNorm2d(InstanceNorm):
    r"""As `InstanceNorm1d`, for images x (N, C, H, W) or (C, H, W)"""

    ndims = (3, 4)


def as_sizes(normalized_shape: int | Sequence[int]) -> tuple[int, ...]:
    """The lengths of the axes that a norm is taken over."""
    return (normalized_shape,) if isinstance(normalized_shape, int) else tuple(normalized_shape)


class LayerNorm(Module):
    r"""y = γ (x - E x) / √(Var x + ε) + β,   with mean and variance over the last axes, those of `normalized_shape`

    `weight` γ and `bias` β have that shape; `elementwise_affine` and `bias` say whether they are there.

    Source: J. Ba, J. Kiros, G. Hinton, "Layer normalization" (2016).
    """

    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.normalized_shape, self.eps = as_sizes(normalized_shape), eps
        self.elementwise_affine = elementwise_affine
        self.weight = tg.Parameter(tg.ones(self.normalized_shape, dtype=dtype)) if elementwise_affine else None
        self.bias = tg.Parameter(tg.zeros(self.normalized_shape, dtype=dtype)) if elementwise_affine and bias else None

    def forward(self, x: Any) -> Any:
        return F.layer_norm(x, self.normalized_shape, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        return f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}"


class RMSNorm(Module):
    r"""y = γ x / √(E x² + ε),   with the mean over the last axes, those of `normalized_shape`

    `weight` γ has that shape. An eps of None is the smallest step at 1 of x's dtype.

    Source: B. Zhang, R. Sennrich, "Root mean square layer normalization" (2019).
    """

    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        eps: float | None = None,
        elementwise_affine: bool = True,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.normalized_shape, self.eps = as_sizes(normalized_shape), eps
        self.elementwise_affine = elementwise_affine
        self.weight = tg.Parameter(tg.ones(self.normalized_shape, dtype=dtype)) if elementwise_affine else None

    def forward(self, x: Any) -> Any:
        return F.rms_norm(x, self.normalized_shape, self.weight, self.eps)

    def extra_repr(self) -> str:
        return f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}"


class GroupNorm(Module):
    r"""y = γ (x - E x) / √(Var x + ε) + β,   with mean and variance over groups of channels of each item

    x (N, num_channels, ...); the channels are divided into `num_groups`. `weight` γ and `bias` β (num_channels,) are
    there if `affine`.

    Source: Y. Wu, K. He, "Group normalization" (2018).
    """

    def __init__(
        self, num_groups: int, num_channels: int, eps: float = 1e-5, affine: bool = True, dtype: Any = None
    ) -> None:
        super().__init__()
        if num_channels % num_groups:
            raise SettingError(f"{num_channels} channels cannot be divided into {num_groups} groups")
        self.num_groups, self.num_channels, self.eps, self.affine = num_groups, num_channels, eps, affine
        self.weight = tg.Parameter(tg.ones(num_channels, dtype=dtype)) if affine else None
        self.bias = tg.Parameter(tg.zeros(num_channels, dtype=dtype)) if affine else None

    def forward(self, x: Any) -> Any:
        return F.group_norm(x, self.num_groups, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        return f"{self.num_groups}, {self.num_channels}, eps={self.eps}, affine={self.affine}"
