"""The BLAS that NumPy itself brings: the addresses of its matrix products, for generated C to call.

The library is in the process already; its functions are found through the NumPy module that is linked with it. NumPy's
own wheels bring OpenBLAS with names of its own and 64-bit lengths; other builds use the standard names.
"""

from __future__ import annotations

import ctypes
import functools
from dataclasses import dataclass
from importlib import import_module

import numpy as np

SPELLINGS = (("scipy_cblas_{}64_", "int64_t"), ("cblas_{}64_", "int64_t"), ("scipy_cblas_{}", "int"),
             ("cblas_{}", "int"))
"""How builds of BLAS name their functions, and the C type of lengths that goes with each."""
CORENAMES = ("scipy_openblas_get_corename64_", "openblas_get_corename64_", "scipy_openblas_get_corename",
             "openblas_get_corename")
VECTORS = {"Prescott": 16, "Core2": 16, "Penryn": 16, "Dunnington": 16, "Nehalem": 16, "Atom": 16, "Athlon": 16,
           "Opteron": 16, "Barcelona": 16, "Bobcat": 16, "Sandybridge": 32, "Bulldozer": 32, "Piledriver": 32,
           "Steamroller": 32, "Excavator": 32, "Haswell": 32, "Zen": 32}
"""The bytes of a vector in OpenBLAS's kernels for the processors that it knows; those that are not here have them as
wide as the processor."""


@dataclass(frozen=True)
class Blas:
    """The addresses of sgemm and dgemm, under these names, and the C type of the lengths that they take."""

    sgemm: int
    dgemm: int
    spelling: str
    length: str
    vector: int
    """The bytes of a vector in its kernels, so far as it is known; no machine's are wider than 64."""

    def address(self, itemsize: int) -> int:
        """The product for float32 (4 bytes) or float64 (8 bytes)."""
        return self.sgemm if itemsize == 4 else self.dgemm


@functools.cache
def blas() -> Blas | None:
    """The BLAS of this NumPy, or None if it does not show its functions."""
    try:
        module = import_module("numpy._core._multiarray_umath")
        library = ctypes.CDLL(module.__file__)
    except (ImportError, OSError, TypeError):
        return None
    for spelling, length in SPELLINGS:
        found = [function for name in ("sgemm", "dgemm")
                 if (function := getattr(library, spelling.format(name), None)) is not None]
        if len(found) == 2:
            single, double = (ctypes.cast(function, ctypes.c_void_p).value or 0 for function in found)
            if multiplies(double, length):
                return Blas(single, double, spelling, length, vector(library))
    return None


def vector(library: ctypes.CDLL) -> int:
    """The bytes of a vector in the kernels that a BLAS has chosen for this machine, 64 if it does not tell."""
    for name in CORENAMES:
        if (corename := getattr(library, name, None)) is not None:
            corename.restype = ctypes.c_char_p
            return VECTORS.get(corename().decode().capitalize(), 64)
    return 64


def multiplies(address: int, length: str) -> bool:
    """Whether the function at an address is what its name says."""
    integer = ctypes.c_int64 if length == "int64_t" else ctypes.c_int
    kinds = [ctypes.c_int] * 3 + [integer] * 3 + [ctypes.c_double, ctypes.c_void_p, integer, ctypes.c_void_p, integer,
                                                  ctypes.c_double, ctypes.c_void_p, integer]
    gemm = ctypes.CFUNCTYPE(None, *kinds)(address)
    x, y, z = np.arange(6.0).reshape(2, 3), np.arange(12.0).reshape(3, 4), np.empty((2, 4))
    gemm(101, 111, 111, 2, 4, 3, 1.0, x.ctypes.data, 3, y.ctypes.data, 4, 0.0, z.ctypes.data, 4)
    return bool((z == x @ y).all())
