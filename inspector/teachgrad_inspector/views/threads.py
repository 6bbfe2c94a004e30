"""What the Threads screen says: where each thread of a warp is, what it touches, what memory holds at that point."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from teachgrad.recording.kernel_trace import ACCESSES, KINDS, KernelTrace, TracedArray, TracedFinding

from ..numbers import number
from ..stepping.costs import cost
from ..stepping.places import Place, sides_of
from ..stepping.walk import BARRIER, EXIT, WARP, Ints, Walk

CELLS = 1024
"""Elements of an array that are shown at most."""
DOING = {"read": "reads", "write": "writes", "atomic": "changes"}


@dataclass(frozen=True, slots=True)
class Lane:
    """A thread of the warp that is shown."""

    thread: int
    line: int
    """In which it is; 0 before it has begun."""
    state: str
    """"new", "runs", "waits" (at a barrier) or "done"."""
    acts: bool
    """Whether the present step is its own."""
    did: str
    """What it did in this step: "reads a[3]: 5"."""
    racing: bool
    """Whether it is one of a pair that is in a race."""
    chosen: bool


@dataclass(frozen=True, slots=True)
class SourceLine:
    """A line of the kernel, with the threads of the warp that are in it."""

    number: int
    text: str
    lanes: tuple[int, ...]
    here: bool
    """Whether the present step is in it."""
    racing: bool


@dataclass(frozen=True, slots=True)
class Cell:
    """An element of an array."""

    element: int
    value: str
    """Empty as long as this block has neither read nor written it."""
    touches: int
    """How often it was touched so far."""
    threads: tuple[int, ...]
    """Those that touch it in this step."""
    racing: bool


@dataclass(frozen=True, slots=True)
class Memory:
    """An array as far as this block touches it."""

    name: str
    space: str
    width: int
    """Elements of a row, where the shape says so."""
    doing: str
    """"read", "write" or "atomic", if this step does that to it."""
    cost: str
    """What the request takes: sectors or wavefronts."""
    filled: int
    """Elements that are known."""
    size: int
    cells: tuple[Cell, ...]
    left_out: int


@dataclass(frozen=True, slots=True)
class Fault:
    """A finding."""

    text: str
    line: int
    in_block: bool
    here: bool
    """Whether this step is one of its two accesses."""


@dataclass(frozen=True, slots=True)
class ThreadsView:
    """The Threads screen."""

    kernel: str
    block: int
    blocks: int
    warp: int
    warps: int
    step: int
    steps: int
    together: bool
    note: str
    sentence: str
    source: tuple[SourceLine, ...]
    lanes: tuple[Lane, ...]
    memory: tuple[Memory, ...]
    faults: tuple[Fault, ...]
    dropped: int


def view_threads(trace: KernelTrace, walk: Walk, place: Place) -> ThreadsView:
    """What there is to see after so many steps of a block."""
    now = walk.step(place.step) if place.step else np.zeros(0, np.int64)
    lanes = lanes_of(trace, walk, place, now)
    faults = tuple(fault(trace, walk, f, now) for f in trace.findings)
    threads = math.prod(trace.block)
    return ThreadsView(
        trace.kernel, place.block, math.prod(trace.grid), place.warp, -(-threads // WARP), place.step, len(walk),
        walk.together, walk.note, sentence(trace, walk, place, now), source_of(trace, place, lanes, now), lanes,
        memory_of(trace, walk, place, now), faults, trace.dropped)  # fmt: skip


def lanes_of(trace: KernelTrace, walk: Walk, place: Place, now: Ints) -> tuple[Lane, ...]:
    """The threads of the warp."""
    events, done = trace.events, walk.done(place.step)
    threads = math.prod(trace.block)
    last = np.full(threads, -1, np.int64)
    last[events["thread"][done]] = done
    stood = np.full(threads, 0, np.int64)
    known = done[events["line"][done] > 0]
    stood[events["thread"][known]] = events["line"][known]
    held = waiting(trace, walk, place.step)
    acting = {int(events["thread"][event]): int(event) for event in now}
    pairs = {t for f in trace.findings if f.kind == "race" for b, t in sides(f) if b == place.block}
    result = []
    for thread in range(place.warp * WARP, min((place.warp + 1) * WARP, threads)):
        kind = int(events["kind"][last[thread]]) if last[thread] >= 0 else -1
        waits = kind == BARRIER and held[thread]
        state = "new" if kind < 0 else "done" if kind == EXIT else "waits" if waits else "runs"
        did = told(trace, acting[thread]) if thread in acting else ""
        result.append(Lane(thread, int(stood[thread]), state, thread in acting, did, thread in pairs,
                           thread % WARP == place.lane))  # fmt: skip
    return tuple(result)


def waiting(trace: KernelTrace, walk: Walk, step: int) -> npt.NDArray[np.bool_]:
    """Which threads would wait if they stood at a barrier: they came to as many as others have yet to come to."""
    events, threads = trace.events[walk.done(step)], math.prod(trace.block)
    counts = np.bincount(events["thread"][events["kind"] == BARRIER], minlength=threads)
    gone = np.zeros(threads, bool)
    gone[events["thread"][events["kind"] == EXIT]] = True
    left = np.where(gone, np.iinfo(np.int64).max, counts)  # who has returned keeps nobody waiting
    return counts > left.min()


def told(trace: KernelTrace, event: int) -> str:
    """What one event is, in words."""
    row = trace.events[event]
    kind = KINDS[row["kind"]]
    if row["kind"] < ACCESSES:
        array = trace.arrays[row["array"]]
        element = int(row["offset"]) // array.itemsize
        return f"{DOING[kind]} {array.name}{subscript(array, element)}: {value_of(array, row)}"
    return {"line": f"comes to line {row['line']}", "barrier": "waits for the block", "warp": "meets its warp",
            "exit": "is done"}[kind]  # fmt: skip


def subscript(array: TracedArray, element: int) -> str:
    """An index as it is written, by the shape where that is known."""
    if len(array.shape) < 2 or element >= math.prod(array.shape):
        return f"[{element}]"
    return "".join(f"[{int(i)}]" for i in np.unravel_index(element, array.shape))


def value_of(array: TracedArray, row: np.void) -> str:
    """What was read, or what is there now."""
    raw = row["value"].tobytes()[:int(row["size"])]
    if not array.dtype or len(raw) % array.itemsize or not raw:
        return "0x" + raw[::-1].hex()
    values = np.frombuffer(raw, array.dtype).tolist()
    return ", ".join(number(value, 4) for value in values)


def sentence(trace: KernelTrace, walk: Walk, place: Place, now: Ints) -> str:
    """The present step, in words."""
    if not len(now):
        return f"block {place.block} has not begun" if len(walk) else f"nothing is recorded of block {place.block}"
    row = trace.events[now[0]]
    threads = spans(trace.events["thread"][now].tolist())
    who = f"thread{'s' * (len(now) > 1)} {threads}"
    where = f"line {row['line']}: " if row["line"] else ""
    if len(now) == 1:
        return f"{where}{who} {told(trace, int(now[0]))}"
    kind = KINDS[row["kind"]]
    if row["kind"] < ACCESSES:
        verb = {"read": "read", "write": "write", "atomic": "change"}[kind]
        return f"{where}{who} {verb} {trace.arrays[row['array']].name}"
    doing = {"line": f"come to line {row['line']}", "barrier": "wait for the block", "warp": "meet", "exit": "are done"}
    return f"{where if kind != 'line' else ''}{who} {doing[kind]}"


def spans(numbers: list[int]) -> str:
    """Numbers as people write them: 0-7, 9."""
    parts: list[list[int]] = []
    for each in sorted(set(numbers)):
        if parts and each == parts[-1][1] + 1:
            parts[-1][1] = each
        else:
            parts.append([each, each])
    return ", ".join(f"{a}-{b}" if b > a else str(a) for a, b in parts)


def source_of(trace: KernelTrace, place: Place, lanes: tuple[Lane, ...], now: Ints) -> tuple[SourceLine, ...]:
    """The source, with the threads of the warp at their lines."""
    here = {int(line) for line in trace.events["line"][now] if line}
    racing = {line for f in trace.findings if f.kind == "race" for line in (f.line, f.other_line)}
    at: dict[int, list[int]] = {}
    for lane in lanes:
        if lane.state in ("runs", "waits"):
            at.setdefault(lane.line, []).append(lane.thread)
    return tuple(SourceLine(line, text, tuple(at.get(line, ())), line in here, line in racing)
                 for line, text in enumerate(trace.source, 1))  # fmt: skip


def memory_of(trace: KernelTrace, walk: Walk, place: Place, now: Ints) -> tuple[Memory, ...]:
    """The arrays that this block touches, shared memory first."""
    events = trace.events
    accesses = walk.order[events["kind"][walk.order] < ACCESSES]
    used = np.unique(events["array"][accesses]).tolist()
    now = now[events["kind"][now] < ACCESSES]
    order = sorted(used, key=lambda i: (trace.arrays[i].space != "shared", i))
    return tuple(memory(trace, walk, place, now, accesses, i) for i in order)


def memory(trace: KernelTrace, walk: Walk, place: Place, now: Ints, accesses: Ints, which: int) -> Memory:
    """An array."""
    events, array = trace.events, trace.arrays[which]
    ever = elements_of(events, accesses, which, array.itemsize)
    size = math.prod(array.shape) if array.shape else 0
    low, high = (0, size - 1) if 0 < size <= CELLS else (int(ever.elements.min()), int(ever.elements.max()))
    if len(array.shape) == 2:
        low -= low % array.shape[-1]
    count = min(high - low + 1, CELLS)
    done = elements_of(events, walk.done(place.step), which, array.itemsize).within(low, count)
    last = np.full(count, -1, np.int64)
    last[done.elements - low] = np.arange(len(done.elements))
    touches = np.bincount(done.elements - low, minlength=count)
    mine = elements_of(events, now, which, array.itemsize)
    who: dict[int, list[int]] = {}
    for event, element in zip(mine.events.tolist(), mine.elements.tolist(), strict=True):
        who.setdefault(element, []).append(int(events["thread"][event]))
    raced = {f.offset // array.itemsize for f in trace.findings
             if f.kind == "race" and f.array == which and place.block in (f.block, f.other_block)}  # fmt: skip
    values = [value_of_element(array, events, done, at) if at >= 0 else "" for at in last.tolist()]
    cells = tuple(Cell(low + i, values[i], int(touches[i]), tuple(who.get(low + i, ())), low + i in raced)
                  for i in range(count))  # fmt: skip
    asked = np.unique(mine.events)
    doing = KINDS[events["kind"][asked[0]]] if len(asked) else ""
    told = cost(array, events[asked]) if walk.together and len(asked) else ""
    width = array.shape[-1] if len(array.shape) > 1 else 0
    return Memory(array.name, array.space, width, doing, told, int((last >= 0).sum()), size or count, cells,
                  max(0, high - low + 1 - count))  # fmt: skip


@dataclass(frozen=True)
class Touched:
    """Elements that events touch: one row for each, for a wide access has several."""

    events: Ints
    elements: Ints
    parts: Ints
    """Which of the elements of its event it is."""

    def within(self, low: int, count: int) -> Touched:
        chosen = (self.elements >= low) & (self.elements < low + count)
        return Touched(self.events[chosen], self.elements[chosen], self.parts[chosen])


def elements_of(events: npt.NDArray[Any], which: Ints, array: int, itemsize: int) -> Touched:
    """The elements of an array that these events touch, in their order."""
    which = which[(events["kind"][which] < ACCESSES) & (events["array"][which] == array)]
    first = events["offset"][which] // itemsize
    final = (events["offset"][which] + events["size"][which] - 1) // itemsize
    counts = final - first + 1
    starts = np.repeat(np.cumsum(counts) - counts, counts)
    parts = np.arange(int(counts.sum())) - starts
    return Touched(np.repeat(which, counts), np.repeat(first, counts) + parts, parts)


def value_of_element(array: TracedArray, events: npt.NDArray[Any], touched: Touched, at: int) -> str:
    """What an element holds after a row of what was touched; "?" where the trace does not have it all."""
    row, part = events[touched.events[at]], int(touched.parts[at])
    raw = row["value"].tobytes()[:int(row["size"])][part * array.itemsize:(part + 1) * array.itemsize]
    if int(row["offset"]) % array.itemsize or len(raw) < array.itemsize:
        return "?"
    return number(np.frombuffer(raw, array.dtype)[0].item()) if array.dtype else "0x" + raw[::-1].hex()


def sides(finding: TracedFinding) -> tuple[tuple[int, int], ...]:
    """Block and thread of both sides of a finding."""
    pair = ((finding.block, finding.thread), (finding.other_block, finding.other_thread))
    return tuple(side for side in pair if side[0] >= 0)


def fault(trace: KernelTrace, walk: Walk, finding: TracedFinding, now: Ints) -> Fault:
    here = bool(sides_of(trace.events[now], finding).any())
    where = f"line {finding.line}: " if finding.line else ""
    return Fault(f"{where}{finding.kind}: {finding.message}", finding.line,
                 walk.block in (finding.block, finding.other_block), here)  # fmt: skip
