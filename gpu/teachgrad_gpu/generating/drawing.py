"""Draws of random numbers: the same bits as NumPy's Philox4x64-10, a thread for each block of four words.

Numbers of which each takes as many bits as it needs, and not the same for all, are drawn by kernels of the catalogue
(`kernels/philox.cu`).

Source: J. Salmon, M. Moraes, R. Dror, D. Shaw, "Parallel random numbers: as easy as 1, 2, 3" (2011).
"""

from __future__ import annotations

from collections.abc import Container
from math import ceil

import numpy as np

from teachgrad.op import Op, Vertex
from teachgrad.ops.philox_c import number
from teachgrad.ops.random import (
    next_step,
    random_bernoulli,
    random_integers,
    random_normal,
    random_permutation,
    random_uniform,
)

from ..kernels.kernel import LARGEST, REALS, WHOLES
from .catalogued import Way, way_of
from .threads import KERNELS, Recipe, Threads, Work, kernel_of

LONGEST = 1 << 16
"""A permutation of more has a thread busy for so long that a CPU, asked over there, is done before."""

BLOCK = """\
uint64_t k0 = cell[0], k1 = cell[1], c0 = (uint64_t)b + 1, c1 = cell[2], c2 = 0, c3 = 0;
for (int turn = 0; turn < 10; turn++) {
    const uint64_t high0 = __umul64hi(UINT64_C(0xD2E7470EE14C6C93), c0), low0 = UINT64_C(0xD2E7470EE14C6C93) * c0;
    const uint64_t high1 = __umul64hi(UINT64_C(0xCA5A826395121157), c2), low1 = UINT64_C(0xCA5A826395121157) * c2;
    c0 = high1 ^ c1 ^ k0;
    c2 = high0 ^ c3 ^ k1;
    c1 = low1;
    c3 = low0;
    k0 += UINT64_C(0x9E3779B97F4A7C15);
    k1 += UINT64_C(0xBB67AE8584CAA73B);
}
const uint64_t words[4] = {c0, c1, c2, c3};"""


def drawn(work: Work, bits: int, value: str) -> None:
    """A draw whose elements are an expression of `word`, so many random bits."""
    k, each, size = work.threads(), 256 // bits, work.v.size
    k.spread(["b"], (-(-size // each),))
    k.load("cell", "0")
    k.put("// Philox4x64-10, as NumPy draws it: key (seed, site), counter (block, step, 0, 0)", *BLOCK.splitlines())
    rest = "" if size % each == 0 else f" && {each} * b + i < {size}"
    with k.block(f"for (int i = 0; i < {each}{rest}; i++)"):
        k.put("const uint64_t word = words[i];" if bits == 64
              else "const uint32_t word = (uint32_t)(words[i / 2] >> 32 * (i % 2));",
              k.store(f"{each} * b + i", value))


def drawable(v: Vertex) -> bool:
    """Whether the product and the sum of a draw are rounded one after the other, as NumPy rounds them.

    Where there is a sum, the product of single precision goes by way of double.
    """
    return v.dtype.itemsize == 4 or v.attrs["low"] == 0.0


@kernel_of(random_uniform, "cell", fits=drawable)
def uniform(work: Work) -> None:
    """z = low + (high - low) u, u uniform in [0, 1) with 24 or 53 bits."""
    v, low, high = work.v, work.v.attrs["low"], work.v.attrs["high"]
    single, kind = v.dtype.itemsize == 4, Threads(work, "").kind("z")
    value = f"({kind})(word >> {8 if single else 11}) * {number(2.0 ** -(24 if single else 53), v)}"
    if high - low != 1.0:
        scale = number(high - low, v)
        value = f"(float)((double)({value}) * {scale})" if single else f"{value} * {scale}"
    drawn(work, 32 if single else 64, value + (f" + {number(low, v)}" if low != 0.0 else ""))


@kernel_of(random_bernoulli, "cell")
def bernoulli(work: Work) -> None:
    """z = 1 with probability p, else 0: u < p for a u of 24 bits, compared as integers."""
    p = ceil(float(np.float32(work.v.attrs["p"])) * 2.0**24)
    drawn(work, 32, f"word >> 8 < {p} ? 1 : 0")


@kernel_of(next_step, "cell")
def step(work: Work) -> None:
    """(seed, site, step) -> (seed, site, step + 1)."""
    k = work.threads()
    k.spread(["i"], (3,))
    k.put(k.store("i", f"{k.load('cell', 'i')} + (i == 2)"))


def from_catalogue(op: Op, kernel: str, dtypes: Container[str], largest: int = LARGEST) -> None:
    """Let a kernel of the catalogue make a draw of these dtypes, of so many elements at most."""
    KERNELS[type(op)] = Recipe(("cell",), None, lambda v: v.dtype.name in dtypes and v.size <= largest, False)

    @way_of(op)
    def launch(way: Way) -> bool:
        v = way.work.v
        settings = {name: value for name, value in v.attrs.items() if name not in ("shape", "dtype")}
        way.launch(kernel, way.rows("cell"), way.result("z", *v.shape), **settings)
        return True


from_catalogue(random_normal, "philox_normal", REALS)
from_catalogue(random_integers, "philox_integers", WHOLES)
from_catalogue(random_permutation, "philox_permutation", WHOLES, LONGEST)
