"""A static program that keeps the time: after each kernel it notes what the clock says.

Executors may offer such a twin of their programs as `program.measured()`; of one that does not, the whole program is
one kernel.
"""

from __future__ import annotations

from collections.abc import Sequence
from time import perf_counter
from typing import Any, NamedTuple, Protocol
from weakref import WeakKeyDictionary

from ..graph import Graph
from ..op import Vertex
from ..passes.plan import Plan
from . import Program
from .numpy import NumpyProgram, Writer


class KernelOf(NamedTuple):
    """A piece of a program: its name, and the vertices that it computes (or, for copies, moves)."""

    name: str
    vertices: tuple[Vertex, ...]
    moves: bool = False


class Measured(Protocol):
    """A program that keeps the time."""

    kernels: list[KernelOf]
    """What runs, in order. Known after the first call."""
    ticks: list[float]
    """Of the last call: when it began, and when each kernel had ended."""

    direct: set[int]
    """The vertices, by id, that are written straight into a cell and take no memory."""

    def __call__(self, inputs: Sequence[Any], cells: list[Any]) -> list[Any]:
        """As the program."""


_twins: WeakKeyDictionary[NumpyProgram, Measured] = WeakKeyDictionary()


def measured(program: Program, graph: Graph) -> Measured:
    """The twin of a program that keeps the time; of a NumPy program there is one for all profiles."""
    if type(program) is NumpyProgram:
        if program not in _twins:
            _twins[program] = MeasuredProgram(program.graph, program.plan)
        return _twins[program]
    offer = getattr(program, "measured", None)
    return offer() if offer is not None else Whole(program, graph)


class MeasuredProgram(NumpyProgram):
    """The NumPy program with a look at the clock after each statement."""

    def __init__(self, graph: Graph, plan: Plan) -> None:
        super().__init__(graph, plan)
        self.kernels: list[KernelOf] = []
        self.ticks: list[float] = []
        self.direct: set[int] = set()

    def writer(self, cells: Sequence[Any]) -> Writer:
        writer = MeasuredWriter(self, cells)
        self.kernels, self.direct = writer.kernels, set(writer.in_place)
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


class Whole:
    """A program of which no more is known than when it begins and ends."""

    def __init__(self, program: Program, graph: Graph) -> None:
        self.program = program
        self.kernels = [KernelOf("program", graph.order)]
        self.ticks: list[float] = []
        self.direct: set[int] = set()

    def __call__(self, inputs: Sequence[Any], cells: list[Any]) -> list[Any]:
        begin = perf_counter()
        outputs = self.program(inputs, cells)
        self.ticks = [begin, perf_counter()]
        return outputs
