"""A compiled graph, bound to memory and ready to be called.

All that the C code touches is in one table of pointers, so that a call costs little more than the work. There are two
such tables, which take turns, and each has arrays to be handed out: those of the call before last, where nobody holds
them any more, and new ones in place of the others.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from functools import partial
from itertools import cycle
from operator import attrgetter
from sys import getrefcount
from threading import RLock
from typing import Any

import numpy as np

from ...graph import Graph, is_constant
from ...interpreter import own
from ...op import Vertex, explain
from ...passes.plan import ALIGNMENT
from ..bound import busy, check_writable, on_copies, told, write_back
from .blas import blas
from .building import Building


class Table:
    """Pointers to all that a call touches, and the arrays that it hands out."""

    def __init__(self, slots: int, outputs: int) -> None:
        self.pointers = (ctypes.c_void_p * max(1, slots))()
        self.address = ctypes.addressof(self.pointers)
        self.given: list[Any] = [None] * outputs


writable = attrgetter("flags.writeable")


class CProgram:
    """A `Building` with an arena, and with the arrays of the present call in its tables of pointers."""

    def __init__(self, building: Building) -> None:
        self.building = building
        self.graph: Graph = building.graph
        self.lock = RLock()
        self.running = False
        self.bound: list[Any] | None = None
        memory = np.empty(building.arena + ALIGNMENT, np.uint8)
        start = -memory.ctypes.data % ALIGNMENT
        self.arena = memory[start:start + building.arena]
        self.arrays: dict[int, Any] = {}
        """The array of each value that is in memory now, by id."""
        for b in building.stored.values():
            if b.id in building.offsets:
                at = building.offsets[b.id]
                self.arrays[b.id] = self.arena[at:at + b._data.nbytes].view(b.dtype).reshape(b.shape)
        self.inputs = [(v.id, building.slots.get(v.id)) for v in self.graph.inputs]
        self.held: list[Any] = [None] * len(self.inputs)
        self.written = {leaf.id for leaf, _ in self.graph.updates}
        self.targets: list[Any] = []
        """The arrays that are overwritten. C would not ask whether they may be."""
        self.given = [(building.slots.setdefault(b.id, len(building.slots)), b) for b in building.outputs.values()]
        """What is handed out in arrays of its own, and the place of each in the table."""
        self.tables = [Table(len(building.slots), len(self.given)) for _ in range(2)]
        self.turns = cycle(self.tables)
        self.fill()
        self.free_count = references()
        self.steps = self.make_steps()
        self.copies: dict[int, Any] = {}
        """Outputs that were copied together, by the list of them."""
        self.finish = self.make_finish()
        self.commits = [(leaf, new) for leaf, new in self.graph.updates if new.id not in building.direct]
        self.simple = (len(building.segments) == 1 and building.segments[0].is_c and not self.commits
                       and [v.id for v in self.graph.outputs] == list(building.outputs))
        """Whether one call of C is all, and each output is handed out as the array that it was computed into."""

    def fill(self) -> None:
        """Put into the tables what stays where it is: constants, the arena, the functions of BLAS."""
        known = blas()
        constants = {x.id: x for v in self.graph.order for x in v.inputs if is_constant(x)}
        for key, slot in self.building.slots.items():
            if key < 0 and known is not None:
                self.put(slot, known.address(-key))
            elif key in self.arrays:
                self.put(slot, self.arrays[key].ctypes.data)
            elif key in constants:
                self.put(slot, constants[key]._data.ctypes.data)

    def put(self, slot: int, address: int) -> None:
        """Put a pointer into both tables."""
        for table in self.tables:
            table.pointers[slot] = address

    @property
    def source(self) -> str:
        """The C source, and which of its functions and NumPy's are called in which order."""
        lines, number = [], 0
        many = sum(segment.is_c for segment in self.building.segments) > 1
        if len(self.building.segments) == 1 and self.building.segments[0].is_c:
            return self.building.source
        for segment in self.building.segments:
            number += segment.is_c
            label = self.building.label
            v = segment.groups[0].members[0]
            inputs = ", ".join(label.get(x.id, "") for x in v.inputs)
            lines.append(f"    {f'run_{number}' if many else 'run'}(p);" if segment.is_c
                         else f"    {label[v.id]} = numpy: {v.op}({inputs})")
        return "\n".join([self.building.source, "/* A call:", *lines, "*/", ""])

    # ---- a call ------------------------------------------------------------------------------------------------------

    def __call__(self, inputs: Sequence[Any], cells: list[Any]) -> list[Any]:
        with self.lock:
            if self.running:
                raise busy(self.graph)
            held = self.held
            for k, array in enumerate(inputs):
                if array is not held[k]:
                    self.take(self.inputs[k], array)
                    held[k] = array
                    self.bound = None
            if cells is not self.bound:
                for v, array in zip(self.graph.cells, cells, strict=True):
                    if array is not self.arrays.get(v.id):
                        self.take((v.id, self.building.slots.get(v.id)), array)
                self.targets = [self.arrays[leaf] for leaf in self.written]
                self.bound = cells
            if not all(map(writable, self.targets)):
                check_writable(self.graph.name, *self.targets)
            table = next(self.turns)
            for k, array in enumerate(table.given):
                if getrefcount(array) != self.free_count:
                    self.renew(table, k)
            answers = table.given.copy()
            self.running = True
            give_back = self.building.team.take_blas()
            try:
                if self.simple:
                    if self.steps[0](table.address):
                        self.fail()
                    return answers
                return self.run(table.address, answers)
            finally:
                give_back()
                self.running = False

    def run(self, pointers: int, made: list[Any]) -> list[Any]:
        """Go through the steps, with these arrays for the values that are handed out; the outputs."""
        for (_, b), array in zip(self.given, made, strict=True):
            self.arrays[b.id] = array
        try:
            for step in self.steps:
                if step(pointers):
                    self.fail()
            answers = [make() for make in self.finish]
            if self.commits:
                write_back(self.building, self.commits, self.array, self.arrays)
            return answers
        finally:
            for _, b in self.given:
                del self.arrays[b.id]

    def take(self, place: tuple[int, int | None], array: Any) -> None:
        """Use another array as a leaf from now on."""
        number, slot = place
        self.arrays[number] = array
        if slot is not None:
            self.put(slot, array.ctypes.data)

    def renew(self, table: Table, k: int) -> None:
        """Make a new array for an output, since somebody holds the one that a table has."""
        slot, b = self.given[k]
        table.given[k] = array = np.empty(b.shape, b.dtype)
        table.pointers[slot] = array.ctypes.data

    def fail(self) -> None:
        """Something is wrong with the values, and nothing is written yet: the interpreter says what, as NumPy does."""
        raise told(self.graph, {v.id: self.arrays[v.id] for v in self.graph.leaves}, "C")

    def trial(self, inputs: Sequence[Any], cells: Sequence[Any]) -> tuple[list[Any], list[Any]]:
        """The outputs and the new values of updated leaves; nothing is written."""
        return on_copies(CProgram(self.building), self.graph, inputs, cells)

    # ---- what a call does --------------------------------------------------------------------------------------------

    def make_steps(self) -> list[Callable[[int], int | None]]:
        """The functions to call, one after the other, with the table."""
        functions = iter(self.building.functions)
        return [next(functions) if segment.is_c else partial(self.call_numpy, segment.groups[0].members[0])
                for segment in self.building.segments]

    def call_numpy(self, v: Vertex, _: int) -> None:
        """Compute a vertex with NumPy, into its place."""
        assert v.op is not None
        operands = [self.array(x) for x in v.inputs]
        target = self.arrays[v.id] if v.id in self.building.stored else None
        try:
            if target is not None and v.op.writes_out and v.op.out_anywhere:
                v.op.forward(np, *operands, **v.attrs, out=target)
                return
            result = v.op.forward(np, *operands, **v.attrs)
        except (ValueError, TypeError, IndexError, ArithmeticError) as error:
            raise explain(v.op, v.inputs, v.attrs, error, self.graph.where(v)) from error
        if target is None:
            self.arrays[v.id] = result
        else:
            np.copyto(target, result)

    def array(self, v: Vertex) -> Any:
        """The value of a vertex as an array, now."""
        if is_constant(v):
            return v._data
        known = self.arrays.get(v.id)
        if known is not None:
            return known
        leaf = self.building.direct.get(v.id)
        if leaf is not None:
            return self.arrays[leaf.id]
        assert v.op is not None
        return v.op.forward(np, self.array(v.inputs[0]), **v.attrs)

    def make_finish(self) -> list[Callable[[], Any]]:
        """For each output, what makes the array to hand out: its own, a view of it, or a copy."""
        building, views = self.building, self.building.views
        families = self.graph.families or tuple(range(len(self.graph.outputs)))
        owner: dict[int, int] = {}
        copied: dict[tuple[int, int], list[Vertex]] = {}
        made: list[Callable[[], Any]] = []
        for v, family in zip(self.graph.outputs, families, strict=True):
            b = views.base(v)
            if b.id in building.outputs and owner.setdefault(b.id, family) == family:
                made.append(partial(self.array, v))
                continue
            together = copied.setdefault((b.id, family), [])
            together.append(v)
            made.append(partial(self.copy, together, len(together) - 1))
        return made

    def copy(self, together: list[Vertex], number: int) -> Any:
        """One of several outputs of one family, copied together."""
        if number == 0:
            self.copies[id(together)] = own(*[self.array(v) for v in together])
        return self.copies[id(together)][number]


def references() -> int:
    """How many references there are to an array that only a table holds, as its loop counts them."""
    given = [np.empty(1)]
    for _, array in enumerate(given):
        return getrefcount(array)
    return 0
