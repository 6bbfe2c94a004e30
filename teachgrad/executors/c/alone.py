"""Graphs whose C takes and fills plain arrays of its caller: nothing is left to be copied or turned when it is done."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ...graph import Graph, is_constant, live
from ...op import Spec, Vertex
from ...ops.shape import copy_of
from .views import Views


def standing_alone(graph: Graph) -> Graph:
    """The graph with results that are computed in memory of their own, and leaves and constants that lie in C order."""
    for v in (*graph.order, *graph.results):
        for x in (v, *v.inputs):
            if is_constant(x) and any(x._data.strides):
                x._data = np.ascontiguousarray(x._data).reshape(x.shape)
    views = Views(graph)
    added: list[Vertex] = []
    seen: set[int] = set()

    def own(v: Vertex) -> Vertex:
        if v.op is not None and views.base(v) is v and v.id not in seen:
            seen.add(v.id)
            return v
        w = v.result_type(Spec(v.shape, v.dtype))
        w.op, w.inputs, w.name, w.site = copy_of, (v,), v.name, v.site
        added.append(w)
        return w

    outputs = tuple([own(v) for v in graph.outputs])
    updates = tuple([(leaf, new if new.id in seen else own(new)) for leaf, new in graph.updates])
    graph = replace(graph, outputs=outputs, updates=updates, order=(*graph.order, *added))
    graph = replace(graph, order=tuple(live(graph)))
    used = {x.id for v in graph.order for x in v.inputs} | {leaf.id for leaf, _ in graph.updates}
    return replace(graph, cells=tuple([v for v in graph.cells if v.id in used]))


__all__ = ["standing_alone"]
