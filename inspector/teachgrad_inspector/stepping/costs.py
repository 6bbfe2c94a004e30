"""What a request of a warp takes: sectors of global memory, turns of the banks of shared memory."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from teachgrad.recording.kernel_trace import TracedArray

SECTOR = 32
WORD = 4
BANKS = 32


def cost(array: TracedArray, offsets: npt.NDArray[np.int64], sizes: npt.NDArray[np.uint8]) -> str:
    """In words; nothing for what is neither global nor shared. Arrays are taken to begin at a sector, and at bank 0."""
    if array.space == "global":
        count = sectors(offsets, sizes)
        return f"{count} sector{'s' * (count > 1)}"
    if array.space == "shared":
        count = wavefronts(offsets, sizes)
        return f"{count} turns: bank conflicts" if count > ideal(offsets, sizes) else f"{count} turn{'s' * (count > 1)}"
    return ""


def sectors(offsets: npt.NDArray[np.int64], sizes: npt.NDArray[np.uint8]) -> int:
    """Sectors of 32 bytes that have any of the bytes."""
    return len(units(offsets, sizes, SECTOR))


def wavefronts(offsets: npt.NDArray[np.int64], sizes: npt.NDArray[np.uint8]) -> int:
    """Different words that the busiest bank has to deliver."""
    words = np.array(sorted(units(offsets, sizes, WORD)), np.int64)
    return int(np.bincount(words % BANKS).max()) if len(words) else 0


def ideal(offsets: npt.NDArray[np.int64], sizes: npt.NDArray[np.uint8]) -> int:
    """The turns that so many words need at least."""
    return -(-len(units(offsets, sizes, WORD)) // BANKS)


def units(offsets: npt.NDArray[np.int64], sizes: npt.NDArray[np.uint8], length: int) -> set[int]:
    """The pieces of memory of a length that are touched."""
    return {unit for offset, size in zip(offsets.tolist(), sizes.tolist(), strict=True)
            for unit in range(offset // length, (offset + size - 1) // length + 1)}  # fmt: skip
