"""A training step seen from one module: what it is made of, and which values go from where to where.

A **level** is the whole step, or the inside of a module. Its boxes are the ops that stand there, the modules that were
called there (neighbouring ops of one module are one box), and the inputs of the step. While a module runs nothing else
does, so boxes never lead back to each other. Parameters, the state of an optimizer and single numbers are no boxes:
they belong to what reads them.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, field

from teachgrad.recording import Reader, Row, Step

SECTION = 60
"""A level with more boxes is shown in sections of so many."""
MAX_OUTSIDE = 24
"""So many values from outside are named in a section."""

Runs = list[tuple[str, list[Row]]]
OP, MODULE, INPUT, OUTSIDE = "op", "module", "input", "outside"


@dataclass(slots=True)
class Node:
    """A box: `rows` are what happens in it, in order; `outside` ones have none and stand for a value from elsewhere."""

    number: int
    kind: str
    path: str
    """Of a module."""
    rows: list[Row]
    leaves: list[int] = field(default_factory=list)
    """What it reads of what lives on from step to step: parameters, running averages."""
    makes: list[int] = field(default_factory=list)
    """The vertices that are read outside of it; if there are none, its last one."""


@dataclass(slots=True)
class Wire:
    """A value that goes from one box to another."""

    vertex: int
    above: int
    below: int

    @property
    def ends(self) -> tuple[int, int]:
        """The boxes above and below."""
        return self.above, self.below


class Level:
    """The boxes of a module, or of one section of them, and the values that go between them."""

    def __init__(
        self, run: Reader, step: Step, path: str, runs: Runs, section: int, kept: frozenset[int] | None = None
    ) -> None:
        """`kept` has the rows that are shown, if not all are."""
        self.path = path
        self.section = section
        self.sections = max(1, -(-len(runs) // SECTION))
        self.nodes: list[Node] = []
        self.wires: list[Wire] = []
        self.hidden = 0
        """How many values from outside are not shown."""
        self._box: dict[int, int] = {}
        self._outside: dict[int, int] = {}
        self._step = step
        self._kept = kept
        for child, rows in runs[section * SECTION : (section + 1) * SECTION]:
            self._add(run, child, rows)
        for node in self.nodes:
            read = {wire.vertex for wire in self.wires if wire.above == node.number}
            inside = {row.row for row in node.rows}
            makes = [row.vertex for row in node.rows if row.vertex in read or self._leaves_level(row, inside)]
            node.makes = makes or [row.vertex for row in node.rows[-1:]] or [*self._vertex_of(node)]

    def _vertex_of(self, node: Node) -> list[int]:
        return [vertex for vertex, number in self._outside.items() if number == node.number]

    def _leaves_level(self, row: Row, inside: set[int]) -> bool:
        """Whether a value is read by an op that has no box here. `inside` are the rows of its own box."""
        readers = self._step.readers(row.vertex)
        return any(reader not in inside and self._step.rows[reader].vertex not in self._box for reader in readers)

    def _add(self, run: Reader, child: str, rows: list[Row]) -> None:
        """A box, after boxes for the inputs that it reads."""
        sources: dict[int, int] = {}
        leaves: list[int] = []
        inside = {row.vertex for row in rows}
        for vertex in dict.fromkeys(vertex for row in rows for vertex in row.inputs if vertex not in inside):
            if vertex in self._box:
                sources[vertex] = self._box[vertex]
            elif _is_kept(run, vertex):
                leaves.append(vertex)
            elif (source := self._input(run, vertex)) is not None:
                sources[vertex] = source
        node = Node(len(self.nodes), MODULE if child else OP, child, rows, leaves)
        self.nodes.append(node)
        self._box |= dict.fromkeys(inside, node.number)
        self.wires += [Wire(vertex, source, node.number) for vertex, source in sources.items()]

    def _input(self, run: Reader, vertex: int) -> int | None:
        """The box of a value from outside, or None for single numbers and where there are too many."""
        if vertex in self._outside:
            return self._outside[vertex]
        made = self._step.made.get(vertex)
        row = self._step.rows[made] if made is not None else run.leaf(vertex)
        if row is None or (self._kept is not None and (made is None or made not in self._kept)):
            return None
        if row.kind == "leaf" and not row.requires_grad and (row.value is None or run.array(row.value).size == 1):
            return None
        if len(self._outside) >= MAX_OUTSIDE:
            self.hidden += 1
            return None
        here = made is not None and row.kind == "leaf" and not self.path
        node = Node(len(self.nodes), INPUT if here else OUTSIDE, "", [row] if here else [])
        self.nodes.append(node)
        self._outside[vertex] = node.number
        if here:
            self._box[vertex] = node.number
        return node.number

    def box_at(self, row: Row) -> int | None:
        """The box that a row is about: of gradient along an edge that of the op which it comes out of, of a parameter
        that which reads it first."""
        vertex = row.source if row.kind == "edge" and row.source is not None else row.vertex
        if vertex in self._box:
            return self._box[vertex]
        readers = (self._step.rows[reader].vertex for reader in self._step.readers(vertex))
        return next((self._box[reader] for reader in readers if reader in self._box), None)


def section_of(step: Step, runs: Runs, row: Row) -> int:
    """The section of a level in which a row stands."""
    if len(runs) <= SECTION:
        return 0
    at = row.source if row.kind == "edge" and row.source is not None else row.vertex
    made = step.made.get(at, row.row)
    number = bisect_right(runs, made, key=lambda run: run[1][0].row) - 1
    return max(0, number) // SECTION


def runs_of(step: Step, path: str, kept: frozenset[int] | None = None) -> Runs:
    """The ops of a level in order: (path of a module, its ops), or ("", [an op of the level itself]). Of rows that
    are `kept`, those that are ops, and the ops that gradient flows out of in one of them."""
    runs: Runs = []
    if kept is not None:
        pulled = {step.made.get(step.rows[row].source or 0) for row in kept if step.rows[row].kind == "edge"}
        kept = kept | {row for row in pulled if row is not None}
    prefix = f"{path}." if path else ""
    for row in step.rows:
        if row.kind != "op" or row.phase == "upd" or not (row.scope == path or row.scope.startswith(prefix)):
            continue
        if kept is not None and row.row not in kept:
            continue
        child = "" if row.scope == path else prefix + row.scope[len(prefix) :].partition(".")[0]
        if child and runs and runs[-1][0] == child:
            runs[-1][1].append(row)
        else:
            runs.append((child, [row]))
    return runs


def _is_kept(run: Reader, vertex: int) -> bool:
    """Whether a vertex is a parameter, or what a module or an optimizer keeps: that has a path as its name."""
    leaf = run.leaf(vertex)
    return leaf is not None and (leaf.parameter or "." in (leaf.name or ""))


@dataclass(slots=True)
class Module:
    """A module in a training step: its first and last row, how many ops ran in it, its parameters."""

    path: str
    first: int
    last: int
    ops: int
    inner: bool = False
    """Whether there are modules in it."""
    parameters: dict[int, None] = field(default_factory=dict)


def modules_of(run: Reader, step: Step) -> Mapping[str, Module]:
    """All modules of a training step by path, in the order in which they first ran; "" is the whole step."""
    found: dict[str, Module] = {"": Module("", 0, len(step.rows) - 1, 0)}
    for row in step.rows:
        if row.kind != "op" or row.phase == "upd":
            continue
        for path in prefixes(row.scope):
            module = found.setdefault(path, Module(path, row.row, row.row, 0))
            module.last = max(module.last, row.row)
            module.ops += 1
            if path:
                found[path.rpartition(".")[0]].inner = True
        for vertex in row.inputs:
            if vertex not in step.made or step.rows[step.made[vertex]].kind == "leaf":
                leaf = run.leaf(vertex)
                if leaf is not None and leaf.parameter:
                    named = (leaf.name or "").rpartition(".")[0]
                    for path in prefixes(named if named in found else row.scope):
                        found[path].parameters[vertex] = None
    return found


def prefixes(path: str) -> list[str]:
    """A module and all that it lies in, from the outermost, "", in.

    >>> prefixes("blocks.0.attn")
    ['', 'blocks', 'blocks.0', 'blocks.0.attn']
    """
    parts = path.split(".") if path else []
    return [".".join(parts[:count]) for count in range(len(parts) + 1)]
