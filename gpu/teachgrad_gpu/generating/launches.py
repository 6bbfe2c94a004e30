"""What a call does: launches of kernels, calls of the array library, and loops, with the ids of what they take."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from teachgrad.op import Vertex

from ..kernels.kernel import source_of
from .gemm import Gemm
from .threads import Counts

if TYPE_CHECKING:
    from .control import Loop


@dataclass(frozen=True)
class At:
    """An array among the arguments of a launch: that of a value, or so many elements of it, from the first on."""

    id: int
    first: int = 0
    size: int | None = None


@dataclass(frozen=True)
class Source:
    """A file of the catalogue, and the options with which it is compiled."""

    family: str
    options: tuple[str, ...]

    @property
    def text(self) -> str:
        return source_of(self.family)


@dataclass(frozen=True)
class Launch:
    """A kernel, and what it is launched with."""

    name: str
    grid: tuple[int, ...]
    block: tuple[int, ...]
    arguments: tuple[At | np.generic, ...]
    group: int
    """The position of the group of ops that it computes."""
    product: Gemm | None = None
    """The product of matrices that it is, if a library makes it."""
    source: Source | None = None
    """Where the kernel comes from, if it is not written here."""
    shared: int = 0
    """Bytes of dynamic shared memory."""
    counts: Counts | None = None
    """What it does, if that is only a part of what the group does."""


@dataclass
class Step:
    """Launches one after the other, or else a single call of the array library, or a loop."""

    launches: list[Launch] = field(default_factory=list)
    call: Vertex | None = None
    """What the array library computes, because there is no kernel for it."""
    loop: Loop | None = None
    """A loop or a branch, whose bodies have steps of their own."""


def has_elements(v: Vertex) -> bool:
    """Whether something is computed of elements; taking a result out of several computes nothing."""
    specs = v._data if type(v._data) is tuple else (v._data,)
    return any(spec.size for spec in specs) and any(type(x._data) is not tuple and x.size for x in v.inputs)


def told_launch(launch: Launch) -> str:
    """A launch as CUDA C writes it."""
    grid, block = (str(x[0]) if len(x) == 1 else f"dim3({', '.join(map(str, x))})" for x in (launch.grid, launch.block))
    return f"{launch.name}<<<{grid}, {block}{f', {launch.shared}' if launch.shared else ''}>>>"
