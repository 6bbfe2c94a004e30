"""Gives the account of a compiled function that is about to run.

Near misses are found by running the passes again; each rewrite is checked on the inputs of this run, unless that would
fill the memory; lines of the source are told apart by the names that programs give to values and kernels.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from .. import observe
from ..compiled import Trace
from ..drawing.model import setting
from ..errors import VerificationError, Where
from ..executors.c import CProgram
from ..executors.measured import latest_ticks
from ..executors.numpy import NumpyProgram
from ..executors.timing import Told
from ..graph import Graph, describe, is_constant, names
from ..op import Spec, Vertex
from ..passes.accuracy import Values, error_of
from ..passes.rewriting import Log, Rewrite
from ..profiling.machine import KNOWN
from ..profiling.runs import dtype_of, nbytes, spec
from .accounts import Account, Machine, Miss, Moment, Node, Piece, Rewriting

MOST_CHECKED = 1 << 28
"""Bytes of all values together, up to which rewrites are checked."""
CALL = re.compile(r"^    (?:if \()?(k\d+_\w+)\(", re.MULTILINE)
DEFINITION = re.compile(
    r"^(?:extern \"C\" __global__ void(?:\s+__launch_bounds__\([^)]*\))?\s+(\w+)|[^\s/*#].*?\b(k\d+_\w+))\(")
"""Where a kernel of CUDA begins, whose name may stand in the next line, or a function of C."""
STATEMENT = re.compile(r"^    (?:(\w+) = |\w+\(.*?(\w+)\)(?:  #|$))")
"""A line of a NumPy program that computes a value, which is what it assigns or the last argument."""


def account_of(trace: Trace, arrays: Mapping[int, Any]) -> Account:
    """The account of a compilation, with the arrays of the leaves by id."""
    with observe.watching(None):
        return Describer(trace, arrays).account()


class Describer:
    """Collects nodes and places while it goes through a trace."""

    def __init__(self, trace: Trace, arrays: Mapping[int, Any]) -> None:
        self.trace, self.arrays = trace, arrays
        log = trace.rewrites
        self.copies: Mapping[int, int] = log.copies if isinstance(log, Log) else {}
        self.ends: Sequence[int] = log.ends if isinstance(log, Log) else ()
        self.nodes: dict[int, Node] = {}
        self.sites: dict[Where, int] = {}
        self.label: Mapping[int, str] = {}
        program = trace.program
        if isinstance(program, NumpyProgram):
            self.label = names(trace.graph)
        elif hasattr(program, "building"):
            self.label = program.building.label
        self.label = {self.root(number): label for number, label in self.label.items()}

    def account(self) -> Account:
        trace = self.trace
        program = trace.program
        built_in = {CProgram: ("C", "c"), NumpyProgram: ("Python", "numpy")}
        language, executor = built_in.get(type(program)) or (
            getattr(program, "language", ""), getattr(program, "executor", type(program).__name__))
        moments = tuple([self.moment(name, graph) for name, graph in trace.moments])
        rewrites = tuple(self.rewritings())
        misses = tuple([Miss(miss.pass_name, miss.rule, call(miss.vertex), self.site(miss.where), miss.reason)
                        for miss in trace.near_misses])
        source = program.writer(trace.fit.arrays).text() if isinstance(program, NumpyProgram) else program.source
        pieces = tuple(self.pieces(program, source))
        vertices = tuple([(v.id, self.root(v.id)) for v in (*trace.graph.leaves, *trace.graph.order)])
        known = KNOWN.get("cpu") if language != "CUDA" else None
        return Account(
            trace.graph.name, trace.level, executor, language, tuple(self.sites), tuple(self.nodes.values()), moments,
            rewrites, misses, vertices, source, pieces,
            None if known is None else Machine(known.bandwidth, known.single, known.double))

    # ---- nodes -------------------------------------------------------------------------------------------------------

    def root(self, number: int) -> int:
        """The vertex that a copy is the same node as."""
        while number in self.copies:
            number = self.copies[number]
        return number

    def site(self, where: Where | None) -> int | None:
        return None if where is None else self.sites.setdefault(where, len(self.sites))

    def node(self, v: Vertex, graph: Graph) -> int:
        """The number of the node of a vertex, which is described when it comes for the first time."""
        stack = [v]
        while stack:
            x = stack[-1]
            number = self.root(x.id)
            missing = [y for y in x.inputs if self.root(y.id) not in self.nodes] if number not in self.nodes else []
            if missing:
                stack += missing
                continue
            stack.pop()
            if number not in self.nodes:
                self.nodes[number] = self.described(x, number, graph)
        return self.root(v.id)

    def described(self, v: Vertex, number: int, graph: Graph) -> Node:
        data = spec(v)
        single = type(data) is Spec
        kind = "op" if v.op is not None else "constant" if is_constant(v) else \
            "input" if any(v is x for x in graph.inputs) else "cell"
        name = v.name or ""
        if kind == "constant" and v._data.size == 1:
            name = f"{v._data.item():.6g}" if v._data.dtype.kind == "f" else repr(v._data.item())
        return Node(
            number, kind, str(v.op) if v.op is not None else "", name, self.label.get(number, ""),
            tuple([self.root(x.id) for x in v.inputs]), str(data.dtype) if single else "",
            tuple(data.shape) if single else (), nbytes([data]), v.op is not None and v.op.view, v.requires_grad,
            self.site(graph.where(v)), graph.scopes.get(graph.source(v), ""),
            ", ".join(f"{key}={setting(value)}" for key, value in v.attrs.items()))

    def moment(self, name: str, graph: Graph) -> Moment:
        for leaf in graph.leaves:
            self.node(leaf, graph)
        order = tuple([self.node(v, graph) for v in graph.order])
        return Moment(name, order, tuple([self.node(v, graph) for v in graph.results]))

    # ---- rewrites ----------------------------------------------------------------------------------------------------

    def rewritings(self) -> Iterator[Rewriting]:
        """The rewrites, each with the moment that it starts from, checked on the arrays."""
        checker = Checker(self.trace, self.arrays)
        moment = 0
        graphs = [graph for _, graph in self.trace.moments]
        for number, entry in enumerate(self.trace.rewrites):
            while moment < len(self.ends) and number >= self.ends[moment]:
                moment += 1
            graph = graphs[min(moment + 1, len(graphs) - 1)]
            error, trouble = checker.checked(entry)
            change = entry.change
            yield Rewriting(
                min(moment, len(graphs) - 2), entry.rule, entry.rule_where, self.node(entry.before, graph),
                self.node(entry.after, graph), tuple([self.node(v, graph) for v in entry.fresh]),
                tuple([self.node(v, graph) for v in entry.dead]), self.site(entry.where), change.vertices,
                change.kernels, change.bytes, str(entry.bound), entry.domain, error, trouble)

    # ---- the program -------------------------------------------------------------------------------------------------

    def pieces(self, program: Any, source: str) -> Iterator[Piece]:
        """The kernels of the program, with their lines and, if a profile was taken, their seconds.

        A program of another package may tell its own, as `program.pieces()`; of one that does not, all is one kernel.
        """
        groups: Sequence[Told]
        if isinstance(program, CProgram):
            groups = c_kernels(program)
        elif isinstance(program, NumpyProgram):
            groups = [Told([str(v.op)], "NumPy", [v]) for v in self.trace.graph.order]
        elif hasattr(program, "pieces"):
            groups = program.pieces()
        else:
            groups = [Told(["program"], "", self.trace.graph.order)]
        times = latest_ticks(program)
        readers: dict[int, list[int]] = {}
        for v in self.trace.graph.order:
            for x in v.inputs:
                readers.setdefault(x.id, []).append(v.id)
        results = {v.id for v in self.trace.graph.results}
        lines = source.split("\n")
        where = statements(lines) if isinstance(program, NumpyProgram) else definitions(lines)
        for called, runs, members, counts, seconds in groups:
            made = {v.id for v in members}
            inside = {x.id: x for v in members for x in v.inputs if x.id not in made}
            ends = [v for v in members
                    if v.id in results or len(members) == 1 or not made.issuperset(readers.get(v.id, ()))]
            moves = not all(v.op is not None and v.op.view for v in members)
            by_value = [self.label.get(self.root(members[-1].id), "")]
            first, last = together(where, by_value if runs == "NumPy" else called)
            flops = sum(v.op.flops(spec(v), *map(spec, v.inputs), **v.attrs) for v in members if v.op is not None)
            read, written, flops = counts or (nbytes(spec(x) for x in inside.values()) if moves else 0,
                                              nbytes(map(spec, ends)) if moves else 0, flops)
            yield Piece(called[0], runs, tuple([self.node(v, self.trace.graph) for v in members]), first, last,
                        read, written, flops, str(dtype_of(spec(members[-1]))), times.get(frozenset(made), seconds))


def call(v: Vertex) -> str:
    """A vertex as the call that makes it, with the specs of what it reads."""
    return f"{v.op}({', '.join(x.name or describe(spec(x)) for x in v.inputs)})"


class Checker:
    """Holds the two sides of rewrites against each other, on the arrays of one run."""

    def __init__(self, trace: Trace, arrays: Mapping[int, Any]) -> None:
        vertices = {v.id: v for _, graph in trace.moments for v in graph.order}
        size = nbytes(spec(v) for v in vertices.values())
        self.values = Values({number: array.copy() for number, array in arrays.items()}) if size <= MOST_CHECKED \
            else None

    def checked(self, entry: Rewrite) -> tuple[float | None, str]:
        """The largest difference, and what is wrong with it or with checking."""
        if entry.error is not None:
            return entry.error, ""
        if self.values is None:
            return None, "not checked: the values would fill the memory"
        try:
            with np.errstate(all="ignore"):
                return error_of(entry, self.values), ""
        except VerificationError as error:
            return None, f"wrong: {error}"
        except Exception as error:  # an op that refuses these values would do so in the run, too
            return None, f"not checked: {type(error).__name__}"


def c_kernels(program: CProgram) -> list[Told]:
    """The kernels of a C program in order: the C function, or the op that NumPy computes.

    Kernels that do the same share one function, so the name is that of the call.
    """
    calls = CALL.findall(program.building.source)
    groups = [(group, segment.is_c) for segment in program.building.segments for group in segment.groups]
    named = iter(calls if len(calls) == sum(is_c for _, is_c in groups) else [""] * len(groups))
    return [Told([next(named)], "C", group.members) if is_c else
            Told([str(group.members[0].op)], "NumPy", group.members) for group, is_c in groups]


def together(where: Mapping[str, tuple[int, int]], called: Sequence[str]) -> tuple[int, int]:
    """The first and the last line of functions that follow each other in the source."""
    first, last = where.get(called[0], (0, 0))
    for name in called[1:]:
        begin, end = where.get(name, (0, 0))
        if begin == last + 2:  # there is an empty line between them
            last = end
    return first, last


def definitions(lines: Sequence[str]) -> dict[str, tuple[int, int]]:
    """The first and the last line of each function in C or CUDA, with the comment before it."""
    found: dict[str, tuple[int, int]] = {}
    for at, line in enumerate(lines):
        match = DEFINITION.match("\n".join(lines[at:at + 2]) if line.startswith("extern") else line)
        if match is None:
            continue
        first, last = at, next((number for number in range(at, len(lines)) if lines[number] == "}"), at)
        while first > 0 and lines[first - 1].startswith(("/*", " *", "//", "#pragma")):
            first -= 1
        found.setdefault(match[1] or match[2], (first + 1, last + 1))
    return found


def statements(lines: Sequence[str]) -> dict[str, tuple[int, int]]:
    """The line of a NumPy program that computes each value. What was computed in advance has none."""
    found: dict[str, tuple[int, int]] = {}
    for number, line in enumerate(lines, 1):
        match = STATEMENT.match(line)
        if match is not None:
            found.setdefault(match[1] or match[2], (number, number))
    return found
