"""What people who come from PyTorch and NumPy call things, and what they are called here; for error messages only."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

METHODS = {
    "view": "reshape", "permute": "permute_dims", "unsqueeze": "expand_dims", "t": "T",
    "transpose": "permute_dims, or .mT for the last two axes", "movedim": "moveaxis", "dim": "ndim", "numel": "size",
    "type": "astype", "cuda": "to(\"gpu\")", "float": "astype(tg.float32)", "double": "astype(tg.float64)",
    "half": "astype(tg.float16)", "long": "astype(tg.int64)", "int": "astype(tg.int32)", "bool": "astype(tg.bool)",
    "clone": "copy", "contiguous": "copy", "cpu": "to(\"cpu\")", "tolist": "numpy().tolist()", "amax": "max",
    "amin": "min", "cumsum": "cumulative_sum", "cumprod": "cumulative_prod", "clamp": "clip", "expand": "broadcast_to",
    "repeat": "tile (the whole again) or tg.repeat(x, n) (each element again)", "unbind": "unstack",
    "repeat_interleave": "tg.repeat(x, n)", "diff": "tg.diff(x)", "tril": "tg.tril(x)", "triu": "tg.triu(x)",
    "norm": "tg.linalg.norm(x)", "det": "tg.linalg.det(x)", "inverse": "tg.linalg.inv(x)",
    "diagonal": "tg.linalg.diagonal(x)", "trace": "tg.linalg.trace(x)", "dot": "x @ y", "matmul": "x @ y",
    "mm": "x @ y", "bmm": "x @ y", "mv": "x @ y", "unique": "tg.unique_values(x)", "where": "tg.where(condition, x, y)",
    "masked_fill": "tg.where(mask, value, x)", "index_select": "take", "gather": "tg.take_along_axis(x, indices)",
    "register_hook": "on_grad", "requires_grad_": "requires_grad = True", "grad_fn": "op", "detach_": "detach",
}
"""Of tensors."""

FUNCTIONS = {
    "cat": "concat", "concatenate": "concat", "hstack": "concat", "vstack": "concat", "view": "reshape",
    "permute": "permute_dims", "transpose": "permute_dims", "swapaxes": "permute_dims", "movedim": "moveaxis",
    "unsqueeze": "expand_dims", "flatten": "reshape", "unbind": "unstack", "repeat_interleave": "repeat",
    "expand": "broadcast_to", "clone": "asarray", "from_numpy": "asarray", "as_tensor": "asarray", "array": "asarray",
    "mm": "matmul", "bmm": "matmul", "mv": "matmul", "mul": "multiply", "sub": "subtract",
    "div": "divide", "neg": "negative", "absolute": "abs", "clamp": "clip", "eq": "equal",
    "ne": "not_equal", "lt": "less", "le": "less_equal", "gt": "greater", "ge": "greater_equal", "amax": "max",
    "amin": "min", "cumsum": "cumulative_sum", "cumprod": "cumulative_prod", "unique": "unique_values",
    "index_select": "take", "gather": "take_along_axis", "arcsin": "asin", "arccos": "acos", "arctan": "atan",
    "arctan2": "atan2", "rand": "random.uniform", "randn": "random.normal", "randint": "random.integers",
    "randperm": "random.permutation", "manual_seed": "seed", "norm": "linalg.norm", "det": "linalg.det",
    "inverse": "linalg.inv", "diagonal": "linalg.diagonal", "relu": "nn.functional.relu",
    "sigmoid": "nn.functional.sigmoid", "softmax": "nn.functional.softmax", "gelu": "nn.functional.gelu",
    "dropout": "nn.functional.dropout", "logsumexp": "nn.functional.logsumexp",
    "cross_entropy": "nn.functional.cross_entropy", "one_hot": "nn.functional.one_hot", "erf": "nn.functional.erf",
    "Module": "nn.Module", "set_grad_enabled": "no_grad", "inference_mode": "inference", "autograd": "grad",
    "jit": "static", "compile": "static", "long": "int64", "half": "float16", "double": "float64",
}
"""Of the package."""

KEYWORDS = {"dim": "axis", "dims": "axis", "keepdim": "keepdims"}
"""Of functions that take an axis."""


def hint(name: str, table: dict[str, str], before: str = "") -> str:
    """What to add to the message that there is no such name."""
    return f"; here it is `{before}{table[name]}`" if name in table else ""


F = TypeVar("F", bound=Callable[..., Any])


def takes_axis(function: Any) -> bool:
    """Whether something is a function of Python with a parameter `axis`."""
    code = getattr(function, "__code__", None)
    return code is not None and "axis" in code.co_varnames[:code.co_argcount + code.co_kwonlyargcount]


def own_keywords(function: F) -> F:
    """A function that takes an axis, as one that says so to a caller who writes `dim=`."""
    @wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        if kwargs and not KEYWORDS.keys().isdisjoint(kwargs):
            wrong = next(key for key in kwargs if key in KEYWORDS)
            raise TypeError(f"{called(function, args)}() has no setting {wrong!r}; here it is `{KEYWORDS[wrong]}`")
        return function(*args, **kwargs)

    return call  # type: ignore[return-value]


def called(function: Any, args: tuple[Any, ...]) -> str:
    """The name by which a function is called: of ops their own, of constructors that of the class."""
    names = {"__call__": lambda: args[0].name, "__init__": lambda: type(args[0]).__name__}
    return names.get(function.__name__, lambda: function.__name__)()
