"""The arrays of a recording: what is known of each one, and the elements that were kept."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import replace
from pathlib import Path

import numpy as np

from ..errors import RecordingError
from ..statistics import Statistics
from .checks import ArrayInfo, array_info, integer
from .fingerprint import fingerprint
from .schema import DTYPES
from .store import Store

CACHED_BYTES = 64 << 20
CACHED_INFOS = 1 << 16


class Arrays:
    """Reads arrays by their numbers. Nothing in the file is trusted: what does not fit raises `RecordingError`."""

    def __init__(self, path: Path, store: Store) -> None:
        self._path, self._store = path, store
        self._infos: dict[int, ArrayInfo] = {}
        self._elements: OrderedDict[int, np.ndarray] = OrderedDict()

    def info(self, number: int) -> ArrayInfo:
        """What is known of an array without its elements."""
        info = self._infos.get(number)
        if info is None:
            found = self._store.row(
                "SELECT dtype, shape, minimum, maximum, mean, std, zeros, nans, infs, counted, length(data), place, "
                "fingerprint IS NOT NULL AND data IS NULL AND place IS NULL FROM array WHERE id = ?",
                number,
            )
            if found is None:
                raise RecordingError(f"{self._path} is damaged: array {number} is missing")
            info = self._infos[number] = array_info(number, found)
            if len(self._infos) > CACHED_INFOS:
                self._infos.clear()
        return info

    def note(self, number: int, statistics: Statistics) -> None:
        """Remember the statistics of an array, which were computed from its elements."""
        self._infos[number] = replace(self.info(number), statistics=statistics)

    def mark(self, number: int) -> int | None:
        """The CRC-32 of an array that is computed again."""
        return (self._store.row("SELECT fingerprint FROM array WHERE id = ?", number) or (None,))[0]

    def elements(self, number: int) -> np.ndarray | None:
        """The elements of an array (read-only) as they were kept, or None if they were not or are not here."""
        array = self._elements.get(number)
        if array is not None:
            self._elements.move_to_end(number)
            return array
        info = self.info(number)
        if not info.has_values:
            return None
        query = "SELECT fingerprint, data, place FROM array WHERE id = ?"
        mark, data, place = self._store.row(query, number) or (None, None, None)
        if place is not None and not self._store.find_large_arrays():  # it may have become part of the recording
            mark, data, place = self._store.row(query, number) or (None, None, None)
            if place is not None:
                return None
        if place is not None:
            data = self._store.large_array(integer(place, "an array"), info.nbytes)
        if not isinstance(data, bytes) or len(data) != info.nbytes or fingerprint(data, info.nbytes) != mark:
            raise RecordingError(f"{self._path} is damaged: the elements of array {number} are not what was recorded")
        stored = np.frombuffer(data, DTYPES[info.dtype]).reshape(info.shape)
        array = self._elements[number] = stored.astype(stored.dtype.newbyteorder("="), copy=False)
        while sum(item.nbytes for item in self._elements.values()) > CACHED_BYTES and len(self._elements) > 1:
            self._elements.popitem(last=False)
        return array
