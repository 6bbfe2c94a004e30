"""How far rewrites change values: both sides of each are computed on real inputs and held against the rule's bound."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import islice
from math import prod
from typing import Any

import numpy as np

from ..control.body import Control
from ..errors import VerificationError
from ..graph import Graph, is_constant
from ..interpreter import evaluate
from ..op import Spec, Vertex
from ..ops.matmul import matmul
from .rewriting import Rewrite


class Values:
    """The values of vertices of any moment of a graph, computed when asked for, given those of the leaves by id."""

    def __init__(self, leaves: Mapping[int, Any]) -> None:
        self.known = dict(leaves)

    def __getitem__(self, v: Vertex) -> Any:
        if v.op is None:
            return self.known.get(v.id, v._data)
        stack = [v]
        while stack:
            x = stack[-1]
            missing = [y for y in x.inputs if y.op is not None and y.id not in self.known]
            if missing:
                stack += missing
                continue
            stack.pop()
            if x.id not in self.known:
                self.known[x.id] = evaluate(x, self.known)
        return self.known[v.id]


    def enter_bodies(self, graph: Graph) -> None:
        """Learn what the bodies of loops and branches are given when they run for the first time."""
        pending = [(graph, self)]
        while pending:
            graph, values = pending.pop()
            for v in graph.order:
                if not isinstance(v.op, Control):
                    continue
                runs = v.op.unrolled(*[values[x] for x in v.inputs], **v.attrs)
                for body, found in islice(runs, len(v.attrs)):
                    given = [x for x in body.graph.inputs if x.id in found]
                    self.known = {**{x.id: found[x.id] for x in given}, **self.known}
                    if len(given) == len(body.graph.inputs):
                        pending.append((body.graph, Values(found)))

    def knows(self, v: Vertex) -> bool:
        """Whether a value can be computed: in a body that has never run it cannot."""
        made = ancestors(v).values()
        return all(x.op is not None or x.id in self.known or is_constant(x) for w in made for x in (w, *w.inputs))


def verified(log: Sequence[Rewrite], leaves: Mapping[int, Any], graph: Graph | None = None) -> list[Rewrite]:
    """The rewrites with the errors that they make on these leaves. One beyond its rule's bound is an error.

    Those in bodies of loops and branches, which the recorded graph knows, are tried on what its first step is given.
    """
    values = Values(leaves)
    with np.errstate(all="ignore"):
        if graph is not None:
            values.enter_bodies(graph)
        return [replace(entry, error=error_of(entry, values)) if values.knows(entry.before) else entry for entry in log]


def error_of(entry: Rewrite, values: Values) -> float:
    """The largest difference between the two sides where both are finite."""
    old, new = values[entry.before], values[entry.after]
    if type(old) is tuple:
        return max((difference_of(entry, a, b, 0.0) for a, b in zip(old, new, strict=True)), default=0.0)
    return difference_of(entry, old, new, scale_of(entry, values) if entry.bound.terms else entry.bound.beside)


def difference_of(entry: Rewrite, old: Any, new: Any, beside: float) -> float:
    """The largest difference of two arrays, both of which must have values where the rule says so."""
    if old.dtype.kind != "f":
        if (old != new).any():
            raise violation(entry, old, new, old != new, "and integers and truth values must not change")
        return 0.0
    old_there, new_there = np.isfinite(old), np.isfinite(new)
    same = (old == new) | (np.isnan(old) & np.isnan(new))
    lost = old_there & ~new_there if entry.domain else ~same & (~old_there | ~new_there)
    if lost.any() and "shrinks" not in entry.domain:
        raise violation(entry, old, new, lost, "where one has a value and the other has not")
    both = old_there & new_there
    a, b = np.where(both, old, 0).astype("f8"), np.where(both, new, 0).astype("f8")
    limits = np.finfo(old.dtype)
    gap = np.abs(a - b)
    allowed = entry.bound.ulps * (float(limits.eps) * np.maximum(np.abs(b), beside) + float(limits.tiny))
    if (gap > allowed).any():
        raise violation(entry, old, new, gap > allowed, f"more than the bound of the rule, {entry.bound}")
    return float(gap.max(initial=0.0))


def scale_of(entry: Rewrite, values: Values) -> float:
    """The largest number that either side works with, times how many of them it adds up."""
    region = region_of(entry.before, entry.after)
    largest, count = 0.0, 1
    for v in region:
        for x in (v, *v.inputs):
            value = values[x]
            if type(value) is not tuple and value.dtype.kind == "f":
                finite = value[np.isfinite(value)]
                largest = max(largest, float(np.abs(finite).max(initial=0.0)))
        count = max(count, added(v))
    return largest * count


def region_of(before: Vertex, after: Vertex) -> list[Vertex]:
    """The vertices that only one side of a rewrite has, and the two results."""
    first, second = ancestors(before), ancestors(after)
    return [v for i, v in {**first, **second}.items() if i not in first or i not in second] or [before]


def ancestors(v: Vertex) -> dict[int, Vertex]:
    """All that v is made of, by id."""
    found: dict[int, Vertex] = {}
    stack = [v]
    while stack:
        x = stack.pop()
        if x.op is not None and x.id not in found:
            found[x.id] = x
            stack += x.inputs
    return found


def added(v: Vertex) -> int:
    """How many numbers each element of a vertex is the sum of, at most."""
    if v.op is matmul:
        return max(1, v.inputs[0].shape[-1])
    if type(v._data) is not Spec or not v.inputs or type(v.inputs[0]._data) is tuple:
        return 1
    return max(1, v.inputs[0].size // max(1, prod(v.shape)))


def violation(entry: Rewrite, old: Any, new: Any, where: Any, why: str) -> VerificationError:
    place = np.unravel_index(int(np.argmax(where)), np.shape(where))
    return VerificationError(
        f"the rewrite {entry.rule} ({entry.rule_where}) of {entry.before.op} at {entry.where} is wrong: it made "
        f"{old[place].item()!r} into {new[place].item()!r}, {why}")
