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

# ---- tensors, modes and data types -----------------------------------------------------------------------------------
from .autodiff import grad, hessian, hvp, jvp, vjp
from .creation import (
    arange, asarray, empty, empty_like, eye, from_dlpack, full, full_like, linspace, meshgrid, ones, ones_like, tril,
    triu, zeros, zeros_like,
)
from .dtypes import (
    bool, float16, float32, float64, get_default_dtype, int8, int16, int32, int64, set_default_dtype, uint8, uint16,
    uint32, uint64,
)
from .errors import (
    DataError, DTypeError, ExecutorError, GradientError, InplaceError, RecordingError, ShapeError, TeachgradError,
    TraceError,
)
from .function import Function
from .gradcheck import GradCheck, gradcheck
from .modes import enable_grad, inference, is_grad_enabled, no_grad
from .tensor import Parameter, Tensor, tensor
from . import random
from .random import seed

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
from .ops.indexing import nonzero, take
from .ops.matmul import matmul
from .ops.reductions import max, mean, min, sum
from .ops.rounding import ceil, floor, floor_divide, remainder, round, trunc
from .ops.shape import (
    astype, broadcast_to, concat, expand_dims, flip, matrix_transpose, moveaxis, permute_dims, reshape, squeeze, stack,
)

# ---- static graphs ---------------------------------------------------------------------------------------------------
from .static import mode, static
from .symbolic import function, placeholder
from .symbolic import state_of as state

pow = power

__version__ = "0.1.0"

__all__ = [
    # tensors, modes and data types
    "Function", "GradCheck", "Parameter", "Tensor", "arange", "asarray", "bool", "empty", "empty_like",
    "enable_grad", "eye", "float16", "float32", "float64", "from_dlpack", "full", "full_like", "function",
    "get_default_dtype", "grad", "gradcheck", "hessian", "hvp", "inference", "int16", "int32", "int64", "int8",
    "is_grad_enabled", "jvp", "linspace", "meshgrid", "mode", "no_grad", "ones", "ones_like", "placeholder",
    "random", "seed", "set_default_dtype", "state", "static", "tensor", "tril", "triu", "uint16", "uint32",
    "uint64", "uint8", "vjp", "zeros", "zeros_like",
    # errors
    "DTypeError", "DataError", "ExecutorError", "GradientError", "InplaceError", "RecordingError", "ShapeError",
    "TeachgradError", "TraceError",
    # functions on tensors
    "abs", "acos", "acosh", "add", "asin", "asinh", "astype", "atan", "atan2", "atanh", "bitwise_and",
    "bitwise_invert", "bitwise_left_shift", "bitwise_or", "bitwise_right_shift", "bitwise_xor", "broadcast_to", "ceil",
    "clip", "concat", "copysign", "cos", "cosh", "divide", "equal", "exp", "expand_dims", "expm1", "flip", "floor",
    "floor_divide", "greater", "greater_equal", "hypot", "isfinite", "isinf", "isnan", "less", "less_equal", "log",
    "log1p", "log2", "log10", "logaddexp", "logical_and", "logical_not", "logical_or", "logical_xor", "matmul",
    "matrix_transpose", "max", "maximum", "mean", "min", "minimum", "moveaxis", "multiply", "negative", "nextafter",
    "nonzero", "not_equal", "permute_dims", "positive", "pow", "power", "reciprocal", "remainder", "reshape", "round",
    "sign", "signbit", "sin", "sinh", "sqrt", "square", "squeeze", "stack", "subtract", "sum", "take", "tan", "tanh",
    "trunc", "where",
]
