"""A program of CUDA kernels, bound to a device and ready to be called.

All values have places in one arena of the device. A call copies its arguments there, launches the kernels, and copies
out what it returns and what it overwrites. What an earlier call has handed out is never touched.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from threading import RLock
from typing import Any

import numpy as np

from teachgrad.devices import of
from teachgrad.executors.bound import busy, check_writable, on_copies, told, write_back
from teachgrad.executors.timing import Told
from teachgrad.graph import Graph
from teachgrad.op import Spec, Vertex

from ..generating.building import CudaBuilding
from ..generating.launches import Step
from .counting import steps_between
from .frames import Frame
from .launching import Call, Launcher
from .turns import Tasks


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
        self.seconds: list[float] = []
        """Of each launch, call and loop, in the profile that was taken last."""
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
        done = {leaf.id for leaf, _ in building.written_back}
        self.commits = [(leaf, new) for leaf, new in self.graph.updates
                        if new.id not in building.direct and leaf.id not in done]
        self.strides = {leaf.id: steps_between(leaf, new) for leaf, new in self.graph.updates}
        """How many steps random bits go on in a call, by the id of the leaf; None for what only the device knows."""
        self.frame = Frame(building, self.arrays, self.constants, self.xp)
        self.parts: list[Tasks] = []
        """What a call does."""
        self.batches: Sequence[Any] = ()
        self.ready = False
        """Whether these are for the arrays as they are now."""
        self.doubtful = True
        """Whether the flag by which kernels refuse values may say so of an earlier call."""
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
        batches: list[list[Call]] = []
        self.parts = []
        for steps in self.portions():
            self.parts.append(Tasks(batches))
            for step in steps:
                self.parts[-1].step(step, self.frame)
        self.batches = self.launcher.prepare(self.building.code, batches) if batches else ()
        self.ready = True

    def portions(self) -> Iterable[Sequence[Step]]:
        """The steps that may be one piece; here all of them."""
        yield self.building.steps

    def pieces(self) -> list[Told]:
        """For recordings: each launch, call and loop, with its seconds if a profile was taken."""
        found: list[Told] = []
        for step in self.building.steps:
            if step.call is not None:
                found.append(Told([str(step.call.op)], self.launcher.library, [step.call]))
            if step.loop is not None:
                v, bodies = step.loop.v, step.loop.bodies.values()
                names = [*dict.fromkeys(launch.name for body in bodies for launch in body.launches)]
                found.append(Told(names or [str(v.op)], "CUDA" if names else self.launcher.library,
                                  [v, *step.loop.items.values()]))
            found += [Told([launch.name], "CUDA" if launch.product is None else "cuBLAS",
                           self.building.order[launch.group].members, launch.counts) for launch in step.launches]
        times = self.seconds if len(self.seconds) == len(found) else [None] * len(found)
        return [piece._replace(seconds=time) for piece, time in zip(found, times, strict=True)]

    # ---- a call ------------------------------------------------------------------------------------------------------

    def __call__(self, inputs: Sequence[Any], cells: list[Any]) -> list[Any]:
        with self.lock:
            if self.running:
                raise busy(self.graph)
            self.running = True
            try:
                return self.run(inputs, cells)
            except BaseException:
                self.launcher.forget()  # kernels may have written what their caller was not told
                raise
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
        flag = self.arrays[self.building.flag.id]
        if self.fallible and self.doubtful:
            flag.fill(0)
        self.doubtful = True
        self.frame.made.clear()
        self.begin()
        for part in self.parts:
            self.perform(part)
        if self.fallible and int(flag[0]):
            self.fail(given)
        self.doubtful = False
        answers = self.answers()
        write_back(self.building, self.commits, self.frame.value, self.arrays)
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

    def perform(self, part: Tasks) -> None:
        """Do a part of the call."""
        part.run(self.batches)

    def adopt(self, cells: Sequence[Any]) -> None:
        """Let kernels use cells where they are, if they can; make the launches anew where one has moved."""
        for k, (v, array) in enumerate(zip(self.graph.cells, cells, strict=True)):
            if v.id not in self.placed or array is self.adopted[k]:
                continue
            fitting = array if self.launcher.adopts(array) else None
            if fitting is not self.adopted[k]:  # what is no cell any more may not be written to
                self.ready = False
                self.adopted[k], self.arrays[v.id] = fitting, self.in_arena(v) if fitting is None else fitting
        if not self.ready:
            self.prepare()

    def answers(self) -> list[Any]:
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
                copies = {**self.frame.made, base: self.frame.value(whole).copy()}
                for k, v in zip(numbers, outputs, strict=True):
                    answers[k] = self.seen(v, copies)
            else:
                answers[numbers[0]] = self.frame.value(outputs[0]).copy(order="K")
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
