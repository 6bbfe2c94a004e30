"""The "check" mode of static functions: every call runs as plain Python and as a graph, and every bit is compared.

The plain run is watched op by op. The recorded graph is then run on the same values by the slow interpreter, so that a
difference can be blamed on the first op that shows it; then the compiled program runs, and its results are compared.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from . import observe
from .errors import TraceError
from .graph import Graph
from .interpreter import interpret
from .op import REGISTRY, Vertex, state
from .structure import flatten
from .trace import holder

IDLE = ("copy", "renew", "set_item", "write_view", "item", "item_of_integers", "next_step")
"""Ops that stand in a graph for what plain Python does by overwriting memory or not at all."""


def computes(op: str) -> bool:
    """Whether an op computes something: views, too, come and go with overwriting."""
    return op not in IDLE and not (op in REGISTRY and REGISTRY[op].view)  # a tg.Function is not in the registry


def run_both(function: Any, trace: Any, leaves: list[Any], args: Any, kwargs: Any) -> Any:
    """Run a static function both ways; the results of the graph, if they are the same bit for bit."""
    touched = [holder(source, leaves) for source in trace.sources.values()]
    saved = [(t, t._data.copy(), t._grad, None if t._grad is None else t._grad._data.copy()) for t in touched]
    steps: list[observe.Forward] = []

    def watch(event: observe.Event) -> None:
        if isinstance(event, observe.Forward) and computes(event.op) and isinstance(event.array, np.ndarray):
            steps.append(observe.Forward(event.id, event.op, event.inputs, event.attrs, event.array.copy(), event.name,
                                         event.where, event.scope, event.requires_grad))

    state.now.candid = True
    try:
        with observe.watching(watch):
            plain = function.fn(*args, **kwargs)
    finally:
        state.now.candid = False
    expected = [_array(x) for x in flatten(plain)[0]]
    after = [(t._data.copy(), None if t._grad is None else t._grad._data.copy()) for t in touched]
    for t, data, gradient, gradient_data in saved:
        t._data[...] = data
        t._grad = gradient
        if gradient is not None:
            gradient._data[...] = gradient_data
    recorded: Graph = trace.moments[0][1]
    compare_steps(function.name, recorded, steps, {
        leaf.id: holder(trace.sources[leaf.id], leaves)._data.copy() for leaf in recorded.leaves})
    answer = function.run(trace, leaves)
    for number, (want, got) in enumerate(zip(expected, [_array(x) for x in flatten(answer)[0]], strict=True)):
        if not same_bits(want, got):
            raise TraceError("TG-S14", f"result {number} of {function.name} differs between the modes: dynamic {want}, "
                             f"static {got}")
    for t, (data, gradient_data) in zip(touched, after, strict=True):
        name = t.name or f"a tensor of shape {t.shape}"
        if not same_bits(data, t._data):
            raise TraceError("TG-S14", f"{function.name} leaves different values in {name} in the two modes")
        if not same_bits(gradient_data, None if t._grad is None else t._grad._data):
            raise TraceError("TG-S14", f"{function.name} leaves different gradients in {name} in the two modes")
    return answer


def compare_steps(name: str, recorded: Graph, steps: list[observe.Forward], leaves: dict[int, Any]) -> None:
    """Find the first op whose value differs between the plain run and the recorded graph."""
    values = interpret(recorded, leaves)
    vertices = [v for v in recorded.order
                if v.op is not None and computes(v.op.name) and isinstance(values[v.id], np.ndarray)]
    for step, v in zip(steps, vertices, strict=False):
        if v.op is None or step.op != v.op.name:
            raise TraceError("TG-S14", f"{name} ran {step.op} ({step.where}) as plain Python where the graph has "
                             f"{v.op} ({recorded.where(v)}): it does not do the same on every call")
        if not same_bits(step.array, values[v.id]):
            raise TraceError("TG-S14", f"{name}: the first difference between the modes is {v.op} at "
                             f"{recorded.where(v)}: dynamic {_short(step.array)}, static {_short(values[v.id])}")
    if len(steps) != len(vertices):
        raise TraceError("TG-S14", f"{name} ran {len(steps)} ops as plain Python and {len(vertices)} as a graph: it "
                         "does not do the same on every call")


def same_bits(a: Any, b: Any) -> bool:
    """Whether two arrays (or other values) are equal to the last bit; nans are equal if their bits are."""
    if isinstance(a, np.ndarray) and isinstance(b, np.ndarray):
        return a.shape == b.shape and a.dtype == b.dtype and a.tobytes() == b.tobytes()
    return type(a) is type(b) and (a is b or a == b)


def _array(x: Any) -> Any:
    return x._data if isinstance(x, Vertex) else x


def _short(array: Any) -> str:
    return np.array2string(array, threshold=6, edgeitems=2, floatmode="unique")
