"""Draws of random numbers, as ops: the bits are a pure function of a small state tensor.

The state is (seed, site, step), three uint64. The bits are those of NumPy's Philox4x64-10 with

    key = [seed, site],   counter = [0, step, 0, 0]

so a draw depends on nothing else: not on the mode, not on what was drawn elsewhere, not on rewriting or order. The low
word of the counter runs within a draw; the step stands in the second, so that draws of one site never overlap.
Source: J. Salmon, M. Moraes, R. Dror, D. Shaw, "Parallel random numbers: as easy as 1, 2, 3" (2011).
"""

from __future__ import annotations

import threading
from typing import Any

import numpy as np

from .. import dtypes
from ..op import Array, Op, Shape, Spec, Vertex
from . import philox_c


class _Philox(threading.local):
    """One generator a thread, set to a new key and counter for every draw: that is cheaper than making one."""

    def __init__(self) -> None:
        self.key, self.counter = np.zeros(2, np.uint64), np.zeros(4, np.uint64)
        self.bits = np.random.Philox(key=self.key, counter=self.counter)
        self.generator = np.random.Generator(self.bits)
        self.fresh: Any = dict(self.bits.state, state={"key": self.key, "counter": self.counter})


_philox: _Philox | None = None


def generator(cell: Array) -> np.random.Generator:
    """NumPy's generator at the place that the state (seed, site, step) names."""
    global _philox
    if _philox is None:
        _philox = _Philox()  # made at the first draw, since importing numpy.random takes time
    p = _philox
    p.key[0], p.key[1], p.counter[1] = cell.tolist()
    p.bits.state = p.fresh
    return p.generator


class Draw(Op):
    """An op that draws numbers. Its input is the state; `shape` and `dtype` are settings."""

    differentiable = False

    def infer(self, cell: Spec, *, shape: Shape, dtype: dtypes.DType, **settings: Any) -> Spec:
        return Spec(shape, dtype)

    def forward(self, xp: Any, cell: Array, *, shape: Shape, dtype: dtypes.DType, **settings: Any) -> Array:
        return xp.asarray(self.draw(generator(cell), shape, dtype, **settings))

    def draw(self, *args: Any, **settings: Any) -> Any:
        """The numbers, from a generator at the right place, shape, dtype and the settings of the distribution."""
        raise NotImplementedError


def _drawn(dtype: dtypes.DType) -> Any:
    """The type in which floats are drawn: NumPy draws no float16, so those are rounded from float32."""
    return np.float64 if dtype.itemsize == 8 else np.float32


class RandomNormal(Draw):
    r"""z = mean + std n,   n from the normal distribution: `generator.standard_normal(shape, dtype)`"""

    def draw(self, bits: np.random.Generator, shape: Shape, dtype: dtypes.DType, *, mean: float, std: float) -> Any:
        z = np.asarray(bits.standard_normal(shape, _drawn(dtype)))
        if std != 1.0:
            z *= std
        if mean != 0.0:
            z += mean
        return z.astype(dtype, copy=False)


class RandomUniform(Draw):
    r"""z = low + (high - low) u,   u uniform in [0, 1): `generator.random(shape, dtype)`"""

    def draw(self, bits: np.random.Generator, shape: Shape, dtype: dtypes.DType, *, low: float, high: float) -> Any:
        z = np.asarray(bits.random(shape, _drawn(dtype)))
        if high - low != 1.0:
            z *= high - low
        if low != 0.0:
            z += low
        return z.astype(dtype, copy=False)

    def c_body(self, z: Vertex, cell: Vertex) -> str | None:
        return philox_c.uniform(z, z.attrs["low"], z.attrs["high"])


class RandomIntegers(Draw):
    r"""z = an integer with low ≤ z < high, each equally likely: `generator.integers(low, high, shape, dtype)`"""

    def draw(self, bits: np.random.Generator, shape: Shape, dtype: dtypes.DType, *, low: int, high: int) -> Any:
        return bits.integers(low, high, shape, dtype)


class RandomBernoulli(Draw):
    r"""z = 1 with probability p, else 0: `generator.random(shape, float32) < p`"""

    def draw(self, bits: np.random.Generator, shape: Shape, dtype: dtypes.DType, *, p: float) -> Any:
        return np.asarray(bits.random(shape, np.float32) < np.float32(p)).astype(dtype, copy=False)

    def c_body(self, z: Vertex, cell: Vertex) -> str:
        return philox_c.bernoulli(z, z.attrs["p"])


class RandomPermutation(Draw):
    r"""z = 0, 1, ..., n - 1 in an order of which each is equally likely: `generator.permutation(n)`"""

    def draw(self, bits: np.random.Generator, shape: Shape, dtype: dtypes.DType) -> Any:
        return bits.permutation(shape[0]).astype(dtype, copy=False)


class NextStep(Op):
    r"""(seed, site, step) -> (seed, site, step + 1)"""

    differentiable = False

    def infer(self, cell: Spec) -> Spec:
        return cell

    def forward(self, xp: Any, cell: Array) -> Array:
        z = cell.copy()
        z[2] += 1
        return z

    def c_body(self, z: Vertex, cell: Vertex) -> str:
        return "z[0] = cell[0];\nz[1] = cell[1];\nz[2] = cell[2] + 1;\nreturn 0;\n"


random_normal, random_uniform, random_integers = RandomNormal(), RandomUniform(), RandomIntegers()
random_bernoulli, random_permutation, next_step = RandomBernoulli(), RandomPermutation(), NextStep()
