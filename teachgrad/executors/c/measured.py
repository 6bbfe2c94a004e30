"""The C program with a look at the clock after each kernel: every kernel in a call of its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from time import perf_counter
from typing import Any

from ..timing import KernelOf
from .building import Segment
from .control import ControlBuilding
from .program import CProgram


class SingleKernels(ControlBuilding):
    """A building whose segments have one group each."""

    def divide(self) -> None:
        self.segments = [Segment([group], group.kind != "numpy") for group in self.order]


class MeasuredC(CProgram):
    """A C program that keeps the time. Its kernels are compiled from the same text as those of its twin."""

    def __init__(self, program: CProgram) -> None:
        self.ticks: list[float] = []
        super().__init__(SingleKernels(program.graph, program.building.exact, program.building.team))
        building = self.building
        self.workspace, self.placed = building.arena, set(building.offsets)
        self.without = set(building.direct) | {v.id for v in self.graph.order if v.id not in building.stored}
        self.kernels: list[KernelOf] = []
        number = 0
        for segment in building.segments:
            (group,) = segment.groups
            number += segment.is_c
            name = building.name_of(group, number) if len(group.members) > 1 else str(group.members[0].op)
            self.kernels.append(KernelOf(name, tuple(group.members)))

    def make_steps(self) -> list[Callable[[int], int | None]]:
        def look(_: int) -> None:
            self.ticks.append(perf_counter())

        return [look, *(step for kernel in super().make_steps() for step in (kernel, look))]

    def __call__(self, inputs: Sequence[Any], cells: list[Any]) -> list[Any]:
        with self.lock:
            self.ticks.clear()
            return super().__call__(inputs, cells)
