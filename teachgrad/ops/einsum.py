"""Sums of products, written with an index for each axis: einsum("ij,jk->ik", x, y) is the matrix product.

An index that is missing behind the arrow is summed over, one that stands in several operands is matched. The gradient
of an einsum is an einsum: of the other operands and the gradient, with the indices of the operand behind the arrow. An
index that only that operand has was summed over, and the gradient is repeated along it.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from math import prod
from typing import Any

from .. import dtypes
from ..errors import DTypeError, ShapeError
from ..op import Array, Op, Shape, Spec, Vertex, apply
from .linalg import diagonal
from .shape import astype, broadcast_to, moveaxis, reshape

LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"


class Einsum(Op):
    r"""z_out = Σ x_in1 y_in2 ..., over the indices that are not in out

    dL/dx = einsum(g, y, ...) with in1 behind the arrow, and so on for the other operands. `subscripts` has one index
    letter an axis: "ij,jk->ik". Each operand is multiplied in by one matrix product; of three and more, the two with
    the smallest product come first.
    """

    derivatives = ("einsum of the others",)

    def infer(self, *inputs: Spec, subscripts: str) -> Spec:
        operands, out = parts(subscripts)
        lengths = index_lengths(operands, [x.shape for x in inputs], subscripts)
        return Spec(tuple(lengths[i] for i in out), inputs[0].dtype)

    def forward(self, xp: Any, *inputs: Array, subscripts: str) -> Array:
        operands, out = parts(subscripts)
        index_lengths(operands, [x.shape for x in inputs], subscripts)
        z = contract_all(xp, list(zip(operands, inputs, strict=True)), out)
        return z.copy() if len(inputs) == 1 else z  # of a single operand it may be a view

    def flops(self, z: Any, *inputs: Any, **attrs: Any) -> int:
        """Two operands as one product; more of them as pairs, each counted at the full set of its indices."""
        operands, _ = parts(attrs["subscripts"])
        lengths = {i: n for operand, x in zip(operands, inputs, strict=True)
                   for i, n in zip(operand, x.shape, strict=True)}
        return max(1, 2 * (len(inputs) - 1)) * prod(lengths.values())

    def vjp(self, g: Vertex, z: Vertex, *inputs: Vertex) -> Any:
        operands, out = parts(z.attrs["subscripts"])
        answers: list[Any] = []
        for position, x in enumerate(inputs):
            if not x.requires_grad:
                answers.append(None)
                continue
            others = [k for k in range(len(inputs)) if k != position]
            seen = set(out).union(*(operands[k] for k in others))
            result = "".join(i for i in operands[position] if i in seen)
            text = ",".join([out, *(operands[k] for k in others)]) + "->" + result
            gx = apply(self, (g, *(inputs[k] for k in others)), {"subscripts": text})
            if result != operands[position]:
                lone = [n if i in seen else 1 for i, n in zip(operands[position], x.shape, strict=True)]
                gx = broadcast_to(reshape(gx, lone), x.shape)
            answers.append(gx)
        return answers


@lru_cache(maxsize=1024)
def parts(subscripts: str) -> tuple[tuple[str, ...], str]:
    """The indices of the operands, and those of the result."""
    left, _, out = subscripts.partition("->")
    return tuple(left.split(",")), out


def index_lengths(operands: Sequence[str], shapes: Sequence[Shape], subscripts: str) -> dict[str, int]:
    """The length of every index; an error if two operands disagree."""
    lengths: dict[str, int] = {}
    for position, (letters, shape) in enumerate(zip(operands, shapes, strict=True)):
        if len(letters) != len(shape):
            raise ShapeError(f"einsum {subscripts!r}: operand {position} has {len(shape)} axes (shape {shape}), but "
                             f"indices {letters!r}")
        for letter, n in zip(letters, shape, strict=True):
            if lengths.setdefault(letter, n) != n:
                raise ShapeError(f"einsum {subscripts!r}: index {letter!r} has length {n} in operand {position}, but "
                                 f"{lengths[letter]} before")
    return lengths


# ---- computing -------------------------------------------------------------------------------------------------------

def contract_all(xp: Any, terms: list[tuple[str, Array]], out: str) -> Array:
    """The product of all terms, two at a time, summed over the indices that are not in `out`."""
    while len(terms) > 1:
        first, second = cheapest_pair(terms, out)
        y, x = terms.pop(second), terms.pop(first)
        needed = set(out).union(*(letters for letters, _ in terms))
        terms.append(contract(xp, x, y, needed, out if not terms else ""))
    letters, z = terms[0]
    letters, z = summed(xp, letters, z, set(out))
    return z.transpose([letters.index(i) for i in out])


def cheapest_pair(terms: list[tuple[str, Array]], out: str) -> tuple[int, int]:
    """The two terms whose product has the fewest elements."""
    if len(terms) == 2:
        return 0, 1
    best, choice = -1, (0, 1)
    for second in range(1, len(terms)):
        for first in range(second):
            rest = set(out).union(*(letters for k, (letters, _) in enumerate(terms) if k not in (first, second)))
            lengths = {i: n for k in (first, second) for i, n in zip(terms[k][0], terms[k][1].shape, strict=True)}
            size = prod(n for i, n in lengths.items() if i in rest)
            if best < 0 or size < best:
                best, choice = size, (first, second)
    return choice


def summed(xp: Any, letters: str, x: Array, keep: set[str]) -> tuple[str, Array]:
    """x summed over the indices that are not kept."""
    gone = tuple(k for k, i in enumerate(letters) if i not in keep)
    if not gone:
        return letters, x
    return "".join(i for i in letters if i in keep), xp.add.reduce(x, axis=gone, dtype=x.dtype)


def contract(xp: Any, left: tuple[str, Array], right: tuple[str, Array], needed: set[str], out: str
             ) -> tuple[str, Array]:
    """The product of two terms, summed over the indices that nobody needs, as one batched matrix product."""
    a, x = summed(xp, *left, needed | set(right[0]))
    b, y = summed(xp, *right, needed | set(a))
    if next((i in b for i in out if (i in a) != (i in b)), False):  # rows of the result before its columns
        (a, x), (b, y) = (b, y), (a, x)
    result, batch, inner, order_x, order_y = roles(a, b, frozenset(needed))
    x, y = x.transpose(order_x), y.transpose(order_y)
    free = x.ndim - inner
    lead, nx, ny = x.shape[:batch], x.shape[batch:free], y.shape[batch + inner:]
    if not inner:  # nothing to sum over: a plain product
        return result, x.reshape(lead + nx + (1,) * len(ny)) * y.reshape(lead + (1,) * len(nx) + ny)
    k = prod(x.shape[free:])
    z = xp.matmul(x.reshape((*lead, prod(nx), k)), y.reshape((*lead, k, prod(ny))))
    return result, z.reshape(lead + nx + ny)


@lru_cache(maxsize=1024)
def roles(a: str, b: str, needed: frozenset[str]) -> tuple[str, int, int, tuple[int, ...], tuple[int, ...]]:
    """What the indices of two terms do in their product: those of the result, how many are shared and kept, how many
    summed over, and the orders of axes (kept, free, summed) of the first and (kept, summed, free) of the second."""
    batch = [i for i in a if i in b and i in needed]
    inner = [i for i in a if i in b and i not in needed]
    free_a, free_b = [i for i in a if i not in b], [i for i in b if i not in a]
    return ("".join(batch + free_a + free_b), len(batch), len(inner),
            tuple(a.index(i) for i in batch + free_a + inner), tuple(b.index(i) for i in batch + inner + free_b))


# ---- reading what the user wrote -------------------------------------------------------------------------------------

def einsum(subscripts: str, /, *operands: Vertex) -> Any:
    """The sum of products that `subscripts` describes: "ij,jk->ik" is matmul, "ii->" the trace, "...ij->...ji" mT.

    One letter an axis for each operand, separated by commas, and those of the result behind the arrow. Letters that are
    not in the result are summed over. Without an arrow the result has the letters that occur once, in the order of the
    alphabet. "..." stands for any further axes. A letter twice in one operand takes its diagonal. Axes of length 1 are
    broadcast.
    """
    if not operands or not isinstance(subscripts, str):
        raise DTypeError("einsum takes a text such as \"ij,jk->ik\" and then the tensors")
    letters, out = read(subscripts, tuple([x.ndim for x in operands]))
    dtype = operands[0].dtype
    for x in operands[1:]:
        dtype = dtypes.promote(dtype, x.dtype)
    if dtype.kind == "b":
        raise DTypeError("einsum does not take bool; write tg.astype(x, tg.int64) first")
    terms = broadcast_terms(letters, [x if x.dtype is dtype else astype(x, dtype, copy=False) for x in operands])
    pairs = [without_repeats(subscripts, term, x) for term, x in zip(letters, terms, strict=True)]
    text = ",".join([term for term, _ in pairs]) + "->" + out
    return apply(sum_of_products, tuple([x for _, x in pairs]), {"subscripts": text})


@lru_cache(maxsize=1024)
def read(subscripts: str, ndims: tuple[int, ...]) -> tuple[tuple[str, ...], str]:
    """The indices of operands and result, with the axes of "..." spelled out in letters that are not used."""
    text = subscripts.replace(" ", "")
    left, arrow, right = text.partition("->")
    terms = left.split(",")
    if len(terms) != len(ndims):
        raise ShapeError(f"einsum {subscripts!r} is for {len(terms)} operands, but got {len(ndims)}")
    if wrong := set(text.replace("->", "").replace("...", "").replace(",", "")) - set(LETTERS):
        raise ShapeError(f"einsum {subscripts!r}: {min(wrong)!r} is not an index; use letters, commas, ... and ->")
    unused = [i for i in LETTERS if i not in text]
    extra = [ndim - len(term.replace("...", "")) for term, ndim in zip(terms, ndims, strict=True)]
    longest = max([n for term, n in zip(terms, extra, strict=True) if "..." in term], default=0)
    if longest > len(unused):
        raise ShapeError(f"einsum {subscripts!r} has more axes than there are letters")
    dots = "".join(unused[:longest])
    inputs = []
    for position, (term, n) in enumerate(zip(terms, extra, strict=True)):
        if n < 0 or (n > 0 and "..." not in term):
            raise ShapeError(f"einsum {subscripts!r}: operand {position} has {ndims[position]} axes, but indices "
                             f"{term!r}")
        inputs.append(term.replace("...", dots[longest - n:]))
    if arrow:
        out = right.replace("...", dots)
    else:
        plain = left.replace("...", "").replace(",", "")
        out = dots + "".join(i for i in sorted(set(plain)) if plain.count(i) == 1)
    known = set("".join(inputs))
    if len(set(out)) < len(out) or not set(out) <= known:
        raise ShapeError(f"einsum {subscripts!r}: each index of the result must occur once there, and in an operand")
    if dots and not set(dots) <= set(out):
        raise ShapeError(f"einsum {subscripts!r}: \"...\" must stand in the result too, its axes are not summed over")
    return tuple(inputs), out


def broadcast_terms(inputs: Sequence[str], terms: list[Any]) -> list[Any]:
    """Operands in which axes of length 1 are as long as the others of the same index."""
    if not any(1 in x.shape for x in terms):
        return terms
    lengths: dict[str, int] = {}
    for letters, x in zip(inputs, terms, strict=True):
        for i, n in zip(letters, x.shape, strict=True):
            lengths[i] = n if lengths.get(i, 1) == 1 else lengths[i]
    return [broadcast_to(x, shape) if all(n in (1, m) for n, m in zip(x.shape, shape, strict=True)) else x
            for x, shape in ((x, tuple(lengths[i] for i in letters)) for letters, x in zip(inputs, terms, strict=True))]


def without_repeats(subscripts: str, letters: str, x: Any) -> tuple[str, Any]:
    """An operand in which no letter occurs twice: the diagonals of those that did."""
    while len(set(letters)) < len(letters):
        i = next(i for i in letters if letters.count(i) > 1)
        first = letters.index(i)
        second = letters.index(i, first + 1)
        if x.shape[first] != x.shape[second]:
            raise ShapeError(f"einsum {subscripts!r}: index {i!r} stands for axes of lengths {x.shape[first]} and "
                             f"{x.shape[second]}")
        x = diagonal(moveaxis(x, (first, second), (-2, -1)))
        letters = letters[:first] + letters[first + 1:second] + letters[second + 1:] + i
    return letters, x


sum_of_products = Einsum()
