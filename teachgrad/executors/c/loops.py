"""The C function of a nest of loops: one loop nest, with the maths and the user's lines beside the statements."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod

import numpy as np

from ...dtypes import C_TYPES
from ...graph import Graph, is_constant
from ...op import Vertex
from .groups import is_elementwise, is_reduction
from .nest import Nest, Steps
from .spelling import LOOPS, expression, failure, is_sum, labels_of, literal, remark, shift, step
from .sums import Chunks, Sums
from .team import Team


class LoopFunction(Sums):
    """Writes the function of a nest.

    `stored` are the members whose values go to memory, `in_place` those that go over a leaf, by id.
    """

    def __init__(self, nest: Nest, graph: Graph, label: Mapping[int, str], name: str, stored: set[int],
                 in_place: Mapping[int, Vertex], team: Team) -> None:
        self.team = team
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
        self.places: dict[str, str] = {}
        """Where what has a name is loaded from."""
        self.lines: list[str] = []
        self.depth = 1
        self.said = ""
        self.fails = any(v.op is not None and v.op.may_fail for v in self.group.members)
        self.read_often = self.counts()
        self.lasting = [v for v in self.group.members if self.group.kind == "loops" and self.outlives(v)]
        """The reductions over outer loops."""
        self.chunks = None
        if self.outer:
            self.chunks = Chunks.of(self.length(self.outer[0][1]), self.work(self.group.members), self.lasting)

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

    def result(self, v: Vertex) -> str:
        """The element of the memory of a member."""
        array = f"{self.label[v.id]}_chunk" if self.chunks and self.outlives(v) else self.array(v, True)
        return f"{array}[{self.index(self.nest.steps_of_result(v))}]"

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

    def text(self) -> str:
        """The whole function."""
        if self.group.kind == "scalar":
            (v,) = self.group.members
            self.put(f"{self.array_of_scalar(v)}[0] = {self.single(v)};")
        else:
            self.body()
        parameters = [f"{'' if written else 'const '}{self.kind(v)} *restrict {name}"
                      for name, (v, written) in self.arrays.items()]
        lines = ["/* " + "\n * ".join(self.maths()) + " */",
                 f"KERNEL {'int' if self.fails else 'void'} {self.name}({', '.join(parameters)})", "{"]
        lines += ["    int failed = 0;"] if self.fails else []
        lines += [f"    {line}" for line in self.head]
        lines += self.lines
        lines += ["    return failed;"] if self.fails else []
        return "\n".join([*lines, "}", ""])

    def array_of_scalar(self, v: Vertex) -> str:
        leaf = self.in_place.get(v.id)
        name = self.label[leaf.id] if leaf is not None else f"{self.label[v.id]}_out"
        self.arrays[name] = (leaf if leaf is not None else v, True)
        return name

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

    def body(self) -> None:
        """The loops."""
        depth = self.depth
        self.begin()
        for number, (name, bundle) in enumerate(self.outer):
            self.put(self.chunks.loop(name) if self.chunks and number == 0
                     else f"for (int64_t {name} = 0; {name} < {self.length(bundle)}; {name}++) {{")
            self.depth += 1
        start = len(self.lines)
        indent = "    " * self.depth
        self.rows(-1)
        for phase in range(self.nest.phases):
            self.inner_loops(phase)
            self.rows(phase)
        for v in self.group.members:
            if v.id in self.nest.kept and v.id not in self.stored:
                size = prod(self.nest.space[loop] for loop in self.nest.inner)
                self.row_loads.append(f"{self.kind(v)} {self.label[v.id]}_line[{size}];")
        self.lines[start:start] = [indent + line for line in self.row_loads]
        while self.depth > depth + bool(self.chunks):
            self.depth -= 1
            self.put("}")
        self.end()

    def rows(self, phase: int) -> None:
        """What is computed once for all inner loops, after a phase."""
        for v in self.group.members:
            if self.nest.phase[v.id] != phase:
                continue
            full = self.nest.is_full(v)
            if full and is_reduction(v) and self.group.summed(v) and self.nest.inner <= self.group.summed(v):
                if self.outlives(v):
                    self.add_to_memory(v, f"{self.label[v.id]}_part")
                elif v.id in self.stored:
                    self.put(f"{self.result(v)} = {self.label[v.id]};")
            elif not full:
                self.statement(v)
                if v.id in self.stored and not self.outlives(v):
                    self.put(f"{self.result(v)} = {self.label[v.id]};")

    def statement(self, v: Vertex) -> None:
        """Compute a member."""
        operands = [self.operand(x, v) for x in v.inputs]
        if is_reduction(v) and self.group.summed(v):
            full = self.nest.is_full(v)
            if not (full and self.nest.inner <= self.group.summed(v)):
                self.add_to_memory(v, operands[0])
                return
            target = self.running(v)
            self.put((f"{target} += {operands[0]};" if is_sum(v)
                      else f"{target} = {step(v, target, operands[0])};") + self.note(v))
            return
        assert is_elementwise(v) or is_reduction(v)
        if v.op is not None and v.op.may_fail:
            self.put(f"failed |= {failure(v, operands)};")
        self.put(f"const {self.kind(v)} {self.label[v.id]} = {expression(v, operands)};{self.note(v)}")

    def inner_loops(self, phase: int) -> None:
        """The inner loops of a phase with their statements."""
        members = [v for v in self.group.members if self.nest.phase[v.id] == phase and self.nest.is_full(v)]
        if not members:
            return
        sums, tiled, depth = self.summed_in(phase), self.tiled(phase), self.depth
        loops = [(name, "0", str(self.length(bundle))) for name, bundle in self.inner]
        if tiled:
            loops = self.begin_tiles(members, loops)
        for v in sums:
            self.put(f"{self.kind(v)} {self.running(v)} = {v.op.c_start};")  # type: ignore[union-attr]
        shared = self.divided(members, sums)
        for line in shared:
            self.put(line)
        for number, (name, first, last) in enumerate(loops):
            if number == len(loops) - 1 and not (shared and number == 0):
                self.put("#pragma omp simd" + self.clauses(members, sums))
            self.put(f"for (int64_t {name} = {first}; {name} < {last}; {name}++) {{")
            self.depth += 1
        if not self.inner:
            self.put("{")
            self.depth += 1
        self.phase_loads: list[str] = []
        for v in members:
            self.statement(v)
        for v in members:
            if not self.nest.is_line(v):
                continue
            if v.id in self.stored:
                self.put(f"{self.result(v)} = {self.label[v.id]};")
            elif v.id in self.nest.kept:
                self.put(f"{self.label[v.id]}_line[{self.index(self.nest.steps_of_line)}] = {self.label[v.id]};")
        while self.depth > depth + tiled:
            self.depth -= 1
            self.put("}")
        if tiled:
            self.end_tiles(members)

    def clauses(self, members: list[Vertex], sums: list[Vertex]) -> str:
        """What the vectorised loop is told about running results: that they may be kept in several parts."""
        groups: dict[str, list[str]] = {}
        for v in sums:
            how = "+" if is_sum(v) else "greatest" if ">" in v.op.c_step else "least"  # type: ignore[union-attr]
            groups.setdefault(how, []).append(self.running(v))
        if any(v.op is not None and v.op.may_fail for v in members):
            groups["|"] = ["failed"]
        return "".join(f" reduction({how}:{', '.join(names)})" for how, names in groups.items())
