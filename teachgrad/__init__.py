"""teachgrad: a deep-learning framework whose graph is the lesson.

Write ordinary Python on tensors; every value, gradient and rewrite that results can be opened, stepped and explained.

    import teachgrad as tg

    w = tg.tensor([1.0, 2.0], requires_grad=True)
    loss = (w * w).sum()
    loss.backward()
    w.grad                                                  # tensor([2., 4.], dtype=float32)

Functions and methods follow the Python array API standard 2024.12 (`teachgrad.xp` says how far).
"""

# ruff: noqa: I001, RUF022  (names stand in groups by subject, several a line)

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

# ---- tensors, modes and data types -----------------------------------------------------------------------------------
from .autodiff import grad, hessian, hvp, jvp, vjp
from .creation import (
    arange, asarray, empty, empty_like, eye, from_dlpack, full, full_like, linspace, meshgrid, ones, ones_like,
    tensor, tril, triu, zeros, zeros_like,
)
from .datatypes import can_cast, finfo, iinfo, isdtype, result_type
from .dtypes import (
    bool, float16, float32, float64, get_default_dtype, int8, int16, int32, int64, set_default_dtype, uint8, uint16,
    uint32, uint64,
)
from .errors import (
    DataError, DeviceError, DTypeError, ExecutorError, GradientError, InplaceError, MatrixError, RecordingError,
    ShapeError, TeachgradError, TraceError, VerificationError,
)
from .function import Function
from .gradcheck import GradCheck, gradcheck
from .modes import device, enable_grad, inference, is_grad_enabled, no_grad
from .tensor import Parameter, Tensor
from . import linalg, random, xp
from .random import seed
from .spelling import FUNCTIONS as _FUNCTIONS
from .spelling import hint as _hint
from .version import __version__ as __version__

# ---- functions on tensors --------------------------------------------------------------------------------------------
from .ops.bitwise import (
    bitwise_and, bitwise_invert, bitwise_left_shift, bitwise_or, bitwise_right_shift, bitwise_xor,
)
from .ops.comparison import (
    greater, greater_equal, isfinite, isinf, isnan, less, less_equal, logical_and, logical_not, logical_or,
    logical_xor, not_equal, signbit,
)
from .ops.elementwise import (
    abs, add, divide, equal, exp, log, maximum, minimum, multiply, negative, positive, power, reciprocal, sign, sqrt,
    square, subtract, tanh, where,
)
from .ops.functions import (
    acos, acosh, asin, asinh, atan, atan2, atanh, clip, copysign, cos, cosh, expm1, hypot, log1p, log2, log10,
    logaddexp, nextafter, sin, sinh, tan,
)
from .ops.cumulative import cumulative_prod, cumulative_sum
from .ops.einsum import einsum
from .ops.indexing import nonzero, take
from .ops.indexing import take_along as take_along_axis
from .ops.joining import broadcast_arrays, broadcast_shapes, diff, repeat, roll, tile, unstack
from .ops.logic import all, any, count_nonzero
from .ops.matmul import matmul
from .ops.products import outer, tensordot, vecdot
from .ops.reductions import max, mean, min, sum
from .ops.rounding import ceil, floor, floor_divide, remainder, round, trunc
from .ops.searching import argmax, argmin, searchsorted
from .ops.sets import unique_all, unique_counts, unique_inverse, unique_values
from .ops.shape import (
    astype, broadcast_to, concat, expand_dims, flip, matrix_transpose, moveaxis, permute_dims, reshape, squeeze, stack,
)
from .ops.sorting import argsort, sort
from .ops.statistics import prod, std, var

# ---- loops and branches ----------------------------------------------------------------------------------------------
from .control import checkpoint, cond, scan, while_loop

# ---- static graphs ---------------------------------------------------------------------------------------------------
from .expressions import latex, pretty, simplify
from .runmode import mode
from .static import source, static
from .symbolic import function, placeholder
from .symbolic import state_of as state
from .threads import get_num_threads, set_num_threads

pow = power
e, pi, inf, nan, newaxis = xp.e, xp.pi, xp.inf, xp.nan, xp.newaxis

# ---- what is built on all this, loaded when it is first named --------------------------------------------------------
if TYPE_CHECKING:
    from . import data, drawing, nn, optim
    from .drawing import dot, draw, html, show
    from .executors import c
    from .export import export_c
    from .profiling import profile
    from .recording import Recorder


def __getattr__(name: str) -> Any:
    if name in ("data", "drawing", "nn", "optim"):
        return import_module(f"{__name__}.{name}")
    if name in ("dot", "draw", "html", "show"):
        return getattr(import_module(f"{__name__}.drawing"), name)
    if name == "export_c":
        return import_module(f"{__name__}.export").export_c
    if name == "profile":
        return import_module(f"{__name__}.profiling").profile
    if name == "c":
        return import_module(f"{__name__}.executors.c")
    if name == "Recorder":
        return import_module(f"{__name__}.recording").Recorder
    raise AttributeError(f"module 'teachgrad' has no attribute {name!r}" + _hint(name, _FUNCTIONS, "tg."))


__all__ = [
    # tensors, modes and data types
    "Function", "GradCheck", "Parameter", "Tensor", "arange", "asarray", "bool", "can_cast", "device", "e", "empty",
    "empty_like", "enable_grad", "eye", "finfo", "float16", "float32", "float64", "from_dlpack", "full", "full_like",
    "function", "get_default_dtype", "get_num_threads", "grad", "gradcheck", "hessian", "hvp", "iinfo", "inf",
    "inference", "int16", "int32", "int64", "int8", "is_grad_enabled", "isdtype", "jvp", "latex", "linalg", "linspace",
    "meshgrid", "mode", "nan", "newaxis", "no_grad", "ones", "ones_like", "pi", "placeholder", "pretty", "random",
    "result_type", "seed", "set_default_dtype", "set_num_threads", "simplify", "source", "state", "static", "tensor",
    "tril", "triu", "uint16", "uint32", "uint64", "uint8", "vjp", "xp", "zeros", "zeros_like",
    # errors
    "DTypeError", "DataError", "DeviceError", "ExecutorError", "GradientError", "InplaceError", "MatrixError",
    "RecordingError", "ShapeError", "TeachgradError", "TraceError", "VerificationError",
    # built on top
    "Recorder", "c", "data", "dot", "draw", "drawing", "export_c", "html", "nn", "optim", "profile", "show",
    # loops and branches
    "checkpoint", "cond", "scan", "while_loop",
    # functions on tensors
    "abs", "acos", "acosh", "add", "all", "any", "argmax", "argmin", "argsort", "asin", "asinh", "astype", "atan",
    "atan2", "atanh", "bitwise_and", "bitwise_invert", "bitwise_left_shift", "bitwise_or", "bitwise_right_shift",
    "bitwise_xor", "broadcast_arrays", "broadcast_shapes", "broadcast_to", "ceil", "clip", "concat", "copysign",
    "cos", "cosh", "count_nonzero", "cumulative_prod", "cumulative_sum", "diff", "divide", "einsum", "equal", "exp",
    "expand_dims", "expm1", "flip", "floor", "floor_divide", "greater", "greater_equal", "hypot", "isfinite",
    "isinf", "isnan", "less", "less_equal", "log", "log10", "log1p", "log2", "logaddexp", "logical_and",
    "logical_not", "logical_or", "logical_xor", "matmul", "matrix_transpose", "max", "maximum", "mean", "min",
    "minimum", "moveaxis", "multiply", "negative", "nextafter", "nonzero", "not_equal", "outer", "permute_dims",
    "positive", "pow", "power", "prod", "reciprocal", "remainder", "repeat", "reshape", "roll", "round",
    "searchsorted", "sign", "signbit", "sin", "sinh", "sort", "sqrt", "square", "squeeze", "stack", "std",
    "subtract", "sum", "take", "take_along_axis", "tan", "tanh", "tensordot", "tile", "trunc", "unique_all",
    "unique_counts", "unique_inverse", "unique_values", "unstack", "var", "vecdot", "where",
]
