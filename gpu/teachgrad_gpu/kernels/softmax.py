"""Softmax: how the kernels of softmax.cu and softmax_columns.cu are launched, and what they compute."""

from __future__ import annotations

from typing import Any

import numpy as np

from teachgrad.errors import ShapeError

from .kernel import Example, Kernel, Plan, blocks, empty, fit, normal, row_in_registers, warps, wide

FLOPS = 5
"""An element: a comparison, a difference, an exponential, an addition, a division."""


def a_thread_a_row(x: Any, z: Any) -> Plan:
    rows, n = shape_of(x, z)
    return Plan((blocks(rows, 64),), (64,), {"rows": rows, "n": n}, flops=FLOPS * x.size)


def a_block_a_row(x: Any, z: Any) -> Plan:
    rows, n = shape_of(x, z)
    threads = min(256, 1 << max(5, (n - 1).bit_length()))
    return Plan((rows,), (threads,), {"n": n}, shared=threads * x.itemsize, flops=FLOPS * x.size)


def a_warp_a_row(*arrays: Any) -> Plan:
    rows, n = shape_of(*arrays)
    return Plan(*warps(rows), {"rows": rows, "n": n}, flops=FLOPS * arrays[0].size)


def in_registers(x: Any, z: Any) -> Plan:
    rows, n = shape_of(x, z)
    threads, macros = row_in_registers("softmax_registers", n)
    return Plan((rows,), (threads,), {"n": n}, macros=macros, flops=FLOPS * x.size)


def shape_of(x: Any, *others: Any) -> tuple[int, int]:
    rows, n = x.shape
    for a in others:
        fit("softmax", array=(a, x.shape))
    if not n:
        raise ShapeError("softmax over no numbers does not exist")
    return rows, n


def down_columns(x: Any, *others: Any, lanes: int = 8, **scalars: int) -> Plan:
    outer, n, inner = x.shape
    for a in others:
        fit("softmax", array=(a, x.shape))
    if not n:
        raise ShapeError("softmax over no numbers does not exist")
    return Plan((blocks(inner, 32), outer), (32, lanes), {"n": n, "inner": inner, **scalars},
                macros={} if lanes == 8 else {"LANES": lanes}, flops=FLOPS * x.size)


def columns_plan(x: Any, z: Any, *, causal: bool = False, lanes: int = 8) -> Plan:
    return down_columns(x, z, lanes=lanes, causal=int(causal))


def columns_backward_plan(g: Any, z: Any, gx: Any, *, lanes: int = 8) -> Plan:
    return down_columns(g, z, gx, lanes=lanes)


def softmax(x: Any, z: Any) -> None:
    e = np.exp(wide(x) - wide(x).max(axis=1, keepdims=True))
    z[...] = e / e.sum(axis=1, keepdims=True)


def softmax_backward(g: Any, z: Any, gx: Any) -> None:
    gx[...] = z * (wide(g) - (wide(g) * z).sum(axis=1, keepdims=True))


def log_softmax(x: Any, z: Any) -> None:
    shifted = wide(x) - wide(x).max(axis=1, keepdims=True)
    z[...] = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))


def log_softmax_backward(g: Any, z: Any, gx: Any) -> None:
    gx[...] = g - np.exp(wide(z)) * wide(g).sum(axis=1, keepdims=True)


def softmax_columns(x: Any, z: Any, *, causal: bool = False, lanes: int = 8) -> None:
    hidden = np.arange(x.shape[1])[:, None] > np.arange(x.shape[2])
    s = np.where(hidden, -np.inf, wide(x)) if causal else wide(x)
    e = np.exp(s - s.max(axis=1, keepdims=True))
    z[...] = e / e.sum(axis=1, keepdims=True)


def softmax_columns_backward(g: Any, z: Any, gx: Any, *, lanes: int = 8) -> None:
    gx[...] = z * (wide(g) - (wide(g) * z).sum(axis=1, keepdims=True))


def example(rng: np.random.Generator, dtype: str, rows: int, n: int) -> Example:
    """Rows of very different height, so that a softmax without its maximum overflows."""
    x = 3 * normal(rng, dtype, rows, n) + np.linspace(-1000, 1000, rows).astype(dtype)[:, None]
    return Example((x.astype(dtype), empty(dtype, rows, n)))


def backward_example(rng: np.random.Generator, dtype: str, rows: int, n: int) -> Example:
    x, z = example(rng, dtype, rows, n).arrays
    softmax(x, z)
    return Example((normal(rng, dtype, rows, n), z, empty(dtype, rows, n)))


def log_backward_example(rng: np.random.Generator, dtype: str, rows: int, n: int) -> Example:
    x, z = example(rng, dtype, rows, n).arrays
    log_softmax(x, z)
    return Example((normal(rng, dtype, rows, n), z, empty(dtype, rows, n)))


def columns_example(rng: np.random.Generator, dtype: str, outer: int, n: int, inner: int, causal: int) -> Example:
    x = 3 * normal(rng, dtype, outer, n, inner) + np.linspace(-1000, 1000, inner).astype(dtype)
    return Example((x.astype(dtype), empty(dtype, *x.shape)), {"causal": bool(causal)})


def columns_backward_example(rng: np.random.Generator, dtype: str, outer: int, n: int, inner: int,
                             causal: int) -> Example:
    (x, z), settings = (found := columns_example(rng, dtype, outer, n, inner, causal)).arrays, found.settings
    softmax_columns(x, z, **settings)
    return Example((normal(rng, dtype, *x.shape), z, empty(dtype, *x.shape)))


COLUMNS, TABLES = ((1, 1, 1, 0), (2, 31, 5, 0), (3, 20, 33, 1), (2, 40, 17, 1)), (96, 1024, 1024, 1)
SHAPES, LARGE = ((1, 1), (3, 31), (5, 33), (2, 1000)), (16384, 4096)
KERNELS = (
    Kernel("softmax_naive", "softmax", a_thread_a_row, softmax, example, SHAPES, LARGE),
    Kernel("softmax_shared", "softmax", a_block_a_row, softmax, example, SHAPES, LARGE),
    Kernel("softmax_shuffled", "softmax", a_warp_a_row, softmax, example, SHAPES, LARGE),
    Kernel("softmax_online", "softmax", a_warp_a_row, softmax, example, SHAPES, LARGE),
    Kernel("softmax_registers", "softmax", in_registers, softmax, example, SHAPES, LARGE),
    Kernel("softmax_backward", "softmax", a_warp_a_row, softmax_backward, backward_example, SHAPES, LARGE),
    Kernel("log_softmax", "softmax", a_warp_a_row, log_softmax, example, SHAPES, LARGE, tolerance=32.0),
    Kernel("log_softmax_backward", "softmax", a_warp_a_row, log_softmax_backward, log_backward_example, SHAPES, LARGE),
    Kernel("softmax_columns", "softmax_columns", columns_plan, softmax_columns, columns_example, COLUMNS, TABLES),
    Kernel("softmax_columns_backward", "softmax_columns", columns_backward_plan, softmax_columns_backward,
           columns_backward_example, COLUMNS, TABLES),
)
