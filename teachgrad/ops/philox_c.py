"""Draws of random numbers as C: the same bits as NumPy's Philox4x64-10, block by block, in any order.

A block of four words of 64 bits is what ten rounds make of a key and a counter; each round multiplies two words of the
counter by constants and mixes the halves of the products with the others and with the key, which moves on by constants.
Source: J. Salmon, M. Moraes, R. Dror, D. Shaw, "Parallel random numbers: as easy as 1, 2, 3" (2011).
"""

from __future__ import annotations

from math import ceil

import numpy as np

from ..dtypes import C_TYPES
from ..op import Vertex
from .code import Code

BLOCK = """\
uint64_t k0 = cell[0], k1 = cell[1], c0 = (uint64_t)b + 1, c1 = cell[2], c2 = 0, c3 = 0;
for (int turn = 0; turn < 10; turn++) {
    const wide m0 = (wide)UINT64_C(0xD2E7470EE14C6C93) * c0;
    const wide m1 = (wide)UINT64_C(0xCA5A826395121157) * c2;
    c0 = (uint64_t)(m1 >> 64) ^ c1 ^ k0;
    c2 = (uint64_t)(m0 >> 64) ^ c3 ^ k1;
    c1 = (uint64_t)m1;
    c3 = (uint64_t)m0;
    k0 += UINT64_C(0x9E3779B97F4A7C15);
    k1 += UINT64_C(0xBB67AE8584CAA73B);
}
const uint64_t words[4] = {c0, c1, c2, c3};"""


def drawn(z: Vertex, bits: int, value: str) -> str:
    """A draw whose elements are an expression of `word`, so many random bits."""
    code, each = Code(), 256 // bits
    code.put("/* Philox4x64-10, as NumPy draws it: key (seed, site), counter (block, step, 0, 0) */",
             "__extension__ typedef unsigned __int128 wide;", "#pragma omp parallel for")
    with code.block(f"for (int64_t b = 0; b < {-(-z.size // each)}; b++)"):
        code.put(*BLOCK.splitlines())
        rest = "" if z.size % each == 0 else f" && {each} * b + i < {z.size}"
        with code.block(f"for (int i = 0; i < {each}{rest}; i++)"):
            code.put("const uint64_t word = words[i];" if bits == 64
                     else "const uint32_t word = (uint32_t)(words[i / 2] >> 32 * (i % 2));",
                     f"z[{each} * b + i] = {value};")
    return code.text()


def uniform(z: Vertex, low: float, high: float) -> str | None:
    """z = low + (high - low) u, u uniform in [0, 1) with 24 or 53 bits

    The product is rounded before `low` is added, as NumPy rounds it: by way of double, or else there is no C.
    """
    single, kind = z.dtype.itemsize == 4, C_TYPES[z.dtype]
    if low != 0.0 and not single:
        return None
    value = f"({kind})(word >> {8 if single else 11}) * {number(2.0 ** -(24 if single else 53), z)}"
    if high - low != 1.0:
        scale = number(high - low, z)
        value = f"(float)((double)({value}) * {scale})" if single else f"{value} * {scale}"
    return drawn(z, 32 if single else 64, value + (f" + {number(low, z)}" if low != 0.0 else ""))


def bernoulli(z: Vertex, p: float) -> str:
    """z = 1 with probability p, else 0: u < p for a u of 24 bits, compared as integers"""
    return drawn(z, 32, f"word >> 8 < {ceil(float(np.float32(p)) * 2.0**24)} ? 1 : 0")


def number(value: float, z: Vertex) -> str:
    """A number in the type of z as C writes it, with all of its bits."""
    exact = float(z.dtype.type(value)).hex() + ("f" if z.dtype.itemsize == 4 else "")
    return f"({exact})" if value < 0 else exact
