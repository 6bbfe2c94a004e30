"""The steps of a block: in which order what its threads did is gone through.

A device runs the 32 threads of a warp side by side; an emulator may run them one after the other. If nothing depends on
the order, a trace can be put in the order that a device would take: the threads of a warp that are at the same
instruction make one step together, and where they part, those in the earlier line go first. Whether nothing depends on
it is found out by going through it: each read must find what was written last. Where one does not (a race, or atomics
that took turns), the steps stay as they happened, one event each, so that no number is shown that was not there.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from teachgrad.recording.kernel_trace import ACCESSES, KINDS, KernelTrace

WARP = 32
MOST = 20_000
"""Events of a block that are put in another order; with more, they stay as they happened."""
READ, WRITE, ATOMIC, LINE, BARRIER, _, EXIT = range(len(KINDS))

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Walk:
    """The steps of a block."""

    block: int
    order: Ints
    """Places in the table of events."""
    ends: Ints
    """Step i is `order[ends[i - 1]:ends[i]]`, and the first begins at 0."""
    together: bool
    """Whether threads of a warp go together; else events are as they happened."""
    note: str
    """Why they do not, though they were asked to."""

    def __len__(self) -> int:
        return len(self.ends)

    def step(self, number: int) -> Ints:
        """The events of a step, counted from 1."""
        return self.order[self.ends[number - 2] if number > 1 else 0:self.ends[number - 1]]

    def done(self, number: int) -> Ints:
        """All events up to a step, counted from 1; none at 0."""
        return self.order[:self.ends[number - 1] if number else 0]


def walk(trace: KernelTrace, block: int, together: bool = True) -> Walk:
    """The steps of a block, side by side if that is wanted and true."""
    happened = np.flatnonzero(trace.events["block"] == block).astype(np.int64)
    as_it_was = Walk(block, happened, np.arange(1, len(happened) + 1), False, "")
    if not together:
        return as_it_was
    if len(happened) > MOST:
        return Walk(block, happened, as_it_was.ends, False, f"one by one: more than {MOST} events")
    steps = list(side_by_side(trace, happened))
    order = np.array([event for step in steps for event in step], np.int64)
    if (why := disagreement(trace.events, happened, order)) is not None:
        return Walk(block, happened, as_it_was.ends, False, why)
    return Walk(block, order, np.cumsum([len(step) for step in steps], dtype=np.int64), True, "")


def side_by_side(trace: KernelTrace, happened: Ints) -> Iterator[list[int]]:
    """Warp after warp up to each barrier; in a warp, those threads first that are in the earliest line."""
    table = trace.events[happened]
    lines, sites, kinds = table["line"].tolist(), table["site"].tolist(), table["kind"].tolist()
    todo: dict[int, list[int]] = defaultdict(list)
    for position in range(len(happened) - 1, -1, -1):
        todo[int(table["thread"][position])].append(position)
    warps: dict[int, list[int]] = defaultdict(list)
    for thread in sorted(todo):
        warps[thread // WARP].append(thread)
    waiting: set[int] = set()
    while any(todo.values()):
        for threads in warps.values():
            while ready := [t for t in threads if todo[t] and t not in waiting]:
                keys = {t: (lines[todo[t][-1]], sites[todo[t][-1]]) for t in ready}
                first = min(keys.values())
                going = [t for t in ready if keys[t] == first]
                step = [todo[t].pop() for t in going]
                waiting.update(t for t, position in zip(going, step, strict=True) if kinds[position] == BARRIER)
                yield [int(happened[position]) for position in step]
        waiting.clear()


def disagreement(events: npt.NDArray[Any], happened: Ints, order: Ints) -> str | None:
    """Why another order would show what was not there; None if it does not."""
    atomic: set[tuple[int, int]] = set()
    held: dict[tuple[int, int], int] = {}
    table = {name: events[name][order].tolist() for name in ("kind", "array", "offset", "size")}
    values = [value.tobytes() for value in events["value"][order]]
    last: dict[tuple[int, int], int] = {}
    for place, (kind, array, offset, size) in enumerate(zip(*table.values(), strict=True)):
        if kind >= ACCESSES:
            continue
        value = values[place]
        for i in range(min(size, len(value))):
            byte = (array, offset + i)
            if kind == READ and held.get(byte, value[i]) != value[i]:
                return "one by one: in another order, reads would not find what they found (a race?)"
            if kind == ATOMIC:
                atomic.add(byte)
            if byte in atomic and order[place] < last.get(byte, -1):
                return "one by one: atomic operations took turns"
            last[byte] = int(order[place])
            held[byte] = value[i]
    return None if held == left_behind(events, happened) else "one by one: what is left depends on the order (a race?)"


def left_behind(events: npt.NDArray[Any], happened: Ints) -> dict[tuple[int, int], int]:
    """The bytes that were known at the end."""
    held: dict[tuple[int, int], int] = {}
    table = events[happened]
    for kind, array, offset, size, value in zip(*(table[name].tolist() for name in ("kind", "array", "offset", "size")),
                                                table["value"], strict=True):  # fmt: skip
        if kind < ACCESSES:
            held.update(((array, offset + i), byte) for i, byte in enumerate(value.tobytes()[:size]))
    return held
