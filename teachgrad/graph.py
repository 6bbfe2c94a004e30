"""A static graph: what a function does, as data.

The vertices are those of dynamic mode, with a `Spec` where the value will be. A graph has inputs (the arguments of
a call), cells (tensors that outlive the call: parameters, running statistics, the learning rate, the state of the
random numbers), outputs, and updates (which cell or input is overwritten with what at the end). It is never changed:
a pass makes a new one, so every earlier moment can still be looked at.
"""

from __future__ import annotations

import keyword
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .displays import Displayed
from .errors import Where, locate
from .op import Spec, Vertex


@dataclass(frozen=True)
class Segment:
    """A part of a graph of which only some values are kept for the gradient; recorded vertices, by id."""

    members: frozenset[int]
    kept: frozenset[int]


@dataclass(frozen=True, eq=False)
class Graph(Displayed):
    """A function as vertices.

    `order` is an order in which they can be computed, inputs, cells and constants left out. `updates` pairs a leaf
    with the vertex whose value it takes when the call has succeeded. `origin` maps the id of a vertex to that of the
    recorded one it descends from, `scopes` an origin to the path of the module that ran it. `strides` has those of the
    leaves that do not lie in C order. Outputs of one number in `families` may share memory, as a tensor and a view of
    it do; without it each has its own. `segments` are what `tg.checkpoint` ran, inner ones first.
    """

    displayed_as = "graph"

    name: str
    inputs: tuple[Vertex, ...]
    cells: tuple[Vertex, ...]
    outputs: tuple[Vertex, ...]
    updates: tuple[tuple[Vertex, Vertex], ...]
    order: tuple[Vertex, ...]
    origin: Mapping[int, int] = field(default_factory=dict)
    scopes: Mapping[int, str] = field(default_factory=dict)
    strides: Mapping[int, tuple[int, ...]] = field(default_factory=dict)
    families: tuple[int, ...] = ()
    segments: tuple[Segment, ...] = ()

    @property
    def results(self) -> tuple[Vertex, ...]:
        """Everything that must be there at the end: outputs, then new values of updated leaves."""
        return self.outputs + tuple(new for _, new in self.updates)

    @property
    def leaves(self) -> tuple[Vertex, ...]:
        """Inputs and cells."""
        return self.inputs + self.cells

    def source(self, v: Vertex) -> int:
        """The id of the recorded vertex that `v` descends from."""
        return self.origin.get(v.id, v.id)

    def where(self, v: Vertex) -> Where | None:
        """The user's line that made `v`."""
        return locate(v.site)

    def __str__(self) -> str:
        return text(self)


def live(graph: Graph) -> list[Vertex]:
    """The vertices that the results depend on, in order, and those that may raise or do something besides computing:
    plain Python would run them."""
    wanted = {v.id for v in graph.results}
    order = []
    for v in reversed(graph.order):
        assert v.op is not None
        if v.id in wanted or v.op.may_fail or not v.op.pure:
            wanted.update(x.id for x in v.inputs)
            order.append(v)
    return order[::-1]


def copied(v: Vertex, inputs: tuple[Vertex, ...]) -> Vertex:
    """A vertex like `v` on other inputs."""
    w = v.result_type(v._data)
    w.op, w.inputs, w.attrs, w.site, w.name, w.requires_grad = v.op, inputs, v.attrs, v.site, v.name, v.requires_grad
    return w


def constant(value: Any, like: Vertex) -> Vertex:
    """A leaf that holds an array: its value is part of the graph."""
    w = like.result_type(np.asarray(value))
    w.site = like.site
    return w


def is_constant(v: Vertex) -> bool:
    """Whether the value of `v` is part of the graph."""
    return v.op is None and isinstance(v._data, np.ndarray)


def names(graph: Graph) -> dict[int, str]:
    """A short readable name for every vertex: its own, or the op's with a number."""
    taken: set[str] = {"np", "asarray", "copyto", "own", "writable", "run", *keyword.kwlist}
    numbers: dict[str, int] = {}
    """The last number that each wish was given: a search from 1 would cost the square of a deep graph's length."""
    result: dict[int, str] = {}

    def give(v: Vertex, wish: str) -> None:
        base = "".join(c if c.isascii() and c.isalnum() else "_" for c in wish).strip("_") or "v"
        if base[0].isdigit():
            base = "v" + base
        number = numbers.get(base, 1)
        name = base if number == 1 else f"{base}_{number}"
        while name in taken:
            number += 1
            name = f"{base}_{number}"
        taken.add(name)
        numbers[base] = number
        result[v.id] = name

    for number, v in enumerate(graph.inputs):
        give(v, v.name or f"input{number}")
    for v in graph.cells:
        give(v, v.name or "cell")
    for v in graph.order:
        for x in v.inputs:
            if is_constant(x) and x.id not in result:
                give(x, x.name or "c")
        give(v, v.name or str(v.op))
    return result


def describe(spec: Any) -> str:
    """`float32[2, 3]`, and tuples of such."""
    if type(spec) is tuple:
        return "(" + ", ".join(describe(s) for s in spec) + ")"
    return f"{spec.dtype}{list(spec.shape)}"


def bodies(setting: Any) -> tuple[Graph, ...]:
    """The graphs in a setting of a vertex: loops and branches have such."""
    settings = setting if type(setting) is tuple else (setting,)
    found = [getattr(value, "graph", None) for value in settings]
    return tuple([graph for graph in found if isinstance(graph, Graph)])


def text(graph: Graph) -> str:
    """The graph as lines that read like a program; the bodies of loops and branches stand indented below them."""
    label = names(graph)

    def show(v: Vertex) -> str:
        if is_constant(v) and v._data.size == 1:
            return repr(v._data.item())
        return label.get(v.id, "constant")

    lines = [f"{graph.name}({', '.join(f'{label[v.id]}: {describe(v._data)}' for v in graph.inputs)})"]
    lines += [f"  cell {label[v.id]}: {describe(v._data)}" for v in graph.cells]
    for v in graph.order:
        settings = "".join(f", {key}={value!r}" for key, value in v.attrs.items() if not bodies(value))
        where = graph.where(v)
        line = f"  {label[v.id]}: {describe(v._data)} = {v.op}({', '.join(show(x) for x in v.inputs)}{settings})"
        lines.append(f"{line:<90}  # {where}" if where else line)
        for key, value in v.attrs.items():
            for body in bodies(value):
                lines += [f"    {key}: {text(body)}".replace("\n", "\n    ")]
    lines += [f"  {label[leaf.id]} <- {show(new)}" for leaf, new in graph.updates]
    lines.append(f"  return {', '.join(show(v) for v in graph.outputs)}")
    return "\n".join(lines)


def specs(vertices: Iterable[Vertex]) -> list[Any]:
    """What is known of the values of vertices: for constants, the spec of the array."""
    return [x._data if not isinstance(x._data, np.ndarray) else Spec(x._data.shape, x._data.dtype) for x in vertices]


__all__ = ["Graph", "Segment", "constant", "copied", "describe", "is_constant", "live", "names", "specs", "text"]
