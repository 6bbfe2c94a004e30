"""Giving values back and computing them again: how a graph is changed, whoever decides which values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from ..graph import Graph, bodies, copied, live
from ..op import Vertex
from .plan import storage


@dataclass(frozen=True)
class Group:
    """Vertices, by id, that are given back together but for those that are kept."""

    members: frozenset[int]
    kept: frozenset[int]


@dataclass(frozen=True)
class Dropped:
    """A graph, and which of its vertices compute something again."""

    graph: Graph
    again: frozenset[int] = frozenset()
    new: Mapping[int, Vertex] = field(default_factory=dict)
    """What vertices of the graph before have become, where they were changed."""
    twins: Mapping[int, Vertex] = field(default_factory=dict)
    """What computes vertices of the graph before again, by their id."""

    def copies(self, group: Group) -> list[Group]:
        """A group of the graph before, in this one: itself, and once more if its members are computed again."""
        itself = Group(self.renamed(group.members), self.renamed(group.kept))
        second = [frozenset([self.twins[i].id for i in ids if i in self.twins])
                  for ids in (group.members, group.kept)]
        return [itself, Group(*second)] if second[0] else [itself]

    def renamed(self, ids: frozenset[int]) -> frozenset[int]:
        """Vertices of the graph before, in this one."""
        return frozenset([self.new[i].id if i in self.new else i for i in ids])


def is_repeatable(v: Vertex) -> bool:
    """Whether computing a vertex twice gives the same twice, and does nothing besides."""
    assert v.op is not None
    inner = [graph for setting in v.attrs.values() for graph in bodies(setting)]
    if inner:
        return all(is_repeatable(w) for graph in inner for w in graph.order)
    return v.op.pure and not v.op.may_fail


def drop(before: Dropped, groups: Sequence[Group], turn: int = 0) -> Dropped:
    """A graph in which the members of groups, but for what is kept, are computed again for readers outside the group
    that stand at the position `turn` or after it. Each is right before the first such reader."""
    return Rebuilding(before, groups, turn).run()


class Rebuilding:
    """One walk through a graph."""

    def __init__(self, before: Dropped, groups: Sequence[Group], turn: int) -> None:
        self.before, self.turn = before, turn
        self.graph = graph = before.graph
        self.position = {v.id: position for position, v in enumerate(graph.order)}
        self.group = {i: number for number, group in enumerate(groups) for i in group.members if i in self.position}
        roots = storage(graph)
        kept = {roots[i].id for group in groups for i in group.kept if i in roots}
        kept.update(roots[v.id].id for v in graph.results if v.id in roots)
        self.dropped = {i for i in self.group if roots[i].id not in kept
                        and self.group.get(roots[i].id) == self.group[i]
                        and is_repeatable(roots[i]) and is_repeatable(graph.order[self.position[i]])}
        self.new: dict[int, Vertex] = {}
        self.twins: dict[int, Vertex] = {}
        self.order: list[Vertex] = []
        self.origin = dict(graph.origin)

    def run(self) -> Dropped:
        """The graph."""
        graph, new = self.graph, self.new
        for position, v in enumerate(graph.order):
            inputs = tuple([self.value(x, v, position) for x in v.inputs])
            if any(a is not b for a, b in zip(inputs, v.inputs, strict=True)):
                new[v.id] = self.copy(v, inputs)
            else:
                self.order.append(v)
        changed = replace(graph, order=tuple(self.order), origin=self.origin,
                          outputs=tuple(new.get(v.id, v) for v in graph.outputs),
                          updates=tuple((leaf, new.get(v.id, v)) for leaf, v in graph.updates))
        again = {new[i].id if i in new else i for i in self.before.again} | {v.id for v in self.twins.values()}
        return Dropped(replace(changed, order=tuple(live(changed))), frozenset(again), new, self.twins)

    def copy(self, v: Vertex, inputs: tuple[Vertex, ...]) -> Vertex:
        """A vertex like another, next in the order."""
        w = copied(v, inputs)
        self.origin[w.id] = self.graph.source(v)
        self.order.append(w)
        return w

    def value(self, x: Vertex, reader: Vertex, position: int) -> Vertex:
        """What a reader reads for x."""
        if position < self.turn or x.id not in self.dropped or self.group.get(reader.id) == self.group[x.id]:
            return self.new.get(x.id, x)
        needed: dict[int, Vertex] = {}
        stack = [x]
        while stack:
            v = stack.pop()
            if v.id in self.dropped and v.id not in self.twins and v.id not in needed:
                needed[v.id] = v
                stack += v.inputs
        for i in sorted(needed, key=self.position.__getitem__):
            v = needed[i]
            inputs = tuple([self.twins[y.id] if y.id in self.twins else self.new.get(y.id, y) for y in v.inputs])
            self.twins[i] = self.copy(v, inputs)
        return self.twins[x.id]


__all__ = ["Dropped", "Group", "drop", "is_repeatable"]
