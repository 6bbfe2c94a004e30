"""Running sums and products along an axis, and the linear recurrence that is the gradient of the latter."""

from __future__ import annotations

from typing import Any

from ..errors import ShapeError
from ..op import Array, Op, Spec, Vertex, apply
from .elementwise_op import lift
from .reductions import summable
from .shape import broadcast_to, concat, flip, normalize_axis


def along(axis: int, part: slice) -> tuple[slice, ...]:
    """The index of a part of one axis."""
    return (*(slice(None),) * axis, part)


def shifted(x: Any, axis: int, fill: int) -> Any:
    """x moved on by one along the axis, with `fill` at the front."""
    edge = broadcast_to(lift(fill, x), (*x.shape[:axis], min(1, x.shape[axis]), *x.shape[axis + 1:]))
    return concat([edge, x[along(axis, slice(0, max(0, x.shape[axis] - 1)))]], axis=axis)


class Cumulative(Op):
    """An op that folds each line along an axis from the front, keeping every step."""

    writes_out = True
    ufunc = ""
    start = 0
    """What the fold of nothing is."""

    def __call__(self, x: Vertex, /, *, axis: int | None = None, dtype: Any = None,
                 include_initial: bool = False) -> Any:
        if axis is None:
            if x.ndim != 1:
                raise ShapeError(f"{self.name} needs to be told the axis for a tensor of shape {x.shape}")
            axis = 0
        if x.ndim == 0:
            raise ShapeError(f"{self.name} needs at least one axis")
        x, axis = summable(x, dtype), normalize_axis(axis, x.ndim)
        z = apply(self, (x,), {"axis": axis})
        if not include_initial:
            return z
        return concat([broadcast_to(lift(self.start, x), (*x.shape[:axis], 1, *x.shape[axis + 1:])), z], axis=axis)

    def infer(self, x: Spec, *, axis: int) -> Spec:
        return x

    def forward(self, xp: Any, x: Array, *, axis: int, out: Array | None = None) -> Array:
        return getattr(xp, self.ufunc).accumulate(x, axis=axis, dtype=x.dtype, out=out)


class CumulativeSum(Cumulative):
    r"""z_i = x_0 + ... + x_i along the axis;   the gradient is the running sum from the back"""

    ufunc = "add"
    needs_values = False
    derivatives = ("1 for j <= i",)

    def vjp(self, g: Vertex, z: Vertex, x: Vertex) -> Any:
        axis = z.attrs["axis"]
        return (flip(apply(cumulative_sum, (flip(g, axis=axis),), z.attrs), axis=axis),)


class CumulativeProd(Cumulative):
    r"""z_i = x_0 x_1 ... x_i along the axis,   dz_i/dx_j = the product of all x up to i but for x_j

    The gradient is p_j h_j, with p_j the product of all x before j, and h_j = g_j + x_(j+1) h_(j+1) from the back:
    nothing is divided, so a zero among the x does no harm.
    """

    ufunc = "multiply"
    start = 1
    derivatives = ("product of x[:i+1] without x[j], for j <= i",)

    def vjp(self, g: Vertex, z: Vertex, x: Vertex) -> Any:
        axis = z.attrs["axis"]
        factors = shifted(flip(x, axis=axis), axis, 0)
        h = flip(apply(linear_scan, (factors, flip(g, axis=axis)), z.attrs), axis=axis)
        return (shifted(z, axis, 1) * h,)


class LinearScan(Op):
    r"""z_i = a_i z_(i-1) + b_i along the axis, with z_(-1) = 0

    With h_i = g_i + a_(i+1) h_(i+1) from the back:   dL/db_i = h_i,   dL/da_i = h_i z_(i-1).
    """

    derivatives = ("h*z[i-1]", "h")

    def infer(self, a: Spec, b: Spec, *, axis: int) -> Spec:
        return b

    def forward(self, xp: Any, a: Array, b: Array, *, axis: int) -> Array:
        z = xp.moveaxis(b.copy(), axis, 0)
        factors = xp.moveaxis(a, axis, 0)
        for i in range(1, len(z)):
            z[i] += factors[i] * z[i - 1]
        return xp.moveaxis(z, 0, axis)

    def vjp(self, g: Vertex, z: Vertex, a: Vertex, b: Vertex) -> Any:
        axis = z.attrs["axis"]
        factors = shifted(flip(a, axis=axis), axis, 0)
        h = flip(apply(linear_scan, (factors, flip(g, axis=axis)), z.attrs), axis=axis)
        return h * shifted(z, axis, 0) if a.requires_grad else None, h


cumulative_sum, cumulative_prod, linear_scan = CumulativeSum(), CumulativeProd(), LinearScan()
