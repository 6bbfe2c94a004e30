"""What every thread of a kernel did, step by step: a recording that can be walked through forwards and backwards."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, overload

import numpy as np
import numpy.typing as npt

from .checking import Array

MOST = 1_000_000
"""Events that are kept of a launch, unless more are asked for."""
MOST_EVER = 20_000_000
KINDS = ("read", "write", "atomic", "line", "barrier", "warp", "exit")
RECORD = np.dtype([("block", "u4"), ("thread", "u2"), ("kind", "u1"), ("size", "u1"), ("site", "u8"), ("offset", "i8"),
                   ("value", "V16"), ("number", "i4"), ("origin", "S1"), ("padding", "V3")])  # fmt: skip
assert RECORD.itemsize == 48


@dataclass(frozen=True)
class Event:
    """One thing that one thread did."""

    step: int
    """Its place in the recording; events are in the order in which they happened here."""
    kind: str
    """"read", "write" or "atomic" (an access), "line" (it comes to one), "barrier" or "warp" (it arrives), "exit"."""
    block: int
    """Counted through, x fastest."""
    thread: int
    """Counted through, x fastest; its warp is thread // 32, its lane thread % 32."""
    line: int | None
    array: str = ""
    space: str = ""
    index: tuple[int, ...] | None = None
    address: int = 0
    """Bytes from the beginning of the array."""
    value: Any = None
    """What was read; what is there after a write or an atomic operation."""


class Recording(Sequence[Event]):
    """The events of a launch. `dropped` counts those for which there was no room; `data` is the table as written."""

    def __init__(self, data: npt.NDArray[Any], dropped: int, lines: Mapping[int, int | None],
                 arrays: Mapping[tuple[str, int], Array]) -> None:  # fmt: skip
        self.data = data
        self.dropped = dropped
        self.arrays = arrays
        self._lines = lines

    def __len__(self) -> int:
        return len(self.data)

    @overload
    def __getitem__(self, index: int) -> Event: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Event]: ...
    def __getitem__(self, index: int | slice) -> Event | Sequence[Event]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        step = index + len(self) if index < 0 else index
        if not 0 <= step < len(self):
            raise IndexError(index)
        return self._event(step)

    def __iter__(self) -> Iterator[Event]:
        return map(self._event, range(len(self)))

    def of(self, block: int, thread: int | None = None, warp: int | None = None) -> list[Event]:
        """The events of a block, of one of its threads, or of one of its warps."""
        chosen = self.data["block"] == block
        if thread is not None:
            chosen &= self.data["thread"] == thread
        if warp is not None:
            chosen &= self.data["thread"] // 32 == warp
        return [self._event(int(step)) for step in np.flatnonzero(chosen)]

    def line_of(self, site: int) -> int | None:
        """The user's line of an instruction, as the table names it."""
        return self._lines.get(site)

    def _event(self, step: int) -> Event:
        row = self.data[step]
        kind = KINDS[row["kind"]]
        line = self._lines.get(int(row["site"]))
        if kind not in ("read", "write", "atomic"):
            return Event(step, kind, int(row["block"]), int(row["thread"]), line)
        key = (row["origin"].decode(), int(row["number"]))
        array, offset = self.arrays[key], int(row["offset"])
        value = value_of(array.dtype, row["value"].tobytes(), int(row["size"]))
        return Event(step, kind, int(row["block"]), int(row["thread"]), line, array.name, array.space,
                     array.index(offset), offset, value)  # fmt: skip


def without_repeats(data: npt.NDArray[Any], lines: Mapping[int, int | None]) -> npt.NDArray[Any]:
    """The table without arrivals at a line at which the thread is already, or that is not the user's."""
    sites, position = np.unique(data["site"], return_inverse=True)
    line = np.array([lines.get(int(site)) or 0 for site in sites], np.int64)[position]
    arrival = data["kind"] == KINDS.index("line")
    again = np.zeros(len(data), bool)
    again[1:] = (line[1:] == line[:-1]) & (data["thread"][1:] == data["thread"][:-1]) & (
        data["block"][1:] == data["block"][:-1])  # fmt: skip
    return data[~(arrival & (again | (line == 0)))]


def value_of(dtype: np.dtype[Any] | None, raw: bytes, size: int) -> Any:
    """The value in the dtype of its array, as far as it is known; else as an unsigned integer. Several are a tuple."""
    held = raw[:min(size, len(raw))]
    if dtype is None or dtype.fields or len(held) % dtype.itemsize:
        return int.from_bytes(held, "little")
    values = np.frombuffer(held, dtype)
    return values[0].item() if len(values) == 1 else tuple(values.tolist())
