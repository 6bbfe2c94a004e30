"""Functions as methods of the tensor, for those who think from the object: x.sin() is tg.sin(x)."""

from __future__ import annotations

from typing import Any, Self

from . import devices
from .op import Spec, Vertex, device_of, state
from .ops import (
    activations,
    comparison,
    cumulative,
    elementwise,
    functions,
    indexing,
    inplace,
    joining,
    logic,
    reductions,
    rounding,
    searching,
    shape,
    softmax,
    sorting,
    statistics,
)
from .ops.erf import erf
from .ops.shape import normalize_axis
from .ops.transfer import to_device
from .spelling import own_keywords, takes_axis


def _given(numbers: tuple[Any, ...]) -> Any:
    """What was given as f(2, 3) or f((2, 3))."""
    return numbers[0] if len(numbers) == 1 and isinstance(numbers[0], (tuple, list)) else numbers


class Methods(Vertex):
    """Each method is the function of the same name, with the tensor as its first argument.

    `axis` may stand without its name, as in x.sum(0), and shapes and orders of axes without parentheses.
    """

    __slots__ = ()

    # ---- where it is -------------------------------------------------------------------------------------------------

    @property
    def device(self) -> str:
        """Where the array lives: "cpu", or the name of another device, such as "gpu"."""
        if type(self._data) is Spec:
            return state.now.tracer.device if state.now.tracer is not None else "cpu"
        return device_of(self).name if devices.beyond else "cpu"

    def to(self, *where: Any) -> Self:
        """The tensor on a device, in a dtype, or both: `x.to("gpu")`, `x.to(tg.float64)`, `x.to("gpu", tg.float32)`.

        Itself where nothing changes. Gradients flow back to where they came from.
        """
        me = self
        for what in where:
            me = to_device(me, what) if devices.is_device(what) else shape.astype(me, what, copy=False)
        return me

    def to_device(self, device: Any, /, *, stream: None = None) -> Self:
        """The tensor on a device: itself, if it is there already."""
        return to_device(self, device)

    # ---- over axes ---------------------------------------------------------------------------------------------------

    def sum(self, axis: Any = None, *, dtype: Any = None, keepdims: bool = False) -> Self:
        return reductions.sum(self, axis=axis, dtype=dtype, keepdims=keepdims)

    def mean(self, axis: Any = None, *, keepdims: bool = False) -> Self:
        return reductions.mean(self, axis=axis, keepdims=keepdims)

    def max(self, axis: Any = None, *, keepdims: bool = False) -> Self:
        return reductions.max(self, axis=axis, keepdims=keepdims)

    def min(self, axis: Any = None, *, keepdims: bool = False) -> Self:
        return reductions.min(self, axis=axis, keepdims=keepdims)

    def prod(self, axis: Any = None, *, dtype: Any = None, keepdims: bool = False) -> Self:
        return statistics.prod(self, axis=axis, dtype=dtype, keepdims=keepdims)

    def var(self, axis: Any = None, *, correction: float = 0.0, keepdims: bool = False) -> Self:
        return statistics.var(self, axis=axis, correction=correction, keepdims=keepdims)

    def std(self, axis: Any = None, *, correction: float = 0.0, keepdims: bool = False) -> Self:
        return statistics.std(self, axis=axis, correction=correction, keepdims=keepdims)

    def all(self, axis: Any = None, *, keepdims: bool = False) -> Self:
        return logic.all(self, axis=axis, keepdims=keepdims)

    def any(self, axis: Any = None, *, keepdims: bool = False) -> Self:
        return logic.any(self, axis=axis, keepdims=keepdims)

    def count_nonzero(self, axis: Any = None, *, keepdims: bool = False) -> Self:
        return logic.count_nonzero(self, axis=axis, keepdims=keepdims)

    def argmax(self, axis: int | None = None, *, keepdims: bool = False) -> Self:
        return searching.argmax(self, axis=axis, keepdims=keepdims)

    def argmin(self, axis: int | None = None, *, keepdims: bool = False) -> Self:
        return searching.argmin(self, axis=axis, keepdims=keepdims)

    def sort(self, axis: int = -1, *, descending: bool = False, stable: bool = True) -> Self:
        return sorting.sort(self, axis=axis, descending=descending, stable=stable)

    def argsort(self, axis: int = -1, *, descending: bool = False, stable: bool = True) -> Self:
        return sorting.argsort(self, axis=axis, descending=descending, stable=stable)

    def cumulative_sum(self, axis: int | None = None, *, dtype: Any = None, include_initial: bool = False) -> Self:
        return cumulative.cumulative_sum(self, axis=axis, dtype=dtype, include_initial=include_initial)

    def cumulative_prod(self, axis: int | None = None, *, dtype: Any = None, include_initial: bool = False) -> Self:
        return cumulative.cumulative_prod(self, axis=axis, dtype=dtype, include_initial=include_initial)

    # ---- shape and type ----------------------------------------------------------------------------------------------

    def reshape(self, *new: Any) -> Self:
        return shape.reshape(self, _given(new))

    def flatten(self, start: int = 0) -> Self:
        """All axes from `start` on as one."""
        start = normalize_axis(start, self.ndim)
        return shape.reshape(self, (*self.shape[:start], -1))

    def permute_dims(self, *axes: Any) -> Self:
        return shape.permute_dims(self, _given(axes))

    def moveaxis(self, source: Any, destination: Any) -> Self:
        return shape.moveaxis(self, source, destination)

    def squeeze(self, axis: Any = None) -> Self:
        """Without the named axes of length 1; without all of them for None."""
        axes = tuple(i for i, n in enumerate(self.shape) if n == 1) if axis is None else axis
        return shape.squeeze(self, axes)

    def expand_dims(self, axis: int = 0) -> Self:
        return shape.expand_dims(self, axis=axis)

    def broadcast_to(self, *new: Any) -> Self:
        return shape.broadcast_to(self, _given(new))

    def flip(self, axis: Any = None) -> Self:
        return shape.flip(self, axis=axis)

    def roll(self, shift: Any, axis: Any = None) -> Self:
        return joining.roll(self, shift, axis=axis)

    def tile(self, *repetitions: Any) -> Self:
        return joining.tile(self, _given(repetitions))

    def unstack(self, axis: int = 0) -> tuple[Self, ...]:
        return joining.unstack(self, axis=axis)

    def astype(self, dtype: Any, *, copy: bool = True) -> Self:
        return shape.astype(self, dtype, copy=copy)

    def take(self, indices: Any, axis: int | None = None) -> Self:
        return indexing.take(self, indices, axis=axis)

    def nonzero(self) -> tuple[Self, ...]:
        return indexing.nonzero(self)

    # ---- element by element ------------------------------------------------------------------------------------------

    def abs(self) -> Self: return elementwise.abs(self)
    def acos(self) -> Self: return functions.acos(self)
    def acosh(self) -> Self: return functions.acosh(self)
    def asin(self) -> Self: return functions.asin(self)
    def asinh(self) -> Self: return functions.asinh(self)
    def atan(self) -> Self: return functions.atan(self)
    def atanh(self) -> Self: return functions.atanh(self)
    def ceil(self) -> Self: return rounding.ceil(self)
    def clip(self, min: Any = None, max: Any = None) -> Self: return functions.clip(self, min, max)
    def cos(self) -> Self: return functions.cos(self)
    def cosh(self) -> Self: return functions.cosh(self)
    def exp(self) -> Self: return elementwise.exp(self)
    def expm1(self) -> Self: return functions.expm1(self)
    def floor(self) -> Self: return rounding.floor(self)
    def isfinite(self) -> Self: return comparison.isfinite(self)
    def isinf(self) -> Self: return comparison.isinf(self)
    def isnan(self) -> Self: return comparison.isnan(self)
    def log(self) -> Self: return elementwise.log(self)
    def log10(self) -> Self: return functions.log10(self)
    def log1p(self) -> Self: return functions.log1p(self)
    def log2(self) -> Self: return functions.log2(self)
    def maximum(self, other: Any) -> Self: return elementwise.maximum(self, other)
    def minimum(self, other: Any) -> Self: return elementwise.minimum(self, other)
    def pow(self, exponent: Any) -> Self: return elementwise.power(self, exponent)
    def reciprocal(self) -> Self: return elementwise.reciprocal(self)
    def round(self) -> Self: return rounding.round(self)
    def sign(self) -> Self: return elementwise.sign(self)
    def sin(self) -> Self: return functions.sin(self)
    def sinh(self) -> Self: return functions.sinh(self)
    def sqrt(self) -> Self: return elementwise.sqrt(self)
    def square(self) -> Self: return elementwise.square(self)
    def tan(self) -> Self: return functions.tan(self)
    def tanh(self) -> Self: return elementwise.tanh(self)
    def trunc(self) -> Self: return rounding.trunc(self)

    # ---- functions of networks; `tg.nn.functional` has them all ------------------------------------------------------

    def relu(self) -> Self: return activations.relu(self)
    def leaky_relu(self, negative_slope: float = 0.01) -> Self: return activations.leaky_relu(self, negative_slope)
    def elu(self, alpha: float = 1.0) -> Self: return activations.elu(self, alpha)
    def sigmoid(self) -> Self: return activations.sigmoid(self)
    def silu(self) -> Self: return activations.silu(self)
    def erf(self) -> Self: return erf(self)

    def softplus(self, beta: float = 1.0, threshold: float = 20.0) -> Self:
        return activations.softplus(self, beta, threshold)

    def gelu(self, approximate: str = "none") -> Self:
        return activations.gelu_form(approximate)(self)

    def softmax(self, axis: int = -1) -> Self:
        return softmax.softmax(self, axis)

    def log_softmax(self, axis: int = -1) -> Self:
        return softmax.log_softmax(self, axis)

    def logsumexp(self, axis: Any = None, *, keepdims: bool = False) -> Self:
        return softmax.logsumexp(self, axis, keepdims)

    # ---- in place, under PyTorch's names -----------------------------------------------------------------------------

    def zero_(self) -> Self: return inplace.overwrite(self, 0)
    def fill_(self, value: Any) -> Self: return inplace.overwrite(self, value)
    def copy_(self, source: Any) -> Self: return inplace.overwrite(self, source)
    def add_(self, other: Any, *, alpha: float = 1) -> Self:
        return inplace.overwrite(self, self + (other if alpha == 1 else other * alpha))

    def sub_(self, other: Any, *, alpha: float = 1) -> Self:
        return inplace.overwrite(self, self - (other if alpha == 1 else other * alpha))

    def mul_(self, other: Any) -> Self: return inplace.overwrite(self, self * other)
    def div_(self, other: Any) -> Self: return inplace.overwrite(self, self / other)
    def exp_(self) -> Self: return inplace.overwrite(self, self.exp())
    def tanh_(self) -> Self: return inplace.overwrite(self, self.tanh())
    def relu_(self) -> Self: return inplace.overwrite(self, self.relu())
    def clamp_(self, min: Any = None, max: Any = None) -> Self: return inplace.overwrite(self, self.clip(min, max))


for _name, _method in list(vars(Methods).items()):
    if takes_axis(_method):
        setattr(Methods, _name, own_keywords(_method))
