"""Reductions: how the kernels of reductions.cu are launched, and what they compute."""

from __future__ import annotations

from typing import Any

import numpy as np

from teachgrad.errors import ShapeError

from .kernel import Example, Kernel, Plan, blocks, empty, fit, normal, strided, warps, whole_warps, wide


def one_each(x: Any, z: Any) -> Plan:
    fit("sum", z=(z, ()))
    return Plan((blocks(x.size, 256),), (256,), {"n": x.size}, flops=x.size)


def tree(x: Any, z: Any) -> Plan:
    fit("sum", z=(z, ()))
    return Plan((blocks(x.size, 256),), (256,), {"n": x.size}, shared=256 * x.itemsize, flops=x.size)


def few_blocks(x: Any, z: Any) -> Plan:
    fit("sum", z=(z, ()))
    return Plan((several(x.size),), (256,), {"n": x.size}, flops=x.size)


def several(n: int) -> int:
    """Blocks of 256 threads of which each has eight elements or more."""
    return max(1, min(1024, blocks(n, 8 * 256)))


def last_block(x: Any, parts: Any, arrived: Any, z: Any) -> Plan:
    fit("sum_last_block", z=(z, ()), arrived=(arrived, ()))
    if parts.ndim != 1 or not parts.size:
        raise ShapeError("sum_last_block: parts has one axis, a number for each block")
    return Plan((min(parts.size, several(x.size)),), (256,), {"n": x.size}, flops=x.size, traffic=x.nbytes)


def rows_plan(x: Any, z: Any) -> Plan:
    rows, n = x.shape
    fit("sum_rows", z=(z, (rows,)))
    return Plan((rows,), (whole_warps(n),), {"n": n}, flops=x.size)


def axis_plan(x: Any, *results: Any) -> Plan:
    outer, n, inner = x.shape
    for z in results:
        fit("a reduction along an axis", z=(z, (outer, inner)))
    if len(results) == 2 and not n:
        raise ShapeError("the maximum of no numbers does not exist")
    return Plan(*strided(outer * inner), {"outer": outer, "n": n, "inner": inner}, flops=x.size)


def axis_backward_plan(*arrays: Any) -> Plan:
    (outer, n, inner), gx = arrays[-1].shape, arrays[-1]
    for a in arrays[:-1]:
        fit("the gradient of a reduction", array=(a, (outer, inner)))
    return Plan(*strided(gx.size), {"outer": outer, "n": n, "inner": inner})


def max_rows_plan(x: Any, z: Any, place: Any) -> Plan:
    rows, n = x.shape
    fit("max_rows", z=(z, (rows,)), place=(place, (rows,)))
    if not n:
        raise ShapeError("the maximum of no numbers does not exist")
    return Plan(*warps(rows), {"rows": rows, "n": n}, flops=x.size)


def sum_all(x: Any, *others: Any) -> None:
    others[-1][...] = wide(x).sum()


def sum_all_in_parts(x: Any, parts: Any, arrived: Any, z: Any) -> None:
    """What is left in `parts` is nobody's business; it is set to what the kernel leaves there."""
    used = min(parts.size, several(x.size))
    padded = np.zeros(blocks(x.size, 256 * used) * 256 * used)
    padded[: x.size] = wide(x)
    parts[:used] = padded.reshape(-1, used, 256).sum(axis=(0, 2))
    z[...] = wide(x).sum()


def sum_rows(x: Any, z: Any) -> None:
    z[...] = wide(x).sum(axis=1)


def sum_axis_backward(g: Any, gx: Any) -> None:
    gx[...] = g[:, None, :]


def largest(x: Any, z: Any, place: Any) -> None:
    place[...] = x.argmax(axis=1)
    z[...] = x.max(axis=1)


def max_axis_backward(g: Any, place: Any, gx: Any) -> None:
    gx[...] = 0
    np.put_along_axis(gx, place[:, None, :], g[:, None, :], axis=1)


def example(rng: np.random.Generator, dtype: str, n: int) -> Example:
    return Example((normal(rng, dtype, n), np.zeros((), dtype)))


def parts_example(rng: np.random.Generator, dtype: str, n: int) -> Example:
    return Example((normal(rng, dtype, n), np.zeros(several(n), dtype), np.zeros((), np.uint32), empty(dtype)))


def rows_example(rng: np.random.Generator, dtype: str, rows: int, n: int) -> Example:
    return Example((normal(rng, dtype, rows, n), empty(dtype, rows)))


def axis_example(rng: np.random.Generator, dtype: str, outer: int, n: int, inner: int) -> Example:
    return Example((normal(rng, dtype, outer, n, inner), empty(dtype, outer, inner)))


def axis_backward_example(rng: np.random.Generator, dtype: str, outer: int, n: int, inner: int) -> Example:
    return Example((normal(rng, dtype, outer, inner), empty(dtype, outer, n, inner)))


def max_rows_example(rng: np.random.Generator, dtype: str, rows: int, n: int) -> Example:
    """Whole numbers, so that maxima are attained more than once; and a nan."""
    x = rng.integers(0, max(2, n // 4), (rows, n)).astype(dtype)
    if rows > 2:
        x[1, n // 2:] = np.nan
    return Example((x, empty(dtype, rows), empty("int32", rows)))


def max_axis_example(rng: np.random.Generator, dtype: str, outer: int, n: int, inner: int) -> Example:
    x = rng.integers(0, max(2, n // 4), (outer, n, inner)).astype(dtype)
    return Example((x, empty(dtype, outer, inner), empty("int32", outer, inner)))


def max_backward_example(rng: np.random.Generator, dtype: str, outer: int, n: int, inner: int) -> Example:
    place = rng.integers(0, n, (outer, inner)).astype(np.int32)
    return Example((normal(rng, dtype, outer, inner), place, empty(dtype, outer, n, inner)))


LINES, LINE = ((1,), (31,), (33,), (1000,), (5000,)), (1 << 26,)
ROWS, ROW = ((1, 1), (3, 31), (5, 33), (2, 1000)), (16384, 4096)
AXES, AXIS = ((1, 1, 1), (3, 31, 5), (2, 33, 31)), (64, 256, 4096)
KERNELS = (
    Kernel("sum_atomic", "reductions", one_each, sum_all, example, LINES, (1 << 22,)),
    Kernel("sum_interleaved", "reductions", tree, sum_all, example, LINES, LINE),
    Kernel("sum_folded", "reductions", tree, sum_all, example, LINES, LINE),
    Kernel("sum_shuffled", "reductions", few_blocks, sum_all, example, LINES, LINE),
    Kernel("sum_last_block", "reductions", last_block, sum_all_in_parts, parts_example, LINES, LINE),
    Kernel("sum_rows", "reductions", rows_plan, sum_rows, rows_example, ROWS, ROW),
    Kernel("sum_axis", "reductions", axis_plan, sum_rows, axis_example, AXES, AXIS),
    Kernel("sum_axis_backward", "reductions", axis_backward_plan, sum_axis_backward, axis_backward_example, AXES, AXIS),
    Kernel("max_rows", "reductions", max_rows_plan, largest, max_rows_example, ROWS, ROW),
    Kernel("max_axis", "reductions", axis_plan, largest, max_axis_example, AXES, AXIS),
    Kernel("max_axis_backward", "reductions", axis_backward_plan, max_axis_backward, max_backward_example, AXES, AXIS),
)
