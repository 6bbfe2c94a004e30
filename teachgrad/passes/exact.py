"""The passes of level O1: those that keep every bit. Folding, common subexpressions, idle copies, dead code."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from ..graph import Graph, constant, is_constant, live
from ..interpreter import evaluate
from ..op import Spec, Vertex
from ..ops.elementwise import multiply
from ..ops.shape import broadcast_to, permute_dims
from ..sizes import is_open
from .equality import key_of
from .lower import RULES
from .rewriting import Asked, Rewrite, rewrite

LARGEST_FOLDED = 1 << 16
"""Constants above this many bytes are not made ahead of time if their inputs are smaller: they would fill memory."""
IDENTITIES = ("boundary", "copy", "renew", "stop_gradient", "positive")
"""Ops whose result equals their input."""


def fold_constant(v: Vertex) -> Vertex | None:
    """An op on constants is a constant: computed now, by the same code, so that no bit changes."""
    if isinstance(v._data, np.ndarray):  # computed already, where an expression was put together
        return constant(v._data, v)
    if not all(is_constant(x) for x in v.inputs) or not v.op or not v.op.pure or type(v._data) is not Spec:
        return None
    if is_open(v._data.shape) or is_open(tuple(v.attrs.values())):
        return None  # another array for other sizes
    if not v.op.view and v._data.nbytes > max(LARGEST_FOLDED, *(x._data.nbytes for x in v.inputs)):
        return None
    try:
        value = evaluate(v, {})
    except Exception:  # it will fail in the run, where dynamic mode would fail too
        return None
    value = value.view()  # as it lies: a transposed constant stays transposed, since last bits may depend on it
    value.flags.writeable = False
    return constant(value, v)


def drop_copies(graph: Graph) -> Asked:
    """A rule that replaces a copy of a value by the value itself, since nothing is overwritten in a graph.

    A copy that lies otherwise in memory than its source stays, except where the op is a view anyway.
    """
    def drop_copy(v: Vertex) -> Vertex | None:
        if v.op is None or v.op.name not in IDENTITIES:
            return None
        return v.inputs[0] if v.op.view or is_dense(v.inputs[0], graph.strides) else None

    return drop_copy


def undo_turns(v: Vertex) -> Vertex | None:
    """Axes that are put in another order and back again are the axes as they were, in the same memory."""
    x = v.inputs[0] if v.inputs else v
    if v.op is not permute_dims or x.op is not permute_dims:
        return None
    there, back = x.attrs["axes"], v.attrs["axes"]
    return x.inputs[0] if [there[axis] for axis in back] == list(range(len(back))) else None


def is_dense(x: Vertex, strides: Mapping[int, Any]) -> bool:
    """Whether a value surely lies in C order without gaps."""
    while x.op is not None and x.op.name in ("reshape", "stop_gradient"):
        x = x.inputs[0]
    if x.op is not None:
        return not x.op.view
    return bool(x._data.flags.c_contiguous) if is_constant(x) else x.id not in strides


def drop_factors_of_one(graph: Graph) -> Asked:
    """A rule that replaces 1·x by x: exact, also for nan, infinities and -0. The gradient of a sum is full of them.

    As with copies, x must lie in memory as the product would.
    """
    def drop_factor(v: Vertex) -> Vertex | None:
        if v.op is not multiply:
            return None
        for one, x in (v.inputs, v.inputs[::-1]):
            if is_all_ones(one) and x._data.shape == v._data.shape and is_dense(x, graph.strides):
                return x
        return None

    return drop_factor


def is_all_ones(v: Vertex) -> bool:
    """Whether a vertex is a constant of nothing but ones. Only repeats of one number are looked at: it is quick."""
    while v.op is broadcast_to:  # to a size that is open; others are constants themselves
        v = v.inputs[0]
    return is_constant(v) and v._data.size > 0 and not any(
        step for n, step in zip(v._data.shape, v._data.strides, strict=True) if n > 1) and v._data.flat[0] == 1


def merge_equal() -> Asked:
    """A rule that replaces a vertex by an earlier one with the same op, inputs and settings."""
    seen: dict[Any, Vertex] = {}

    def same_as_before(v: Vertex) -> Vertex | None:
        assert v.op is not None
        if not v.op.pure:
            return None
        key = key_of(v.op, v.inputs, v.attrs)
        earlier = seen.setdefault(key, v) if key is not None else v
        return None if earlier is v else earlier

    return same_as_before


def fold(graph: Graph, log: list[Rewrite]) -> Graph:
    """Compute now what depends on constants alone."""
    return rewrite(graph, "fold", [fold_constant], log)


def lower(graph: Graph, log: list[Rewrite]) -> Graph:
    """Take fused ops apart into the calls that they make."""
    return rewrite(graph, "lower", RULES, log)


def spare(graph: Graph, log: list[Rewrite]) -> Graph:
    """Leave out arithmetic that changes nothing."""
    return rewrite(graph, "spare", [drop_factors_of_one(graph)], log)


def merge(graph: Graph, log: list[Rewrite]) -> Graph:
    """Common subexpressions: compute equal things once; leave out copies and turns that nobody could tell apart."""
    return rewrite(graph, "merge", [drop_copies(graph), undo_turns, merge_equal()], log)


def prune(graph: Graph, log: list[Rewrite]) -> Graph:
    """Dead code: leave out what no result depends on, and cells that nobody reads or writes.

    An op that may raise or do something besides computing is not dead: plain Python would run it.
    """
    order = live(graph)
    read = [x for v in order for x in v.inputs]
    needed = {v.id for v in (*graph.results, *read, *(leaf for leaf, _ in graph.updates))}
    return replace(graph, order=tuple(order), cells=tuple(c for c in graph.cells if c.id in needed))


def forget_unchanged(graph: Graph, log: list[Rewrite]) -> Graph:
    """An update by which a leaf gets its own old value is none."""
    return replace(graph, updates=tuple((leaf, new) for leaf, new in graph.updates if new is not leaf))


def updates_last(graph: Graph, log: list[Rewrite]) -> Graph:
    """Compute what only an update needs at the very end, so that it can be written straight over the old value.

    Reordering independent vertices keeps every bit. Only ops that cannot fail are moved: once the first cell is
    written, the call must succeed.
    """
    readers: dict[int, int] = {}
    for v in graph.order:
        for x in v.inputs:
            readers[x.id] = readers.get(x.id, 0) + 1
    outputs = {v.id for v in graph.outputs}
    late = {new.id for _, new in graph.updates
            if new.op is not None and not readers.get(new.id) and new.id not in outputs and not new.op.may_fail}
    return replace(graph, order=tuple(v for v in graph.order if v.id not in late)
                   + tuple(v for v in graph.order if v.id in late))


Pass = Callable[[Graph, list[Rewrite]], Graph]

O0: tuple[Pass, ...] = ()
O1: tuple[Pass, ...] = (lower, merge, fold, spare, merge, forget_unchanged, prune, updates_last)

