"""Embedding and scattering: how the kernels of embedding.cu are launched, and what they compute."""

from __future__ import annotations

from typing import Any

import numpy as np

from .kernel import Example, Kernel, Plan, empty, fit, normal, strided, wide


def gather_plan(table: Any, indices: Any, z: Any) -> Plan:
    count, width = z.shape
    fit("embedding", indices=(indices, (count,)), table=(table, (table.shape[0], width)))
    return Plan(*strided(z.size), {"count": count, "width": width}, traffic=2 * z.nbytes + indices.nbytes)


def scatter_plan(g: Any, indices: Any, table: Any) -> Plan:
    count, width = g.shape
    fit("scatter_add", indices=(indices, (count,)), table=(table, (table.shape[0], width)))
    return Plan(*strided(g.size), {"count": count, "width": width}, flops=g.size, traffic=3 * g.nbytes + indices.nbytes)


def ordered_plan(g: Any, indices: Any, table: Any) -> Plan:
    (count, width), rows = g.shape, table.shape[0]
    fit("scatter_add_ordered", indices=(indices, (count,)), table=(table, (rows, width)))
    return Plan(*strided(table.size), {"rows": rows, "count": count, "width": width}, flops=g.size)


def sorted_plan(g: Any, indices: Any, order: Any, table: Any) -> Plan:
    fit("scatter_add_sorted", order=(order, indices.shape))
    return scatter_plan(g, indices, table)


def embedding(table: Any, indices: Any, z: Any) -> None:
    z[...] = table[indices]


def scatter_add(g: Any, indices: Any, table: Any) -> None:
    total = np.zeros(table.shape)
    np.add.at(total, indices, wide(g))
    table[...] = total


def scatter_sorted(g: Any, indices: Any, order: Any, table: Any) -> None:
    scatter_add(g, indices, table)


def example(rng: np.random.Generator, dtype: str, rows: int, count: int, width: int) -> Example:
    return Example((normal(rng, dtype, rows, width), rng.integers(0, rows, count), empty(dtype, count, width)))


def scatter_example(rng: np.random.Generator, dtype: str, rows: int, count: int, width: int) -> Example:
    return Example((normal(rng, dtype, count, width), rng.integers(0, rows, count), np.zeros((rows, width), dtype)))


def sorted_example(rng: np.random.Generator, dtype: str, rows: int, count: int, width: int) -> Example:
    g, indices, table = scatter_example(rng, dtype, rows, count, width).arrays
    return Example((g, indices, np.argsort(indices, kind="stable"), table))


SHAPES = ((1, 1, 1), (5, 31, 33), (33, 20, 7), (3, 1000, 2))
KERNELS = (
    Kernel("embedding", "embedding", gather_plan, embedding, example, SHAPES, (50257, 65536, 768)),
    Kernel("scatter_add", "embedding", scatter_plan, scatter_add, scatter_example, SHAPES, (50257, 65536, 768)),
    Kernel("scatter_add_ordered", "embedding", ordered_plan, scatter_add, scatter_example, SHAPES, (512, 4096, 256)),
    Kernel("scatter_add_sorted", "embedding", sorted_plan, scatter_sorted, sorted_example, SHAPES,
           (50257, 65536, 768)),
)
