"""Cross-entropy: how the kernels of cross_entropy.cu are launched, and what they compute."""

from __future__ import annotations

from typing import Any

import numpy as np

from teachgrad.errors import ShapeError

from .kernel import Example, Kernel, Plan, empty, fit, normal, warps, wide


def forward_plan(x: Any, labels: Any, loss: Any, log_sums: Any, *, ignored: int = -100) -> Plan:
    rows, n = shape_of(x, labels, loss, log_sums)
    return Plan(*warps(rows), {"rows": rows, "n": n, "ignored": ignored}, flops=4 * x.size)


def backward_plan(g: Any, x: Any, labels: Any, log_sums: Any, gx: Any, *, ignored: int = -100) -> Plan:
    rows, n = shape_of(x, g, labels, log_sums)
    fit("cross_entropy_backward", gx=(gx, x.shape))
    return Plan(*warps(rows), {"rows": rows, "n": n, "ignored": ignored}, flops=4 * x.size)


def shape_of(x: Any, *numbers: Any) -> tuple[int, int]:
    rows, n = x.shape
    for a in numbers:
        fit("cross_entropy", array=(a, (rows,)))
    if not n:
        raise ShapeError("cross-entropy needs at least one class")
    return rows, n


def cross_entropy(x: Any, labels: Any, loss: Any, log_sums: Any, *, ignored: int = -100) -> None:
    largest = wide(x).max(axis=1)
    log_sums[...] = largest + np.log(np.exp(wide(x) - largest[:, None]).sum(axis=1))
    counted = labels != ignored
    right = np.take_along_axis(x, np.where(counted, labels, 0)[:, None], axis=1)[:, 0]
    loss[...] = np.where(counted, log_sums - right, 0)


def cross_entropy_backward(g: Any, x: Any, labels: Any, log_sums: Any, gx: Any, *, ignored: int = -100) -> None:
    e = np.exp(wide(x) - wide(x).max(axis=1, keepdims=True))
    right = labels[:, None] == np.arange(x.shape[1])
    gx[...] = (g * (labels != ignored))[:, None] * (e / e.sum(axis=1, keepdims=True) - right)


def example(rng: np.random.Generator, dtype: str, rows: int, n: int) -> Example:
    labels = rng.integers(0, n, rows)
    if rows > 2:
        labels[1] = -100
    return Example((3 * normal(rng, dtype, rows, n), labels, empty(dtype, rows), empty(dtype, rows)))


def backward_example(rng: np.random.Generator, dtype: str, rows: int, n: int) -> Example:
    x, labels, loss, log_sums = example(rng, dtype, rows, n).arrays
    cross_entropy(x, labels, loss, log_sums)
    return Example((normal(rng, dtype, rows), x, labels, log_sums, empty(dtype, rows, n)))


SHAPES, LARGE = ((1, 1), (3, 31), (5, 33), (2, 1000)), (16384, 8192)
KERNELS = (
    Kernel("cross_entropy", "cross_entropy", forward_plan, cross_entropy, example, SHAPES, LARGE),
    Kernel("cross_entropy_backward", "cross_entropy", backward_plan, cross_entropy_backward, backward_example, SHAPES,
           LARGE),
)
