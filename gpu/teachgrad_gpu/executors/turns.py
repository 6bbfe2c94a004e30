"""What a call does: batches of launches, and between them what only the host can do.

A scan has a known number of turns, so it is as many times the launches of its body, each with the rows of its turn, and
a device takes it as one piece with what comes before and after. A branch and a while loop depend on values: the host
reads back the one truth value that decides, or the one number of turns, and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from functools import partial
from typing import Any

from teachgrad.control.scan_op import steps
from teachgrad.op import Spec, Vertex

from ..generating.building import CudaBody
from ..generating.control import Branch, Loop, ScanLoop, While, WhileBack
from ..generating.launches import Step
from .frames import Frame
from .launching import Call

MOST = 4096
"""A batch has at most so many launches; a longer one is several."""

Ready = Sequence[Callable[[], None]]
"""The batches, ready to be run."""


class Tasks:
    """What is to be done, in order. The batches are collected in one list for all."""

    def __init__(self, batches: list[list[Call]]) -> None:
        self.batches = batches
        self.order: list[int | Callable[[Ready], None]] = []
        """The number of a batch, or something for the host."""

    def put(self, call: Call) -> None:
        """A launch, or a copy."""
        last = self.order[-1] if self.order else None
        if not isinstance(last, int) or len(self.batches[last]) >= MOST:
            last = len(self.batches)
            self.order.append(last)
            self.batches.append([])
        self.batches[last].append(call)

    def copy(self, target: Any, source: Any) -> None:
        """A copy from one place of the device to another."""
        self.put(Call("copy", (), (), (target, source), copies=True))

    def run(self, ready: Ready) -> None:
        """Do all of it."""
        for task in self.order:
            if isinstance(task, int):
                ready[task]()
            else:
                task(ready)

    def step(self, step: Step, frame: Frame) -> None:
        """A step of a building."""
        if step.call is not None:
            self.order.append(partial(computed, frame, step.call))
        for launch in step.launches:
            self.put(Call(launch.name, launch.grid, launch.block, tuple(map(frame.argument, launch.arguments)),
                          launch.product, launch.source, launch.shared))
        if isinstance(step.loop, ScanLoop):
            scan(step.loop, Turns(step.loop, frame), self)
        elif isinstance(step.loop, Branch):
            self.order.append(Choice(step.loop, Turns(step.loop, frame), self))
        elif isinstance(step.loop, While):
            self.order.append(Repetition(step.loop, Turns(step.loop, frame), self))
        elif isinstance(step.loop, WhileBack):
            self.order.append(Return(step.loop, Turns(step.loop, frame), self))
        if step.loop is not None:
            self.again(step.loop, frame)

    def again(self, loop: Loop, frame: Frame) -> None:
        """Results that are wanted twice."""
        for w in loop.again:
            self.copy(frame.arrays[w.id], frame.arrays[loop.items[w.attrs["index"]].id])

    def body(self, body: CudaBody, frame: Frame) -> None:
        """A turn of a body, and what it hands on."""
        for step in body.steps:
            self.step(step, frame)
        for leaf, new in body.graph.updates:
            if new.id not in body.direct:
                self.copy(frame.arrays[leaf.id], frame.arrays[new.id])


def computed(frame: Frame, v: Vertex, ready: Ready) -> None:
    """Let the array library compute a value."""
    frame.by_library(v)


class Turns:
    """The arrays of a loop: its room, its inputs and its results."""

    def __init__(self, loop: Loop, outer: Frame) -> None:
        self.loop, self.outer = loop, outer
        self.room = outer.arrays[loop.room.id]
        self.items = {k: outer.arrays[w.id] for k, w in loop.items.items()}
        self.inside = {id(body): self.inside_of(body) for body in loop.bodies.values()}
        """The arrays that are the same in all turns, by body."""

    def place(self, name: Hashable) -> Any:
        """A place in the room, as an array."""
        at, spec = self.loop.places[name]
        return seen(self.room, at, spec)

    def inputs(self, tasks: Tasks) -> list[Any]:
        """The inputs; those that do not lie as kernels take them are copied."""
        found = []
        for k, x in enumerate(self.loop.v.inputs):
            array = self.outer.value(x)
            if ("input", k) in self.loop.places:
                tasks.copy(self.place(("input", k)), array)
                array = self.place(("input", k))
            found.append(array)
        return found

    def frame(self, body: CudaBody, leaves: Sequence[Any], outputs: Sequence[Any]) -> Frame:
        """The arrays of a body with these inputs and outputs."""
        arrays = self.inside[id(body)].copy()
        arrays |= {v.id: array for v, array in zip(body.graph.inputs, leaves, strict=True)}
        arrays |= {v.id: array for v, array in zip(body.graph.outputs, outputs, strict=True)}
        return Frame(body, arrays, self.outer.constants, self.outer.xp)

    def inside_of(self, body: CudaBody) -> dict[int, Any]:
        """The arrays of a body that are neither its inputs nor its outputs, by id."""
        start, known = self.loop.places["memory"][0], {w.id: w for w in (*body.stored.values(), *body.workspaces)}
        arrays = {k: self.outer.arrays[k] for k in (body.flag.id, *body.constants) if k in self.outer.arrays}
        return arrays | {k: seen(self.room, start + at, known[k]._data) for k, at in body.offsets.items()}


def seen(memory: Any, at: int, spec: Spec) -> Any:
    """A part of memory, as an array."""
    return memory[at:at + spec.nbytes].view(spec.dtype).reshape(spec.shape)


def carried(turns: Turns, count: int, firsts: Sequence[Any], tasks: Tasks) -> list[Any]:
    """Where lies what is handed on from turn to turn, with its first values."""
    places = [turns.items[k] if k in turns.items else turns.place(("carry", k)) for k in range(count)]
    for place, first in zip(places, firsts, strict=False):
        tasks.copy(place, first)
    return places


def scan(loop: ScanLoop, turns: Turns, tasks: Tasks) -> None:
    """All turns of a scan."""
    given, body = turns.inputs(tasks), loop.bodies["step"]
    carries = carried(turns, loop.carries, given, tasks)
    sequences = {k: given[k] for k in range(loop.carries, loop.fixed)}
    for t in steps(loop.length, loop.reverse):
        rows, answers = {k: x[t, ...] for k, x in sequences.items()}, {k: turns.items[k][t, ...] for k in loop.rows}
        taken = {k: turns.place(("x", k)) if ("x", k) in loop.places else row for k, row in rows.items()}
        made = {k: turns.place(("y", k)) if ("y", k) in loop.places else row for k, row in answers.items()}
        for k, row in rows.items():
            if taken[k] is not row:
                tasks.copy(taken[k], row)
        tasks.body(body, turns.frame(body, [*carries, *taken.values(), *given[loop.fixed:]], list(made.values())))
        for k, row in answers.items():
            if made[k] is not row:
                tasks.copy(row, made[k])


class Choice:
    """A branch: one of two bodies."""

    def __init__(self, loop: Branch, turns: Turns, tasks: Tasks) -> None:
        self.truth, *given = turns.inputs(tasks)
        self.ways = []
        for key in ("otherwise", "then"):
            way, body = Tasks(tasks.batches), loop.bodies[key]
            way.body(body, turns.frame(body, given, list(turns.items.values())))
            self.ways.append(way)

    def __call__(self, ready: Ready) -> None:
        self.ways[bool(self.truth.item())].run(ready)


class Repetition:
    """A while loop."""

    def __init__(self, loop: While, turns: Turns, tasks: Tasks) -> None:
        self.most, self.flag = loop.most, turns.outer.arrays[loop.outer.flag.id] if loop.fails else None
        given = turns.inputs(tasks)
        leaves = [*carried(turns, loop.carries, given, tasks), *given[loop.carries:]]
        self.truth = turns.place("truth")
        rows = [turns.place(("y", k)) for k in loop.rows]
        self.stacks = [(turns.items[k], row) for k, row in zip(loop.rows, rows, strict=True)]
        self.count = turns.items.get(loop.carries)
        self.condition, self.turn = Tasks(tasks.batches), Tasks(tasks.batches)
        body = loop.bodies["condition"]
        self.condition.body(body, turns.frame(body, leaves, [self.truth]))
        body = loop.bodies["step"]
        self.turn.body(body, turns.frame(body, leaves, rows))

    def __call__(self, ready: Ready) -> None:
        count = 0
        while (self.most is None or count < self.most) and self.goes_on(ready):
            self.turn.run(ready)
            for stack, row in self.stacks:
                stack[count, ...] = row
            count += 1
        if self.count is not None:
            self.count.fill(count)

    def goes_on(self, ready: Ready) -> bool:
        """Whether there is another turn. Values that a kernel has refused may say so forever, so they end it."""
        self.condition.run(ready)
        return bool(self.truth.item()) and (self.flag is None or not self.flag[0].item())


class Return:
    """The gradient of a while loop, from its last turn to the first."""

    def __init__(self, loop: WhileBack, turns: Turns, tasks: Tasks) -> None:
        self.count, *values = turns.inputs(tasks)
        self.plans, self.starts, self.xp = loop.plans, loop.starts, turns.outer.xp
        self.gradients = {k: turns.items[number] if number in turns.items else turns.place(("gradient", k))
                          for number, k in enumerate(loop.keys)}
        fill = iter(values)
        firsts, kept, fixed = ({k: next(fill) for k in numbers} for numbers in (loop.starts, loop.saved, loop.given))
        self.kept = {k: (turns.place(("kept", k)), rows) for k, rows in kept.items()}
        for k, first in firsts.items():
            tasks.copy(self.gradients[k], first)
        self.states = [self.state(body, plan, fixed, turns, tasks)
                       for body, plan in zip(loop.bodies.values(), loop.plans, strict=True)]

    def state(self, body: CudaBody, plan: Any, fixed: Mapping[int, Any], turns: Turns, tasks: Tasks) -> Tasks:
        """A turn in a state."""
        turn, inside = Tasks(tasks.batches), (*plan.seeds, *plan.totals)
        leaves = [*(self.gradients[k] for k in inside), *(self.kept[k][0] for k in plan.saved),
                  *(fixed[k] for k in plan.given)]
        turn.body(body, turns.frame(body, leaves, [self.gradients[k] for k in plan.answers if k not in inside]))
        return turn

    def __call__(self, ready: Ready) -> None:
        state, there = 0, self.starts
        for t in range(int(self.count.item()) - 1, -1, -1):
            plan = self.plans[state]
            for k in plan.saved:
                place, rows = self.kept[k]
                place[...] = rows[t, ...]
            self.states[state].run(ready)
            state, there = plan.after, plan.answers
        for k, gradient in self.gradients.items():
            if k not in there:  # -0.0 changes no sum; to fill an array with it gives 0.0 on a GPU
                gradient.fill(0)
                self.xp.negative(gradient, out=gradient)


__all__ = ["MOST", "Tasks"]
