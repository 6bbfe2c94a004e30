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
from ..op import Spec, Vertex, shares_memory


@dataclass
class Layouts:
    """The vertices, by id, of which something is known."""

    dense: set[int] = field(default_factory=set)
    """Those that lie in C order without gaps."""
    ordered: set[int] = field(default_factory=set)
    """Those whose axes lie in C order, perhaps with gaps or repeats: what elementwise ops make of them is dense."""


def layouts(graph: Graph) -> Layouts:
    """What is known of the layout of every leaf, constant and computed value."""
    known = Layouts()
    samples: dict[int, Any] = {}

    def note(v: Vertex, sample: Any) -> None:
        samples[v.id] = sample
        if sample.flags.c_contiguous:
            known.dense.add(v.id)
        if in_order(sample):
            known.ordered.add(v.id)

    for leaf in graph.leaves:
        note(leaf, sample_of(leaf._data, graph.strides.get(leaf.id)))
    for v in graph.order:
        for x in v.inputs:
            if is_constant(x) and x.id not in samples:
                note(x, x._data)
        if type(v._data) is not Spec:
            continue
        assert v.op is not None
        if v.op.view:
            source = samples.get(v.inputs[0].id)
            view = v.op.forward(np, source, **v.attrs) if source is not None and len(v.inputs) == 1 else None
            if view is not None and shares_memory(view, source):
                note(v, view)
            elif view is not None:
                note(v, sample_of(v._data, None))
        else:
            note(v, sample_of(v._data, None))
    return known


def sample_of(spec: Spec, strides: tuple[int, ...] | None) -> Any:
    """An array of a layout, whose memory is never touched."""
    if strides is None:
        return np.empty(spec.shape, spec.dtype)
    low = sum(min(0, step * (n - 1)) for n, step in zip(spec.shape, strides, strict=True)) if spec.size else 0
    high = sum(max(0, step * (n - 1)) for n, step in zip(spec.shape, strides, strict=True)) if spec.size else 0
    memory = np.empty(high - low + spec.dtype.itemsize, np.uint8)
    return np.ndarray(spec.shape, spec.dtype, memory, -low, strides)


def in_order(array: Any) -> bool:
    """Whether the axes of an array lie in C order, axes of length 1 and repeats left out."""
    steps = [step for n, step in zip(array.shape, array.strides, strict=True) if n > 1 and step]
    return all(step > 0 for step in steps) and steps == sorted(steps, reverse=True)
