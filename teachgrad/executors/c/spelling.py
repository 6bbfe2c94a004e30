"""Words of C: names, numbers, and the expressions of ops in the types of a call."""

from __future__ import annotations

import math
import re
import textwrap
from collections.abc import Iterable
from typing import Any

import numpy as np

from ...dtypes import C_TYPES
from ...graph import Graph, is_constant, names
from ...op import Vertex
from ...ops.elementwise_op import Elementwise
from .groups import is_reduction

FUNCTIONS = (
    "acos", "acosh", "asin", "asinh", "atan", "atan2", "atanh", "cbrt", "ceil", "copysign", "cos", "cosh", "erf",
    "erfc", "exp", "exp2", "expm1", "fabs", "floor", "fmax", "fmin", "fmod", "hypot", "log", "log10", "log1p", "log2",
    "nextafter", "pow", "rint", "sin", "sinh", "sqrt", "tan", "tanh", "trunc")
KEYWORDS = (
    "auto", "bool", "break", "case", "char", "const", "continue", "default", "do", "double", "else", "enum", "extern",
    "false", "float", "for", "goto", "if", "inline", "int", "long", "register", "restrict", "return", "short", "signed",
    "sizeof", "static", "struct", "switch", "true", "typedef", "typeof", "asm", "union", "unsigned", "void", "volatile",
    "while", "main", "p", "failed", "start", "stop", "chunk", "part", "tile", "threads",
    "gemm", "memcpy", "linux", "unix", "NAN", "INFINITY", "isnan",
    "isinf", "isfinite", "signbit", "abs", "gamma", "y0", "y1", "yn", "j0", "j1", "jn", "select", "index", "round",
    "ldexp", "frexp", "modf", "logb", "remainder", "significand", "drem", "lgamma", "tgamma", "errno", "signgam",
    "VECTORISED", "KERNEL", "product_float", "product_double", "memory", "sgemm", "dgemm", "count", "going")
LOOPS = "ijklmnqrst"
"""The names of loops, and so the number of them that a nest can have."""
RESERVED = frozenset({*FUNCTIONS, *(f"{name}f" for name in FUNCTIONS), *KEYWORDS, *LOOPS, *C_TYPES.values(),
                      "sgemm_t", "dgemm_t"})
FIXED = RESERVED | {"INT64_C", "UINT64_C", "INT64_MIN", "greatest", "least", "omp", "simd", "reduction", "parallel",
                    "num_threads", "threads", "collapse", "schedule"}
TAKEN = re.compile(
    r".*_(out|line|parts?|chunk|sum|value(b?\d+)?|first|rows"  # what kernels call arrays and elements
    r"|[ijklmnqrst]+(b?\d+)?(w\d+)?)"
    r"|k\d+_.*[^_]|math_errhandling|[A-Z0-9_]{3,}[A-Z0-9]")  # kernels, and the macros of the headers
"""Names that only generated code itself may use; a value that is called so gets another one."""
COMMENT = re.compile(r"/\*.*?\*/|//[^\n]*", re.DOTALL)
IDENTIFIER = re.compile(r"\b[A-Za-z_]\w*")
FUNCTION = re.compile(rf"\b({'|'.join(FUNCTIONS)})\(")
NUMBER = re.compile(r"(?<![\w.])(?:\d+\.\d*(?:[eE][+-]?\d+)?|\d+[eE][+-]?\d+)(?!\w)")


def shift(offset: int) -> str:
    """How far from the first element an array is read, as a part of a name: 3, or b3 for three elements before it."""
    return f"b{-offset}" if offset < 0 else str(offset or "")


def labels(graph: Graph, words: Iterable[str] = ()) -> dict[int, str]:
    """A C name for every value of a graph; no two are the same, nor the same as a word of C or one of these words."""
    result: dict[int, str] = {}
    taken = {*RESERVED, *words}
    for number, name in names(graph).items():
        while name in taken or TAKEN.fullmatch(name):
            name += "_"
        taken.add(name)
        result[number] = name
    for v in graph.results:
        if is_constant(v) and v.id not in result:
            result[v.id] = f"constant_{v.id}"
    return result


def pattern(text: str, name: str) -> str:
    """A C function without comments and with its own names as numbers: the same for functions that do the same."""
    bare = COMMENT.sub("", text.replace(name, "function"))
    numbers: dict[str, str] = {}
    return IDENTIFIER.sub(lambda match: match[0] if match[0] in FIXED
                          else numbers.setdefault(match[0], f"n{len(numbers)}"), bare)


def remark(text: str) -> str:
    """Words for a comment: names of the user's that would end it, or go on to the next line, do not."""
    return " ".join(text.replace("\\", "/").replace("/*", "/ *").replace("*/", "* /").splitlines())


def literal(value: Any, dtype: np.dtype[Any]) -> str:
    """A number as C writes it."""
    if dtype.kind == "b":
        return "true" if value else "false"
    if dtype.kind in "iu":
        number = int(value)
        if number == -(1 << 63):
            return "INT64_MIN"
        if abs(number) >= 1 << 31:
            sign = "U" if number >= 1 << 63 else ""
            return f"{sign}INT64_C({number})" if number > 0 else f"(-INT64_C({-number}))"
        return str(number) if number >= 0 else f"({number})"
    exact = dtype.type(value)
    if math.isnan(exact):
        return "NAN"
    if math.isinf(exact):
        return "INFINITY" if exact > 0 else "(-INFINITY)"
    text = str(exact)
    text = text if "." in text or "e" in text else f"{text}.0"
    text += "f" if dtype.itemsize == 4 else ""
    return f"({text})" if text.startswith("-") else text


def in_type(expression: str, dtype: np.dtype[Any]) -> str:
    """A C expression with its functions and numbers as those of single precision, if that is the type."""
    if dtype != np.float32:
        return expression
    return NUMBER.sub(lambda match: f"{match[0]}f", FUNCTION.sub(lambda match: f"{match[1]}f(", expression))


def expression(v: Vertex, operands: list[str]) -> str:
    """The C expression of an elementwise op on these operands."""
    op = v.op
    if isinstance(op, Elementwise):
        x = v.inputs[op.operands.index("x")]
        return filled(op.c_whole.get(x.dtype.kind, op.c), v, x.dtype, operands)
    if is_reduction(v) or v.dtype == v.inputs[0].dtype:
        return operands[0]
    return f"{operands[0]} != 0" if v.dtype.kind == "b" else f"({C_TYPES[v.dtype]}){operands[0]}"


def failure(v: Vertex, operands: list[str]) -> str:
    """The C expression that says whether an op that may fail does."""
    assert isinstance(v.op, Elementwise)
    return filled(v.op.c_fails, v, v.dtype, operands)


def filled(pattern: str, v: Vertex, dtype: np.dtype[Any], operands: list[str]) -> str:
    """A C expression of an op with operands and settings put in."""
    assert isinstance(v.op, Elementwise)
    settings = {"type": C_TYPES[v.dtype], "bits": str(8 * v.dtype.itemsize)}
    settings |= {key: literal(value, dtype if isinstance(value, float) else np.dtype(np.int64))
                for key, value in v.attrs.items() if isinstance(value, (int, float))}
    return in_type(pattern, dtype).format(**dict(zip(v.op.operands, operands, strict=False)), **settings)


def cost(v: Vertex) -> int:
    """About how many additions an element of an op takes as long as."""
    op = v.op
    if not isinstance(op, Elementwise):
        return 1
    return 1 + 2 * op.c.count("/") + 8 * len(FUNCTION.findall(op.c))


def step(v: Vertex, running: str, element: str) -> str:
    """The C expression of the next running result of a reduction."""
    return str(v.op.c_step.format(z=running, x=element))  # type: ignore[union-attr]


def is_sum(v: Vertex) -> bool:
    """Whether a reduction adds up."""
    return v.op is not None and getattr(v.op, "c_step", "") == "{z} + {x}"


def constant_array(name: str, array: Any, comment: str, width: int = 120) -> list[str]:
    """The definition of a constant array."""
    flat = array.reshape(-1)
    words = [bare(literal(number, flat.dtype)) for number in flat] if flat.any() else ["0"]
    rows = textwrap.wrap(", ".join(words), width - 4)
    return [f"static const {C_TYPES[array.dtype]} {name}[{flat.size}] = {{  /* {comment} */",
            *(f"    {row}" for row in rows), "};", ""]


def bare(expression: str) -> str:
    """An expression without the parentheses around it."""
    return expression[1:-1] if expression.startswith("(") else expression


def labels_of(label: Any, x: Vertex, views: Any) -> str:
    """The name of a value, or of what it is a view of."""
    known: str | None = label.get(x.id)
    return known if known is not None else label.get(views.base(x).id, "constant")
