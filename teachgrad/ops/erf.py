"""The error function, which NumPy does not have.

float32:  erf x = tanh(x P(x²)), where P is a polynomial fitted to artanh(erf x)/x on [0, 4] so that the largest
          relative error of erf is least (weighted least squares, reweighted until the errors are level). tanh keeps
          the result within [-1, 1], is right beyond 4, and damps the rounding errors of its argument.
float64:  the rational approximations of W. J. Cody, "Rational Chebyshev approximations for the error function",
          Mathematics of Computation 23 (1969), for |x| ≤ 15/32 and above. Above 4 his second one is used further:
          there 1 - erf x < 2e-8, so it need not be exact.

Both are within a few units in the last place; the tests say how few.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..op import Array, Vertex
from .elementwise import exp
from .functions import Function
from .pieces import in_pieces

ARTANH = (1.1283792465, 0.102769870277, -1.95302187713e-4, -6.14825396686e-4, 8.45910188742e-5, -4.79341203152e-6,
          2.74555564656e-8, 5.42611907253e-9)
"""Coefficients of P, the constant one first."""

SPLIT = 0.46875
NEAR_OVER = (3.20937758913846947e3, 3.77485237685302021e2, 1.13864154151050156e2, 3.16112374387056560,
             1.85777706184603153e-1)
NEAR_UNDER = (2.84423683343917062e3, 1.28261652607737228e3, 2.44024637934444173e2, 2.36012909523441209e1, 1.0)
FAR_OVER = (1.23033935479799725e3, 2.05107837782607147e3, 1.71204761263407058e3, 8.81952221241769090e2,
            2.98635138197400131e2, 6.61191906371416295e1, 8.88314979438837594, 5.64188496988670089e-1,
            2.15311535474403846e-8)
FAR_UNDER = (1.23033935480374942e3, 3.43936767414372164e3, 4.36261909014324716e3, 3.29079923573345963e3,
             1.62138957456669019e3, 5.37181101862009858e2, 1.17693950891312499e2, 1.57449261107098347e1, 1.0)

SLOPE = 2.0 / math.sqrt(math.pi)
"""The derivative of erf at 0."""


def polynomial(xp: Any, coefficients: tuple[float, ...], x: Array) -> Array:
    """Σ c_k x^k by Horner's rule, in memory of its own."""
    z = xp.multiply(x, coefficients[-1], out=xp.empty_like(x))
    z += coefficients[-2]
    for c in coefficients[-3::-1]:
        z *= x
        z += c
    return z


def erf_of(xp: Any, z: Array, x: Array) -> None:
    """z = erf x for each element of an array of one of the floating-point types; z may be x."""
    if x.dtype.itemsize == 8:
        erf_double(xp, z, x)
    else:
        single = x.astype(xp.float32) if x.dtype.itemsize == 2 else x
        with np.errstate(over="ignore"):  # beyond 1e19 the square is infinite, and so, rightly, is the argument
            argument = polynomial(xp, ARTANH, xp.square(single, out=xp.empty_like(single)))
            argument *= single
        xp.tanh(argument, out=z, casting="same_kind")


def erf_double(xp: Any, z: Array, x: Array) -> None:
    """The same for float64: each element by the approximation for its size."""
    size = xp.minimum(xp.abs(x.reshape(-1)), 6.0)  # erf 6 is 1 in double precision
    values = xp.empty_like(size)
    near = size <= SPLIT
    a = size[near]
    t = xp.square(a)
    values[near] = a * (polynomial(xp, NEAR_OVER, t) / polynomial(xp, NEAR_UNDER, t))
    far = ~near
    a = size[far]
    values[far] = 1.0 - xp.exp(-a * a) * (polynomial(xp, FAR_OVER, a) / polynomial(xp, FAR_UNDER, a))
    xp.copysign(values.reshape(x.shape), x, out=z)


class Erf(Function):
    r"""z = erf x = 2/√π ∫₀ˣ exp(-t²) dt,   dz/dx = 2/√π exp(-x²)"""

    c = "erf({x})"
    derivatives = ("2/sqrt(pi)*exp(-x**2)",)
    may_overwrite = (0,)

    def forward(self, xp: Any, x: Array, out: Array | None = None) -> Array:
        return in_pieces(erf_of, xp, out, x)

    def vjp(self, g: Vertex, z: Vertex, x: Vertex) -> Any:
        return (g * (exp(-(x * x)) * SLOPE),)


erf = Erf()
