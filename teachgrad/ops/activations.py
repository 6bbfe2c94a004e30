"""Activation functions: the elementwise ops between the layers of a network.

The gradients of the frequent ones are ops of their own, such as `sigmoid_gradient(g, z)`: one vertex and a few NumPy
calls, instead of three or more vertices. Their own derivatives are made of ordinary ops.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..errors import SettingError
from ..op import Array, Vertex, apply
from .comparison import greater
from .elementwise import exp, tanh, where
from .elementwise_op import Binary, Unary
from .erf import erf_of
from .masks import keep_where
from .pieces import in_pieces

SQRT_HALF = math.sqrt(0.5)
NORMAL = 1.0 / math.sqrt(2.0 * math.pi)
"""The density of the normal distribution at 0."""
TANH_SCALE, TANH_CUBE = math.sqrt(2.0 / math.pi), 0.044715
"""The constants of the tanh form of gelu."""


class Activation(Unary):
    """An activation function. A subclass says in `compute` how z is computed; z may be x, and is written last.

    Its settings stand in its C expression by name.
    """

    floating = True
    may_overwrite = (0,)

    def forward(self, xp: Any, x: Array, out: Array | None = None, **settings: Any) -> Array:
        return in_pieces(self.compute, xp, out, x, **settings)

    def compute(self, xp: Any, z: Array, *inputs: Any, **settings: Any) -> None:
        """z = f(x), for some of the elements."""
        raise NotImplementedError


class ActivationGradient(Binary):
    """The gradient h of an activation, pulled back:   z = h f'(x)

    A subclass says in `compute` how z is computed, and in `curvature` what f'' is, in teachgrad's ops.
    """

    floating = True
    may_overwrite = (0, 1)

    def forward(self, xp: Any, h: Array, x: Array, out: Array | None = None, **settings: Any) -> Array:
        return in_pieces(self.compute, xp, out, h, x, **settings)

    def compute(self, xp: Any, z: Array, *inputs: Any, **settings: Any) -> None:
        """z = h f'(x), for some of the elements."""
        raise NotImplementedError

    def curvature(self, x: Any) -> Any:
        """f''(x), or None where it is 0 wherever it exists."""
        raise NotImplementedError

    def vjp(self, g: Vertex, z: Vertex, h: Vertex, x: Vertex) -> Any:
        bend = self.curvature(x) if x.requires_grad else None
        return apply(self, (g, x), z.attrs), g * h * bend if bend is not None else None


# ---- with a corner ---------------------------------------------------------------------------------------------------

class Relu(Unary):
    r"""z = max(x, 0),   dz/dx = 1 where x > 0, else 0"""

    kinds = "iuf"
    c = "{x} > 0 || {x} != {x} ? {x} : 0"  # 0 for -0, as NumPy's maximum has it
    c_kinds = "if"
    derivatives = ("x > 0",)
    may_overwrite = (0,)

    def forward(self, xp: Any, x: Array, out: Array | None = None) -> Array:
        return xp.maximum(x, 0, out=out)

    def vjp(self, g: Vertex, z: Vertex, x: Vertex) -> Any:
        return (apply(relu_gradient, (g, z)),)


class ReluGradient(ActivationGradient):
    r"""z = h where the value of relu was above 0, else 0"""

    c = "{y} > 0 ? {x} : 0"
    derivatives = ("y > 0", "0")

    def compute(self, xp: Any, z: Array, h: Array, x: Array) -> None:
        keep_where(xp, z, xp.greater(x, 0), h)

    def curvature(self, x: Any) -> Any:
        return None


class LeakyRelu(Activation):
    r"""z = x where x > 0, else slope · x,   dz/dx = 1 or slope"""

    c = "{x} > 0 ? {x} : {slope} * {x}"
    derivatives = ("where(x > 0, 1, slope)",)

    def __call__(self, x: Vertex, /, slope: float = 0.01) -> Any:
        return apply(self, self.admit(x), {"slope": float(slope)})

    def compute(self, xp: Any, z: Array, x: Array, *, slope: float) -> None:
        (xp.maximum if slope <= 1.0 else xp.minimum)(x, xp.multiply(x, slope), out=z)

    def vjp(self, g: Vertex, z: Vertex, x: Vertex) -> Any:
        return (apply(leaky_relu_gradient, (g, x), z.attrs),)


class LeakyReluGradient(ActivationGradient):
    r"""z = h where x > 0, else slope · h"""

    c = "{y} > 0 ? {x} : {slope} * {x}"
    derivatives = ("where(y > 0, 1, slope)", "0")

    def compute(self, xp: Any, z: Array, h: Array, x: Array, *, slope: float) -> None:
        above = xp.greater(x, 0)
        if 0.0 <= slope <= 1.0:  # max(1, slope) = 1 and max(0, slope) = slope: no choice element by element
            factor = xp.maximum(above.astype(x.dtype), slope)
        else:
            factor = xp.where(above, x.dtype.type(1), x.dtype.type(slope))
        xp.multiply(h, factor, out=z)

    def curvature(self, x: Any) -> Any:
        return None


class Elu(Activation):
    r"""z = x where x > 0, else α (exp(x) - 1),   dz/dx = 1, or z + α"""

    c = "{x} > 0 ? {x} : {alpha} * expm1({x}) + 0"  # 0 for -0, as a sum with max(x, 0)
    derivatives = ("where(x > 0, 1, z + alpha)",)

    def __call__(self, x: Vertex, /, alpha: float = 1.0) -> Any:
        return apply(self, self.admit(x), {"alpha": float(alpha)})

    def compute(self, xp: Any, z: Array, x: Array, *, alpha: float) -> None:
        below = xp.minimum(x, 0, out=xp.empty_like(x))
        xp.expm1(below, out=below)
        below *= alpha
        xp.add(below, xp.maximum(x, 0), out=z)

    def vjp(self, g: Vertex, z: Vertex, x: Vertex) -> Any:
        return (g * where(greater(x, 0.0), 1.0, z + z.attrs["alpha"]),)


# ---- smooth ----------------------------------------------------------------------------------------------------------

def sigmoid_of(xp: Any, z: Array, x: Array) -> Array:
    """z = 1 / (1 + exp(-x)), which may be computed over x."""
    xp.negative(x, out=z)
    with np.errstate(over="ignore"):  # exp is infinite below -88 (float32), and 1 / (1 + infinity) is 0
        xp.exp(z, out=z)
    z += 1
    return xp.reciprocal(z, out=z)


class Sigmoid(Activation):
    r"""z = 1 / (1 + exp(-x)),   dz/dx = z (1 - z)"""

    c = "1 / (1 + exp(-{x}))"
    derivatives = ("z*(1 - z)",)

    def compute(self, xp: Any, z: Array, x: Array) -> None:
        sigmoid_of(xp, z, x)

    def vjp(self, g: Vertex, z: Vertex, x: Vertex) -> Any:
        return (apply(sigmoid_gradient, (g, z)),)


class SigmoidGradient(Binary):
    r"""z = x y (1 - y): the gradient x of the sigmoid, whose value was y, pulled back"""

    c = "{x} * ((1 - {y}) * {y})"
    floating = True
    derivatives = ("y*(1 - y)", "x*(1 - 2*y)")
    may_overwrite = (0, 1)

    def forward(self, xp: Any, x: Array, y: Array, out: Array | None = None) -> Array:
        return in_pieces(self.compute, xp, out, x, y)

    def compute(self, xp: Any, z: Array, x: Array, y: Array) -> None:
        """z = x y (1 - y), for some of the elements."""
        slope = xp.subtract(1, y, out=xp.empty_like(y))
        slope *= y
        xp.multiply(x, slope, out=z)

    def vjp(self, g: Vertex, z: Vertex, x: Vertex, y: Vertex) -> Any:
        return apply(self, (g, y)), g * x * (1.0 - y * 2.0) if y.requires_grad else None


class Silu(Activation):
    r"""z = x σ(x),   dz/dx = σ (1 + x (1 - σ))   with σ = 1 / (1 + exp(-x)); also known as swish"""

    c = "{x} / (1 + exp(-{x}))"
    derivatives = ("sigmoid(x)*(1 + x*(1 - sigmoid(x)))",)

    def compute(self, xp: Any, z: Array, x: Array) -> None:
        xp.multiply(sigmoid_of(xp, xp.empty_like(x), x), x, out=z)

    def vjp(self, g: Vertex, z: Vertex, x: Vertex) -> Any:
        return (apply(silu_gradient, (g, x)),)


class SiluGradient(ActivationGradient):
    r"""z = h σ (1 + x (1 - σ))   with σ = sigmoid(x): the gradient of silu, pulled back"""

    c = "{x} / (1 + exp(-{y})) * (1 + {y} * (1 - 1 / (1 + exp(-{y}))))"
    derivatives = ("sigmoid(y)*(1 + y*(1 - sigmoid(y)))", "x*sigmoid(y)*(1 - sigmoid(y))*(2 + y*(1 - 2*sigmoid(y)))")

    def compute(self, xp: Any, z: Array, h: Array, x: Array) -> None:
        s = sigmoid_of(xp, xp.empty_like(x), x)
        slope = xp.subtract(1, s, out=xp.empty_like(s))
        slope *= x
        slope += 1
        slope *= s
        xp.multiply(slope, h, out=z)

    def curvature(self, x: Any) -> Any:
        s = sigmoid(x)
        return s * (1.0 - s) * (2.0 + x * (1.0 - s * 2.0))


class Gelu(Activation):
    r"""z = x Φ(x),   dz/dx = Φ(x) + x φ(x)   with Φ(x) = (1 + erf(x/√2)) / 2 and φ(x) = exp(-x²/2) / √(2π)

    Source: D. Hendrycks and K. Gimpel, "Gaussian error linear units" (2016).
    """

    c = "0.5 * {x} * (1 + erf({x} * 0.7071067811865476))"
    derivatives = ("(1 + erf(x/sqrt(2)))/2 + x*exp(-x**2/2)/sqrt(2*pi)",)

    def compute(self, xp: Any, z: Array, x: Array) -> None:
        xp.multiply(normal_below(xp, x), x, out=z)

    def vjp(self, g: Vertex, z: Vertex, x: Vertex) -> Any:
        return (apply(gelu_gradient, (g, x)),)


def normal_below(xp: Any, x: Array) -> Array:
    """Φ(x): how much of the normal distribution lies below x."""
    z = xp.multiply(x, SQRT_HALF, out=xp.empty_like(x))
    erf_of(xp, z, z)
    z += 1
    z *= 0.5
    return z


class GeluGradient(ActivationGradient):
    r"""z = h (Φ(x) + x φ(x)): the gradient of gelu, pulled back"""

    c = "{x} * (0.5 * (1 + erf({y} * 0.7071067811865476)) + {y} * exp(-0.5 * {y} * {y}) * 0.3989422804014327)"
    derivatives = ("(1 + erf(y/sqrt(2)))/2 + y*exp(-y**2/2)/sqrt(2*pi)", "x*exp(-y**2/2)/sqrt(2*pi)*(2 - y**2)")

    def compute(self, xp: Any, z: Array, h: Array, x: Array) -> None:
        slope = xp.multiply(x, x, out=xp.empty_like(x))
        slope *= -0.5
        xp.exp(slope, out=slope)
        slope *= NORMAL
        slope *= x
        slope += normal_below(xp, x)
        xp.multiply(slope, h, out=z)

    def curvature(self, x: Any) -> Any:
        square = x * x
        return exp(square * -0.5) * NORMAL * (2.0 - square)


class GeluTanh(Activation):
    r"""z = x (1 + t)/2,   dz/dx = (1 + t)/2 + x (1 - t²) u'/2
    with t = tanh u,   u = √(2/π) (x + 0.044715 x³),   u' = √(2/π) (1 + 0.134145 x²)

    The approximation of gelu that GPT-2 uses; it differs from gelu by at most 5e-4.
    Source: D. Hendrycks and K. Gimpel, "Gaussian error linear units" (2016).
    """

    c = "0.5 * {x} * (1 + tanh(0.7978845608028654 * {x} * (1 + 0.044715 * {x} * {x})))"
    derivatives = ("(1 + tanh(u))/2 + x*(1 - tanh(u)**2)*sqrt(2/pi)*(1 + 3*0.044715*x**2)/2",)

    def compute(self, xp: Any, z: Array, x: Array) -> None:
        t = bent(xp, x, xp.multiply(x, x, out=xp.empty_like(x)), xp.empty_like(x))
        t += 1
        t *= 0.5
        xp.multiply(t, x, out=z)

    def vjp(self, g: Vertex, z: Vertex, x: Vertex) -> Any:
        return (apply(gelu_tanh_gradient, (g, x)),)


def bent(xp: Any, x: Array, square: Array, t: Array) -> Array:
    """t = tanh of √(2/π) (x + 0.044715 x³)."""
    xp.multiply(square, TANH_SCALE * TANH_CUBE, out=t)
    t += TANH_SCALE
    t *= x
    return xp.tanh(t, out=t)


class GeluTanhGradient(ActivationGradient):
    r"""z = h times the derivative of the tanh form of gelu at x, which is (1 + t)(1 + x (1 - t) u')/2"""

    c = ("0.5 * {x} * (1 + tanh(0.7978845608028654 * {y} * (1 + 0.044715 * {y} * {y})))"
         " * (1 + 0.7978845608028654 * {y} * (1 + 0.134145 * {y} * {y})"
         " * (1 - tanh(0.7978845608028654 * {y} * (1 + 0.044715 * {y} * {y}))))")
    derivatives = ("(1 + t)*(1 + y*(1 - t)*u1)/2", "x*((1 - t**2)*(u1 + y*u2/2 - y*t*u1**2))")

    def compute(self, xp: Any, z: Array, h: Array, x: Array) -> None:
        slope = xp.multiply(x, x, out=xp.empty_like(x))
        t = bent(xp, x, slope, xp.empty_like(x))
        slope *= 3.0 * TANH_SCALE * TANH_CUBE
        slope += TANH_SCALE
        slope *= x
        slope *= xp.subtract(1, t)
        slope += 1
        t += 1
        slope *= t
        slope *= 0.5
        xp.multiply(slope, h, out=z)

    def curvature(self, x: Any) -> Any:
        square = x * x
        t = tanh(x * (square * (TANH_SCALE * TANH_CUBE) + TANH_SCALE))
        first = square * (3.0 * TANH_SCALE * TANH_CUBE) + TANH_SCALE
        return (1.0 - t * t) * (first + square * (3.0 * TANH_SCALE * TANH_CUBE) - x * t * first * first)


class Softplus(Activation):
    r"""z = log(1 + exp(βx)) / β, and x itself where βx > threshold,   dz/dx = 1 / (1 + exp(-βx)), or 1"""

    c = ("{beta} * {x} > {threshold} ? {x}"
         " : (({beta} * {x} > 0 ? {beta} * {x} : 0) + log1p(exp(-fabs({beta} * {x})))) / {beta}")
    derivatives = ("where(beta*x > threshold, 1, sigmoid(beta*x))",)

    def __call__(self, x: Vertex, /, beta: float = 1.0, threshold: float = 20.0) -> Any:
        return apply(self, self.admit(x), {"beta": float(beta), "threshold": float(threshold)})

    def compute(self, xp: Any, z: Array, x: Array, *, beta: float, threshold: float) -> None:
        scaled = x if beta == 1.0 else xp.multiply(x, beta)
        rest = xp.abs(scaled, out=xp.empty_like(x))
        xp.negative(rest, out=rest)
        xp.exp(rest, out=rest)
        xp.log1p(rest, out=rest)
        if beta != 1.0:
            rest /= beta
        if threshold < math.inf:
            keep_where(xp, rest, scaled <= threshold, rest)
        xp.add(rest, xp.maximum(x, 0) if beta > 0.0 else xp.minimum(x, 0), out=z)

    def vjp(self, g: Vertex, z: Vertex, x: Vertex) -> Any:
        beta, threshold = z.attrs["beta"], z.attrs["threshold"]
        scaled = x if beta == 1.0 else x * beta
        slope = sigmoid(scaled)
        if threshold < math.inf:
            slope = where(greater(scaled, threshold), 1.0, slope)
        return (g * slope,)


relu, relu_gradient, leaky_relu, leaky_relu_gradient = Relu(), ReluGradient(), LeakyRelu(), LeakyReluGradient()
elu, sigmoid, sigmoid_gradient, softplus = Elu(), Sigmoid(), SigmoidGradient(), Softplus()
silu, silu_gradient = Silu(), SiluGradient()
gelu, gelu_gradient, gelu_tanh, gelu_tanh_gradient = Gelu(), GeluGradient(), GeluTanh(), GeluTanhGradient()


def gelu_form(approximate: str) -> Activation:
    """The op for a name: "none" or "tanh"."""
    if approximate not in ("none", "tanh"):
        raise SettingError(f"gelu: approximate is 'none' or 'tanh', not {approximate!r}")
    return gelu if approximate == "none" else gelu_tanh
