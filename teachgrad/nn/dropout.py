"""Dropout: setting values to 0 at random while training."""

from __future__ import annotations

from typing import Any

from ..errors import SettingError
from . import functional as F
from .module import Module


class RandomlyZero(Module):
    """What dropouts share."""

    def __init__(self, p: float = 0.5) -> None:
        super().__init__()
        if not 0.0 <= p <= 1.0:
            raise SettingError(f"p is a probability, not {p}")
        self.p = p

    def extra_repr(self) -> str:
        return f"p={self.p}"


class Dropout(RandomlyZero):
    r"""y = x m / (1 - p),   with each m independently 0 with probability p, else 1;   y = x in evaluation

    Source: N. Srivastava, G. Hinton, A. Krizhevsky, I. Sutskever, R. Salakhutdinov, "Dropout: a simple way to prevent
    neural networks from overfitting" (2014).
    """

    def forward(self, x: Any) -> Any:
        return F.dropout(x, self.p, self.training)


class Dropout1d(RandomlyZero):
    """As `Dropout`, for whole channels of x (N, C, L) or (C, L)"""

    def forward(self, x: Any) -> Any:
        return F.dropout1d(x, self.p, self.training)


class Dropout2d(RandomlyZero):
    """As `Dropout`, for whole channels of x (N, C, H, W) or (C, H, W)"""

    def forward(self, x: Any) -> Any:
        return F.dropout2d(x, self.p, self.training)
