"""Maps: how the kernels of map.cu are launched, and what they compute."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .kernel import Example, Kernel, Plan, blocks, empty, fit, normal, strided, wide

GELU_FLOPS = 20
"""Roughly: erf is a polynomial."""
erf = np.vectorize(math.erf, otypes=[np.float64])


def one_each(x: Any, z: Any) -> Plan:
    fit("gelu", z=(z, x.shape))
    return Plan((blocks(x.size, 256),), (256,), {"n": x.size}, flops=GELU_FLOPS * x.size)


def loop(*arrays: Any) -> Plan:
    x = arrays[0]
    for a in arrays[1:]:
        fit("gelu", array=(a, x.shape))
    return Plan(*strided(x.size), {"n": x.size}, flops=GELU_FLOPS * x.size)


def loop_of_four(x: Any, z: Any) -> Plan:
    fit("gelu", z=(z, x.shape))
    return Plan(*strided(blocks(x.size, 4)), {"n": x.size}, flops=GELU_FLOPS * x.size)


def copying(x: Any, z: Any) -> Plan:
    fit("copy", z=(z, x.shape))
    return Plan(*strided(blocks(x.size, 4)), {"n": x.size})


def gelu(x: Any, z: Any) -> None:
    z[...] = 0.5 * wide(x) * (1 + erf(wide(x) / math.sqrt(2)))


def gelu_backward(g: Any, x: Any, gx: Any) -> None:
    density = np.exp(-0.5 * wide(x) ** 2) / math.sqrt(2 * math.pi)
    gx[...] = g * (0.5 * (1 + erf(wide(x) / math.sqrt(2))) + x * density)


def copy(x: Any, z: Any) -> None:
    z[...] = x


def example(rng: np.random.Generator, dtype: str, *shape: int) -> Example:
    return Example((normal(rng, dtype, *shape), empty(dtype, *shape)))


def backward_example(rng: np.random.Generator, dtype: str, *shape: int) -> Example:
    return Example((normal(rng, dtype, *shape), normal(rng, dtype, *shape), empty(dtype, *shape)))


SHAPES, LARGE = ((1,), (31,), (33,), (1000,)), (1 << 26,)
KERNELS = (
    Kernel("gelu_guarded", "map", one_each, gelu, example, SHAPES, LARGE),
    Kernel("gelu_strided", "map", loop, gelu, example, SHAPES, LARGE),
    Kernel("gelu_vectorised", "map", loop_of_four, gelu, example, SHAPES, LARGE, dtypes=("float32",), together=4),
    Kernel("gelu_backward", "map", loop, gelu_backward, backward_example, SHAPES, LARGE),
    Kernel("copy_vectorised", "map", copying, copy, example, SHAPES, LARGE, dtypes=("float32",), together=4),
)
