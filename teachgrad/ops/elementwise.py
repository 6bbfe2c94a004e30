"""Elementwise arithmetic: what happens to each element by itself. What all such ops share is in `elementwise_op`."""

from __future__ import annotations

import builtins
from typing import Any

import numpy as np

from .. import dtypes
from ..errors import DTypeError
from ..op import Array, Vertex, apply, beside
from .elementwise_op import Binary, Elementwise, Unary, lift


class Add(Binary):
    r"""z = x + y,   dz/dx = 1,   dz/dy = 1"""

    ufunc = "add"
    c = "{x} + {y}"
    c_kinds = "iuf"
    needs_values = False
    derivatives = ("1", "1")

    def vjp(self, g: Vertex, z: Vertex, x: Vertex, y: Vertex) -> Any:
        return g, g


class Subtract(Binary):
    r"""z = x - y,   dz/dx = 1,   dz/dy = -1"""

    ufunc = "subtract"
    c = "{x} - {y}"
    c_kinds = "iuf"
    kinds = "iuf"
    needs_values = False
    derivatives = ("1", "-1")

    def vjp(self, g: Vertex, z: Vertex, x: Vertex, y: Vertex) -> Any:
        return g, -g if y.requires_grad else None


class Multiply(Binary):
    r"""z = x y,   dz/dx = y,   dz/dy = x"""

    ufunc = "multiply"
    c = "{x} * {y}"
    c_kinds = "iuf"
    derivatives = ("y", "x")

    def vjp(self, g: Vertex, z: Vertex, x: Vertex, y: Vertex) -> Any:
        return g * y if x.requires_grad else None, g * x if y.requires_grad else None


class Divide(Binary):
    r"""z = x / y,   dz/dx = 1/y,   dz/dy = -z/y"""

    ufunc = "divide"
    c = "{x} / {y}"
    floating = True
    derivatives = ("1/y", "-z/y")

    def vjp(self, g: Vertex, z: Vertex, x: Vertex, y: Vertex) -> Any:
        gx = g / y
        return gx, -(gx * z) if y.requires_grad else None


class Negative(Unary):
    r"""z = -x,   dz/dx = -1"""

    ufunc = "negative"
    c = "-{x}"
    c_kinds = "iuf"
    kinds = "iuf"
    needs_values = False
    derivatives = ("-1",)

    def vjp(self, g: Vertex, z: Vertex, x: Vertex) -> Any:
        return (-g,)


class Positive(Unary):
    r"""z = x,   dz/dx = 1"""

    ufunc = "positive"
    c = "{x}"
    c_kinds = "iuf"
    kinds = "iuf"
    derivatives = ("1",)

    def vjp(self, g: Vertex, z: Vertex, x: Vertex) -> Any:
        return (g,)


class Square(Unary):
    r"""z = x²,   dz/dx = 2x"""

    ufunc = "square"
    c = "{x} * {x}"
    c_kinds = "iuf"
    kinds = "iuf"
    derivatives = ("2*x",)

    def vjp(self, g: Vertex, z: Vertex, x: Vertex) -> Any:
        return (g * (x * 2.0),)


class Reciprocal(Unary):
    r"""z = 1/x,   dz/dx = -z²"""

    ufunc = "reciprocal"
    c = "1 / {x}"
    floating = True
    derivatives = ("-z**2",)

    def vjp(self, g: Vertex, z: Vertex, x: Vertex) -> Any:
        return (-(g * (z * z)),)


class Power(Binary):
    r"""z = x^y,   dz/dx = y x^(y-1),   dz/dy = z log x

    The derivative for y is taken as 0 where x = 0, and is nan where x < 0 (the real power is not defined around
    it), as in PyTorch.
    """

    ufunc = "power"
    c = "pow({x}, {y})"
    kinds = "iuf"
    derivatives = ("y*x**(y - 1)", "z*log(x)")

    def __call__(self, x: Any, y: Any, /) -> Any:
        if isinstance(y, (int, float)) and isinstance(x, Vertex) and x.dtype.kind == "f":
            if y == 2:
                return square(x)
            if y == 1:
                return multiply(x, 1.0)
            if y == -1:
                return reciprocal(x)
        if isinstance(y, int) and y < 0 and isinstance(x, Vertex) and x.dtype.kind in "iu":
            raise DTypeError(f"power: an integer tensor to the negative power {y} is not an integer; "
                             "write tg.astype(x, tg.float32) ** y")
        return super().__call__(x, y)

    def vjp(self, g: Vertex, z: Vertex, x: Vertex, y: Vertex) -> Any:
        gx = gy = None
        if x.requires_grad:
            slope = y * power(x, y - 1)
            gx = g * where(equal(y, 0), 0.0, slope) if _may_be_zero(y) else g * slope
        if y.requires_grad:
            gy = g * where(equal(x, 0) & (y >= 0), 0.0, z * log(x))
        return gx, gy


def _may_be_zero(y: Vertex) -> builtins.bool:
    """Whether an exponent can be 0, where 0 * x**-1 must be 0 and not nan; a nonzero constant cannot."""
    data = y._data
    return not (isinstance(data, np.ndarray) and data.ndim == 0 and not y.requires_grad and data != 0)


class Abs(Unary):
    r"""z = |x|,   dz/dx = sign(x), and 0 at 0"""

    ufunc = "abs"
    c = "fabs({x})"
    kinds = "iuf"
    derivatives = ("sign(x)",)

    def vjp(self, g: Vertex, z: Vertex, x: Vertex) -> Any:
        return (g * sign(x),)


class Sign(Unary):
    r"""z = -1, 0 or 1 as x is negative, zero or positive (nan for nan),   dz/dx = 0"""

    ufunc = "sign"
    c = "{x} > 0 ? 1 : {x} < 0 ? -1 : {x} + 0"
    c_kinds = "if"
    kinds = "iuf"
    differentiable = False


class Exp(Unary):
    r"""z = exp(x),   dz/dx = z"""

    ufunc = "exp"
    c = "exp({x})"
    floating = True
    derivatives = ("z",)

    def vjp(self, g: Vertex, z: Vertex, x: Vertex) -> Any:
        return (g * z,)


class Log(Unary):
    r"""z = log(x), the natural logarithm,   dz/dx = 1/x"""

    ufunc = "log"
    c = "log({x})"
    floating = True
    derivatives = ("1/x",)

    def vjp(self, g: Vertex, z: Vertex, x: Vertex) -> Any:
        return (g / x,)


class Sqrt(Unary):
    r"""z = √x,   dz/dx = 1/(2z)"""

    ufunc = "sqrt"
    c = "sqrt({x})"
    floating = True
    derivatives = ("1/(2*z)",)

    def vjp(self, g: Vertex, z: Vertex, x: Vertex) -> Any:
        return (g / (z * 2.0),)


class Tanh(Unary):
    r"""z = tanh(x),   dz/dx = 1 - z²"""

    ufunc = "tanh"
    c = "tanh({x})"
    floating = True
    derivatives = ("1 - z**2",)

    def vjp(self, g: Vertex, z: Vertex, x: Vertex) -> Any:
        return (tanh_gradient(g, z),)


class TanhGradient(Binary):
    r"""z = x (1 - y²): the gradient x of tanh, whose value was y, pulled back;   dz/dx = 1 - y²,   dz/dy = -2 x y

    One op instead of three: the backward pass of a small network spends its time on calls.
    """

    c = "{x} * (1 - {y} * {y})"
    floating = True
    derivatives = ("1 - y**2", "-2*x*y")

    def forward(self, xp: Any, x: Array, y: Array, out: Array | None = None) -> Array:
        slope = xp.multiply(y, y)
        slope = xp.subtract(1, slope, out=slope if slope.ndim else None)
        return xp.multiply(x, slope, out=out)

    def vjp(self, g: Vertex, z: Vertex, x: Vertex, y: Vertex) -> Any:
        return tanh_gradient(g, y), g * (x * y) * -2.0 if y.requires_grad else None


class Maximum(Binary):
    r"""z = max(x, y),   dz/dx = 1 where x > y, 1/2 where x = y, else 0;   dz/dy the other way round"""

    ufunc = "maximum"
    c = "{x} > {y} || {x} != {x} ? {x} : {y}"
    kinds = "iuf"
    derivatives = ("(x > y) + (x == y)/2", "(y > x) + (x == y)/2")

    def vjp(self, g: Vertex, z: Vertex, x: Vertex, y: Vertex) -> Any:
        return _share(g, x > y, x, y)


class Minimum(Binary):
    r"""z = min(x, y),   dz/dx = 1 where x < y, 1/2 where x = y, else 0;   dz/dy the other way round"""

    ufunc = "minimum"
    c = "{x} < {y} || {x} != {x} ? {x} : {y}"
    kinds = "iuf"
    derivatives = ("(x < y) + (x == y)/2", "(y < x) + (x == y)/2")

    def vjp(self, g: Vertex, z: Vertex, x: Vertex, y: Vertex) -> Any:
        return _share(g, x < y, x, y)


def _share(g: Vertex, first: Vertex, x: Vertex, y: Vertex) -> tuple[Vertex, Vertex]:
    """Give the gradient to the winner, and half of it to each in a tie (the mean of the one-sided derivatives)."""
    half = g * 0.5
    tie = equal(x, y)
    return where(tie, half, where(first, g, 0.0)), where(tie, half, where(first, 0.0, g))


class Equal(Binary):
    r"""z = (x = y), as bool"""

    ufunc = "equal"
    c = "{x} == {y}"
    c_kinds = "biuf"
    result = dtypes.bool
    differentiable = False


class Where(Elementwise):
    r"""z = x where the condition holds, else y,   dz/dx = condition,   dz/dy = not condition"""

    c = "{condition} ? {x} : {y}"
    operands = ("condition", "x", "y")
    c_kinds = "biuf"
    may_overwrite = (2,)
    derivatives = ("", "condition", "1 - condition")

    def __call__(self, condition: Any, x: Any, y: Any, /) -> Any:
        if not isinstance(condition, Vertex) or condition.dtype.kind != "b":
            raise DTypeError("where takes a boolean tensor as its condition, such as x > 0")
        if isinstance(x, Vertex):
            y = lift(y, x)
        elif isinstance(y, Vertex):
            x = lift(x, y)
        else:
            kind = dtypes.promote(dtypes.of_python_scalar(x), dtypes.of_python_scalar(y))
            x, y = (beside(condition, np.asarray(value, kind)) for value in (x, y))
        if x.dtype != y.dtype:
            x, y = self.admit(x, y)
        return apply(self, (condition, x, y))

    def forward(self, xp: Any, condition: Array, x: Array, y: Array, out: Array | None = None) -> Array:
        if out is None:
            return xp.where(condition, x, y)
        xp.copyto(out, y)
        xp.copyto(out, x, where=condition)
        return out

    def vjp(self, g: Vertex, z: Vertex, condition: Vertex, x: Vertex, y: Vertex) -> Any:
        return (None, where(condition, g, 0.0) if x.requires_grad else None,
                where(condition, 0.0, g) if y.requires_grad else None)


add, subtract, multiply, divide = Add(), Subtract(), Multiply(), Divide()
negative, positive = Negative(), Positive()
square, reciprocal, power, abs, sign = Square(), Reciprocal(), Power(), Abs(), Sign()
exp, log, sqrt, tanh, tanh_gradient = Exp(), Log(), Sqrt(), Tanh(), TanhGradient()
maximum, minimum, equal, where = Maximum(), Minimum(), Equal(), Where()
