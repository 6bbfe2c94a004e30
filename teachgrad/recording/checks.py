"""Checks of what comes out of a file: every field of every row may hold anything."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Any

from ..errors import RecordingError
from ..statistics import Statistics
from .schema import DTYPES, KINDS, MAX_ELEMENTS, MAX_INPUTS, MAX_NDIM, PARAMETER, PHASES, REQUIRES_GRAD
from .step import Row
from .text import clean

EDGE = KINDS.index("edge")


@dataclass(frozen=True, slots=True)
class ArrayInfo:
    """What is known of a recorded array without reading its elements."""

    id: int
    dtype: str
    shape: tuple[int, ...]
    statistics: Statistics | None
    has_values: bool
    marked: bool = False
    """Whether its elements are to be computed again: the file only says what their CRC-32 must be."""

    @property
    def size(self) -> int:
        return prod(self.shape)

    @property
    def nbytes(self) -> int:
        return self.size * DTYPES[self.dtype].itemsize


def integer(value: Any, what: str) -> int:
    if type(value) is not int or not 0 <= value < 1 << 62:
        raise RecordingError(f"{what} has the number {value!r:.40}")
    return value


_INTEGER, _NUMBER, _TEXT = (int,), (int, type(None)), (str, type(None))
_COLUMNS = (*[_INTEGER] * 5, *[_NUMBER] * 2, *[_TEXT] * 5, _NUMBER, _INTEGER, *[_NUMBER] * 3)
_sound: set[tuple[type, ...]] = set()
"""Sequences of types that a row may have; there are few, so each row is checked by one look."""


def row_of(values: tuple[Any, ...]) -> Row:
    """A row of the table `event`, every field of which may be anything."""
    types = tuple(map(type, values))
    if types not in _sound:
        if len(types) != len(_COLUMNS) or any(t not in allowed for t, allowed in zip(types, _COLUMNS, strict=True)):
            raise RecordingError(f"row {values[1]!r:.40} of step {values[0]!r:.40} is damaged")
        _sound.add(types)
    (step, row, phase, kind, vertex, source, edge, op, name, scope, inputs, attrs, site, flags,
     value, delta, incoming) = values  # fmt: skip
    try:
        ids = tuple(map(int, inputs.split(","))) if inputs else ()
        if len(ids) > MAX_INPUTS or (kind == EDGE and (source is None or edge is None)):
            raise ValueError
        return Row(
            step, row, PHASES[phase], KINDS[kind], vertex, source, edge, op and clean(op), name and clean(name),
            clean(scope) if scope else "", ids, attrs, site, flags & REQUIRES_GRAD != 0, flags & PARAMETER != 0,
            value, delta, incoming,
        )  # fmt: skip
    except (ValueError, IndexError):
        raise RecordingError(f"row {row} of step {step} is damaged") from None


def array_info(number: int, found: tuple[Any, ...]) -> ArrayInfo:
    dtype, shape_text, *numbers, length, place, marked = found
    try:
        if dtype not in DTYPES:
            raise ValueError(f"its type is {dtype!r:.40}")
        shape = tuple(map(int, shape_text.split(","))) if shape_text else ()
        if len(shape) > MAX_NDIM or any(n < 0 for n in shape) or prod(shape) > MAX_ELEMENTS:
            raise ValueError(f"it claims the shape {shape_text!r:.60}")
        if place is not None and (type(place) is not int or place < 0 or length is not None):
            raise ValueError(f"it lies at {place!r:.40}")
        if length is not None and prod(shape) * DTYPES[dtype].itemsize != length:
            raise ValueError(f"its {length} bytes do not fit {dtype} of shape {shape_text!r:.60}")
        if any(item is not None and type(item) not in (int, float) for item in numbers):
            raise ValueError("its statistics are not numbers")
        statistics = None if numbers[4] is None else Statistics(*numbers)
    except (ValueError, TypeError, AttributeError) as error:
        raise RecordingError(f"array {number} cannot be read: {error}") from None
    again = marked == 1
    return ArrayInfo(number, dtype, shape, statistics, length is not None or place is not None or again, again)
