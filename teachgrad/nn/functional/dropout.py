"""Dropout: setting elements to 0 at random while training, so that no unit can rely on another.

Source: N. Srivastava, G. Hinton, A. Krizhevsky, I. Sutskever, R. Salakhutdinov, "Dropout: a simple way to prevent
neural networks from overfitting" (2014).
"""

from __future__ import annotations

from typing import Any

from ... import random
from ...errors import SettingError, ShapeError
from ...ops.dropout import keep_scaled


def dropout(input: Any, p: float = 0.5, training: bool = True) -> Any:
    """x / (1 - p), but 0 with probability p, for each element by itself; x itself outside of training

    The expected value is x. The mask comes from `tg.random.bernoulli`, so it depends on the seed and the place of the
    call alone.
    """
    return dropped(input, p, training, input.shape)


def dropout1d(input: Any, p: float = 0.5, training: bool = True) -> Any:
    """As `dropout`, for whole channels of x (N, C, L) or (C, L)"""
    return dropped_channels(input, p, training, 1)


def dropout2d(input: Any, p: float = 0.5, training: bool = True) -> Any:
    """As `dropout`, for whole channels of x (N, C, H, W) or (C, H, W)"""
    return dropped_channels(input, p, training, 2)


def dropped_channels(input: Any, p: float, training: bool, axes: int) -> Any:
    if input.ndim not in (axes + 1, axes + 2):
        raise ShapeError(f"dropout{axes}d: the input {input.shape} must have {axes} spatial axes after the channels")
    return dropped(input, p, training, (*input.shape[:-axes], *[1] * axes))


def dropped(x: Any, p: float, training: bool, shape: tuple[int, ...]) -> Any:
    """Dropout with a mask of this shape, which broadcasts to that of x."""
    if not 0.0 <= p <= 1.0:
        raise SettingError(f"dropout: p is a probability, not {p}")
    if not training or p == 0.0:
        return x
    return keep_scaled(x, random.bernoulli(1.0 - p, shape, device=x.device), scale=1.0 / (1.0 - p) if p < 1.0 else 0.0)
