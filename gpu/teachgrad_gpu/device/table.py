"""Which ops the device "gpu" computes by kernels of ours, where CuPy would read and write memory several times.

A room of this package adds its ops with `@computes(op)`: a function of the device, the arrays of the op and its
settings, which answers with what the op gives. A kernel knows itself what it can take, and refuses other arrays before
anything has run; then, and where a room finds no kernel that `fits`, the op computes with CuPy as if nothing had been
asked.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from math import prod
from typing import Any

import numpy as np

from teachgrad.errors import DTypeError, ShapeError
from teachgrad.op import Op

from ..kernels import catalogue

HALF = np.dtype("float16")
WAYS: dict[Op, Callable[..., Any]] = {}
"""How an op is computed by kernels: a function of the device, then as the op's own `forward`."""


class Unfit(Exception):
    """There is no kernel for these arrays, or none that is better."""


def fits(condition: bool) -> None:
    """Go on only if a kernel fits."""
    if not condition:
        raise Unfit


def computes(*ops: Op) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Add the way in which ops are computed."""

    def add(way: Callable[..., Any]) -> Callable[..., Any]:
        for op in ops:
            WAYS[op] = way
        return way

    return add


def computed(there: Any, op: Any, arrays: Sequence[Any], settings: Mapping[str, Any]) -> Any:
    """What an op gives, if there are kernels for it that take these arrays; else None. None of them takes float16."""
    way = WAYS.get(op)
    if way is None or not all(array.size and array.dtype != HALF for array in arrays):
        return None
    try:
        return way(there, *arrays, **settings)
    except (Unfit, ShapeError, DTypeError):
        return None


def launch(there: Any, name: str, *arrays: Any, **settings: Any) -> None:
    """Launch a kernel of the catalogue."""
    catalogue[name].launch(there.cupy, *arrays, **settings)


def launch_first(there: Any, names: Sequence[str], *arrays: Any, **settings: Any) -> None:
    """Launch the first of some kernels that takes the arrays."""
    for name in names:
        with suppress(ShapeError, DTypeError):
            return launch(there, name, *arrays, **settings)
    raise Unfit


def lines_of(x: Any, axes: int = 1) -> Any:
    """x as a matrix, one row for each line along its last axes. Only what lies in C order can be seen so."""
    fits(bool(x.flags.c_contiguous) and x.ndim >= axes)
    return x.reshape(-1, prod(x.shape[x.ndim - axes:]))
