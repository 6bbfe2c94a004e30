"""What elementwise ops share: they compute each element by itself, with broadcasting.

The result has the broadcast shape of the inputs, inputs of different types meet by `dtypes.promote`, numbers beside a
tensor become constants by `lift`, and one C expression says in every language what the op computes.
"""

from __future__ import annotations

import builtins
import re
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from .. import devices, dtypes
from ..errors import DTypeError
from ..op import Array, Op, Spec, Vertex, apply, beside, device_of, modes, shared_id, state
from ..sizes import Quantity, broadcast_shapes
from .made import made_of
from .shape import astype

ARITHMETIC = re.compile(r"[-+*/]|\b[A-Za-z_]\w*\(")
"""What counts as one operation in a C expression."""

_constants: dict[Any, Vertex] = {}


def lift(value: Any, like: Vertex) -> Vertex:
    """Make a constant of a Python scalar or a NumPy array that meets the tensor `like`.

    A Python scalar (and a NumPy one) takes the dtype of the tensor, unless that could not hold its kind: a float
    beside an integer tensor takes the default float, an integer beside a boolean one int64. An array keeps its dtype.
    """
    if isinstance(value, Vertex):
        return value
    if isinstance(value, np.ndarray):
        return beside(like, value.astype(dtypes.as_dtype(value.dtype), copy=True))
    dtype = like.dtype
    if isinstance(value, Quantity):
        kind = dtypes.of_python_scalar(value)
        floats = kind.kind == "f" and dtype.kind != "f"
        return made_of(np.asarray, (value, kind if floats or dtype.kind == "b" else dtype), ())
    if type(value) is not float or dtype.kind != "f":
        kind = dtypes.of_python_scalar(value if not isinstance(value, np.generic) else value.item())
        if (kind.kind == "f" and dtype.kind != "f") or (kind.kind == "i" and dtype.kind == "b"):
            dtype = kind
    there = device_of(like) if devices.beyond and state.now.tracer is None else None
    key = (value or str(value), type(value), dtype, like.result_type, there)  # as text, 0.0 and -0.0 differ
    found = _constants.get(key)
    if found is None:
        data = np.asarray(value, dtype=dtype)
        data.flags.writeable = False
        if value != value or len(_constants) >= 1000:
            return beside(like, data)
        with modes(next_id=shared_id):  # a run of code that comes later makes it no more
            found = _constants[key] = beside(like, data)
    return found


class Elementwise(Op):
    """An op on each element by itself."""

    writes_out = True
    ufunc: str = ""
    """The array library's function that is the whole op, if there is one."""
    c: str = ""
    """The op as a C expression of {x}, {y}, ...; generated C and generated CUDA share it."""
    operands: tuple[str, ...] = ("x", "y")
    """What the inputs are called in the C expression, in their order; settings stand there by name."""
    c_kinds: str = "f"
    """The kinds of dtype for which the C expression gives what the array library does, nan and overflow included."""
    c_whole: ClassVar[Mapping[str, str]] = {}
    """The C expressions for integers with a sign ("i") and without ("u"), where they are others; {bits} and {type} are
    those of the result."""
    c_fails: str = ""
    """For an op that may fail: the C expression that says whether an element makes it do so."""
    result: np.dtype[Any] | None = None
    """The dtype of the result where it is not that of the inputs (comparisons give bool)."""
    kinds: str = "biuf"
    """The kinds of dtype that the op takes: b bool, i signed, u unsigned, f float."""
    floating: builtins.bool = False
    """Whether integers are first turned into the default float, as for exp."""

    def __init__(self) -> None:
        super().__init__()
        if self.ufunc:
            self.kernel = getattr(np, self.ufunc)
            self.may_overwrite = (0, 1)

    def infer(self, *inputs: Any, **settings: Any) -> Spec:
        shape = inputs[0].shape
        for other in inputs[1:]:
            if other.shape != shape:
                shape = broadcast_shapes(*[x.shape for x in inputs])
                break
        return Spec(shape, self.result or inputs[-1].dtype)

    def forward(self, xp: Any, *inputs: Any, **settings: Any) -> Array:
        return getattr(xp, self.ufunc)(*inputs, **settings)

    def flops(self, z: Any, *inputs: Any, **attrs: Any) -> int:
        """The operators and functions in the C expression, for each element."""
        return z.size * max(1, len(ARITHMETIC.findall(self.c)))

    def admit(self, *inputs: Vertex) -> tuple[Vertex, ...]:
        """Bring inputs to one dtype that the op takes."""
        dtype = inputs[0].dtype
        for x in inputs[1:]:
            dtype = dtypes.promote(dtype, x.dtype)
        if self.floating and dtype.kind != "f":
            dtype = dtypes.get_default_dtype()
        if dtype.kind not in self.kinds:
            raise DTypeError(f"{self.name} does not take {dtype}")
        return tuple(x if x.dtype == dtype else astype(x, dtype) for x in inputs)


class Unary(Elementwise):
    """An elementwise op of one input."""

    def __call__(self, x: Any, /) -> Any:
        if not isinstance(x, Vertex):
            raise DTypeError(f"{self.name} takes a tensor, not a {type(x).__name__}; write tg.tensor(...) around it")
        if x._data.dtype.kind != "f" or "f" not in self.kinds:
            (x,) = self.admit(x)
        return apply(self, (x,))


class Binary(Elementwise):
    """An elementwise op of two inputs, either of which may be a Python number or a NumPy array."""

    def __call__(self, x: Any, y: Any, /) -> Any:
        if not isinstance(x, Vertex):
            if not isinstance(y, Vertex):
                raise DTypeError(f"{self.name} takes at least one tensor; write tg.tensor(...) around an operand")
            x = lift(x, y)
        elif not isinstance(y, Vertex):
            y = lift(y, x)
        dtype = x._data.dtype
        if dtype is not y._data.dtype or dtype.kind != "f":
            x, y = self.admit(x, y)
        return apply(self, (x, y))
