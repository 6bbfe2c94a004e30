"""What a profile knows of each kernel that ran."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..drawing.model import FORWARD, UPDATE, Picture, picture_of
from ..executors.timing import KernelOf
from ..graph import is_constant
from ..op import Spec, Vertex

OUTSIDE = "(outside modules)"


@dataclass(slots=True)
class Run:
    """A kernel ran once."""

    op: str
    """The op, or the name of a kernel that stands for several."""
    name: str
    """The value that it made, as `tg.show` calls it; in dynamic mode the op."""
    start: float
    seconds: float
    phase: str
    scope: str
    where: str
    read: int
    """Bytes of its inputs. What a kernel reads more than once, or from a cache, counts once."""
    written: int
    flops: int
    dtype: np.dtype[Any]
    mode: str
    """`dynamic` or `static`."""
    device: str = "cpu"

    @property
    def moved(self) -> int:
        """Bytes read and written."""
        return self.read + self.written


KEYS: dict[str, Callable[[Run], str]] = {
    "op": lambda run: run.op,
    "layer": lambda run: f"{run.scope or OUTSIDE} {run.phase}",
    "kernel": lambda run: " ".join(part for part in (run.name, run.scope and f"in {run.scope}", run.where) if part),
    "line": lambda run: run.where or "(no line)",
    "phase": lambda run: run.phase,
}
"""By what a table can group the runs."""


def nbytes(values: Iterable[Any]) -> int:
    """The bytes of arrays, specs and tuples of them."""
    return sum(nbytes(value) if type(value) is tuple else value.nbytes for value in values)


def dtype_of(value: Any) -> np.dtype[Any]:
    """The dtype of a result; of several, the first."""
    return dtype_of(value[0]) if type(value) is tuple else value.dtype


class Kernels:
    """The kernels of a compiled function, with all that does not change from run to run."""

    def __init__(self, compiled: Any, kernels: Sequence[KernelOf], device: str) -> None:
        self.device = device
        self.picture: Picture = picture_of(compiled)
        self.readers = self.picture.readers
        self.results = {*self.picture.outputs, *(new for _, new in self.picture.updates)}
        self.facts = [self.fact(kernel) for kernel in kernels]

    def fact(self, kernel: KernelOf) -> Run:
        """A run of a kernel that has not taken place."""
        made = {v.id for v in kernel.vertices}
        last = kernel.vertices[-1]
        node = self.picture.nodes[self.picture.keys[last.id]]
        if kernel.moves:
            size = nbytes(spec(v) for v in kernel.vertices)
            phase = UPDATE if kernel.name == "copyto" else FORWARD
            return Run(kernel.name, kernel.name, 0.0, 0.0, phase, "", "", size, size, 0, dtype_of(spec(last)), "static")
        inside = {x.id: x for v in kernel.vertices for x in v.inputs}
        ends = [v for v in kernel.vertices if len(kernel.vertices) == 1 or self.is_read_outside(v, made)]
        is_view = all(v.op is not None and v.op.view for v in kernel.vertices)
        read = 0 if is_view else nbytes(spec(x) for x in inside.values() if x.id not in made)
        written = 0 if is_view else nbytes(spec(v) for v in ends)
        flops = sum(v.op.flops(spec(v), *map(spec, v.inputs), **v.attrs) for v in kernel.vertices if v.op is not None)
        if kernel.counts is not None:
            read, written, flops = kernel.counts
        name = node.name if len(kernel.vertices) == 1 else kernel.name
        return Run(kernel.name, name, 0.0, 0.0, node.phase, node.scope, node.where, read, written, flops,
                   dtype_of(spec(last)), "static")

    def is_read_outside(self, v: Vertex, made: set[int]) -> bool:
        """Whether a value is there after the kernel that makes it."""
        key = self.picture.keys[v.id]
        return key in self.results or any(self.picture.nodes[k].vertex.id not in made for k in self.readers[key])

    def runs(self, ticks: Sequence[float]) -> list[Run]:
        """The runs of one call, from what the clock said."""
        return [Run(fact.op, fact.name, begin, end - begin, fact.phase, fact.scope, fact.where, fact.read,
                    fact.written, fact.flops, fact.dtype, "static", self.device)
                for fact, begin, end in zip(self.facts, ticks, ticks[1:], strict=False)]


def spec(v: Vertex) -> Any:
    """The spec of a vertex of a graph; a tuple of them for several results."""
    return Spec(v._data.shape, v._data.dtype) if is_constant(v) else v._data
