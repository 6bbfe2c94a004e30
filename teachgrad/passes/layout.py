"""How values lie in memory: what is known of it before the program runs.

Last bits depend on layout: NumPy and BLAS add up in another order along a transposed array than along its copy. So a
program has to hand every op the same layouts that dynamic mode would. It can, because the layouts follow from the
graph: what an op computes lies in C order, a view follows from what it is a view of, and the leaves are looked at.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..graph import Graph, is_constant
from ..op import Spec, Vertex, sample_of, shares_memory
from ..ops.shape import permute_dims, reshape, stop_gradient
from ..sizes import is_open, values_of


@dataclass
class Layouts:
    """The vertices, by id, of which something is known."""

    dense: set[int] = field(default_factory=set)
    """Those that lie in C order without gaps."""
    ordered: set[int] = field(default_factory=set)
    """Those whose axes lie in C order, perhaps with gaps or repeats: what elementwise ops make of them is dense."""


class Samples:
    """For any value of a graph an array of the same layout, whose memory is never touched; None if nothing is known."""

    def __init__(self, graph: Graph) -> None:
        self.strides = graph.strides
        self.known: dict[int, Any] = {}

    def of(self, v: Vertex) -> Any:
        """The sample of a value."""
        if v.id not in self.known:
            self.known[v.id] = self.make(v)
        return self.known[v.id]

    def make(self, v: Vertex) -> Any:
        if type(v._data) is not Spec:
            return v._data if is_constant(v) else None
        if is_open(v._data.shape):
            return self.made_open(v)
        if v.op is None or not v.op.view:
            return sample_of(v._data, self.strides.get(v.id) if v.op is None else None)
        source = self.of(v.inputs[0])
        if source is None or len(v.inputs) > 1:
            return None
        view = v.op.forward(np, source, **v.attrs)
        return view if shares_memory(view, source) else sample_of(v._data, None)

    def made_open(self, v: Vertex) -> Any:
        """The sample of a value of which sizes are open, if it has the same layout whatever they are."""
        if v.op is None or not v.op.view:
            return np.empty(values_of(v._data.shape), v._data.dtype)
        source = self.of(v.inputs[0])
        if source is None:
            return None
        if v.op is permute_dims and all(n > 1 for n in v._data.shape if is_open((n,))):
            return source.transpose(v.attrs["axes"])
        if v.op in (reshape, stop_gradient) and source.flags.c_contiguous:
            return source.reshape(values_of(v._data.shape))
        return None

    def is_dense(self, v: Vertex) -> bool:
        """Whether a value is known to lie in C order without gaps."""
        sample = self.of(v)
        return sample is not None and bool(sample.flags.c_contiguous)


def layouts(graph: Graph) -> Layouts:
    """What is known of the layout of every leaf, constant and computed value."""
    known, samples = Layouts(), Samples(graph)
    constants = (x for v in graph.order for x in v.inputs if is_constant(x))
    for v in (*graph.leaves, *constants, *graph.order):
        sample = samples.of(v)
        if sample is not None:
            if sample.flags.c_contiguous:
                known.dense.add(v.id)
            if in_order(sample):
                known.ordered.add(v.id)
    return known


def in_order(array: Any) -> bool:
    """Whether the axes of an array lie in C order, axes of length 1 and repeats left out."""
    steps = [step for n, step in zip(array.shape, array.strides, strict=True) if n > 1 and step]
    return all(step > 0 for step in steps) and steps == sorted(steps, reverse=True)
