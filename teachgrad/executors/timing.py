"""What a program is that keeps the time, and what each of its kernels stands for."""

from __future__ import annotations

from collections.abc import Sequence
from time import perf_counter
from typing import Any, NamedTuple, Protocol

from ..graph import Graph
from ..op import Vertex
from . import Program


class KernelOf(NamedTuple):
    """A piece of a program: its name, and the vertices that it computes (or, for copies, moves)."""

    name: str
    vertices: tuple[Vertex, ...]
    moves: bool = False
    counts: tuple[int, int, int] | None = None
    """Bytes read, bytes written and operations of a piece that is only a part of what computes the vertices."""


class Told(NamedTuple):
    """A piece of a program as recordings have it: the names of its kernels, what runs it, and what it computes."""

    names: Sequence[str]
    runs: str
    """`C`, `CUDA`, `cuBLAS`, `NumPy`, ... ."""
    vertices: Sequence[Vertex]
    counts: tuple[int, int, int] | None = None
    """As of a kernel that keeps the time."""
    seconds: float | None = None
    """In the profile that was taken last, if the program knows."""


class Measured(Protocol):
    """A program that keeps the time."""

    kernels: list[KernelOf]
    """What runs, in order. Known after the first call."""
    ticks: list[float]
    """Of the last call: when it began, and when each kernel had ended."""
    workspace: int
    """Bytes of memory that the program has all the time."""
    placed: set[int]
    """The vertices, by id, that lie in it."""
    without: set[int]
    """The vertices that take no memory: written straight into a cell, or never stored."""

    def __call__(self, inputs: Sequence[Any], cells: list[Any]) -> list[Any]:
        """As the program."""


class Whole:
    """A program of which no more is known than when it begins and ends."""

    def __init__(self, program: Program, graph: Graph) -> None:
        self.program = program
        self.kernels = [KernelOf("program", graph.order)]
        self.ticks: list[float] = []
        self.workspace = 0
        self.placed: set[int] = set()
        self.without: set[int] = set()

    def __call__(self, inputs: Sequence[Any], cells: list[Any]) -> list[Any]:
        begin = perf_counter()
        outputs = self.program(inputs, cells)
        self.ticks = [begin, perf_counter()]
        return outputs
