"""Versions: a recorded run in which nothing is overwritten.

A tensor that was overwritten became a younger vertex and left its old self in `past`. An edge means the tensor as it
was when its reader was made. Here every version becomes a vertex of its own and every edge a plain one, so that passes
need not know of overwriting.
"""

from __future__ import annotations

from collections.abc import Sequence

from .op import Vertex


def root_of(v: Vertex) -> Vertex:
    """The vertex in whose memory `v` lies."""
    while v.op is not None and v.inputs and (v.op.view or type(v.inputs[0]._data) is tuple):
        v = v.inputs[0]
    return v


def computed(recorded: Sequence[Vertex], results: Sequence[Vertex]) -> list[Vertex]:
    """All vertices with an op, in the order of their ids: those recorded, and younger selves of overwritten ones."""
    found: dict[int, Vertex] = {}
    stack = [*recorded, *results]
    while stack:
        v = stack.pop()
        if v.id in found:
            continue
        found[v.id] = v
        if v.past is not None:
            stack.append(v.past)
        stack += v.inputs
    return [found[i] for i in sorted(found)]


class Versions:
    """The versions of some vertices, in the order of their ids; called with a vertex, the version that it is now.

    Vertices without an op are the leaves.
    """

    def __init__(self, vertices: Sequence[Vertex]) -> None:
        self.recorded = vertices
        self.new: dict[int, Vertex] = {}
        self.origin: dict[int, int] = {}
        self.leaves: list[Vertex] = []
        order: list[Vertex] = []
        for v in vertices:
            if v.op is None:
                self.new[v.id] = v
                self.leaves.append(v)
                continue
            inputs = tuple([self.new[as_of(x, v.id).id] for x in v.inputs])
            w = v
            if v.past is not None or any(a is not b for a, b in zip(inputs, v.inputs, strict=True)):
                w = v.result_type(v._data)
                w.op, w.inputs, w.attrs, w.site, w.name = v.op, inputs, v.attrs, v.site, v.name
                w.requires_grad = v.requires_grad
                self.origin[w.id] = v.id
            self.new[v.id] = w
            order.append(w)
        self.order = tuple(order)

    def __call__(self, v: Vertex) -> Vertex:
        return self.new[v.id]


def as_of(x: Vertex, reader: int) -> Vertex:
    """`x` as the vertex with id `reader` saw it."""
    while x.id >= reader:
        assert x.past is not None
        x = x.past
    return x


__all__ = ["Versions", "as_of", "computed", "root_of"]
