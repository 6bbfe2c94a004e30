"""The driver of rewrites. A rule is a function from a vertex to its replacement, or None; only the driver applies it.

It walks the graph once in order, with inputs already rewritten, asks the rules of a pass for each vertex until none
has an answer, checks that shape and dtype did not change and that no more is computed than before, and logs every
rewrite. What nobody needs any more is left out at once; what exists already is not made a second time.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from .. import observe
from ..errors import TeachgradError, Where, place
from ..graph import Graph, copied, specs
from ..op import NO_ATTRS, Op, Vertex, modes
from ..tracer import Tracer
from .equality import key_of
from .references import Change, References, change
from .rules import EXACT, Answer, Bound, Miss, Rule

Asked = Callable[[Vertex], Answer]
"""A rule as the driver sees it: a plain function, or one with a declaration (`Rule`)."""


MOST_REWRITES = 100
"""So often one vertex is replaced in a walk before the rules are taken to go round in circles."""


@dataclass(frozen=True, eq=False)
class Rewrite:
    """A vertex was replaced. `error` is the largest difference on real inputs, if it was verified."""

    pass_name: str
    rule: str
    before: Vertex
    after: Vertex
    where: Where | None
    """The user's line that made the vertex."""
    change: Change
    """What became more and what less."""
    rule_where: str
    """File and line of the rule."""
    bound: Bound = EXACT
    """How far the new value may be from the old one."""
    domain: str = ""
    """Where the new form has a value and the old one has not."""
    error: float | None = None
    fresh: tuple[Vertex, ...] = ()
    """What is computed newly for it."""
    dead: tuple[Vertex, ...] = ()
    """What nobody needs any more."""

    def __str__(self) -> str:
        text = f"{self.pass_name}: {self.rule} ({self.rule_where}) at {self.before.op}, {self.where}: {self.change}"
        text += f"; domain: {self.domain}" if self.domain else ""
        return text + (f"; error {self.error:.2g}" if self.error is not None else "")


@dataclass(frozen=True, eq=False)
class NearMiss:
    """A rule was close to applying at a vertex and did not, for a reason."""

    pass_name: str
    rule: str
    vertex: Vertex
    where: Where | None
    reason: str

    def __str__(self) -> str:
        return f"{self.pass_name}: {self.rule} not at {self.vertex.op}, {self.where}: {self.reason}"


class Log(list[Rewrite]):
    """The rewrites of a run of passes; and, if asked for, the near misses."""

    def __init__(self, near_misses: bool = False) -> None:
        super().__init__()
        self.near_misses: list[NearMiss] | None = [] if near_misses else None
        self.copies: dict[int, int] = {}
        """The ids of vertices that were copied since something before them was replaced, by the id of the copy."""
        self.ends: list[int] = []
        """How many rewrites there were after each pass."""


class Builder(Tracer):
    """Makes vertices for replacements: rules are written with ops, and their results land here.

    If equal vertices are to be shared, one that the graph has already is not made again; the rules of algebra rely on
    it, and equal parts of their patterns are one vertex.
    """

    def __init__(self, name: str, sharing: bool) -> None:
        super().__init__(name)
        self.sharing = sharing
        self.known: dict[Any, Vertex] = {}
        """What the graph has, and what the rule that runs has made."""
        self.keys: dict[int, Any] = {}

    def resolve(self, x: Any) -> Any:
        return x

    def refresh(self, x: Vertex) -> None:
        """Nothing is overwritten in a graph."""

    def apply(self, op: Op, inputs: tuple[Vertex, ...], attrs: Mapping[str, Any] = NO_ATTRS) -> Any:
        key = key_of(op, inputs, attrs) if self.sharing else None
        found = self.known.get(key) if key is not None else None
        if found is not None:
            return found
        z = super().apply(op, inputs, attrs)
        self.enter(key, z)
        return z

    def enter(self, key: Any, z: Vertex) -> None:
        """Note a vertex under what makes it equal to another."""
        if key is not None and self.known.setdefault(key, z) is z:
            self.keys[z.id] = key

    def forget(self, v: Vertex) -> None:
        """A vertex that the graph no longer has."""
        key = self.keys.pop(v.id, None)
        if key is not None:
            del self.known[key]

    def dismiss(self, kept: Iterable[Vertex] = ()) -> None:
        """Forget what a rule made on its way to its answer, but for what that needs."""
        needed = {v.id for v in kept}
        for v in self.recorded:
            if v.id not in needed:
                self.forget(v)
        self.recorded.clear()
        self.scopes.clear()


def rewrite(graph: Graph, pass_name: str, rules: Sequence[Asked], log: list[Rewrite]) -> Graph:
    """Apply rules everywhere, once through the graph."""
    return Sweep(graph, pass_name, rules, log).run()


@dataclass(frozen=True)
class Offer:
    """A replacement that a rule offers: what it needs that is new, and what nobody needs any more once it stands."""

    rule: Asked
    after: Vertex
    fresh: list[Vertex]
    dead: list[Vertex]

    @property
    def change(self) -> Change:
        return change(self.fresh, self.dead)


class Sweep:
    """One walk through a graph."""

    def __init__(self, graph: Graph, pass_name: str, rules: Sequence[Asked], log: list[Rewrite]) -> None:
        self.graph, self.pass_name, self.log = graph, pass_name, log
        self.rules = by_op(rules)
        self.anywhere = tuple(rule for rule in rules if not isinstance(rule, Rule))
        self.references = References(graph)
        self.builder = Builder(pass_name, sharing=bool(self.rules))
        self.new: dict[int, Vertex] = {}
        """What stands for a vertex of the graph, where that is another."""
        self.order: dict[int, Vertex] = {}
        """What the new graph computes so far, by id."""
        self.dropped: set[int] = set()
        """What died on the way."""
        self.origin = dict(graph.origin)
        self.near_misses = getattr(log, "near_misses", None)
        self.copies: dict[int, int] = getattr(log, "copies", {})

    def run(self) -> Graph:
        """The rewritten graph."""
        graph, new = self.graph, self.new
        with modes(tracer=self.builder, grad=False):
            for v in graph.order:
                inputs = tuple([new.get(x.id, x) for x in v.inputs])
                w = v
                if any(a is not b for a, b in zip(inputs, v.inputs, strict=True)):
                    w = copied(v, inputs)
                    self.references.replaced_inputs(v, w)
                    self.copies[w.id] = v.id
                current = self.settled(v, w)
                self.put(current, v)
                if current is not v:
                    new[v.id] = current
        return replace(graph, outputs=tuple(new.get(v.id, v) for v in graph.outputs),
                       updates=tuple((leaf, new.get(v.id, v)) for leaf, v in graph.updates),
                       order=tuple(self.order.values()), origin=self.origin)

    def settled(self, source: Vertex, v: Vertex) -> Vertex:
        """What stands for a vertex when no rule has an answer any more."""
        fired: list[str] = []
        while (offer := self.first_offer(v)) is not None:
            self.accept(source, v, offer)
            v = offer.after
            if all(x is not v for x in offer.fresh):
                return v  # it was there before: rules were asked about it then, and others need it as it is
            fired.append(f"{name_of(offer.rule)} ({line_of(offer.rule)})")
            if len(fired) == MOST_REWRITES:
                raise TeachgradError(f"the rules of pass {self.pass_name} go round in circles at {source.op} "
                                     f"({place(source.site)}): {' and '.join(dict.fromkeys(fired[-2:]))} "
                                     f"undo {'each other' if fired[-1] != fired[-2] else 'themselves'}")
        return v

    def first_offer(self, v: Vertex) -> Offer | None:
        """The replacement of the first rule that has one, if that may be had."""
        if v.op is None:
            return None
        for rule in self.rules.get(v.op.name, self.anywhere):
            after = rule(v)
            if after is None or after is v or type(after) is Miss:
                if self.builder.recorded:
                    self.builder.dismiss()
                if type(after) is Miss:
                    self.missed(rule, v, after.reason)
                continue
            assert isinstance(after, Vertex)
            offer = self.offered(rule, v, after)
            if isinstance(rule, Rule) and offer.change.kernels > rule.grows:
                self.missed(rule, v, f"kernels {offer.change.kernels:+d}, since values that would be replaced are used "
                                     "elsewhere too")
                for x in offer.fresh:
                    self.builder.forget(x)
                continue
            return offer
        return None

    def offered(self, rule: Asked, v: Vertex, after: Vertex) -> Offer:
        """A replacement, checked, and what it brings and takes."""
        check(rule, v, after)
        fresh = self.missing(after)
        self.builder.dismiss(fresh)
        if any(x is v for x in fresh):
            raise TeachgradError(f"rule {name_of(rule)} ({line_of(rule)}) replaced {v.op} by something made of it")
        covers = rule.covers if isinstance(rule, Rule) else ()
        return Offer(rule, after, fresh, self.references.dead(v, after, fresh, covers))

    def missing(self, after: Vertex) -> list[Vertex]:
        """What has to be computed for a replacement and is not, or no longer: a rule may know vertices that died."""
        found: dict[int, Vertex] = {}
        stack = [after]
        while stack:
            x = stack.pop()
            if x.op is not None and x.id not in self.order and x.id not in found:
                found[x.id] = x
                stack += x.inputs
        return [found[i] for i in sorted(found)]

    def missed(self, rule: Asked, v: Vertex, reason: str) -> None:
        if self.near_misses is not None:
            self.near_misses.append(NearMiss(self.pass_name, name_of(rule), v, self.graph.where(v), reason))

    def accept(self, source: Vertex, v: Vertex, offer: Offer) -> None:
        """Let a replacement stand for a vertex, and write it down."""
        rule, after = offer.rule, offer.after
        self.references.replace(v, after, offer.fresh, offer.dead)
        for x in offer.fresh:
            if x.id not in self.dropped:
                x.site = source.site
                if x is after:
                    x.name, x.requires_grad = source.name, source.requires_grad
            self.put(x, source)
        for x in offer.dead:
            self.dropped.add(x.id)
            self.order.pop(x.id, None)
            self.builder.forget(x)
        where = self.graph.where(source)
        bound, domain = getattr(rule, "bound", EXACT), rule.domain if isinstance(rule, Rule) else ""
        self.log.append(Rewrite(self.pass_name, name_of(rule), v, after, where, offer.change, line_of(rule), bound,
                                domain, fresh=tuple(offer.fresh), dead=tuple(offer.dead)))
        if observe.sink is not None:
            observe.sink(observe.Rewrite(self.pass_name, name_of(rule), source.id, after.id, where))

    def put(self, v: Vertex, source: Vertex) -> None:
        """Have a vertex computed at this place of the order."""
        if v.op is None or v.id in self.order:
            return
        self.order[v.id] = v
        if self.builder.sharing:
            self.builder.enter(key_of(v.op, v.inputs, v.attrs), v)
        if v is not source:
            self.origin.setdefault(v.id, self.graph.source(source))


def by_op(rules: Sequence[Asked]) -> dict[str, tuple[Asked, ...]]:
    """The rules to ask at each op, those without a declaration everywhere. Ops that are not named are left out."""
    names = {op.name for rule in rules if isinstance(rule, Rule) for op in rule.ops}
    return {name: tuple(rule for rule in rules if not isinstance(rule, Rule) or any(op.name == name for op in rule.ops))
            for name in names}


def name_of(rule: Asked) -> str:
    return rule.__name__


def line_of(rule: Asked) -> str:
    """File and line of a rule."""
    if isinstance(rule, Rule):
        return rule.where
    code = getattr(rule, "__code__", None)
    return f"{os.path.basename(code.co_filename)}:{code.co_firstlineno}" if code else ""


def check(rule: Asked, before: Vertex, after: Vertex) -> None:
    """A replacement must be of the same shape and dtype."""
    a, b = specs([before, after])
    if a != b:
        raise TeachgradError(f"rule {name_of(rule)} ({line_of(rule)}) replaced {before.op} of {a} by a vertex of {b}")
