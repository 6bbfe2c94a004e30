"""The "check" mode of static functions: every call runs as plain Python and as a graph, and every bit is compared.

The plain run is watched op by op. The recorded graph is then run on the same values by the slow interpreter, so that a
difference can be blamed on the first op that shows it; then the compiled program runs, and its results are compared.

The interpreter is one of the CPU. Where tensors are on another device, values are carried over from there to be
compared, up to rounding: bits are promised on the CPU alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from threading import get_ident
from typing import Any

import numpy as np

from . import devices, observe
from .control.body import Control
from .errors import Site, TraceError, user_site
from .graph import Graph
from .interpreter import interpret
from .op import REGISTRY, Op, Vertex
from .ops.updates import Update
from .structure import flatten
from .trace import Recording

IDLE = ("copy", "renew", "set_item", "set_items", "write_view", "item", "item_of_integers", "next_step", "boundary",
        "rows", "join_rows")
"""Ops that stand in a graph for what plain Python does by overwriting memory or not at all."""


ROUNDING = 1e4
"""So many units in the last place of an array's largest number may a level differ that does not promise bits."""


def computes(op: Op | None) -> bool:
    """Whether plain Python reports an op, too: views and updates come and go with overwriting."""
    return op is not None and op.name not in IDLE and not op.view and not isinstance(op, Update)


def run_both(function: Any, trace: Any, leaves: Sequence[Any], args: Any, kwargs: Any) -> Any:
    """Run a static function both ways; the results of the graph, if they are the same bit for bit."""
    recording: Recording = trace.recording
    touched = list({id(x): x for x in (source.owner(leaves) for source in recording.sources.values())}.values())
    found = {number: source.find(leaves)._data for number, source in recording.sources.items()}
    here = all(devices.of(array) is devices.CPU for array in found.values())
    same = same_bits if function.exact and here else alike
    entry = {number: on_cpu(array) for number, array in found.items()}
    before = [kept(x) for x in touched]
    steps: list[observe.Forward] = []
    thread = get_ident()

    def watch(event: observe.Event) -> None:
        if not isinstance(event, observe.Forward) or get_ident() != thread or type(event.array) not in devices.KINDS:
            return
        if event.op not in REGISTRY or computes(REGISTRY[event.op]):  # a tg.Function is not in the registry
            steps.append(event._replace(array=on_cpu(event.array)))

    with observe.watching(watch):
        plain = flatten(function.fn(*args, **kwargs))[0]
    expected = [(copied(x), getattr(x, "requires_grad", None)) for x in plain]
    after = [kept(x) for x in touched]
    for x, (data, gradient, gradient_data) in zip(touched, before, strict=True):
        x._data[...] = data
        x._grad = gradient
        if gradient is not None:
            gradient._data[...] = gradient_data
    compare_steps(function.name, recording, steps, entry, same_bits if here else alike)
    answer = function.run(trace, leaves)
    for number, ((want, flag), got) in enumerate(zip(expected, flatten(answer)[0], strict=True)):
        if not same(want, copied(got)):
            raise different(f"result {number} of {function.name} differs between the modes: dynamic {_short(want)}, "
                            f"static {_short(copied(got))}", user_site())
        if flag != getattr(got, "requires_grad", None):
            raise different(f"result {number} of {function.name} requires a gradient in one of the modes only",
                            user_site())
    for x, (data, _, gradient_data) in zip(touched, after, strict=True):
        name = x.name or f"a tensor of shape {x.shape}"
        if not same(on_cpu(data), on_cpu(x._data)):
            raise different(f"{function.name} leaves different values in {name} in the two modes", user_site())
        if not same(on_cpu(gradient_data), None if x._grad is None else on_cpu(x._grad._data)):
            raise different(f"{function.name} leaves different gradients in {name} in the two modes", user_site())
    return answer


def kept(x: Any) -> tuple[Any, Any, Any]:
    """The value of a tensor, its gradient, and the value of that."""
    return x._data.copy(), x._grad, None if x._grad is None else x._grad._data.copy()


def on_cpu(array: Any) -> Any:
    """A copy of an array on the CPU; other things as they are."""
    return devices.CPU.take(array).copy() if type(array) in devices.KINDS else array


def compare_steps(name: str, recording: Recording, steps: Sequence[observe.Forward], entry: dict[int, Any],
                  same: Callable[[Any, Any], bool]) -> None:
    """Find the first op whose value differs between the plain run and the recorded graph."""
    graph = recording.graph
    ran = list(computed(graph, interpret(graph, entry), recording.quiet))
    for step, made in zip(steps, ran, strict=False):
        if made is None:
            return
        v, value = made
        if step.op != str(v.op):
            raise different(f"{name} ran {step.op} ({step.where}) as plain Python where the graph has {v.op}", v.site)
        if not same(step.array, value):
            raise different(f"the first difference between the modes in {name} is {v.op}: dynamic "
                            f"{_short(step.array)}, static {_short(value)}", v.site)
    if len(steps) != len(ran) and None not in ran:
        raise different(f"{name} ran {len(steps)} ops as plain Python and {len(ran)} as a graph", user_site())


def different(what: str, site: Site | None) -> TraceError:
    """The error of a function that is not the same in both modes."""
    return TraceError.at(
        "TG-S14", what, site,
        "A function that does the same on every call has the same bits in both modes.",
        "let what changes from call to call come in as an argument, or from tg.random",
        "if nothing does, report it: teachgrad is wrong")


def computed(graph: Graph, values: Mapping[int, Any], quiet: set[int]) -> Iterator[tuple[Vertex, Any] | None]:
    """The vertices that plain Python reports too, and their values; loops and branches step by step.

    None where the gradient of a loop or branch is recorded, to be differentiated again. It may compute more than plain
    Python does (a gradient for a first carry that needs none), so from there on results alone can be compared.
    """
    for v in graph.order:
        if graph.source(v) in quiet:
            continue
        if isinstance(v.op, Control):
            arrays = [values.get(x.id, x._data) for x in v.inputs]
            for body, inner in v.op.unrolled(*arrays, **v.attrs):
                if body.is_gradient:
                    yield None
                    return
                yield from computed(body.graph, inner, quiet)
        elif computes(v.op) and isinstance(values[v.id], np.ndarray):
            yield v, values[v.id]


def same_bits(a: Any, b: Any) -> bool:
    """Whether two arrays (or other values) are equal to the last bit; nans are equal if their bits are."""
    if isinstance(a, np.ndarray) and isinstance(b, np.ndarray):
        return a.shape == b.shape and a.dtype == b.dtype and a.tobytes() == b.tobytes()
    return type(a) is type(b) and (a is b or a == b)


def alike(a: Any, b: Any) -> bool:
    """Whether two arrays (or other values) differ by no more than a step of rounding otherwise would make them differ.

    This is what can be asked of levels that do not promise the last bits.
    """
    if not (isinstance(a, np.ndarray) and isinstance(b, np.ndarray) and a.dtype.kind == "f"):
        return same_bits(a, b)
    if a.shape != b.shape or a.dtype != b.dtype:
        return False
    bound = ROUNDING * float(np.finfo(a.dtype).eps)
    largest = np.abs(a[np.isfinite(a)]).max(initial=0.0)
    return bool(np.allclose(a, b, rtol=bound, atol=bound * largest, equal_nan=True))


def copied(x: Any) -> Any:
    """The value of a tensor, kept from changing; other things as they are."""
    return on_cpu(x._data) if isinstance(x, Vertex) else x


def _short(value: Any) -> str:
    if not isinstance(value, np.ndarray):
        return repr(value)
    return np.array2string(value, threshold=6, edgeitems=2, floatmode="unique")
