"""Normalization: mean 0 and variance 1, over the axes that the name says, then a scale and a shift that are learned."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ...errors import SettingError, ShapeError
from ...op import apply, modes
from ...ops.elementwise import reciprocal, sqrt
from ...ops.inplace import overwrite
from ...ops.normalization import moments, standardize
from ...ops.reductions import mean
from ...ops.shape import reshape
from ...ops.tuples import unpack
from ...ops.windows import images_first, images_last


def trailing_axes(name: str, input: Any, normalized_shape: Any) -> int:
    """How many axes `normalized_shape` has; it must be the shape of the last axes of the input."""
    shape = tuple(normalized_shape) if isinstance(normalized_shape, (tuple, list)) else (normalized_shape,)
    if not shape or input.shape[-len(shape):] != shape:
        raise ShapeError(f"{name}: the last axes of the input {input.shape} do not have the shape {shape}")
    return len(shape)


def layer_norm(input: Any, normalized_shape: Any, weight: Any = None, bias: Any = None, eps: float = 1e-5) -> Any:
    """(x - μ) / √(σ² + eps) · w + b,   μ and σ² of each item, over the last axes, whose shape is `normalized_shape`

    w and b have that shape. σ² is divided by n. Source: J. Ba, J. Kiros, G. Hinton, "Layer normalization" (2016).
    """
    return standardize(input, weight, bias, axes=trailing_axes("layer_norm", input, normalized_shape), epsilon=eps)


def rms_norm(input: Any, normalized_shape: Any, weight: Any = None, eps: float | None = None) -> Any:
    """x / √(mean(x²) + eps) · w,   the mean over the last axes, whose shape is `normalized_shape`

    eps is the machine epsilon of the dtype unless given.
    Source: B. Zhang and R. Sennrich, "Root mean square layer normalization" (2019).
    """
    epsilon = float(np.finfo(input.dtype).eps) if eps is None else eps
    axes = trailing_axes("rms_norm", input, normalized_shape)
    return standardize(input, weight, axes=axes, epsilon=epsilon, centred=False)


def per_channel(name: str, input: Any, **parts: Any) -> None:
    """Refuse parts that do not have one number for each channel."""
    if input.ndim < 2:
        raise ShapeError(f"{name}: the input {input.shape} must be (items, channels, ...)")
    for what, part in parts.items():
        if part is not None and part.shape != (input.shape[1],):
            raise ShapeError(f"{name}: {what} has shape {part.shape}, but the input {input.shape} has {input.shape[1]} "
                             "channels")


def batch_norm(input: Any, running_mean: Any, running_var: Any, weight: Any = None, bias: Any = None,
               training: bool = False, momentum: Any = 0.1, eps: float = 1e-5) -> Any:
    """(x - μ) / √(σ² + eps) · w + b,   for each channel (axis 1) of x (N, C, ...)

    In training, μ and σ² (divided by n) are those of the batch, and the running statistics, if given, are overwritten:
    r ← (1 - momentum) r + momentum · statistic, the variance divided by n - 1 there. Otherwise the running statistics
    stand for μ and σ². No gradient flows to them.
    Source: S. Ioffe and C. Szegedy, "Batch normalization" (2015).
    """
    per_channel("batch_norm", input, running_mean=running_mean, running_var=running_var, weight=weight, bias=bias)
    if not training:
        if running_mean is None or running_var is None:
            raise SettingError("batch_norm: without training=True it needs running_mean and running_var")
        shape = (-1, *[1] * (input.ndim - 2))
        scale = reciprocal(sqrt(running_var + eps))
        scale = scale if weight is None else scale * weight
        shift = running_mean * -scale if bias is None else bias - running_mean * scale
        return input * reshape(scale, shape) + reshape(shift, shape)
    if input.size == input.shape[1]:
        raise ShapeError(f"batch_norm: training needs more than one value for each channel, not {input.shape}")
    x = images_last(input)  # so that the values of a channel come after each other
    if running_mean is not None or running_var is not None:
        with modes(grad=False):
            follow(running_mean, running_var, unpack(apply(moments, (x,), {"axes": x.ndim - 1})), momentum)
    return images_first(standardize(x, weight, bias, axes=x.ndim - 1, epsilon=eps, per_line=True))


def follow(running_mean: Any, running_var: Any, seen: Sequence[Any], momentum: Any) -> None:
    """Move running statistics towards the mean and the variance that were seen."""
    for running, now in zip((running_mean, running_var), seen, strict=True):
        if running is not None:
            overwrite(running, running * (1.0 - momentum) + now * momentum)


def scaled(z: Any, weight: Any, bias: Any) -> Any:
    """z · w + b for each channel (axis 1)."""
    shape = (-1, *[1] * (z.ndim - 2))
    z = z if weight is None else z * reshape(weight, shape)
    return z if bias is None else z + reshape(bias, shape)


def group_norm(input: Any, num_groups: int, weight: Any = None, bias: Any = None, eps: float = 1e-5) -> Any:
    """(x - μ) / √(σ² + eps) · w + b,   μ and σ² of each item and group of channels of x (N, C, ...); w and b (C,)

    Source: Y. Wu and K. He, "Group normalization" (2018).
    """
    per_channel("group_norm", input, weight=weight, bias=bias)
    items, channels, *rest = input.shape
    if num_groups < 1 or channels % num_groups:
        raise ShapeError(f"group_norm: {channels} channels cannot be cut into {num_groups} equal groups")
    z = reshape(input, (items, num_groups, channels // num_groups, *rest))
    z = standardize(z, axes=z.ndim - 2, epsilon=eps)
    return scaled(reshape(z, input.shape), weight, bias)


def instance_norm(input: Any, running_mean: Any = None, running_var: Any = None, weight: Any = None, bias: Any = None,
                  use_input_stats: bool = True, momentum: Any = 0.1, eps: float = 1e-5) -> Any:
    """(x - μ) / √(σ² + eps) · w + b,   μ and σ² of each item and channel of x (N, C, ...); w and b (C,)

    Running statistics, if given, are averages over the items and are kept as in `batch_norm`; they are used without
    `use_input_stats`. Source: D. Ulyanov, A. Vedaldi, V. Lempitsky, "Instance normalization" (2016).
    """
    if not use_input_stats:
        return batch_norm(input, running_mean, running_var, weight, bias, False, momentum, eps)
    per_channel("instance_norm", input, running_mean=running_mean, running_var=running_var, weight=weight, bias=bias)
    axes = input.ndim - 2
    if input.size <= input.shape[0] * input.shape[1]:
        raise ShapeError(f"instance_norm needs more than one value for each item and channel, not {input.shape}")
    if running_mean is not None or running_var is not None:
        with modes(grad=False):
            seen = unpack(apply(moments, (input,), {"axes": axes}))
            follow(running_mean, running_var, [mean(part, axis=0) for part in seen], momentum)
    return scaled(standardize(input, axes=axes, epsilon=eps), weight, bias)
