"""Tracing: running a Python function once, with specs instead of values, and keeping what it did as a `Graph`.

While a `FunctionTracer` is in `state.now.tracer`, every op call comes here instead of being computed. Tensors from
outside stand in the graph as cells: they are read anew on every call, and overwriting one becomes an update. Gradient
rules are made of ops, so `.backward()` and `optimizer.step()` are recorded like everything else.

What cannot be part of a graph is refused with a `TraceError` that names the user's line; nothing is frozen silently.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .errors import GradientError, Site, TraceError, place, user_site
from .graph import Graph, Segment
from .op import NO_ATTRS, Op, Shape, Spec, Vertex, next_id, refresh, state
from .ops.inplace import renew
from .refusals import LineOf, refuse_outdated_reads, refuse_strided_overwrites, refuse_what_remains
from .stand_ins import (
    Source,
    StandIn,
    called,
    has_open_gradient,
    is_entry_gradient,
    kind_of_entry,
    original,
    source_of,
    stand_in,
    twin,
)
from .tracer import Tracer
from .versions import Versions, as_of, computed, root_of

NUMBERS_ONLY = (int, float, complex, str, bytes, bool, type(None), np.generic, np.dtype)
"""What besides tensors a static function can return."""


@dataclass
class Recording:
    """What one run of a function did."""

    graph: Graph
    results: list[tuple[Any, ...]]
    """What each leaf of the returned structure is:

    ("value", a plain value), ("held", a source: a tensor from outside, handed through), ("gradient", a source: what
    the call has put into its `.grad`), ("output", its number, History) or ("view", a source, the steps of the view).
    """
    sources: dict[int, Source]
    """Where each leaf of the graph comes from, by id."""
    deposits: list[Source]
    """Whose `.grad` the last outputs of the graph are."""
    links: list[tuple[Source, Source]]
    """Whose `.grad` the call makes which tensor from outside."""
    cleared: list[Source]
    """Whose `.grad` the call leaves as None."""
    entry: list[tuple[Source, Any]]
    """Tensors whose `.grad` the call starts from, and what that is like."""
    renewals: dict[int, int]
    """The vertices, by id, that are what a leaf that requires a gradient is after an overwrite, and the leaf's id."""
    quiet: set[int]
    """The recorded vertices, by id, that come from gradient rules."""


@dataclass(frozen=True)
class History:
    """What is to be known of an output besides its value."""

    type: type[Vertex]
    op: Op | None
    site: Any
    name: str | None
    requires_grad: bool
    freed: bool
    """Whether a backward pass has been where it comes from."""
    marked: bool
    """Whether it was made in inference mode from tensors that require a gradient."""


class FunctionTracer(Tracer):
    """Records one run of a Python function."""

    def __init__(self, name: str, line_of: LineOf) -> None:
        super().__init__(name)
        self.line_of = line_of
        """Where the code that runs mentions a name."""
        self.returned: Site | None = None
        self.start = next_id()
        self.leaves: list[StandIn] = []
        """Arguments, cells and gradients, in the order in which they were met."""
        self.constants: dict[int, Any] = {}
        """Arrays of tensors that the function itself made, by the id of their stand-in."""
        self.stand_ins: dict[int, StandIn] = {}
        """The stand-in of a tensor from outside, by the identity of the tensor."""
        self.twins: dict[int, Vertex] = {}
        """What the function is given in place of an argument of which sizes are left open, by its identity."""
        self.untracked: set[int] = set()
        """Vertices that were made from nothing that requires a gradient, or under no_grad, by id."""
        self.blind: set[int] = set()
        """Vertices that were made under no_grad, by id."""
        self.marked: set[int] = set()
        """Vertices that were made in inference mode from what requires a gradient, by id."""
        self.read: list[Vertex] = []
        """Constants whose values were read."""
        self.inner: dict[int, Vertex] = {}
        """Vertices in the bodies of loops and branches, by identity: they have no value outside these."""
        self.quiet: set[int] = set()
        self.renewals: dict[int, int] = {}
        self.segments: list[Segment] = []
        """What `tg.checkpoint` ran, inner ones first."""
        self.errors = np.geterr()

    # ---- tensors from outside ----------------------------------------------------------------------------------------

    def meet(self, x: Vertex, source: Source | None, shape: Shape | None = None) -> StandIn:
        """A stand-in for a tensor that is not in the graph yet."""
        s = stand_in(x, source, self.entry_gradient, shape)
        self.stand_ins[id(x)] = s
        if source is not None:
            self.leaves.append(s)
        return s

    def argument(self, x: Vertex, number: int, shape: Shape | None = None) -> Vertex:
        """Note an argument of the call; what the function is given for it. With a shape, sizes of it are left open."""
        s = self.stand_ins.get(id(x))
        if s is None:
            s = self.meet(x, Source(argument=number), shape)
        if shape is None:
            return x
        given = self.twins.get(id(x))
        if given is None:
            given = self.twins[id(x)] = twin(x, s.shape)
            self.stand_ins[id(given)] = s
        return given

    def entry_gradient(self, s: StandIn) -> Vertex | None:
        """The gradient that the tensor behind `s` comes with."""
        g = s.real._grad
        if s.source is None or s.source.gradient or g is None:
            return None
        if id(g) in self.stand_ins:
            raise TraceError.at(
                "TG-S10", f"the gradient of {called(s)} is also handed to {self.name} as a tensor of its own",
                user_site(), "A graph has one place for each tensor.", "pass a copy() of it")
        return self.meet(g, Source(s.source.argument, s.source.tensor, gradient=True),
                         s.shape if has_open_gradient(s) else None)

    def resolve(self, x: Any) -> Any:
        known = self.stand_ins.get(id(x))
        if known is not None:
            if known.requires_grad and x.op is not None and state.now.grad:
                self.refuse_history(known)
            return known
        data = x._data
        if type(data) is Spec or type(data) is tuple:
            if x.id < self.start:
                raise TraceError.at(
                    "TG-S07", "a tensor that belongs to another static graph is used", user_site(),
                    "It has no value here.", "return it from the function that made it, and pass the result")
            if id(x) in self.inner:
                raise TraceError.at(
                    "TG-S07", "a tensor that was made in the body of a loop or branch is used outside it", user_site(),
                    "It has a value for each step, or for one branch only.", "return it from the body")
            return x
        if type(data) is np.ndarray and not data.flags.writeable and data.ndim == 0 and not x.requires_grad:
            return x  # a number that was written in the code
        if x.id > self.start and x.op is None and x.base is None:
            return self.constant(x)
        if x.base is not None:
            refresh(x)
        s = self.meet(x, Source(tensor=x))
        if x.requires_grad and x.op is not None and state.now.grad:
            self.refuse_history(s)
        return s

    def strides(self, x: Vertex) -> tuple[int, ...] | None:
        return x.real._data.strides if isinstance(x, StandIn) and not x.facts.contiguous else None

    def constant(self, x: Vertex) -> StandIn:
        """A stand-in for a tensor that the function itself has made from plain numbers."""
        if x.exposed is not None:
            raise TraceError.at(
                "TG-S08", f"a tensor in the memory of a NumPy array is made inside {self.name}", user_site(),
                "In static mode the present numbers would be frozen.",
                "make it outside, with tg.asarray(array, copy=False), and pass it as an argument")
        s = self.meet(x, None)
        s.id = s.stamp = x.id
        self.constants[s.id] = x._data.copy()
        return s

    def refuse_history(self, s: StandIn) -> None:
        """A tensor that was computed outside is used where gradients are recorded. As an argument that is fine."""
        if s.source is not None and s.source.argument is None:
            x = s.real
            raise TraceError.at(
                "TG-S07", f"a tensor with a history outside {self.name} ({x.op} at {place(x.site)}) is used",
                user_site(), "A gradient could not reach what it was made from.", "make it inside the static function",
                "pass it as an argument", "detach() it")

    def leak(self, x: Vertex, why: str) -> Any:
        if self.is_constant(x):
            self.read.append(x)  # fine unless it is overwritten later
            return None
        return super().leak(x, why)

    def is_constant(self, x: Vertex) -> bool:
        """Whether the function itself has made `x` from plain numbers, and has not used it yet."""
        made_here = x.id > self.start and id(x) not in self.stand_ins and x.base is None
        return made_here and isinstance(x._data, np.ndarray) and not x.requires_grad

    # ---- ops ---------------------------------------------------------------------------------------------------------

    def apply(self, op: Op, inputs: tuple[Vertex, ...], attrs: Mapping[str, Any] = NO_ATTRS) -> Any:
        if np.geterr() != self.errors:
            raise TraceError.at(
                "TG-S05", f"{self.name} changes how NumPy treats errors (np.errstate) around {op}", user_site(),
                "In static mode it would do so while it is traced, not when the numbers are computed.",
                "`with np.errstate(...):` around the call of the function")
        z = super().apply(op, inputs, attrs)
        now = state.now
        if now.quiet:
            self.quiet.add(z.id)
        if not z.requires_grad:
            self.untracked.add(z.id)
            if not now.grad:
                self.blind.add(z.id)
                if now.inference and any(x.requires_grad for x in z.inputs):
                    self.marked.add(z.id)
        if self.marked and any(x.id in self.marked for x in z.inputs):
            if now.grad:
                raise GradientError(f"a tensor that was made in inference mode is used at {place(user_site())} where "
                                    "gradients are recorded.\nWay out: use `tg.no_grad()` instead of `tg.inference`.")
            self.marked.add(z.id)
        return z

    def refresh(self, x: Vertex) -> None:
        before = x.id
        super().refresh(x)
        if x.id != before:
            for kind in (self.blind, self.marked):
                if before in kind:
                    kind.add(x.id)
            if not x.requires_grad:
                self.untracked.add(x.id)

    def is_blind(self, z: Vertex) -> bool:
        return z.id in self.blind or super().is_blind(z)

    def is_leaf(self, z: Vertex) -> bool:
        return z.id in self.untracked or super().is_leaf(z)

    # ---- the graph ---------------------------------------------------------------------------------------------------

    def segment(self, start: int, kept: Sequence[Vertex]) -> None:
        """Of what was recorded from number `start` on, the gradient keeps these alone."""
        members = set()
        for v in self.recorded[start:]:
            x: Vertex | None = v
            while x is not None:  # it may have been overwritten since
                members.add(x.id)
                x = x.past
        self.segments.append(Segment(frozenset(members), frozenset([v.id for v in kept])))

    def finish(self, answers: Sequence[Any], returned: Site | None) -> Recording:
        """What was recorded, when the function has answered with these leaves of its result, at that place."""
        self.returned = returned
        refuse_what_remains(self.name, self.leaves, self.line_of)
        refuse_outdated_reads(self.name, [self.stand_ins[id(x)] for x in self.read if id(x) in self.stand_ins])
        touched = [s for s in self.leaves if s.touched and s.kept is not None and not is_entry_gradient(s)]
        linked = [s for s in touched if isinstance(s.kept, StandIn) and s.kept.source is not None]
        deposits = [s for s in touched if not (isinstance(s.kept, StandIn) and s.kept.source is not None)]
        outputs: list[Vertex] = []
        results = [self.result(answer, deposits, outputs) for answer in answers]
        for s in deposits:
            self.refresh(s.kept)
        families = [id(root_of(v)) for v in outputs]
        numbers = {family: number for number, family in enumerate(dict.fromkeys(families))}
        return Recording(
            graph=self.graph([*outputs, *(s.kept for s in deposits)],
                             (*map(numbers.__getitem__, families), *range(len(numbers), len(numbers) + len(deposits)))),
            results=results, sources={original(s).id: source_of(s) for s in self.leaves},
            deposits=[source_of(s) for s in deposits], links=[(source_of(s), source_of(s.kept)) for s in linked],
            cleared=[source_of(s) for s in self.leaves if s.touched and s.kept is None],
            entry=[(source_of(s), kind_of_entry(s)) for s in self.leaves
                   if s.reads_gradient and not source_of(s).gradient],
            renewals=self.renewals, quiet=self.quiet)

    def graph(self, results: Sequence[Vertex], families: tuple[int, ...]) -> Graph:
        """The graph that computes `results` and what the leaves become."""
        written = [s for s in self.leaves if s.past is not None]
        versions = Versions(computed(self.recorded, [*results, *written]))
        for v in versions.leaves:
            if v.id in self.constants:
                v._data = self.constants[v.id]
        refuse_strided_overwrites(self.name, self.leaves, versions)
        for s in written:
            later: Vertex = s
            while later.past is not None:
                if later.op is renew and later.requires_grad:
                    self.renewals[versions(later).id] = original(s).id
                later = later.past
        leaves = [(original(s), source_of(s)) for s in self.leaves]
        return Graph(
            name=self.name, inputs=tuple(v for v, source in leaves if source.argument is not None or source.gradient),
            cells=tuple(v for v, source in leaves if source.argument is None and not source.gradient),
            outputs=tuple(versions(v) for v in results), updates=tuple((original(s), versions(s)) for s in written),
            order=versions.order, origin=versions.origin, scopes=self.scopes, families=families,
            strides={original(s).id: s.real._data.strides for s in self.leaves
                     if not s.facts.contiguous}, segments=tuple(self.segments))

    def result(self, value: Any, deposits: list[StandIn], outputs: list[Vertex]) -> tuple[Any, ...]:
        """What a returned value is; one that the graph has to compute is added to the outputs."""
        if not isinstance(value, Vertex):
            if isinstance(value, NUMBERS_ONLY):
                return "value", value
            raise TraceError.at(
                "TG-S08", f"{self.name} returns a {type(value).__name__}", self.returned,
                "A static function can return tensors, numbers, strings, None, and tuples, lists and dicts of them.",
                "return what it is made of")
        v = value if isinstance(value, StandIn) else self.resolve(value)
        self.refresh(v)
        if isinstance(v, StandIn) and v.source is not None:
            return "held", v.source
        for s in deposits:
            if s.kept is v:
                return "gradient", source_of(s)
        steps, root = [], v
        while root.op is not None and root.op.view and root.base is not None:
            steps.append((root.op, root.attrs, root.id not in self.blind))
            root = root.inputs[0]
        if isinstance(root, StandIn) and root.source is not None:
            return "view", root.source, tuple(reversed(steps)), v.name
        if (v._grad if not isinstance(v, StandIn) else v.kept) is not None:
            raise TraceError.at(
                "TG-S08", f"{self.name} returns a tensor made inside it that has a gradient", self.returned,
                "Only the values would arrive.", "return its .grad as well, as a tensor of its own")
        number = next((k for k, known in enumerate(outputs) if known is v), len(outputs))
        if number == len(outputs):
            outputs.append(v)
        leaf = self.is_leaf(v)
        cls = type(value) if isinstance(v, StandIn) else v.result_type
        return "output", number, History(cls, None if leaf else v.op,
                                         v.site, v.name, v.requires_grad, self.has_freed_past(v), v.id in self.marked)

    def has_freed_past(self, v: Vertex) -> bool:
        """Whether a gradient from `v` would meet a part of the graph that a backward pass has freed."""
        stack, seen = [v], set()
        while stack:
            x = stack.pop()
            if x.id in seen or not x.requires_grad or self.is_leaf(x):
                continue
            seen.add(x.id)
            if self.is_freed(x):
                return True
            stack += [as_of(y, x.id) for y in x.inputs]
        return False

__all__ = ["FunctionTracer", "History", "Recording"]
