"""The pass of level O3: ops are taken apart into elementwise ops and reductions, which an executor puts into loops."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ..graph import Graph, is_constant
from ..op import Spec, Vertex, shares_memory
from ..ops.shape import copy_of, reshape
from .algebra import canonicalise, stabilise
from .exact import fold, forget_unchanged, merge, prune, spare, updates_last
from .layout import sample_of
from .lower import linear_is_matmul_and_add, transposed_products
from .rewriting import Rewrite, rewrite


def take_apart(v: Vertex) -> Vertex | None:
    """An op, or one of the results of an op, as the simpler ops that it says it is made of."""
    made, index = v, None
    if v.op is not None and type(v.inputs[0]._data) is tuple and "index" in v.attrs:
        made, index = v.inputs[0], v.attrs["index"]
    if made.op is None or (type(made._data) is tuple) is (index is None):
        return None
    if any(type(x._data) is tuple or not x.size for x in made.inputs):
        return None
    answer = made.op.parts(made, *made.inputs)
    if answer is None:
        return None
    part: Vertex = answer if index is None else answer[index]
    return part if type(part._data) is Spec else None


def parts(graph: Graph, log: list[Rewrite]) -> Graph:
    """Take ops apart, and what comes of it, until all are simple."""
    count = -1
    while count != len(log):
        count = len(log)
        graph = rewrite(graph, "parts", [linear_is_matmul_and_add, transposed_products, take_apart], log)
        graph = prune(graph, log)
    return graph


def copies(graph: Graph, log: list[Rewrite]) -> Graph:
    """A reshape that cannot be a view is a copy and a view: loops can make the copy, where they make what is copied."""
    def reshape_of_copy(v: Vertex) -> Vertex | None:
        x = v.inputs[0]
        if v.op is not reshape or type(v._data) is not Spec or x.op is None or not x.op.view:
            return None
        source = sample(x, graph.strides)
        return None if shares_memory(source.reshape(v.shape), source) else reshape(copy_of(x), v.shape)

    return rewrite(graph, "copies", [reshape_of_copy], log)


def sample(x: Vertex, strides: Mapping[int, Any]) -> Any:
    """An array that lies as a value does; its memory is never touched."""
    if is_constant(x):
        return x._data
    if x.op is None or not x.op.view or type(x.inputs[0]._data) is tuple:
        return sample_of(x._data, strides.get(x.id))
    return x.op.forward(np, sample(x.inputs[0], strides), **x.attrs)


O3 = (merge, fold, merge, canonicalise, stabilise, parts, merge, fold, spare, merge, forget_unchanged, prune,
      copies, updates_last)
"""Without the last phase of O2: what is cheap for one NumPy call after the other is not for loops that are fused."""
