"""Random numbers that the GPU draws by itself: the bits are those of the CPU.

A permutation is drawn on the CPU: its exchanges come one after the other, which a CPU does faster.
"""

from __future__ import annotations

from typing import Any

from teachgrad.ops import random as draws

from .table import computes, launch


@computes(draws.random_uniform)
def uniform(there: Any, cell: Any, *, shape: Any, dtype: Any, **bounds: float) -> Any:
    return drawn(there, "philox_uniform", cell, shape, dtype, as_float(dtype), bounds)


@computes(draws.random_normal)
def normal(there: Any, cell: Any, *, shape: Any, dtype: Any, **moments: float) -> Any:
    return drawn(there, "philox_normal", cell, shape, dtype, as_float(dtype), moments)


@computes(draws.random_integers)
def integers(there: Any, cell: Any, *, shape: Any, dtype: Any, **bounds: int) -> Any:
    return drawn(there, "philox_integers", cell, shape, dtype, dtype, bounds)


@computes(draws.random_bernoulli)
def bernoulli(there: Any, cell: Any, *, shape: Any, dtype: Any, p: float) -> Any:
    return drawn(there, "philox_bernoulli", cell, shape, dtype, "bool", {"p": p})


def as_float(dtype: Any) -> Any:
    """The type in which floats are drawn: float16 is rounded from float32, as on the CPU."""
    return "float32" if dtype == "float16" else dtype


def drawn(there: Any, kernel: str, cell: Any, shape: Any, dtype: Any, drawn_as: Any, settings: Any) -> Any:
    """Numbers from the place (seed, site, step) of the random bits, drawn in one type and given in another."""
    z = there.cupy.empty(shape, drawn_as)
    launch(there, kernel, there.cupy.asarray(cell), z, **settings)
    return z if z.dtype == dtype else z.astype(dtype)
