"""Where the elements of a value lie: which array they are part of, and how far apart they are in it.

A view op computes nothing; whoever reads its result reads the array underneath, by an index of its own. NumPy is asked
what that index is: the view is taken of an array of the same layout whose memory is never touched.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ...graph import Graph, is_constant
from ...op import Spec, Vertex, shares_memory
from ...passes.layout import sample_of


@dataclass(frozen=True, slots=True)
class Access:
    """The elements of a value in the memory of `base`: the place of the first, and the steps along each axis."""

    base: Vertex
    offset: int
    strides: tuple[int, ...]


class Views:
    """The access to every value of a graph that is an array."""

    def __init__(self, graph: Graph) -> None:
        self.access: dict[int, Access] = {}
        samples: dict[int, Any] = {}
        for leaf in graph.leaves:
            samples[leaf.id] = sample_of(leaf._data, graph.strides.get(leaf.id))
            self.note(leaf, leaf, samples[leaf.id], samples[leaf.id])
        for v in graph.order:
            for x in v.inputs:
                if is_constant(x) and x.id not in samples:
                    samples[x.id] = x._data
                    self.note(x, x, x._data, x._data)
            if type(v._data) is not Spec:
                continue
            assert v.op is not None
            source = samples.get(v.inputs[0].id)
            if v.op.view and source is not None and len(v.inputs) == 1:
                view = v.op.forward(np, source, **v.attrs)
                if shares_memory(view, source):
                    samples[v.id] = view
                    base = self.access[v.inputs[0].id].base
                    self.note(v, base, view, samples[base.id])
                    continue
            samples[v.id] = sample_of(v._data, None)
            self.note(v, v, samples[v.id], samples[v.id])
        for v in graph.results:
            if is_constant(v) and v.id not in samples:
                self.note(v, v, v._data, v._data)

    def note(self, v: Vertex, base: Vertex, array: Any, whole: Any) -> None:
        """Keep the access to `v`, given sample arrays of it and of its base."""
        size = array.dtype.itemsize
        if array.dtype == whole.dtype and all(step % size == 0 for step in array.strides):
            offset = (address(array) - address(whole)) // size if array.size else 0
            self.access[v.id] = Access(base, offset, tuple(step // size for step in array.strides))

    def of(self, v: Vertex) -> Access:
        """The access to `v`."""
        return self.access[v.id]

    def base(self, v: Vertex) -> Vertex:
        """The value in whose memory `v` lies; an odd one of which nothing is known lies in its own."""
        known = self.access.get(v.id)
        return v if known is None else known.base

    def dense(self, v: Vertex) -> bool:
        """Whether the elements lie in C order without gaps."""
        known = self.access.get(v.id)
        return known is not None and known.strides == contiguous(v.shape, known.strides)


def address(array: Any) -> int:
    """Where the first element is."""
    where: int = array.__array_interface__["data"][0]
    return where


def contiguous(shape: tuple[int, ...], like: tuple[int, ...] = ()) -> tuple[int, ...]:
    """The strides of C order; along axes of length 1, where they do not matter, those of `like`."""
    strides, step = [0] * len(shape), 1
    for axis in range(len(shape) - 1, -1, -1):
        strides[axis] = like[axis] if shape[axis] == 1 and like else step
        step *= shape[axis]
    return tuple(strides)
