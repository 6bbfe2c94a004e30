"""The driver of rewrites. A rule is a function from a vertex to its replacement, or None; only the driver applies it.

It walks the graph once in order, with inputs already rewritten, asks the rules of a pass for each vertex until none
has an answer, checks that shape and dtype did not change, and logs every rewrite.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from .. import observe
from ..errors import TeachgradError, Where
from ..graph import Graph, copied, specs
from ..op import Vertex, modes
from ..tracer import Tracer

Rule = Callable[[Vertex], Vertex | None]


@dataclass(frozen=True)
class Rewrite:
    """A vertex was replaced. `error` is the largest difference on real inputs, if it was verified."""

    pass_name: str
    rule: str
    before: Vertex
    after: Vertex
    where: Where | None
    error: float | None = None


class Builder(Tracer):
    """Makes vertices for replacements: rules are written with ops, and their results land here."""

    def resolve(self, x: Any) -> Any:
        return x


def rewrite(graph: Graph, pass_name: str, rules: Sequence[Rule], log: list[Rewrite]) -> Graph:
    """Apply rules everywhere, once through the graph."""
    new: dict[int, Vertex] = {}
    origin = dict(graph.origin)
    order: list[Vertex] = []
    here: set[int] = set()
    builder = Builder(pass_name)

    def put(v: Vertex, source: Vertex) -> None:
        if v.op is not None and v.id not in here:
            here.add(v.id)
            order.append(v)
            if v is not source:
                origin.setdefault(v.id, graph.source(source))

    with modes(tracer=builder, grad=False):
        for v in graph.order:
            inputs = tuple(new.get(x.id, x) for x in v.inputs)
            w = copied(v, inputs) if any(a is not b for a, b in zip(inputs, v.inputs, strict=True)) else v
            current = w
            for _ in range(100):
                answer = first_answer(rules, current)
                if answer is None:
                    break
                rule, after = answer
                check(rule, current, after)
                for fresh in builder.recorded:
                    fresh.site = v.site
                    put(fresh, v)
                builder.recorded.clear()
                log.append(Rewrite(pass_name, rule.__name__, v, after, graph.where(v)))
                if observe.sink is not None:
                    observe.sink(observe.Rewrite(pass_name, rule.__name__, v.id, after.id, graph.where(v)))
                current = after
            else:
                raise TeachgradError(f"the rules of pass {pass_name} go round in circles at {v.op}")
            put(current, v)
            new[v.id] = current
    return replace(graph, outputs=tuple(new.get(v.id, v) for v in graph.outputs),
                   updates=tuple((leaf, new.get(v.id, v)) for leaf, v in graph.updates), order=tuple(order),
                   origin=origin)


def first_answer(rules: Sequence[Rule], v: Vertex) -> tuple[Rule, Vertex] | None:
    if v.op is None:
        return None
    for rule in rules:
        after = rule(v)
        if after is not None and after is not v:
            return rule, after
    return None


def check(rule: Rule, before: Vertex, after: Vertex) -> None:
    """A replacement must be of the same shape and dtype."""
    a, b = specs([before, after])
    if a != b:
        raise TeachgradError(f"rule {rule.__name__} replaced {before.op} of {a} by a vertex of {b}")


def verified(log: Sequence[Rewrite], before: Mapping[int, Any], after: Mapping[int, Any]) -> list[Rewrite]:
    """The rewrites with their errors, given the values of both graphs on the same inputs."""
    checked = []
    for entry in log:
        old = before.get(entry.before.id)
        new = after.get(entry.after.id, entry.after._data if hasattr(entry.after._data, "ctypes") else None)
        checked.append(entry if old is None or new is None else replace(entry, error=difference(old, new)))
    return checked


def difference(a: Any, b: Any) -> float:
    """The largest difference of two arrays (or tuples of them); nan against nan counts as none."""
    if type(a) is tuple:
        return max((difference(x, y) for x, y in zip(a, b, strict=True)), default=0.0)
    same = (a == b) | ((a != a) & (b != b))
    if same.all():
        return 0.0
    gap = abs(a.astype("f8") - b.astype("f8"))[~same]
    return float(gap.max()) if (gap == gap).all() else float("inf")
