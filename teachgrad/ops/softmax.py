"""Softmax and its relatives along one axis: exponentials, divided by their sum.

All subtract the largest element first, which changes nothing but keeps exp from overflowing.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import DTypeError
from ..op import Array, Op, Spec, Vertex, apply
from .comparison import isfinite
from .elementwise import exp, log, multiply, where
from .reductions import Axes, Reduction, max, sum, unreduced
from .shape import normalize_axes, normalize_axis, reshape


class AlongAxis(Op):
    """An op that turns each line of x along one axis into a line of the same length."""

    writes_out = True

    def __call__(self, x: Vertex, /, axis: int = -1) -> Any:
        if x._data.dtype.kind != "f":
            raise DTypeError(f"{self.name} takes floating-point numbers, not {x.dtype}; use tg.astype(x, tg.float32)")
        return apply(self, (x,), {"axis": normalize_axis(axis, x.ndim)})

    def infer(self, x: Spec, *others: Spec, axis: int) -> Spec:
        return x


def shifted(xp: Any, x: Array, axis: int, out: Array | None) -> Array:
    """x minus its largest element along the axis."""
    return xp.asarray(xp.subtract(x, xp.maximum.reduce(x, axis=axis, keepdims=True, initial=-np.inf), out=out))


class Softmax(AlongAxis):
    r"""z_i = exp(x_i) / Σ_j exp(x_j) along the axis,   dz_i/dx_j = z_i (δ_ij - z_j)"""

    arithmetic = 5
    derivatives = ("z_i*(delta_ij - z_j)",)
    may_overwrite = (0,)

    def forward(self, xp: Any, x: Array, *, axis: int, out: Array | None = None) -> Array:
        z = shifted(xp, x, axis, out)
        xp.exp(z, out=z)
        z /= xp.add.reduce(z, axis=axis, keepdims=True)
        return z

    def parts(self, z: Vertex, x: Vertex) -> Any:
        e = exp(x - max(x, **z.attrs, keepdims=True))
        return e / sum(e, **z.attrs, keepdims=True)

    def vjp(self, g: Vertex, z: Vertex, x: Vertex) -> Any:
        return (apply(softmax_gradient, (g, z), z.attrs),)


class SoftmaxGradient(AlongAxis):
    r"""z = y (u - Σ_j g_j y_j) along the axis: the gradient u of softmax, whose value was y, pulled back"""

    arithmetic = 4
    derivatives = ("y_i*(delta_ij - y_j)", "")
    may_overwrite = (0,)

    def forward(self, xp: Any, u: Array, y: Array, *, axis: int, out: Array | None = None) -> Array:
        if axis == u.ndim - 1:
            total = xp.vecdot(u, y)[..., None]
        else:
            total = xp.add.reduce(xp.multiply(u, y), axis=axis, keepdims=True)
        z = xp.asarray(xp.subtract(u, total, out=out))
        z *= y
        return z

    def parts(self, z: Vertex, u: Vertex, y: Vertex) -> Any:
        return y * (u - sum(u * y, **z.attrs, keepdims=True))

    def vjp(self, g: Vertex, z: Vertex, u: Vertex, y: Vertex) -> Any:
        axis = z.attrs["axis"]
        gy = None
        if y.requires_grad:  # z_i = y_i g_i - y_i Σ_j g_j y_j
            total, seen = sum(u * y, axis=axis, keepdims=True), sum(g * y, axis=axis, keepdims=True)
            gy = g * (u - total) - u * seen
        return apply(self, (g, y), z.attrs), gy


class LogSoftmax(AlongAxis):
    r"""z_i = x_i - log Σ_j exp(x_j) along the axis,   dz_i/dx_j = δ_ij - exp(z_j)"""

    arithmetic = 5
    derivatives = ("delta_ij - exp(z_j)",)
    may_overwrite = (0,)

    def forward(self, xp: Any, x: Array, *, axis: int, out: Array | None = None) -> Array:
        z = shifted(xp, x, axis, out)
        z -= xp.log(xp.add.reduce(xp.exp(z), axis=axis, keepdims=True))
        return z

    def parts(self, z: Vertex, x: Vertex) -> Any:
        low = x - max(x, **z.attrs, keepdims=True)
        return low - log(sum(exp(low), **z.attrs, keepdims=True))

    def vjp(self, g: Vertex, z: Vertex, x: Vertex) -> Any:
        return (apply(log_softmax_gradient, (g, z), z.attrs),)


class LogSoftmaxGradient(AlongAxis):
    r"""z = u - exp(y) Σ_j g_j along the axis: the gradient u of log_softmax, whose value was y, pulled back"""

    arithmetic = 4
    derivatives = ("delta_ij - exp(y_i)", "-exp(y_i)*sum(u)")
    may_overwrite = (0, 1)

    def forward(self, xp: Any, u: Array, y: Array, *, axis: int, out: Array | None = None) -> Array:
        z = xp.asarray(xp.exp(y))
        z *= xp.add.reduce(u, axis=axis, keepdims=True)
        return xp.subtract(u, z, out=z if out is None else out)

    def parts(self, z: Vertex, u: Vertex, y: Vertex) -> Any:
        return u - exp(y) * sum(u, **z.attrs, keepdims=True)

    def vjp(self, g: Vertex, z: Vertex, u: Vertex, y: Vertex) -> Any:
        axis = z.attrs["axis"]
        weights = exp(y)
        gu = g - sum(g * weights, axis=axis, keepdims=True)
        return gu, -(g * weights * sum(u, axis=axis, keepdims=True)) if y.requires_grad else None


class Logsumexp(Reduction):
    r"""z = log Σ exp(x) along the axes, without overflow on the way,   dz/dx = exp(x - z)"""

    arithmetic = 4
    needs_elements = True
    derivatives = ("exp(x - z)",)

    def __call__(self, x: Vertex, /, axis: Axes = None, keepdims: bool = False) -> Any:
        if x._data.dtype.kind != "f":
            raise DTypeError(f"logsumexp takes floating-point numbers, not {x.dtype}; use tg.astype(x, tg.float32)")
        return apply(self, (x,), {"axis": normalize_axes(axis, x.ndim), "keepdims": bool(keepdims)})

    def forward(self, xp: Any, x: Array, *, axis: tuple[int, ...], keepdims: bool, out: Array | None = None) -> Array:
        top = xp.maximum.reduce(x, axis=axis, keepdims=True)
        top = xp.where(xp.isfinite(top), top, x.dtype.type(0))  # all -inf gives -inf, and any +inf gives +inf, not nan
        with np.errstate(divide="ignore"):
            z = xp.log(xp.add.reduce(xp.exp(xp.subtract(x, top)), axis=axis, keepdims=True))
        z = xp.add(z, top)
        z = z if keepdims else xp.squeeze(z, axis=axis)
        if out is None:
            return z
        out[...] = z
        return out

    def parts(self, z: Vertex, x: Vertex) -> Any:
        axis = z.attrs["axis"]
        top = max(x, axis=axis, keepdims=True)
        top = where(isfinite(top), top, 0.0)
        return reshape(log(sum(exp(x - top), axis=axis, keepdims=True)) + top, z.shape)

    def vjp(self, g: Vertex, z: Vertex, x: Vertex) -> Any:
        return (multiply(unreduced(g, z, x), exp(x - unreduced(z, z, x))),)


softmax, softmax_gradient = Softmax(), SoftmaxGradient()
log_softmax, log_softmax_gradient = LogSoftmax(), LogSoftmaxGradient()
logsumexp = Logsumexp()
