"""The tensor that people use: operators and methods over the ops, and the ways in and out of teachgrad."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Any, Self

import numpy as np

from . import autodiff, devices, observe
from .conversion import as_array
from .displays import Displayed
from .errors import DTypeError, GradientError, ShapeError, TraceError, user_site
from .methods import Methods
from .op import REGISTRY, Spec, Symbolic, Vertex, beside, checksum, mark_written, state
from .op.elsewhere import brought, not_numpy
from .ops import bitwise, comparison, elementwise, indexing, inplace, logic, matmul, rounding, shape
from .ops.made import made
from .spelling import METHODS, hint

NUMPY_NAMES = {
    "absolute": "abs", "arcsin": "asin", "arccos": "acos", "arctan": "atan", "arctan2": "atan2", "arcsinh": "asinh",
    "arccosh": "acosh", "arctanh": "atanh", "invert": "bitwise_invert", "left_shift": "bitwise_left_shift",
    "right_shift": "bitwise_right_shift", "true_divide": "divide", "rint": "round",
}
"""What NumPy calls ops that have another name here."""


class Tensor(Displayed, Methods):
    """An array that knows how it was made, so that gradients can be taken.

    A tensor is the vertex of the graph: `op`, `inputs` and `attrs` say how it came about, `data` is the value, `grad`
    the gradient that `backward` left in it (leaves only). Make one with `tg.tensor(data)`.
    """

    __slots__ = ()
    displayed_as = "tensor"

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **settings: Any) -> Any:
        """What NumPy does when it meets a tensor.

        `array -= tensor` computes in the array, so that `w.data -= lr * w.grad` works. `array + tensor` and
        `np.exp(tensor)` are the ops of the same name, and keep the gradient. Other functions are refused.
        """
        out = settings.pop("out", ())
        if method == "__call__" and out and all(isinstance(o, np.ndarray) for o in out):
            arrays = [x.array_for("used in NumPy arithmetic") if isinstance(x, Tensor) else x for x in inputs]
            return ufunc(*arrays, out=out, **settings)
        op = REGISTRY.get(NUMPY_NAMES.get(ufunc.__name__, ufunc.__name__))
        if method == "__call__" and op is not None and not out and not settings:
            return op(*inputs)  # type: ignore[operator]
        raise TypeError(f"np.{ufunc.__name__} does not know gradients.\nWays out: a function of teachgrad, such "
                        f"as tg.exp(x); or "
                        f"np.{ufunc.__name__}(x.numpy()) where no gradient is wanted.")

    # ---- what it is --------------------------------------------------------------------------------------------------

    @property
    def data(self) -> Any:
        """The array itself, writable, so that `w.data -= lr * w.grad` works.

        Writing to it is noticed: a gradient that needs the old value is refused, never wrong. Reading is better done
        with `numpy()`, which costs nothing. While a function is traced there is no array; then this is the value as
        a tensor without gradient.
        """
        if state.now.tracer is not None:
            return state.now.tracer.resolve(self).detach()
        if state.now.leak is not None:
            state.now.leak(self, "read through .data")
        root = self if self.base is None or isinstance(self.base._data, tuple) else self.base
        if root.exposed is None and type(root._data) is not Spec:
            root.exposed = checksum(root._data)
        return self._data

    @data.setter
    def data(self, value: Any) -> None:
        if isinstance(value, Vertex) or state.now.tracer is not None:
            with autodiff.modes(grad=False):
                inplace.overwrite(self, value.detach() if isinstance(value, Tensor) else value)
            return
        array = value if type(value) in devices.KINDS else np.asarray(value)
        if array.dtype != self.dtype or not array.flags.c_contiguous:
            array = array.astype(self.dtype, order="C")
        if devices.beyond:
            array = brought(self, array)
        if array.shape != self.shape and self.op is not None:
            raise ShapeError(f"the data of a tensor of shape {self.shape} cannot be replaced by shape {array.shape}")
        if array is not self._data:
            self._data = array
        self.exposed = None
        mark_written(self)
        if observe.sink is not None:
            observe.sink(observe.Update(self.id, self.name, array))

    @property
    def grad(self) -> Tensor | None:
        """The gradient that backward() has summed up here, or None. Assign None to forget it."""
        me = self if state.now.tracer is None else state.now.tracer.resolve(self)
        if me._grad is None and me.op is not None and me.requires_grad and autodiff.retain not in me.hooks:
            warnings.warn(f"the .grad of a tensor that was computed (by {me.op}) is None: backward() leaves "
                          f"gradients in "
                          "leaves. Call x.retain_grad() before backward(), or use tg.grad(loss, x).", stacklevel=2)
        return me._grad  # type: ignore[return-value]

    @grad.setter
    def grad(self, value: Any) -> None:
        me = self if state.now.tracer is None else state.now.tracer.resolve(self)
        if value is None:
            me._grad = None
            return
        if not isinstance(value, Vertex):
            value = beside(self, np.array(value, self.dtype))
        if value.shape != self.shape:
            raise ShapeError(f"a gradient of shape {value.shape} does not fit a tensor of shape {self.shape}")
        me._grad = value if state.now.tracer is None else state.now.tracer.resolve(value)

    @property
    def is_leaf(self) -> bool:
        """Whether no recorded op made this tensor; backward() leaves gradients in leaves only."""
        return self.op is None or not self.requires_grad

    @property
    def T(self) -> Self:
        """A matrix with its two axes exchanged. For more axes use `mT` or `permute_dims`."""
        if self.ndim != 2:
            raise ShapeError(f".T needs two axes, not shape {self.shape}; use .mT for the last two, or permute_dims")
        return shape.matrix_transpose(self)

    @property
    def mT(self) -> Self:
        """The tensor with its last two axes exchanged."""
        return shape.matrix_transpose(self)

    def __repr__(self) -> str:
        value = self._data
        if state.now.tracer is not None:
            known = state.now.tracer.leak(self, "turned into text")
            value = value if known is None else known
        if isinstance(value, Spec):
            text = f"shape={value.shape}"
        else:
            value = np.asarray(devices.of(value).to_host(value))
            text = np.array2string(value, separator=", ", prefix="tensor(", threshold=200, precision=6)
        parts = [text, f"dtype={self.dtype}"]
        if self.device != "cpu":
            parts.append(f"device={self.device!r}")
        if self.name:
            parts.append(f"name={self.name!r}")
        if self.op is not None and self.requires_grad:
            parts.append(f"op={self.op.name}")
        elif self.requires_grad:
            parts.append("requires_grad=True")
        return f"tensor({', '.join(parts)})"

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"a tensor has no attribute {name!r}" + hint(name, METHODS))

    # ---- out of teachgrad --------------------------------------------------------------------------------------------

    def array_for(self, why: str) -> Any:
        """The array, for a use that leaves the graph; an error while a function is traced."""
        if state.now.tracer is not None:
            known = state.now.tracer.leak(self, why)
            if known is not None:
                return known
        if state.now.leak is not None:
            state.now.leak(self, why)
        if isinstance(self._data, Spec):
            if type(self.base) is Symbolic and self.base.tracer.lasting:
                raise TraceError.at(
                    "TG-S07", f"an expression of placeholders is {why}", user_site(),
                    "It has no value before a function is called.",
                    "make a program of it with tg.function(placeholders, expression), and read what a call returns")
            raise TraceError.at(
                "TG-S07", "a tensor of a static function that is no longer being traced is read", user_site(),
                "It never had a value.", "return it from the function")
        return self._data

    def numpy(self, *, copy: bool = False) -> Any:
        """The values as a NumPy array: a read-only view of the tensor's memory, or a copy of one's own.

        A tensor on another device than the CPU has to be carried over first: `x.to("cpu").numpy()`.
        """
        array = self.array_for("turned into a NumPy array")
        if type(array) is not np.ndarray and devices.of(array) is not devices.CPU:
            raise not_numpy(self)
        if copy:
            return array.copy()
        view = array.view()
        view.flags.writeable = False
        return view

    def item(self) -> Any:
        """The value of a tensor with one element, as a Python number; waits for the device that the tensor is on."""
        array = self.array_for("turned into a Python number")
        if array.size != 1:
            raise ShapeError(f"item() needs a tensor with one element, not shape {self.shape}")
        return array.item()

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        array = self.numpy(copy=bool(copy))
        return array if dtype is None or array.dtype == dtype else array.astype(dtype)

    @property
    def __cuda_array_interface__(self) -> Any:
        if self.device == "cpu":
            raise AttributeError("a tensor on the CPU has no memory on a GPU")
        return self.data.__cuda_array_interface__

    def __array_namespace__(self, *, api_version: str | None = None) -> Any:
        # Made of functions on tensors, it stands above this module: found by its name, when somebody asks.
        return import_module("teachgrad.xp").namespace(api_version)

    def __dlpack__(self, **options: Any) -> Any:
        if self.requires_grad:
            raise GradientError("a tensor that requires a gradient cannot be shared by DLPack; call detach() first")
        self.array_for("shared through DLPack")
        return self.data.__dlpack__(**options)

    def __dlpack_device__(self) -> tuple[int, int]:
        return self.array_for("shared through DLPack").__dlpack_device__()

    def __bool__(self) -> bool:
        if self.size != 1:
            raise ShapeError(f"the truth of a tensor of shape {self.shape} is not one answer; use tg.any or tg.all")
        return bool(self.array_for("turned into a Python bool").item())

    def __int__(self) -> int:
        return int(self.item())

    def __float__(self) -> float:
        return float(self.item())

    def __index__(self) -> int:
        if self.dtype.kind not in "iu":
            raise DTypeError(f"a tensor of {self.dtype} cannot be used as an index")
        return int(self.item())

    def __format__(self, how: str) -> str:
        return format(self.item(), how) if how else (str(self.item()) if self.ndim == 0 else repr(self))

    def __len__(self) -> int:
        if self.ndim == 0:
            raise TypeError("a tensor with no axes has no length")
        return self.shape[0]

    def __iter__(self) -> Iterator[Self]:
        if self.ndim == 0:
            raise TypeError("a tensor with no axes cannot be looped over")
        return (self[i] for i in range(self.shape[0]))

    def __contains__(self, value: Any) -> bool:
        return bool(logic.any(elementwise.equal(self, value)))

    def __reduce_ex__(self, protocol: Any) -> Any:
        if not self.is_leaf:
            raise TypeError("only leaves can be pickled or deep-copied; call detach() first")
        array = self.array_for("pickled")
        there = devices.of(array)
        return _rebuild, (type(self), there.to_host(array).copy(), self.requires_grad, self.name, there.name)

    # ---- gradients ---------------------------------------------------------------------------------------------------

    def backward(self, gradient: Any = None, *, retain_graph: bool | None = None, create_graph: bool = False) -> None:
        """Add the gradient of this tensor to `.grad` of every leaf that it depends on.

        `gradient` is dL/d(self) to start with, in the shape of self; it may be left out for a scalar. The graph is
        freed afterwards unless `retain_graph`; under `create_graph` the gradients can be differentiated themselves.
        """
        me = self if state.now.tracer is None else state.now.tracer.resolve(self)
        autodiff.backward(me, gradient, retain_graph=retain_graph, create_graph=create_graph)

    def detach(self) -> Self:
        """The same values in the same memory, with no history: no gradient flows through it."""
        me = self if state.now.tracer is None else state.now.tracer.resolve(self)
        y = self.result_type(me._data)
        if state.now.tracer is not None:
            return shape.stop_gradient(self)
        y.base = me if me.base is None else me.base
        return y  # type: ignore[return-value]

    def retain_grad(self) -> None:
        """Let backward() leave a gradient in `.grad` of this tensor, though it is no leaf."""
        if not self.requires_grad:
            raise GradientError("this tensor does not require a gradient, so no gradient will come by")
        me = self if state.now.tracer is None else state.now.tracer.resolve(self)
        if me.op is not None and autodiff.retain not in me.hooks:
            me.hooks = (*me.hooks, autodiff.retain)

    def on_grad(self, hook: Callable[[Any], Any]) -> Callable[[], None]:
        """Call `hook(gradient)` when the gradient of this tensor is complete; an answer that is not None replaces it.

        Returns a function that takes the hook away again.
        """
        if not self.requires_grad:
            raise GradientError("this tensor does not require a gradient, so no gradient will come by")
        me = self if state.now.tracer is None else state.now.tracer.resolve(self)
        me.hooks = (*me.hooks, hook)

        def remove() -> None:
            me.hooks = tuple(h for h in me.hooks if h is not hook)
        return remove

    def copy(self) -> Self:
        """The same values in memory of their own; gradients flow through."""
        return shape.copy_of(self)

    # ---- operators ---------------------------------------------------------------------------------------------------

    __hash__ = object.__hash__

    def __add__(self, other: Any) -> Self: return elementwise.add(self, other)
    def __radd__(self, other: Any) -> Self: return elementwise.add(other, self)
    def __sub__(self, other: Any) -> Self: return elementwise.subtract(self, other)
    def __rsub__(self, other: Any) -> Self: return elementwise.subtract(other, self)
    def __mul__(self, other: Any) -> Self: return elementwise.multiply(self, other)
    def __rmul__(self, other: Any) -> Self: return elementwise.multiply(other, self)
    def __truediv__(self, other: Any) -> Self: return elementwise.divide(self, other)
    def __rtruediv__(self, other: Any) -> Self: return elementwise.divide(other, self)
    def __floordiv__(self, other: Any) -> Self: return rounding.floor_divide(self, other)
    def __rfloordiv__(self, other: Any) -> Self: return rounding.floor_divide(other, self)
    def __mod__(self, other: Any) -> Self: return rounding.remainder(self, other)
    def __rmod__(self, other: Any) -> Self: return rounding.remainder(other, self)
    def __pow__(self, other: Any) -> Self: return elementwise.power(self, other)
    def __rpow__(self, other: Any) -> Self: return elementwise.power(other, self)
    def __matmul__(self, other: Any) -> Self: return matmul.matmul(self, other)
    def __rmatmul__(self, other: Any) -> Self: return matmul.matmul(other, self)
    def __neg__(self) -> Self: return elementwise.negative(self)
    def __pos__(self) -> Self: return elementwise.positive(self)
    def __abs__(self) -> Self: return elementwise.abs(self)
    def __eq__(self, other: object) -> Self: return elementwise.equal(self, other)  # type: ignore[override]
    def __ne__(self, other: object) -> Self: return comparison.not_equal(self, other)  # type: ignore[override]
    def __lt__(self, other: Any) -> Self: return comparison.less(self, other)
    def __le__(self, other: Any) -> Self: return comparison.less_equal(self, other)
    def __gt__(self, other: Any) -> Self: return comparison.greater(self, other)
    def __ge__(self, other: Any) -> Self: return comparison.greater_equal(self, other)
    def __and__(self, other: Any) -> Self: return bitwise.bitwise_and(self, other)
    def __rand__(self, other: Any) -> Self: return bitwise.bitwise_and(other, self)
    def __or__(self, other: Any) -> Self: return bitwise.bitwise_or(self, other)
    def __ror__(self, other: Any) -> Self: return bitwise.bitwise_or(other, self)
    def __xor__(self, other: Any) -> Self: return bitwise.bitwise_xor(self, other)
    def __rxor__(self, other: Any) -> Self: return bitwise.bitwise_xor(other, self)
    def __lshift__(self, other: Any) -> Self: return bitwise.bitwise_left_shift(self, other)
    def __rlshift__(self, other: Any) -> Self: return bitwise.bitwise_left_shift(other, self)
    def __rshift__(self, other: Any) -> Self: return bitwise.bitwise_right_shift(self, other)
    def __rrshift__(self, other: Any) -> Self: return bitwise.bitwise_right_shift(other, self)
    def __invert__(self) -> Self: return bitwise.bitwise_invert(self)
    def __getitem__(self, index: Any) -> Self: return indexing.getitem(self, index)
    def __setitem__(self, index: Any, value: Any) -> None: inplace.set_items(self, index, value)
    def __iadd__(self, other: Any) -> Self: return inplace.overwrite(self, self + other)
    def __isub__(self, other: Any) -> Self: return inplace.overwrite(self, self - other)
    def __imul__(self, other: Any) -> Self: return inplace.overwrite(self, self * other)
    def __itruediv__(self, other: Any) -> Self: return inplace.overwrite(self, self / other)
    def __ifloordiv__(self, other: Any) -> Self: return inplace.overwrite(self, self // other)
    def __imod__(self, other: Any) -> Self: return inplace.overwrite(self, self % other)
    def __ipow__(self, other: Any) -> Self: return inplace.overwrite(self, self ** other)
    def __imatmul__(self, other: Any) -> Self: return inplace.overwrite(self, self @ other)
    def __iand__(self, other: Any) -> Self: return inplace.overwrite(self, self & other)
    def __ior__(self, other: Any) -> Self: return inplace.overwrite(self, self | other)
    def __ixor__(self, other: Any) -> Self: return inplace.overwrite(self, self ^ other)
    def __ilshift__(self, other: Any) -> Self: return inplace.overwrite(self, self << other)
    def __irshift__(self, other: Any) -> Self: return inplace.overwrite(self, self >> other)


Tensor.result_type = Tensor  # ops on parameters make tensors, not parameters
made.result_type = Tensor


class Parameter(Tensor):
    """A leaf that is trained: `nn.Module` files it, and optimizers change it. Requires a gradient from the start."""

    __slots__ = ()

    def __init__(self, data: Any, requires_grad: bool = True, name: str | None = None) -> None:
        if isinstance(data, Vertex):
            data = data._data.copy()
        array = as_array(data, None)
        if state.now.device is not None and state.now.tracer is None:
            array = state.now.device.take(array)
        if requires_grad and array.dtype.kind != "f":
            raise DTypeError(f"only floating-point tensors can require a gradient, not {array.dtype}")
        super().__init__(array, requires_grad, name)


def _rebuild(cls: type[Tensor], array: Any, requires_grad: bool, name: str | None, device: str = "cpu") -> Tensor:
    with autodiff.modes(device=None):  # where it was, also in a block of another device
        return cls(devices.find(device).from_host(array), requires_grad, name)


__all__ = ["Parameter", "Tensor"]
