"""The IDX reader on good files and on hostile ones."""

from __future__ import annotations

import gzip
import struct
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from teachgrad.data.idx import read_idx
from teachgrad.errors import DataError

CODES = {"uint8": 0x08, "int8": 0x09, "int16": 0x0B, "int32": 0x0C, "float32": 0x0D, "float64": 0x0E}


def header(code: int, *shape: int) -> bytes:
    return struct.pack(f">HBB{len(shape)}I", 0, code, len(shape), *shape)


def write(folder: Path, data: bytes) -> Path:
    path = folder / "file"
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize("dtype", CODES)
def test_reads_every_type(tmp_path: Path, dtype: str, zipped: bool) -> None:
    array = np.arange(-6, 18).reshape(2, 3, 4).astype(dtype)
    data = header(CODES[dtype], 2, 3, 4) + array.astype(array.dtype.newbyteorder(">")).tobytes()
    read = read_idx(write(tmp_path, gzip.compress(data, mtime=0) if zipped else data))
    assert read.dtype == array.dtype
    assert read.dtype.isnative
    assert np.array_equal(read, array)


def test_reads_a_file_laid_out_by_hand(tmp_path: Path) -> None:
    """Two labels, byte for byte as MNIST's page describes the label file: magic number 2049, count, labels."""
    assert read_idx(write(tmp_path, b"\x00\x00\x08\x01\x00\x00\x00\x02\x05\x09")).tolist() == [5, 9]


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        (b"", "ends early"),
        (b"\x00\x00\x08", "ends early"),
        (header(0x08, 3), "ends early: 0 bytes where 3"),
        (header(0x08, 3) + b"ab", "ends early: 2 bytes where 3"),
        (header(0x08, 3) + b"abcd", "goes on after the 3 bytes"),
        (header(0x0A, 3) + b"abc", "does not start like one"),
        (header(0x08) + b"a", "does not start like one"),
        (header(0x08, *[1] * 9) + b"a", "does not start like one"),
        (b"\x00\x01" + header(0x08, 1)[2:] + b"a", "does not start like one"),
        (b"<!DOCTYPE html><html>Log in to the network</html>", "does not start like one"),
        (header(0x08, 2**32 - 1, 2**32 - 1, 2**32 - 1), "claims"),
        (header(0x0E, 2**32 - 1, 2**32 - 1, 2**32 - 1, 0xFFFF), "claims"),
        (gzip.compress(header(0x08, 3) + b"abc", mtime=0)[:-9], "Compressed file ended"),
        (gzip.compress(header(0x08, 3) + b"abc", mtime=0)[:-8] + b"12345678", "CRC"),
        (b"\x1f\x8b" + bytes(30), "cannot be read"),
    ],
)
def test_refuses(tmp_path: Path, data: bytes, complaint: str) -> None:
    with pytest.raises(DataError, match=complaint):
        read_idx(write(tmp_path, data))


def test_a_missing_file_is_a_data_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="No such file"):
        read_idx(tmp_path / "absent")


@pytest.mark.parametrize(
    "data",
    [
        header(0x08, 200_000_000) + b"short",  # a promise
        gzip.compress(header(0x08, 3) + bytes(100_000_000), 9),  # a bomb behind an honest header
        gzip.compress(header(0x08, 2**31) + bytes(100_000_000), 9),  # a bomb behind a dishonest one
    ],
    ids=["promise", "bomb", "announced bomb"],
)
def test_takes_no_memory_for_promises_and_bombs(tmp_path: Path, data: bytes) -> None:
    path = write(tmp_path, data)
    tracemalloc.start()
    with pytest.raises(DataError):
        read_idx(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 5_000_000


@given(st.data())
def test_any_bytes_give_an_array_or_a_data_error(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    good = data.draw(arrays.arrays(np.uint8, st.tuples(st.integers(0, 4), st.integers(0, 4))))
    raw = bytearray(header(0x08, *good.shape) + good.tobytes())
    for _ in range(data.draw(st.integers(0, 3))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    path = write(tmp_path_factory.getbasetemp(), bytes(raw))
    try:
        array = read_idx(path, max_bytes=1 << 16)
    except DataError:
        return
    assert array.tobytes() == bytes(raw[-array.size :]) if array.dtype == np.uint8 and array.size else True
