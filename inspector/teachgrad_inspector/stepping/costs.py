"""What a request of a warp takes: sectors of global memory, turns of the banks of shared memory.

Both are counted as the emulator does (`gpu/teachgrad_gpu/emulator/runtime/worker/counting.cpp`), from the events of the
request: rows of a trace.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from teachgrad.errors import counted
from teachgrad.recording.kernel_trace import KINDS, TracedArray

Rows = npt.NDArray[Any]
SECTOR = 32
WORD = 4
BANKS = 32
WARP = 32


def cost(array: TracedArray, rows: Rows) -> str:
    """In words; nothing for what is neither global nor shared. Arrays are taken to begin at a sector, and at bank 0."""
    if array.space == "global":
        return counted(sectors(rows), "sector")
    if array.space == "shared":
        count = wavefronts(rows)
        return f"{count} turns: bank conflicts" if count > ideal(rows) else counted(count, "turn")
    return ""


def sectors(rows: Rows) -> int:
    """Sectors of 32 bytes that have any of the bytes."""
    return len(units(rows, SECTOR))


def wavefronts(rows: Rows) -> int:
    """Different words that the busiest bank has to deliver, for each group of lanes."""
    words = (np.array(sorted(units(group, WORD)), np.int64) for group in groups(rows))
    return sum(int(np.bincount(of_group % BANKS).max()) for of_group in words)


def ideal(rows: Rows) -> int:
    """The turns without conflicts: one for each group."""
    return sum(1 for _ in groups(rows))


def groups(rows: Rows) -> Iterator[Rows]:
    """The lanes that are answered together: as many as want 128 bytes, and twice as many of a wide load by pairs."""
    if not len(rows):
        return
    lanes = rows["thread"] % WARP
    size = max(1, 128 // max(WORD, int(rows["size"].max())))
    if size < WARP and (rows["kind"] == KINDS.index("read")).all() and (in_pairs(rows, 1) or in_pairs(rows, 2)):
        size *= 2
    for first in range(0, WARP, size):
        group = rows[(lanes >= first) & (lanes < first + size)]
        if len(group):
            yield group


def in_pairs(rows: Rows, apart: int) -> bool:
    """Whether each lane n wants what lane n ^ apart wants, if that one takes part."""
    wanted = dict(zip((rows["thread"] % WARP).tolist(), rows["offset"].tolist(), strict=True))
    return all(wanted.get(lane ^ apart, offset) == offset for lane, offset in wanted.items())


def units(rows: Rows, length: int) -> set[int]:
    """The pieces of memory of a length that are touched."""
    return {unit for offset, size in zip(rows["offset"].tolist(), rows["size"].tolist(), strict=True)
            for unit in range(offset // length, (offset + size - 1) // length + 1)}  # fmt: skip
