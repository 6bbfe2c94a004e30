"""Products of matrices for a library that has columns where C has rows: cuBLAS.

z = x y by rows is zᵀ = yᵀ xᵀ by columns, so the factors change places.
Source: NVIDIA, cuBLAS documentation, `cublas<t>gemmStridedBatched`.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product as combinations

from teachgrad.executors.c.products import Product, lying

AS_IT_IS, TRANSPOSED = 0, 1


@dataclass(frozen=True)
class Gemm:
    """A call of gemmStridedBatched, by columns, and the places from which it is repeated."""

    turn_a: int
    turn_b: int
    m: int
    n: int
    k: int
    a_line: int
    b_line: int
    c_line: int
    a_step: int
    b_step: int
    c_step: int
    count: int
    starts: tuple[tuple[int, int, int], ...]
    """The elements at which x, y and z of each repetition begin."""

    def __str__(self) -> str:
        """As the product by rows that it is."""
        count = self.count * len(self.starts)
        products = f"{count} products" if count > 1 else "a product"
        return f"{products} of {self.n} x {self.k} and {self.k} x {self.m} numbers"

    @classmethod
    def of(cls, p: Product) -> Gemm | None:
        """The calls for a product whose matrices lie as cuBLAS can take them, or None."""
        x, y = lying(p.x, p.m, p.k), lying(p.y, p.k, p.n)
        if x is None or y is None:
            return None
        *outer, (count, steps) = batch_axes(p) or [(1, (0, 0, 0))]
        starts = []
        for place in combinations(*(range(n) for n, _ in outer)):
            at = [sum(i * each[k] for i, (_, each) in zip(place, outer, strict=True)) for k in range(3)]
            starts.append((at[0], at[1], at[2]))
        return cls(TRANSPOSED if y[0] else AS_IT_IS, TRANSPOSED if x[0] else AS_IT_IS, p.n, p.m, p.k, y[1], x[1],
                   max(p.n, 1), steps[1], steps[0], steps[2], count, tuple(starts))


def batch_axes(p: Product) -> list[tuple[int, tuple[int, int, int]]]:
    """The axes of the batch of a product, each with the steps of x, y and z along it; neighbours are one axis where the
    steps go on. The last is a stride of a call, the others are calls of their own."""
    axes: list[tuple[int, tuple[int, int, int]]] = []
    for n, x, y, z in zip(p.batch, *p.batch_steps, strict=True):
        if axes and axes[-1][1] == (n * x, n * y, n * z):
            axes[-1] = axes[-1][0] * n, (x, y, z)
        elif n != 1:
            axes.append((n, (x, y, z)))
    return axes
