"""What the threads of a CUDA kernel did, in a file: whoever runs kernels writes it, whoever shows them reads it.

The file is

    teachgrad kernel trace 1\\n      the magic line
    {...}\\n                          a line of JSON: kernel, source, grid, block, arrays, findings, dropped, events
    records                          `events` records of `EVENT`, 48 bytes each, little endian

in the order in which the events happened. Blocks and threads are counted through, x fastest. Anything may stand in a
file: what is read here is checked before it is believed, and text is fit to be shown.
"""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import RecordingError
from .text import clean

MAGIC = b"teachgrad kernel trace 1\n"
KINDS = ("read", "write", "atomic", "line", "barrier", "warp", "exit")
"""Accesses, then: it comes to a line, arrives at a barrier of the block or of the warp, has returned."""
ACCESSES = 3
"""So many of the kinds are accesses."""
EVENT = np.dtype([("block", "<u4"), ("thread", "<u2"), ("kind", "u1"), ("size", "u1"), ("line", "<u4"), ("site", "<u4"),
                  ("array", "<i4"), ("padding", "<u4"), ("offset", "<i8"), ("value", "V16")])  # fmt: skip
"""`line`: 0 if it is not known. `site`: which instruction, as a number. `array`: its place in the list, or -1.
`offset`: in bytes. `value`: what was read, or what is there after a write."""
DTYPES = ("", "bool", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64", "float16", "float32",
          "float64")  # fmt: skip
"""Of arrays; the empty one: it is not known."""
MOST_EVENTS = 2_000_000
MOST_HEADER = 4 << 20
MOST_ARRAYS = 1000
MOST_FINDINGS = 1000
MOST_THREADS = 1024


@dataclass(frozen=True, slots=True)
class TracedArray:
    """An array that a kernel could reach."""

    name: str
    space: str
    """"global", "shared" or "constant"."""
    dtype: str
    itemsize: int
    """Bytes of an element; 1 if that is not known."""
    shape: tuple[int, ...]
    """Empty if it is not known."""


@dataclass(frozen=True, slots=True)
class TracedFinding:
    """One thing that is wrong."""

    kind: str
    message: str
    line: int
    other_line: int
    block: int
    thread: int
    other_block: int
    other_thread: int
    """-1, as the other block, if there is no other side."""
    array: int
    """Its place in the list of arrays, or -1."""
    offset: int


@dataclass(frozen=True)
class KernelTrace:
    """All that is known of a launch."""

    kernel: str
    source: tuple[str, ...]
    """The lines of the source."""
    grid: tuple[int, int, int]
    block: tuple[int, int, int]
    arrays: tuple[TracedArray, ...]
    findings: tuple[TracedFinding, ...]
    events: npt.NDArray[Any]
    """A table of `EVENT`."""
    dropped: int
    """Events for which there was no room."""


def is_trace(path: str | Path) -> bool:
    """Whether a file begins as a trace does."""
    try:
        with open(path, "rb") as file:
            return file.read(len(MAGIC)) == MAGIC
    except OSError:
        return False


def write_trace(path: str | Path, trace: KernelTrace) -> None:
    """Write a trace. Raises `RecordingError` if the file cannot be written."""
    header = {"kernel": trace.kernel, "source": "\n".join(trace.source), "grid": trace.grid, "block": trace.block,
              "arrays": [asdict(array) for array in trace.arrays],
              "findings": [asdict(finding) for finding in trace.findings[:MOST_FINDINGS]], "dropped": trace.dropped,
              "events": len(trace.events)}  # fmt: skip
    try:
        with open(path, "wb") as file:
            file.write(MAGIC + json.dumps(header).encode() + b"\n")
            file.write(trace.events.astype(EVENT).tobytes())
    except OSError as error:
        raise RecordingError(f"{path} cannot be written: {error.strerror}") from None


def read_trace(path: str | Path) -> KernelTrace:
    """Read a trace. Raises `RecordingError` if it is foreign, damaged, or claims what cannot be."""
    try:
        with open(path, "rb") as file:
            if file.read(len(MAGIC)) != MAGIC:
                raise RecordingError(f"{path} is no kernel trace")
            header = file.readline(MOST_HEADER + 1)
            if not header.endswith(b"\n"):
                raise RecordingError("the kernel trace is damaged: its header does not end")
            body = file.read(MOST_EVENTS * EVENT.itemsize + 1)
    except OSError as error:
        raise RecordingError(f"{path}: {error.strerror}") from None
    try:
        return _checked(json.loads(header), body)
    except (ValueError, KeyError, TypeError, RecursionError, OverflowError) as error:
        if isinstance(error, RecordingError):
            raise
        raise RecordingError(f"the kernel trace is damaged: {clean(str(error))[:200]}") from None


def _checked(header: Any, body: bytes) -> KernelTrace:
    """The trace that header and body describe."""
    if not isinstance(header, dict):
        raise ValueError("its header is no object")
    count = _number(header["events"], 0, MOST_EVENTS)
    if len(body) != count * EVENT.itemsize:
        raise ValueError(f"{count} events were announced, and {len(body)} bytes of them are there")
    grid, block = _three(header["grid"], 2**31), _three(header["block"], MOST_THREADS)
    if math.prod(block) > MOST_THREADS or math.prod(grid) > 2**32:
        raise ValueError(f"a launch of {grid} blocks of {block} threads is none")
    source = tuple(clean(line.expandtabs(4)) for line in _text(header["source"]).rstrip().split("\n"))
    arrays = tuple(_array(row) for row in _rows(header["arrays"], MOST_ARRAYS))
    findings = tuple(_finding(row, len(arrays)) for row in _rows(header["findings"], MOST_FINDINGS))
    events = np.frombuffer(body, EVENT)
    _check_events(events, math.prod(grid), math.prod(block), len(source), arrays)
    return KernelTrace(clean(_text(header["kernel"]))[:200], source, grid, block, arrays, findings, events,
                       _number(header["dropped"], 0, 2**62))  # fmt: skip


def _check_events(events: npt.NDArray[Any], blocks: int, threads: int, lines: int,
                  arrays: tuple[TracedArray, ...]) -> None:  # fmt: skip
    access = events["kind"] < ACCESSES
    offsets, at = events["offset"][access], events["array"][access]
    if (events["kind"] >= len(KINDS)).any():
        raise ValueError("an event is of no kind")
    if (events["block"] >= blocks).any() or (events["thread"] >= threads).any():
        raise ValueError("an event is of a thread that there is not")
    if (events["line"] > lines).any():
        raise ValueError("an event is in a line that there is not")
    if ((at < 0) | (at >= len(arrays))).any():
        raise ValueError("an event is about an array that there is not")
    sizes = np.array([math.prod(a.shape) * a.itemsize if a.shape else 2**40 for a in arrays], np.int64)
    if (offsets < 0).any() or (offsets >= sizes[at] if len(sizes) else offsets).any():
        raise ValueError("an event is outside its array")
    if (events["size"][access] == 0).any():
        raise ValueError("an event is about no bytes")


def _array(row: dict[str, Any]) -> TracedArray:
    shape = row["shape"]
    if not isinstance(shape, list) or len(shape) > 32:
        raise ValueError("an array has no shape")
    lengths = tuple(_number(length, 0, 2**40) for length in shape)
    if math.prod(lengths) > 2**40:
        raise ValueError("an array is larger than any memory")
    dtype, space = row["dtype"], row["space"]
    if dtype not in DTYPES or space not in ("global", "shared", "constant"):
        raise ValueError("an array is of no known kind")
    itemsize = _number(row["itemsize"], 1, 1 << 16)
    if dtype and np.dtype(dtype).itemsize != itemsize:
        raise ValueError(f"elements of {dtype} have not {itemsize} bytes")
    return TracedArray(clean(_text(row["name"]))[:100], space, dtype, itemsize, lengths)


def _finding(row: dict[str, Any], arrays: int) -> TracedFinding:
    numbers = {name: _number(row[name], -1, 2**62) for name in (
        "line", "other_line", "block", "thread", "other_block", "other_thread", "offset")}  # fmt: skip
    return TracedFinding(clean(_text(row["kind"]))[:100], clean(_text(row["message"]))[:2000],
                         array=_number(row["array"], -1, arrays - 1), **numbers)  # fmt: skip


def _rows(value: Any, most: int) -> list[dict[str, Any]]:
    if not isinstance(value, list) or len(value) > most or not all(isinstance(row, dict) for row in value):
        raise ValueError("a list is missing, or too long")
    return value


def _three(value: Any, most: int) -> tuple[int, int, int]:
    if not isinstance(value, list) or len(value) != 3:
        raise ValueError("a size has not three numbers")
    x, y, z = (_number(length, 1, most) for length in value)
    return x, y, z


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError("a text is missing")
    return value


def _number(value: Any, least: int, most: int) -> int:
    if type(value) is not int or not least <= value <= most:
        raise ValueError(f"{value!r:.40} is not a number from {least} to {most}")
    return value
