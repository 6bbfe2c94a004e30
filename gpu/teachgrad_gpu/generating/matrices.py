"""Large products of matrices: by a library where there is one, else by the rungs of the catalogue's ladder.

The rungs take matrices that lie row by row or column by column, a stack of them or one for all. What lies otherwise is
put in order first where each number is then used at least `USES` times.
"""

from __future__ import annotations

from copy import copy

from teachgrad.executors.c.products import Product, lying
from teachgrad.executors.c.views import Access, Views, contiguous
from teachgrad.op import Vertex
from teachgrad.ops.matmul import matmul

from .catalogued import ALIGNMENT, ByLibrary, Operand, Way, way_of
from .gemm import Gemm, batch_axes

LEAST = 1 << 15
"""A product of fewer multiplications has a kernel that is written here: a library would take longer to begin."""
LEAST_OF_LADDER = 1 << 18
"""Likewise, where the rungs of the ladder stand in for the library."""
NARROWEST = 16
"""Nor are the rungs for results of fewer rows or columns: most of a tile would be empty."""
WIDE = 64
"""Results with more rows and columns than this have tiles of 128 x 128, others of 64 x 64."""
USES = 8


@way_of(matmul)
def product(way: Way) -> bool:
    """z = x y, for each matrix of a batch."""
    v, views = way.work.v, way.work.views
    p = Product.of(v, views)
    if v.dtype.char not in "fd" or not worth_it(way, p.m, p.n, p.k):
        return False
    if made(way, p, views):
        return True
    if min(p.m, p.n) < USES:
        return False
    copies = {x.id: way.rows(name) for name, x in way.work.inputs.items() if not in_lines(x, views)}
    ordered = copy(views)
    ordered.access = views.access | {number: Access(x.vertex, x.offset, contiguous(x.shape))
                                     for number, x in copies.items()}
    return made(way, Product.of(v, ordered), ordered)


def worth_it(way: Way, m: int, n: int, k: int) -> bool:
    """Whether products of matrices of m x k and k x n numbers are large enough."""
    if way.by_library:
        return m * n * k >= LEAST
    return m * n * k >= LEAST_OF_LADDER and min(m, n) >= NARROWEST


def in_lines(x: Vertex, views: Views) -> bool:
    """Whether the matrices of a value lie one after the other, each row by row or column by column."""
    if x.ndim < 2:
        return views.dense(x)
    *batch, down, right = views.of(x).strides
    rows, columns = x.shape[-2:]
    lines = (down, right) in ((columns, 1), (1, rows)) or rows == 1 or columns == 1
    moving = [(n, step) for n, step in zip(x.shape[:-2], batch, strict=True) if n > 1 and step]
    steps = contiguous((*(n for n, _ in moving), rows * columns))
    return lines and tuple(step for _, step in moving) == steps[:-1]


def made(way: Way, p: Product, views: Views) -> bool:
    """Make a product, if its matrices lie as they must."""
    first, second = way.work.v.inputs[::-1] if p.turned else way.work.v.inputs
    x, y = views.of(first), views.of(second)
    if way.by_library:
        gemm = Gemm.of(p)
        if gemm is None:
            return False
        a, b = (Operand(f.base, (f.base.size - f.offset,), f.offset) for f in (x, y))
        way.parts.append(ByLibrary(gemm, (a, b), way.result("z", *way.work.v.shape),
                                   first._data.nbytes + second._data.nbytes))
        return True
    of_x, of_y, stack = lying(p.x, p.m, p.k), lying(p.y, p.k, p.n), stacked(p)
    if of_x is None or of_y is None or stack is None:
        return False
    count, steps = stack
    if of_x[1] != (p.m if of_x[0] else p.k) or of_y[1] != (p.k if of_y[0] else p.n):
        return False  # other numbers lie between the rows
    if steps[0] not in (0, p.m * p.k) or steps[1] not in (0, p.k * p.n) or (count > 1 and not any(steps[:2])):
        return False
    a, b = (Operand(f.base, (*((count,) if step else ()), *(shape[::-1] if turned else shape)), f.offset)
            for f, step, turned, shape in ((x, steps[0], of_x[0], (p.m, p.k)), (y, steps[1], of_y[0], (p.k, p.n))))
    multiply(way, a, b, way.result("z", *((count,) if count > 1 else ()), p.m, p.n), of_x[0], of_y[0])
    return True


def stacked(p: Product) -> tuple[int, tuple[int, int, int]] | None:
    """A batch as one axis: how many products, and how far the matrices of each operand are apart; or None."""
    *others, last = batch_axes(p) or [(1, (0, 0, 0))]
    return None if others else last


def multiply(way: Way, a: Operand, b: Operand, c: Operand, turn_a: bool = False, turn_b: bool = False) -> None:
    """c = a b for matrices that lie without gaps, one or a stack; those that are turned lie column by column."""
    m, n = c.shape[-2:]
    k = a.shape[-2 if turn_a else -1]
    if not way.by_library:
        way.launch(rung(a, b, c, turn_a or turn_b), a, b, c,
                   **{name: True for name, turned in (("transpose_a", turn_a), ("transpose_b", turn_b)) if turned})
        return
    steps = tuple((x.shape[-2] * x.shape[-1],) if x.ndim > 2 else (0,) * (c.ndim - 2) for x in (a, b, c))
    p = Product(m, n, k, (1, m) if turn_a else (k, 1), (1, k) if turn_b else (n, 1), c.shape[:-2],
                (steps[0], steps[1], steps[2]))
    gemm = Gemm.of(p)
    assert gemm is not None
    way.parts.append(ByLibrary(gemm, (a, b), c, a.nbytes + b.nbytes))


def rung(a: Operand, b: Operand, c: Operand, turned: bool) -> str:
    """The best rung of the ladder for a product."""
    fours = all(x.data.ptr % ALIGNMENT == 0 for x in (a, b, c))
    wide = min(c.shape[-2:]) > WIDE
    return "matmul_vectorised" if fours and wide and not turned and c.itemsize == 4 else "matmul_registers"
