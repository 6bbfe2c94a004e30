"""The text of a fused kernel: the statements of its ops, with the maths and the user's lines beside them."""

from __future__ import annotations

from collections.abc import Mapping

from teachgrad.executors.c.groups import is_reduction
from teachgrad.executors.c.spelling import expression, failure, is_sum, step
from teachgrad.executors.c.statements import Statements
from teachgrad.graph import Graph
from teachgrad.op import Vertex

from .nests import ROWS, WARP, ThreadNest
from .words import FAILED, combine, coordinates, head_of, without_unused


class FusedKernel(Statements):
    """Writes the kernel of a nest. `guarded`: whether it must write nothing if an earlier kernel has failed."""

    nest: ThreadNest

    def __init__(self, nest: ThreadNest, graph: Graph, label: Mapping[int, str], name: str, stored: set[int],
                 in_place: Mapping[int, Vertex], guarded: bool) -> None:
        super().__init__(nest, graph, label, name, stored, in_place)
        self.guarded = guarded and bool(in_place)
        self.combines: set[tuple[str, str, str]] = set()
        """The functions by which teams put their results together: words of `words.combine`."""

    @property
    def grid(self) -> int:
        """The number of blocks of a launch."""
        return 1 if self.group.kind == "scalar" else self.nest.grid

    @property
    def block(self) -> int:
        """The threads of a block."""
        return 1 if self.group.kind == "scalar" else self.nest.block

    @property
    def uses_flag(self) -> bool:
        """Whether the kernel asks or says whether something has failed."""
        return self.fails or self.guarded

    def text(self) -> str:
        """The whole kernel."""
        if self.group.kind == "scalar":
            (v,) = self.group.members
            self.put(f"{self.array_of_scalar(v)}[0] = {self.single(v)};")
        elif self.nest.has_rows:
            self.row()
        else:
            self.elements()
        parameters = [f"{'' if written else 'const '}{self.kind(v)} *__restrict__ {name}"
                      for name, (v, written) in self.arrays.items()]
        if self.uses_flag:
            parameters.append(f"int *__restrict__ {FAILED}")
        lines = ["/* " + "\n * ".join(self.maths()) + " */", head_of(self.name, parameters), "{"]
        lines += [f"    if (*{FAILED}) return;  // an earlier kernel refused its values"] * self.guarded
        lines += without_unused([*self.positions(), *(f"    {line}" for line in self.head), *self.lines])
        return "\n".join([*lines, "}", ""])

    def positions(self) -> list[str]:
        """Which element or row a thread works on."""
        if self.group.kind == "scalar":
            return []
        nest, bundles = self.nest, self.outer if self.nest.has_rows else self.inner
        names, lengths = [name for name, _ in bundles], [self.length(bundle) for _, bundle in bundles]
        if not nest.has_rows:
            return [f"    {line}" for line in coordinates(names, lengths)]
        if nest.team == 1:
            return [f"    {line}" for line in coordinates(names, lengths)]
        if nest.team == WARP:
            lines = [f"const int lane = threadIdx.x % {WARP};",
                     *coordinates(names, lengths, f"(int64_t)blockIdx.x * {ROWS} + threadIdx.x / {WARP}")]
        else:
            lines = ["const int lane = threadIdx.x;", *coordinates(names, lengths, "blockIdx.x", guard=False)]
        return [f"    {line}" for line in lines]

    def elements(self) -> None:
        """A thread for each element."""
        for v in self.group.members:
            self.statement(v)
        for v in self.group.members:
            if v.id in self.stored:
                self.put(f"{self.result(v)} = {self.label[v.id]};")
        self.lines[:0] = ["    " + line for line in self.row_loads]

    def row(self) -> None:
        """A team of threads for each row: phases of loops along it, and what is computed once in between."""
        self.rows(-1)
        for phase in range(self.nest.phases):
            self.phase(phase)
            self.rows(phase)
        self.lines[:0] = ["    " + line for line in [*self.lines_kept(), *self.row_loads]]

    def lines_kept(self) -> list[str]:
        """Where a team keeps what a later phase reads: each thread reads only what it has written itself."""
        lines = []
        for v in self.group.members:
            if v.id not in self.nest.kept or v.id in self.stored:
                continue
            name, kind, n = f"{self.label[v.id]}_line", self.kind(v), self.nest.length
            if self.nest.team == 1:
                lines.append(f"{kind} {name}[{n}];")
            elif self.nest.team == WARP:
                lines += [f"__shared__ {kind} {self.label[v.id]}_rows[{ROWS}][{n}];",
                          f"{kind} *const {name} = {self.label[v.id]}_rows[threadIdx.x / {WARP}];"]
            else:
                lines.append(f"__shared__ {kind} {name}[{n}];")
        return lines

    def rows(self, phase: int) -> None:
        """What is computed once for a row, after a phase. All threads of a team compute it, one stores it."""
        for v in self.group.members:
            if self.nest.phase[v.id] != phase:
                continue
            is_sum = self.nest.is_full(v) and not self.nest.is_line(v)
            if not self.nest.is_full(v):
                self.statement(v)
            if (is_sum or not self.nest.is_full(v)) and v.id in self.stored:
                only = "if (lane == 0) " if self.nest.team > 1 else ""
                self.put(f"{only}{self.result(v)} = {self.label[v.id]};")

    def phase(self, phase: int) -> None:
        """The loops of a phase along the row, with their statements."""
        members = [v for v in self.group.members if self.nest.phase[v.id] == phase and self.nest.is_full(v)]
        if not members:
            return
        sums, depth, team = [v for v in members if not self.nest.is_line(v)], self.depth, self.nest.team
        for v in sums:
            self.put(f"{self.kind(v)} {self.label[v.id]} = {v.op.c_start};")  # type: ignore[union-attr]
        self.phase_loads = []
        if team == 1:
            for name, bundle in self.inner:
                self.put(f"for (int64_t {name} = 0; {name} < {self.length(bundle)}; {name}++) {{")
                self.depth += 1
        else:
            (name, *others) = [name for name, _ in self.inner]
            variable = "element" if others else name
            self.put(f"for (int64_t {variable} = lane; {variable} < {self.nest.length}; {variable} += {team}) {{")
            self.depth += 1
            if others:
                self.put(coordinates([name, *others], [self.length(b) for _, b in self.inner], "element")[-1])
        for v in members:
            self.statement(v)
        for v in members:
            if not self.nest.is_line(v):
                continue
            if v.id in self.stored:
                self.put(f"{self.result(v)} = {self.label[v.id]};")
            elif v.id in self.nest.kept:
                self.put(f"{self.label[v.id]}_line[{self.index(self.nest.steps_of_line)}] = {self.label[v.id]};")
        while self.depth > depth:
            self.depth -= 1
            self.put("}")
        for v in sums if team > 1 else []:
            self.put(f"{self.label[v.id]} = {self.together(v)};")

    def together(self, v: Vertex) -> str:
        """What the team makes of the results of its threads."""
        words = combine(v, "warp" if self.nest.team == WARP else "block")
        self.combines.add(words)
        return f"{words[0]}({self.label[v.id]})"

    def statement(self, v: Vertex) -> None:
        """Compute a member."""
        operands = [self.operand(x, v) for x in v.inputs]
        name = self.label[v.id]
        if is_reduction(v) and self.group.summed(v):
            added = f"{name} += {operands[0]};" if is_sum(v) else f"{name} = {step(v, name, operands[0])};"
            self.put(added + self.note(v))
            return
        if v.op is not None and v.op.may_fail:
            self.put(f"if ({failure(v, operands)}) atomicOr({FAILED}, 1);")
        self.put(f"const {self.kind(v)} {name} = {expression(v, operands)};{self.note(v)}")
