"""Ops that give each element by itself, in one pass: kernels made of an expression, for any number of elements.

CuPy has a kernel for each function that NumPy has; an activation is several of these one after the other, each of which
reads and writes the whole array. The expression is the same one that generated C and CUDA are made of (`op.c`), or, for
the steps of optimizers, one of `updates`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from teachgrad.dtypes import C_TYPES
from teachgrad.executors.c.spelling import in_type
from teachgrad.ops import activations, dropout, elementwise, losses
from teachgrad.ops.elementwise_op import Elementwise
from teachgrad.ops.erf import erf

from ..generating.words import PRELUDE
from ..kernels.kernel import LARGEST, strided
from .table import computes, fits

MAPS = (
    activations.relu_gradient, activations.leaky_relu, activations.leaky_relu_gradient, activations.elu,
    activations.sigmoid, activations.sigmoid_gradient, activations.silu, activations.silu_gradient, activations.gelu,
    activations.gelu_gradient, activations.gelu_tanh, activations.gelu_tanh_gradient, activations.softplus,
    elementwise.tanh_gradient, losses.binary_cross_entropy, losses.binary_cross_entropy_with_logits, erf,
    dropout.keep_scaled)
"""The ops that take several functions of NumPy's and one expression."""


@dataclass(frozen=True)
class Map:
    """What a kernel computes: z = expression, of elements of arrays and of numbers, all called by name."""

    name: str
    arrays: tuple[str, ...]
    numbers: tuple[str, ...]
    expression: str
    once: tuple[tuple[str, str], ...] = ()
    """Numbers that are computed once a thread, of the numbers above: (name, expression) in order, in double."""

    def text(self, kinds: Sequence[str], numbers: Sequence[str], kind: str) -> str:
        """The kernel, for arrays of these types; `numbers` has "" for a number that comes by value, else its type in
        memory of the device."""
        parameters = [f"const {given} *{name}_in" for name, given in zip(self.arrays, kinds, strict=True)]
        parameters += [f"const {given} *{name}_in" if given else f"double {name}"
                       for name, given in zip(self.numbers, numbers, strict=True)]
        read = [f"    const double {name} = {name}_in[0];"
                for name, given in zip(self.numbers, numbers, strict=True) if given]
        once = [f"    const real {name} = {expression};" for name, expression in self.once]
        elements = [f"        const {given} {name} = {name}_in[i];"
                    for name, given in zip(self.arrays, kinds, strict=True)]
        return "\n".join([
            PRELUDE, f"typedef {kind} real;", "",
            f'extern "C" __global__ void map_{self.name}({", ".join(parameters)}, real *z, int n)', "{", *read, *once,
            "    for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x) {", *elements,
            f"        z[i] = {self.expression};", "    }", "}", ""])


MADE: WeakKeyDictionary[Any, dict[Any, Any]] = WeakKeyDictionary()
"""The kernels of maps, as long as there is the device."""


def kernel(cupy: Any, what: Map, kinds: tuple[str, ...], numbers: tuple[str, ...], kind: str) -> Any:
    """The kernel of a map for arrays of these types, compiled when it is first launched."""
    made, key = MADE.setdefault(cupy, {}), (what, kinds, numbers, kind)
    if key not in made:
        made[key] = cupy.RawKernel(what.text(kinds, numbers, kind), f"map_{what.name}", ())
    return made[key]


def run(there: Any, what: Map, arrays: Sequence[Any], numbers: Sequence[Any], out: Any = None) -> Any:
    """Compute a map of arrays of one shape, in the type of the first. A number is one of Python's or NumPy's, or an
    array without axes on the device, which is read there: nobody waits for it."""
    first = arrays[0]
    fits(first.dtype.kind == "f" and first.size <= LARGEST)
    fits(all(type(a) is there.array and a.shape == first.shape and a.flags.c_contiguous
             and a.dtype in (first.dtype, np.bool_) for a in arrays))
    z = there.xp.empty_like(first) if out is None else out
    types = tuple(C_TYPES[n.dtype] if type(n) is there.array else "" for n in numbers)
    made = kernel(there.cupy, what, tuple(C_TYPES[a.dtype] for a in arrays), types, C_TYPES[first.dtype])
    given = [n if kind else np.float64(n) for n, kind in zip(numbers, types, strict=True)]
    made(*strided(z.size), (*arrays, *given, z, np.int32(z.size)))
    return z


@cache
def map_of(op: Elementwise, count: int, settings: tuple[str, ...], dtype: np.dtype[Any]) -> Map:
    """An elementwise op of so many arrays as a map; its settings are numbers."""
    operands = op.operands[:count]
    words = {name: f"(real){name}" for name in settings}
    expression = in_type(op.c, dtype).format(**{name: name for name in operands}, **words)
    return Map(op.name, operands, settings, expression)


def by_expression(op: Elementwise) -> None:
    """Let an elementwise op be computed by a kernel of its expression."""

    @computes(op)
    def way(there: Any, *arrays: Any, **settings: Any) -> Any:
        names = tuple(settings)
        return run(there, map_of(op, len(arrays), names, arrays[0].dtype), arrays, [settings[name] for name in names])


for member in MAPS:
    by_expression(member)
