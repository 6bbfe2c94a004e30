"""The NumPy executor: a static graph as one flat Python function of NumPy calls, writing into a planned arena.

The function is generated as text, line by line from the graph, and it is the text to read to see what runs. Views of
memory that stays in place (the arena, the cells) are taken once, ahead of time; so a call does little but compute.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from operator import is_
from threading import Lock
from typing import Any

import numpy as np

from ..graph import Graph, describe, is_constant, names
from ..op import Op, Spec, Vertex, shares_memory
from ..passes.plan import ALIGNMENT, Plan, lifetimes, storage

SMALL = 4096
"""Values below this many bytes are not released early: a `del` costs more than it frees."""


class NumpyProgram:
    """A graph bound to an arena, and to the arrays of its cells as long as those stay the same objects."""

    def __init__(self, graph: Graph, plan: Plan) -> None:
        self.graph = graph
        self.plan = plan
        self.lock = Lock()
        self.names = names(graph)
        memory = np.empty(plan.bytes + ALIGNMENT, np.uint8)
        start = -memory.ctypes.data % ALIGNMENT
        self.arena = memory[start:start + plan.bytes]
        self.buffers = {i: self.buffer(i) for i in plan.slots}
        self.bound: list[Any] | None = None
        self.source = ""
        self.run: Any = None
        self.commit: Any = None

    def buffer(self, i: int) -> Any:
        slot = self.plan.slots[i]
        spec = next(v._data for v in self.graph.order if v.id == i)
        return self.arena[slot.offset:slot.offset + slot.bytes].view(spec.dtype).reshape(spec.shape)

    def __call__(self, inputs: Sequence[Any], cells: Sequence[Any], commit: bool = True) -> tuple[list[Any], list[Any]]:
        with self.lock:
            bound = self.bound
            if bound is None or not all(map(is_, bound, cells)):
                self.bind(cells)
            if commit:
                return self.run(*inputs)  # type: ignore[no-any-return]
            kept = [cell.copy() for cell in cells]
            try:
                outputs, new = self.run(*[array.copy() for array in inputs])
                return outputs, [np.array(value) for value in new]
            finally:
                for cell, before in zip(cells, kept, strict=True):
                    cell[...] = before

    def bind(self, cells: Sequence[Any]) -> None:
        """Make the function for these arrays as cells."""
        writer = Writer(self, cells)
        self.source, namespace = writer.text(), writer.namespace
        exec(compile(self.source, f"<{self.graph.name}, numpy executor>", "exec"), namespace)
        self.run = namespace["run"]
        self.bound = list(cells)


class Writer:
    """Writes the function. `static` holds the arrays that stay in place, by vertex id."""

    def __init__(self, program: NumpyProgram, cells: Sequence[Any]) -> None:
        self.program = program
        self.graph = graph = program.graph
        self.label = program.names
        self.namespace: dict[str, Any] = {"np": np, "asarray": np.asarray, "copyto": np.copyto}
        self.static: dict[int, Any] = {v.id: array for v, array in zip(graph.cells, cells, strict=True)}
        self.static.update(program.buffers)
        self.cells = {v.id for v in graph.cells}
        self.in_place = self.direct_updates()
        self.lines: list[str] = []

    def direct_updates(self) -> dict[int, Vertex]:
        """Updates whose op may write its result straight into the cell, by the id of the vertex."""
        graph = self.graph
        last = lifetimes(graph)
        roots = storage(graph)
        position = {v.id: i for i, v in enumerate(graph.order)}
        first_free = self.first_infallible()
        new_values = [new.id for _, new in graph.updates]
        outputs = {roots.get(v.id, v).id for v in graph.outputs}
        direct: dict[int, Vertex] = {}
        for leaf, new in graph.updates:
            at = position.get(new.id, -1)
            if (leaf.id not in self.cells or at < first_free or new.op is None or not new.op.writes_out or roots[new.id] is not new
                    or new_values.count(new.id) > 1 or new.id in outputs or leaf.id in outputs or last.get(leaf.id, -1) > at):
                continue
            readers = [k for k, x in enumerate(new.inputs) if roots.get(x.id, x) is leaf]
            if all(k in new.op.may_overwrite and new.inputs[k] is leaf for k in readers) and len(readers) <= 1:
                direct[new.id] = leaf
        return direct

    def first_infallible(self) -> int:
        """The position after which no op can fail, so that writing to cells may begin."""
        fallible = [i for i, v in enumerate(self.graph.order) if v.op is not None and v.op.may_fail]
        return fallible[-1] + 1 if fallible else 0

    def text(self) -> str:
        graph = self.graph
        last = lifetimes(graph)
        roots = storage(graph)
        for v in graph.order:
            if v.id in self.in_place:
                self.static[v.id] = self.static[self.in_place[v.id].id]
        released: dict[int, list[str]] = {}
        for position, v in enumerate(graph.order):
            self.statement(v)
            big = type(v._data) is not Spec or v._data.nbytes >= SMALL
            if v.id not in self.static and big and roots[v.id] is v:
                released.setdefault(last[v.id], []).append(self.label[v.id])
            views = [n for n in released.pop(position, [])]
            if views and position < len(graph.order) - 1:
                self.lines.append(f"    del {', '.join(views)}")
        returned = [self.result(v) for v in graph.outputs]
        new = self.commits()
        parameters = ", ".join(self.label[v.id] for v in graph.inputs)
        head = [f"def run({parameters}):", f'    """{graph.name}: {len(graph.order)} ops, arena {self.program.plan.bytes} bytes"""']
        tail = [f"    return [{', '.join(returned)}], [{', '.join(new)}]"]
        for v in graph.leaves + graph.order:
            if v.id in self.static:
                self.namespace[self.label[v.id]] = self.static[v.id]
        return "\n".join([*head, *self.lines, *tail, ""])

    def operand(self, v: Vertex) -> str:
        """How the value of a vertex is written."""
        if is_constant(v) and v.id not in self.label:
            self.label[v.id] = f"constant_{v.id}"
        if is_constant(v):
            self.namespace[self.label[v.id]] = v._data
        return self.label[v.id]

    def statement(self, v: Vertex) -> None:
        """Add the line that computes a vertex, unless it is a view that can be taken now."""
        op = v.op
        assert op is not None
        if op.view and self.known(v.inputs[0]) is not None and all(self.known(x) is not None and is_constant(x) for x in v.inputs[1:]):
            source = self.known(v.inputs[0])
            view = op.forward(np, source, *[x._data for x in v.inputs[1:]], **v.attrs)
            if shares_memory(view, source):
                self.static[v.id] = view
                return
        operands = [self.operand(x) for x in v.inputs]
        name = self.label[v.id]
        where = self.graph.where(v)
        note = f"  # {describe(v._data)}" + (f"  {where}" if where else "")
        function = self.function(op, v, name)
        out = self.static.get(v.id)
        if out is None:
            self.lines.append(f"    {name} = {function}({', '.join(operands)}){note}")
        elif op.kernel is not None:
            self.lines.append(f"    {function}({', '.join([*operands, name])}){note}")
        else:
            self.lines.append(f"    {function}({', '.join(operands)}, out={name}){note}")

    def known(self, v: Vertex) -> Any:
        """The array of a vertex if it stays in place."""
        return v._data if is_constant(v) else self.static.get(v.id)

    def function(self, op: Op, v: Vertex, name: str) -> str:
        """The name under which the function of an op call can be called."""
        if op.kernel is not None:
            kernel = getattr(op.kernel, "__name__", op.name)
            self.namespace[f"{kernel}_"] = op.kernel
            return f"{kernel}_"
        label = f"{op.name}_for_{name}" if v.attrs else f"{op.name}_"
        self.namespace[label] = partial(op.forward, np, **v.attrs)
        return label

    def result(self, v: Vertex) -> str:
        """An output: an array of its own, that shares no memory with the arena, a leaf or another output."""
        name = self.operand(v)
        roots = storage(self.graph)
        root = roots.get(v.id, v)
        others = [roots.get(x.id, x).id for x in self.graph.results]
        alone = root.op is not None and root.id not in self.static and others.count(root.id) == 1
        if alone and root is v and type(v.inputs[0]._data) is not tuple:
            return name if v._data.shape else f"asarray({name})"
        return f"np.array({name})"

    def commits(self) -> list[str]:
        """Write new values into the leaves, all of them after everything is computed."""
        roots = storage(self.graph)
        leaves = {v.id for v in self.graph.leaves}
        pending = [(leaf, new) for leaf, new in self.graph.updates if new.id not in self.in_place]
        for _, new in pending:  # a new value that lies in another leaf is saved before that leaf is written
            if roots.get(new.id, new).id in leaves:
                fresh = f"new_{self.label[new.id]}"
                self.lines.append(f"    {fresh} = np.array({self.operand(new)})")
        for leaf, new in pending:
            moved = roots.get(new.id, new).id in leaves
            self.lines.append(f"    copyto({self.label[leaf.id]}, {'new_' if moved else ''}{self.operand(new)})")
        return [self.label[leaf.id] for leaf, _ in self.graph.updates]


def build(graph: Graph, plan: Plan) -> NumpyProgram:
    """Make a graph ready to run on NumPy."""
    return NumpyProgram(graph, plan)
