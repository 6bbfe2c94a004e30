"""Normalization: subtract the mean and divide by the standard deviation, over the last axes.

Layer, batch, group, instance and root-mean-square normalization are this one op; they differ in what they bring to the
last axes. x is taken as a matrix with one line for each mean. With x̂ the normalized x, r = 1/√(σ² + ε) and h = g w,
all means along the line, the gradient for x is

    r P h   with   P h = h - mean(h) - x̂ mean(h x̂)

P is symmetric, so the gradient of this gradient is made of the same op again.
Source: S. Ioffe and C. Szegedy, "Batch normalization" (2015); J. Ba, J. Kiros, G. Hinton, "Layer normalization" (2016);
B. Zhang and R. Sennrich, "Root mean square layer normalization" (2019).
"""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import Any

from ..errors import DTypeError, ShapeError
from ..op import Array, Op, Shape, Spec, Vertex, apply
from .elementwise import reciprocal, sqrt, square
from .reductions import mean, sum
from .shape import astype, broadcast_to, reshape, sum_to
from .tuples import unpack


def as_lines(xp: Any, x: Array, axes: int) -> Array:
    """x as a matrix, one line for each mean."""
    return xp.ascontiguousarray(x).reshape(-1, prod(x.shape[x.ndim - axes:]))


def line_sums(xp: Any, lines: Array, weights: Array | None = None) -> Array:
    """Σ along each line, weighted: a product with a vector, which is faster than a sum over short lines."""
    return xp.matmul(lines, xp.ones(lines.shape[1], lines.dtype) if weights is None else weights)


def centre(xp: Any, x: Array, axes: int, epsilon: float, centred: bool) -> tuple[Array, Array]:
    """x minus its mean as a matrix of lines, and r = 1/√(σ² + ε) of each. Not `centred`, the first may be x itself."""
    lines = as_lines(xp, x, axes)
    n = lines.shape[1]
    c = xp.subtract(lines, (line_sums(xp, lines) / n)[:, None]) if centred else lines
    return c, 1 / xp.sqrt(xp.vecdot(c, c) / n + epsilon)


def project(xp: Any, h: Array, c: Array, along: Array, r: Array) -> Array:
    """h becomes r (h - x̂ mean(h x̂)), for h whose mean is taken off; c is the centred x, and `along` Σ h c."""
    h -= c * (r * r * along / c.shape[1])[:, None]
    h *= r[:, None]
    return h


class Standardize(Op):
    r"""z = (x - μ) / √(σ² + ε) · w + b,   μ and σ² the mean and the variance of x over the last axes

    dL/dx = r P(g w)  (see the module's text),   dL/dw = Σ g x̂,   dL/db = Σ g.   `axes` is how many axes are averaged
    over; without `centred`, μ is taken as 0. w and b belong to places in the last axes (layer norm) and have their
    shape; or, with `per_line`, to places in the other axes (batch norm). They may be left out.
    """

    arithmetic = 7
    writes_out = True
    derivatives = ("r*(h - mean(h) - xhat*mean(h*xhat)), h = g*w", "xhat", "1")

    def __call__(self, x: Vertex, weight: Vertex | None = None, bias: Vertex | None = None, /, *, axes: int = 1,
                 epsilon: float = 1e-5, centred: bool = True, per_line: bool = False) -> Any:
        if x._data.dtype.kind != "f":
            raise DTypeError(f"normalization takes floating-point numbers, not {x.dtype}; use tg.astype(x, tg.float32)")
        settings = {"axes": axes, "epsilon": float(epsilon), "centred": centred, "per_line": per_line}
        shape = weight_shape(x.shape, axes, per_line)
        for part, what in ((weight, "weight"), (bias, "bias")):
            if part is not None and part.shape != shape:
                raise ShapeError(f"normalization of {x.shape}: the {what} has shape {part.shape}, not {shape}")
        if weight is None:
            z = apply(self, (x,), settings)
            return z if bias is None else z + reshape(bias, broadcast_shape(x.shape, axes, per_line))
        parts = (weight,) if bias is None else (weight, bias)
        return apply(self, (x, *[astype(part, x.dtype, copy=False) for part in parts]), settings)

    def infer(self, x: Spec, *parts: Spec, **settings: Any) -> Spec:
        return x

    def forward(self, xp: Any, x: Array, *parts: Array, per_line: bool, out: Array | None = None,
                **settings: Any) -> Array:
        c, scale = centre(xp, x, **settings)
        if per_line and parts:
            scale *= parts[0].reshape(-1)
        own = c if settings["centred"] else None
        z = xp.multiply(c, scale[:, None], out=own if out is None else out.reshape(c.shape))
        if parts and not per_line:
            z *= parts[0].reshape(1, -1)
        if len(parts) == 2:
            z += parts[1].reshape((-1, 1) if per_line else (1, -1))
        return z.reshape(x.shape) if out is None else out

    def parts(self, z: Vertex, x: Vertex, *parts: Vertex) -> Any:
        c, r, _ = moved_and_scaled(x, z.attrs)
        shape = broadcast_shape(x.shape, z.attrs["axes"], z.attrs["per_line"])
        answer = c * r
        if parts:
            answer = answer * reshape(parts[0], shape)
        return answer + reshape(parts[1], shape) if len(parts) == 2 else answer

    def vjp(self, g: Vertex, z: Vertex, x: Vertex, *parts: Vertex) -> Any:
        if not parts:
            return (apply(standardize_gradient, (g, x), z.attrs),)
        return unpack(apply(standardize_gradients, (g, x, parts[0]), z.attrs))[:1 + len(parts)]


class StandardizeGradient(Op):
    r"""z = r P u: the gradient of standardize for x where there is no weight"""

    arithmetic = 8
    derivatives = ("r*P", "")

    def infer(self, u: Spec, x: Spec, **settings: Any) -> Spec:
        return x

    def forward(self, xp: Any, u: Array, x: Array, *, per_line: bool, **settings: Any) -> Array:
        c, r = centre(xp, x, **settings)
        given = as_lines(xp, u, settings["axes"])
        h = given - (line_sums(xp, given) / c.shape[1])[:, None] if settings["centred"] else given.copy()
        return project(xp, h, c, xp.vecdot(given, c), r).reshape(x.shape)

    def parts(self, z: Vertex, u: Vertex, x: Vertex) -> Any:
        c, r, axis = moved_and_scaled(x, z.attrs)
        return projected(u, c * r, r, axis, z.attrs["centred"])

    def vjp(self, g: Vertex, z: Vertex, u: Vertex, x: Vertex) -> Any:
        gx = bend(g, None, u, u, x, z.attrs) if x.requires_grad else None
        return apply(self, (g, x), z.attrs), gx


class StandardizeGradients(Op):
    r"""The gradient u of standardize, pulled back to x, w and b:   r P(u w),   Σ u x̂,   Σ u"""

    arithmetic = 10

    def infer(self, u: Spec, x: Spec, weight: Spec, **settings: Any) -> tuple[Spec, Spec, Spec]:
        return x, weight, weight

    def forward(self, xp: Any, u: Array, x: Array, weight: Array, *, per_line: bool,
                **settings: Any) -> tuple[Array, Array, Array]:
        c, r = centre(xp, x, **settings)
        given, w, n = as_lines(xp, u, settings["axes"]), weight.reshape(-1), c.shape[1]
        if per_line:
            along, total = xp.vecdot(given, c), line_sums(xp, given)
            gw, gb = along * r, total
            h = given - (total / n)[:, None] if settings["centred"] else given.copy()
            z = project(xp, h, c, along, r)
            z *= w[:, None]
        else:
            products = xp.multiply(given, c)
            gw, gb = xp.matmul(r, products), line_sums(xp, given.T)
            h = given * w
            if settings["centred"]:
                h -= (line_sums(xp, given, w) / n)[:, None]
            z = project(xp, h, c, line_sums(xp, products, w), r)
        return z.reshape(x.shape), gw.reshape(weight.shape), gb.reshape(weight.shape)

    def parts(self, z: Vertex, u: Vertex, x: Vertex, weight: Vertex) -> Any:
        axes, per_line = z.attrs["axes"], z.attrs["per_line"]
        c, r, axis = moved_and_scaled(x, z.attrs)
        normal = c * r
        w = reshape(weight, broadcast_shape(x.shape, axes, per_line))
        over = axis if per_line else tuple(range(x.ndim - axes))
        gx = projected(u * w, normal, r, axis, z.attrs["centred"])
        return gx, sum(u * normal, axis=over), sum(u, axis=over)

    def vjp(self, g: Any, z: Vertex, u: Vertex, x: Vertex, weight: Vertex) -> Any:
        settings = z.attrs
        shape = broadcast_shape(x.shape, settings["axes"], settings["per_line"])
        first, second, third = g[0], *(None if part is None else reshape(part, shape) for part in g[1:])
        scale = reshape(weight, shape)
        gu = gw = gx = None
        if first is not None:
            pulled = apply(standardize_gradient, (first, x), settings)
            gu = pulled * scale
            gw = reshape(sum_to(pulled * u, shape), weight.shape) if weight.requires_grad else None
        if second is not None:
            part = second * standardize(x, **settings)
            gu = part if gu is None else gu + part
        if third is not None:
            gu = broadcast_to(third, x.shape) if gu is None else gu + third
        if x.requires_grad and (first is not None or second is not None):
            gx = bend(first, second, u, u * scale, x, settings)
        return gu, gx, gw


def moved_and_scaled(x: Vertex, settings: Mapping[str, Any]) -> tuple[Any, Any, tuple[int, ...]]:
    """x minus its mean, r = 1/√(σ² + ε), and the axes averaged over, in simple ops."""
    axis = tuple(range(x.ndim - settings["axes"], x.ndim))
    c = x - mean(x, axis=axis, keepdims=True) if settings["centred"] else x
    return c, reciprocal(sqrt(mean(square(c), axis=axis, keepdims=True) + settings["epsilon"])), axis


def projected(h: Any, normal: Any, r: Any, axis: tuple[int, ...], centred: bool) -> Any:
    """r P h in simple ops."""
    along = normal * mean(h * normal, axis=axis, keepdims=True)
    return r * ((h - mean(h, axis=axis, keepdims=True) if centred else h) - along)


def bend(u: Any, v: Any, g: Vertex, h: Vertex, x: Vertex, settings: Mapping[str, Any]) -> Any:
    """The gradient for x of Σ u (r P h) + Σ v (g x̂), where h and g are held fixed; u or v may be missing."""
    slope: Any = v * g if v is not None else None
    if u is None:
        return apply(standardize_gradient, (slope, x), settings)
    normal = standardize(x, **settings)
    _, r, axis = moved_and_scaled(x, settings)
    a, b = mean(u * normal, axis=axis, keepdims=True), mean(h * normal, axis=axis, keepdims=True)
    through = -(r * (b * u + a * h))
    slope = through if slope is None else slope + through
    size = mean(u * apply(standardize_gradient, (h, x), settings), axis=axis, keepdims=True)
    return apply(standardize_gradient, (slope, x), settings) - r * normal * size


def weight_shape(x: Shape, axes: int, per_line: bool) -> Shape:
    """The shape of weight and bias."""
    return x[:len(x) - axes] if per_line else x[len(x) - axes:]


def broadcast_shape(x: Shape, axes: int, per_line: bool) -> Shape:
    """The shape in which weight and bias meet x."""
    return (*x[:len(x) - axes], *[1] * axes) if per_line else (*[1] * (len(x) - axes), *x[len(x) - axes:])


class Moments(Op):
    r"""Mean and variance (divided by n - 1) of x over the last axes, as constants: for running statistics"""

    arithmetic = 3
    differentiable = False

    def infer(self, x: Spec, *, axes: int) -> tuple[Spec, Spec]:
        kept = Spec(weight_shape(x.shape, axes, True), x.dtype)
        return kept, kept

    def forward(self, xp: Any, x: Array, *, axes: int) -> tuple[Array, Array]:
        lines = as_lines(xp, x, axes)
        n = lines.shape[1]
        average = line_sums(xp, lines) / n
        c = lines - average[:, None]
        shape = weight_shape(x.shape, axes, True)
        return average.reshape(shape), (xp.vecdot(c, c) / (n - 1)).reshape(shape)

    def parts(self, z: Vertex, x: Vertex) -> Any:
        axis = tuple(range(x.ndim - z.attrs["axes"], x.ndim))
        n = prod(x.shape[a] for a in axis)
        if n < 2:
            return None
        average = mean(x, axis=axis, keepdims=True)
        shape = weight_shape(x.shape, z.attrs["axes"], True)
        return reshape(average, shape), sum(square(x - average), axis=axis) / (n - 1)


standardize, standardize_gradient, standardize_gradients = Standardize(), StandardizeGradient(), StandardizeGradients()
moments = Moments()
