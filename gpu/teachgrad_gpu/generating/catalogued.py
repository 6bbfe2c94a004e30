"""Ops that kernels of the catalogue compute, in place of kernels that are written here.

What a thread for each element reads, its neighbours read again. Kernels of the catalogue (`kernels`) share it, in
shared memory and in registers, which is worth a barrier now and then where there is much to compute. They take arrays
that lie row by row, so what lies otherwise is put in order first, into memory that the plan gives for as long as the op
lasts.

An op has a *way* of this kind if a function says so (`way_of`), which looks at shapes alone; the plan of a launch is
the catalogue's own. All else stays with the recipes of `threads`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import prod
from types import SimpleNamespace
from typing import Any

import numpy as np

from teachgrad.errors import ShapeError
from teachgrad.executors.c.views import Views
from teachgrad.op import Op, Shape, Spec, Vertex

from ..kernels import Kernel as KernelOfCatalogue
from ..kernels import Plan, catalogue
from ..kernels.kernel import GRID
from .gemm import Gemm
from .threads import Counts, Kernel, Threads, Work

ALIGNMENT = 16
"""Kernels of the catalogue read up to so many bytes at a time, so arrays begin at multiples of it."""


def is_straight(x: Vertex, views: Views) -> bool:
    """Whether the elements of a value lie in C order, and begin where kernels of all kinds may take them from."""
    return views.dense(x) and views.of(x).offset * x.dtype.itemsize % ALIGNMENT == 0


@dataclass(frozen=True)
class Operand:
    """Elements of a value that lie side by side, seen in a shape: what the catalogue needs to know of an array."""

    vertex: Vertex
    """The value in whose memory they lie."""
    shape: Shape
    offset: int = 0
    """The number of the first of them."""

    flags = SimpleNamespace(c_contiguous=True)

    @property
    def data(self) -> Any:
        """Where they begin, as CuPy says it: values lie at multiples of `ALIGNMENT`."""
        return SimpleNamespace(ptr=self.offset * self.itemsize)

    @property
    def dtype(self) -> np.dtype[Any]:
        return self.vertex.dtype

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def size(self) -> int:
        return prod(self.shape)

    @property
    def itemsize(self) -> int:
        return self.dtype.itemsize

    @property
    def nbytes(self) -> int:
        return self.size * self.itemsize

    def seen(self, *shape: int) -> Operand:
        """The same elements in another shape."""
        return replace(self, shape=shape)


@dataclass(frozen=True)
class FromCatalogue:
    """A kernel of the catalogue with its plan and its arguments."""

    kernel: KernelOfCatalogue
    plan: Plan
    options: tuple[str, ...]
    arguments: tuple[Operand | np.generic, ...]

    @classmethod
    def of(cls, name: str, *operands: Operand, **settings: Any) -> FromCatalogue:
        """A launch for these arrays.

        Raises:
            ShapeError: where the kernel does not fit them.
        """
        kernel = catalogue[name]
        kernel.check(operands)
        plan = kernel.plan(*operands, **settings)
        if not all(0 < n <= most for n, most in zip(plan.grid, GRID, strict=False)):
            raise ShapeError(f"{name}: there is no grid of {plan.grid} blocks")
        return cls(kernel, plan, kernel.options(operands, plan), kernel.arguments(operands, plan))

    @property
    def counts(self) -> Counts:
        """Bytes of the arrays that it reads and of those that it writes, and its operations."""
        read = written = 0
        arrays = [x for x in self.arguments if isinstance(x, Operand)]
        for p, x in zip(self.kernel.pointers, arrays, strict=True):
            read, written = (read + x.nbytes, written) if p.const else (read, written + x.nbytes)
        return read, written, self.plan.flops


@dataclass(frozen=True)
class ByLibrary:
    """A product of matrices that cuBLAS makes."""

    gemm: Gemm
    factors: tuple[Operand, Operand]
    result: Operand
    read: int
    """Bytes of the factors."""

    @property
    def counts(self) -> Counts:
        """Bytes read and written, and operations."""
        g = self.gemm
        return self.read, self.result.nbytes, 2 * g.m * g.n * g.k * g.count * len(g.starts)


class Way:
    """What computes an op, as it is put together: kernels of the catalogue, products of a library, and kernels that
    are written here, one after the other."""

    def __init__(self, work: Work, by_library: bool) -> None:
        self.work, self.by_library = work, by_library
        """Whether a library makes products of matrices."""
        self.parts: list[Threads | FromCatalogue | ByLibrary] = []
        self.workspaces: list[Vertex] = []
        """Memory that it needs while it lasts."""
        self.operations: dict[str, int] = {}
        """The operations of the kernels that are written here, by the ends of their names."""

    def workspace(self, *shape: int) -> Operand:
        """Memory for numbers of the type of the op."""
        made = Vertex(Spec(shape, self.work.inputs[self.work.names[0]].dtype))
        self.workspaces.append(made)
        return Operand(made, shape)

    def result(self, name: str, *shape: int) -> Operand:
        """Where a result goes, seen in a shape; if nobody wants it, it has to go somewhere, too."""
        wanted = self.work.results.get(name)
        return self.workspace(*shape) if wanted is None else Operand(wanted, shape)

    def rows(self, name: str, order: Sequence[int] | None = None) -> Operand:
        """An input, row by row: where it is if it lies so, else a copy. `order` is one of its axes, if not its own."""
        x, views = self.work.inputs[name], self.work.views
        if order is None and is_straight(x, views):
            access = views.of(x)
            return Operand(access.base, x.shape, access.offset)
        order = range(x.ndim) if order is None else order
        copy = self.workspace(*(x.shape[axis] for axis in order))
        k = self.threads(f"_{name}_in_rows", 0, **{f"{name}_rows": copy})
        axes = [f"i{axis}" for axis in range(x.ndim)]
        ordered = [axes[axis] for axis in order]
        k.spread(ordered, copy.shape)
        k.put(k.store(k.element, k.load(name, *axes), f"{name}_rows"))
        return copy

    def threads(self, suffix: str, operations: int, **others: Operand) -> Threads:
        """One more kernel that is written here, which begins empty, and the arrays that it needs besides those of the
        op."""
        self.work.results |= {name: operand.vertex for name, operand in others.items()}
        self.operations[suffix] = operations
        self.parts.append(k := self.work.threads(suffix))
        k.used |= {name: operand.vertex for name, operand in others.items()}
        return k

    def written(self, k: Threads) -> Kernel:
        """A kernel that is written here, once its name is known."""
        arrays = [name for name in k.used if name not in k.stored], k.stored
        read, written = (sum(k.used[name]._data.nbytes for name in names) for names in arrays)
        return replace(k.kernel(), counts=(read, written, self.operations[k.suffix]))

    def launch(self, name: str, *operands: Operand, **settings: Any) -> None:
        """One more kernel of the catalogue."""
        self.parts.append(FromCatalogue.of(name, *operands, **settings))


WAYS: dict[Op, list[Callable[[Way], bool]]] = {}
"""What says how an op is computed so, the best first; False if something else is better, or none of this fits."""


def way_of(op: Op) -> Callable[[Callable[[Way], bool]], Callable[[Way], bool]]:
    """Let a function say how an op is computed."""
    def note(write: Callable[[Way], bool]) -> Callable[[Way], bool]:
        WAYS.setdefault(op, []).append(write)
        return write

    return note


def find_way(v: Vertex, results: dict[str, Vertex], names: Sequence[str], views: Views, comment: str,
             by_library: bool) -> Way | None:
    """The way of a vertex, if it has one as it is. The name of its kernels is not yet known."""
    assert v.op is not None
    called = (*names, *(f"x{k}" for k in range(len(v.inputs))))[:len(v.inputs)]
    for write in WAYS[v.op]:
        way = Way(Work(v, views, "", comment, dict(results), called), by_library)
        try:
            if write(way):
                return way
        except ShapeError:  # a kernel of the catalogue is not for these arrays
            pass
    return None
