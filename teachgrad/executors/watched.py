"""A static program that tells the watcher what it does: the NumPy program, with a line after each statement.

It computes what the program of any executor computes, in the arena of its plan, and has memory of its own. While it
runs, every value is told when its statement has run, before another value may take its place.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from time import perf_counter
from typing import Any

from .. import observe
from ..graph import Graph, is_constant
from ..op import Spec, Vertex
from ..passes.plan import Plan, lifetimes, storage
from .numpy import NumpyProgram, Writer


class WatchedProgram(NumpyProgram):
    """Runs as the program would, and sends its events to whoever watches when it is called."""

    def __init__(self, graph: Graph, plan: Plan) -> None:
        super().__init__(graph, plan)
        self.parameters = {v.id for v in graph.cells if v.requires_grad}
        self.constants = first_uses(graph)
        self.own_memory, self.dying, self.left_over = memory_of_values(graph)
        self.direct: set[int] = set()
        """The vertices that are written straight into a cell, and take no memory."""
        self.sink: Callable[[observe.Event], None]
        self.since = 0.0

    def writer(self, cells: Sequence[Any]) -> Writer:
        writer = WatchedWriter(self, cells)
        self.direct = set(writer.in_place)
        return writer

    def __call__(self, inputs: Sequence[Any], cells: list[Any]) -> list[Any]:
        with self.lock:
            sink = observe.sink
            assert sink is not None
            self.sink = sink
            arrays = [*inputs, *cells]
            for v, array in zip(self.graph.leaves, arrays, strict=True):
                sink(observe.Leaf(v.id, v.name, array, v.requires_grad, v.id in self.parameters))
            outputs = super().__call__(inputs, cells)
            leaves = dict(zip([v.id for v in self.graph.leaves], arrays, strict=True))
            for leaf, _ in self.graph.updates:
                sink(observe.Update(leaf.id, leaf.name, leaves[leaf.id]))
            self.free(self.left_over)
            return outputs

    # ---- called by the generated function ----------------------------------------------------------------------------

    def begin(self) -> None:
        """The clock of the first statement."""
        self.since = perf_counter()

    def ran(self, position: int, value: Any) -> None:
        """A statement has computed a vertex."""
        seconds = perf_counter() - self.since
        v = self.graph.order[position]
        assert v.op is not None
        self.tell_constants(position)
        if v.id in self.own_memory and v.id not in self.direct:
            slot = self.plan.slots.get(v.id)
            self.sink(observe.Alloc(v.id, v._data.nbytes, slot.offset if slot is not None else None))
        self.sink(observe.Kernel(v.op.name, (v.id,), seconds))
        self.tell(position, v, value)

    def has(self, position: int, value: Any) -> None:
        """A view that was taken in advance is a value from here on."""
        self.tell_constants(position)
        self.tell(position, self.graph.order[position], value)

    def tell(self, position: int, v: Vertex, value: Any) -> None:
        """Tell a value, and which values nobody reads from here on."""
        assert v.op is not None
        graph = self.graph
        self.sink(observe.Forward(v.id, v.op.name, tuple(x.id for x in v.inputs), v.attrs, value, v.name,
                                  graph.where(v), graph.scopes.get(graph.source(v), ""), v.requires_grad))
        self.free(self.dying.get(position, ()))
        self.since = perf_counter()

    def moved(self, name: str, *vertices: int) -> None:
        """Values were copied out of the memory of the program."""
        now = perf_counter()
        self.sink(observe.Kernel(name, vertices, now - self.since))
        self.since = perf_counter()

    def tell_constants(self, position: int) -> None:
        for x in self.constants.get(position, ()):
            self.sink(observe.Leaf(x.id, x.name, x._data, False, False))

    def free(self, vertices: Sequence[int]) -> None:
        for vertex in vertices:
            if vertex not in self.direct:
                self.sink(observe.Free(vertex))


class WatchedWriter(Writer):
    """Writes the function with calls of the program in it. Names of values do not end in a dash, so these are free."""

    def __init__(self, program: WatchedProgram, cells: Sequence[Any]) -> None:
        super().__init__(program, cells)
        self.positions = {v.id: position for position, v in enumerate(self.graph.order)}
        self.namespace |= {"tell_begin_": program.begin, "tell_ran_": program.ran, "tell_has_": program.has,
                           "tell_moved_": program.moved}
        self.lines.append("    tell_begin_()")

    def statement(self, v: Vertex) -> None:
        before = len(self.lines)
        super().statement(v)
        what = "ran" if len(self.lines) > before else "has"
        self.lines.append(f"    tell_{what}_({self.positions[v.id]}, {self.label[v.id]})")

    def returned(self) -> list[str]:
        before = len(self.lines)
        answers = super().returned()
        if len(self.lines) > before:
            self.moved("own", self.graph.outputs)
        return answers

    def commit(self) -> None:
        before = len(self.lines)
        super().commit()
        if len(self.lines) > before:
            self.moved("copyto", [leaf for leaf, new in self.graph.updates if new.id not in self.in_place])

    def moved(self, name: str, vertices: Sequence[Vertex]) -> None:
        self.lines.append(f"    tell_moved_({', '.join([repr(name), *(str(v.id) for v in vertices)])})")


def first_uses(graph: Graph) -> dict[int, list[Vertex]]:
    """The constants of a graph, by the position of the first op that reads them."""
    seen: set[int] = set()
    found: dict[int, list[Vertex]] = {}
    for position, v in enumerate(graph.order):
        for x in v.inputs:
            if is_constant(x) and x.id not in seen:
                seen.add(x.id)
                found.setdefault(position, []).append(x)
    return found


def memory_of_values(graph: Graph) -> tuple[set[int], dict[int, list[int]], list[int]]:
    """The vertices whose values take memory; which of them die at each position; which at the end.

    Views lie in the memory of another vertex. What is returned is never freed here.
    """
    roots, last = storage(graph), lifetimes(graph)
    owners = [v for v in graph.order if roots[v.id] is v and type(v._data) is Spec]
    returned = {roots.get(v.id, v).id for v in graph.outputs}
    dying: dict[int, list[int]] = {}
    for v in owners:
        if v.id not in returned:
            dying.setdefault(last[v.id], []).append(v.id)
    left_over = dying.pop(len(graph.order), [])
    return {v.id for v in owners}, dying, left_over
