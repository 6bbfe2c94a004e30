"""The C function of a nest of loops: one loop nest, with the maths and the user's lines beside the statements."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod

from ...graph import Graph
from ...op import Vertex
from .groups import is_elementwise, is_reduction
from .nest import Nest
from .spelling import expression, failure, is_sum, step
from .statements import Statements
from .sums import Chunks, Sums
from .team import Team


class LoopFunction(Statements, Sums):
    """Writes the function of a nest.

    `stored` are the members whose values go to memory, `in_place` those that go over a leaf, by id.
    """

    def __init__(self, nest: Nest, graph: Graph, label: Mapping[int, str], name: str, stored: set[int],
                 in_place: Mapping[int, Vertex], team: Team) -> None:
        super().__init__(nest, graph, label, name, stored, in_place)
        self.team = team
        self.lasting = [v for v in self.group.members if self.group.kind == "loops" and self.outlives(v)]
        """The reductions over outer loops."""
        self.chunks = None
        if self.outer:
            self.chunks = Chunks.of(self.length(self.outer[0][1]), self.work(self.group.members), self.lasting)

    def result(self, v: Vertex) -> str:
        """The element of the memory of a member."""
        array = f"{self.label[v.id]}_chunk" if self.chunks and self.outlives(v) else self.array(v, True)
        return f"{array}[{self.index(self.nest.steps_of_result(v))}]"

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
        self.phase_loads = []
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
