"""Making graphs instead of values: what tracing a function and building a graph by hand have in common.

While a tracer is in `state.now.tracer`, every op call comes here instead of being computed: the rule for shapes and
types runs, and the result is a vertex with a `Spec` where its value will be.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from .errors import TraceError, locate, user_site
from .op import NO_ATTRS, Op, Spec, Symbolic, Vertex, explain, next_id, sample_of, shares_memory, state
from .sizes import OpenShape, is_open, values_of


class Tracer:
    """Makes vertices without computing."""

    lasting = False
    """Whether what is made can be differentiated any number of times, gradients included, without being asked to."""

    device = "cpu"
    """Where the values of the graph will be."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.recorded: list[Vertex] = []
        self.scopes: dict[int, str] = {}
        self.freed: set[int] = set()
        self.refusal: TraceError | None = None
        """The error that says why this cannot be traced; a function that catches it is refused all the same."""

    def resolve(self, x: Any) -> Any:
        """The vertex that stands for `x` in the graph."""
        raise NotImplementedError

    def apply(self, op: Op, inputs: tuple[Vertex, ...], attrs: Mapping[str, Any] = NO_ATTRS) -> Any:
        """Add an op to the graph; the result has a `Spec` for its data."""
        xs = tuple([self.resolve(x) for x in inputs])
        for x in xs:
            if x.base is not None:
                self.refresh(x)
        data = self.infer(op, xs, attrs)
        if type(data) is Spec and is_open(data.shape):
            data = Spec(OpenShape(data.shape), data.dtype)
        z = (xs[0] if xs else op).result_type(data)
        z.op, z.inputs, z.attrs, z.site = op, xs, attrs, user_site()
        z.requires_grad = state.now.grad and op.differentiable and any(x.requires_grad for x in xs)
        if op.view and not (op.may_copy and self.copies(op, xs[0], attrs)):
            z.base = xs[0] if xs[0].base is None else xs[0].base
        self.recorded.append(z)
        if state.now.scope:
            self.scopes[z.id] = state.now.scope
        return z

    def copies(self, op: Op, x: Vertex, attrs: Mapping[str, Any]) -> bool:
        """Whether a view op will have to copy, as it does in dynamic mode: then nothing that is written to `x` later
        reaches the result."""
        sample = self.sample(x)
        return not shares_memory(op.forward(np, sample, **settled(attrs)), sample)

    def sample(self, x: Vertex) -> Any:
        """An array that lies in memory as a value will; its elements mean nothing."""
        if isinstance(x._data, np.ndarray):
            return x._data
        shape = values_of(x.shape)
        if x.op is None or not x.op.view:
            return sample_of(Spec(shape, x.dtype), self.strides(x))
        source = self.sample(x.inputs[0])
        view = x.op.forward(np, source, **settled(x.attrs))
        return view if shares_memory(view, source) else sample_of(Spec(shape, x.dtype), None)

    def strides(self, x: Vertex) -> tuple[int, ...] | None:
        """How a leaf lies in memory; None for in C order without gaps."""
        return None

    def infer(self, op: Op, xs: tuple[Vertex, ...], attrs: Mapping[str, Any]) -> Any:
        """The spec of a result."""
        try:
            return op.infer(*[spec(x) for x in xs], **attrs)
        except (ValueError, TypeError, IndexError, ArithmeticError, NotImplementedError) as error:
            if "depends on" in str(error):
                raise TraceError.at(
                    "TG-S04", str(error), user_site(), "In a static graph every shape is known before the values are.",
                    "tg.where(mask, x, 0) keeps the shape",
                    'tg.static(function, on_python="guard") makes a program for each shape',
                    "do this outside the static function") from error
            raise explain(op, xs, attrs, error) from error

    def refresh(self, x: Vertex) -> None:
        """Bring a view up to date after what it is a view of was overwritten: it becomes a view of the younger base.

        In dynamic mode the memory is shared, so only the history has to follow; here the value has to as well.
        """
        base = x.base
        if base is None or type(base) is Symbolic or base.stamp <= x.stamp:
            return
        self.refresh(x.inputs[0])
        old = x.past = x.earlier_self()
        x.id, x.stamp = next_id(), base.stamp
        old.stamp = next_id()
        x.requires_grad = base.requires_grad and not self.is_blind(old)

    def is_blind(self, z: Vertex) -> bool:
        """Whether no gradient flows through `z`, since it was made where none is recorded."""
        assert z.op is not None
        return not z.op.differentiable

    def is_leaf(self, z: Vertex) -> bool:
        """Whether a gradient that has come to `z` stays there."""
        return z.op is None or not z.op.differentiable

    def pull(self, z: Vertex) -> None:
        """The gradient rule of `z` is about to run: what it does belongs to the module that made `z`."""
        state.now.scope = self.scopes.get(z.id, "")

    def free(self, z: Vertex) -> None:
        """The gradient has passed here; a second backward pass is refused, as in dynamic mode."""
        self.freed.add(z.id)

    def is_freed(self, z: Vertex) -> bool:
        """Whether a gradient has passed here."""
        return z.id in self.freed

    def leak(self, x: Vertex, why: str) -> Any:
        """A value is asked for that is not there: the value if it can be had, None if x itself has it."""
        self.refusal = TraceError.at(
            "TG-S01", f"a tensor was {why} while {self.name} was traced", user_site(),
            f"The value {history(self.resolve(x))}. In static mode it would be decided once and frozen.",
            "tg.where(condition, a, b) computes both sides and chooses; tg.cond(condition, f, g, x) runs one of two "
            "functions; tg.while_loop(condition, f, x) runs one as long as the condition holds",
            "move the line out of the static function and pass what it decides as an argument",
            'tg.static(function, on_python="guard") makes a program for each way that Python may go',
            'run it in dynamic mode: `with tg.mode("dynamic"):`')
        raise self.refusal


def settled(value: Any) -> Any:
    """A setting with the sizes of the call that is traced in place of open ones."""
    if not is_open(value) and not isinstance(value, Mapping):
        return value
    if isinstance(value, Mapping):
        return {key: settled(item) for key, item in value.items()}
    if isinstance(value, slice):
        return slice(settled(value.start), settled(value.stop), settled(value.step))
    return type(value)([settled(item) for item in value]) if isinstance(value, (tuple, list)) else value.value


def spec(x: Vertex) -> Any:
    """The spec of a vertex, whether it has a value or not."""
    data = x._data
    return data if type(data) is Spec or type(data) is tuple else Spec(data.shape, data.dtype)


def history(x: Vertex, depth: int = 3) -> str:
    """Where a value comes from: `depends on input x through cross_entropy (lesson.py:19) <- matmul (lesson.py:17)`."""
    steps: list[str] = []
    while x.op is not None and x.inputs:
        if len(steps) < depth:
            where = locate(x.site)
            steps.append(f"{x.op} ({where})" if where else str(x.op))
        x = max(x.inputs, key=lambda v: (not isinstance(v._data, np.ndarray), v.id))  # not a number in the code
        while x.past is not None and x.op is not None:
            x = x.past
    source = f"depends on {x.name or 'an input'}"
    return source + (" through " + " <- ".join(steps) if steps else "")


__all__ = ["Tracer", "history", "spec"]
