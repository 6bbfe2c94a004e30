"""Sorting along an axis. The gradient of a sorted list goes back to where each element came from."""

from __future__ import annotations

from typing import Any

from .. import dtypes
from ..errors import ShapeError
from ..op import Array, Op, Spec, Vertex, apply
from .indexing import take_along
from .shape import normalize_axis


class Sorting(Op):
    """What sort and argsort share. Equal elements keep their order, unless `stable=False` allows a quicker way.

    nan counts as the largest of all numbers, as in NumPy and PyTorch.
    """

    def __call__(self, x: Vertex, /, *, axis: int = -1, descending: bool = False, stable: bool = True) -> Any:
        if x.ndim == 0:
            raise ShapeError(f"{self.name} needs at least one axis")
        settings = {"axis": normalize_axis(axis, x.ndim), "descending": bool(descending), "stable": bool(stable)}
        return apply(self, (x,), settings)


def order_of(xp: Any, x: Array, axis: int, descending: bool, stable: bool) -> Array:
    """The indices that sort x."""
    kind = "stable" if stable else None
    if not descending:
        return xp.argsort(x, axis=axis, kind=kind)
    # of the reversed list, in ascending order, read from the back: so equal elements keep their order
    back = xp.argsort(xp.flip(x, axis), axis=axis, kind=kind)
    return x.shape[axis] - 1 - xp.flip(back, axis)


class Argsort(Sorting):
    r"""z = the indices that sort x along the axis: x[z_0] ≤ x[z_1] ≤ ..., or ≥ if descending; int64"""

    differentiable = False

    def infer(self, x: Spec, *, axis: int, descending: bool, stable: bool) -> Spec:
        return Spec(x.shape, dtypes.int64)

    def forward(self, xp: Any, x: Array, *, axis: int, descending: bool, stable: bool) -> Array:
        return order_of(xp, x, axis, descending, stable).astype(dtypes.int64, copy=False)


class Sort(Sorting):
    r"""z = x in ascending order along the axis, or descending;   dz_i/dx_j = 1 where x_j became z_i

    Among equal elements the gradient follows the stable order.
    """

    derivatives = ("permutation",)

    def infer(self, x: Spec, *, axis: int, descending: bool, stable: bool) -> Spec:
        return x

    def forward(self, xp: Any, x: Array, *, axis: int, descending: bool, stable: bool) -> Array:
        if not descending:
            return xp.sort(x, axis=axis, kind="stable" if stable else None)
        return xp.take_along_axis(x, order_of(xp, x, axis, descending, stable), axis=axis)

    def vjp(self, g: Vertex, z: Vertex, x: Vertex) -> Any:
        axis = z.attrs["axis"]
        order = argsort(x, axis=axis, descending=z.attrs["descending"])
        return (take_along(g, argsort(order, axis=axis), axis=axis),)  # the inverse of the permutation


sort, argsort = Sort(), Argsort()
