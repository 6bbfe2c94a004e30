"""Instances: a graph whose sizes are open, for one choice of sizes.

Formulas become numbers in shapes and in settings, and arrays that follow from sizes become constants. Nothing else
changes: neither the function runs again nor any pass. A vertex of an instance has the id of the one it comes from, so
whatever is known of that by its id is known of the instance.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import astuple, replace
from typing import Any

import numpy as np

from .control.body import Body
from .graph import Graph
from .op import Spec, Vertex
from .ops.made import made
from .passes.references import Change
from .passes.rewriting import Log
from .sizes import OpenShape, Quantity
from .trace import Recording


class Instance:
    """The vertices of some graphs with their sizes filled in. What depends on none stays the vertex that it is."""

    def __init__(self, sizes: Mapping[str, int]) -> None:
        self.sizes = sizes
        self.known: dict[int, Vertex] = {}
        """The vertices of the instance, by id."""

    def value(self, x: Any) -> Any:
        """A shape, a setting, or whatever else may hold formulas, with numbers in their place."""
        if isinstance(x, Quantity):
            return x.at(self.sizes)
        if type(x) is Spec:
            shape = self.value(x.shape)
            return x if shape is x.shape else Spec(shape, x.dtype)
        if type(x) in (tuple, list, OpenShape):
            items = [self.value(item) for item in x]
            same = all(a is b for a, b in zip(items, x, strict=True))
            return x if same else items if type(x) is list else tuple(items)
        if type(x) is dict:
            settings = {key: self.value(item) for key, item in x.items()}
            return x if all(settings[key] is x[key] for key in x) else settings
        if type(x) is slice:
            return slice(*self.value((x.start, x.stop, x.step)))
        if type(x) is Body:
            graph = self.graph(x.graph)
            return x if graph is x.graph else Body(graph, x.freed, x.is_gradient)
        return x

    def vertex(self, v: Vertex) -> Vertex:
        """The vertex that stands for `v`."""
        stack = [v]
        while stack:
            x = stack[-1]
            if x.id in self.known:
                stack.pop()
            elif missing := [y for y in x.inputs if y.id not in self.known]:
                stack += missing
            else:
                self.known[x.id] = self.filled(x)
        return self.known[v.id]

    def filled(self, v: Vertex) -> Vertex:
        """A vertex with numbers for formulas, on inputs that have them."""
        inputs = tuple([self.known[x.id] for x in v.inputs])
        attrs = self.value(v.attrs)
        same = all(a is b for a, b in zip(inputs, v.inputs, strict=True))
        data = v._data if isinstance(v._data, np.ndarray) else self.value(v._data)
        if same and data is v._data and attrs is v.attrs and v.op is not made:
            return v
        w = v.earlier_self()
        w._data, w.inputs, w.attrs = data, inputs, attrs
        if v.op is made:
            array = np.asarray(made.forward(np, **attrs))
            array.flags.writeable = False
            w._data, w.op, w.attrs = array, None, {}
        return w

    def graph(self, graph: Graph) -> Graph:
        """A graph with its sizes filled in."""
        fill = self.vertex
        vertices = [*graph.leaves, *graph.order, *graph.results]
        if all(fill(v) is v for v in vertices):
            return graph
        pairs = tuple([(fill(leaf), fill(new)) for leaf, new in graph.updates])
        inputs, outputs = tuple(map(fill, graph.inputs)), tuple(map(fill, graph.outputs))
        order = tuple([w for w in map(fill, graph.order) if w.op is not None])
        return replace(graph, inputs=inputs, cells=tuple(map(fill, graph.cells)), outputs=outputs, updates=pairs,
                       order=order)

    def named(self, graph: Graph) -> Graph:
        """A graph with its sizes filled in, which it names: `step[N=32]`."""
        sizes = ", ".join(f"{name}={n}" for name, n in self.sizes.items())
        return replace(self.graph(graph), name=f"{graph.name}[{sizes}]")

    def recording(self, recording: Recording) -> Recording:
        """A recording with its sizes filled in."""
        return replace(recording, graph=self.named(recording.graph), results=self.value(recording.results),
                       entry=self.value(recording.entry))

    def log(self, log: Log) -> Log:
        """A log of rewrites with its sizes filled in."""
        filled = Log()
        filled.ends, filled.copies = log.ends, log.copies
        filled += [replace(r, before=self.vertex(r.before), after=self.vertex(r.after),
                           fresh=tuple(map(self.vertex, r.fresh)), dead=tuple(map(self.vertex, r.dead)),
                           change=Change(*[self.value(n) for n in astuple(r.change)])) for r in log]
        return filled


__all__ = ["Instance"]
