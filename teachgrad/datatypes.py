"""Questions about data types: what two of them become, which numbers they hold, what kind they are."""

from __future__ import annotations

import builtins
from typing import Any, NamedTuple

import numpy as np

from . import dtypes
from .errors import DTypeError
from .op import Vertex

KINDS = {
    "bool": "b", "signed integer": "i", "unsigned integer": "u", "integral": "iu", "real floating": "f",
    "complex floating": "", "numeric": "iuf",
}
"""The names of the standard for kinds of data types, and NumPy's letters for them. There are no complex types here."""

_RANK = {"b": 0, "i": 1, "u": 1, "f": 2}


class FloatInfo(NamedTuple):
    """What a floating-point type can hold."""

    bits: int
    eps: float
    """The distance from 1 to the next larger number."""
    max: float
    min: float
    smallest_normal: float
    """The smallest positive number that has all its digits."""
    dtype: Any


class IntegerInfo(NamedTuple):
    """What an integer type can hold."""

    bits: int
    max: int
    min: int
    dtype: Any


def _dtype_of(x: Any) -> dtypes.DType:
    return x.dtype if isinstance(x, Vertex) else dtypes.as_dtype(x)


def result_type(*arrays_and_dtypes: Any) -> dtypes.DType:
    """The type in which tensors, types and Python numbers meet.

    A Python number takes the type of the others, unless that could not hold its kind: a float beside integers makes the
    default float, an integer beside truth values int64.
    """
    if not arrays_and_dtypes:
        raise DTypeError("result_type needs at least one tensor or dtype")
    result: dtypes.DType | None = None
    numbers: list[Any] = []
    for x in arrays_and_dtypes:
        if isinstance(x, (builtins.bool, int, float, complex)):
            numbers.append(x)
        else:
            result = _dtype_of(x) if result is None else dtypes.promote(result, _dtype_of(x))
    for kind in map(dtypes.of_python_scalar, numbers):
        if result is None or _RANK[kind.kind] > _RANK[result.kind]:
            result = kind
    assert result is not None
    return result


def can_cast(from_: Any, to: Any, /) -> builtins.bool:
    """Whether every number of one type (or of a tensor's) can be had in another: whether they meet in the other."""
    to = _dtype_of(to)
    return dtypes.promote(_dtype_of(from_), to) == to


def isdtype(dtype: Any, kind: Any) -> builtins.bool:
    """Whether a type is of a kind: one of the names in `KINDS`, another type, or a tuple of such."""
    if isinstance(kind, tuple):
        return any(isdtype(dtype, k) for k in kind)
    dtype = dtypes.as_dtype(dtype)
    if isinstance(kind, str) and kind in KINDS:
        return dtype.kind in KINDS[kind] if KINDS[kind] else False
    return dtype == dtypes.as_dtype(kind)


def finfo(type: Any, /) -> FloatInfo:
    """What a floating-point type, or that of a tensor, can hold."""
    dtype = _dtype_of(type)
    if dtype.kind != "f":
        raise DTypeError(f"finfo is for floating-point types, not {dtype}; use iinfo")
    info = np.finfo(dtype)
    return FloatInfo(info.bits, float(info.eps), float(info.max), float(info.min), float(info.smallest_normal), dtype)


def iinfo(type: Any, /) -> IntegerInfo:
    """What an integer type, or that of a tensor, can hold."""
    dtype = _dtype_of(type)
    if dtype.kind not in "iu":
        raise DTypeError(f"iinfo is for integer types, not {dtype}")
    info = np.iinfo(dtype)
    return IntegerInfo(info.bits, int(info.max), int(info.min), dtype)
