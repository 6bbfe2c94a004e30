"""Matrix products: how the kernels of matmul.cu and matmul_tensor.cu are launched, and what they compute.

A and B are (..., rows, columns) with one leading axis or none; where only one of them has it, the other serves every
product. `transpose_a` and `transpose_b` say that an operand lies in memory the other way round.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from teachgrad.errors import ShapeError

from .kernel import Example, Kernel, Plan, blocks, empty, fit, normal, wide

TENSOR_STAGES, TENSOR_TILES = 4, 2 * (128 * (16 + 8) + 16 * (256 + 8))
"""Of matmul_tensor: how many tiles are on their way at once, and the bytes of each, padding included."""


def sizes(A: Any, B: Any, C: Any, transpose_a: bool, transpose_b: bool) -> tuple[int, int, int, int]:
    """How many products, and the m, n, k of each."""
    if not all(2 <= x.ndim <= 3 for x in (A, B, C)):
        raise ShapeError("matmul takes matrices, with one leading axis or none")
    m, k = A.shape[-2:] if not transpose_a else A.shape[-2:][::-1]
    inner, n = B.shape[-2:] if not transpose_b else B.shape[-2:][::-1]
    if k != inner:
        raise ShapeError(f"matmul: {A.shape} and {B.shape} do not fit: {k} columns meet {inner} rows")
    lead = A.shape[:-2] or B.shape[:-2]
    if B.shape[:-2] not in ((), lead):
        raise ShapeError(f"matmul: {A.shape} and {B.shape} are different numbers of matrices")
    fit("matmul", C=(C, (*lead, m, n)))
    return (*lead, 1)[0], m, n, k


def scalars(A: Any, B: Any, m: int, n: int, k: int) -> dict[str, int]:
    return {"m": m, "n": n, "k": k, "a_stride": m * k if A.ndim == 3 else 0, "b_stride": k * n if B.ndim == 3 else 0,
            "c_stride": m * n}


def macros(transpose_a: bool, transpose_b: bool) -> dict[str, Any]:
    return {name: True for name, given in (("A_TRANSPOSED", transpose_a), ("B_TRANSPOSED", transpose_b)) if given}


def naive(A: Any, B: Any, C: Any, *, transpose_a: bool = False, transpose_b: bool = False) -> Plan:
    count, m, n, k = sizes(A, B, C, transpose_a, transpose_b)
    return Plan((blocks(n, 32), blocks(m, 8), count), (32, 8), scalars(A, B, m, n, k),
                macros=macros(transpose_a, transpose_b), flops=2 * count * m * n * k)


def tiled(A: Any, B: Any, C: Any, *, transpose_a: bool = False, transpose_b: bool = False, tile: int = 16) -> Plan:
    count, m, n, k = sizes(A, B, C, transpose_a, transpose_b)
    chosen = macros(transpose_a, transpose_b) | ({} if tile == 16 else {"TILE": tile})
    return Plan((blocks(n, tile), blocks(m, tile), count), (tile, tile), scalars(A, B, m, n, k), macros=chosen,
                flops=2 * count * m * n * k)


def registers(A: Any, B: Any, C: Any, *, transpose_a: bool = False, transpose_b: bool = False) -> Plan:
    count, m, n, k = sizes(A, B, C, transpose_a, transpose_b)
    return Plan((blocks(n, 64), blocks(m, 64), count), (256,), scalars(A, B, m, n, k),
                macros=macros(transpose_a, transpose_b), flops=2 * count * m * n * k)


def vectorised(A: Any, B: Any, C: Any) -> Plan:
    count, m, n, k = sizes(A, B, C, False, False)
    return Plan((blocks(n, 128), blocks(m, 128), count), (256,), scalars(A, B, m, n, k), flops=2 * count * m * n * k)


def tensor(A: Any, B: Any, C: Any) -> Plan:
    _, m, n, k = sizes(A, B, C, False, False)
    if C.ndim != 2:
        raise ShapeError("matmul_tensor takes single matrices")
    return Plan((blocks(n, 256), blocks(m, 128)), (256,), {"m": m, "n": n, "k": k}, shared=TENSOR_STAGES * TENSOR_TILES,
                flops=2 * m * n * k)


def product(A: Any, B: Any, C: Any, *, transpose_a: bool = False, transpose_b: bool = False, tile: int = 16) -> None:
    C[...] = (wide(A).swapaxes(-1, -2) if transpose_a else wide(A)) @ (
        wide(B).swapaxes(-1, -2) if transpose_b else wide(B))


def example(rng: np.random.Generator, dtype: str, m: int, n: int, k: int) -> Example:
    return Example((normal(rng, dtype, m, k), normal(rng, dtype, k, n), empty(dtype, m, n)))


def tensor_example(rng: np.random.Generator, dtype: str, m: int, n: int, k: int) -> Example:
    return Example((normal(rng, "float16", m, k), normal(rng, "float16", k, n), empty("float32", m, n)))


SHAPES, LARGE = ((1, 1, 1), (31, 33, 17), (64, 32, 40), (5, 129, 100)), (4096, 4096, 4096)
KERNELS = (
    Kernel("matmul_naive", "matmul", naive, product, example, SHAPES, LARGE),
    Kernel("matmul_tiled", "matmul", tiled, product, example, SHAPES, LARGE),
    Kernel("matmul_registers", "matmul", registers, product, example, SHAPES, LARGE),
    Kernel("matmul_vectorised", "matmul", vectorised, product, example, SHAPES, LARGE, dtypes=("float32",),
           together=4),
    Kernel("matmul_tensor", "matmul_tensor", tensor, product, tensor_example, SHAPES, (8192, 8192, 8192),
           dtypes=("float32",), together=8),
)
