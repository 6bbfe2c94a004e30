"""The slow executor that cannot be wrong: one op after the other, each into memory of its own.

It is the living specification of what a graph means; folding, verification of rewrites and the "check" mode use it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from .graph import Graph, is_constant
from .op import Op, Vertex


def evaluate(v: Vertex, values: Mapping[int, Any]) -> Any:
    """The value of one vertex, given those of its inputs by id."""
    assert v.op is not None
    return computed(v.op, [values.get(x.id, x._data) for x in v.inputs], v.attrs)


def computed(op: Op, arrays: Sequence[Any], attrs: Mapping[str, Any]) -> Any:
    """The result of an op on arrays."""
    result = op.forward(np, *arrays, **attrs)
    if type(result) is tuple:
        return result
    array = np.asarray(result)
    return array if op.view or array.flags.c_contiguous else array.copy()


def interpret(graph: Graph, leaves: Mapping[int, Any]) -> dict[int, Any]:
    """The values of all vertices, by id, given those of inputs and cells."""
    values = dict(leaves)
    for v in graph.order:
        values[v.id] = evaluate(v, values)
    for v in graph.results:
        if is_constant(v):
            values[v.id] = v._data
    return values


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
