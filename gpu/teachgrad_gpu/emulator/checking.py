"""What checking a kernel has found, as data and in words."""

from __future__ import annotations

import re
import subprocess
import textwrap
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from .arguments import DTYPES
from .counters import Counter, merged, table
from .parameters import Parameter
from .pointers import Held

Index = tuple[int, int, int]
LINE = 1 << 63
COPIES = re.compile(r"(C[1-4]E|aSE)(RK|O)S\d*_$")
"""How a compiler calls a function that copies or moves an object: what matters is who asked for that."""
FIELDS = 12
"""Of a finding. The last one, its message, quotes the kernel, so it may hold any character but a new line."""
WIDTH = 100
KINDS = ("race", "out of bounds", "misaligned", "use after free", "double free", "invalid free",
         "unfinished copy",
         "uninitialised", "divergent barrier", "missed barrier", "deadlock",
         "inactive lane", "warp mask", "constant memory", "shared memory", "assert", "trap", "timeout",
         "illegal address", "stack overflow", "arithmetic", "abort", "leak")
"""What can be found."""


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong with a kernel. The same thing at the same lines is one; `count` says how often."""

    kind: str
    """One of `KINDS`."""
    message: str
    line: int | None
    other_line: int | None
    """The earlier of the two lines of a race; the other barrier of a divergent one."""
    block: Index
    thread: Index
    other_block: Index | None
    other_thread: Index | None
    space: str
    """"global", "shared", "constant", or "" if it is not about memory."""
    array: str
    index: tuple[int, ...] | None
    """Of the element in the array."""
    address: int
    """Bytes from the beginning of the array."""
    count: int

    def __str__(self) -> str:
        times = f" ({self.count} times)" if self.count > 1 else ""
        return f"line {self.line or '?'}: {self.kind}: {self.message}{times}"


@dataclass(frozen=True)
class Array:
    """An array that a kernel can reach: what it is called and how its bytes are numbered."""

    name: str
    space: str
    itemsize: int
    shape: tuple[int, ...]
    contiguous: bool = True
    dtype: np.dtype[Any] | None = None
    single: bool = False
    """Whether it is no array but one variable."""

    def index(self, offset: int) -> tuple[int, ...] | None:
        """The index of the element that a byte belongs to, by the shape if it lies inside, else counted through."""
        if not self.itemsize or not self.contiguous:
            return None
        element = offset // self.itemsize
        size = int(np.prod(self.shape, dtype=np.int64))
        if len(self.shape) > 1 and 0 <= element < size:
            return tuple(int(i) for i in np.unravel_index(element, self.shape))
        return (element,)


@dataclass(frozen=True)
class Variable:
    """A `__constant__` or `__device__` variable, as its compiler knows it."""

    number: int
    name: str
    nbytes: int
    array: Array

    @classmethod
    def read(cls, number: int, fields: list[str]) -> Variable:
        """One from what a library says of itself: name, bytes, bytes of an element, shape, constant, type."""
        name, nbytes, element, shape, constant, spelled = fields
        dims = tuple(int(n) for n in shape.split() if n != "0")
        space = "constant" if constant == "1" else "global"
        return cls(number, name, int(nbytes), Array(name, space, int(element), dims, True,
                                                    DTYPES.get(type_in(spelled)), single=not dims))


@dataclass(frozen=True)
class Report:
    """All that a checked launch has told."""

    findings: tuple[Finding, ...]
    counters: tuple[Counter, ...]
    arrays: Mapping[tuple[str, int], Array]
    dropped: int
    barriers: int
    """That the first block has met."""
    lines: Mapping[int, int | None]
    """The lines of instructions, for events."""


def as_finding(words: bytes) -> str:
    """The last words of a worker as the report that it could not write any more."""
    kind, place, line, block, thread, message = words.decode(errors="replace").split("\n", 5)
    site = LINE | int(line) if int(line) else int(place)
    row = ["finding", kind, "1", str(site), "0", block, thread, "0 0 0", "0 0 0", "-", "0", "0",
           message.replace("\n", " ")]
    return "\t".join(row) + "\ndropped\t0\nbarriers\t0\n"


def arrays_of(parameters: tuple[Parameter, ...], given: Mapping[int, npt.NDArray[Any]], variables: Iterable[Variable],
              dynamic: tuple[str, str], shared: list[list[str]]) -> dict[tuple[str, int], Array]:  # fmt: skip
    """The arrays of a launch, by origin and number."""
    found: dict[tuple[str, int], Array] = {}
    for position, array in given.items():
        name = parameters[position].name or f"argument {position + 1}"
        found["a", position] = Array(name, "global", array.itemsize, array.shape, array.flags.c_contiguous, array.dtype)
    for variable in variables:
        found["v", variable.number] = variable.array
    kind = DTYPES.get(dynamic[1])
    found["s", -1] = Array(dynamic[0] or "dynamic shared memory", "shared", kind.itemsize if kind else 0, (),
                           dtype=kind)  # fmt: skip
    for number, (name, size, element, shape, spelled) in enumerate(shared):
        dims = tuple(int(n) for n in shape.split() if n != "0")
        dtype = DTYPES.get(type_in(spelled))
        known = int(np.prod(dims, dtype=np.int64)) * int(element) == int(size)
        found["s", number] = Array(name, "shared", int(element), dims if known else (int(size) // int(element),),
                                   dtype=dtype)  # fmt: skip
    return found


def type_in(spelled: str) -> str:
    """The type that a compiler's name of a function mentions."""
    match = re.search(r"T = (?:volatile )?(.*?)[\];]", spelled)
    return match[1] if match else ""


def lines_of(library: Path, sites: Iterable[int]) -> dict[int, int | None]:
    """The user's line of each site: a line itself, or the place of an instruction that debug information knows."""
    found: dict[int, int | None] = {}
    places = []
    for site in set(sites):
        if site & LINE:
            found[site] = (site & ~LINE) or None
        elif site:
            places.append(site)
        else:
            found[site] = None
    for start in range(0, len(places), 500):
        found |= _looked_up(library, places[start:start + 500])
    return found


def _looked_up(library: Path, places: list[int]) -> dict[int, int | None]:
    call = ["addr2line", "-a", "-i", "-f", "-e", str(library), *(hex(place - 1) for place in places)]
    try:
        answer = subprocess.run(call, capture_output=True, text=True, timeout=60, check=False).stdout
    except (OSError, subprocess.TimeoutExpired):
        return dict.fromkeys(places)
    found: dict[int, int | None] = dict.fromkeys(places)
    place, function, copied = 0, "", False
    for line in answer.splitlines():
        match = re.search(r"kernel\.cu:(\d+)", line)
        if line.startswith("0x") and ":" not in line:
            place, copied = int(line, 16) + 1, False
        elif match is None:
            function = line
        elif found.get(place) is None or copied:
            found[place], copied = int(match[1]), COPIES.search(function) is not None
    return found


def read_report(text: str, library: Path, extra_sites: Iterable[int], parameters: tuple[Parameter, ...],
                given: Mapping[int, npt.NDArray[Any]], variables: Iterable[Variable],
                dynamic: tuple[str, str], held: Iterable[Held] = ()) -> Report:  # fmt: skip
    """Make sense of what the worker writes."""
    words = "finding", "counter", "shared", "heap", "dropped", "barriers"
    rows: dict[str, list[list[str]]] = {word: [] for word in words}
    for line in text.split("\n")[:-1]:
        word, *rest = line.split("\t", FIELDS)
        rows[word].append(rest)
    sites = {int(row[0]) for row in rows["counter"]} | set(extra_sites)
    for row in rows["finding"]:
        sites |= {int(row[2]), int(row[3])}
    lines = lines_of(library, sites | {int(row[2]) for row in rows["heap"]})
    arrays = arrays_of(parameters, given, variables, dynamic, rows["shared"])
    for position, each in enumerate(held, len(parameters)):
        arrays["a", position] = Array(each.name, "global", each.dtype.itemsize, each.shape, dtype=each.dtype)
    for number, size, site, word in rows["heap"]:
        when = f"line {lines[int(site)] or '?'}" if int(site) else "an earlier launch"
        arrays["h", int(number)] = Array(f"{word}({size}) of {when}", "global", 0, ())
    findings = [finding(row, lines, arrays) for row in rows["finding"]]
    counters = merged((lines[int(row[0])], int(row[1]), int(row[2]), int(row[3]), tuple(map(int, row[4:])))
                      for row in rows["counter"])  # fmt: skip
    return Report(tuple(unlike(findings)), counters, arrays, int(rows["dropped"][0][0]),
                  int(rows["barriers"][0][0]), lines)


def unlike(findings: list[Finding]) -> list[Finding]:
    """Findings that differ only in the instruction are one, and a read of what a race has yet to write is that race."""
    found: dict[tuple[object, ...], Finding] = {}
    for each in findings:
        key = (each.kind, each.line, each.other_line, each.array)
        if key in found:
            first = found[key]
            each = Finding(**{**vars(first), "count": first.count + each.count})
        found[key] = each
    racing = {(f.array, line) for f in found.values() if f.kind == "race" for line in (f.line, f.other_line)}
    left = [f for f in found.values() if f.kind != "uninitialised" or (f.array, f.line) not in racing]
    return sorted(left, key=lambda f: (KINDS.index(f.kind), f.line or 0, f.other_line or 0))


def finding(row: list[str], lines: Mapping[int, int | None], arrays: Mapping[tuple[str, int], Array]) -> Finding:
    """One finding from its row."""
    kind, count, site, other, block, thread, other_block, other_thread, origin, number, offset, message = row
    line, other_line = lines[int(site)], lines[int(other)] if int(other) else None
    who, other_who = _index(thread), _index(other_thread)
    where, other_where = _index(block), _index(other_block)
    if kind == "race" and (line or 0) < (other_line or 0):  # neither comes first: the later line leads
        line, other_line, who, other_who, where, other_where = other_line, line, other_who, who, other_where, where
    array = arrays.get((origin, int(number)))
    index = array.index(int(offset)) if array else None
    pair = bool(int(other)) or kind == "missed barrier"
    element = named(array, index, int(offset)) if array else ""
    told = explained(kind, message, element, array, line, other_line, (where, who), (other_where, other_who))
    return Finding(kind, told, line, other_line, where, who, other_where if pair else None,
                   other_who if pair else None, array.space if array else "", array.name if array else "", index,
                   int(offset) if array else 0, int(count))  # fmt: skip


def named(array: Array, index: tuple[int, ...] | None, offset: int) -> str:
    """An element as a programmer would write it."""
    if index is None:
        return f"{array.name}, byte {offset}"
    if array.single and index == (0,):
        return array.name
    return array.name + "".join(f"[{i}]" for i in index)


def explained(kind: str, message: str, element: str, array: Array | None, line: int | None, other_line: int | None,
              here: tuple[Index, Index], there: tuple[Index, Index]) -> str:  # fmt: skip
    """What happened, who was where, and what would put it right."""
    block, thread = here
    other_block, other_thread = there
    who = f"thread {thread} of block {block}"
    if kind == "race":
        do = {"read-write": "read and write", "free": "use and free"}.get(message, "write")
        return (f"{element}: line {other_line or '?'} by thread {other_thread} of block {other_block} and line "
                f"{line or '?'} by {who} {do} it in no order; {remedy(array, here, there)}")
    if kind == "out of bounds":
        size = f", which has shape {array.shape}" if array and array.shape else ""
        return f"a {message} at {element or 'an address near no array, or null'}{size}, by {who}, who is stopped here"
    if kind == "use after free":
        freed = f"thread {other_thread} of block {other_block} has freed it in line {other_line}"
        return (f"a {message} at {element}, by {who}, who is stopped here; "
                f"{freed if other_line else 'it has been freed in an earlier launch'}")
    if kind == "unfinished copy":
        return (f"{who} {message} {element}, while a copy in the background by thread {other_thread} of block "
                f"{other_block} is under way since line {other_line}: wait for it, then let all that use it meet")
    if kind in ("double free", "invalid free"):
        before = f" in line {other_line} by thread {other_thread} of block {other_block}" if other_line else ""
        return f"{who} frees {element or 'an address'}: {message}{before}"
    if kind == "misaligned":
        return f"{message}: {element}, by {who}; a device stops the kernel"
    if kind == "uninitialised":
        where = "in shared memory, which nobody has written in this block"
        shared = array is None or array.space == "shared"
        return f"{who} reads {element} {where if shared else '- nobody has written it since it was taken'}"
    if kind == "divergent barrier":
        return (f"{who} waits at the barrier in this line while thread {other_thread} waits at that in line "
                f"{other_line}; all threads of a block must come to the same barrier")
    if kind == "missed barrier":
        return (f"thread {other_thread} of block {block} has returned while others wait at this barrier; "
                "let it come along and do nothing")
    if kind == "inactive lane":
        return f"{message}, in {who}; its value is undefined"
    if kind == "constant memory":
        return f"{who} writes {element}, which is constant"
    return f"{printable(message)} ({who})"


def remedy(array: Array | None, here: tuple[Index, Index], there: tuple[Index, Index]) -> str:
    """What orders two accesses."""
    if here[0] != there[0]:
        return "different blocks are in no order: use an atomic operation, or two kernels"
    if array is not None and array.space == "shared":
        return "put __syncthreads() between them (within a warp, __syncwarp() will do)"
    return "put __syncthreads() between them, or use an atomic operation"


def _index(text: str) -> Index:
    x, y, z = map(int, text.split())
    return x, y, z


def printable(text: str) -> str:
    """A text without what would change how a terminal shows it."""
    return "".join(letter if letter.isprintable() or letter == "\n" else " " for letter in text)


def in_words(name: str, code: str, report: Report, width: int = WIDTH) -> str:
    """A report as text: what is wrong, each with its line; then what memory accesses cost."""
    text = printable(code).split("\n")
    lines = [f"{name}: " + ("nothing is wrong" if not report.findings else
                            f"{len(report.findings)} finding{'s' * (len(report.findings) > 1)}")]  # fmt: skip
    for each in report.findings:
        lines.append(textwrap.fill(str(each), width, initial_indent="  ", subsequent_indent="    "))
        told = [number for number in dict.fromkeys([each.other_line, each.line]) if number and number <= len(text)]
        lines += [f"    {number:>4} | {text[number - 1].strip()}" for number in told]
    if rows := table(report.counters, text):
        lines += ["by line:", *rows]
    return "\n".join(lines)
