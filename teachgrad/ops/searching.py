"""Where something is: the largest, the smallest, the place of a value in a sorted list. No gradient flows through."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from .. import dtypes
from ..dtypes import C_TYPES
from ..errors import DTypeError, ShapeError
from ..op import Array, Op, Spec, Vertex, apply
from .code import Code, index
from .elementwise_op import lift
from .shape import astype, normalize_axis, reshape


class ArgExtremum(Op):
    """The place of an extreme element along one axis, or among all elements in row-major order; int64."""

    differentiable = False
    find = sign = ""

    def __call__(self, x: Vertex, /, *, axis: int | None = None, keepdims: bool = False) -> Any:
        if axis is not None:
            return apply(self, (x,), {"axis": normalize_axis(axis, x.ndim), "keepdims": bool(keepdims)})
        place = apply(self, (reshape(x, (-1,)),), {"axis": 0, "keepdims": False})
        return reshape(place, (1,) * x.ndim) if keepdims else place

    def infer(self, x: Spec, *, axis: int, keepdims: bool) -> Spec:
        if x.ndim and x.shape[axis] == 0:
            raise ShapeError(f"{self.name} of no elements: shape {x.shape} is empty along axis {axis}")
        kept = (1,) if keepdims and x.ndim else ()
        return Spec((*x.shape[:axis], *kept, *x.shape[axis + 1:]), dtypes.int64)

    def forward(self, xp: Any, x: Array, *, axis: int, keepdims: bool) -> Array:
        found = getattr(xp, self.find)(x, axis=axis, keepdims=keepdims and x.ndim > 0)
        return xp.asarray(found, dtype=dtypes.int64)

    def c_body(self, z: Vertex, x: Vertex) -> str:
        shape = x.shape or (1,)
        n, inner = shape[z.attrs["axis"]], prod(shape[z.attrs["axis"] + 1:])
        better = f"element {self.sign} best"
        if x.dtype.kind == "f":
            better += " || (element != element && best == best)"
        code = Code()
        code.put("/* where the first of the extreme elements is; a nan is more extreme than all numbers */")
        with code.loop("i", z.size // inner) as i, code.loop("j", inner) as j:
            target, first = index((inner, i), (1, j)), index((n * inner, i), (1, j))
            code.put(f"{C_TYPES[x.dtype]} best = x[{first}];", f"z[{target}] = 0;")
            with code.loop("k", n, start="1") as k:
                code.put(f"const {C_TYPES[x.dtype]} element = x[{index((n * inner, i), (inner, k), (1, j))}];")
                with code.block(f"if ({better})"):
                    code.put("best = element;", f"z[{target}] = {k};")
        return code.text()


class Argmax(ArgExtremum):
    r"""z = the index of the largest x along the axis, the first of several"""

    find, sign = "argmax", ">"


class Argmin(ArgExtremum):
    r"""z = the index of the smallest x along the axis, the first of several"""

    find, sign = "argmin", "<"


class Searchsorted(Op):
    r"""z = where the values x2 belong in the sorted list x1:   x1[z-1] < x2 ≤ x1[z]

    For side="right" it is x1[z-1] ≤ x2 < x1[z]. `sorter`, if given, are the indices that sort x1 (from `argsort`).
    """

    differentiable = False

    def __call__(self, x1: Vertex, x2: Any, /, *, side: str = "left", sorter: Vertex | None = None) -> Any:
        if side not in ("left", "right"):
            raise ShapeError(f"searchsorted: side is \"left\" or \"right\", not {side!r}")
        if x1.ndim != 1:
            raise ShapeError(f"searchsorted looks in a list with one axis, not in shape {x1.shape}")
        x2 = lift(x2, x1)
        dtype = dtypes.promote(x1.dtype, x2.dtype)
        inputs = [astype(x1, dtype, copy=False), astype(x2, dtype, copy=False)]
        if sorter is not None:
            if sorter.dtype.kind not in "iu" or sorter.shape != x1.shape:
                raise DTypeError(f"searchsorted: the sorter must be {x1.shape[0]} integers, as argsort gives, not "
                                 f"{sorter.dtype}{list(sorter.shape)}")
            inputs.append(sorter)
        return apply(self, tuple(inputs), {"side": side})

    def infer(self, x1: Spec, x2: Spec, *sorter: Spec, side: str) -> Spec:
        return Spec(x2.shape, dtypes.int64)

    def forward(self, xp: Any, x1: Array, x2: Array, *sorter: Array, side: str) -> Array:
        order = sorter[0].astype(np.intp) if sorter else None
        return xp.asarray(xp.searchsorted(x1, x2, side=side, sorter=order), dtype=dtypes.int64)


argmax, argmin, searchsorted = Argmax(), Argmin(), Searchsorted()
