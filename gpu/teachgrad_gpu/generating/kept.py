"""The text of fused kernels with sums whose rows stay in registers: each is read once and written once."""

from __future__ import annotations

import re

from teachgrad.op import Vertex

from .loops import FOUR, declared
from .rows import TeamRows
from .words import coordinates


class KeptRows(TeamRows):
    """A team of threads for each row, each of which keeps its elements in registers: the row is read once."""

    def __init__(self, *args: object) -> None:
        super().__init__(*args)
        self.bounds = self.nest.block
        self.counts_by_fours = False
        turn = self.unit * self.team.threads
        self.count = self.unit * -(-self.n // turn)
        """How many elements of a row each thread has."""
        self.some = self.n % turn != 0
        """Whether some threads have fewer: they get the last ones again, and do not count them."""
        self.lines_of: dict[str, str] = {}
        """What threads keep, by name, and its type."""

    def declarations(self) -> list[str]:
        each = self.me if self.unit == 1 else f"{FOUR} {self.me} ... {FOUR} {self.me} + {FOUR - 1}"
        further = f", and so on every {self.unit * self.team.threads}" if self.count > self.unit else ""
        return [f"// a thread keeps elements {each}{further} of its row", *declared(self.lines_of, self.count)]

    def place(self, element: str, last: bool) -> list[str]:
        """The statements that tell where in the row an element of this thread is. `last`: at most at the end."""
        if last and self.some:
            element = f"min({element}, {self.n - self.unit})"
        names, lengths = [name for name, _ in self.inner], [self.length(bundle) for _, bundle in self.inner]
        if len(names) == 1:
            return [f"const int {names[0]} = {element};"]
        return [f"const int element = {element};", coordinates(names, lengths, "element", False, "int")[-1]]

    def several(self, last: bool) -> list[str]:
        """The head of a loop over all that this thread loads or stores at once."""
        unit, threads = f"{FOUR} * " if self.unit == FOUR else "", self.team.threads
        step = f"e += {FOUR}" if unit else "e++"
        self.lines.append("#pragma unroll")
        self.put(f"for (int e = 0; e < {self.count}; {step}) {{")
        return self.place(f"{unit}{self.me} + {threads} * e", last)

    def phase(self, phase: int) -> None:
        members, sums, results = self.full(phase)
        if not members:
            return
        self.begin(sums)
        before = set(self.loaded)
        self.depth += 1
        statements = self.captured(lambda: self.compute(members))
        self.depth -= 1
        self.load([name for name in self.loaded if name not in before])
        self.lines.append("#pragma unroll")
        self.put(f"for (int e = 0; e < {self.count}; e++) {{")
        self.lines += [*self.indented(self.guard(statements), self.depth + 1), *statements]
        self.put("}")
        if self.unit == FOUR:
            self.store(results)
        self.together(sums, self.team_name, self.warps)

    def compute(self, members: list[Vertex]) -> None:
        """The statements for one element, and what is kept of them."""
        for v in members:
            self.statement(v)
        for v in members:
            name = self.label[v.id]
            stored = self.nest.is_line(v) and v.id in self.stored
            if v.id in self.nest.kept or (stored and self.unit == FOUR):
                self.lines_of[f"{name}_line"] = self.kind(v)
                self.put(f"{name}_line[e] = {name};")
            if stored and self.unit == 1:
                self.put(f"{self.result(v)} = {name};")

    def guard(self, statements: list[str]) -> list[str]:
        """Where the e-th element of this thread is, if that matters, and whether there is one."""
        threads, text = self.team.threads, "\n".join(statements)
        element = f"{self.me} + {threads} * e" if self.unit == 1 else (
            f"{FOUR} * {self.me} + {FOUR * threads} * (e / {FOUR}) + e % {FOUR}" if self.count > FOUR else
            f"{FOUR} * {self.me} + e")
        lines = self.place(element, False)
        checks = [f"{lines[0].split()[2]} >= {self.n}"] * self.some + ["!inside"] * self.ragged
        check = [f"if ({' || '.join(checks)}) continue;"] * bool(checks)
        if any(used(name, text) for name, _ in self.inner):
            return [*lines[:1], *check, *lines[1:]]
        return [*lines[:1], *check] if self.some else check

    def load(self, names: list[str]) -> None:
        """Load elements of the row."""
        if not names:
            return
        place = self.several(last=True)
        self.lines += self.indented(place, self.depth + 1)
        unit = f"{FOUR} * " if self.unit == FOUR else ""
        checks = [f"{unit}{self.me} + {self.team.threads} * e < {self.n}"] * self.some
        checks += ["inside"] * self.ragged
        own = f"if ({' && '.join(checks)}) " if checks else ""
        overwritten = {self.array(leaf) for leaf in self.in_place.values()}
        for name in names:
            kind, array, steps, offset = self.loaded[name]
            self.lines_of[name] = kind
            at = self.index(steps, offset)
            check = own if array in overwritten else ""  # what another thread writes is not even read
            self.put(f"    {check}get_four(&{name}[e], {array} + {at});" if self.unit == FOUR else
                     f"    {check}{name}[e] = {array}[{at}];")
        self.put("}")

    def store(self, results: list[Vertex]) -> None:
        """Store elements of what was computed along the row."""
        if not results:
            return
        place = self.several(last=False)
        self.lines += self.indented(place, self.depth + 1)
        check = f"if ({place[0].split()[2]} < {self.n}) " if self.some else ""
        for v in results:
            at = f"{self.array(v, True)} + {self.index(self.nest.steps_of_result(v))}"
            self.put(f"    {check}put_four({at}, &{self.label[v.id]}_line[e]);")
        self.put("}")

    def operand(self, x: Vertex, v: Vertex) -> str:
        if not self.nest.is_full(v):
            return super().operand(x, v)
        m = self.nest.member_of(x)
        if m is not None:
            before = self.nest.is_line(m) and self.nest.phase[m.id] < self.nest.phase[v.id]
            return f"{self.label[m.id]}_line[e]" if before else self.label[m.id]
        return self.along_row(x, v)


def used(name: str, text: str) -> bool:
    """Whether a name stands in a text."""
    return re.search(rf"\b{name}\b", text) is not None
