"""A stand-in for CuPy on machines without a GPU, stricter than the real one.

Its arrays are NumPy's inside, but they refuse to become NumPy's, refuse to meet NumPy's arrays, and have only the
methods that CuPy's have; its functions are only those of CuPy, with the arguments that CuPy's take. Which these are is
in `cupy_names.json`, taken from CuPy itself (test_device.py compares, where CuPy is installed). So code that runs on it
computes nothing on the host in passing, and asks nothing of CuPy that is not there.
"""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from teachgrad.devices import Device
from teachgrad_gpu.device.namespace import Namespace

KNOWN = json.loads(Path(__file__).with_name("cupy_names.json").read_text())
TAKES_HOST = ("array", "asarray", "ascontiguousarray")
"""The functions by which arrays of the host are carried over."""
CARRIED: list[int] = []
"""The bytes of each array that these have carried over: by ops, in passing. Nobody but a draw of the CPU should."""
NUMBERS = (bool, int, float, np.generic, type(None), str, slice, type(Ellipsis), np.dtype, type)


def inside(x: Any) -> Any:
    """What an argument is for NumPy; arrays of the host are refused, as CuPy does."""
    if isinstance(x, StrictArray):
        return x._array
    if isinstance(x, (tuple, list)):
        return type(x)(inside(item) for item in x)
    if isinstance(x, np.ndarray) or not isinstance(x, NUMBERS):
        interface = None if isinstance(x, np.ndarray) else getattr(x, "__cuda_array_interface__", None)
        if interface is None:
            raise TypeError(f"Unsupported type {type(x)}")
        return interface["strict"]._array
    return x


def outside(x: Any, base: Any = None) -> Any:
    """A result of NumPy as one of the stand-in: CuPy answers with arrays, never with scalars."""
    if isinstance(x, (np.ndarray, np.generic)):
        return StrictArray(np.asarray(x), base)
    if isinstance(x, tuple) and hasattr(x, "_fields"):
        return type(x)(*(outside(item) for item in x))
    return type(x)(outside(item) for item in x) if isinstance(x, (tuple, list)) else x


def wrapped(index: Any, array: Any) -> Any:
    """An index as CuPy takes it: positions beyond the end are counted on from the beginning."""
    items = list(index) if isinstance(index, tuple) else [index]
    if not any(isinstance(item, np.ndarray) and item.dtype.kind in "iu" for item in items):
        return index
    gap = next((k for k, item in enumerate(items) if item is Ellipsis), None)
    if gap is not None:
        items[gap:gap + 1] = [slice(None)] * (array.ndim - sum(axes_of(item) for item in items if item is not Ellipsis))
    axis = 0
    for k, item in enumerate(items):
        if isinstance(item, np.ndarray) and item.dtype.kind in "iu" and array.shape[axis]:
            items[k] = item % array.shape[axis]
        axis += axes_of(item)
    return tuple(items)


def first_stays(array: Any, index: Any, value: Any) -> None:
    """array[index] = value, but of several values for one place the first stays: CuPy leaves open which."""
    array[index] = value
    items = index if isinstance(index, tuple) else (index,)
    positions = any(isinstance(item, np.ndarray) and item.dtype.kind in "iu" for item in items)
    if positions and isinstance(value, np.ndarray) and value.ndim:
        places = np.arange(array.size).reshape(array.shape)[index]
        values = np.broadcast_to(value, places.shape).reshape(-1)
        array[np.unravel_index(places.reshape(-1)[::-1], array.shape)] = values[::-1]


def axes_of(item: Any) -> int:
    """How many axes a part of an index takes."""
    if isinstance(item, np.ndarray) and item.dtype.kind == "b":
        return item.ndim
    return 0 if item is None or isinstance(item, (bool, np.bool_)) else 1


class Flags:
    """What CuPy tells of memory: not whether it is writable."""

    def __init__(self, flags: Any) -> None:
        self.c_contiguous, self.f_contiguous, self.owndata = flags.c_contiguous, flags.f_contiguous, flags.owndata


class StrictArray:
    """An array of the stand-in."""

    __slots__ = ("__weakref__", "_array", "base")
    perform: Any = staticmethod(lambda work: work())
    """What becomes of work that the device is given: it may be captured."""
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, array: Any, base: Any = None) -> None:
        self._array = array
        self.base = base

    def __array__(self, *args: Any, **settings: Any) -> Any:
        raise TypeError("Implicit conversion to a NumPy array is not allowed. Please use `.get()`")

    def __array_ufunc__(self, *args: Any, **settings: Any) -> Any:
        raise TypeError("a function of NumPy's was called on an array of the stand-in")

    __array_function__ = __array_ufunc__

    def __getattr__(self, name: str) -> Any:
        if name not in KNOWN["ndarray"]:
            raise AttributeError(f"CuPy's arrays have no {name!r}")
        found = getattr(self._array, name)
        if not callable(found):
            return outside(found, self) if isinstance(found, np.ndarray) else found
        return Bound(found, self)

    shape = property(lambda self: self._array.shape)
    dtype = property(lambda self: self._array.dtype)
    ndim = property(lambda self: self._array.ndim)
    size = property(lambda self: self._array.size)
    flags = property(lambda self: Flags(self._array.flags))
    data = property(lambda self: SimpleNamespace(ptr=self._array.ctypes.data))
    nbytes = property(lambda self: self._array.nbytes)
    __cuda_array_interface__ = property(lambda self: {"strict": self})

    def get(self) -> Any:
        return self._array.copy()

    def set(self, array: Any) -> None:
        self._array[...] = array

    def item(self, *args: Any) -> Any:
        return self._array.item(*args)

    def tolist(self) -> Any:
        return self._array.tolist()

    def __len__(self) -> int:
        return len(self._array)

    def __bool__(self) -> bool:
        return bool(self._array)

    def __int__(self) -> int:
        return int(self._array)

    def __float__(self) -> float:
        return float(self._array)

    def __index__(self) -> int:
        return int(self._array)

    def __getitem__(self, index: Any) -> Any:
        found = self._array[wrapped(inside(index), self._array)]
        shared = isinstance(found, np.ndarray) and np.may_share_memory(found, self._array)
        return outside(found, (self if self.base is None else self.base) if shared else None)

    def __setitem__(self, index: Any, value: Any) -> None:
        index, value = wrapped(inside(index), self._array), inside(value)
        StrictArray.perform(lambda: first_stays(self._array, index, value))

    def __repr__(self) -> str:
        return f"StrictArray({self._array!r})"


class Bound:
    """A method of an array."""

    VIEWS = ("reshape", "transpose", "view", "squeeze", "swapaxes", "ravel", "diagonal")

    def __init__(self, method: Any, array: StrictArray) -> None:
        self.method, self.array = method, array

    def __call__(self, *args: Any, **settings: Any) -> Any:
        out = settings.get("out")
        found = self.method(*inside(args), **{key: inside(value) for key, value in settings.items()})
        if out is not None:
            return out
        shared = (self.method.__name__ in self.VIEWS and isinstance(found, np.ndarray)
                  and np.may_share_memory(found, self.array._array))
        return outside(found, (self.array if self.array.base is None else self.array.base) if shared else None)


def operator(name: str, in_place: bool) -> Any:
    def apply(self: StrictArray, *others: Any) -> Any:
        if any(isinstance(other, np.ndarray) for other in others):
            raise TypeError(f"Unsupported type {type(others[0])}")
        if not in_place and any(not isinstance(other, (StrictArray, *NUMBERS)) for other in others):
            return NotImplemented
        found = getattr(self._array, name)(*inside(others))
        if found is NotImplemented:
            return found
        return self if in_place else outside(found)

    return apply


BINARY = ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "matmul", "and", "or", "xor", "lshift", "rshift")
for word in BINARY:
    setattr(StrictArray, f"__{word}__", operator(f"__{word}__", False))
    setattr(StrictArray, f"__r{word}__", operator(f"__r{word}__", False))
    if word != "matmul":
        setattr(StrictArray, f"__i{word}__", operator(f"__i{word}__", True))
for word in ("lt", "le", "gt", "ge", "eq", "ne", "neg", "pos", "abs", "invert"):
    setattr(StrictArray, f"__{word}__", operator(f"__{word}__", False))


class StrictFunction:
    """A function of CuPy."""

    def __init__(self, name: str, function: Any, parameters: list[str] | None) -> None:
        self.name, self.function, self.parameters = name, function, parameters

    def __call__(self, *args: Any, **settings: Any) -> Any:
        if self.parameters is not None and "kwargs" not in self.parameters:
            unknown = set(settings) - set(self.parameters)
            if unknown:
                raise TypeError(f"cupy.{self.name}() got an unexpected keyword argument {min(unknown)!r}")
        out = settings.get("out")
        if self.name in TAKES_HOST and args and isinstance(args[0], np.ndarray):
            CARRIED.append(args[0].nbytes)
            return outside(getattr(np, self.name)(args[0].copy(), *args[1:], **settings))
        settings = {key: inside(value) for key, value in settings.items() if key != "blocking"}
        if self.name == "take_along_axis":
            args = args[0], outside(inside(args[1]) % args[0].shape[settings["axis"]]), *args[2:]
        source = args[0] if args and isinstance(args[0], StrictArray) else None
        found = self.function(*inside(args), **settings)
        if out is not None:
            return out
        if source is not None and isinstance(found, np.ndarray):
            if found is source._array:
                return source
            if found.base is not None and np.may_share_memory(found, source._array):
                return outside(found, source if source.base is None else source.base)
        return outside(found)


class StrictUfunc(StrictFunction):
    """An elementwise function of CuPy: sums and products can be folded, no others."""

    def fold(self, method: str, only: tuple[str, ...], args: Any, settings: Any) -> Any:
        if self.name not in only:
            raise NotImplementedError(f"`cupy_{self.name}.{method}` is not supported yet")
        out = settings.get("out")
        found = getattr(self.function, method)(*inside(args), **{k: inside(v) for k, v in settings.items()})
        return outside(found) if out is None else out

    def reduce(self, *args: Any, **settings: Any) -> Any:
        return self.fold("reduce", ("add", "multiply"), args, settings)

    def accumulate(self, *args: Any, **settings: Any) -> Any:
        return self.fold("accumulate", ("add", "multiply"), args, settings)

    def reduceat(self, *args: Any, **settings: Any) -> Any:
        return self.fold("reduceat", ("add",), args, settings)

    def at(self, z: StrictArray, index: Any, x: Any) -> None:
        if self.name != "add" or z.dtype.name not in ("int32", "float16", "float32", "float64", "uint32", "uint64"):
            raise TypeError(f"scatter_{self.name} of {z.dtype}")
        self.function.at(z._array, inside(index), inside(x))


class Linalg:
    """CuPy's functions of linear algebra."""

    def __getattr__(self, name: str) -> Any:
        if name not in KNOWN["linalg"]:
            raise AttributeError(f"cupy.linalg has no {name!r}")
        return StrictFunction(f"linalg.{name}", getattr(np.linalg, name), KNOWN["linalg"][name])


class StrideTricks:
    """CuPy has one of them."""

    @staticmethod
    def as_strided(x: StrictArray, shape: Any = None, strides: Any = None) -> Any:
        return outside(np.lib.stride_tricks.as_strided(x._array, shape, strides), x)


class StrictCupy:
    """The module."""

    ndarray = StrictArray
    linalg = Linalg()
    lib = SimpleNamespace(stride_tricks=StrideTricks)

    def __getattr__(self, name: str) -> Any:
        if name in KNOWN["ufuncs"]:
            return StrictUfunc(name, getattr(np, name), ["out", "dtype", "casting", "where"])
        if name not in KNOWN["functions"]:
            raise AttributeError(f"module 'cupy' has no attribute {name!r}")
        if KNOWN["functions"][name] == "value":
            return getattr(np, name)
        return StrictFunction(name, getattr(np, name), KNOWN["functions"][name])


class Strict(Device):
    """The device of the stand-in."""

    name = "strict"
    array = StrictArray

    def __init__(self) -> None:
        self.moves: list[tuple[str, int]] = []
        """What was carried over, and how many bytes."""
        self.xp = Namespace(StrictCupy())

    def from_host(self, array: Any) -> Any:
        self.moves.append(("in", array.nbytes))
        return StrictArray(np.array(array, order="C"))

    def to_host(self, array: Any) -> Any:
        self.moves.append(("out", array._array.nbytes))
        return array.get()
