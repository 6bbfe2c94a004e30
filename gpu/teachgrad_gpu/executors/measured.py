"""The program with a look at the clock after each launch, when all that it began has ended."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from copy import copy
from itertools import pairwise
from time import perf_counter
from typing import Any

from teachgrad.executors.timing import KernelOf

from ..generating.launches import Step
from .program import CudaProgram
from .turns import Tasks


class MeasuredCuda(CudaProgram):
    """A program that keeps the time: every kernel in a batch of its own."""

    def __init__(self, program: CudaProgram) -> None:
        self.program = program
        self.ticks: list[float] = []
        building = copy(program.building)
        building.steps = [single for step in program.building.steps for single in singles(step)]
        super().__init__(building, program.launcher)
        self.kernels = [KernelOf(piece.names[0] if step.loop is None else str(step.loop.v.op), tuple(piece.vertices),
                                 counts=piece.counts)
                        for step, piece in zip(building.steps, self.pieces(), strict=True)]
        self.kernels.append(KernelOf("copy", (*self.graph.outputs, *self.written), moves=True))
        self.workspace = building.arena
        self.without = set(building.direct) | {v.id for v in self.graph.order if v.id not in building.stored}

    def __call__(self, inputs: Sequence[Any], cells: list[Any]) -> list[Any]:
        with self.lock:
            self.ticks.clear()
            answers = super().__call__(inputs, cells)
            self.program.seconds = [end - begin for begin, end in pairwise(self.ticks)]
            self.tick()
            return answers

    def begin(self) -> None:
        self.tick()

    def portions(self) -> Iterable[Sequence[Step]]:
        return [[step] for step in self.building.steps]

    def perform(self, part: Tasks) -> None:
        super().perform(part)
        self.tick()

    def tick(self) -> None:
        """Look at the clock, once the device has nothing left to do."""
        self.launcher.synchronize()
        self.ticks.append(perf_counter())


class Measurable(CudaProgram):
    """A program that has such a twin."""

    def measured(self) -> MeasuredCuda:
        """A twin that keeps the time of each launch."""
        return MeasuredCuda(self)


def singles(step: Step) -> list[Step]:
    """A step as steps of one launch each."""
    return [Step([launch]) for launch in step.launches] if step.launches else [step]
