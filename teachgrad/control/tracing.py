"""Tracing the body of a loop or a branch: running it once, inside the function that is being traced.

Values from outside are captured: each becomes an input of the body. One that the body overwrites, such as the state of
random numbers, becomes a value that the steps hand on. What only the whole step can do is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import TraceError, user_site
from ..graph import Graph
from ..op import Spec, Symbolic, Vertex, modes, state
from ..ops.inplace import overwrite, renew
from ..refusals import refuse_outdated_reads
from ..stand_ins import Facts, Source, StandIn, called, original
from ..tensor import Tensor
from ..trace import FunctionTracer
from ..tracer import Tracer
from ..versions import Versions, computed
from .body import Body

OUTSIDE = ("compute with tg.grad and hand the result on", "do it after the loop or branch",
           'run it in dynamic mode: `with tg.mode("dynamic"):`')


@dataclass(frozen=True)
class Traced:
    """A traced body. Its inputs are the arguments, then what it captures; its outputs what it returns, then what the
    captured tensors that it overwrites become."""

    body: Body
    captured: list[Vertex]
    """What the last inputs stand for, outside."""
    written: list[int]
    """The numbers, among `captured`, of those that are overwritten."""
    count: int
    """How many outputs the body returns."""

    @property
    def returned(self) -> tuple[Vertex, ...]:
        """What the body returns."""
        return self.body.graph.outputs[:self.count]

    @property
    def overwriting(self) -> tuple[Vertex, ...]:
        """What overwritten tensors become."""
        return self.body.graph.outputs[self.count:]


class BodyTracer(FunctionTracer):
    """Records one run of a body, inside the trace of a function or of an expression."""

    def __init__(self, what: str, parent: Tracer | None) -> None:
        super().__init__(f"the body of {what}" + (f" in {parent.name}" if parent is not None else ""),
                         getattr(parent, "line_of", lambda *names: None))
        self.what, self.parent = what, parent
        self.captured: list[StandIn] = []

    def argument_like(self, x: Vertex, requires_grad: bool) -> StandIn:
        """An argument of the body with the shape and dtype of `x`."""
        return self.leaf(x, requires_grad and x.dtype.kind == "f", None)

    def leaf(self, x: Vertex, requires_grad: bool, source: Source | None) -> StandIn:
        """An input of the body that stands for `x`."""
        s = StandIn.__new__(StandIn)
        s.present, s.real, s.source, s.entry_gradient = s, x, source, self.refuse_gradient
        s.facts = Facts(requires_grad, x.hooks if source is not None else (), contiguous=True)
        s.kept, s.touched, s.reads_gradient = None, True, False
        Vertex.__init__(s, Spec(x.shape, x.dtype), requires_grad, x.name)
        s.touched = False
        if source is not None:
            s.site, s.hooks = x.site, x.hooks
        self.leaves.append(s)
        return s

    def resolve(self, x: Any) -> Any:
        known = self.stand_ins.get(id(x))
        if known is not None:
            return known
        data = x._data
        if isinstance(data, np.ndarray):
            if not data.flags.writeable and data.ndim == 0 and not x.requires_grad:
                return x  # a number that was written in the code
            if x.id > self.start and x.op is None and x.base is None:
                return self.constant(x)
        elif x.id > self.start:
            return super().resolve(x)
        return self.capture(x)

    def capture(self, x: Vertex) -> StandIn:
        """Make a tensor from outside an input."""
        outer = x
        if self.parent is not None:
            outer = self.parent.resolve(x)
            self.parent.refresh(outer)
        s = self.stand_ins.get(id(outer))
        if s is None:
            s = self.leaf(outer, outer.requires_grad, Source(tensor=x))
            self.captured.append(s)
        self.stand_ins[id(x)] = self.stand_ins[id(outer)] = s
        return s

    def refuse_gradient(self, s: StandIn) -> None:
        """The `.grad` of a tensor from outside is read or written."""
        raise TraceError.at(
            "TG-S12", f"the .grad of {called(s)} is used, or backward() is called, inside {self.name}",
            self.line_of("backward", "grad", "zero_grad", "step") or user_site(),
            f"The body of {self.what} is a graph of its own; gradients are deposited outside it.", *OUTSIDE)

    def finish_body(self, outputs: Sequence[Vertex]) -> Traced:
        """What was recorded, when the body has returned these tensors."""
        if self.refusal is not None:
            raise self.refusal
        for s in self.leaves:
            if s.touched:
                self.refuse_gradient(s)
            if s.hooks != s.facts.hooks:
                raise TraceError.at("TG-S12", f"a hook of {called(s)} is added or removed inside {self.name}",
                                    self.line_of("on_grad"), "It would be done once, while the body is traced.",
                                    "do it before the loop or branch")
            if s.past is not None and s.requires_grad:
                how = "with values that have a history" if s.op is not renew else "(by an optimizer, perhaps)"
                raise TraceError.at(
                    "TG-S12", f"{called(s)}, which requires a gradient, is overwritten {how} inside {self.name}",
                    s.site, f"The body of {self.what} is a graph of its own, with gradients through all its steps.",
                    "hand the new value on as a result of the body", *OUTSIDE[1:])
        refuse_outdated_reads(self.name, [self.stand_ins[id(x)] for x in self.read if id(x) in self.stand_ins])
        results = [self.resolve(v) for v in outputs]
        for v in results:
            self.refresh(v)
        written = [k for k, s in enumerate(self.captured) if s.past is not None]
        changed = [self.captured[k] for k in written]
        versions = Versions(computed(self.recorded, [*results, *changed]))
        for v in versions.leaves:
            if v.id in self.constants:
                v._data = self.constants[v.id]
        for v in self.recorded:
            versions(v).hooks = v.hooks
        graph = Graph(self.name, tuple(map(original, self.leaves)), (), tuple(map(versions, (*results, *changed))), (),
                      versions.order, versions.origin, self.scopes)
        self.tell_parent()
        freed = frozenset(versions.new[number].id for number in self.freed if number in versions.new)
        return Traced(Body(graph, freed), [s.real for s in self.captured], written, len(results))

    def tell_parent(self) -> None:
        """What was made here has no value outside; what gradient rules made here is known there as such."""
        if isinstance(self.parent, FunctionTracer):
            self.parent.inner.update((id(v), v) for v in (*self.recorded, *self.leaves))
            self.parent.inner.update(self.inner)
            self.parent.quiet |= self.quiet


def active_tracer(tensors: Sequence[Any]) -> Tracer | None:
    """The tracer that records now, or that of the expressions among some tensors."""
    tracers = [state.now.tracer, *(x.base.tracer for x in tensors if type(x.base) is Symbolic)]
    return next((tracer for tracer in tracers if isinstance(tracer, Tracer)), None)


def trace_body(what: str, parent: Tracer | None, arguments: Sequence[Vertex], flags: Sequence[bool],
               run: Callable[[list[Any]], Sequence[Vertex]]) -> Traced:
    """Run `run` on stand-ins for the arguments, of which some require a gradient, and keep what it did."""
    tracer = BodyTracer(what, parent)
    inputs = [tracer.argument_like(x, flag) for x, flag in zip(arguments, flags, strict=True)]
    with modes(tracer=tracer):
        return tracer.finish_body(run(inputs))


def aligned(traces: Sequence[Traced], arguments: int) -> tuple[list[Body], list[Vertex]]:
    """Several bodies with the same arguments, given the same inputs: what any of them captures."""
    outside: dict[int, Vertex] = {}
    for traced in traces:
        outside.update((id(x), x) for x in traced.captured)
    bodies = []
    for traced in traces:
        graph = traced.body.graph
        mine = dict(zip([id(x) for x in traced.captured], graph.inputs[arguments:], strict=True))
        inputs = [*graph.inputs[:arguments],
                  *[mine[key] if key in mine else Tensor(Spec(x.shape, x.dtype), x.requires_grad, x.name)
                    for key, x in outside.items()]]
        bodies.append(traced.body.with_(inputs, graph.outputs))
    return bodies, list(outside.values())


def real(x: Any) -> Any:
    """The tensor that stand-ins of stand-ins stand for."""
    while isinstance(x, StandIn):
        x = x.real
    return x


def commit(what: str, targets: Sequence[Vertex], values: Sequence[Any]) -> None:
    """Overwrite tensors outside, as the body has."""
    for target, value in zip(targets, values, strict=True):
        if state.now.tracer is None:
            raise TraceError.at(
                "TG-S12", f"the body of {what} overwrites a tensor, or draws random numbers, in an expression",
                user_site(), "Expressions of placeholders change nothing.", "use tg.static")
        with modes(grad=False):
            overwrite(target, value)


__all__ = ["BodyTracer", "Traced", "active_tracer", "aligned", "commit", "real", "trace_body"]
