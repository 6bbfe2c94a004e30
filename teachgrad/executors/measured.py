"""Twins of static programs that keep the time: after each kernel they note what the clock says.

Executors from outside may offer one as `program.measured()`; of one that does not, the whole program is one kernel.
"""

from __future__ import annotations

from collections.abc import Sequence
from time import perf_counter
from typing import Any
from weakref import WeakKeyDictionary

from ..graph import Graph
from ..op import Vertex
from ..passes.plan import Plan
from . import Program
from .c import CProgram
from .c.measured import MeasuredC
from .numpy import NumpyProgram, Writer
from .timing import KernelOf, Measured, Whole

_twins: WeakKeyDictionary[Any, Measured] = WeakKeyDictionary()


def measured(program: Program, graph: Graph) -> Measured:
    """The twin of a program that keeps the time; of a program that is built in there is one for all profiles."""
    if type(program) in (NumpyProgram, CProgram):
        if program not in _twins:
            _twins[program] = (MeasuredProgram(program.graph, program.plan) if isinstance(program, NumpyProgram)
                               else MeasuredC(program))  # type: ignore[arg-type]
        return _twins[program]
    offer = getattr(program, "measured", None)
    return offer() if offer is not None else Whole(program, graph)


def latest_ticks(program: Any) -> dict[frozenset[int], float]:
    """The seconds of each kernel of a program, by the ids of its vertices, in the profile that was taken last."""
    twin = _twins.get(program) if type(program) in (NumpyProgram, CProgram) else None
    if twin is None:
        return {}
    return {frozenset(v.id for v in kernel.vertices): end - begin
            for kernel, begin, end in zip(twin.kernels, twin.ticks, twin.ticks[1:], strict=False) if not kernel.moves}


class MeasuredProgram(NumpyProgram):
    """The NumPy program with a look at the clock after each statement."""

    def __init__(self, graph: Graph, plan: Plan) -> None:
        super().__init__(graph, plan)
        self.kernels: list[KernelOf] = []
        self.ticks: list[float] = []
        self.workspace = plan.bytes
        self.placed, self.without = set(plan.slots), set[int]()

    def writer(self, cells: Sequence[Any]) -> Writer:
        writer = MeasuredWriter(self, cells)
        self.kernels, self.without = writer.kernels, set(writer.in_place)
        return writer

    def __call__(self, inputs: Sequence[Any], cells: list[Any]) -> list[Any]:
        with self.lock:
            self.ticks.clear()
            return super().__call__(inputs, cells)


class MeasuredWriter(Writer):
    """Writes the function with looks at the clock. Names of values do not end in a dash, so these are free."""

    def __init__(self, program: MeasuredProgram, cells: Sequence[Any]) -> None:
        super().__init__(program, cells)
        self.kernels: list[KernelOf] = []
        self.namespace |= {"tick_": program.ticks.append, "clock_": perf_counter}
        self.lines.append("    tick_(clock_())")

    def statement(self, v: Vertex) -> None:
        before = len(self.lines)
        super().statement(v)
        assert v.op is not None
        self.tick(before, KernelOf(v.op.name, (v,)))

    def returned(self) -> list[str]:
        before = len(self.lines)
        answers = super().returned()
        self.tick(before, KernelOf("own", self.graph.outputs, moves=True))
        return answers

    def commit(self) -> None:
        before = len(self.lines)
        super().commit()
        moved = tuple(leaf for leaf, new in self.graph.updates if new.id not in self.in_place)
        self.tick(before, KernelOf("copyto", moved, moves=True))

    def tick(self, before: int, kernel: KernelOf) -> None:
        """Look at the clock, if lines have been added."""
        if len(self.lines) > before:
            self.kernels.append(kernel)
            self.lines.append("    tick_(clock_())")
