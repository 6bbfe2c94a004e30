"""Products: of matrices, and sums of products with an index for each axis."""

from __future__ import annotations

from math import prod

from teachgrad.op import Vertex
from teachgrad.ops.einsum import index_lengths, parts, sum_of_products
from teachgrad.ops.matmul import matmul

from .threads import LONG_SUM, TEAM, Work, kernel_of

BATCHES = "bcdefgh"
"""The names of the axes of a batch of matrices."""
FEW = 4096
"""A product with fewer elements than this has a team of threads for each, if its sums are long."""


def few_axes(v: Vertex) -> bool:
    """Whether there are names for all axes."""
    return v.ndim <= len(BATCHES) + 2 and v.dtype.kind in "iuf"


def team_for(elements: int, terms: int) -> int:
    """The threads for each of so many sums of so many terms."""
    return TEAM if terms >= LONG_SUM and elements < FEW else 1


@kernel_of(matmul, "x", "y", fits=few_axes)
def matrix_product(work: Work) -> None:
    """z[i, j] = Σ_l x[i, l] y[l, j], for each matrix of a batch."""
    x, y = work.v.inputs
    k = work.threads()
    rows, columns = ["i"] * (x.ndim > 1), ["j"] * (y.ndim > 1)
    batch = list(BATCHES[:work.v.ndim - len(rows) - len(columns)])
    names = [*batch, *rows, *columns]
    k.spread(names, work.v.shape, team_for(work.v.size, x.shape[-1]))
    of_x, of_y = (batch[len(batch) - (m.ndim - 2):] if m.ndim > 2 else [] for m in (x, y))
    k.put(f"{k.kind('z')} sum = 0;")
    with k.along("l", x.shape[-1]) as term:
        k.put(f"sum += {k.load('x', *of_x, *rows, term)} * {k.load('y', *of_y, term, *columns)};")
    k.summed("sum")
    k.put(k.store(k.element, "sum"))


def axis_name(letter: str) -> str:
    """What the place along an index of einsum is called, which may be any letter: `if` would be a word of C."""
    return f"i_{letter}"


@kernel_of(sum_of_products, fits=lambda v: v.dtype.kind in "iuf")
def einsum(work: Work) -> None:
    """z_out = Σ x_in1 y_in2 ..., over the indices that are not in out."""
    operands, out = parts(work.v.attrs["subscripts"])
    lengths = index_lengths(operands, [x.shape for x in work.v.inputs], work.v.attrs["subscripts"])
    summed = [i for i in lengths if i not in out]
    name = {letter: axis_name(letter) for letter in lengths}
    k = work.threads()
    names = [name[i] for i in out]
    terms = prod(lengths[i] for i in summed)
    k.spread(names, work.v.shape, team_for(work.v.size, terms))
    k.put(f"{k.kind('z')} sum = 0;")
    with k.along("term", terms) as term:
        for number, i in enumerate(summed):
            after = prod(lengths[j] for j in summed[number + 1:])
            k.put(f"const int64_t {name[i]} = {term} / {after} % {lengths[i]};")
        factors = [k.load(f"x{number}", *(name[i] for i in letters)) for number, letters in enumerate(operands)]
        k.put(f"sum += {' * '.join(factors)};")
    k.summed("sum")
    k.put(k.store(k.element, "sum"))
