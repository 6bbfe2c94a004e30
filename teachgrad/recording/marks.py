"""What is kept of an array that can be computed again, and which ones can."""

from __future__ import annotations

import zlib

import numpy as np

from ..op import Op


def replayable(op: Op | None) -> bool:
    """Whether an op gives the same again for the same inputs, and its gradient rule answers by itself."""
    return op is not None and op.pure and not op.gathers and not op.name.startswith("random_")


def mark(array: np.ndarray) -> int:
    """What is kept of a result: the CRC-32 of all its bytes, little-endian and row-major."""
    plain = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
    return zlib.crc32(plain.data if plain.size else b"")
