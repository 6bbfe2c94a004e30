"""The text of a fused kernel: the statements of its ops, with the maths and the user's lines beside them.

Here is what all fused kernels have in common, and those without sums; `rows` has those with sums.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from math import prod

import numpy as np

from teachgrad.executors.c.groups import is_reduction
from teachgrad.executors.c.nest import Steps
from teachgrad.executors.c.spelling import expression, failure, is_sum, shift, step
from teachgrad.executors.c.statements import Statements
from teachgrad.graph import Graph, is_constant
from teachgrad.op import Vertex

from .nests import ThreadNest
from .threads import Counts
from .words import FAILED, coordinates, head_of, without_unused

FOUR = 4
"""So many neighbours a thread loads and stores at once."""
MANY = 1 << 14
"""From so many elements on, a thread has four: fewer leave a device idle anyway, and their kernels are shorter."""


class FusedKernel(Statements):
    """Writes the kernel of a nest. `guarded`: whether it must write nothing if an earlier kernel has failed."""

    nest: ThreadNest
    unit = 1
    """How many neighbours a thread loads and stores at once."""
    counts_by_fours = False
    """Whether the last loop stands at the first of four neighbours while they are computed."""
    does: Counts | None = None
    """What the kernel does, if that is only a part of what its ops do."""
    bounds = 0
    """The threads of a block, if the compiler is to know: it then knows how many registers there are for each."""

    def __init__(self, nest: ThreadNest, graph: Graph, label: Mapping[int, str], name: str, stored: set[int],
                 in_place: Mapping[int, Vertex], guarded: bool) -> None:
        super().__init__(nest, graph, label, name, stored, in_place)
        self.guarded = guarded and bool(in_place)
        self.combines: set[tuple[str, str, str]] = set()
        """The functions by which teams put their results together: words of `words.combine`."""
        self.parameters: dict[str, tuple[Vertex, bool]] = {}
        """Parameters beside the arrays of values: what a kernel leaves for the next."""
        self.loaded: dict[str, tuple[str, str, Steps, int]] = {}
        """What a thread has loaded into registers: the name, type, array, and where it lies in it."""

    @property
    def grid(self) -> int:
        """The number of blocks of a launch."""
        return 1

    @property
    def block(self) -> int:
        """The threads of a block."""
        return 1

    @property
    def uses_flag(self) -> bool:
        """Whether the kernel asks or says whether something has failed."""
        return self.fails or self.guarded

    @cached_property
    def counts_in(self) -> str:
        """The type of indices."""
        return self.nest.counts_in

    # ---- text --------------------------------------------------------------------------------------------------------

    def text(self) -> str:
        """The whole kernel."""
        self.body()
        arrays = self.arrays | self.parameters
        parameters = [f"{'' if written else 'const '}{self.kind(v)} *__restrict__ {name}"
                      for name, (v, written) in arrays.items()]
        if self.uses_flag:
            parameters.append(f"int *__restrict__ {FAILED}")
        lines = ["/* " + "\n * ".join(self.maths()) + " */", head_of(self.name, parameters, self.bounds), "{"]
        lines += [f"    if (*{FAILED}) return;  // an earlier kernel refused its values"] * self.guarded
        lines += without_unused([*self.indented(self.positions()), *self.indented(self.head), *self.lines])
        return "\n".join([*lines, "}", ""])

    @property
    def arguments(self) -> tuple[Vertex, ...]:
        """The values whose arrays are the arguments."""
        return tuple(v for v, _ in (self.arrays | self.parameters).values())

    def positions(self) -> list[str]:
        """Which element or row a thread works on."""
        return []

    def body(self) -> None:
        """The statements: of a single number."""
        (v,) = self.group.members
        self.put(f"{self.array_of_scalar(v)}[0] = {self.single(v)};")

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

    def captured(self, write: Callable[[], None]) -> list[str]:
        """The lines that something writes, which are not put yet."""
        before, self.lines = self.lines, []
        write()
        found, self.lines = self.lines, before
        return found

    @staticmethod
    def indented(lines: list[str], depth: int = 1) -> list[str]:
        return [line if line.startswith("#") else "    " * depth + line for line in lines]

    # ---- operands ----------------------------------------------------------------------------------------------------

    def operand(self, x: Vertex, v: Vertex) -> str:
        base = self.views.base(x)
        if self.counted(base):
            first, apart = counting(base)
            steps = tuple(apart * s for s in self.nest.steps(x, v))
            at = self.index(steps, first + apart * self.views.of(x).offset)
            step = steps[self.inner[-1][1][-1]] if self.counts_by_fours else 0
            return f"({self.kind(base)})({at}{f' + {step} * e'.replace(' 1 * ', ' ') if step else ''})"
        return super().operand(x, v)

    @staticmethod
    def counted(base: Vertex) -> bool:
        """Whether a value is a constant that counts, so that its elements need not be read from memory."""
        return is_constant(base) and counting(base) != (0, 0)

    # ---- four neighbours at once -------------------------------------------------------------------------------------

    def in_fours(self) -> bool:
        """Whether all that varies along the last loop lies there side by side, and all fours of it are aligned."""
        last, n = self.inner[-1][1][-1], self.length(self.inner[-1][1])
        others = [bundle for _, bundle in [*self.outer, *self.inner[:-1]] if self.length(bundle) > 1]
        if others and n % FOUR:
            return False
        places = [(self.nest.steps(x, v), self.views.of(x).offset) for v, x in self.nest.loads()
                  if not self.counted(self.views.base(x))]
        places += [(self.nest.steps_of_result(v), 0) for v in self.group.members if v.id in self.stored]
        return all(steps[last] == 0 or (steps[last] == 1 and not offset % FOUR
                                        and not any(steps[bundle[-1]] % FOUR for bundle in others))
                   for steps, offset in places)

    def from_registers(self, x: Vertex, v: Vertex) -> str:
        """An input of a member that varies along the loop of which a thread has several elements: the e-th of them."""
        base, offset = self.views.base(x), self.views.of(x).offset
        steps = self.nest.steps(x, v)
        return self.loaded_as(base, self.array(base), steps, offset)

    def loaded_as(self, base: Vertex, array: str, steps: Steps, offset: int = 0) -> str:
        """The e-th element of what a thread loads of an array."""
        place = f"{array}[{self.index(steps, offset)}]"
        loops = "".join(name for name, bundle in [*self.outer, *self.inner] if steps[bundle[-1]])
        name = self.name_of(f"{self.label[base.id]}_{loops}{shift(offset)}", place)
        self.loaded.setdefault(name, (self.kind(base), array, steps, offset))
        return f"{name}[e]"

    def by_fours(self, compute: Callable[[], None], results: list[Vertex], some: str = "") -> None:
        """Load four neighbours of all that is read, compute four times, store four of each result."""
        self.depth += 1
        statements = self.captured(compute)
        self.depth -= 1
        kinds = {name: kind for name, (kind, *_) in self.loaded.items()}
        for line in declared(kinds | {f"{self.label[v.id]}_line": self.kind(v) for v in results}, FOUR):
            self.put(line)
        for name, (_, array, steps, offset) in self.loaded.items():
            self.put(f"get_four({name}, {array} + {self.index(steps, offset)}{some});")
        self.lines.append("#pragma unroll")
        self.put(f"for (int e = 0; e < {FOUR}; e++) {{")
        self.lines += statements
        self.depth += 1
        for v in results:
            self.put(f"{self.label[v.id]}_line[e] = {self.label[v.id]};")
        self.depth -= 1
        self.put("}")
        for v in results:
            place = f"{self.array(v, True)} + {self.index(self.nest.steps_of_result(v))}"
            self.put(f"put_four({place}, {self.label[v.id]}_line{some});")


class Elements(FusedKernel):
    """A kernel without sums: a thread has one element, or four neighbours."""

    def __init__(self, *args: object) -> None:
        super().__init__(*args)  # type: ignore[arg-type]
        self.count = prod(self.nest.space)
        if self.count >= MANY and self.in_fours():
            self.unit, self.counts_by_fours = FOUR, True

    @property
    def block(self) -> int:
        return self.nest.block

    @property
    def grid(self) -> int:
        return max(1, -(-self.count // (self.unit * self.block)))

    @property
    def some(self) -> str:
        """The argument that says that the last thread may have fewer than four elements."""
        return ", count" if self.count % self.unit else ""

    def positions(self) -> list[str]:
        wide = "" if self.counts_in == "int" else f"({self.counts_in})"
        thread = f"{wide}blockIdx.x * blockDim.x + threadIdx.x"
        if self.unit > 1:
            thread = f"{self.unit} * ({thread})"
        lines = coordinates([name for name, _ in self.inner], [self.length(bundle) for _, bundle in self.inner], thread,
                            kind=self.counts_in)
        if self.unit > 1:
            lines[0] += "  // the first of four elements"
        if self.some:
            left = f"{self.count} - {self.inner[0][0]}"
            lines.append(f"const int count = min({wide}{self.unit}, {left});  // the last thread has fewer")
        return lines

    def body(self) -> None:
        if self.unit > 1:
            self.fours()
            return
        self.computed()
        for v in self.results():
            self.put(f"{self.result(v)} = {self.label[v.id]};")
        self.lines[:0] = self.indented(self.row_loads)

    def results(self) -> list[Vertex]:
        """The members that go to memory."""
        return [v for v in self.group.members if v.id in self.stored]

    def computed(self) -> None:
        for v in self.group.members:
            self.statement(v)

    def fours(self) -> None:
        """Load four neighbours of each input, compute four times, store four of each result."""
        self.by_fours(self.computed, self.results(), self.some)
        self.lines[:0] = self.indented(self.row_loads)

    def operand(self, x: Vertex, v: Vertex) -> str:
        if self.unit == 1 or self.nest.member_of(x) is not None or not self.nest.is_loaded(x) or self.nest.single(x):
            return super().operand(x, v)
        base = self.views.base(x)
        if self.counted(base):
            return super().operand(x, v)
        steps = self.nest.steps(x, v)
        if steps[self.inner[-1][1][-1]]:
            return self.from_registers(x, v)
        word = self.loaded_as(base, self.array(base), steps, self.views.of(x).offset).removesuffix("[e]")
        del self.loaded[word]  # one number for all four
        line = f"const {self.kind(base)} {word} = {self.places[word]};"
        if line not in self.row_loads:
            self.row_loads.append(line)
        return word


def declared(kinds: Mapping[str, str], count: int) -> list[str]:
    """Declarations of registers for so many elements each: the type of each name."""
    return [f"{kind} {', '.join(f'{name}[{count}]' for name, k in kinds.items() if k == kind)};"
            for kind in dict.fromkeys(kinds.values())]


def counting(base: Vertex) -> tuple[int, int]:
    """The first number and the step of a constant that counts, such as 0, 1, 2, ...; twice 0 for any other."""
    data = base._data.reshape(-1)
    if data.size < 2 or data.dtype.kind not in "iu":
        return 0, 0
    first, last, step = int(data[0]), int(data[-1]), int(data[1]) - int(data[0])
    if max(abs(first), abs(last)) >= 1 << 30 or not np.array_equal(data, first + step * np.arange(data.size)):
        return 0, 0
    return first, step
