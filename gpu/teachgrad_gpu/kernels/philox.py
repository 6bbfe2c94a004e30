"""Random numbers: how the kernels of philox.cu are launched, and what they compute, by NumPy's own generator.

`cell` is (seed, site, step) as in `teachgrad.random`.
"""

from __future__ import annotations

from math import ceil
from typing import Any

import numpy as np

from .kernel import Example, Kernel, Plan, blocks, empty, fit, strided
from .kernel import normal as normal_numbers

THREADS = 256
"""The threads of the block that draws what may be refused."""
ROUNDS = 10 * 8
"""Operations a block: ten rounds of two double products, four exclusive ors and two additions."""


def draw_plan(cell: Any, z: Any, each: int, **scalars: Any) -> Plan:
    fit("philox", cell=(cell, (3,)))
    count = blocks(z.size, each)
    return Plan(*strided(count), {"n": z.size, **scalars}, flops=ROUNDS * count)


def words_plan(cell: Any, z: Any) -> Plan:
    return draw_plan(cell, z, 4)


def uniform_plan(cell: Any, z: Any, *, low: float = 0.0, high: float = 1.0) -> Plan:
    return draw_plan(cell, z, 32 // z.dtype.itemsize, low=low, scale=high - low)


def bernoulli_plan(cell: Any, z: Any, *, p: float) -> Plan:
    return draw_plan(cell, z, 8, below=threshold(p))


def dropout_plan(cell: Any, x: Any, z: Any, *, p: float) -> Plan:
    fit("philox_dropout", z=(z, x.shape))
    return draw_plan(cell, z, 8, below=threshold(p), scale=1 / p if p else 0.0)


def in_order_plan(cell: Any, z: Any, each: int, **how: Any) -> Plan:
    """One block, since where a number begins depends on those before it."""
    fit("philox", cell=(cell, (3,)))
    macros = how.pop("macros", {})
    return Plan((min(1, z.size),), (THREADS,), {"n": z.size, **how}, macros=macros, flops=ROUNDS * blocks(z.size, each))


def normal_plan(cell: Any, z: Any, *, mean: float = 0.0, std: float = 1.0) -> Plan:
    return in_order_plan(cell, z, 32 // z.dtype.itemsize, mean=mean, scale=std)


def integers_plan(cell: Any, z: Any, *, low: int, high: int) -> Plan:
    """Where 32 bits are enough for the largest, no integer has more."""
    unit = min(8 * z.dtype.itemsize, 32 if high - low <= 2**32 else 64)
    macros = {} if unit == 32 else {"UNIT": unit}
    return in_order_plan(cell, z, 256 // unit, low=low % 2**64, count=(high - low) % 2**64, macros=macros)


def permutation_plan(cell: Any, z: Any) -> Plan:
    fit("philox_permutation", z=(z, (z.size,)))
    return in_order_plan(cell, z, 8)


def threshold(p: float) -> int:
    """u < p for u of 24 bits, as integers."""
    return ceil(float(np.float32(p)) * 2.0**24)


def bits(cell: Any) -> Any:
    return np.random.Philox(key=cell[:2], counter=[0, int(cell[2]), 0, 0])


def words(cell: Any, z: Any) -> None:
    z[...] = bits(cell).random_raw(z.size).reshape(z.shape)


def uniform(cell: Any, z: Any, *, low: float = 0.0, high: float = 1.0) -> None:
    z[...] = np.random.Generator(bits(cell)).random(z.shape, z.dtype)
    z *= z.dtype.type(high - low)
    z += z.dtype.type(low)


def normal(cell: Any, z: Any, *, mean: float = 0.0, std: float = 1.0) -> None:
    z[...] = np.random.Generator(bits(cell)).standard_normal(z.shape, z.dtype)
    z *= z.dtype.type(std)
    if mean != 0.0:
        z += z.dtype.type(mean)


def integers(cell: Any, z: Any, *, low: int, high: int) -> None:
    z[...] = np.random.Generator(bits(cell)).integers(low, high, z.shape, z.dtype)


def permutation(cell: Any, z: Any) -> None:
    z[...] = np.random.Generator(bits(cell)).permutation(z.size)


def bernoulli(cell: Any, z: Any, *, p: float) -> None:
    z[...] = np.random.Generator(bits(cell)).random(z.shape, np.float32) < np.float32(p)


def dropout(cell: Any, x: Any, z: Any, *, p: float) -> None:
    kept = np.random.Generator(bits(cell)).random(z.shape, np.float32) < np.float32(p)
    z[...] = np.where(kept, x * np.float32(1 / p), 0)


def cell(rng: np.random.Generator) -> Any:
    return rng.integers(0, 2**63, 3, np.uint64)


def words_example(rng: np.random.Generator, dtype: str, n: int) -> Example:
    return Example((cell(rng), empty("uint64", n)))


def uniform_example(rng: np.random.Generator, dtype: str, n: int) -> Example:
    return Example((cell(rng), empty(dtype, n)), {"low": -3.0, "high": 0.7})


def normal_example(rng: np.random.Generator, dtype: str, n: int) -> Example:
    return Example((cell(rng), empty(dtype, n)), {"mean": 0.5, "std": 2.0})


def integers_example(rng: np.random.Generator, dtype: str, n: int) -> Example:
    """More than half of what 32 bits can say, so that nearly every second one is refused."""
    return Example((cell(rng), empty("int64", n)), {"low": -7, "high": 2**31 - 6})


def permutation_example(rng: np.random.Generator, dtype: str, n: int) -> Example:
    return Example((cell(rng), empty("int64", n)))


def bernoulli_example(rng: np.random.Generator, dtype: str, n: int) -> Example:
    return Example((cell(rng), empty("bool", n)), {"p": 0.3})


def dropout_example(rng: np.random.Generator, dtype: str, n: int) -> Example:
    return Example((cell(rng), normal_numbers(rng, "float32", n), empty("float32", n)), {"p": 0.9})


SHAPES, LARGE = ((1,), (31,), (33,), (1000,)), (1 << 26,)
F = ("float32",)
KERNELS = (
    Kernel("philox_words", "philox", words_plan, words, words_example, SHAPES, LARGE, F, tolerance=0.0),
    Kernel("philox_uniform", "philox", uniform_plan, uniform, uniform_example, SHAPES, LARGE, tolerance=0.0),
    Kernel("philox_bernoulli", "philox", bernoulli_plan, bernoulli, bernoulli_example, SHAPES, LARGE, F, tolerance=0.0),
    Kernel("philox_normal", "philox", normal_plan, normal, normal_example, ((1,), (33,), (5000,)), (1 << 24,)),
    Kernel("philox_integers", "philox", integers_plan, integers, integers_example, SHAPES, (1 << 24,), F,
           tolerance=0.0),
    Kernel("philox_permutation", "philox", permutation_plan, permutation, permutation_example, SHAPES, (1 << 16,), F,
           tolerance=0.0),
    Kernel("philox_dropout", "philox", dropout_plan, dropout, dropout_example, SHAPES, LARGE, F, tolerance=0.0),
)
