"""A program of CUDA kernels, bound to a device and ready to be called.

All values have places in one arena of the device. A call copies its arguments there, launches the kernels, and copies
out what it returns and what it overwrites. What an earlier call has handed out is never touched.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from threading import RLock
from typing import Any

import numpy as np

from teachgrad.devices import of
from teachgrad.executors.bound import busy, check_writable, on_copies, told, write_back
from teachgrad.graph import Graph, is_constant
from teachgrad.op import Spec, Vertex, explain

from ..generating.building import At, CudaBuilding, Step
from .counting import steps_between
from .launching import Call, Launcher


class CudaProgram:
    """A building with an arena on a device."""

    language = "CUDA"

    def __init__(self, building: CudaBuilding, launcher: Launcher) -> None:
        self.building, self.launcher, self.xp = building, launcher, launcher.xp
        self.graph: Graph = building.graph
        self.executor = launcher.name
        self.source = building.source
        self.lock = RLock()
        self.running = False
        self.arena = launcher.memory(building.arena)
        self.placed = {v.id for v in self.values() if v.id in building.offsets}
        """What lies in the arena, by id."""
        self.arrays: dict[int, Any] = {v.id: self.in_arena(v) for v in self.values() if v.id in self.placed}
        """The array of each value that is in memory now, by id."""
        self.constants = {v.id: self.known_constant(v) for v in building.constants.values()}
        self.adopted: list[Any] = [None] * len(self.graph.cells)
        """The arrays of the cells that kernels use where they are."""
        self.fallible = any(building.can_fail(group) for group in building.order)
        self.written = [leaf for leaf, _ in self.graph.updates]
        self.commits = [(leaf, new) for leaf, new in self.graph.updates if new.id not in building.direct]
        self.strides = {leaf.id: steps_between(leaf, new) for leaf, new in self.graph.updates}
        """How many steps random bits go on in a call, by the id of the leaf; None for what only the device knows."""
        self.batches: Sequence[Any] = ()
        self.prepare()

    def values(self) -> list[Vertex]:
        """All that has a place."""
        building = self.building
        return [building.flag, *self.graph.leaves, *building.constants.values(), *building.stored.values(),
                *building.workspaces]

    def in_arena(self, v: Vertex) -> Any:
        """The place of a value, as an array."""
        at, spec = self.building.offsets[v.id], Spec(v.shape, v.dtype)
        return self.arena[at:at + spec.nbytes].view(v.dtype).reshape(v.shape)

    def known_constant(self, v: Vertex) -> Any:
        """A constant, in its place."""
        if v.id in self.arrays:
            self.launcher.copy_in(self.arrays[v.id], v._data)
            return self.arrays[v.id]
        return self.xp.asarray(v._data)

    def prepare(self) -> None:
        """Make the launches for the arrays as they are now."""
        batches = [[Call(launch.name, launch.grid, launch.block, tuple(map(self.argument, launch.arguments)),
                         launch.product, launch.source, launch.shared)
                    for launch in step.launches] for step in self.building.steps if step.call is None]
        self.batches = self.launcher.prepare(self.building.code, batches) if batches else ()

    def argument(self, x: At | np.generic) -> Any:
        """An argument of a launch."""
        if not isinstance(x, At):
            return x
        array = self.arrays[x.id]
        return array if x.size is None else array.reshape(-1)[x.first:x.first + x.size]

    def pieces(self) -> list[tuple[list[str], str, Sequence[Vertex]]]:
        """For recordings: what each group of ops becomes, as the names of its kernels, who runs them, and the ops."""
        found: list[tuple[list[str], str, Sequence[Vertex]]] = []
        for step in self.building.steps:
            if step.call is not None:
                found.append(([str(step.call.op)], self.launcher.library, [step.call]))
            for number, launches in groupby(step.launches, key=lambda launch: launch.group):
                of_one = list(launches)
                runs = "CUDA" if of_one[0].product is None else "cuBLAS"
                found.append(([launch.name for launch in of_one], runs, self.building.order[number].members))
        return found

    # ---- a call ------------------------------------------------------------------------------------------------------

    def __call__(self, inputs: Sequence[Any], cells: list[Any]) -> list[Any]:
        with self.lock:
            if self.running:
                raise busy(self.graph)
            self.running = True
            try:
                return self.run(inputs, cells)
            finally:
                self.running = False

    def run(self, inputs: Sequence[Any], cells: Sequence[Any]) -> list[Any]:
        """One call."""
        given = dict(zip([v.id for v in self.graph.leaves], [*inputs, *cells], strict=True))
        self.launcher.refuse(list(given.values()), self.graph.name)
        check_writable(self.graph.name, *[given[leaf.id] for leaf in self.written if is_numpy(given[leaf.id])])
        self.adopt(cells)
        for number, array in given.items():
            if number in self.placed and self.arrays[number] is not array:
                self.launcher.copy_in(self.arrays[number], array)
        if self.fallible:
            self.arrays[self.building.flag.id].fill(0)
        batches = iter(self.batches)
        made: dict[int, Any] = {}
        self.begin()
        for step in self.building.steps:
            self.perform(step, next(batches) if step.call is None else None, made)
        if self.fallible and int(self.arrays[self.building.flag.id][0]):
            self.fail(given)
        write_back(self.building, self.commits, lambda v: self.value(v, made), self.arrays)
        answers = self.answers(made)
        for leaf in self.written:
            if self.arrays[leaf.id] is not given[leaf.id]:
                self.hand_back(leaf, given[leaf.id])
        return answers

    def hand_back(self, leaf: Vertex, array: Any) -> None:
        """Bring the array of a leaf up to its new value, without a question to the device where the answer is known."""
        steps = self.strides[leaf.id]
        if steps is None or not is_numpy(array):
            self.launcher.copy_out(array, self.arrays[leaf.id])
        else:
            array[2] += steps
            self.launcher.agrees(self.arrays[leaf.id], array)

    def begin(self) -> None:
        """All arguments are in their places; those who keep the time begin here."""

    def perform(self, step: Step, batch: Any, made: dict[int, Any]) -> None:
        """One step: launches, or a call of the array library."""
        if step.call is None:
            batch()
        else:
            self.by_library(step, made)

    def adopt(self, cells: Sequence[Any]) -> None:
        """Let kernels use cells where they are, if they can; make the launches anew where one has moved."""
        moved = False
        for k, (v, array) in enumerate(zip(self.graph.cells, cells, strict=True)):
            if v.id not in self.placed or array is self.adopted[k]:
                continue
            fitting = array if self.launcher.adopts(array) else None
            if fitting is not self.adopted[k]:  # what is no cell any more may not be written to
                self.adopted[k], self.arrays[v.id] = fitting, self.in_arena(v) if fitting is None else fitting
                moved = True
        if moved:
            self.prepare()

    def by_library(self, step: Step, made: dict[int, Any]) -> None:
        """Compute a value that there is no kernel for, with the array library."""
        v = step.call
        assert v is not None
        assert v.op is not None
        try:
            result = v.op.forward(self.xp, *[self.value(x, made) for x in v.inputs], **v.attrs)
        except (ValueError, TypeError, IndexError, ArithmeticError) as error:
            raise explain(v.op, v.inputs, v.attrs, error, self.graph.where(v)) from error
        if v.id in self.placed:
            self.arrays[v.id][...] = result
        else:
            made[v.id] = result if type(result) is tuple else self.xp.asarray(result)

    def value(self, v: Vertex, made: dict[int, Any]) -> Any:
        """The value of a vertex as an array, now."""
        if is_constant(v):
            return self.constants.get(v.id, v._data)
        if v.id in made:
            return made[v.id]
        known = self.arrays.get(self.building.place_of(v).id)
        if known is not None:
            return known
        assert v.op is not None
        return v.op.forward(self.xp, self.value(v.inputs[0], made), **v.attrs)

    def answers(self, made: dict[int, Any]) -> list[Any]:
        """The outputs, in memory of their own; those of one family that share memory still do."""
        views, graph = self.building.views, self.graph
        families = graph.families or tuple(range(len(graph.outputs)))
        together: dict[tuple[int, int], list[int]] = {}
        for k, (v, family) in enumerate(zip(graph.outputs, families, strict=True)):
            together.setdefault((views.base(v).id, family), []).append(k)
        answers: list[Any] = [None] * len(graph.outputs)
        for (base, _), numbers in together.items():
            outputs = [graph.outputs[k] for k in numbers]
            if len(numbers) > 1:
                whole = views.base(outputs[0])
                copies = {**made, base: self.value(whole, made).copy()}
                for k, v in zip(numbers, outputs, strict=True):
                    answers[k] = self.seen(v, copies)
            else:
                answers[numbers[0]] = self.value(outputs[0], made).copy(order="K")
        return answers

    def seen(self, v: Vertex, copies: dict[int, Any]) -> Any:
        """A view of something that was copied."""
        if v.id in copies:
            return copies[v.id]
        assert v.op is not None
        return v.op.forward(self.xp, self.seen(v.inputs[0], copies), **v.attrs)

    def fail(self, given: dict[int, Any]) -> None:
        """Something is wrong with the values, and nothing is written yet: the interpreter says what, as NumPy does."""
        values = {number: of(array).to_host(array) for number, array in given.items()}
        raise told(self.graph, values, "CUDA")

    def trial(self, inputs: Sequence[Any], cells: Sequence[Any]) -> tuple[list[Any], list[Any]]:
        """The outputs and the new values of updated leaves; nothing is written."""
        return on_copies(CudaProgram(self.building, self.launcher), self.graph, inputs, cells)


def is_numpy(array: Any) -> bool:
    """Whether an array is one of NumPy's."""
    return isinstance(array, np.ndarray)
