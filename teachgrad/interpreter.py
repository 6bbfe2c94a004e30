"""The slow executor that cannot be wrong: one op after the other, each into memory of its own.

It is the living specification of what a graph means; folding, verification of rewrites and the "check" mode use it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from . import observe
from .graph import Graph, is_constant
from .op import Vertex


def evaluate(v: Vertex, values: Mapping[int, Any]) -> Any:
    """The value of one vertex, given those of its inputs by id."""
    assert v.op is not None
    arrays = [values.get(x.id, x._data) for x in v.inputs]
    result = v.op.forward(np, *arrays, **v.attrs)
    if type(result) is tuple:
        return result
    array = np.asarray(result)
    return array if v.op.view or array.flags.c_contiguous else array.copy()


def interpret(graph: Graph, leaves: Mapping[int, Any]) -> dict[int, Any]:
    """The values of all vertices, by id, given those of inputs and cells."""
    values = dict(leaves)
    for v in graph.order:
        values[v.id] = evaluate(v, values)
    for v in graph.results:
        if is_constant(v):
            values[v.id] = v._data
    return values


def watched_run(graph: Graph, arrays: Sequence[Any]) -> list[Any]:
    """Run a graph on the arrays of its leaves and tell the watcher, with the ids of the graph's own vertices."""
    sink = observe.sink
    assert sink is not None
    leaves = dict(zip([v.id for v in graph.leaves], arrays, strict=True))
    cells = {v.id for v in graph.cells}
    for v in graph.leaves:
        sink(observe.Leaf(v.id, v.name, leaves[v.id], v.requires_grad, v.id in cells and v.requires_grad))
    values = dict(leaves)
    for v in graph.order:
        assert v.op is not None
        for x in v.inputs:
            if is_constant(x) and x.id not in values:
                values[x.id] = x._data
                sink(observe.Leaf(x.id, x.name, x._data, False, False))
        values[v.id] = evaluate(v, values)
        if type(values[v.id]) is not tuple:
            scope = graph.scopes.get(graph.source(v), "")
            sink(observe.Forward(v.id, v.op.name, tuple(x.id for x in v.inputs), v.attrs, values[v.id], v.name,
                                 graph.where(v), scope, v.requires_grad))
    outputs = own_families(graph, [values.get(v.id, v._data) for v in graph.outputs])
    new = [np.array(values.get(v.id, v._data)) for _, v in graph.updates]
    for (leaf, _), array in zip(graph.updates, new, strict=True):
        leaves[leaf.id][...] = array
        sink(observe.Update(leaf.id, leaf.name, leaves[leaf.id]))
    return outputs


def own_families(graph: Graph, arrays: Sequence[Any]) -> list[Any]:
    """Copies of the outputs of a graph, which share memory within a family only."""
    families = graph.families or tuple(range(len(arrays)))
    answers = list(arrays)
    for family in set(families):
        members = [number for number, other in enumerate(families) if other == family]
        same_memory = [members] if len({id(memory_of(arrays[n])) for n in members}) == 1 else [[n] for n in members]
        for numbers in same_memory:
            for number, copy in zip(numbers, own(*[arrays[n] for n in numbers]), strict=True):
                answers[number] = copy
    return answers


def memory_of(array: Any) -> Any:
    """The array whose memory this one is a view of."""
    while isinstance(array.base, np.ndarray):
        array = array.base
    return array


def own(*arrays: Any) -> list[Any]:
    """Copies in memory of their own, laid out as the arrays are, and sharing with each other what the arrays share."""
    bounds = [np.lib.array_utils.byte_bounds(array) for array in arrays]
    low, high = min(first for first, _ in bounds), max(last for _, last in bounds)
    memory = np.empty(high - low, np.uint8)
    copies = []
    for array in arrays:
        copy = np.ndarray(array.shape, array.dtype, memory, array.ctypes.data - low, array.strides)
        copy[...] = array
        copies.append(copy)
    return copies
