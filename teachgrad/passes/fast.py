"""The pass of level O3: ops are taken apart into elementwise ops and reductions, which an executor puts into loops."""

from __future__ import annotations

from ..graph import Graph
from ..op import Spec, Vertex
from .algebra import canonicalise, stabilise
from .attend import attend
from .exact import fold, forget_unchanged, merge, prune, spare, updates_last
from .lower import linear_is_matmul_and_add, transposed_products
from .memory_order import in_memory_order
from .rewriting import Rewrite, rewrite
from .rules import Bound


def take_apart(v: Vertex) -> Vertex | None:
    """An op, or one of the results of an op, as the simpler ops that it says it is made of."""
    made, index = v, None
    if v.op is not None and v.inputs and type(v.inputs[0]._data) is tuple and "index" in v.attrs:
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


take_apart.bound = Bound(64, terms=True)  # type: ignore[attr-defined]
"""Sums are taken in another order, and what was one call of NumPy rounds in between."""


def parts(graph: Graph, log: list[Rewrite]) -> Graph:
    """Take ops apart, and what comes of it, until all are simple."""
    count = -1
    while count != len(log):
        count = len(log)
        graph = rewrite(graph, "parts", [linear_is_matmul_and_add, transposed_products, take_apart], log)
        graph = prune(graph, log)
    return graph


O3 = (merge, fold, merge, canonicalise, stabilise, attend, parts, merge, fold, spare, in_memory_order, merge,
      forget_unchanged, prune, updates_last)
"""Without the last phase of O2: what is cheap for one NumPy call after the other is not for loops that are fused."""
