"""The "check" mode of static functions: every call runs as plain Python and as a graph, and every bit is compared.

The plain run is watched op by op. The recorded graph is then run on the same values by the slow interpreter, so that a
difference can be blamed on the first op that shows it; then the compiled program runs, and its results are compared.
"""

from __future__ import annotations

from collections.abc import Sequence
from threading import get_ident
from typing import Any

import numpy as np

from . import observe
from .errors import TraceError
from .interpreter import interpret
from .op import REGISTRY, Op, Vertex
from .ops.updates import Update
from .structure import flatten
from .trace import Recording

IDLE = ("copy", "renew", "set_item", "write_view", "item", "item_of_integers", "next_step")
"""Ops that stand in a graph for what plain Python does by overwriting memory or not at all."""


def computes(op: Op | None) -> bool:
    """Whether plain Python reports an op, too: views and updates come and go with overwriting."""
    return op is not None and op.name not in IDLE and not op.view and not isinstance(op, Update)


def run_both(function: Any, trace: Any, leaves: Sequence[Any], args: Any, kwargs: Any) -> Any:
    """Run a static function both ways; the results of the graph, if they are the same bit for bit."""
    recording: Recording = trace.recording
    touched = list({id(x): x for x in (source.owner(leaves) for source in recording.sources.values())}.values())
    entry = {number: source.find(leaves)._data.copy() for number, source in recording.sources.items()}
    before = [kept(x) for x in touched]
    steps: list[observe.Forward] = []
    thread = get_ident()

    def watch(event: observe.Event) -> None:
        if not isinstance(event, observe.Forward) or get_ident() != thread or not isinstance(event.array, np.ndarray):
            return
        if event.op not in REGISTRY or computes(REGISTRY[event.op]):  # a tg.Function is not in the registry
            steps.append(event._replace(array=event.array.copy()))

    with observe.watching(watch):
        plain = flatten(function.fn(*args, **kwargs))[0]
    expected = [(copied(x), getattr(x, "requires_grad", None)) for x in plain]
    after = [kept(x) for x in touched]
    for x, (data, gradient, gradient_data) in zip(touched, before, strict=True):
        x._data[...] = data
        x._grad = gradient
        if gradient is not None:
            gradient._data[...] = gradient_data
    compare_steps(function.name, recording, steps, entry)
    answer = function.run(trace, leaves)
    for number, ((want, flag), got) in enumerate(zip(expected, flatten(answer)[0], strict=True)):
        if not same_bits(want, copied(got)):
            raise TraceError("TG-S14", f"result {number} of {function.name} differs between the modes: dynamic "
                             f"{_short(want)}, static {_short(copied(got))}")
        if flag != getattr(got, "requires_grad", None):
            raise TraceError("TG-S14", f"result {number} of {function.name} requires a gradient in one of the "
                                       f"modes only")
    for x, (data, _, gradient_data) in zip(touched, after, strict=True):
        name = x.name or f"a tensor of shape {x.shape}"
        if not same_bits(data, x._data):
            raise TraceError("TG-S14", f"{function.name} leaves different values in {name} in the two modes")
        if not same_bits(gradient_data, None if x._grad is None else x._grad._data):
            raise TraceError("TG-S14", f"{function.name} leaves different gradients in {name} in the two modes")
    return answer


def kept(x: Any) -> tuple[Any, Any, Any]:
    """The value of a tensor, its gradient, and the value of that."""
    return x._data.copy(), x._grad, None if x._grad is None else x._grad._data.copy()


def compare_steps(name: str, recording: Recording, steps: Sequence[observe.Forward], entry: dict[int, Any]) -> None:
    """Find the first op whose value differs between the plain run and the recorded graph."""
    graph = recording.graph
    values = interpret(graph, entry)
    vertices = [v for v in graph.order
                if computes(v.op) and graph.source(v) not in recording.quiet and isinstance(values[v.id], np.ndarray)]
    for step, v in zip(steps, vertices, strict=False):
        assert v.op is not None
        if step.op != v.op.name:
            raise TraceError("TG-S14", f"{name} ran {step.op} ({step.where}) as plain Python where the graph has "
                             f"{v.op} ({graph.where(v)}): it does not do the same on every call")
        if not same_bits(step.array, values[v.id]):
            raise TraceError("TG-S14", f"{name}: the first difference between the modes is {v.op} at {graph.where(v)}: "
                             f"dynamic {_short(step.array)}, static {_short(values[v.id])}")
    if len(steps) != len(vertices):
        raise TraceError("TG-S14", f"{name} ran {len(steps)} ops as plain Python and {len(vertices)} as a graph: "
                         f"it does "
                         "not do the same on every call")


def same_bits(a: Any, b: Any) -> bool:
    """Whether two arrays (or other values) are equal to the last bit; nans are equal if their bits are."""
    if isinstance(a, np.ndarray) and isinstance(b, np.ndarray):
        return a.shape == b.shape and a.dtype == b.dtype and a.tobytes() == b.tobytes()
    return type(a) is type(b) and (a is b or a == b)


def copied(x: Any) -> Any:
    """The value of a tensor, kept from changing; other things as they are."""
    return x._data.copy() if isinstance(x, Vertex) else x


def _short(value: Any) -> str:
    if not isinstance(value, np.ndarray):
        return repr(value)
    return np.array2string(value, threshold=6, edgeitems=2, floatmode="unique")
