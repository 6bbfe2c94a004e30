"""The NumPy executor: a static graph as one flat Python function of NumPy calls, writing into a planned arena.

The function is generated as text, line by line from the graph, and it is the text to read to see what runs. Views of
memory that stays in place (the arena, the cells) are taken once, ahead of time; so a call does little but compute.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import chain, count
from operator import is_
from threading import RLock
from traceback import walk_tb
from typing import Any

import numpy as np

from ..graph import Graph, describe, is_constant, names
from ..interpreter import memory_of, own
from ..op import Op, Spec, Vertex, explain, shares_memory
from ..passes.layout import layouts
from ..passes.plan import ALIGNMENT, Plan, lifetimes, storage
from .bound import busy, check_writable, on_copies

SMALL = 4096
"""Values below this many bytes are not released early: a `del` costs more than it frees."""


OUT_BY_NAME = (np.maximum, np.minimum)
"""The NumPy functions that want `out` by name; the others take it quicker by position."""


class NumpyProgram:
    """A graph bound to an arena, and to the arrays of its cells as long as those stay the same objects.

    Cells whose arrays do change from call to call are found out, and handed over like inputs from then on.
    """

    def __init__(self, graph: Graph, plan: Plan) -> None:
        self.graph = graph
        self.plan = plan
        self.lock = RLock()
        self.running = False
        memory = np.empty(plan.bytes + ALIGNMENT, np.uint8)
        start = -memory.ctypes.data % ALIGNMENT
        self.arena = memory[start:start + plan.bytes]
        self.buffers = {v.id: self.buffer(v) for v in graph.order if v.id in plan.slots}
        self.bound: list[Any] | None = None
        self.loose: list[int] = []
        """The numbers of the cells that are handed over in every call."""
        self.source = ""
        self.run: Any = None
        self.vertices: dict[int, Vertex] = {}
        """What each line of the source computes, by its number."""

    def buffer(self, v: Vertex) -> Any:
        """The place of a value in the arena, as an array."""
        slot = self.plan.slots[v.id]
        return self.arena[slot.offset:slot.offset + slot.bytes].view(v.dtype).reshape(v.shape)

    def __call__(self, inputs: Sequence[Any], cells: list[Any]) -> list[Any]:
        with self.lock:
            if self.running:
                raise busy(self.graph)
            if cells is not self.bound:
                self.bind(cells)
            self.running = True
            try:
                if self.loose:
                    return self.run(*inputs, *[cells[k] for k in self.loose])
                return self.run(*inputs)
            except (ValueError, TypeError, IndexError, ArithmeticError) as error:
                raise self.explained(error) from error
            finally:
                self.running = False

    def explained(self, error: Exception) -> Exception:
        """An error of the array library as dynamic mode tells it: with the op, and the line that was traced."""
        numbers = [number for frame, number in walk_tb(error.__traceback__) if frame.f_code is self.run.__code__]
        v = self.vertices.get(numbers[0]) if numbers else None
        return error if v is None or v.op is None else explain(v.op, v.inputs, v.attrs, error, self.graph.where(v))

    def trial(self, inputs: Sequence[Any], cells: Sequence[Any]) -> tuple[list[Any], list[Any]]:
        """The outputs and the new values of updated leaves; nothing is written."""
        return on_copies(NumpyProgram(self.graph, self.plan), self.graph, inputs, cells)

    def bind(self, cells: list[Any]) -> None:
        """Make the function for these arrays as cells, if the one that is there is for others."""
        if self.bound is not None:
            same = list(map(is_, self.bound, cells))
            changed = [k for k, is_same in enumerate(same) if not is_same and k not in self.loose]
            self.bound = cells
            if not changed:
                return
            self.loose += changed
        writer = self.writer(cells)
        source = writer.text()
        exec(compile(source, f"<{self.graph.name}, numpy executor>", "exec"), writer.namespace)
        self.source, self.run, self.bound = source, writer.namespace["run"], cells
        self.vertices = writer.vertices

    def writer(self, cells: Sequence[Any]) -> Writer:
        """What writes the function."""
        return Writer(self, cells)


class Writer:
    """Writes the function. `static` holds the arrays that stay in place, by vertex id."""

    def __init__(self, program: NumpyProgram, cells: Sequence[Any]) -> None:
        self.program = program
        self.graph = graph = program.graph
        self.label = names(graph)
        self.last, self.roots = lifetimes(graph), storage(graph)
        self.layouts = layouts(graph)
        self.last_reader = {x.id: i for i, reader in enumerate(graph.order) for x in reader.inputs}
        self.last_reader.update({x.id: -1 for x in graph.results})
        self.namespace: dict[str, Any] = {"np": np, "asarray": np.asarray, "copyto": np.copyto, "own": own}
        self.static: dict[int, Any] = {v.id: array
                                       for number, (v, array) in enumerate(zip(graph.cells, cells, strict=True))
                                       if number not in program.loose}
        self.cells = set(self.static)
        self.static.update(program.buffers)
        self.in_place = self.direct_updates()
        self.lines: list[str] = []
        self.vertices: dict[int, Vertex] = {}

    def root(self, v: Vertex) -> Vertex:
        """The vertex in whose memory `v` lies."""
        return self.roots.get(v.id, v)

    def direct_updates(self) -> dict[int, Vertex]:
        """Updates whose op may write its result straight into the cell, by the id of the vertex."""
        graph = self.graph
        position = {v.id: i for i, v in enumerate(graph.order)}
        first_free = self.first_infallible()
        new_values = [new.id for _, new in graph.updates]
        outputs = {self.root(v).id for v in graph.outputs}
        direct: dict[int, Vertex] = {}
        for leaf, new in graph.updates:
            at = position.get(new.id, -1)
            if (leaf.id not in self.cells or leaf.id not in self.layouts.dense or at < first_free or new.op is None
                    or not new.op.writes_out or self.roots[new.id] is not new or new_values.count(new.id) > 1
                    or new.id in outputs or leaf.id in outputs or self.last.get(leaf.id, -1) > at
                    or not (new.op.out_anywhere or all(x.id in self.layouts.ordered for x in new.inputs))):
                continue
            readers = [k for k, x in enumerate(new.inputs) if self.root(x) is leaf]
            if all(k in new.op.may_overwrite and new.inputs[k] is leaf for k in readers) and len(readers) <= 1:
                direct[new.id] = leaf
        return direct

    def first_infallible(self) -> int:
        """The position after which no op can fail, so that writing to cells may begin."""
        fallible = [i for i, v in enumerate(self.graph.order) if v.op is not None and v.op.may_fail]
        return fallible[-1] + 1 if fallible else 0

    def text(self) -> str:
        """The whole function."""
        graph = self.graph
        written = [leaf for leaf, _ in graph.updates if leaf.id not in self.cells]
        for v in graph.order:
            if v.id in self.in_place:
                self.static[v.id] = self.static[self.in_place[v.id].id]
        dying: dict[int, list[Vertex]] = {}
        for v in graph.order:
            dying.setdefault(self.last_reader.get(v.id, -1), []).append(v)
        for position, v in enumerate(graph.order[:-1]):
            self.statement(v)
            gone = [self.label[x.id] for x in dying.get(position, []) if x.id not in self.static and is_big(x)]
            if gone:
                self.lines.append(f"    del {', '.join(gone)}")
        if graph.order:
            self.statement(graph.order[-1])
        returned = self.returned()
        self.commit()
        loose = [graph.cells[k] for k in self.program.loose]
        parameters = ", ".join(self.label[v.id] for v in (*graph.inputs, *loose))
        head = [f"def run({parameters}):",
                f'    """{graph.name}: {len(graph.order)} ops, arena {self.program.plan.bytes} bytes"""']
        if written:
            self.namespace["writable"] = partial(check_writable, graph.name)
            head.append(f"    writable({', '.join(self.label[v.id] for v in written)})")
        check_writable(graph.name, *[self.static[leaf.id] for leaf, _ in graph.updates if leaf.id in self.cells])
        for v in graph.leaves + graph.order:
            if v.id in self.static:
                self.namespace[self.label[v.id]] = self.static[v.id]
        self.vertices = {len(head) + 1 + number: v for number, v in self.vertices.items()}
        return "\n".join([*head, *self.lines, f"    return [{', '.join(returned)}]", ""])

    def operand(self, v: Vertex) -> str:
        """How the value of a vertex is written."""
        if is_constant(v):
            if v.id not in self.label:
                self.label[v.id] = self.fresh("c")
            self.namespace[self.label[v.id]] = v._data
        return self.label[v.id]

    def fresh(self, wish: str) -> str:
        """A name that is not taken."""
        taken = {*self.label.values(), *self.namespace}
        return next(name for name in chain([wish], (f"{wish}_{number}" for number in count(2))) if name not in taken)

    def statement(self, v: Vertex) -> None:
        """Add the lines that compute a vertex, unless it is a view that can be taken now."""
        op = v.op
        assert op is not None
        source = self.known(v.inputs[0]) if op.view and len(v.inputs) == 1 else None
        if source is not None:
            view = op.forward(np, source, **v.attrs)
            if shares_memory(view, source):
                self.static[v.id] = view
                return
        operands = [self.operand(x) for x in v.inputs]
        name = self.label[v.id]
        where = self.graph.where(v)
        note = f"  # {describe(v._data)}" + (f"  {where}" if where else "")
        function = self.function(op, v, name)
        if v.id in self.static:
            operands.append(name if op.kernel is not None and op.kernel not in OUT_BY_NAME else f"out={name}")
            self.vertices[len(self.lines)] = v
            self.lines.append(f"    {function}({', '.join(operands)}){note}")
            return
        call = f"{function}({', '.join(operands)})"
        if type(v._data) is Spec and not v._data.shape and not op.view:
            call = f"asarray({call})"  # NumPy answers with scalars, on which Python's operators have rules of their own
        self.vertices[len(self.lines)] = v
        self.lines.append(f"    {name} = {call}{note}")
        if type(v._data) is Spec and len(v._data.shape) > 1 and not op.view and not self.in_c_order(v):
            self.lines.append(f"    if not {name}.flags.c_contiguous: {name} = {name}.copy()")

    def in_c_order(self, v: Vertex) -> bool:
        """Whether the op itself gives its result in C order, for sure."""
        assert v.op is not None
        return v.op.kernel is not None and all(x.id in self.layouts.ordered for x in v.inputs)

    def known(self, v: Vertex) -> Any:
        """The array of a vertex if it stays in place."""
        return v._data if is_constant(v) else self.static.get(v.id)

    def function(self, op: Op, v: Vertex, name: str) -> str:
        """The name under which the function of an op call can be called. Names of values do not end in a dash."""
        label = f"{op.name}_for_{name}_" if v.attrs else f"{op.name}_"
        self.namespace[label] = op.kernel if op.kernel is not None else partial(op.forward, np, **v.attrs)
        return label

    def returned(self) -> list[str]:
        """The outputs, as arrays that share no memory with the arena, a leaf or (unless of one family) one another."""
        graph = self.graph
        families = graph.families or tuple(range(len(graph.outputs)))
        taken: dict[int, int] = {}
        copied: dict[tuple[int, int], list[int]] = {}
        answers = [self.operand(v) for v in graph.outputs]
        for number, (v, family) in enumerate(zip(graph.outputs, families, strict=True)):
            root = self.root(v)
            if root.op is None or root.id in self.static or taken.setdefault(root.id, family) != family:
                place = id(memory_of(v._data)) if is_constant(v) else root.id
                copied.setdefault((place, family), []).append(number)
        for numbers in copied.values():
            sources = [answers[number] for number in numbers]
            for number in numbers:
                answers[number] = self.fresh(f"{answers[number]}_out")
                self.namespace[answers[number]] = None  # the name is taken
            self.lines.append(f"    {', '.join(answers[n] for n in numbers)}, = own({', '.join(sources)})")
        return answers

    def commit(self) -> None:
        """Write new values into the leaves, all of them after everything is computed."""
        leaves = {v.id for v in self.graph.leaves}
        pending = [(leaf, new) for leaf, new in self.graph.updates if new.id not in self.in_place]
        sources = {}
        for _, new in pending:  # a new value that lies in another leaf is saved before that leaf is written
            sources[new.id] = self.operand(new)
            if self.root(new).id in leaves:
                sources[new.id] = self.fresh(f"{self.label[new.id]}_new")
                self.namespace[sources[new.id]] = None
                self.lines.append(f"    {sources[new.id]} = {self.operand(new)}.copy()")
        self.lines += [f"    copyto({self.label[leaf.id]}, {sources[new.id]})" for leaf, new in pending]


def is_big(v: Vertex) -> bool:
    """Whether giving the memory of `v` back early is worth a line."""
    return type(v._data) is not Spec or v._data.nbytes >= SMALL


def build(graph: Graph, plan: Plan) -> NumpyProgram:
    """Make a graph ready to run on NumPy."""
    return NumpyProgram(graph, plan)
