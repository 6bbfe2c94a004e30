"""The statements of a kernel: how its inputs are read, what its results are called, and the maths and the user's lines
beside them. What runs the loops around them, a processor or the threads of a GPU, is left to those who build on it."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod

import numpy as np

from ...dtypes import C_TYPES
from ...graph import Graph, is_constant
from ...op import Vertex
from .nest import Nest, Steps
from .spelling import LOOPS, expression, labels_of, literal, remark, shift


class Statements:
    """Writes the statements of a nest.

    `stored` are the members whose values go to memory, `in_place` those that go over a leaf, by id.
    """

    outer: list[tuple[str, list[int]]]
    """The names of the outer loops, and which loops of the nest each stands for."""
    inner: list[tuple[str, list[int]]]

    def __init__(self, nest: Nest, graph: Graph, label: Mapping[int, str], name: str, stored: set[int],
                 in_place: Mapping[int, Vertex]) -> None:
        self.nest, self.group, self.views, self.graph = nest, nest.group, nest.views, graph
        self.label, self.name, self.stored, self.in_place = label, name, stored, in_place
        outer, inner = nest.merged(stored)
        self.outer = [(LOOPS[k], bundle) for k, bundle in enumerate(outer)]
        self.inner = [(LOOPS[len(outer) + k], bundle) for k, bundle in enumerate(inner)]
        self.arrays: dict[str, tuple[Vertex, bool]] = {}
        """The parameters: what each points to, and whether it is written."""
        self.head: list[str] = []
        self.done: set[int] = set()
        self.row_loads: list[str] = []
        self.phase_loads: list[str] = []
        self.places: dict[str, str] = {}
        """Where what has a name is loaded from."""
        self.lines: list[str] = []
        self.depth = 1
        self.said = ""
        self.fails = any(v.op is not None and v.op.may_fail for v in self.group.members)
        self.read_often = self.counts()

    def counts(self) -> set[tuple[int, int, Steps]]:
        """What is read from memory more than once in one phase."""
        seen: dict[tuple[int, int, Steps], int] = {}
        for v, x in self.nest.loads():
            key = (self.views.base(x).id, self.nest.phase[v.id], self.nest.steps(x, v))
            seen[key] = seen.get(key, 0) + 1
        return {key for key, n in seen.items() if n > 1}

    # ---- words -------------------------------------------------------------------------------------------------------

    def put(self, line: str) -> None:
        self.lines.append("    " * self.depth + line)

    def length(self, bundle: list[int]) -> int:
        return prod(self.nest.space[loop] for loop in bundle)

    def index(self, steps: Steps, offset: int = 0) -> str:
        """The index of an element, from the loops that run."""
        terms = []
        for name, bundle in [*self.outer, *self.inner]:
            s = steps[bundle[-1]]
            if s and self.length(bundle) > 1:
                terms.append(name if s == 1 else f"{s} * {name}")
        if offset or not terms:
            terms.append(str(offset))
        return " + ".join(terms).replace("+ -", "- ")

    def kind(self, v: Vertex) -> str:
        return C_TYPES[v.dtype]

    def array(self, v: Vertex, written: bool = False) -> str:
        """The name of the array of a value, as a parameter of the function."""
        leaf = self.in_place.get(v.id)
        if leaf is not None:
            v, name = leaf, self.label[leaf.id]
        else:
            name = self.label[v.id] + ("_out" if v.id in self.group.places else "")
        self.arrays[name] = (v, written or self.arrays.get(name, (v, False))[1])
        return name

    def operand(self, x: Vertex, v: Vertex) -> str:
        """An input of a member."""
        m, base = self.nest.member_of(x), self.views.base(x)
        if m is not None:
            if not (self.nest.is_line(m) and self.nest.phase[m.id] < self.nest.phase[v.id]):
                return self.label[m.id]
            if m.id in self.stored:
                return self.result(m)
            return f"{self.label[m.id]}_line[{self.index(self.nest.steps_of_line)}]"
        if base.id in self.nest.fusion.scalars or not self.nest.is_loaded(x):
            return self.single(x)
        steps, offset = self.nest.steps(x, v), self.views.of(x).offset
        moving = {loop for loop, s in enumerate(steps) if s and self.nest.space[loop] > 1}
        if not moving:
            return self.single(x)
        place = f"{self.array(base)}[{self.index(steps, offset)}]"
        loops = "".join(name for name, bundle in [*self.outer, *self.inner] if steps[bundle[-1]])
        name = self.name_of(f"{self.label[base.id]}_{loops}{shift(offset)}", place)
        if not moving & self.nest.inner and self.nest.is_full(v):
            line = f"const {self.kind(base)} {name} = {place};"
            if line not in self.row_loads:
                self.row_loads.append(line)
            return name
        if (base.id, self.nest.phase[v.id], steps) in self.read_often and self.nest.is_full(v):
            line = f"const {self.kind(base)} {name} = {place};"
            if line not in self.phase_loads:
                self.phase_loads.append(line)
                self.put(line)
            return name
        return place

    def name_of(self, name: str, place: str) -> str:
        """A name for what stands at a place of an array: this one, unless another place has it, such as x[j][i]."""
        number = 1
        while self.places.setdefault(found := name if number == 1 else f"{name}w{number}", place) != place:
            number += 1
        return found

    def single(self, x: Vertex) -> str:
        """A single number: a constant, one in memory, or one that is computed at the head of the function."""
        base = self.views.base(x)
        if is_constant(base) and self.nest.single(base):
            return literal(np.asarray(base._data).flat[0], base.dtype)
        if base.id in self.nest.fusion.scalars:
            name = self.label[base.id]
            if base.id not in self.done:
                self.done.add(base.id)
                operands = [self.single(y) for y in base.inputs]
                self.head.append(f"const {self.kind(base)} {name} = {expression(base, operands)};{self.note(base)}")
            return name
        offset = self.views.of(x).offset
        name = f"{self.label[base.id]}_value{shift(offset)}"
        line = f"const {self.kind(base)} {name} = {self.array(base)}[{offset}];"
        if line not in self.head:
            self.head.append(line)
        return name

    def note(self, v: Vertex) -> str:
        """A comment with the user's line, where it is another one than that of the statement before."""
        where = remark(str(self.graph.where(v) or ""))
        if where in ("", self.said):
            return ""
        self.said = where
        return f"  // {where}"

    # ---- statements --------------------------------------------------------------------------------------------------

    def maths(self) -> list[str]:
        """What the function computes, op by op."""
        lines = []
        for v in self.group.members:
            inputs = ", ".join(literal(x._data.flat[0], x.dtype).strip("()") if is_constant(x) and x.size == 1
                               else labels_of(self.label, x, self.views) for x in v.inputs)
            settings = "".join(f", {key}={value!r}" for key, value in v.attrs.items() if key != "dtype")
            where = self.graph.where(v)
            lines.append(remark(f"{self.label[v.id]} = {v.op}({inputs}{settings})" + (f"   {where}" if where else "")))
        return lines

    def array_of_scalar(self, v: Vertex) -> str:
        leaf = self.in_place.get(v.id)
        name = self.label[leaf.id] if leaf is not None else f"{self.label[v.id]}_out"
        self.arrays[name] = (leaf if leaf is not None else v, True)
        return name

    def result(self, v: Vertex) -> str:
        """The element of the memory of a member."""
        return f"{self.array(v, True)}[{self.index(self.nest.steps_of_result(v))}]"
