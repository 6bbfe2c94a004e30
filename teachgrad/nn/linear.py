"""Affine maps, and the layer that does nothing."""

from __future__ import annotations

from math import sqrt
from typing import Any

import teachgrad as tg

from . import functional as F
from . import init
from .module import Module


class Identity(Module):
    """y = x. Takes and ignores any arguments, so that it can stand in for another layer."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__()

    def forward(self, x: Any) -> Any:
        return x


class Linear(Module):
    r"""y = x Wᵀ + b,   x (..., in_features), y (..., out_features)

    `weight` is W (out_features, in_features), `bias` b (out_features,). Both start evenly between ±1/√in_features.
    """

    def __init__(self, in_features: int, out_features: int, bias: bool = True, dtype: Any = None) -> None:
        super().__init__()
        self.in_features, self.out_features = in_features, out_features
        self.weight = tg.Parameter(tg.empty((out_features, in_features), dtype=dtype))
        self.bias = tg.Parameter(tg.empty(out_features, dtype=dtype)) if bias else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw new initial values."""
        bound = 1.0 / sqrt(self.in_features) if self.in_features else 0.0
        init.uniform_(self.weight, -bound, bound)
        if self.bias is not None:
            init.uniform_(self.bias, -bound, bound)

    def forward(self, x: Any) -> Any:
        return F.linear(x, self.weight, self.bias)

    def extra_repr(self) -> str:
        return f"in_features={self.in_features}, out_features={self.out_features}, bias={self.bias is not None}"


class Bilinear(Module):
    r"""y_k = xᵀ W_k z + b_k,   x (..., in1_features), z (..., in2_features), y (..., out_features)

    `weight` is W (out_features, in1_features, in2_features), `bias` b (out_features,). Both start evenly between
    ±1/√in1_features.
    """

    def __init__(
        self, in1_features: int, in2_features: int, out_features: int, bias: bool = True, dtype: Any = None
    ) -> None:
        super().__init__()
        self.in1_features, self.in2_features, self.out_features = in1_features, in2_features, out_features
        self.weight = tg.Parameter(tg.empty((out_features, in1_features, in2_features), dtype=dtype))
        self.bias = tg.Parameter(tg.empty(out_features, dtype=dtype)) if bias else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw new initial values."""
        bound = 1.0 / sqrt(self.in1_features)
        init.uniform_(self.weight, -bound, bound)
        if self.bias is not None:
            init.uniform_(self.bias, -bound, bound)

    def forward(self, x: Any, z: Any) -> Any:
        return F.bilinear(x, z, self.weight, self.bias)

    def extra_repr(self) -> str:
        return (
            f"in1_features={self.in1_features}, in2_features={self.in2_features}, out_features={self.out_features}, "
            f"bias={self.bias is not None}"
        )


class Flatten(Module):
    """The axes start_axis ... end_axis made into one: (N, C, H, W) becomes (N, C·H·W)."""

    def __init__(self, start_axis: int = 1, end_axis: int = -1) -> None:
        super().__init__()
        self.start_axis, self.end_axis = start_axis, end_axis

    def forward(self, x: Any) -> Any:
        return F.flatten(x, self.start_axis, self.end_axis)

    def extra_repr(self) -> str:
        return f"start_axis={self.start_axis}, end_axis={self.end_axis}"
