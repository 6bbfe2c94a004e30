"""What ops with loops of their own in generated C need of their inputs: elements in C order, and room around images.

A view with its axes in another order is copied once, in a loop that it shares with what computes it. Zeros around
images are written into memory once, for a convolution and for its weight gradient together; then their loops need not
ask at every tap of the kernel whether it sees something.
"""

from __future__ import annotations

from ..graph import Graph
from ..op import Op, Spec, Vertex, apply, shares_memory
from ..ops.convolution import convolution, convolution_weight_gradient
from ..ops.elementwise_op import Elementwise
from ..ops.indexing import put_item
from ..ops.shape import copy_of, permute_dims, reshape
from ..ops.windows import images_first, images_last, inside, whole_size
from .exact import undo_turns
from .layout import Samples
from .rewriting import Asked, Rewrite, rewrite


def zeros_around_images(v: Vertex) -> Vertex | None:
    """A convolution with padding as one without, of an input with zeros around it; likewise its weight gradient."""
    if v.op is not convolution and v.op is not convolution_weight_gradient:
        return None
    padding = v.attrs["padding"]
    if not any(low or high for low, high in padding):
        return None
    at = 0 if v.op is convolution else 1
    x = v.inputs[at]
    shape = (x.shape[0], *whole_size(x.shape[1:-1], padding), x.shape[-1])
    wide = apply(put_item, (x,), {"index": inside(padding, x.shape[1:-1]), "shape": shape})
    inputs = [*v.inputs[:at], wide, *v.inputs[at + 1:]]
    return apply(v.op, tuple(inputs), {**v.attrs, "padding": ((0, 0),) * len(padding)})


def turn_later(v: Vertex) -> Vertex | None:
    """f(x with the images first, c) = f(x, c) with the images first: elementwise ops keep their order of axes."""
    if not isinstance(v.op, Elementwise):
        return None
    first = (v.ndim - 1, *range(v.ndim - 1)) if type(v._data) is Spec else ()
    turned = [x.op is permute_dims and x.attrs["axes"] == first and x.shape == v.shape for x in v.inputs]
    if not any(turned):
        return None
    if not all(is_turned or not x.ndim or (x.ndim == v.ndim and x.size < v.size)
               for x, is_turned in zip(v.inputs, turned, strict=True)):
        return None
    inputs = [x.inputs[0] if is_turned else images_last(x) if x.ndim else x
              for x, is_turned in zip(v.inputs, turned, strict=True)]
    after: Vertex = images_first(apply(v.op, tuple(inputs), v.attrs))
    return after


def copies(samples: Samples) -> Asked:
    """A rule that copies what does not lie in C order."""
    def copy_first(v: Vertex) -> Vertex | None:
        """f(x) = f(copy of x), for an op with loops of its own, or a reshape that has to copy anyway."""
        x = v.inputs[0] if v.inputs else v
        known = samples.of(x)
        if v.op is reshape and known is not None:
            mine = samples.of(v)  # None where sizes are open and the input is not dense
            if mine is None or not shares_memory(mine, known):
                return reshape(copy_of(x), v.shape)
        if v.op is None or type(v.op).c_body is Op.c_body or all(map(samples.is_dense, v.inputs)):
            return None
        return apply(v.op, tuple([x if samples.is_dense(x) else copy_of(x) for x in v.inputs]), v.attrs)

    return copy_first


def in_memory_order(graph: Graph, log: list[Rewrite]) -> Graph:
    """Give ops with loops of their own what they need."""
    graph = rewrite(graph, "memory order", [undo_turns, turn_later, zeros_around_images], log)
    return rewrite(graph, "memory order", [copies(Samples(graph))], log)
