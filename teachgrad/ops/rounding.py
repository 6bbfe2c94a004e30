"""Rounding, and division with remainder."""

from __future__ import annotations

from typing import Any, ClassVar

from ..op import Vertex
from .elementwise import positive
from .elementwise_op import Binary, Unary


class Rounding(Unary):
    """A step function: its derivative is 0 wherever it has one, so no gradient flows."""

    kinds = "iuf"
    differentiable = False


class Floor(Rounding):
    r"""z = the largest integer that is not above x"""

    ufunc = "floor"
    c = "floor({x})"


class Ceil(Rounding):
    r"""z = the smallest integer that is not below x"""

    ufunc = "ceil"
    c = "ceil({x})"


class Trunc(Rounding):
    r"""z = x rounded towards zero"""

    ufunc = "trunc"
    c = "trunc({x})"


class Round(Rounding):
    r"""z = the integer nearest to x; of two equally near ones the even one"""

    ufunc = "rint"
    c = "rint({x})"

    def __call__(self, x: Any, /) -> Any:
        return super().__call__(x) if not isinstance(x, Vertex) or x.dtype.kind == "f" else positive(x)


class FloorDivide(Binary):
    r"""z = floor(x / y)"""

    ufunc = "floor_divide"
    c = "floor({x} / {y})"
    c_kinds = ""  # the quotient is rounded before floor sees it
    c_whole: ClassVar = {"i": "{y} == 0 ? 0 : {y} == -1 ? -({type}){x} :"
                    " {x} / {y} - ({x} % {y} != 0 && ({x} < 0) != ({y} < 0))",
               "u": "{y} == 0 ? 0 : {x} / {y}"}
    kinds = "iuf"
    differentiable = False


class Remainder(Binary):
    r"""z = x - y floor(x / y), which has the sign of y,   dz/dx = 1,   dz/dy = -floor(x / y)"""

    ufunc = "remainder"
    c = "{x} - {y} * floor({x} / {y})"
    c_kinds = ""
    c_whole: ClassVar = {"i": "{y} == 0 || {y} == -1 ? 0 :"
                    " {x} % {y} + ({x} % {y} != 0 && ({x} < 0) != ({y} < 0) ? {y} : 0)",
               "u": "{y} == 0 ? 0 : {x} % {y}"}
    kinds = "iuf"
    derivatives = ("1", "-floor(x/y)")

    def vjp(self, g: Vertex, z: Vertex, x: Vertex, y: Vertex) -> Any:
        return g, -(g * floor_divide(x, y)) if y.requires_grad else None


floor, ceil, trunc, round = Floor(), Ceil(), Trunc(), Round()
floor_divide, remainder = FloorDivide(), Remainder()
