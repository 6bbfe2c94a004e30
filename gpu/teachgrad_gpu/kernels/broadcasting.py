"""Broadcasting: how the kernels of broadcasting.cu are launched, and what they compute."""

from __future__ import annotations

from typing import Any

import numpy as np

from teachgrad.errors import ShapeError

from .kernel import Example, Kernel, Plan, blocks, empty, fit, normal, strided, wide


def down_the_rows(name: str, x: Any, b: Any, z: Any, length: int) -> Plan:
    rows, columns = x.shape
    fit(name, b=(b, (length,)), z=(z, x.shape))
    grid = blocks(columns, 32), min(blocks(rows, 8), 1024)
    return Plan(grid, (32, 8), {"rows": rows, "columns": columns}, flops=x.size)


def add_row_plan(x: Any, b: Any, z: Any) -> Plan:
    return down_the_rows("add_row", x, b, z, x.shape[1])


def add_column_plan(x: Any, b: Any, z: Any) -> Plan:
    return down_the_rows("add_column", x, b, z, x.shape[0])


def steps(shape: tuple[int, ...]) -> list[int]:
    """The stride of each of four axes, in elements: 0 where an array of this shape is repeated."""
    found, place = [0] * 4, 1
    for axis in range(1, len(shape) + 1):
        if shape[-axis] != 1:
            found[-axis] = place
        place *= shape[-axis]
    return found


def add_strided_plan(x: Any, y: Any, z: Any) -> Plan:
    if z.ndim > 4:
        raise ShapeError(f"add_strided takes up to four axes, not {z.ndim}")
    fit("add_strided", z=(z, np.broadcast_shapes(x.shape, y.shape)))
    sizes = (1,) * (4 - z.ndim) + z.shape
    scalars = {f"n{i}": n for i, n in enumerate(sizes)}
    scalars |= {f"sx{i}": n for i, n in enumerate(steps(x.shape))}
    scalars |= {f"sy{i}": n for i, n in enumerate(steps(y.shape))}
    return Plan(*strided(z.size), scalars, flops=z.size)


def naive(g: Any, gb: Any) -> Plan:
    rows, columns = g.shape
    fit("column_sum", gb=(gb, (columns,)))
    return Plan((blocks(columns, 128),), (128,), {"rows": rows, "columns": columns}, flops=g.size)


def shared(g: Any, gb: Any, *, lanes: int = 8) -> Plan:
    rows, columns = g.shape
    fit("column_sum", gb=(gb, (columns,)))
    macros = {} if lanes == 8 else {"LANES": lanes}
    return Plan((blocks(columns, 32),), (32, lanes), {"rows": rows, "columns": columns}, macros=macros, flops=g.size)


def add_row(x: Any, b: Any, z: Any) -> None:
    z[...] = x + b


def add_column(x: Any, b: Any, z: Any) -> None:
    z[...] = x + b[:, None]


def add(x: Any, y: Any, z: Any) -> None:
    z[...] = x + y


def column_sum(g: Any, gb: Any, **settings: Any) -> None:
    gb[...] = wide(g).sum(axis=0)


def row_example(rng: np.random.Generator, dtype: str, rows: int, columns: int) -> Example:
    shape = rows, columns
    return Example((normal(rng, dtype, *shape), normal(rng, dtype, columns), empty(dtype, *shape)))


def column_example(rng: np.random.Generator, dtype: str, rows: int, columns: int) -> Example:
    shape = rows, columns
    return Example((normal(rng, dtype, *shape), normal(rng, dtype, rows), empty(dtype, *shape)))


def strided_example(rng: np.random.Generator, dtype: str, *shape: int) -> Example:
    """x lacks the first axis, and y has length 1 along every other."""
    thin = tuple(1 if axis % 2 else n for axis, n in enumerate(shape))
    return Example((normal(rng, dtype, *shape[1:]), normal(rng, dtype, *thin), empty(dtype, *shape)))


def sum_example(rng: np.random.Generator, dtype: str, rows: int, columns: int) -> Example:
    return Example((normal(rng, dtype, rows, columns), empty(dtype, columns)))


SHAPES, LARGE = ((1, 1), (31, 33), (33, 31), (3, 1000)), (16384, 4096)
KERNELS = (
    Kernel("add_row", "broadcasting", add_row_plan, add_row, row_example, SHAPES, LARGE),
    Kernel("add_column", "broadcasting", add_column_plan, add_column, column_example, SHAPES, LARGE),
    Kernel("add_strided", "broadcasting", add_strided_plan, add, strided_example,
           ((1,), (31, 33), (2, 3, 33), (2, 3, 5, 31)), (64, 256, 64, 64)),
    Kernel("column_sum_naive", "broadcasting", naive, column_sum, sum_example, SHAPES, LARGE),
    Kernel("column_sum", "broadcasting", shared, column_sum, sum_example, SHAPES, LARGE),
)
