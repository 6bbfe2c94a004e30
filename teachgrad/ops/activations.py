"""Activation functions: the elementwise ops between the layers of a network.

The gradients of the frequent ones are ops of their own, such as `sigmoid_gradient(g, z)`: one pass of few NumPy calls
in memory that is allocated once, instead of three or more vertices. Their own derivatives are made of ordinary ops.
Intermediate values stay in memory of their own, and only the last call writes to `out`: `out` may be an input.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..op import Array, Spec, Vertex, apply
from .comparison import greater
from .elementwise import Binary, Unary, exp, tanh, where
from .erf import erf_of
from .masks import keep_where

SQRT_HALF = math.sqrt(0.5)
NORMAL = 1.0 / math.sqrt(2.0 * math.pi)
"""The density of the normal distribution at 0."""
TANH_SCALE, TANH_CUBE = math.sqrt(2.0 / math.pi), 0.044715
"""The constants of the tanh form of gelu."""


class Activation(Unary):
    """An activation function. Its settings stand in its C expression by name."""

    floating = True
    may_overwrite = (0,)


class ActivationGradient(Binary):
    """The gradient of an activation, pulled back:   z = h f'(x)

    It is linear in h. A subclass says f'' in `curvature`, in teachgrad's ops.
    """

    floating = True
    may_overwrite = (0, 1)

    def infer(self, h: Spec, x: Spec, **settings: float) -> Spec:
        return Spec(np.broadcast_shapes(h.shape, x.shape), h.dtype)

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
    c = "{x} > 0 ? {x} : 0"
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

    def forward(self, xp: Any, h: Array, x: Array, out: Array | None = None) -> Array:
        return keep_where(xp, xp.greater(x, 0), h, out)

    def curvature(self, x: Any) -> Any:
        return None


class LeakyRelu(Activation):
    r"""z = x where x > 0, else slope · x,   dz/dx = 1 or slope"""

    c = "{x} > 0 ? {x} : {slope} * {x}"
    derivatives = ("where(x > 0, 1, slope)",)

    def __call__(self, x: Vertex, /, slope: float = 0.01) -> Any:
        return apply(self, self.admit(x), {"slope": float(slope)})

    def forward(self, xp: Any, x: Array, *, slope: float, out: Array | None = None) -> Array:
        lower = xp.multiply(x, slope)
        return (xp.maximum if slope <= 1.0 else xp.minimum)(x, lower, out=xp.asarray(lower) if out is None else out)

    def vjp(self, g: Vertex, z: Vertex, x: Vertex) -> Any:
        return (apply(leaky_relu_gradient, (g, x), z.attrs),)


class LeakyReluGradient(ActivationGradient):
    r"""z = h where x > 0, else slope · h"""

    c = "{y} > 0 ? {x} : {slope} * {x}"
    derivatives = ("where(y > 0, 1, slope)", "0")

    def forward(self, xp: Any, h: Array, x: Array, *, slope: float, out: Array | None = None) -> Array:
        above = xp.greater(x, 0)
        if 0.0 <= slope <= 1.0:  # max(1, slope) = 1 and max(0, slope) = slope: no choice element by element
            factor = above.astype(x.dtype)
            factor = xp.maximum(factor, slope, out=xp.asarray(factor))
        else:
            factor = xp.where(above, x.dtype.type(1), x.dtype.type(slope))
        return xp.multiply(h, factor, out=out)

    def curvature(self, x: Any) -> Any:
        return None


class Elu(Activation):
    r"""z = x where x > 0, else α (exp(x) - 1),   dz/dx = 1, or z + α"""

    c = "{x} > 0 ? {x} : {alpha} * expm1({x})"
    derivatives = ("where(x > 0, 1, z + alpha)",)

    def __call__(self, x: Vertex, /, alpha: float = 1.0) -> Any:
        return apply(self, self.admit(x), {"alpha": float(alpha)})

    def forward(self, xp: Any, x: Array, *, alpha: float, out: Array | None = None) -> Array:
        below = xp.asarray(xp.minimum(x, 0))
        xp.expm1(below, out=below)
        below *= alpha
        return xp.add(below, xp.maximum(x, 0), out=below if out is None else out)

    def vjp(self, g: Vertex, z: Vertex, x: Vertex) -> Any:
        return (g * where(greater(x, 0.0), 1.0, z + z.attrs["alpha"]),)


# ---- smooth ----------------------------------------------------------------------------------------------------------

def sigmoid_of(xp: Any, x: Array) -> Array:
    """1 / (1 + exp(-x)), in memory of its own."""
    z = xp.asarray(xp.negative(x))
    with np.errstate(over="ignore"):  # exp is infinite below -88 (float32), and 1 / (1 + infinity) is 0
        xp.exp(z, out=z)
    z += 1
    return xp.reciprocal(z, out=z)


class Sigmoid(Activation):
    r"""z = 1 / (1 + exp(-x)),   dz/dx = z (1 - z)"""

    c = "1 / (1 + exp(-{x}))"
    derivatives = ("z*(1 - z)",)

    def forward(self, xp: Any, x: Array, out: Array | None = None) -> Array:
        if out is None:
            return sigmoid_of(xp, x)
        xp.negative(x, out=out)
        with np.errstate(over="ignore"):
            xp.exp(out, out=out)
        xp.add(out, 1, out=out)
        return xp.reciprocal(out, out=out)

    def vjp(self, g: Vertex, z: Vertex, x: Vertex) -> Any:
        return (apply(sigmoid_gradient, (g, z)),)


class SigmoidGradient(Binary):
    r"""z = x y (1 - y): the gradient x of the sigmoid, whose value was y, pulled back"""

    c = "{x} * {y} * (1 - {y})"
    floating = True
    derivatives = ("y*(1 - y)", "x*(1 - 2*y)")
    may_overwrite = (0, 1)

    def forward(self, xp: Any, x: Array, y: Array, out: Array | None = None) -> Array:
        slope = xp.asarray(xp.subtract(1, y))
        slope *= y
        return xp.multiply(x, slope, out=slope if out is None else out)

    def vjp(self, g: Vertex, z: Vertex, x: Vertex, y: Vertex) -> Any:
        return apply(self, (g, y)), g * x * (1.0 - y * 2.0) if y.requires_grad else None


class Silu(Activation):
    r"""z = x σ(x),   dz/dx = σ (1 + x (1 - σ))   with σ = 1 / (1 + exp(-x)); also known as swish"""

    c = "{x} / (1 + exp(-{x}))"
    derivatives = ("sigmoid(x)*(1 + x*(1 - sigmoid(x)))",)

    def forward(self, xp: Any, x: Array, out: Array | None = None) -> Array:
        z = sigmoid_of(xp, x)
        return xp.multiply(z, x, out=z if out is None else out)

    def vjp(self, g: Vertex, z: Vertex, x: Vertex) -> Any:
        return (apply(silu_gradient, (g, x)),)


class SiluGradient(ActivationGradient):
    r"""z = h σ (1 + x (1 - σ))   with σ = sigmoid(x): the gradient of silu, pulled back"""

    c = "{x} / (1 + exp(-{y})) * (1 + {y} * (1 - 1 / (1 + exp(-{y}))))"
    derivatives = ("sigmoid(y)*(1 + y*(1 - sigmoid(y)))", "x*sigmoid(y)*(1 - sigmoid(y))*(2 + y*(1 - 2*sigmoid(y)))")

    def forward(self, xp: Any, h: Array, x: Array, out: Array | None = None) -> Array:
        s = sigmoid_of(xp, x)
        slope = xp.asarray(xp.subtract(1, s))
        slope *= x
        slope += 1
        slope *= s
        return xp.multiply(slope, h, out=slope if out is None else out)

    def curvature(self, x: Any) -> Any:
        s = sigmoid(x)
        return s * (1.0 - s) * (2.0 + x * (1.0 - s * 2.0))


class Gelu(Activation):
    r"""z = x Φ(x),   dz/dx = Φ(x) + x φ(x)   with Φ(x) = (1 + erf(x/√2)) / 2 and φ(x) = exp(-x²/2) / √(2π)

    Source: D. Hendrycks and K. Gimpel, "Gaussian error linear units" (2016).
    """

    c = "0.5 * {x} * (1 + erf({x} * 0.7071067811865476))"
    derivatives = ("(1 + erf(x/sqrt(2)))/2 + x*exp(-x**2/2)/sqrt(2*pi)",)

    def forward(self, xp: Any, x: Array, out: Array | None = None) -> Array:
        z = normal_below(xp, x)
        return xp.multiply(z, x, out=z if out is None else out)

    def vjp(self, g: Vertex, z: Vertex, x: Vertex) -> Any:
        return (apply(gelu_gradient, (g, x)),)


def normal_below(xp: Any, x: Array) -> Array:
    """Φ(x): how much of the normal distribution lies below x."""
    z = xp.asarray(erf_of(xp, xp.asarray(xp.multiply(x, SQRT_HALF))))
    z += 1
    z *= 0.5
    return z


class GeluGradient(ActivationGradient):
    r"""z = h (Φ(x) + x φ(x)): the gradient of gelu, pulled back"""

    c = "{x} * (0.5 * (1 + erf({y} * 0.7071067811865476)) + {y} * exp(-0.5 * {y} * {y}) * 0.3989422804014327)"
    derivatives = ("(1 + erf(y/sqrt(2)))/2 + y*exp(-y**2/2)/sqrt(2*pi)", "x*exp(-y**2/2)/sqrt(2*pi)*(2 - y**2)")

    def forward(self, xp: Any, h: Array, x: Array, out: Array | None = None) -> Array:
        slope = xp.asarray(xp.multiply(x, x))
        slope *= -0.5
        xp.exp(slope, out=slope)
        slope *= NORMAL
        slope *= x
        slope += normal_below(xp, x)
        return xp.multiply(slope, h, out=slope if out is None else out)

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

    def forward(self, xp: Any, x: Array, out: Array | None = None) -> Array:
        z = bent(xp, x)
        z += 1
        z *= 0.5
        return xp.multiply(z, x, out=z if out is None else out)

    def vjp(self, g: Vertex, z: Vertex, x: Vertex) -> Any:
        return (apply(gelu_tanh_gradient, (g, x)),)


def bent(xp: Any, x: Array) -> Array:
    """tanh of √(2/π) (x + 0.044715 x³), in memory of its own."""
    t = xp.asarray(xp.multiply(x, x))
    t *= TANH_SCALE * TANH_CUBE
    t += TANH_SCALE
    t *= x
    return xp.tanh(t, out=t)


class GeluTanhGradient(ActivationGradient):
    r"""z = h times the derivative of the tanh form of gelu at x, which is (1 + t)(1 + x (1 - t) u')/2"""

    c = ("0.5 * {x} * (1 + tanh(0.7978845608028654 * {y} * (1 + 0.044715 * {y} * {y})))"
         " * (1 + 0.7978845608028654 * {y} * (1 + 0.134145 * {y} * {y})"
         " * (1 - tanh(0.7978845608028654 * {y} * (1 + 0.044715 * {y} * {y}))))")
    derivatives = ("(1 + t)*(1 + y*(1 - t)*u1)/2", "x*((1 - t**2)*(u1 + y*u2/2 - y*t*u1**2))")

    def forward(self, xp: Any, h: Array, x: Array, out: Array | None = None) -> Array:
        t = bent(xp, x)
        slope = xp.asarray(xp.multiply(x, x))
        slope *= 3.0 * TANH_SCALE * TANH_CUBE
        slope += TANH_SCALE
        slope *= x
        slope *= xp.subtract(1, t)
        slope += 1
        t += 1
        slope *= t
        slope *= 0.5
        return xp.multiply(slope, h, out=slope if out is None else out)

    def curvature(self, x: Any) -> Any:
        square = x * x
        t = tanh(x * (square * (TANH_SCALE * TANH_CUBE) + TANH_SCALE))
        first = square * (3.0 * TANH_SCALE * TANH_CUBE) + TANH_SCALE
        return (1.0 - t * t) * (first + square * (3.0 * TANH_SCALE * TANH_CUBE) - x * t * first * first)


class Softplus(Activation):
    r"""z = log(1 + exp(βx)) / β, and x itself where βx > threshold,   dz/dx = 1 / (1 + exp(-βx)), or 1"""

    c = "{beta} * {x} > {threshold} ? {x} : (fmax({beta} * {x}, 0) + log1p(exp(-fabs({beta} * {x})))) / {beta}"
    derivatives = ("where(beta*x > threshold, 1, sigmoid(beta*x))",)

    def __call__(self, x: Vertex, /, beta: float = 1.0, threshold: float = 20.0) -> Any:
        return apply(self, self.admit(x), {"beta": float(beta), "threshold": float(threshold)})

    def forward(self, xp: Any, x: Array, *, beta: float, threshold: float, out: Array | None = None) -> Array:
        scaled = x if beta == 1.0 else xp.asarray(xp.multiply(x, beta))
        rest = xp.asarray(xp.abs(scaled))
        xp.negative(rest, out=rest)
        xp.exp(rest, out=rest)
        xp.log1p(rest, out=rest)
        if beta != 1.0:
            rest /= beta
        if threshold < math.inf:
            rest = keep_where(xp, scaled <= threshold, rest)
        return xp.add(rest, xp.maximum(x, 0) if beta > 0.0 else xp.minimum(x, 0), out=rest if out is None else out)

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
