"""Who needs whom: counting readers, so that it is known what dies when a vertex is replaced, and what that saves."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..graph import Graph
from ..op import Op, Vertex


@dataclass(frozen=True, slots=True)
class Change:
    """What a rewrite changes: after minus before. Views are vertices, but no kernels: they move nothing."""

    vertices: int = 0
    kernels: int = 0
    bytes: int = 0
    """Bytes read and written."""

    def __str__(self) -> str:
        return f"vertices {self.vertices:+d}, kernels {self.kernels:+d}, bytes {self.bytes:+d}"


def is_kernel(v: Vertex) -> bool:
    """Whether computing a vertex moves any data."""
    return v.op is not None and not v.op.view


def size_of(data: Any) -> int:
    """The bytes of a value or a tuple of values."""
    return sum(map(size_of, data)) if type(data) is tuple else data.nbytes


def traffic(v: Vertex) -> int:
    """The bytes that computing a vertex reads and writes."""
    return size_of(v._data) + sum(size_of(x._data) for x in v.inputs) if is_kernel(v) else 0


def stays(v: Vertex) -> bool:
    """Whether a vertex is computed even where nobody reads it, since it may fail or do something besides."""
    assert v.op is not None
    return v.op.may_fail or not v.op.pure


class References:
    """The number of readers of each vertex of a graph that is being rewritten; results count as read."""

    def __init__(self, graph: Graph) -> None:
        self.readers: Counter[int] = Counter(x.id for v in graph.order for x in v.inputs)
        self.readers.update(v.id for v in graph.results)

    def replaced_inputs(self, old: Vertex, new: Vertex) -> None:
        """A copy on other inputs takes the place of a vertex. Its inputs have been moved with theirs already."""
        self.readers[new.id] = self.readers[old.id]

    def dead(self, before: Vertex, after: Vertex, fresh: Sequence[Vertex], covers: Sequence[Op] = ()) -> list[Vertex]:
        """What nobody needs any more once `after`, with what it newly needs, stands for `before`."""
        more: Counter[int] = Counter(x.id for v in fresh for x in v.inputs)
        more[after.id] += 1
        gone, less, stack = [], Counter[int](), [before]
        while stack:
            v = stack.pop()
            gone.append(v)
            for x in v.inputs:
                less[x.id] += 1
                if x.op is not None and self.readers[x.id] + more[x.id] == less[x.id] \
                        and (not stays(x) or x.op in covers):
                    stack.append(x)
        return gone

    def replace(self, before: Vertex, after: Vertex, fresh: Sequence[Vertex], dead: Sequence[Vertex]) -> None:
        """Count anew: the readers of `before` now read `after`."""
        for v in fresh:
            self.readers.update(x.id for x in v.inputs)
        self.readers[after.id] += self.readers[before.id]
        for v in dead:
            self.readers.subtract(x.id for x in v.inputs)
            self.readers[v.id] = 0


def change(fresh: Sequence[Vertex], dead: Sequence[Vertex]) -> Change:
    """The difference that some vertices more and some fewer make."""
    return Change(len(fresh) - len(dead), sum(map(is_kernel, fresh)) - sum(map(is_kernel, dead)),
                  sum(map(traffic, fresh)) - sum(map(traffic, dead)))
