"""A launch on the emulator as a kernel trace, which `teachgrad inspect` steps through."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from teachgrad.recording.kernel_trace import DTYPES, EVENT, KINDS, KernelTrace, TracedArray, TracedFinding

from .emulator import Finding, RawKernel, Recording
from .emulator.checking import Array
from .emulator.errors import EmulatorError
from .emulator.events import KINDS as RECORDED_KINDS

Three = tuple[int, int, int]


def trace_of(kernel: RawKernel, grid: tuple[int, ...], block: tuple[int, ...]) -> KernelTrace:
    """The last launch of a kernel that was made with `record=True`."""
    if kernel.events is None:
        raise EmulatorError(f"{kernel.name} has not been recorded: make it with record=True and launch it")
    return traced(kernel.name, kernel.module.code, grid, block, kernel.events, kernel.findings)


def traced(name: str, code: str, grid: tuple[int, ...], block: tuple[int, ...], recording: Recording,
           findings: Sequence[Finding]) -> KernelTrace:  # fmt: skip
    """A launch, from what is known of it."""
    numbers = {key: number for number, key in enumerate(recording.arrays)}
    names = [array.name for array in recording.arrays.values()]
    sizes, threads = three(grid), three(block)
    found = tuple(traced_finding(finding, names, sizes, threads) for finding in findings)
    arrays = tuple(map(traced_array, recording.arrays.values()))
    return KernelTrace(name, tuple(code.split("\n")), sizes, threads, arrays, found, table(recording, numbers),
                       recording.dropped)  # fmt: skip


def table(recording: Recording, numbers: dict[tuple[str, int], int]) -> npt.NDArray[Any]:
    """The events as a table of the trace."""
    data = recording.data
    events = np.zeros(len(data), EVENT)
    for name in ("block", "thread", "size", "offset", "value"):
        events[name] = data[name]
    kinds = np.array([KINDS.index(kind) for kind in RECORDED_KINDS], np.uint8)
    events["kind"] = kinds[data["kind"]]
    sites, first, which = np.unique(data["site"], return_index=True, return_inverse=True)
    rank = np.argsort(np.argsort(first))  # sites are numbered in the order in which they come
    events["site"] = rank[which]
    events["line"] = np.array([recording.line_of(int(site)) or 0 for site in sites], np.uint32)[which]
    events["array"] = -1
    for (origin, number), place in numbers.items():
        events["array"][(data["number"] == number) & (data["origin"] == origin.encode())] = place
    events["array"][events["kind"] > KINDS.index("atomic")] = -1
    return events


def traced_array(array: Array) -> TracedArray:
    name = array.dtype.name if array.dtype is not None and array.dtype.name in DTYPES else ""
    known = array.contiguous and array.itemsize > 0
    return TracedArray(array.name, array.space if array.space in ("global", "shared") else "constant", name,
                       array.itemsize or 1, array.shape if known else ())  # fmt: skip


def traced_finding(finding: Finding, names: list[str], grid: Three, block: Three) -> TracedFinding:
    def place(index: Three | None, sizes: Three) -> int:
        return -1 if index is None else (index[2] * sizes[1] + index[1]) * sizes[0] + index[0]

    return TracedFinding(finding.kind, finding.message, finding.line or 0, finding.other_line or 0,
                         place(finding.block, grid), place(finding.thread, block), place(finding.other_block, grid),
                         place(finding.other_thread, block),
                         names.index(finding.array) if finding.array in names else -1, finding.address)  # fmt: skip


def three(sizes: tuple[int, ...]) -> Three:
    x, y, z = (*sizes, 1, 1)[:3]
    return x, y, z
