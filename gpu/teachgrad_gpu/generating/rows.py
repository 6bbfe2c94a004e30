"""The text of fused kernels with sums: a thread, or a team of threads, for each row.

A row is gone through in phases, one after the other: what needs a sum comes in a phase after it. `ThreadRows` has a
thread for each row, `TeamRows` a team whose threads take turns along it, `JoinedRows` puts the parts of sums together
that several blocks have made. `kept` has a team that reads the row once.
"""

from __future__ import annotations

from collections.abc import Mapping

from teachgrad.executors.c.spelling import step
from teachgrad.op import Vertex

from .loops import FOUR, FusedKernel
from .nests import ROWS, WARP
from .words import combine, coordinates


class RowKernel(FusedKernel):
    """What all kernels with rows have in common."""

    team_name = ""
    """How the functions are called by which the threads of a row put their results together."""
    only = ""
    """The condition under which a thread is the one that stores what is computed once for a row."""

    @property
    def block(self) -> int:
        return self.nest.block

    @property
    def grid(self) -> int:
        return self.nest.grid

    @property
    def n(self) -> int:
        """The length of a row."""
        return self.nest.length

    def body(self) -> None:
        self.rows(-1)
        for phase in range(self.nest.phases):
            self.phase(phase)
            self.rows(phase)
        self.lines[:0] = self.indented([*self.declarations(), *self.row_loads])

    def declarations(self) -> list[str]:
        """Where a thread keeps what a later phase reads."""
        return []

    def phase(self, phase: int) -> None:
        """The loops of a phase along the row, with their statements."""
        raise NotImplementedError

    def full(self, phase: int) -> tuple[list[Vertex], list[Vertex], list[Vertex]]:
        """The members that are computed in the loops of a phase; those of them that are sums; those that are stored."""
        members = [v for v in self.group.members if self.nest.phase[v.id] == phase and self.nest.is_full(v)]
        return (members, [v for v in members if not self.nest.is_line(v)],
                [v for v in members if self.nest.is_line(v) and v.id in self.stored])

    def rows(self, phase: int) -> None:
        """What is computed once for a row, after a phase. All threads of a team compute it, one stores it."""
        for v in self.group.members:
            if self.nest.phase[v.id] != phase or self.nest.is_line(v):
                continue
            if not self.nest.is_full(v):
                self.statement(v)
            if v.id in self.stored:
                self.put(f"{self.only}{self.result(v)} = {self.label[v.id]};")

    def begin(self, sums: list[Vertex]) -> None:
        """Sums begin with nothing."""
        for v in sums:
            self.put(f"{self.kind(v)} {self.label[v.id]} = {v.op.c_start};")  # type: ignore[union-attr]

    def together(self, sums: list[Vertex], team: str, warps: int) -> None:
        """Put the results of the threads of a team together."""
        for v in sums:
            words = combine(v, team)
            self.combines.add(words)
            name = self.label[v.id]
            self.put(f"{name} = {words[0]}{'' if team == 'warp' else f'<{warps}>'}({name});")

    def row_position(self, row: str, guard: bool) -> list[str]:
        """The statements that tell which row it is."""
        return coordinates([name for name, _ in self.outer], [self.length(bundle) for _, bundle in self.outer], row,
                           guard, self.counts_in)

    @property
    def wide(self) -> str:
        """What makes the number of a block as wide as indices are."""
        return "" if self.counts_in == "int" else f"({self.counts_in})"


class ThreadRows(RowKernel):
    """A thread for each row."""

    def positions(self) -> list[str]:
        return self.row_position(f"{self.wide}blockIdx.x * blockDim.x + threadIdx.x", True)

    def declarations(self) -> list[str]:
        return [f"{self.kind(v)} {self.label[v.id]}_line[{self.n}];" for v in self.group.members
                if v.id in self.nest.kept and v.id not in self.stored]

    def phase(self, phase: int) -> None:
        members, sums, _ = self.full(phase)
        if not members:
            return
        depth = self.depth
        self.begin(sums)
        self.phase_loads = []
        for name, bundle in self.inner:
            self.put(f"for (int {name} = 0; {name} < {self.length(bundle)}; {name}++) {{")
            self.depth += 1
        for v in members:
            self.statement(v)
        for v in members:
            if self.nest.is_line(v):
                if v.id in self.stored:
                    self.put(f"{self.result(v)} = {self.label[v.id]};")
                elif v.id in self.nest.kept:
                    self.put(f"{self.label[v.id]}_line[{self.index(self.nest.steps_of_line)}] = {self.label[v.id]};")
        while self.depth > depth:
            self.depth -= 1
            self.put("}")


class TeamRows(RowKernel):
    """A team of threads for each row, which take turns along it in loops."""

    def __init__(self, *args: object, left: Mapping[int, Vertex] | None = None) -> None:
        super().__init__(*args)  # type: ignore[arg-type]
        self.team = self.nest.team
        self.left = left or {}
        """Where a block leaves its part of each sum, by the id of the sum."""
        across, threads = self.team.across, self.team.threads
        self.me = "warp" if across else "lane"
        """What the place of a thread within its team is called."""
        self.ragged = across and self.nest.rows % WARP != 0
        """Whether some threads of the last block have no row: they go along with the last row, and store nothing."""
        inside = " && inside" if self.ragged else ""
        self.only = f"if ({self.me} == 0{inside}) "
        self.team_name = "lane" if across else "warp" if threads == WARP else "block"
        if not across and self.n >= FOUR * WARP and self.n % FOUR == 0 and len(self.inner) == 1 and self.in_fours():
            self.unit = FOUR
        self.counts_by_fours = self.unit == FOUR

    @property
    def warps(self) -> int:
        """Of how many warps a team has threads."""
        return self.team.threads if self.team.across else self.team.threads // WARP

    def positions(self) -> list[str]:
        parts, rows, kind = self.team.parts, self.nest.rows, self.counts_in
        block = self.wide + (f"blockIdx.x / {parts}" if parts > 1 else "blockIdx.x")
        if self.team.across:
            column = f"{block} * {WARP} + threadIdx.x % {WARP}"
            lines = [f"const int warp = threadIdx.x / {WARP};"]
            if self.ragged or parts > 1:
                lines.append(f"const {kind} column = {column};")
                column = "column"
            if self.ragged:
                lines.append(f"const bool inside = column < {rows};")
                column = f"inside ? column : {rows - 1}"
            lines += self.row_position(column, False)
        elif self.team.threads == WARP:
            lines = [f"const int lane = threadIdx.x % {WARP};",
                     *self.row_position(f"{block} * {ROWS} + threadIdx.x / {WARP}", rows % ROWS != 0)]
        else:
            lines = ["const int lane = threadIdx.x;", *self.row_position(block, False)]
        if parts > 1:
            span = -(-self.n // (parts * FOUR)) * FOUR
            lines += ["// this block's part of the row",
                      f"const {kind} begin = {self.wide}(blockIdx.x % {parts}) * {span};",
                      f"const {kind} end = min(begin + {span}, {self.wide}{self.n});"]
        return lines

    def phase(self, phase: int) -> None:
        members, sums, lines = self.full(phase)
        if not members:
            return
        self.begin(sums)
        self.loaded, self.phase_loads = {}, []
        names, lengths = [name for name, _ in self.inner], [self.length(bundle) for _, bundle in self.inner]
        variable = names[0] if len(names) == 1 else "element"
        start, end = (("begin + ", "end") if self.team.parts > 1 else ("", str(self.n)))
        unit, inside = f"{FOUR} * " if self.unit == FOUR else "", "inside && " if self.ragged else ""
        self.lines.append(f"#pragma unroll {4 if unit else 8}")
        self.put(f"for ({self.counts_in} {variable} = {start}{unit}{self.me}; {inside}{variable} < {end}; "
                 f"{variable} += {self.unit * self.team.threads}) {{")
        self.depth += 1
        if len(names) > 1:
            self.put(coordinates(names, lengths, "element", kind=self.counts_in)[-1])

        def compute() -> None:
            for v in members:
                self.statement(v)

        if self.unit == FOUR:
            self.by_fours(compute, lines)
        else:
            compute()
            for v in lines:
                self.put(f"{self.result(v)} = {self.label[v.id]};")
        self.depth -= 1
        self.put("}")
        self.together(sums, self.team_name, self.warps)

    def rows(self, phase: int) -> None:
        if not self.left:
            super().rows(phase)
            return
        for v in self.group.members:  # what is computed once for a row is stored by the kernel that joins the parts
            if self.nest.phase[v.id] == phase == -1:
                self.statement(v)
        if phase < 0:
            return
        place = f"{self.team.parts} * column + blockIdx.x % {self.team.parts}" if self.team.across else "blockIdx.x"
        for v in self.nest.sums:
            name = f"{self.label[v.id]}_parts"
            self.parameters[name] = self.left[v.id], True
            self.put(f"{self.only}{name}[{place}] = {self.label[v.id]};")

    def operand(self, x: Vertex, v: Vertex) -> str:
        if self.unit == 1 or not self.nest.is_full(v):
            return super().operand(x, v)
        m = self.nest.member_of(x)
        if m is not None:
            if self.nest.is_line(m) and self.nest.phase[m.id] < self.nest.phase[v.id]:
                return self.loaded_as(m, self.array(m, True), self.nest.steps_of_result(m))
            return super().operand(x, v)
        return self.along_row(x, v)

    def along_row(self, x: Vertex, v: Vertex) -> str:
        """An input from memory: from the registers of the thread, if it varies along the row."""
        base = self.views.base(x)
        if (base.id in self.nest.fusion.scalars or not self.nest.is_loaded(x) or not self.nest.goes_along(x, v)
                or self.counted(base)):
            return super().operand(x, v)
        return self.from_registers(x, v)


class JoinedRows(RowKernel):
    """A warp for each row, which puts together what several blocks have summed of it."""

    only = "if (lane == 0) "

    def __init__(self, *args: object, left: Mapping[int, Vertex]) -> None:
        super().__init__(*args)  # type: ignore[arg-type]
        self.left = left
        parts = [left[v.id] for v in self.nest.sums]
        written = sum(v._data.nbytes for v in self.group.members if v.id in self.stored and not self.nest.is_line(v))
        self.does = sum(part._data.nbytes for part in parts), written, sum(part.size for part in parts)

    @property
    def block(self) -> int:
        return WARP * ROWS

    @property
    def grid(self) -> int:
        return -(-self.nest.rows // ROWS)

    def positions(self) -> list[str]:
        return [f"const int lane = threadIdx.x % {WARP};",
                *self.row_position(f"{self.wide}blockIdx.x * {ROWS} + threadIdx.x / {WARP}", True)]

    def phase(self, phase: int) -> None:
        parts, sums = self.nest.team.parts, self.nest.sums
        row = "" if self.nest.rows == 1 else f"{parts} * {self.outer[0][0] if len(self.outer) == 1 else 'at'} + "
        self.begin(sums)
        self.put(f"for (int part = lane; part < {parts}; part += {WARP}) {{")
        for v in sums:
            name = self.label[v.id]
            self.parameters[f"{name}_parts"] = self.left[v.id], False
            self.put(f"    {name} = {step(v, name, f'{name}_parts[{row}part]')};")
        self.put("}")
        self.together(sums, "warp", 1)
