"""Statistics of small arrays, of many at once.

Small arrays are copied when they come, and their statistics are computed together before a commit. A copy takes a tenth
of a microsecond, and with hundreds of others an array takes one or two more; one by one it takes five, nearly all of
them for calls.
"""

from __future__ import annotations

from io import BytesIO
from itertools import repeat
from typing import Any

import numpy as np

from ..statistics import numbers_of, numbers_of_each
from .kinds import Kind
from .schema import DTYPES

SMALL = 1 << 14
"""Bytes of an array that is copied at most."""
MOST = 1 << 19
"""Bytes of copies that wait at most. Half of it would make calls count again."""

Row = tuple[Any, ...]


class Summaries:
    """Takes arrays with their numbers, and adds to `rows` for each its number, dtype, shape and statistics."""

    def __init__(self, rows: list[Row]) -> None:
        self._rows = rows
        self._waiting = {name: _Copies(DTYPES[name]) for name in ("float32", "float64")}

    def add(self, number: int, kind: Kind, array: np.ndarray) -> None:
        """Take an array as it is at this moment."""
        if not kind.as_stored:
            array = kind.stored(array)
        copies = self._waiting.get(kind.dtype)
        if copies is None or not 0 < kind.nbytes <= SMALL:
            self._rows.append((number, kind.dtype, kind.shape, *numbers_of(array, sample=True)))
            return
        if copies.nbytes + kind.nbytes > MOST:
            copies.move(self._rows)
        copies.add(number, kind, array)

    def finish(self) -> None:
        """Give the rows of all arrays that were taken."""
        for copies in self._waiting.values():
            if copies.nbytes:
                copies.move(self._rows)


class _Copies:
    """The elements of arrays of one dtype, one after the other.

    Ctrl-C may come at the end of any call. An array is either there or not, and its row is either given or not.
    """

    def __init__(self, dtype: np.dtype) -> None:
        self._dtype = dtype
        self._elements = BytesIO()
        self._arrays: list[tuple[int, str, int]] = []
        self._memory = np.empty(0, dtype)
        self.nbytes = 0

    def add(self, number: int, kind: Kind, array: np.ndarray) -> None:
        """Take an array."""
        self._elements.seek(self.nbytes)
        self._elements.write(array.data if array.flags.c_contiguous else array.tobytes())
        size = array.size
        self.nbytes += kind.nbytes
        self._arrays.append((number, kind.shape, size))

    def move(self, rows: list[Row]) -> None:
        """Add the rows of all arrays to `rows`. Afterwards there are none here."""
        if not self._memory.size:
            self._memory = np.empty(MOST // self._dtype.itemsize, self._dtype)
        numbers, shapes, sizes = zip(*self._arrays, strict=True)
        try:
            flat = np.frombuffer(self._elements.getbuffer()[: self.nbytes], self._dtype)
            columns = numbers_of_each(flat, sizes, self._memory)
            found = list(zip(numbers, repeat(self._dtype.name), shapes, *columns, strict=False))
        except BaseException:  # Ctrl-C: its traceback holds on to the memory
            self._elements = BytesIO(self._elements.getvalue())
            raise
        del flat
        self._arrays, self.nbytes = [], 0
        rows.extend(found)
