"""Transposition: how the kernels of transpose.cu are launched, and what they compute."""

from __future__ import annotations

from typing import Any

import numpy as np

from .kernel import Example, Kernel, Plan, blocks, empty, fit, normal


def plan(x: Any, z: Any) -> Plan:
    rows, columns = x.shape
    fit("transpose", z=(z, (columns, rows)))
    return Plan((blocks(columns, 32), blocks(rows, 32)), (32, 8), {"rows": rows, "columns": columns})


def transpose(x: Any, z: Any) -> None:
    z[...] = x.T


def example(rng: np.random.Generator, dtype: str, rows: int, columns: int) -> Example:
    return Example((normal(rng, dtype, rows, columns), empty(dtype, columns, rows)))


SHAPES, LARGE = ((1, 1), (31, 33), (33, 31), (3, 1000)), (8192, 8192)
KERNELS = tuple(Kernel(f"transpose_{rung}", "transpose", plan, transpose, example, SHAPES, LARGE)
                for rung in ("naive", "tiled", "padded"))
