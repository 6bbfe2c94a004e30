"""Gradients through the call of a static function, from outside it.

A static function may return results that have a history: they depend on its arguments or on parameters, and no
backward pass has been there yet. Seen from outside, the whole call is one op. Its gradient rule runs another static
function, which computes the values again and carries the gradients back.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

from .autodiff import grad
from .errors import InplaceError, user_site
from .graph import Graph
from .op import Op, Overwritten, Vertex, apply, modes, state
from .ops.elementwise import add
from .ops.tuples import item
from .trace import Recording


class StaticCall(Op):
    r"""The results of one call of a static function, as seen from outside it

    The gradient runs another static function: it computes the values again and pulls the gradients back.
    """

    pure = False

    def vjp(self, g: Any, z: Vertex, *inputs: Vertex) -> Any:
        call: Call = z.attrs["call"]
        return call.pull_back(g, inputs)


static_call = StaticCall()


class Call:
    """One call whose results may be differentiated: its graph, the tensors that it reads and, of those that it is about
    to overwrite, the values."""

    def __init__(self, recording: Recording, leaves: Sequence[Any], backward: Callable[..., Any]) -> None:
        self.graph, self.backward = recording.graph, backward
        graph = recording.graph
        self.tensors = [recording.sources[leaf.id].find(leaves) for leaf in graph.leaves]
        written = {leaf.id for leaf, _ in graph.updates}
        self.before = {k: self.tensors[k]._data.copy() for k, leaf in enumerate(graph.leaves) if leaf.id in written}
        """Copies of what is overwritten, by the number of the leaf."""

    @property
    def matters(self) -> bool:
        """Whether there is anything to differentiate for."""
        return any(t.requires_grad for t in self.tensors)

    def results(self, arrays: Sequence[Any], tracked: Sequence[bool]) -> list[Any]:
        """The outputs as tensors, the tracked ones with a history: this call."""
        cls = self.tensors[0].result_type
        whole = cls(tuple(arrays))
        whole.op, whole.inputs, whole.attrs = static_call, tuple(self.tensors), {"call": self}
        whole.requires_grad, whole.site = True, user_site()
        return [item(whole, k) if tracks else cls(array)
                for k, (array, tracks) in enumerate(zip(arrays, tracked, strict=True))]

    def pull_back(self, gradients: Sequence[Any], inputs: Sequence[Vertex]) -> list[Any]:
        """The gradients of the leaves from those of the outputs."""
        used = [k for k, g in enumerate(gradients) if g is not None]
        wanted = [k for k, x in enumerate(inputs) if x.requires_grad]
        if state.now.grad and any(k in self.before for k in wanted):
            raise InplaceError(f"{self.graph.name} has overwritten a tensor that its result depends on, so the "
                               f"gradient of "
                               "that result cannot be differentiated again.\nWay out: compute the gradient inside the "
                               "static function.")
        answers = self.backward(used, wanted, [self.present(k, x) for k, x in enumerate(inputs)],
                                [gradients[k] for k in used])
        full: list[Any] = [None] * len(inputs)
        for k, answer in zip(wanted, answers, strict=True):
            full[k] = answer
        return full

    def present(self, k: int, x: Vertex) -> Vertex:
        """Leaf number k with the value that it had in the call."""
        if k in self.before:
            return x.result_type(self.before[k], x.requires_grad)
        if type(x) is Overwritten:
            x._data  # noqa: B018  (raises the error that explains)
        return x


def pulling_back(recording: Recording) -> Callable[..., Any]:
    """A function that runs the ops of a graph on tensors, then carries gradients of outputs back to some leaves."""
    return functools.partial(replay_and_pull_back, recording.graph, recording.renewals)


def replay_and_pull_back(graph: Graph, renewals: dict[int, int], used: list[int], wanted: list[int],
                         leaves: list[Vertex], gradients: list[Vertex]) -> list[Any]:
    """Run the ops of a graph on tensors, then carry gradients of some outputs back to some leaves.

    A leaf that was overwritten on the way is the same leaf as before: its gradient is the sum of those of its versions.
    """
    numbers = {leaf.id: number for number, leaf in enumerate(graph.leaves)}
    values: dict[int, Any] = {leaf.id: x for leaf, x in zip(graph.leaves, leaves, strict=True)}
    versions: dict[int, list[Any]] = {number: [leaves[number]] for number in wanted}
    for v in graph.order:
        assert v.op is not None
        with modes(grad=v.requires_grad):
            values[v.id] = apply(v.op, tuple([values.get(x.id, x) for x in v.inputs]), v.attrs)
        if v.id in renewals and numbers[renewals[v.id]] in versions:
            values[v.id].requires_grad = True
            versions[numbers[renewals[v.id]]].append(values[v.id])
    targets = [x for number in wanted for x in versions[number]]
    with modes(grad=True):
        found = iter(grad([values[graph.outputs[k].id] for k in used], targets, gradients, create_graph=True,
                          allow_unused=True))
        return [total([next(found) for _ in versions[number]]) for number in wanted]


def total(gradients: Sequence[Any]) -> Any:
    """The sum of those gradients that there are."""
    there = [g for g in gradients if g is not None]
    return functools.reduce(add, there) if there else None
