"""Fusion: which ops of a graph share one nest of loops.

A group has a space, the lengths of its loops. Each of its ops is computed at a place: for every axis of its result, the
loop that runs along it. Ops join a group where they find what they read, or else one that reads what they read, as long
as all places agree, and no op would have to wait for something that waits for the group.

Sums and other reductions divide the loops into outer ones and the inner ones that are summed over. What is summed over
the inner loops is known to the same turn of the outer loops, so that softmax or layer normalization is one group; what
is summed over outer loops is known only when the group is done. Numbers that are single by themselves (a learning
rate, 1 - βᵗ) are computed at the head of every group that uses them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ...graph import Graph
from ...op import Vertex
from ...ops.matmul import Matmul
from ...ops.shape import BroadcastTo, PermuteDims, Reshape, StopGradient
from ...ops.tuples import Item
from .attention import can_write
from .groups import (
    Group,
    Place,
    fit,
    is_elementwise,
    is_reduction,
    is_single,
    member_fits,
    point_shape,
    reduced_place,
    speakable,
    varying,
)
from .products import BATCHES
from .spelling import LOOPS
from .views import Views

MOST_MEMBERS = 64
"""So many ops in one group, and no more: beyond that a kernel is neither read nor kept in registers."""


class Fusion:
    """Puts the vertices of a graph into groups."""

    def __init__(self, graph: Graph, views: Views) -> None:
        self.graph, self.views = graph, views
        self.groups: list[Group] = []
        self.home: dict[int, Group] = {}
        """The group of each computed vertex; single numbers may have none."""
        self.readers: dict[int, list[Group]] = {}
        """The groups of loops that read an array, by its id."""
        self.scalars: dict[int, Vertex] = {}
        """Single numbers, computed wherever they are used."""
        self.depth: dict[int, int] = {}
        """How many of them are computed one after the other up to each."""
        for v in graph.order:
            if views.base(v) is v:
                self.admit(v)
        self.settle_scalars()

    # ---- one vertex after the other ----------------------------------------------------------------------------------

    def admit(self, v: Vertex) -> None:
        """Give a vertex a group."""
        space = tuple(n for n in point_shape(v) if n != 1) if is_elementwise(v) or is_reduction(v) else None
        if space is not None and len(space) <= len(LOOPS):
            for group in self.candidates(v):
                if self.join(v, group):
                    self.merge_producers(v, group)
                    return
            depth = 1 + max((self.depth.get(self.views.base(x).id, 0) for x in v.inputs), default=0)
            if is_single(v) and not v.op.may_fail and depth <= MOST_MEMBERS:  # type: ignore[union-attr]
                self.scalars[v.id], self.depth[v.id] = v, depth
                return
            group = Group("loops", [], space)
            self.groups.append(group)
            joined = self.join(v, group)
            assert joined
            return
        if isinstance(v.op, Item) and v.inputs[0].id in self.home:
            group = self.home[v.inputs[0].id]
            if group.kind == "attention":  # each of its results is an array of its own
                group.members.append(v)
                self.home[v.id] = group
                return
        group = Group(self.kind_of(v), [v])
        self.groups.append(group)
        self.home[v.id] = group
        for x in v.inputs:
            group.needs |= self.sources(x)

    def kind_of(self, v: Vertex) -> str:
        """The kind of the group of a vertex that shares no loops with others."""
        if isinstance(v.op, Matmul) and speakable(v) and v.dtype.char in "fd" and v.ndim - 1 <= len(BATCHES):
            return "product"
        if speakable(v) and v.op is not None and all(self.views.dense(x) for x in v.inputs) \
                and v.op.c_body(v, *v.inputs) is not None:
            return "body"
        return "attention" if can_write(v, self.views) and self.only_taken_apart(v) else "numpy"

    def only_taken_apart(self, v: Vertex) -> bool:
        """Whether nobody needs the tuple of an op's results but who takes one out of it, each but once."""
        readers = [w for w in self.graph.order if any(x is v for x in w.inputs)]
        return (all(isinstance(w.op, Item) for w in readers) and all(w is not v for w in self.graph.results)
                and len({w.attrs["index"] for w in readers}) == len(readers))

    def candidates(self, v: Vertex) -> Iterator[Group]:
        """Groups that v might join: of its inputs, the latest first, then those that read what it reads."""
        seen: set[int] = set()
        bases = [self.views.base(x) for x in v.inputs]
        producers = sorted((self.home[x.id] for x in bases if x.id in self.home), key=self.groups.index, reverse=True)
        for group in producers + [g for x in bases if x.size > 1 for g in reversed(self.readers.get(x.id, []))]:
            if group.kind == "loops" and id(group) not in seen:
                seen.add(id(group))
                yield group

    def join(self, v: Vertex, group: Group) -> bool:
        """Add v to a group, if it fits."""
        if len(group.members) >= MOST_MEMBERS:
            return False
        pins: list[tuple[Place, int]] = []
        for x in v.inputs:
            base = self.views.base(x)
            if self.home.get(base.id) is group:
                place = self.place(x, group)
                if place is None or not group.known_inside(base):
                    return False
                pins.append((place, x.ndim))
            elif any(self.reaches(source, group) for source in self.sources(x)):
                return False
        shape = point_shape(v)
        point = fit(shape, pins, group.space)
        if point is None:
            return False
        inner, level = group.inner, varying(point)
        result, summed = point, frozenset[int]()
        if is_reduction(v):
            result, summed = reduced_place(v, point)
            inner = self.inner_for(group, level, summed)
            if not self.can_sum(group, summed, inner):
                return False
        if level != group.loops and (inner is None or level != group.loops - inner):
            return False
        group.inner = inner
        group.members.append(v)
        group.points[v.id], group.places[v.id] = point, result
        self.home[v.id] = group
        for x in v.inputs:
            group.needs |= self.sources(x) - {group}
            base = self.views.base(x)
            readers = self.readers.setdefault(base.id, [])
            if self.home.get(base.id) is not group and group not in readers:
                readers.append(group)
        return True

    @staticmethod
    def inner_for(group: Group, level: frozenset[int], summed: frozenset[int]) -> frozenset[int] | None:
        """The inner loops of a group that a reduction joins: the last ones that are all summed over, or all kept."""
        if group.inner is not None or not summed or level != group.loops:
            return group.inner
        if summed == group.loops:
            return summed if len(summed) == 1 else None
        last = len(group.space) - 1
        inner = {last}
        while last - len(inner) >= 0 and ((last - len(inner)) in summed) == (last in summed):
            inner.add(last - len(inner))
        return frozenset(inner)

    @staticmethod
    def can_sum(group: Group, summed: frozenset[int], inner: frozenset[int] | None) -> bool:
        """Whether loops with these inner ones can sum over these loops."""
        if inner is None:
            return not summed or (summed == group.loops and len(group.space) > 1)
        return not summed & inner or inner <= summed

    def place(self, v: Vertex, group: Group) -> Place | None:
        """Where a member of a group, or a view of one, is; None for a view that loops cannot follow."""
        chain = []
        while v.id not in group.places:
            chain.append(v)
            v = v.inputs[0]
        place = group.places[v.id]
        for view in reversed(chain):
            found = seen_through(view, place)
            if found is None:
                return None
            place = found
        return place

    def merge_producers(self, v: Vertex, group: Group) -> None:
        """Join the groups of the other inputs of a new member with its own, where they have the same loops."""
        point = group.points[v.id]
        for x in v.inputs:
            base = self.views.base(x)
            other = self.home.get(base.id)
            if other is None or other is group or other.kind != "loops" or other.space != group.space:
                continue
            place = self.place(x, other)
            if (place is None or not other.known_inside(base)
                    or len(other.members) + len(group.members) > MOST_MEMBERS
                    or not (other.inner == group.inner or other.inner is None or group.inner is None)
                    or fit(point_shape(v), [(place, x.ndim), (point, len(point))], group.space) != point):
                continue
            inner = other.inner if group.inner is None else group.inner
            if not all(member_fits(g, member, inner) for g in (group, other) for member in g.members):
                continue
            if any(self.reaches(need, other) for need in group.needs - {other}) or self.reaches(other, group):
                continue
            if not all(self.aligned(w, y, other, group) for w in group.members for y in w.inputs):
                continue
            self.absorb(group, other)

    def aligned(self, w: Vertex, y: Vertex, other: Group, group: Group) -> bool:
        """Whether a member w would find its input y at its own point, were another group with the same loops added."""
        base = self.views.base(y)
        if base.id not in other.places:
            return base.id not in self.scalars or other not in self.sources(y)
        place, point = self.place(y, other), group.points[w.id]
        return place is not None and other.known_inside(base) and all(
            loop is None or loop == at for loop, at in zip(place[::-1], point[::-1], strict=False))

    def absorb(self, group: Group, other: Group) -> None:
        """Move all members of another group into this one."""
        group.inner = other.inner if group.inner is None else group.inner
        group.members = sorted([*group.members, *other.members], key=lambda w: w.id)
        order = {w.id: k for k, w in enumerate(self.graph.order)}
        group.members.sort(key=lambda w: order[w.id])
        group.points |= other.points
        group.places |= other.places
        group.needs = (group.needs | other.needs) - {group, other}
        for member in other.members:
            self.home[member.id] = group
        for third in self.groups:
            if other in third.needs:
                third.needs = third.needs - {other} | ({group} if third is not group else set())
        for readers in self.readers.values():
            if other in readers:
                readers[:] = [g for g in readers if g not in (group, other)] + [group]
        self.groups.remove(other)

    # ---- who waits for whom ------------------------------------------------------------------------------------------

    def sources(self, x: Vertex) -> set[Group]:
        """The groups that must be done before a value can be read."""
        base = self.views.base(x)
        if base.id in self.home:
            return {self.home[base.id]}
        found: set[Group] = set()
        pending, seen = [base], set()
        while pending:
            y = self.views.base(pending.pop())
            if y.id in seen:
                continue
            seen.add(y.id)
            if y.id in self.home:
                found.add(self.home[y.id])
            elif y.id in self.scalars:
                pending += y.inputs
        return found

    @staticmethod
    def reaches(group: Group, target: Group) -> bool:
        """Whether a group is another, or waits for it."""
        pending, seen = [group], set()
        while pending:
            g = pending.pop()
            if g is target:
                return True
            if id(g) not in seen:
                seen.add(id(g))
                pending += g.needs
        return False

    def settle_scalars(self) -> None:
        """Single numbers that are results, or that something other than loops reads, get a group of their own."""
        asked = [self.views.base(v) for v in self.graph.results]
        for group in self.groups:
            if group.kind != "loops":
                asked += [self.views.base(x) for v in group.members for x in v.inputs]
        for v in dict.fromkeys(x for x in asked if x.id in self.scalars):
            group = Group("scalar", [v], needs=self.sources(v))
            self.groups.append(group)
        for group in self.groups:
            if group.kind == "scalar":
                self.home[group.members[0].id] = group
        for group in self.groups:
            if group.kind not in ("loops", "scalar"):
                group.needs |= {self.home[b.id] for v in group.members for x in v.inputs
                                if (b := self.views.base(x)).id in self.scalars}


def seen_through(v: Vertex, place: Place) -> Place | None:
    """Where a view is of something at `place`; None if loops cannot follow it."""
    x = v.inputs[0]
    if isinstance(v.op, StopGradient):
        return place
    if isinstance(v.op, PermuteDims):
        return tuple(place[axis] for axis in v.attrs["axes"])
    if isinstance(v.op, BroadcastTo):
        return (*[None] * (v.ndim - x.ndim), *place)
    if isinstance(v.op, Reshape) and [n for n in x.shape if n != 1] == [n for n in v.shape if n != 1]:
        moving = [loop for loop, n in zip(place, x.shape, strict=True) if n != 1]
        return tuple(None if n == 1 else moving.pop(0) for n in v.shape)
    return None


def ordered(groups: Sequence[Group], graph: Graph) -> list[Group]:
    """The groups in an order in which they can run: as in the graph, and what only updates cells as late as can be."""
    position = {v.id: k for k, v in enumerate(graph.order)}
    last = {id(g): max(position[v.id] for v in (g.members if g.kind == "loops" else g.members[:1])) for g in groups}
    waiting = sorted(groups, key=lambda g: last[id(g)])
    done: list[Group] = []
    ready: set[int] = set()
    while waiting:
        group = next(g for g in waiting if all(id(need) in ready for need in g.needs))
        waiting.remove(group)
        done.append(group)
        ready.add(id(group))
    needed = {id(need) for g in groups for need in g.needs}
    late = [g for g in done if g.kind in ("loops", "scalar") and id(g) not in needed]
    late_ids = {id(g) for g in late}
    return [g for g in done if id(g) not in late_ids] + late
