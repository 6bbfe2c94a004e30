"""The namespace of the Python array API standard 2024.12: `xp = x.__array_namespace__()`, for code of any library.

Everything of the standard is here, under its names, with its arguments, defaults and type promotion, but for complex
numbers: there are no complex data types, so no `conj`, `imag` and `real`, and no `fft` extension. The extension
`linalg` is complete. Where the standard leaves an answer open, teachgrad decides:

* integers and booleans meet floating-point numbers in the floating-point type, unchanged;
* a Python float beside an integer tensor makes the default float; integers given to `exp` and the like become it too;
* the default floating-point type is float32 (`tg.set_default_dtype`), and there is float16 besides;
* `empty` holds zeros, and `stable=False` sorts keep no order of equal elements.

Boolean indexing, `nonzero` and the `unique` functions have shapes that depend on values; in a static graph they are
an error.
"""

# ruff: noqa: I001, RUF022  (names stand in groups by subject, several a line)

from __future__ import annotations

import math
import sys
from types import ModuleType
from typing import Any

from . import dtypes, linalg
from .creation import (
    arange, asarray, empty, empty_like, eye, from_dlpack, full, full_like, linspace, meshgrid, ones, ones_like, tril,
    triu, zeros, zeros_like,
)
from .datatypes import can_cast, finfo, iinfo, isdtype, result_type
from .dtypes import (
    bool, float16, float32, float64, int8, int16, int32, int64, uint8, uint16, uint32, uint64,
)
from . import devices
from .errors import TeachgradError
from .op import state
from .ops.bitwise import (
    bitwise_and, bitwise_invert, bitwise_left_shift, bitwise_or, bitwise_right_shift, bitwise_xor,
)
from .ops.comparison import (
    greater, greater_equal, isfinite, isinf, isnan, less, less_equal, logical_and, logical_not, logical_or,
    logical_xor, not_equal, signbit,
)
from .ops.cumulative import cumulative_prod, cumulative_sum
from .ops.elementwise import (
    abs, add, divide, equal, exp, log, maximum, minimum, multiply, negative, positive, reciprocal, sign, sqrt, square,
    subtract, tanh, where,
)
from .ops.elementwise import power as pow
from .ops.functions import (
    acos, acosh, asin, asinh, atan, atan2, atanh, clip, copysign, cos, cosh, expm1, hypot, log1p, log2, log10,
    logaddexp, nextafter, sin, sinh, tan,
)
from .ops.indexing import nonzero, take
from .ops.indexing import take_along as take_along_axis
from .ops.joining import broadcast_arrays, broadcast_shapes, diff, repeat, roll, tile, unstack
from .ops.logic import all, any, count_nonzero
from .ops.matmul import matmul
from .ops.products import tensordot, vecdot
from .ops.reductions import max, mean, min, sum
from .ops.rounding import ceil, floor, floor_divide, remainder, round, trunc
from .ops.searching import argmax, argmin, searchsorted
from .ops.sets import unique_all, unique_counts, unique_inverse, unique_values
from .ops.shape import (
    astype, broadcast_to, concat, expand_dims, flip, matrix_transpose, moveaxis, permute_dims, reshape, squeeze, stack,
)
from .ops.sorting import argsort, sort
from .ops.statistics import prod, std, var

__array_api_version__ = "2024.12"
VERSIONS = ("2021.12", "2022.12", "2023.12", "2024.12")

e, pi, inf, nan, newaxis = math.e, math.pi, math.inf, math.nan, None


def namespace(api_version: str | None = None) -> ModuleType:
    """This module, if it serves the version of the standard that is asked for."""
    if api_version is not None and api_version not in VERSIONS:
        raise TeachgradError(f"teachgrad follows the array API standard {', '.join(VERSIONS)}, not {api_version!r}")
    return sys.modules[__name__]


class Info:
    """What there is to know about this namespace before using it."""

    def capabilities(self) -> dict[str, Any]:
        """Which optional behaviour is there."""
        return {"boolean indexing": True, "data-dependent shapes": True, "max dimensions": 64}

    def default_device(self) -> str:
        """Where tensors are made."""
        return "cpu" if state.now.device is None else state.now.device.name

    def devices(self) -> list[str]:
        """All devices that can be used here and now."""
        return devices.available()

    def default_dtypes(self, *, device: Any = None) -> dict[str, dtypes.DType]:
        """The data types of tensors for which none is asked, by kind; there is none for complex numbers."""
        devices.find(device)
        return {"real floating": dtypes.get_default_dtype(), "integral": dtypes.int64, "indexing": dtypes.int64}

    def dtypes(self, *, device: Any = None, kind: Any = None) -> dict[str, dtypes.DType]:
        """All data types by name, or those of a kind (a name such as "integral", or a tuple of names)."""
        devices.find(device)
        return {str(dtype): dtype for dtype in dtypes.SUPPORTED if kind is None or isdtype(dtype, kind)}


def __array_namespace_info__() -> Info:
    return Info()


__all__ = [
    "__array_api_version__", "__array_namespace_info__", "abs", "acos", "acosh", "add", "all", "any", "arange",
    "argmax", "argmin", "argsort", "asarray", "asin", "asinh", "astype", "atan", "atan2", "atanh", "bitwise_and",
    "bitwise_invert", "bitwise_left_shift", "bitwise_or", "bitwise_right_shift", "bitwise_xor", "bool",
    "broadcast_arrays", "broadcast_shapes", "broadcast_to", "can_cast", "ceil", "clip", "concat", "copysign", "cos",
    "cosh", "count_nonzero", "cumulative_prod", "cumulative_sum", "diff", "divide", "e", "empty", "empty_like",
    "equal", "exp", "expand_dims", "expm1", "eye", "finfo", "flip", "float16", "float32", "float64", "floor",
    "floor_divide", "from_dlpack", "full", "full_like", "greater", "greater_equal", "hypot", "iinfo", "inf", "int16",
    "int32", "int64", "int8", "isdtype", "isfinite", "isinf", "isnan", "less", "less_equal", "linalg", "linspace",
    "log", "log10", "log1p", "log2", "logaddexp", "logical_and", "logical_not", "logical_or", "logical_xor", "matmul",
    "matrix_transpose", "max", "maximum", "mean", "meshgrid", "min", "minimum", "moveaxis", "multiply", "nan",
    "negative", "newaxis", "nextafter", "nonzero", "not_equal", "ones", "ones_like", "permute_dims", "pi", "positive",
    "pow", "prod", "reciprocal", "remainder", "repeat", "reshape", "result_type", "roll", "round", "searchsorted",
    "sign", "signbit", "sin", "sinh", "sort", "sqrt", "square", "squeeze", "stack", "std", "subtract", "sum", "take",
    "take_along_axis", "tan", "tanh", "tensordot", "tile", "tril", "triu", "trunc", "uint16", "uint32", "uint64",
    "uint8", "unique_all", "unique_counts", "unique_inverse", "unique_values", "unstack", "var", "vecdot", "where",
    "zeros", "zeros_like",
]
