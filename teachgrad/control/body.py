"""Bodies: the graphs inside the vertex of a loop or a branch, and how they run.

A body has inputs and outputs only. It runs once a step, on whatever arrays the step has, in the layout they have: op
after op, each into memory of its own, as in dynamic mode.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from ..graph import Graph, is_constant, live
from ..interpreter import interpret
from ..op import Array, Op, Vertex
from ..tracer import spec

Calls = list[tuple[Callable[..., Any], tuple[int, ...], int, bool]]


class Body:
    """A graph that the vertex of a loop or a branch holds. Called with the arrays of its inputs: those of its outputs.

    `freed` has the ids of vertices where a backward pass inside the body has been.
    """

    def __init__(self, graph: Graph, freed: frozenset[int] = frozenset(), is_gradient: bool = False) -> None:
        self.graph, self.freed, self.is_gradient = graph, freed, is_gradient
        self.calls: Calls | None = None

    def __repr__(self) -> str:
        return f"{self.graph.name}: {len(self.graph.order)} ops"

    def with_(self, inputs: Sequence[Vertex], outputs: Sequence[Vertex]) -> Body:
        """The same ops, with the inputs and outputs in another order, or others."""
        return Body(replace(self.graph, inputs=tuple(inputs), outputs=tuple(outputs)), self.freed, self.is_gradient)

    def handing_on(self, carries: int, outputs: Sequence[int]) -> Graph:
        """The graph with the outputs of these numbers, which overwrites its first inputs with its first outputs."""
        graph = self.graph
        handed = zip(graph.inputs[:carries], graph.outputs[:carries], strict=True)
        return replace(graph, outputs=tuple([graph.outputs[k] for k in outputs]),
                       updates=tuple([(leaf, new) for leaf, new in handed if leaf is not new]))

    def __call__(self, arrays: Sequence[Array]) -> list[Any]:
        if self.calls is None:
            self.prepare()
        assert self.calls is not None
        values = [*arrays, *self.constants]
        values += [None] * len(self.calls)
        for function, sources, target, strided in self.calls:
            result = function(*[values[k] for k in sources])
            if type(result) is not tuple:
                if type(result) is not np.ndarray:
                    result = np.asarray(result)
                elif strided and not result.flags.c_contiguous:
                    result = result.copy()
            values[target] = result
        return [values[k] for k in self.outputs]

    def prepare(self) -> None:
        """Number all values and list the calls that compute what is needed."""
        graph = self.graph
        order = live(graph)
        constants = {x.id: x for v in (*order, *graph.outputs) for x in (v, *v.inputs) if is_constant(x)}
        places = {v.id: k for k, v in enumerate([*graph.inputs, *constants.values(), *order])}
        self.constants = [x._data for x in constants.values()]
        self.outputs = [places[v.id] for v in graph.outputs]
        calls: Calls = []
        for v in order:
            assert v.op is not None
            function = v.op.kernel if v.op.kernel is not None else partial(v.op.forward, np, **v.attrs)
            calls.append((function, tuple([places[x.id] for x in v.inputs]), places[v.id], not v.op.view))
        self.calls = calls  # at the end: another thread may look


class Control(Op):
    """An op with bodies: a loop or a branch."""

    pure = False
    may_fail = True
    gathers = True

    def unrolled(self, *inputs: Array, **attrs: Any) -> Iterator[tuple[Body, Mapping[int, Any]]]:
        """The bodies in the order in which they run on these arrays, each with all its values by id."""
        raise NotImplementedError


def flops_in(body: Body) -> int:
    """How many arithmetic operations a run of a body takes."""
    return sum(v.op.flops(spec(v), *map(spec, v.inputs), **v.attrs) for v in live(body.graph) if v.op is not None)


def values_in(body: Body, arrays: Sequence[Array]) -> dict[int, Any]:
    """All values of a body, by id."""
    graph = body.graph
    return interpret(graph, dict(zip([v.id for v in graph.inputs], arrays, strict=True)))


def own(array: Array) -> Array:
    """A copy in C order."""
    return np.array(array, order="C")


__all__ = ["Body", "Control", "flops_in", "own", "values_in"]
