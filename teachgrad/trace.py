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

from .errors import TraceError, locate, place, user_site
from .graph import Graph
from .op import NO_ATTRS, Op, Spec, Symbolic, Vertex, explain, next_id, refresh, state
from .tensor import Tensor


class Tracer:
    """Makes vertices without computing: what a traced function and a graph built by hand have in common."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.recorded: list[Vertex] = []
        self.scopes: dict[int, str] = {}
        self.freed: set[int] = set()

    def resolve(self, x: Any) -> Any:
        """The vertex that stands for `x` in the graph."""
        raise NotImplementedError

    def apply(self, op: Op, inputs: tuple[Vertex, ...], attrs: Mapping[str, Any] = NO_ATTRS) -> Any:
        """Add an op to the graph; the result has a `Spec` for its data."""
        xs = tuple([self.resolve(x) for x in inputs])
        for x in xs:
            if x.base is not None and type(x.base) is not Symbolic:
                refresh(x)
        try:
            data = op.infer(*[spec(x) for x in xs], **attrs)
        except (ValueError, TypeError, IndexError, ArithmeticError, NotImplementedError) as error:
            if "depends on" in str(error):
                raise TraceError("TG-S04", f"{error}\n{shown(user_site())}\nIn a static graph every shape is known "
                                 "before the values are.\nWays out: tg.where(mask, x, 0) keeps the shape; or do this "
                                 "outside the static function.") from error
            raise explain(op, xs, attrs, error) from error
        z = xs[0].result_type(data)
        z.op, z.inputs, z.attrs, z.site = op, xs, attrs, user_site()
        z.requires_grad = state.now.grad and op.differentiable and any(x.requires_grad for x in xs)
        if op.view:
            z.base = xs[0] if xs[0].base is None else xs[0].base
        self.recorded.append(z)
        if state.now.scope:
            self.scopes[z.id] = state.now.scope
        return z

    def free(self, z: Vertex) -> None:
        """The gradient has passed here; a second backward pass is refused, as in dynamic mode."""
        self.freed.add(z.id)

    def is_freed(self, z: Vertex) -> bool:
        return z.id in self.freed

    def leak(self, x: Vertex, why: str) -> None:
        """A value is asked for that is not there."""
        raise TraceError("TG-S01", f"a tensor was {why} while {self.name} was traced\n{shown(user_site())}"
                         f"\n    {history(self.resolve(x))}\n"
                         "In static mode this value would be decided once and frozen.\n"
                         "Ways out: tg.where(condition, a, b) keeps both sides in the graph; move the line out of the "
                         "static function and pass what it decides as an argument; or run it in dynamic mode: "
                         "`with tg.mode(\"dynamic\"):`.")

    def host_array(self, array: Any) -> None:
        """A NumPy array is made into a tensor."""


class StandIn(Tensor):
    """Stands in a trace for a tensor from outside. Notices whether the gradient it comes with is used."""

    __slots__ = ("entry_grad_matters", "kept", "owner", "touched", "tracer")

    tracer: FunctionTracer
    owner: StandIn
    kept: Any
    touched: bool
    """Whether `.grad` was read or written so far."""
    entry_grad_matters: bool
    """Whether `.grad` was read before it was written: then the call depends on it."""

    @property
    def _grad(self) -> Any:
        me = self.owner
        if not me.touched:
            me.touched = me.entry_grad_matters = True
            me.kept = self.tracer.entry_gradient(me)
        return me.kept

    @_grad.setter
    def _grad(self, value: Any) -> None:
        self.owner.touched = True
        self.owner.kept = value

    def earlier_self(self) -> Vertex:
        old = StandIn.__new__(StandIn)
        for slot in Vertex.__slots__:
            if slot != "_grad":
                setattr(old, slot, getattr(self, slot))
        old.tracer, old.owner = self.tracer, self.owner
        return old


def stand_in(x: Vertex, tracer: FunctionTracer) -> StandIn:
    """A vertex with the spec of `x` and no value."""
    s = StandIn.__new__(StandIn)
    s.tracer, s.owner, s.kept, s.touched, s.entry_grad_matters = tracer, s, None, True, False
    Vertex.__init__(s, Spec(x.shape, x.dtype), x.requires_grad, x.name)
    s.touched = False
    s.site = x.site
    return s


@dataclass(frozen=True)
class Source:
    """What a leaf of the graph is at the time of a call: a tensor from outside, or the gradient it has then."""

    tensor: Vertex
    gradient: bool = False


def holder(source: Source | int, leaves: list[Any]) -> Vertex:
    """The tensor that a leaf of the graph stands for in this call."""
    if isinstance(source, int):
        return leaves[source]
    if source.gradient:
        assert source.tensor._grad is not None
        return source.tensor._grad
    return source.tensor


class FunctionTracer(Tracer):
    """Records one run of a Python function."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.start = next_id()
        self.inputs: list[StandIn] = []
        self.cells: list[StandIn] = []
        self.sources: dict[int, Source] = {}
        """What each input and cell stands for, by the id it was made with."""
        self.constants: dict[int, Any] = {}
        """Arrays of tensors that the function itself made, by the id of their stand-in."""
        self.stand_ins: dict[int, Vertex] = {}
        """The stand-in of a tensor from outside, by the identity of the tensor."""
        self.alive: list[Vertex] = []
        self.arrays: list[tuple[Any, Any]] = []
        """NumPy arrays that the function made into tensors, and their contents when it did."""

    def argument(self, x: Vertex) -> Vertex:
        """A stand-in for an argument of the call."""
        s = stand_in(x, self)
        self.remember(x, s, Source(x))
        self.inputs.append(s)
        return s

    def remember(self, x: Vertex, s: Vertex, source: Source | None) -> None:
        self.stand_ins[id(x)] = s
        self.alive.append(x)
        if source is not None:
            self.sources[s.id] = source

    def entry_gradient(self, s: StandIn) -> Vertex | None:
        """The gradient that the tensor behind `s` comes with."""
        source = self.sources.get(original(s).id)
        if source is None or source.gradient or source.tensor._grad is None:
            return None
        g = stand_in(source.tensor._grad, self)
        self.remember(source.tensor._grad, g, Source(source.tensor, gradient=True))
        self.cells.append(g)
        return g

    def resolve(self, x: Any) -> Any:
        known = self.stand_ins.get(id(x))
        if known is not None:
            return known
        data = x._data
        if type(data) is Spec or type(data) is tuple:
            if x.id < self.start:
                raise TraceError("TG-S07", f"a tensor that belongs to another static graph is used at "
                                 f"{place(user_site())}; it has no value here.\nWay out: return it from the function "
                                 "that made it, and pass the result.")
            return x
        if not data.flags.writeable and data.ndim == 0 and not x.requires_grad:
            return x  # a number that was written in the code
        s = stand_in(x, self)
        if x.id > self.start and x.op is None:  # made by the function itself: the graph gets a constant
            s.id = s.stamp = x.id
            self.constants[s.id] = data.copy()
            self.remember(x, s, None)
            return s
        if x.requires_grad and x.op is not None and state.now.grad:
            raise TraceError("TG-S07", f"a tensor with a history outside {self.name} ({x.op} at {place(x.site)}) is "
                             f"used at {place(user_site())}; a gradient could not reach what it was made from.\n"
                             "Ways out: make it inside the static function; pass it as an argument; or detach() it.")
        self.remember(x, s, Source(x))
        self.cells.append(s)
        return s

    def leak(self, x: Vertex, why: str) -> None:
        made_here = x.id > self.start and id(x) not in self.stand_ins
        if made_here and isinstance(x._data, np.ndarray) and not x.requires_grad:
            return  # a constant
        super().leak(x, why)

    def host_array(self, array: Any) -> None:
        self.arrays.append((array, array.copy()))

    # ---- the graph ---------------------------------------------------------------------------------------------------

    def graph(self, outputs: Sequence[Vertex]) -> Graph:
        """What was recorded, with `outputs` and then the new gradients as its outputs."""
        written = [s for s in (*self.inputs, *self.cells) if s.past is not None]
        results = [*outputs, *(s.kept for s in self.with_new_gradients())]
        versions = Versions(computed(self.recorded, [*results, *written]))
        for s in versions.leaves:
            if s.id in self.constants:
                s._data = self.constants[s.id]
        return Graph(name=self.name, inputs=tuple(original(s) for s in self.inputs),
                     cells=tuple(original(s) for s in self.cells), outputs=tuple(versions(v) for v in results),
                     updates=tuple((original(s), versions(s)) for s in written), order=versions.order,
                     origin=versions.origin, scopes=self.scopes)

    def with_new_gradients(self) -> list[StandIn]:
        """Stand-ins in whose `.grad` the function left a tensor that was not there before."""
        return [s for s in (*self.inputs, *self.cells)
                if s.touched and s.kept is not None
                and self.sources.get(original(s.kept).id) != Source(self.sources[original(s).id].tensor, True)]

    def with_cleared_gradients(self) -> list[StandIn]:
        """Stand-ins whose `.grad` the function leaves as None."""
        return [s for s in (*self.inputs, *self.cells) if s.touched and s.kept is None]


def original(s: Vertex) -> Vertex:
    """A stand-in as it was before any overwrite."""
    while s.past is not None:
        s = s.past
    return s


def computed(recorded: Sequence[Vertex], results: Sequence[Vertex]) -> list[Vertex]:
    """All vertices with an op, in the order of their ids: those recorded, and younger selves of overwritten ones."""
    found: dict[int, Vertex] = {}
    stack = [*recorded, *results]
    while stack:
        v = stack.pop()
        if v.id in found:
            continue
        found[v.id] = v
        if v.past is not None:
            stack.append(v.past)
        stack += v.inputs
    return [found[i] for i in sorted(found)]


class Versions:
    """Turns edges that mean "as it was when I was made" into plain edges, so that passes need not know of overwriting.

    A tensor that was overwritten became a younger vertex and left its old self in `past`. Here every version becomes a
    vertex of its own; vertices without an op are the leaves.
    """

    def __init__(self, vertices: Sequence[Vertex]) -> None:
        self.new: dict[int, Vertex] = {}
        self.origin: dict[int, int] = {}
        self.leaves: list[Vertex] = []
        order: list[Vertex] = []
        for v in vertices:
            if v.op is None:
                self.new[v.id] = v
                self.leaves.append(v)
                continue
            inputs = tuple([self.new[as_of(x, v.id).id] for x in v.inputs])
            w = v
            if v.past is not None or any(a is not b for a, b in zip(inputs, v.inputs, strict=True)):
                w = v.result_type(v._data)
                w.op, w.inputs, w.attrs, w.site, w.name = v.op, inputs, v.attrs, v.site, v.name
                w.requires_grad = v.requires_grad
                self.origin[w.id] = v.id
            self.new[v.id] = w
            order.append(w)
        self.order = tuple(order)

    def __call__(self, v: Vertex) -> Vertex:
        return self.new[v.id]


def as_of(x: Vertex, reader: int) -> Vertex:
    """`x` as the vertex with id `reader` saw it."""
    while x.id >= reader:
        assert x.past is not None
        x = x.past
    return x


# ---- what errors say -------------------------------------------------------------------------------------------------

def spec(x: Vertex) -> Any:
    """The spec of a vertex, whether it has a value or not."""
    data = x._data
    return Spec(data.shape, data.dtype) if isinstance(data, np.ndarray) else data


def shown(site: Any) -> str:
    """A place with its line and the expression underlined."""
    where = locate(site)
    return where.show() if where else "  (somewhere outside any file)"


def history(x: Vertex, depth: int = 3) -> str:
    """Where a value comes from: `depends on input x (:41) through cross_entropy (:19) <- matmul (:17)`."""
    steps: list[str] = []
    while x.op is not None and len(steps) < depth:
        where = locate(x.site)
        steps.append(f"{x.op} ({where})" if where else str(x.op))
        if not x.inputs:
            break
        x = max(x.inputs, key=lambda v: v.id)
    while x.op is not None and x.inputs:
        x = max(x.inputs, key=lambda v: v.id)
    source = f"depends on {x.name or 'an input'}"
    return source + (" through " + " <- ".join(steps) if steps else "")


__all__ = ["FunctionTracer", "Source", "StandIn", "Tracer", "history", "holder", "shown", "spec"]
