"""A picture of the memory accesses of a launch, from what was recorded: which thread touched which element, and when.

A row is one access that the threads of a block (of a warp, in larger blocks) make together: those by the same
instruction, the same time around. Its columns are the elements of the array; in each stands the thread that touched it.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from html import escape

import numpy as np

from ..emulator import Finding, Recording
from ..emulator.checking import Array
from ..emulator.events import KINDS
from .puzzle import Case

SIGNS = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
COLUMNS = 48
ROWS = 28
ACCESSES = ("read", "write", "atomic")


@dataclass(frozen=True)
class Row:
    """One access of several threads, or a barrier (then there is no array)."""

    epoch: int
    """Barriers before it."""
    line: int | None
    kind: str
    array: str
    space: str
    first: int
    """The element in the first column."""
    stride: int
    """Elements for each column."""
    size: int | None
    """Elements that the array has, where that is known."""
    cells: tuple[tuple[int, ...], ...]
    """For each column, the threads that touched it."""
    width: int = 0
    """The elements of a row, where it is a small matrix that is shown whole."""
    racing: tuple[int, ...] = ()
    """Columns with an element that is raced for."""


@dataclass(frozen=True)
class Picture:
    """What a block did."""

    block: int
    warp: int | None
    """The warp, where not the whole block is drawn."""
    rows: tuple[Row, ...]
    left_out: int
    """Rows for which there was no room."""


def picture(events: Recording, case: Case, findings: Sequence[Finding] = (), block: int = 0) -> Picture:
    """Draw a block; of one with more than 62 threads, a warp: that which the first finding names."""
    of_block = events.data["block"] == block
    warp: int | None = None
    if math.prod(case.block) > len(SIGNS):
        inside = (f for f in findings if counted_through(f.block, case.grid) == block)
        warp = next((counted_through(f.thread, case.block) for f in inside), 0) // 32
    chosen = of_block if warp is None else of_block & (events.data["thread"] // 32 == warp)
    groups = grouped(events, np.flatnonzero(chosen))
    rows: list[Row] = []
    for (epoch, _, site, _), members in groups:
        while rows and rows[-1].epoch < epoch:
            rows.append(Row(rows[-1].epoch + 1, None, "barrier", "", "", 0, 1, 0, ()))
        rows.append(row_of(events, epoch, site, members, findings))
    for finding in findings:
        thread = counted_through(finding.thread, case.block)
        here = counted_through(finding.block, case.grid) == block and warp in (None, thread // 32)
        if finding.kind == "out of bounds" and here:
            rows = beyond(rows, finding, thread)
    return Picture(block, warp, tuple(rows[:ROWS]), max(0, len(rows) - ROWS))


Key = tuple[int, int, int, int]
Member = tuple[int, int]


def grouped(events: Recording, steps: Iterable[int]) -> list[tuple[Key, list[Member]]]:
    """Accesses that belong together: ((epoch, place, site, round), [(thread, step)]), in the order of the program."""
    data = events.data
    epochs: dict[int, int] = defaultdict(int)
    counts: dict[int, int] = defaultdict(int)
    rounds: dict[tuple[int, int, int], int] = defaultdict(int)
    found: dict[tuple[int, int, int], list[Member]] = defaultdict(list)
    places: dict[tuple[int, int, int], int] = defaultdict(int)
    for step in steps:
        kind, thread, site = KINDS[data["kind"][step]], int(data["thread"][step]), int(data["site"][step])
        if kind == "barrier":
            epochs[thread] += 1
        elif kind in ACCESSES:
            epoch = epochs[thread]
            key = (epoch, site, rounds[thread, epoch, site])
            rounds[thread, epoch, site] += 1
            counts[thread] += 1
            found[key].append((thread, int(step)))
            places[key] = max(places[key], counts[thread])
    named = [((epoch, places[epoch, site, time], site, time), members)
             for (epoch, site, time), members in found.items()]  # fmt: skip
    return sorted(named, key=lambda item: item[0])


def row_of(events: Recording, epoch: int, site: int, members: list[Member], findings: Sequence[Finding]) -> Row:
    first_event = events[members[0][1]]
    row = events.data[members[0][1]]
    array: Array = events.arrays[row["origin"].decode(), int(row["number"])]
    itemsize = array.itemsize or int(row["size"]) or 1
    touched = [(thread, int(events.data["offset"][step]) // itemsize) for thread, step in members]
    size = int(np.prod(array.shape, dtype=np.int64)) if array.shape else None
    elements = [element for _, element in touched]
    first, stride, columns = window(min(elements), max(elements), size)
    cells: list[list[int]] = [[] for _ in range(columns)]
    for thread, element in touched:
        cells[(element - first) // stride].append(thread)
    small = len(array.shape) == 2 and first == 0 and stride == 1 and size is not None and columns <= size
    raced = {flat(f.index, array.shape) for f in findings
             if f.kind == "race" and f.array == array.name and first_event.line in (f.line, f.other_line)}  # fmt: skip
    racing = sorted({(element - first) // stride for element in raced & set(elements)})
    return Row(epoch, first_event.line, first_event.kind, array.name, array.space, first, stride, size,
               tuple(map(tuple, cells)), array.shape[1] if small else 0, tuple(racing))  # fmt: skip


def beyond(rows: list[Row], finding: Finding, thread: int) -> list[Row]:
    """Rows with an access past the end of a small array, which is no event: the thread was stopped there."""
    what = next((kind for kind in ACCESSES if f" {kind} " in f" {finding.message} "), "read")
    for number, row in enumerate(rows):
        whole = row.size is not None and row.first == 0 and row.stride == 1 and len(row.cells) >= row.size
        element = finding.index[0] if finding.index and len(finding.index) == 1 else -1
        if whole and (finding.line, finding.array, what) == (row.line, row.array, row.kind) and element < COLUMNS:
            cells = [*row.cells, *[()] * (element + 1 - len(row.cells))]
            cells[element] = (*cells[element], thread)
            return [*rows[:number], replace(row, cells=tuple(cells)), *rows[number + 1:]]
    return rows


def counted_through(index: Sequence[int], sizes: Sequence[int]) -> int:
    """The number of a block or thread, x fastest."""
    x, y, z = (*index, 0, 0)[:3]
    width, height, _ = (*sizes, 1, 1)[:3]
    return int((z * height + y) * width + x)


def window(low: int, high: int, size: int | None) -> tuple[int, int, int]:
    """Which elements to show: (first, elements for each column, columns). A small array is shown whole."""
    if size is not None and max(size, high + 1) <= COLUMNS and low >= 0:
        return 0, 1, max(size, high + 1)
    stride = -(-(high - low + 1) // COLUMNS)
    return low, stride, -(-(high - low + 1) // stride)


def flat(index: tuple[int, ...] | None, shape: tuple[int, ...]) -> int:
    """The position of an element, counted through."""
    if index is None:
        return -1
    if len(index) < 2:
        return index[0] if index else -1
    return int(np.ravel_multi_index(index, shape))


def sign(threads: tuple[int, ...], warp: int | None) -> str:
    """What stands for the threads in a column."""
    if not threads:
        return "."
    return "*" if len(set(threads)) > 1 else SIGNS[threads[0] - 32 * (warp or 0)]


def as_lines(drawn: Picture) -> list[str]:
    """The picture as text; it needs no more than ASCII."""
    who = f"block {drawn.block}" + (f", its warp {drawn.warp}" if drawn.warp is not None else "")
    lines = [f"{who}: which thread touches which element"]
    for row in drawn.rows:
        if row.kind == "barrier":
            lines.append(f"{'':4} {'__syncthreads()':-<25}{'':-<{COLUMNS}}"[:79])
            continue
        cells = spaced(row, [sign(threads, drawn.warp) for threads in row.cells])
        lines.append(f"{row.line or '?':>4} {row.kind:<6} {extent(row):<17} {cells}")
        if row.racing:
            marks = spaced(row, ["^" if column in row.racing else " " for column in range(len(row.cells))], " ")
            lines.append(f"{'':4} {'':6} {'race':>17} {marks}".rstrip())
    if drawn.left_out:
        lines.append(f"     and {drawn.left_out} more")
    if not drawn.rows:
        lines.append("     nothing at all")
    return lines


def spaced(row: Row, cells: list[str], end: str = "|") -> str:
    """The cells of a row of text; the rows of a matrix stand apart, and what is beyond the end of the array."""
    if past_end(row):
        return "".join(cells[:row.size]) + end + "".join(cells[row.size:])
    if row.width and len(cells) + len(cells) // row.width <= COLUMNS + 2:
        return " ".join("".join(cells[i:i + row.width]) for i in range(0, len(cells), row.width))
    return "".join(cells)


def past_end(row: Row) -> bool:
    """Whether elements are shown that the array does not have."""
    return row.size is not None and row.first == 0 and row.stride == 1 and len(row.cells) > row.size


def extent(row: Row) -> str:
    """The array and the elements that are shown."""
    last = row.first + row.stride * len(row.cells) - 1
    shown = f"[{row.first}..{last}]" if last > row.first else f"[{row.first}]"
    if row.stride > 1:
        shown += f"/{row.stride}"
    return row.array[:max(4, 17 - len(shown))] + shown


def legend(pictures: Sequence[Picture]) -> list[str]:
    """What the signs mean, as far as they occur."""
    rows = [row for drawn in pictures for row in drawn.rows]
    several = any(len(set(cell)) > 1 for row in rows for cell in row.cells)
    letters = any(thread % 32 >= 10 if drawn.warp is not None else thread >= 10
                  for drawn in pictures for row in drawn.rows for cell in row.cells for thread in cell)  # fmt: skip
    what = "lane" if any(drawn.warp is not None for drawn in pictures) else "thread"
    told = [f"0-9{', a-z, A-Z' if letters else ''}: the {what}"]
    told += [f"*: several {what}s"] * several
    told += ["/n: each column is n elements"] * any(row.stride > 1 for row in rows)
    told += ["^: raced for"] * any(row.racing for row in rows)
    told += ["|: the end of the array"] * any(past_end(row) for row in rows)
    return ["(" + "; ".join(told) + ")"] if rows else []


def as_svg(drawn: Picture) -> str:
    """The picture as SVG: a square for each element, with the thread in it."""
    side, left, top = 14, 190, 30
    width, height = left + side * COLUMNS + 20, top + side * 1.4 * (len(drawn.rows) + 1)
    parts = [f'<text x="8" y="18">{escape(as_lines(drawn)[0])}</text>']
    for number, row in enumerate(drawn.rows):
        y = top + number * side * 1.4
        if row.kind == "barrier":
            parts.append(f'<path d="M8 {y + 7:.1f}H{width - 20}" stroke="#888" stroke-dasharray="4 3"/>'
                         f'<text x="8" y="{y + 4:.1f}" font-size="9">__syncthreads()</text>')  # fmt: skip
            continue
        label = f"{row.line or '?'} {row.kind} {extent(row)}"
        parts.append(f'<text x="8" y="{y + 11:.1f}">{escape(label)}</text>')
        for column, threads in enumerate(row.cells):
            x, beyond = left + column * side, row.size is not None and row.first + column * row.stride >= row.size
            fill = "#f4b6b6" if beyond else {"write": "#f6d58c", "atomic": "#d9b8ee"}.get(row.kind, "#a9cdf0")
            edge = ' stroke-width="2.5" stroke="#b00"' if column in row.racing else ' stroke="#888"'
            fill = fill if threads else "#fff"
            parts.append(f'<rect x="{x}" y="{y:.1f}" width="{side}" height="{side}" fill="{fill}"{edge}/>')
            if threads:
                parts.append(f'<text x="{x + side / 2}" y="{y + 11:.1f}" text-anchor="middle">'
                             f"{sign(threads, drawn.warp)}</text>")  # fmt: skip
    return (f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height:.0f}" font-family="monospace" '
            f'font-size="11"><rect width="100%" height="100%" fill="#fff"/>{"".join(parts)}</svg>\n')
