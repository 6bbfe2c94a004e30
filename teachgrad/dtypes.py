"""Data types: their names, the default float, and the rules by which types meet.

The types are NumPy's own `dtype` objects, so `x.dtype == np.float32` holds. Promotion follows the Python array API
standard 2024.12, with one addition where the standard leaves the answer open: when an integer or a boolean meets a
floating-point type, the floating-point type wins unchanged (so an int64 mask does not turn float32 training into
float64, as it would in NumPy).
"""

from __future__ import annotations

import builtins
from typing import Any

import numpy as np

from .errors import DTypeError

DType = np.dtype[Any]

bool = np.dtype("bool")
int8, int16, int32, int64 = (np.dtype(name) for name in ("int8", "int16", "int32", "int64"))
uint8, uint16, uint32, uint64 = (np.dtype(name) for name in ("uint8", "uint16", "uint32", "uint64"))
float16, float32, float64 = (np.dtype(name) for name in ("float16", "float32", "float64"))

SUPPORTED = (bool, int8, int16, int32, int64, uint8, uint16, uint32, uint64, float16, float32, float64)
INTEGERS = SUPPORTED[1:9]
FLOATS = SUPPORTED[9:]

C_TYPES: dict[DType, str] = {
    bool: "bool", **{dtype: f"{dtype.name}_t" for dtype in INTEGERS}, float32: "float", float64: "double"}
"""The C types that generated C knows, by dtype."""

_default_float = float32
_known = {dtype: dtype for dtype in SUPPORTED}


def set_default_dtype(dtype: Any) -> None:
    """Choose the type of tensors made from Python floats, and of `ones`, `zeros`, `rand` and the like.

    It is float32 at the start. Only floating-point types are allowed.
    """
    global _default_float
    chosen = as_dtype(dtype)
    if chosen not in FLOATS:
        raise DTypeError(f"the default dtype must be a floating-point type, not {chosen}")
    _default_float = chosen


def get_default_dtype() -> DType:
    """The type of tensors made from Python floats."""
    return _default_float


def as_dtype(dtype: Any) -> DType:
    """The supported `np.dtype` that `dtype` (a dtype, a NumPy scalar type, a name, or bool/int/float) stands for."""
    if dtype is float:
        return _default_float
    if dtype is int:
        return int64
    try:
        return _known[np.dtype(dtype)]
    except (KeyError, TypeError):
        names = ", ".join(str(known) for known in SUPPORTED)
        raise DTypeError(f"{dtype!r} is not a supported dtype; teachgrad has {names}") from None


def of_python_scalar(value: Any) -> DType:
    """The type that a Python scalar gets when nothing else decides: bool, int64 or the default float."""
    if isinstance(value, (np.bool_, builtins.bool)):
        return bool
    if isinstance(value, int):
        return int64
    if isinstance(value, float):
        return _default_float
    raise DTypeError(f"a {type(value).__name__} is not a number that a tensor can hold (complex numbers are left out)")


def is_float(dtype: DType) -> np.bool_ | Any:
    """True for float16, float32 and float64: the types that can carry a gradient."""
    return dtype.kind == "f"


def promote(first: DType, second: DType) -> DType:
    """The type in which two types meet.

    Source: Python array API standard 2024.12, "Type promotion rules"; integers with floats as described above.
    """
    if first == second:
        return first
    if (first.kind == "f") != (second.kind == "f"):
        return first if first.kind == "f" else second
    return np.promote_types(first, second)
