"""The elementary functions beside those of `elementwise`: logarithms, trigonometric and hyperbolic functions, clip."""

from __future__ import annotations

import math
from typing import Any

from ..errors import DTypeError
from ..op import Array, Vertex, apply
from .elementwise import exp, maximum, minimum, positive, reciprocal, sign, sqrt, square, where
from .elementwise_op import Binary, Elementwise, Unary, lift

LN2, LN10 = math.log(2.0), math.log(10.0)


class Function(Unary):
    """A function of one real number, computed by the array library."""

    floating = True


class Expm1(Function):
    r"""z = exp(x) - 1, exact near 0,   dz/dx = z + 1"""

    ufunc = "expm1"
    c = "expm1({x})"
    derivatives = ("z + 1",)

    def vjp(self, g: Vertex, z: Vertex, x: Vertex) -> Any:
        return (g * (z + 1.0),)


class Log1p(Function):
    r"""z = log(1 + x), exact near 0,   dz/dx = 1/(1 + x)"""

    ufunc = "log1p"
    c = "log1p({x})"
    derivatives = ("1/(1 + x)",)

    def vjp(self, g: Vertex, z: Vertex, x: Vertex) -> Any:
        return (g / (x + 1.0),)


class Log2(Function):
    r"""z = log₂ x,   dz/dx = 1/(x ln 2)"""

    ufunc = "log2"
    c = "log2({x})"
    derivatives = ("1/(x*log(2))",)

    def vjp(self, g: Vertex, z: Vertex, x: Vertex) -> Any:
        return (g / (x * LN2),)


class Log10(Function):
    r"""z = log₁₀ x,   dz/dx = 1/(x ln 10)"""

    ufunc = "log10"
    c = "log10({x})"
    derivatives = ("1/(x*log(10))",)

    def vjp(self, g: Vertex, z: Vertex, x: Vertex) -> Any:
        return (g / (x * LN10),)


class Sin(Function):
    r"""z = sin x,   dz/dx = cos x"""

    ufunc = "sin"
    c = "sin({x})"
    derivatives = ("cos(x)",)

    def vjp(self, g: Vertex, z: Vertex, x: Vertex) -> Any:
        return (g * cos(x),)


class Cos(Function):
    r"""z = cos x,   dz/dx = -sin x"""

    ufunc = "cos"
    c = "cos({x})"
    derivatives = ("-sin(x)",)

    def vjp(self, g: Vertex, z: Vertex, x: Vertex) -> Any:
        return (-(g * sin(x)),)


class Tan(Function):
    r"""z = tan x,   dz/dx = 1 + z²"""

    ufunc = "tan"
    c = "tan({x})"
    derivatives = ("1 + z**2",)

    def vjp(self, g: Vertex, z: Vertex, x: Vertex) -> Any:
        return (g * (1.0 + z * z),)


class Asin(Function):
    r"""z = arcsin x,   dz/dx = 1/√(1 - x²)"""

    ufunc = "arcsin"
    c = "asin({x})"
    derivatives = ("1/sqrt(1 - x**2)",)

    def vjp(self, g: Vertex, z: Vertex, x: Vertex) -> Any:
        return (g / sqrt(1.0 - x * x),)


class Acos(Function):
    r"""z = arccos x,   dz/dx = -1/√(1 - x²)"""

    ufunc = "arccos"
    c = "acos({x})"
    derivatives = ("-1/sqrt(1 - x**2)",)

    def vjp(self, g: Vertex, z: Vertex, x: Vertex) -> Any:
        return (-(g / sqrt(1.0 - x * x)),)


class Atan(Function):
    r"""z = arctan x,   dz/dx = 1/(1 + x²)"""

    ufunc = "arctan"
    c = "atan({x})"
    derivatives = ("1/(1 + x**2)",)

    def vjp(self, g: Vertex, z: Vertex, x: Vertex) -> Any:
        return (g / (x * x + 1.0),)


class Sinh(Function):
    r"""z = sinh x,   dz/dx = cosh x"""

    ufunc = "sinh"
    c = "sinh({x})"
    derivatives = ("cosh(x)",)

    def vjp(self, g: Vertex, z: Vertex, x: Vertex) -> Any:
        return (g * cosh(x),)


class Cosh(Function):
    r"""z = cosh x,   dz/dx = sinh x"""

    ufunc = "cosh"
    c = "cosh({x})"
    derivatives = ("sinh(x)",)

    def vjp(self, g: Vertex, z: Vertex, x: Vertex) -> Any:
        return (g * sinh(x),)


class Asinh(Function):
    r"""z = arsinh x,   dz/dx = 1/√(x² + 1)"""

    ufunc = "arcsinh"
    c = "asinh({x})"
    derivatives = ("1/sqrt(x**2 + 1)",)

    def vjp(self, g: Vertex, z: Vertex, x: Vertex) -> Any:
        return (g / sqrt(x * x + 1.0),)


class Acosh(Function):
    r"""z = arcosh x,   dz/dx = 1/√(x² - 1)"""

    ufunc = "arccosh"
    c = "acosh({x})"
    derivatives = ("1/sqrt(x**2 - 1)",)

    def vjp(self, g: Vertex, z: Vertex, x: Vertex) -> Any:
        return (g / sqrt(x * x - 1.0),)


class Atanh(Function):
    r"""z = artanh x,   dz/dx = 1/(1 - x²)"""

    ufunc = "arctanh"
    c = "atanh({x})"
    derivatives = ("1/(1 - x**2)",)

    def vjp(self, g: Vertex, z: Vertex, x: Vertex) -> Any:
        return (g / (1.0 - x * x),)


class Atan2(Binary):
    r"""z = the angle of the point (y, x), with y first:   dz/dy = x/(x² + y²),   dz/dx = -y/(x² + y²)"""

    ufunc = "arctan2"
    c = "atan2({x}, {y})"
    floating = True
    derivatives = ("y/(x**2 + y**2)", "-x/(x**2 + y**2)")

    def vjp(self, g: Vertex, z: Vertex, x: Vertex, y: Vertex) -> Any:
        scaled = g / (square(x) + square(y))
        return scaled * y, -(scaled * x)


class Hypot(Binary):
    r"""z = √(x² + y²), without overflow on the way,   dz/dx = x/z,   dz/dy = y/z"""

    ufunc = "hypot"
    c = "hypot({x}, {y})"
    floating = True
    derivatives = ("x/z", "y/z")

    def vjp(self, g: Vertex, z: Vertex, x: Vertex, y: Vertex) -> Any:
        return g * (x / z), g * (y / z)


class Logaddexp(Binary):
    r"""z = log(exp x + exp y), without overflow on the way,   dz/dx = exp(x - z),   dz/dy = exp(y - z)"""

    ufunc = "logaddexp"
    c = ("{x} == {y} ? {x} + 0.6931471805599453"
         " : ({x} > {y} ? {x} : {y}) + log1p(exp(-fabs({x} - {y})))")
    floating = True
    derivatives = ("exp(x - z)", "exp(y - z)")

    def vjp(self, g: Vertex, z: Vertex, x: Vertex, y: Vertex) -> Any:
        # written with x - y rather than x - z, which would be nan where all three are infinite
        d = x - y
        return g * reciprocal(1.0 + exp(-d)), g * reciprocal(1.0 + exp(d))


class Copysign(Binary):
    r"""z = |x| with the sign of y,   dz/dx = sign(x) sign(y)"""

    ufunc = "copysign"
    c = "copysign({x}, {y})"
    floating = True
    derivatives = ("copysign(1, y)*sign(x)", "0")

    def vjp(self, g: Vertex, z: Vertex, x: Vertex, y: Vertex) -> Any:
        return g * (copysign(x * 0.0 + 1.0, y) * sign(x)), None


class Nextafter(Binary):
    r"""z = the next number after x towards y"""

    ufunc = "nextafter"
    c = "nextafter({x}, {y})"
    floating = True
    differentiable = False


class Clip(Elementwise):
    r"""z = x, but at least low and at most high,   dz/dx = 1 where low ≤ x ≤ high, else 0

    At a bound itself the gradient goes to x, as in PyTorch. Where low > high, z = high.
    """

    c = ("{low} != {low} ? {low} : {x} != {x} ? {x} : {high} != {high} || {x} >= {high} || {low} >= {high} ? {high}"
         " : {x} <= {low} ? {low} : {x}")  # of two equal zeros the one that NumPy gives
    operands = ("x", "low", "high")
    may_overwrite = (0,)
    derivatives = ("(x >= low)*(x <= high)", "(x < low)*(low < high)", "(x > high) + (low > high)*(x <= high)")

    def __call__(self, x: Vertex, /, min: Any = None, max: Any = None) -> Any:
        if min is None and max is None:
            return positive(x)
        bounds = [lift(-math.inf if min is None else min, x), lift(math.inf if max is None else max, x)]
        if x.dtype.kind != "f" and any(b.dtype.kind == "f" for b in bounds):
            if (min is not None and max is not None) or not isinstance(max if min is None else min, int):
                raise DTypeError(f"clip: the bounds of a tensor of {x.dtype} must be integers")
            return maximum(x, min) if max is None else minimum(x, max)
        return apply(self, self.admit(x, *bounds))

    def forward(self, xp: Any, x: Array, low: Array, high: Array, out: Array | None = None) -> Array:
        return xp.minimum(xp.maximum(x, low, out=out), high, out=out)

    def vjp(self, g: Vertex, z: Vertex, x: Vertex, low: Vertex, high: Vertex) -> Any:
        gx = where((x >= low) & (x <= high), g, 0.0)
        glow = where((x < low) & (low < high), g, 0.0) if low.requires_grad else None
        ghigh = where((x > high) | (low >= high) & (x < low), g, 0.0) if high.requires_grad else None
        return gx, glow, ghigh


expm1, log1p, log2, log10 = Expm1(), Log1p(), Log2(), Log10()
sin, cos, tan, asin, acos, atan, atan2 = Sin(), Cos(), Tan(), Asin(), Acos(), Atan(), Atan2()
sinh, cosh, asinh, acosh, atanh = Sinh(), Cosh(), Asinh(), Acosh(), Atanh()
hypot, logaddexp, copysign, nextafter, clip = Hypot(), Logaddexp(), Copysign(), Nextafter(), Clip()
