"""The IDX format of MNIST and its kin: a small header, then the numbers. Written to distrust the file.

    0x00 0x00, type, number of axes, one big-endian uint32 for each axis, then the values, big-endian, last axis fastest

Source: Y. LeCun, C. Cortes and C. Burges, THE MNIST DATABASE of handwritten digits, section "file format".
"""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from pathlib import Path
from typing import BinaryIO

import numpy as np

from ..errors import DataError

TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
MAX_AXES = 8
MAX_BYTES = 1 << 28  # 256 MiB: MNIST's largest file holds 47 million
CHUNK = 1 << 20


def read_idx(path: Path, max_bytes: int = MAX_BYTES) -> np.ndarray:
    """The array in an IDX file, gzipped or plain, in the byte order of this machine.

    Memory is taken as values arrive, never because the header promises them, and at most `max_bytes` of it: a file that
    claims more, ends early, goes on after its last value (as a gzip bomb does) or is not IDX is a DataError.
    """
    try:
        with path.open("rb") as file:
            zipped = file.read(2) == b"\x1f\x8b"
            file.seek(0)
            if not zipped:
                return _read(file, max_bytes)
            with gzip.open(file) as unzipped:
                return _read(unzipped, max_bytes)  # type: ignore[arg-type]
    except (OSError, EOFError, zlib.error, _NotIdx) as error:
        raise DataError(f"{path} cannot be read as an IDX file: {error}") from error


class _NotIdx(Exception):
    """What is wrong with the bytes, before anybody has said whose they are."""


def _read(file: BinaryIO, max_bytes: int) -> np.ndarray:
    zero, kind, axes = struct.unpack(">HBB", _exactly(file, 4))
    if zero != 0 or kind not in TYPES or not 1 <= axes <= MAX_AXES:
        raise _NotIdx(f"it does not start like one (first bytes {zero:04x} {kind:02x} {axes:02x})")
    shape = struct.unpack(f">{axes}I", _exactly(file, 4 * axes))
    dtype = np.dtype(TYPES[kind])
    size = math.prod(shape) * dtype.itemsize  # Python's ints: no overflow, whatever the header says
    if size > max_bytes:
        raise _NotIdx(f"its header claims {size:,} bytes in shape {shape}; at most {max_bytes:,} are read")
    values = _exactly(file, size)
    if file.read(1):
        raise _NotIdx(f"it goes on after the {size:,} bytes of shape {shape}")
    return np.frombuffer(values, dtype).astype(dtype.newbyteorder("=")).reshape(shape)


def _exactly(file: BinaryIO, size: int) -> bytearray:
    data = bytearray()
    while len(data) < size:
        chunk = file.read(min(CHUNK, size - len(data)))
        if not chunk:
            raise _NotIdx(f"it ends early: {len(data):,} bytes where {size:,} were announced")
        data += chunk
    return data
