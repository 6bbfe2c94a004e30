"""Running a part of a graph: any value by its name, with any value fed from outside.

A value is called by the path of the module that computes it and its op, as `encoder/0/tanh` (`encoder/0/tanh_2` for
the second one), outside of modules by the op alone; an input or a parameter by its own name; what the function returns
also `return`, or `return/0`, `return/1` and so on. Only what the wanted values need is run, back to what is fed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from difflib import get_close_matches
from typing import Any

import numpy as np

from .errors import DTypeError, ShapeError, TeachgradError
from .graph import Graph, describe, is_constant
from .interpreter import evaluate
from .op import Vertex


class Names:
    """The values of a graph by name. `inputs` are further names of its inputs."""

    def __init__(self, graph: Graph, inputs: Sequence[str] = ()) -> None:
        self.graph = graph
        self.by_name: dict[str, Vertex] = {}
        counts: dict[str, int] = {}

        def give(v: Vertex, wish: str) -> None:
            count = counts[wish] = counts.get(wish, 0) + 1
            self.by_name.setdefault(wish if count == 1 else f"{wish}_{count}", v)

        for number, v in enumerate(graph.inputs):
            give(v, v.name or (inputs[number] if number < len(inputs) else f"input{number}"))
        for v in graph.cells:
            give(v, v.name or "cell")
        for v in graph.order:
            scope = graph.scopes.get(graph.source(v), "").replace(".", "/")
            give(v, f"{scope}/{v.op}" if scope else str(v.op))
        for v in graph.order:
            if v.name:
                self.by_name.setdefault(v.name, v)
        for number, v in enumerate(graph.outputs):
            self.by_name.setdefault("return" if len(graph.outputs) == 1 else f"return/{number}", v)
        self.of: dict[int, str] = {}
        for name, v in self.by_name.items():
            self.of.setdefault(v.id, name)

    def __getitem__(self, name: str) -> Vertex:
        v = self.by_name.get(name)
        if v is None:
            near = get_close_matches(name, self.by_name, n=3, cutoff=0.0)
            raise TeachgradError(f"{self.graph.name} has no value {name!r}; the closest names are {', '.join(near)}")
        return v


def needed(graph: Graph, wanted: Iterable[Vertex], fed: Iterable[int]) -> list[Vertex]:
    """The vertices that have to be run to know the wanted ones, when those with the ids `fed` are known; in order."""
    known, stack = set(fed), list(wanted)
    found: set[int] = set()
    while stack:
        v = stack.pop()
        if v.id not in known and v.id not in found:
            found.add(v.id)
            stack += v.inputs
    return [v for v in graph.order if v.id in found]


def fetch(names: Names, wanted: Sequence[str], feed: Mapping[str, Any], present: Callable[[Vertex], Any]) -> list[Any]:
    """The arrays of the wanted values, in memory of their own; nothing is written.

    `present` gives the array that a leaf has now, or None for an input, which must be fed where it is needed.
    """
    graph = names.graph
    values = {names[name].id: as_fed(name, value, names[name]) for name, value in feed.items()}
    targets = [names[name] for name in wanted]
    steps = needed(graph, targets, values)
    for v in [*targets, *(x for step in steps for x in step.inputs)]:
        if v.op is None and v.id not in values and not is_constant(v):
            array = present(v)
            if array is None:
                raise TeachgradError(f"{', '.join(wanted)} of {graph.name} needs the input {names.of[v.id]}.\n"
                                     f"Way out: feed={{{names.of[v.id]!r}: ...}}")
            values[v.id] = array
    for v in steps:
        values[v.id] = evaluate(v, values)
    return [np.array(values.get(v.id, v._data)) for v in targets]


def as_fed(name: str, value: Any, v: Vertex) -> Any:
    """A value to feed, as an array of the shape and dtype that stand in the graph."""
    spec = v._data
    if type(spec) is tuple:
        raise TeachgradError(f"{name} has several results; feed those that are taken out of it")
    array = np.asarray(value._data if isinstance(value, Vertex) else value)
    if array.shape != spec.shape:
        raise ShapeError(f"{name} has shape {spec.shape}, what is fed has {array.shape}")
    if array.dtype != spec.dtype:
        if not np.can_cast(array.dtype, spec.dtype, "same_kind"):
            raise DTypeError(f"{name} is {describe(spec)}, what is fed is {array.dtype}")
        array = array.astype(spec.dtype)
    return np.ascontiguousarray(array).reshape(array.shape)


__all__ = ["Names", "fetch", "needed"]
