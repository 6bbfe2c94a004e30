"""Making tensors: from Python numbers and foreign arrays, or filled by a rule.

The functions of the standard have its names and arguments; those that make floating-point tensors also take
`requires_grad`, as PyTorch's do. Tensors are made on the CPU, unless `device` or `with tg.device(...)` says otherwise.
"""

from __future__ import annotations

import builtins
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from . import devices, dtypes
from .conversion import as_array
from .errors import DTypeError, GradientError, InplaceError, ShapeError
from .op import Array, Shape, Vertex, beside, checksum, device_of, state
from .ops.elementwise import where
from .ops.made import array_or_vertex
from .ops.shape import as_shape, astype, broadcast_to, copy_of, reshape, stop_gradient
from .ops.transfer import to_device
from .sizes import Quantity, is_open
from .tensor import Tensor

DTypeLike = Any


def tensor(data: Any, dtype: DTypeLike = None, requires_grad: builtins.bool = False, name: str | None = None, *,
           device: Any = None) -> Tensor:
    """Make a tensor with the values of `data`: a number, nested lists, a NumPy array, or another tensor.

    The values are copied. An array keeps its dtype; Python floats become the default float (float32), integers int64,
    truth values bool. With `requires_grad`, gradients are summed up in `.grad`; that takes a floating-point dtype.
    """
    if isinstance(data, Quantity) and not requires_grad:
        kind = dtypes.of_python_scalar(data) if dtype is None else dtypes.as_dtype(dtype)
        z = from_sizes(np.asarray, (data, kind), (), False, device)
        z.name = name
        return z
    if isinstance(data, Vertex):
        copied = copy_of(stop_gradient(data))
        copied = copied if device is None else to_device(copied, device)
        copied = astype(copied, dtype, copy=False) if dtype is not None else copied
        if requires_grad and copied.dtype.kind != "f":
            raise _cannot_require_gradient(copied.dtype)
        copied.requires_grad, copied.name = requires_grad, name
        return copied
    return leaf(as_array(data, dtype), requires_grad, name, device)


def leaf(array: Array, requires_grad: builtins.bool = False, name: str | None = None, device: Any = None) -> Tensor:
    """A tensor that holds this very array, or what it is on another device."""
    if requires_grad and array.dtype.kind != "f":
        raise _cannot_require_gradient(array.dtype)
    if device is not None or state.now.device is not None:
        array = placed(array, device)
    return Tensor(array, requires_grad, name)


def placed(array: Array, device: Any) -> Array:
    """An array on a device, or on that of the `with tg.device(...)` around. A trace has them all on the CPU."""
    target = state.now.device if device is None else devices.find(device)
    if target is None or state.now.tracer is not None:
        return array
    return target.take(array)


def from_sizes(by: Callable[..., Array], arguments: tuple[Any, ...], shape: Shape, requires_grad: builtins.bool,
               device: Any = None) -> Tensor:
    """The tensor by(*arguments). Where a trace leaves sizes among them open, it is made anew for each of them."""
    if requires_grad:
        return leaf(by(*arguments), True, device=device)
    made = array_or_vertex(by, arguments, shape)
    return made if isinstance(made, Tensor) else leaf(made, device=device)


def _cannot_require_gradient(dtype: dtypes.DType) -> DTypeError:
    return DTypeError(f"only floating-point tensors can require a gradient, not {dtype}; pass dtype=tg.float32")


def asarray(obj: Any, /, *, dtype: DTypeLike = None, device: Any = None, copy: builtins.bool | None = None) -> Tensor:
    """`obj` as a tensor: itself if it is one, else a tensor with its values.

    `obj` is a number, nested sequences of numbers, or an array that NumPy understands. Foreign memory is copied, unless
    `copy=False` asks that it be shared; then later writes to it are noticed before a gradient could go wrong.
    """
    if copy is False:
        refuse_to_carry("asarray", obj, device)
    if isinstance(obj, Vertex):
        obj = obj if device is None else to_device(obj, device)
        converts = dtype is not None and dtypes.as_dtype(dtype) != obj.dtype
        if converts and copy is False:
            raise InplaceError(f"asarray: {obj.dtype} cannot become {dtypes.as_dtype(dtype)} without a copy")
        if converts:
            return astype(obj, dtype)
        return copy_of(obj) if copy else obj
    if copy is False:
        if not isinstance(obj, np.ndarray) or (dtype is not None and dtypes.as_dtype(dtype) != obj.dtype):
            raise InplaceError(f"asarray: a {type(obj).__name__} cannot become a tensor without a copy")
        dtypes.as_dtype(obj.dtype)
        return shared(obj)
    return tensor(obj, dtype, device=device)


def refuse_to_carry(name: str, x: Any, device: Any) -> None:
    """For `copy=False`: what is elsewhere cannot be on a device without a copy."""
    here = device_of(x) if isinstance(x, Vertex) else devices.of(x)
    if device is not None and devices.find(device) is not here:
        raise InplaceError(f"{name}: what is on \"{here.name}\" cannot be on another device without a copy.\n"
                           "Way out: leave out copy=False")


def shared(array: Array) -> Tensor:
    """A tensor in memory that somebody else can write to; it stays there, also in a block of `tg.device`."""
    x = Tensor(array)
    x.exposed = checksum(array)
    return x


def from_dlpack(x: object, /, *, device: Any = None, copy: builtins.bool | None = None) -> Tensor:
    """A tensor in the memory of an array of another library, shared through DLPack without a copy.

    Writes by the other side are noticed where a gradient needs the old value. Some libraries share their memory for
    reading only (JAX does); then an overwrite of the tensor is refused. `copy=True` takes memory of its own.
    """
    if copy is False:
        refuse_to_carry("from_dlpack", x, device)
    if isinstance(x, Vertex):
        if x.requires_grad:
            raise GradientError("a tensor that requires a gradient cannot be shared through DLPack; detach() it first")
        x = x if device is None else to_device(x, device)
        return copy_of(x) if copy else x  # type: ignore[return-value]
    array = np.from_dlpack(x)  # type: ignore[arg-type]
    dtypes.as_dtype(array.dtype)
    carried = device is not None and devices.find(device) is not devices.CPU
    return leaf(array.copy(), device=device) if copy or carried else shared(array)


def _float(dtype: DTypeLike) -> dtypes.DType:
    return dtypes.get_default_dtype() if dtype is None else dtypes.as_dtype(dtype)


def zeros(shape: int | Sequence[int], *, dtype: DTypeLike = None, device: Any = None,
          requires_grad: builtins.bool = False) -> Tensor:
    """A tensor of zeros, of the default float unless `dtype` says otherwise."""
    shape = as_shape(shape)
    return from_sizes(np.zeros, (shape, _float(dtype)), shape, requires_grad, device)


def ones(shape: int | Sequence[int], *, dtype: DTypeLike = None, device: Any = None,
         requires_grad: builtins.bool = False) -> Tensor:
    """A tensor of ones, of the default float unless `dtype` says otherwise."""
    shape = as_shape(shape)
    return from_sizes(np.ones, (shape, _float(dtype)), shape, requires_grad, device)


def empty(shape: int | Sequence[int], *, dtype: DTypeLike = None, device: Any = None,
          requires_grad: builtins.bool = False) -> Tensor:
    """A tensor to be filled later. It holds zeros: the same program gives the same numbers on every run."""
    return zeros(shape, dtype=dtype, device=device, requires_grad=requires_grad)


def full(shape: int | Sequence[int], fill_value: Any, *, dtype: DTypeLike = None, device: Any = None,
         requires_grad: builtins.bool = False) -> Tensor:
    """A tensor with one value everywhere; bool, int64 or the default float after the kind of the value.

    The value may be a tensor without axes: then gradients flow to it.
    """
    if isinstance(fill_value, Vertex):
        value = astype(fill_value, dtype, copy=False) if dtype is not None else fill_value
        value = value if device is None else to_device(value, device)
        return copy_of(broadcast_to(value, as_shape(shape)))
    kind = dtypes.of_python_scalar(fill_value) if dtype is None else dtypes.as_dtype(dtype)
    shape = as_shape(shape)
    return from_sizes(np.full, (shape, fill_value, kind), shape, requires_grad, device)


def zeros_like(x: Vertex, /, *, dtype: DTypeLike = None, device: Any = None) -> Tensor:
    """Zeros in the shape and dtype of `x`."""
    return zeros(x.shape, dtype=dtype or x.dtype, device=device or device_of(x))


def ones_like(x: Vertex, /, *, dtype: DTypeLike = None, device: Any = None) -> Tensor:
    """Ones in the shape and dtype of `x`."""
    return ones(x.shape, dtype=dtype or x.dtype, device=device or device_of(x))


def empty_like(x: Vertex, /, *, dtype: DTypeLike = None, device: Any = None) -> Tensor:
    """A tensor in the shape and dtype of `x`, to be filled later; it holds zeros."""
    return zeros_like(x, dtype=dtype, device=device)


def full_like(x: Vertex, /, fill_value: Any, *, dtype: DTypeLike = None, device: Any = None) -> Tensor:
    """One value everywhere, in the shape and dtype of `x`."""
    return full(x.shape, fill_value, dtype=dtype or x.dtype, device=device or device_of(x))


def arange(start: float, /, stop: float | None = None, step: float = 1, *, dtype: DTypeLike = None, device: Any = None,
           requires_grad: builtins.bool = False) -> Tensor:
    """start, start + step, start + 2 step, ... below `stop`; with one argument, 0, 1, ... below it.

    int64 if all arguments are integers, else the default float. Each number is start + i step, rounded once.
    """
    if stop is None:
        start, stop = 0, start
    if step == 0:
        raise ShapeError("arange: a step of 0 never arrives")
    floats = any(isinstance(number, float) for number in (start, stop, step))
    kind = (dtypes.get_default_dtype() if floats else dtypes.int64) if dtype is None else dtypes.as_dtype(dtype)
    if is_open(length := span(start, stop, step)):
        return from_sizes(counted, (start, stop, step, kind), (length,), requires_grad, device)
    return leaf(counted(start, stop, step, kind), requires_grad, device=device)


def counted(start: float, stop: float, step: float, dtype: dtypes.DType) -> Array:
    """start, start + step, ... below `stop`, rounded once."""
    return np.arange(start, stop, step).astype(dtype)


def span(start: Any, stop: Any, step: Any) -> Any:
    """How many numbers there are from `start` to below `stop`, if sizes that a trace leaves open say so."""
    if not is_open((start, stop, step)) or any(isinstance(number, float) for number in (start, stop, step)):
        return None
    if not (stop > start if step > 0 else stop < start):
        return 0
    return -((start - stop) // step)


def linspace(start: float, stop: float, /, num: int, *, dtype: DTypeLike = None, device: Any = None,
             endpoint: builtins.bool = True, requires_grad: builtins.bool = False) -> Tensor:
    """`num` numbers at equal distances from `start` to `stop`, with `stop` itself unless `endpoint=False`."""
    if num < 0:
        raise ShapeError(f"linspace: there cannot be {num} numbers")
    arguments = (start, stop, num, endpoint, _float(dtype))
    return from_sizes(equidistant, arguments, (num,), requires_grad, device)


def equidistant(start: float, stop: float, num: int, endpoint: builtins.bool, dtype: dtypes.DType) -> Array:
    """Numbers at equal distances, rounded once."""
    return np.linspace(start, stop, num, endpoint=endpoint).astype(dtype)


def eye(n_rows: int, n_cols: int | None = None, /, *, k: int = 0, dtype: DTypeLike = None, device: Any = None,
        requires_grad: builtins.bool = False) -> Tensor:
    """A matrix with ones on its k-th diagonal and zeros elsewhere; k > 0 lies above the main diagonal."""
    n_cols = n_rows if n_cols is None else n_cols
    return from_sizes(np.eye, (n_rows, n_cols, k, _float(dtype)), (n_rows, n_cols), requires_grad, device)


def meshgrid(*arrays: Vertex, indexing: str = "xy") -> list[Tensor]:
    """The coordinates of the points of a grid, one tensor an axis, each of the shape of the grid.

    For axes x (n,), y (m,), ... the grid has the shape (n, m, ...) under indexing="ij" and (m, n, ...) under "xy".
    """
    if indexing not in ("xy", "ij"):
        raise ShapeError(f"meshgrid: indexing is \"xy\" or \"ij\", not {indexing!r}")
    if len({x.dtype for x in arrays}) > 1:
        raise DTypeError(f"meshgrid takes tensors of one dtype, not {', '.join(str(x.dtype) for x in arrays)}")
    order = list(range(len(arrays)))
    if indexing == "xy" and len(arrays) > 1:
        order[:2] = 1, 0
    shape = [0] * len(arrays)
    for x, axis in zip(arrays, order, strict=True):
        if x.ndim > 1:
            raise ShapeError(f"meshgrid takes tensors with at most one axis, not shape {x.shape}")
        shape[axis] = x.size
    return [copy_of(broadcast_to(reshape(x, tuple(-1 if a == axis else 1 for a in range(len(arrays)))), shape))
            for x, axis in zip(arrays, order, strict=True)]


def _triangle(x: Vertex, k: int, below: builtins.bool) -> Tensor:
    shape = _matrix_shape("tril" if below else "triu", x)
    keep: Tensor = from_sizes(below_diagonal, (*shape, k, below, dtypes.bool), shape, False)
    return where(to_device(keep, device_of(x)), x, beside(x, np.zeros((), x.dtype)))


def below_diagonal(n: int, m: int, k: int, truth: builtins.bool, dtype: dtypes.DType) -> Array:
    """A matrix of truth values: `truth` where j - i ≤ k, and its opposite elsewhere."""
    return (np.tri(n, m, k) > 0) == truth


def _matrix_shape(name: str, x: Vertex) -> tuple[int, int]:
    if x.ndim < 2:
        raise ShapeError(f"{name} needs at least 2 axes, not shape {x.shape}")
    return x.shape[-2], x.shape[-1]


def tril(x: Vertex, /, *, k: int = 0) -> Tensor:
    """The lower triangle of each matrix: x_ij where j - i ≤ k, else 0."""
    return _triangle(x, k, True)


def triu(x: Vertex, /, *, k: int = 0) -> Tensor:
    """The upper triangle of each matrix: x_ij where j - i ≥ k, else 0."""
    return _triangle(x, k - 1, False)


__all__ = ["arange", "asarray", "empty", "empty_like", "eye", "from_dlpack", "full", "full_like", "linspace",
           "meshgrid", "ones", "ones_like", "tensor", "tril", "triu", "zeros", "zeros_like"]
