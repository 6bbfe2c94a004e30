"""Reading settings that may be one number for all axes, or one for each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ...errors import SettingError, ShapeError
from ...ops.shape import expand_dims, squeeze
from ...sizes import as_length

Sizes = int | tuple[int, ...] | list[int]


def per_axis(value: Sizes, axes: int, name: str) -> tuple[int, ...]:
    """One integer for each of the spatial axes."""
    if isinstance(value, (tuple, list)):
        if len(value) == 1:
            value = value[0]
        elif len(value) != axes:
            raise SettingError(f"{name} must be one number, or one for each of {axes} axes, not {value}")
        else:
            return tuple(as_length(v) for v in value)
    return (as_length(value),) * axes


def batched(input: Any, axes: int, name: str, compute: Callable[[Any], Any]) -> Any:
    """compute(input), for an input (images, channels, ...) or for a single (channels, ...)."""
    if input.ndim == axes + 1:
        return squeeze(compute(expand_dims(input, axis=0)), axis=0)
    if input.ndim != axes + 2:
        raise ShapeError(f"{name}: the input {input.shape} must be (images, channels, ...) with {axes} spatial axes, "
                         "or the same without the images")
    return compute(input)
