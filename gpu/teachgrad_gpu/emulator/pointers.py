"""Addresses inside of arguments: a structure with a pointer in it, or an array of pointers.

An address is that of an array in shared memory, `emulator.empty(...).ctypes.data`, which is the same in the worker. A
structure is a NumPy scalar of a dtype with fields, made with `align=True` so that they lie where C++ has them; its
pointers are np.uint64.
"""

from __future__ import annotations

import bisect
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from .memory import Arena
from .parameters import Parameter


@dataclass(frozen=True)
class Held:
    """An array that an argument holds the address of: it stays where it is, while others may be copied."""

    name: str
    """That of the parameter, and of the field or the index in it."""
    low: int
    size: int
    dtype: np.dtype[Any]
    shape: tuple[int, ...]

    def has(self, address: int) -> bool:
        """Whether an address lies in it."""
        return self.low <= address < self.low + self.size


def held_by(parameters: Sequence[Parameter], arguments: Sequence[Any], arena: Arena) -> tuple[Held, ...]:
    """The arrays in shared memory that arguments hold the addresses of, each once."""
    holders = [(parameter, value) for parameter, value in zip(parameters, arguments, strict=True)
               if may_hold(parameter, value)]
    if not holders:
        return ()
    arrays = arena.arrays()
    lows = list(arrays)
    found: dict[int, Held] = {}
    for parameter, value in holders:
        for name, number in addresses_in(value, parameter.name):
            place = bisect.bisect_right(lows, number) - 1  # of the last array that begins no later
            if place >= 0 and number < lows[place] + arrays[lows[place]][0]:
                found.setdefault(lows[place], Held(name, lows[place], *arrays[lows[place]]))
    return tuple(found.values())


def may_hold(parameter: Parameter, value: Any) -> bool:
    """Whether an argument is a structure, or an array of pointers."""
    if parameter.pointer:
        return parameter.type.count("*") > 1 and isinstance(value, np.ndarray)
    return isinstance(value, np.void)


def addresses_in(value: npt.NDArray[Any] | np.generic, name: str) -> Iterator[tuple[str, int]]:
    """The integers of 64 bits, which may be addresses, and what they are called."""
    if value.dtype.names:
        for field in value.dtype.names:
            yield from addresses_in(np.asarray(value)[field], f"{name}.{field}")
    elif value.dtype.kind in "iu" and value.dtype.itemsize == 8:
        for index, number in zip(np.ndindex(value.shape), np.ravel(value).tolist(), strict=True):
            yield name + "".join(f"[{i}]" for i in index), number
