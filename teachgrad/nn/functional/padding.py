"""Putting a border around a tensor, and resizing it by repeating elements."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ...errors import SettingError, ShapeError
from ...op import apply
from ...ops.elementwise_op import lift
from ...ops.indexing import put_item, take
from ...ops.made import array_or_vertex
from ...ops.shape import broadcast_to, concat, flip
from .settings import per_axis

MODES = ("constant", "reflect", "replicate", "circular")


def pad(input: Any, pad: Sequence[int], mode: str = "constant", value: float = 0.0) -> Any:
    """x with elements before and after it; `pad` is (before, after) for the last axis, then for the one before, ...

    mode "constant" adds `value`; "reflect" mirrors without repeating the border element; "replicate" repeats that;
    "circular" goes on from the other end. Negative numbers cut off.
    """
    if mode not in MODES:
        raise SettingError(f"pad: mode is one of {', '.join(MODES)}, not {mode!r}")
    if len(pad) % 2 or len(pad) > 2 * input.ndim:
        raise ShapeError(f"pad: {tuple(pad)} must be pairs (before, after), for at most {input.ndim} axes")
    pairs = [(0, 0)] * (input.ndim - len(pad) // 2) + [(pad[i], pad[i + 1]) for i in range(len(pad) - 2, -1, -2)]
    input = cut(input, pairs)
    pairs = [(max(low, 0), max(high, 0)) for low, high in pairs]
    if mode == "constant":
        return surround(input, pairs, value)
    for axis, (low, high) in enumerate(pairs):
        if low or high:
            input = extend(input, axis, low, high, mode)
    return input


def cut(x: Any, pairs: Sequence[tuple[int, int]]) -> Any:
    """x without what negative padding takes off."""
    if all(low >= 0 and high >= 0 for low, high in pairs):
        return x
    for n, (low, high) in zip(x.shape, pairs, strict=True):
        if n + min(low, 0) + min(high, 0) < 0:
            raise ShapeError(f"pad: {pairs} cuts more off than the shape {x.shape} has")
    return x[tuple(slice(max(-low, 0), n + min(high, 0)) for n, (low, high) in zip(x.shape, pairs, strict=True))]


def surround(x: Any, pairs: Sequence[tuple[int, int]], value: float) -> Any:
    """x with a constant around it."""
    if not any(low or high for low, high in pairs):
        return x
    inner = tuple(slice(low, low + n) for n, (low, _) in zip(x.shape, pairs, strict=True))
    shape = tuple(n + low + high for n, (low, high) in zip(x.shape, pairs, strict=True))
    z = apply(put_item, (x,), {"index": inner, "shape": shape})
    if value == 0:
        return z
    return z + lift(array_or_vertex(border, (shape, inner, value, x.dtype), shape), x)


def border(shape: tuple[int, ...], inner: tuple[slice, ...], value: float, dtype: Any) -> Any:
    """An array with a constant around zeros."""
    array = np.full(shape, value, dtype)
    array[inner] = 0
    return array


def extend(x: Any, axis: int, low: int, high: int, mode: str) -> Any:
    """x with elements of its own before and after it along one axis."""
    n = x.shape[axis]
    limit = {"reflect": n - 1, "circular": n}.get(mode)
    if n == 0 or (limit is not None and max(low, high) > limit):
        raise ShapeError(f"pad: mode {mode!r} can add at most {limit or 0} elements along axis {axis} of length {n}, "
                         f"not {(low, high)}")

    def part(start: int, stop: int) -> Any:
        return x[(slice(None),) * axis + (slice(start, stop),)]

    def repeated(edge: Any, count: int) -> Any:
        return broadcast_to(edge, (*x.shape[:axis], count, *x.shape[axis + 1:]))

    if mode == "reflect":
        before, after = flip(part(1, low + 1), axis=axis), flip(part(n - 1 - high, n - 1), axis=axis)
    elif mode == "circular":
        before, after = part(n - low, n), part(0, high)
    else:
        before, after = repeated(part(0, 1), low), repeated(part(n - 1, n), high)
    return concat([p for p, count in ((before, low), (x, 1), (after, high)) if count], axis=axis)


def interpolate(input: Any, size: Any = None, scale_factor: Any = None, mode: str = "nearest") -> Any:
    """x (N, C, ...) with its spatial axes resized to `size`, or by `scale_factor`: z[i] = x[⌊i n / size⌋]

    Only mode "nearest" is there.
    """
    if mode != "nearest":
        raise SettingError(f"interpolate: only mode 'nearest' is there, not {mode!r}")
    axes = input.ndim - 2
    if axes < 1 or (size is None) == (scale_factor is None):
        raise SettingError("interpolate needs an input (N, C, ...), and either size or scale_factor")
    if size is not None:
        sizes = per_axis(size, axes, "size")
        steps = [n / m for n, m in zip(input.shape[2:], sizes, strict=True)]
    else:
        factors = scale_factor if isinstance(scale_factor, (tuple, list)) else (scale_factor,) * axes
        sizes = tuple(int(n * f) for n, f in zip(input.shape[2:], factors, strict=True))
        steps = [1 / f for f in factors]
    for axis, (n, m, step) in enumerate(zip(input.shape[2:], sizes, steps, strict=True), 2):
        if m < 1:
            raise ShapeError(f"interpolate: the size {sizes} must be positive")
        if m % n == 0 and step == n / m:
            count = m // n
            wide = (*input.shape[:axis + 1], 1, *input.shape[axis + 1:])
            repeated = (*input.shape[:axis + 1], count, *input.shape[axis + 1:])
            longer = (*input.shape[:axis], m, *input.shape[axis + 1:])
            input = broadcast_to(input.reshape(wide), repeated).reshape(longer)
        else:
            places = np.minimum(np.floor(np.arange(m) * np.float32(step)).astype(np.int64), n - 1)
            input = take(input, lift(places, input), axis=axis)
    return input
