"""Questions to many elements at once: all, any, how many. No gradient flows through them."""

from __future__ import annotations

from typing import Any

from .. import dtypes
from ..op import Array, Spec
from .reductions import Reduction, reduced_shape


class Question(Reduction):
    """A reduction of truth values; a number counts as true if it is not zero (nan is not)."""

    differentiable = False
    result: dtypes.DType = dtypes.bool

    def infer(self, x: Spec, *, axis: tuple[int, ...], keepdims: bool) -> Spec:
        return Spec(reduced_shape(x.shape, axis, keepdims), self.result)


class AllTrue(Question):
    r"""z = every x along the axes is true; of nothing, true"""

    name = "all"

    def forward(self, xp: Any, x: Array, *, axis: tuple[int, ...], keepdims: bool, out: Array | None = None) -> Array:
        return xp.all(x, axis=axis, keepdims=keepdims, out=out)


class AnyTrue(Question):
    r"""z = some x along the axes is true; of nothing, false"""

    name = "any"

    def forward(self, xp: Any, x: Array, *, axis: tuple[int, ...], keepdims: bool, out: Array | None = None) -> Array:
        return xp.any(x, axis=axis, keepdims=keepdims, out=out)


class CountNonzero(Question):
    r"""z = how many x along the axes are not zero"""

    result = dtypes.int64

    def forward(self, xp: Any, x: Array, *, axis: tuple[int, ...], keepdims: bool, out: Array | None = None) -> Array:
        return xp.add.reduce(x != 0, axis=axis, keepdims=keepdims, dtype=dtypes.int64, out=out)


all, any, count_nonzero = AllTrue(), AnyTrue(), CountNonzero()
