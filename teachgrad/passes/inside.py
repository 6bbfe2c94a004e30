"""The bodies of loops and branches, rewritten by the passes of the level of the graph that they are in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from ..control.body import Body, Control
from ..graph import Graph, copied
from ..op import Vertex

Improve = Callable[[Graph], Graph]


def inside(graph: Graph, improve: Improve) -> Graph:
    """A graph with better bodies in its loops and branches. What they take and answer stays as it is."""
    new: dict[int, Vertex] = {}
    order, origin = [], dict(graph.origin)
    for v in graph.order:
        w = v
        attrs = {key: improved(value, improve) for key, value in v.attrs.items()} if isinstance(v.op, Control) else {}
        inputs = tuple([new.get(x.id, x) for x in v.inputs])
        if attrs or any(a is not b for a, b in zip(inputs, v.inputs, strict=True)):
            w = new[v.id] = copied(v, inputs)
            w.attrs = attrs or v.attrs
            origin[w.id] = graph.source(v)
        order.append(w)
    return replace(graph, outputs=tuple([new.get(v.id, v) for v in graph.outputs]),
                   updates=tuple([(leaf, new.get(v.id, v)) for leaf, v in graph.updates]),
                   order=tuple(order), origin=origin)


def improved(setting: Any, improve: Improve) -> Any:
    """A setting of a loop or a branch, better if it is a body or several."""
    if isinstance(setting, Body):
        return Body(improve(setting.graph), setting.freed, setting.is_gradient)
    if type(setting) is tuple and any(isinstance(value, Body) for value in setting):
        return tuple([improved(value, improve) for value in setting])
    return setting


__all__ = ["inside"]
