"""Pulling gradients back through a body: a body makes another one, its gradient.

The body is replayed as a graph, and `pull_back` walks it as it walks any graph. What the gradient needs of the values
of the body is found by looking: views are taken again, all else has to be kept by the body as a further output.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from ..autodiff import pull_back
from ..graph import Graph, copied, is_constant
from ..op import Vertex, apply, modes, state
from ..ops.steps import boundary
from ..ops.tuples import Item
from ..tensor import Tensor
from ..tracer import Tracer, spec
from .body import Body


class Replay(Tracer):
    """Makes the vertices of a graph anew, with other inputs."""

    def resolve(self, x: Any) -> Any:
        return x


def leaf_like(v: Vertex, requires_grad: bool) -> Any:
    """An input with the shape and dtype of `v`."""
    data = spec(v)
    return Tensor(data, requires_grad and data.dtype.kind == "f", v.name)


def replay(graph: Graph, inputs: Sequence[Any]) -> dict[int, Any]:
    """Run the ops of a graph on tensors; all values by the ids of its vertices."""
    values: dict[int, Any] = {v.id: x for v, x in zip(graph.inputs, inputs, strict=True)}
    grad = state.now.grad
    for v in graph.order:
        assert v.op is not None
        with modes(grad=grad and v.requires_grad):
            z = values[v.id] = apply(v.op, tuple([values.get(x.id, x) for x in v.inputs]), v.attrs)
        z.site, z.name, z.hooks = v.site, v.name, v.hooks
    return values


@dataclass(frozen=True)
class Pulled:
    """The gradient of a body, as a graph whose inputs and outputs have yet to be put in order."""

    name: str
    order: tuple[Vertex, ...]
    seeds: dict[int, Vertex]
    """The gradients that come in, by the number of the output of the body."""
    totals: dict[int, Vertex]
    """The gradients that inputs of the body have already, by their number."""
    saved: dict[int, Vertex]
    """The values of the body that are needed, by the number of the output that has them."""
    given: dict[int, Vertex]
    """The inputs of the body that are needed, by their number."""
    answers: dict[int, Vertex]
    """The gradients of inputs of the body after it, by their number."""

    def body(self, inputs: Sequence[Vertex], outputs: Sequence[Vertex]) -> Body:
        """The gradient as a body."""
        return Body(Graph(self.name, tuple(inputs), (), tuple(outputs), (), self.order), is_gradient=True)


def pull(body: Body, seeds: Sequence[int], wanted: Sequence[int], totals: Collection[int], given: Collection[int],
         first: int, recompute: bool = False) -> tuple[Body, Pulled]:
    """The gradient of a body, and the body with further outputs that the gradient needs.

    Args:
        seeds: the outputs whose gradients come in, in the order in which they do.
        wanted: the inputs whose gradients are asked for.
        totals: those of them that have a gradient already, to which is added.
        given: the inputs whose values will be there; others are kept if they are needed.
        first: the number of the first output that is kept for every step.
        recompute: keep inputs alone, and compute everything else again.
    """
    graph, create_graph = body.graph, state.now.grad
    tracer = Replay(graph.name)
    with modes(tracer=tracer, grad=True):
        leaves = [leaf_like(v, v.requires_grad) for v in graph.inputs]
        values = replay(graph, leaves)
        tracer.freed = {values[number].id for number in body.freed}
        forward = list(tracer.recorded)
        outputs = [values.get(v.id, v) for v in graph.outputs]
        incoming = {k: leaf_like(outputs[k], create_graph) for k in seeds}
        before = {k: leaf_like(leaves[k], create_graph) for k in totals}
        found = pull_back([outputs[k] for k in seeds], [incoming[k] for k in seeds], [leaves[k] for k in wanted],
                          create_graph, True, {leaves[k].id: g for k, g in before.items()}) if seeds else {
                              leaves[k].id: g for k, g in before.items()}
    backward = tracer.recorded[len(forward):]
    computed = {v.id for v in forward}
    taken = [v for v in backward if isinstance(v.op, Item) and v.inputs[0].id in computed]  # of a tuple of the body
    forward += taken
    late = {v.id for v in taken}
    backward = [v for v in backward if v.id not in late]
    answers = {k: found[leaves[k].id] for k in wanted if leaves[k].id in found}
    need = Needs(leaves, forward, outputs, first, given, recompute, create_graph)
    for v in backward:
        for x in v.inputs:
            need.value(x)
    for v in answers.values():
        need.value(v)
    new: dict[int, Vertex] = dict(need.replaced)
    order = []
    for v in [*(v for v in forward if v.id in need.again), *backward]:
        inputs = tuple([new.get(x.id, x) for x in v.inputs])
        w = copied(v, inputs) if any(a is not b for a, b in zip(inputs, v.inputs, strict=True)) else v
        new[v.id] = w
        order.append(w)
    origin = {values[v.id].id: graph.source(v) for v in graph.order}
    extended = Body(Graph(graph.name, tuple(leaves), (), tuple(need.outputs), (), tuple(forward), origin),
                    frozenset(tracer.freed), body.is_gradient)
    return extended, Pulled(f"gradient of {graph.name}", tuple(order), incoming, before, need.saved, need.given,
                            {k: new.get(v.id, v) for k, v in answers.items()})


class Needs:
    """Collects what a gradient needs of the values of a body, and decides how it gets each."""

    def __init__(self, leaves: Sequence[Vertex], forward: Sequence[Vertex], outputs: Sequence[Vertex], first: int,
                 given: Collection[int], recompute: bool, create_graph: bool) -> None:
        self.number = {v.id: k for k, v in enumerate(leaves)}
        self.computed = {v.id for v in forward}
        self.outputs, self.first = list(outputs), first
        self.available, self.recompute, self.create_graph = given, recompute, create_graph
        self.again: set[int] = set()
        """What is computed again, by id."""
        self.given: dict[int, Vertex] = {}
        self.saved: dict[int, Vertex] = {}
        self.replaced: dict[int, Vertex] = {}
        """What stands for a value of the body in its gradient, by id."""

    def value(self, x: Vertex) -> None:
        """The value of `x` is needed."""
        stack = [x]
        while stack:
            v = stack.pop()
            if v.id in self.again or v.id in self.replaced or is_constant(v):
                continue
            if v.id in self.number:
                if self.number[v.id] in self.available:
                    self.replaced[v.id] = self.given[self.number[v.id]] = leaf_like(
                        v, v.requires_grad and self.create_graph)
                else:
                    self.save(v)
            elif v.id in self.computed:
                if self.recompute or self.is_cheap(v):
                    self.again.add(v.id)
                    stack += v.inputs
                else:
                    self.save(v)

    def is_cheap(self, v: Vertex) -> bool:
        """Whether a value is a view, or a copy of what is there anyway; and no gradient has to come to it."""
        assert v.op is not None
        if self.create_graph:
            return False
        return v.op.view or (v.op is boundary and self.number.get(v.inputs[0].id, -1) in self.available)

    def save(self, v: Vertex) -> None:
        """Have the body keep a value."""
        k = next((k for k, w in enumerate(self.outputs) if k >= self.first and w is v), len(self.outputs))
        if k == len(self.outputs):
            self.outputs.append(v)
        self.replaced[v.id] = self.saved[k] = leaf_like(v, v.requires_grad and self.create_graph)


__all__ = ["Pulled", "leaf_like", "pull", "replay"]
