"""Products, variances and standard deviations."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..errors import DTypeError
from ..op import Array, Spec, Vertex, apply
from .cumulative import cumulative_prod, shifted
from .elementwise import equal, sqrt, square, where
from .reductions import Axes, Reduction, mean, reduced_shape, sum, summable, unreduced
from .shape import flip, normalize_axes, permute_dims, reshape


class Prod(Reduction):
    r"""z = Π x over the axes,   dz/dx_j = the product of all the others

    The others are multiplied up from both sides, nothing is divided, so a zero among the x does no harm. Small integers
    and booleans are multiplied as int64 (unsigned ones as uint64), as the array API standard asks.
    """

    derivatives = ("product of the others",)

    def __call__(self, x: Vertex, /, *, axis: Axes = None, dtype: Any = None, keepdims: bool = False) -> Any:
        x = summable(x, dtype)
        return apply(self, (x,), {"axis": normalize_axes(axis, x.ndim), "keepdims": bool(keepdims)})

    def forward(self, xp: Any, x: Array, *, axis: tuple[int, ...], keepdims: bool, out: Array | None = None) -> Array:
        return xp.multiply.reduce(x, axis=axis, dtype=x.dtype, keepdims=keepdims, out=out)

    def vjp(self, g: Vertex, z: Vertex, x: Vertex) -> Any:
        axis = z.attrs["axis"]
        if not axis:
            return (g,)
        order = (*(i for i in range(x.ndim) if i not in axis), *axis)
        moved = permute_dims(x, order)
        lines = reshape(moved, (*moved.shape[:x.ndim - len(axis)], math.prod(moved.shape[x.ndim - len(axis):])))
        last = lines.ndim - 1
        before = shifted(cumulative_prod(lines, axis=last), last, 1)
        after = flip(shifted(cumulative_prod(flip(lines, axis=last), axis=last), last, 1), axis=last)
        others = permute_dims(reshape(before * after, moved.shape), tuple(int(i) for i in np.argsort(order)))
        return (unreduced(g, z, x) * others,)


class Spread(Reduction):
    """A measure of how far elements lie from their mean m: Σ (x - m)² / (n - correction), or its root."""

    def __call__(self, x: Vertex, /, *, axis: Axes = None, correction: float = 0.0, keepdims: bool = False) -> Any:
        if x.dtype.kind != "f":
            raise DTypeError(f"{self.name} of {x.dtype} is not an integer; write tg.astype(x, tg.float32) first")
        settings = {"axis": normalize_axes(axis, x.ndim), "correction": correction, "keepdims": bool(keepdims)}
        return apply(self, (x,), settings)

    def infer(self, x: Spec, *, axis: tuple[int, ...], keepdims: bool, correction: float = 0.0) -> Spec:
        return Spec(reduced_shape(x.shape, axis, keepdims), x.dtype)

    def deviation(self, z: Vertex, x: Vertex) -> tuple[Any, float]:
        """x - m, and n - correction."""
        axis = z.attrs["axis"]
        n = math.prod(x.shape[a] for a in axis)
        return x - mean(x, axis=axis, keepdims=True), n - z.attrs["correction"]

    def squares(self, z: Vertex, x: Vertex) -> Any:
        """Σ (x - m)² / (n - correction) made of simpler ops, or None where there are too few elements for a number."""
        deviation, n = self.deviation(z, x)
        if n <= 0:
            return None
        return sum(square(deviation), axis=z.attrs["axis"], keepdims=z.attrs["keepdims"]) / n


class Var(Spread):
    r"""z = Σ (x - m)² / (n - correction), with m the mean of the n elements,   dz/dx = 2 (x - m) / (n - correction)

    A correction of 1 makes it the unbiased estimate from a sample.
    """

    derivatives = ("2*(x - m)/(n - correction)",)

    def forward(self, xp: Any, x: Array, *, axis: tuple[int, ...], correction: float, keepdims: bool,
                out: Array | None = None) -> Array:
        return xp.var(x, axis=axis, ddof=correction, keepdims=keepdims, out=out)

    def parts(self, z: Vertex, x: Vertex) -> Any:
        return self.squares(z, x)

    def vjp(self, g: Vertex, z: Vertex, x: Vertex) -> Any:
        deviation, n = self.deviation(z, x)
        return (unreduced(g, z, x) * (deviation * (2.0 / n if n else math.inf)),)


class Std(Spread):
    r"""z = √(Σ (x - m)² / (n - correction)), with m the mean of the n elements

    dz/dx = (x - m) / (z (n - correction)), and 0 where z = 0: as for a norm, which has a corner there.
    """

    derivatives = ("(x - m)/(z*(n - correction))",)

    def forward(self, xp: Any, x: Array, *, axis: tuple[int, ...], correction: float, keepdims: bool,
                out: Array | None = None) -> Array:
        return xp.std(x, axis=axis, ddof=correction, keepdims=keepdims, out=out)

    def parts(self, z: Vertex, x: Vertex) -> Any:
        squares = self.squares(z, x)
        return None if squares is None else sqrt(squares)

    def vjp(self, g: Vertex, z: Vertex, x: Vertex) -> Any:
        deviation, n = self.deviation(z, x)
        safe = where(equal(z, 0.0), 1.0, z)  # where z is 0, so are all deviations
        return (unreduced(g, z, x) / unreduced(safe, z, x) * (deviation * (1.0 / n if n else math.inf)),)


prod, var, std = Prod(), Var(), Std()
