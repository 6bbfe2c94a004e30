"""Losses that are worth an op of their own: those of almost every training step, and those whose formula overflows.

The others are put together from ordinary ops in `teachgrad.nn.functional`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import DTypeError, ShapeError
from ..op import Array, Op, Shape, Spec, Vertex, apply
from .activations import sigmoid
from .comparison import not_equal
from .elementwise import equal, exp, log, maximum, where
from .elementwise_op import Binary, lift
from .embedding import counted_targets, need_integers, within
from .functions import log1p
from .pieces import in_pieces
from .reductions import max, sum
from .shape import astype, broadcast_to, expand_dims, reshape
from .softmax import softmax, softmax_gradient


class CrossEntropy(Op):
    r"""z = -Σ_n log softmax(x_n)[t_n], as a sum, divided by the number of targets, or one number each

    x (N, classes, ...) or (classes,): scores along axis 1 (or 0); t without that axis: integers from 0 to classes - 1.
    Targets equal to `ignore_index` count for nothing.   dz/dx = softmax(x) - one_hot(t)
    """

    arithmetic = 5
    may_fail = True
    derivatives = ("softmax(x) - one_hot(t)",)

    def __call__(self, x: Vertex, target: Vertex, /, *, ignore_index: int = -100, reduction: str = "mean") -> Any:
        need_integers(self.name, target)
        if x._data.dtype.kind != "f":
            raise DTypeError(f"cross_entropy takes floating-point scores, not {x.dtype}")
        shape = x.shape
        if not shape or target.shape != without_classes(shape):
            raise ShapeError(f"cross_entropy: scores {shape} with the classes along axis {class_axis(shape)} need "
                             f"targets of shape {without_classes(shape) if shape else '(...)'}, not {target.shape}")
        return apply(self, (x, target), {"ignore_index": ignore_index, "reduction": reduction})

    def infer(self, x: Spec, target: Spec, *, ignore_index: int, reduction: str) -> Spec:
        return Spec(target.shape if reduction == "none" else (), x.dtype)

    def forward(self, xp: Any, x: Array, target: Array, *, ignore_index: int, reduction: str) -> Array:
        rows, chosen, counted = scores_and_targets(xp, x, target, ignore_index)
        z = rows - xp.maximum.reduce(rows, axis=1, keepdims=True)
        score = z[xp.arange(len(z)), chosen]
        xp.exp(z, out=z)
        loss = xp.log(xp.add.reduce(z, axis=1))
        loss -= score
        if counted is not None:
            loss *= counted
        if reduction == "none":
            return loss.reshape(target.shape)
        total = xp.add.reduce(loss)
        return total / number_of(xp, loss, counted) if reduction == "mean" else total

    def parts(self, z: Vertex, x: Vertex, target: Vertex) -> Any:
        counted, hit, low, _, total = soft_choice(x, target, z.attrs["ignore_index"])
        axis, reduction = class_axis(x.shape), z.attrs["reduction"]
        score = sum(where(hit, low, 0.0), axis=axis)
        loss = where(counted, log(reshape(total, target.shape)) - score, 0.0)
        if reduction == "none":
            return loss
        return sum(loss) / sum(astype(counted, x.dtype)) if reduction == "mean" else sum(loss)

    def vjp(self, g: Vertex, z: Vertex, x: Vertex, target: Vertex) -> Any:
        return apply(cross_entropy_gradient, (g, x, target), z.attrs), None


class CrossEntropyGradient(Op):
    r"""z = u (softmax(x) - one_hot(t)), over the number of targets for a mean: the gradient of cross_entropy"""

    arithmetic = 4
    may_fail = True
    derivatives = ("softmax(x) - one_hot(t)", "u*softmax(x)_i*(delta_ij - softmax(x)_j)")

    def infer(self, u: Spec, x: Spec, target: Spec, **settings: Any) -> Spec:
        return x

    def forward(self, xp: Any, u: Array, x: Array, target: Array, *, ignore_index: int, reduction: str) -> Array:
        rows, chosen, counted = scores_and_targets(xp, x, target, ignore_index)
        p = rows - xp.maximum.reduce(rows, axis=1, keepdims=True)
        xp.exp(p, out=p)
        p /= xp.add.reduce(p, axis=1, keepdims=True)
        p[xp.arange(len(p)), chosen] -= 1
        factor = u.reshape(-1, 1)
        if counted is not None:
            factor = factor * counted[:, None].astype(u.dtype)
        p *= factor / number_of(xp, rows, counted) if reduction == "mean" else factor
        axis = class_axis(x.shape)
        return xp.moveaxis(p.reshape(*x.shape[:axis], *x.shape[axis + 1:], x.shape[axis]), -1, axis)

    def parts(self, z: Vertex, u: Vertex, x: Vertex, target: Vertex) -> Any:
        counted, hit, _, e, total = soft_choice(x, target, z.attrs["ignore_index"])
        factor = astype(counted, x.dtype) * u
        if z.attrs["reduction"] == "mean":
            factor = factor / sum(astype(counted, x.dtype))
        return (e / total - where(hit, lift(1.0, u), 0.0)) * expand_dims(factor, axis=class_axis(x.shape))

    def vjp(self, g: Vertex, z: Vertex, u: Vertex, x: Vertex, target: Vertex) -> Any:
        axis, reduction = class_axis(x.shape), z.attrs["reduction"]
        gu = gx = None
        if u.requires_grad:
            one = broadcast_to(lift(1.0, u), u.shape)
            gu = sum(g * apply(self, (one, x, target), z.attrs), axis=axis if reduction == "none" else None)
        if x.requires_grad:
            counted = astype(counts(target, z.attrs["ignore_index"]), u.dtype)
            share = u * counted / sum(counted) if reduction == "mean" else u * counted
            gx = expand_dims(share, axis=axis) * apply(softmax_gradient, (g, softmax(x, axis)), {"axis": axis})
        return gu, gx, None


def soft_choice(x: Vertex, target: Vertex, ignore_index: int) -> tuple[Any, Any, Any, Any, Any]:
    """Which targets count, where the class is the target's, x less its largest, exp of that, and the sum of these."""
    axis = class_axis(x.shape)
    counted = counts(target, ignore_index)
    index = within(where(counted, target, 0), x.shape[axis], "target", "cross_entropy")
    classes = lift(np.arange(x.shape[axis], dtype=np.int32).reshape([-1 if a == axis else 1 for a in range(x.ndim)]), x)
    hit = equal(classes, expand_dims(astype(index, np.int32), axis=axis))
    low = x - max(x, axis=axis, keepdims=True)
    e = exp(low)
    return counted, hit, low, e, sum(e, axis=axis, keepdims=True)


def counts(target: Vertex, ignore_index: int) -> Any:
    """Which targets count: all of them, where `ignore_index` is no number of their type."""
    limits = np.iinfo(target.dtype)
    return not_equal(target, ignore_index) if limits.min <= ignore_index <= limits.max else equal(target, target)


def class_axis(shape: Shape) -> int:
    """The axis of the classes: the second, or the only one."""
    return 1 if len(shape) > 1 else 0


def without_classes(shape: Shape) -> Shape:
    axis = class_axis(shape)
    return (*shape[:axis], *shape[axis + 1:])


def scores_and_targets(xp: Any, x: Array, target: Array, ignore_index: int) -> tuple[Array, Array, Array | None]:
    """Scores (N, classes), targets (N,) with 0 for those to ignore, and which count, or None when all do."""
    axis = class_axis(x.shape)
    rows = x if x.ndim == 2 else xp.moveaxis(x, axis, -1).reshape(-1, x.shape[axis])
    return rows, *counted_targets(xp, target.reshape(-1), x.shape[axis], ignore_index)


def number_of(xp: Any, rows: Array, counted: Array | None) -> Any:
    """How many targets count, as a number that does not change the dtype of what it divides."""
    if counted is None:
        return rows.dtype.type(len(rows))
    return xp.asarray(xp.count_nonzero(counted)).astype(rows.dtype)  # where the rows are: nobody waits for it


class MeanSquaredError(Op):
    r"""z = Σ (x - y)² / n, or without dividing by the number n of elements,   dz/dx = 2 (x - y)/n,   dz/dy = -dz/dx"""

    arithmetic = 3
    derivatives = ("2*(x - y)/n", "-2*(x - y)/n")

    def __call__(self, x: Vertex, y: Vertex, /, *, mean: bool = True) -> Any:
        return apply(self, (x, y), {"mean": mean})

    def infer(self, x: Spec, y: Spec, *, mean: bool) -> Spec:
        return Spec((), x.dtype)

    def forward(self, xp: Any, x: Array, y: Array, *, mean: bool) -> Array:
        d = xp.subtract(x, y).reshape(-1)
        total = xp.dot(d, d)
        return total / d.dtype.type(d.size) if mean else total

    def parts(self, z: Vertex, x: Vertex, y: Vertex) -> Any:
        d: Any = x - y
        return sum(d * d) / d.size if z.attrs["mean"] else sum(d * d)

    def vjp(self, g: Vertex, z: Vertex, x: Vertex, y: Vertex) -> Any:
        gx = apply(mean_squared_error_gradient, (g, x, y), z.attrs)
        return gx, -gx if y.requires_grad else None


class MeanSquaredErrorGradient(Op):
    r"""z = 2 u (x - y)/n: the gradient of the mean squared error, pulled back to x"""

    arithmetic = 3
    writes_out = True
    derivatives = ("2*(x - y)/n", "2*u/n", "-2*u/n")

    def infer(self, u: Spec, x: Spec, y: Spec, *, mean: bool) -> Spec:
        return x

    def forward(self, xp: Any, u: Array, x: Array, y: Array, *, mean: bool, out: Array | None = None) -> Array:
        d = xp.asarray(xp.subtract(x, y, out=out))
        d *= u * u.dtype.type(2 / x.size if mean and x.size else 2)
        return d

    def parts(self, z: Vertex, u: Vertex, x: Vertex, y: Vertex) -> Any:
        return (x - y) * (u * (2.0 / x.size if z.attrs["mean"] else 2.0))

    def vjp(self, g: Vertex, z: Vertex, u: Vertex, x: Vertex, y: Vertex) -> Any:
        scale = 2.0 / x.size if z.attrs["mean"] and x.size else 2.0
        gx = g * (u * scale)
        return sum(g * (x - y)) * scale, gx, -gx if y.requires_grad else None


class BinaryCrossEntropy(Binary):
    r"""z = -(y log x + (1 - y) log(1 - x)), logarithms taken to be at least -100;   dz/dx = (x - y) / (x (1 - x))

    x are probabilities, y targets. The denominator of the derivative is taken to be at least 1e-12. Both as in PyTorch.
    """

    c = ("{y} * ((log1p(-{x}) < -100 ? -100 : log1p(-{x})) - (log({x}) < -100 ? -100 : log({x})))"
         " - (log1p(-{x}) < -100 ? -100 : log1p(-{x}))")
    floating = True
    derivatives = ("(x - y)/(x*(1 - x))", "log(1 - x) - log(x)")

    def forward(self, xp: Any, x: Array, y: Array, out: Array | None = None) -> Array:
        with np.errstate(divide="ignore"):
            first, second = xp.maximum(xp.log(x), -100), xp.maximum(xp.log1p(-x), -100)
        return xp.subtract(y * (second - first), second, out=out)

    def vjp(self, g: Vertex, z: Vertex, x: Vertex, y: Vertex) -> Any:
        gx = g * ((x - y) / maximum(x * (1.0 - x), 1e-12))
        gy = g * (maximum(log1p(-x), -100.0) - maximum(log(x), -100.0)) if y.requires_grad else None
        return gx, gy


class BinaryCrossEntropyWithLogits(Binary):
    r"""z = -(y log σ(x) + (1 - y) log(1 - σ(x))) = max(x, 0) - x y + log(1 + exp(-|x|)),   dz/dx = σ(x) - y"""

    c = "({x} > 0 ? {x} : 0) - {x} * {y} + log1p(exp(-fabs({x})))"
    floating = True
    derivatives = ("sigmoid(x) - y", "-x")

    def forward(self, xp: Any, x: Array, y: Array, out: Array | None = None) -> Array:
        return in_pieces(self.compute, xp, out, x, y)

    def compute(self, xp: Any, z: Array, x: Array, y: Array) -> None:
        """z, for some of the elements."""
        rest = xp.abs(x, out=xp.empty_like(x))
        xp.negative(rest, out=rest)
        xp.exp(rest, out=rest)
        xp.log1p(rest, out=rest)
        rest += xp.maximum(x, 0)
        xp.subtract(rest, x * y, out=z)

    def vjp(self, g: Vertex, z: Vertex, x: Vertex, y: Vertex) -> Any:
        return g * (sigmoid(x) - y), -(g * x) if y.requires_grad else None


cross_entropy, cross_entropy_gradient = CrossEntropy(), CrossEntropyGradient()
mean_squared_error, mean_squared_error_gradient = MeanSquaredError(), MeanSquaredErrorGradient()
binary_cross_entropy, binary_cross_entropy_with_logits = BinaryCrossEntropy(), BinaryCrossEntropyWithLogits()
