"""How far something has got that moves on as it is used: a random number generator, an iterator, a file."""

from __future__ import annotations

import io
import random
import sys
import warnings
from collections.abc import Iterator
from types import GeneratorType
from typing import Any

import numpy as np

from .guards import PLAIN


def random_state() -> Any:
    """The state of the global random number generators of Python and NumPy."""
    legacy = np.random.get_state()  # noqa: NPY002  (we do not use it; the user may)
    return random.getstate(), legacy[1].tobytes(), legacy[2:]  # type: ignore[index]


def state_of_generator(generator: Any) -> str:
    """Where a random number generator is."""
    if isinstance(generator, random.Random):
        return repr(generator.getstate())
    bits = generator if isinstance(generator, np.random.BitGenerator) else getattr(generator, "bit_generator", None)
    with np.printoptions(threshold=sys.maxsize):
        return repr(bits.state if bits is not None else generator.get_state())


def position_of(iterator: Any) -> Any:
    """How far an iterator or a file has got, as something to compare."""
    if isinstance(iterator, GeneratorType):
        frame = iterator.gi_frame
        return None if frame is None else (frame.f_lasti, *map(position_part, frame.f_locals.values()))
    if isinstance(iterator, io.IOBase):
        try:
            return iterator.tell()
        except (OSError, ValueError):
            return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return tuple(map(position_part, iterator.__reduce__()))
    except TypeError:
        return repr(iterator)


def position_part(value: Any) -> Any:
    """One thing that an iterator keeps: numbers by value, iterators by where they are, others by identity."""
    if isinstance(value, PLAIN):
        return value
    if isinstance(value, tuple):
        return tuple(map(position_part, value))
    return position_of(value) if isinstance(value, Iterator) else id(value)


__all__ = ["position_of", "random_state", "state_of_generator"]
