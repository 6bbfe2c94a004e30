"""Loops and branches as C: a body becomes a function, and the loop calls it.

A body is a building of its own. What a loop hands on lies in one place from the first step to the last, and the body
writes the new over the old as a program writes over a parameter: straight, where nobody reads the old value later. The
results of the vertex are that place and the rows of what each step answers.

A loop or branch with a body that is not C through and through stays with NumPy.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from ...control.body import Body
from ...dtypes import C_TYPES, uint8
from ...errors import ExecutorError
from ...graph import Graph, describe, is_constant
from ...op import Spec, Vertex
from ...ops.tuples import Item
from ...passes.plan import aligned
from .alone import standing_alone
from .building import Building
from .groups import Group
from .spelling import LOOPS, constant_array
from .team import Team
from .views import contiguous

LARGEST_CONSTANT = 4096
"""So many numbers of a constant stand in the text of a body at most."""


KINDS: dict[type, type[LoopCode]] = {}
"""What writes the C of a vertex, by the class of its op; `steps` fills it."""


class NotInC(ExecutorError):
    """A body has something for which there is no C."""


class ControlBuilding(Building):
    """A building that takes loops and branches over from NumPy."""

    def adopt(self) -> None:
        self.loops: dict[int, LoopCode] = {}
        """The C of loops and branches, by the id of their vertex."""
        for group in list(self.fusion.groups):
            v = group.members[0]
            if group.kind == "numpy" and type(v.op) in KINDS:
                items = [w for w in self.graph.order if isinstance(w.op, Item) and w.inputs[0] is v]
                try:
                    code = KINDS[type(v.op)](v, items, self)
                except NotInC:
                    continue
                self.loops[v.id] = code
                rooms = [code.room] if code.room is not None else []
                self.take_over(group, "control", items, rooms)
                for room in rooms:
                    self.label[room.id] = f"room_{len(self.loops)}_rows"

    def find_stored(self) -> Iterator[Vertex]:
        yield from super().find_stored()
        yield from (code.room for code in self.loops.values() if code.room is not None)

    def kernel(self, group: Group, name: str, used: dict[int, Vertex]) -> tuple[str, str]:
        if group.kind != "control":
            return super().kernel(group, name, used)
        v = group.members[0]
        code = self.loops[v.id]
        text = "\n".join([self.comment(v), *code.text(name)])
        given = [self.gemm(itemsize) for itemsize in code.products]
        for x in v.inputs:
            access = self.views.of(x)
            used[access.base.id] = access.base
            name_of = self.label[access.base.id]
            given.append(f"{name_of} + {access.offset}" if access.offset else name_of)
        for w in (*code.items.values(), code.room):
            if w is not None:
                used[w.id] = w
                given.append(self.label[w.id])
        return text, f"if ({name}({', '.join(given)})) return 1;"


class BodyCode(ControlBuilding):
    """The C of a body: a function of plain arrays. `updates` of its graph are what a loop hands on."""

    def __init__(self, graph: Graph, exact: bool, team: Team) -> None:
        self.products: set[int] = set()
        """The sizes of elements for which products of BLAS are called."""
        super().__init__(standing_alone(graph), exact, team)

    def divide(self) -> None:
        if any(group.kind == "numpy" for group in self.order):
            raise NotInC("a body calls NumPy")
        constants = [x for v in self.graph.order for x in v.inputs if is_constant(x)]
        if any(x.size > LARGEST_CONSTANT for x in constants):
            raise NotInC("a body has a large constant")
        super().divide()

    def write(self) -> None:
        """Nothing yet: what the functions are called is not known."""

    def compiled(self) -> list[Any]:
        return []

    def text(self, prefix: str) -> list[str]:
        """The functions, whose names begin so; the last one is called `prefix`."""
        self.prefix = prefix
        kernels, runs = self.texts()
        return [*kernels, *(runs or [self.run("run", [], {})])]

    def name_of(self, group: Group, number: int) -> str:
        return f"{self.prefix}_{super().name_of(group, number)[1:]}"

    def gemm(self, itemsize: int) -> str:
        self.products.add(itemsize)
        return gemm_of(itemsize)

    def parameters(self) -> list[str]:
        """The parameters: products of BLAS, inputs, outputs, room."""
        graph = self.graph
        written = {leaf.id for leaf, _ in graph.updates}
        return [*(f"{gemm_of(itemsize)}_t {gemm_of(itemsize)}" for itemsize in sorted(self.products)),
                *(f"{'' if v.id in written else 'const '}{C_TYPES[v.dtype]} *{self.label[v.id]}" for v in graph.inputs),
                *(f"{C_TYPES[v.dtype]} *{self.label[v.id]}" for v in graph.outputs),
                *(["uint8_t *memory"] if self.arena else [])]

    def run(self, name: str, calls: list[str], used: dict[int, Vertex]) -> str:
        copied = [(leaf, new) for leaf, new in self.graph.updates if new.id not in self.direct]
        used |= {v.id: v for pair in copied for v in pair}
        constants = [v for v in used.values() if is_constant(v)]
        lines = [line for v in constants
                 for line in constant_array(f"{self.prefix}_{self.label[v.id]}", v._data, describe_constant(v))]
        lines += [f"static int {self.prefix}({', '.join(self.parameters())})", "{"]
        lines += [f"    (void){self.label[v.id]};" for v in self.graph.inputs if v.id not in used]
        for v in used.values():
            label, kind = self.label[v.id], C_TYPES[v.dtype]
            if v.id in self.offsets:
                lines.append(f"    {kind} *{label} = (void *){place(self.offsets[v.id])};  // {describe(v._data)}")
            elif is_constant(v):
                lines.append(f"    const {kind} *{label} = {self.prefix}_{label};")
            elif v.id in self.direct:
                lines.append(f"    {kind} *{label} = {self.label[self.direct[v.id].id]};")
        lines += [f"    {call}" for call in calls]
        lines += [f"    memcpy({self.label[leaf.id]}, {self.label[new.id]}, {leaf._data.nbytes});"
                  for leaf, new in copied]
        return "\n".join([*lines, "    return 0;", "}", ""])


def place(offset: int) -> str:
    """A place in the room of a function."""
    return f"(memory + {offset})" if offset else "memory"


def gemm_of(itemsize: int) -> str:
    return "sgemm" if itemsize == 4 else "dgemm"


def describe_constant(v: Vertex) -> str:
    return describe(Spec(v.shape, v.dtype))


class LoopCode:
    """The C of one loop or branch: its bodies, and the function that calls them.

    `items` are the results that somebody reads, by number. The function takes products of BLAS, the inputs of the
    vertex, these results and some room.
    """

    bodies: dict[str, BodyCode]
    """The bodies, by what their functions are called."""

    def __init__(self, v: Vertex, items: Sequence[Vertex], outer: ControlBuilding) -> None:
        self.v, self.exact, self.team = v, outer.exact, outer.team
        self.items = {w.attrs["index"]: w for w in sorted(items, key=lambda w: w.attrs["index"])}
        if len(self.items) < len(items):
            raise NotInC("a result is taken twice")
        if any(type(x._data) is tuple or not x.size or x.dtype not in C_TYPES for x in (*v.inputs, *items)):
            raise NotInC("a loop hands on what C has no type for")
        self.size = 0
        self.turned: dict[int, tuple[int, tuple[int, ...]]] = {}
        """Inputs that do not lie in C order: where a copy of each is that does, and the steps of the input itself."""
        for k, x in enumerate(v.inputs):
            if not outer.views.dense(x):
                if x.id not in outer.views.access or x.ndim > len(LOOPS):
                    raise NotInC("an input lies oddly in memory")
                self.turned[k] = self.take(x._data.nbytes), outer.views.of(x).strides
        self.prepare(v.attrs)
        self.arena = self.take(max((body.arena for body in self.bodies.values()), default=0))
        self.room = Vertex(Spec((self.size,), uint8)) if self.size else None

    def prepare(self, attrs: Mapping[str, Any]) -> None:
        """Make the bodies, and take room for what is not a result."""
        raise NotImplementedError

    def lines(self, name: str) -> list[str]:
        """The statements of the function."""
        raise NotImplementedError

    def take(self, size: int) -> int:
        """A place for so many bytes in the room."""
        place = self.size
        self.size += aligned(size)
        return place

    def body(self, body: Body, outputs: Sequence[int], carries: int = 0) -> BodyCode:
        """The C of a body with some of its outputs, the first ones being what the next step is given."""
        return BodyCode(body.handing_on(carries, outputs), self.exact, self.team)

    @property
    def products(self) -> list[int]:
        """The sizes of elements for which products of BLAS are called."""
        return sorted(set().union(*(body.products for body in self.bodies.values())))

    def text(self, name: str) -> list[str]:
        """The functions of the bodies, then the function of the loop."""
        texts = [line for key, body in self.bodies.items() for line in body.text(f"{name}_{key}")]
        labels = next(iter(self.bodies.values())).label
        inputs = [(x, label, self.turned.get(k)) for k, (x, label) in enumerate(zip(self.v.inputs, self.names(labels),
                                                                                    strict=True))]
        parameters = [f"{gemm_of(itemsize)}_t {gemm_of(itemsize)}" for itemsize in self.products]
        parameters += [f"const {C_TYPES[x.dtype]} *{label}{'_parts' if turned else ''}" for x, label, turned in inputs]
        parameters += [f"{C_TYPES[w.dtype]} *{self.result(k)}" for k, w in self.items.items()]
        parameters += ["uint8_t *memory"] if self.size else []
        copies = [line for x, label, turned in inputs if turned for line in in_order(x, label, *turned)]
        return [*texts, f"KERNEL int {name}({', '.join(parameters)})", "{",
                *(f"    {line}" for line in (*copies, *self.lines(name))), "}", ""]

    def names(self, labels: Mapping[int, str]) -> list[str]:
        """What the inputs of the vertex are called in the function."""
        raise NotImplementedError

    def result(self, k: int) -> str:
        """What a result of the vertex is called in the function."""
        raise NotImplementedError

    def call(self, name: str, key: str, arguments: Sequence[str]) -> str:
        """A call of the function of a body."""
        body = self.bodies[key]
        given = [*(gemm_of(itemsize) for itemsize in sorted(body.products)), *arguments]
        if body.arena:
            given.append(f"memory + {self.arena}" if self.arena else "memory")
        return f"if ({name}_{key}({', '.join(given)})) return 1;"


def code_of(op: type) -> Callable[[type[LoopCode]], type[LoopCode]]:
    """Let a class write the C of the vertices of an op."""
    def note(writer: type[LoopCode]) -> type[LoopCode]:
        KINDS[op] = writer
        return writer

    return note


def in_order(x: Vertex, label: str, at: int, strides: tuple[int, ...]) -> list[str]:
    """The statements that copy an input into C order."""
    loops = [(LOOPS[axis], n, step) for axis, (n, step) in enumerate(zip(x.shape, strides, strict=True)) if n > 1]
    kind, steps = C_TYPES[x.dtype], contiguous(x.shape)
    target = [f"{steps[axis]} * {LOOPS[axis]}" for axis, n in enumerate(x.shape) if n > 1]
    source = [f"{step} * {loop}" for loop, _, step in loops if step]
    lines = [f"{kind} *{label} = (void *){place(at)};  // {describe(Spec(x.shape, x.dtype))}"]
    for depth, (loop, n, _) in enumerate(loops):
        lines.append("    " * depth + f"for (int64_t {loop} = 0; {loop} < {n}; {loop}++)")
    return [*lines, "    " * len(loops) + f"{label}[{' + '.join(target) or '0'}] = "
                    f"{label}_parts[{' + '.join(source) or '0'}];"]


__all__ = ["BodyCode", "ControlBuilding", "LoopCode", "code_of", "place"]
