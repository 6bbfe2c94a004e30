"""A call of a static function: its program is run, and what comes of it put where plain Python would have put it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from . import devices, observe
from .calls import Call
from .compiled import Trace
from .errors import user_site
from .op import INFERENCE, Witness, apply, bare, modes, next_id, remember, state
from .structure import unflatten
from .tensor import Tensor
from .trace import History, Recording


def run(trace: Trace, leaves: Sequence[Any], pull_back: Callable[[Trace], Callable[..., Any]]) -> Any:
    """Run a program on the present values and put the results where they belong.

    `pull_back` gives the function that carries gradients through a call of the trace.
    """
    now, recording = state.now, trace.recording
    if now.witness is not None:
        note_use(now.witness, trace, leaves)
    inputs = ([leaves[k]._data for k in trace.places] if trace.places is not None
              else [source.find(leaves)._data for source in trace.inputs])
    held = () if trace.plain else [what[1].find(leaves) if what[0] in ("held", "view") else None
                                   for what in recording.results]
    call = Call(recording, leaves, pull_back(trace)) if trace.differentiable else None
    if observe.sink is None:
        arrays = trace.program(inputs, trace.fit.arrays)
    elif now.meter is not None:
        arrays = now.meter.run(trace, inputs, trace.fit.arrays)
    else:
        if not trace.is_known_to(observe.sink):
            observe.sink(observe.Compiled(trace, {i: devices.CPU.take(source.find(leaves)._data)
                                                  for i, source in trace.sources.items()}))
        arrays = watched(trace, inputs, trace.fit.arrays)
    trace.calls += 1
    if trace.written:
        note_writes(trace, leaves)
    count = len(trace.outputs)
    takers = trace.takers
    if takers is None:
        takers = [source.owner(leaves) for source in recording.deposits]
    for x, array in zip(takers, arrays[count:], strict=True):
        x._grad = bare(Tensor, array, now.next_id())
    for source in recording.cleared:
        source.owner(leaves)._grad = None
    if recording.links:
        link(recording, leaves)
    answers = made = presented(trace, arrays[:count], call)
    if not trace.plain:
        answers = results(recording, leaves, made, held)
    return answers[0] if trace.output is None else unflatten(trace.output, answers)


def watched(trace: Trace, inputs: Sequence[Any], cells: list[Any]) -> list[Any]:
    """Run the program that tells what it does. It is one of the CPU: for another device, values are carried there and
    back, since whoever watches looks at every one of them."""
    given = [*inputs, *cells]
    places = [there for there in map(devices.of, given) if there is not devices.CPU]
    if not places:
        return trace.watched(inputs, cells)
    here = [devices.CPU.take(array).copy() for array in given]
    answers = trace.watched(here[:len(inputs)], here[len(inputs):])
    written = {leaf.id for leaf, _ in trace.graph.updates}
    for leaf, array, value in zip(trace.graph.leaves, given, here, strict=True):
        if leaf.id in written:
            array[...] = devices.of(array).take(value)
    return [places[0].from_host(array) for array in answers]


def results(recording: Recording, leaves: Sequence[Any], made: Sequence[Any], held: Sequence[Any]) -> list[Any]:
    """What the call returns, one by one: outputs of the graph, plain values, gradients, tensors from outside."""
    answers = []
    for what, x in zip(recording.results, held, strict=True):
        kind = what[0]
        if kind == "output":
            answers.append(made[what[1]])
        elif kind == "value":
            answers.append(what[1])
        elif kind == "gradient":
            answers.append(what[1].owner(leaves)._grad)
        else:
            answers.append(x if kind == "held" else view_of(x, what[2], what[3]))
    return answers


def note_use(witness: Witness, trace: Trace, leaves: Sequence[Any]) -> None:
    """Tell who watches for it what a call reads and overwrites."""
    witness.reads([x for x in (source.find(leaves) for source in trace.sources.values()) if x is not None])
    for source in trace.written:
        x = source.find(leaves)
        witness.writes(x if x.base is None else x.base)


def note_writes(trace: Trace, leaves: Sequence[Any]) -> None:
    """Tell the tensors that were overwritten, as writing in place would have."""
    stamp, site = next_id(), user_site()
    targets = trace.targets
    if targets is None:
        targets = [source.find(leaves) for source in trace.written]
    for x in targets:
        if x.base is not None:
            x = x.base
        x.stamp = stamp
        if x.exposed is not None:
            remember(x)
        if x.op is None:
            x.site = site


def link(recording: Recording, leaves: Sequence[Any]) -> None:
    """Make tensors from outside gradients of others."""
    for (source, _), g in zip(recording.links, [other.find(leaves) for _, other in recording.links], strict=True):
        source.owner(leaves)._grad = g


def presented(trace: Trace, arrays: Sequence[Any], call: Call | None) -> list[Any]:
    """The outputs as tensors, with the history that plain Python would have left."""
    if call is None or not call.matters:
        return [present(array, history) for array, history in zip(arrays, trace.outputs, strict=True)]
    live = call.results(arrays, [h.requires_grad and h.op is not None and not h.freed for h in trace.outputs])
    return [present(array, history, z) for array, history, z in zip(arrays, trace.outputs, live, strict=True)]


def present(array: Any, history: History, z: Any = None) -> Any:
    """An output as a tensor; `z` has the history that leads through the call, if there is one."""
    if z is None or z.op is None:
        z = bare(history.type, array, next_id())
        if history.requires_grad:
            z.requires_grad, z.op, z.site = True, history.op, history.site
        if history.marked:
            z.base = INFERENCE
    z.name = history.name
    return z


def view_of(x: Any, steps: Sequence[tuple[Any, Any, bool]], name: str | None) -> Any:
    """A view of a tensor from outside, taken as the function took it."""
    for op, attrs, tracked in steps:
        with modes(grad=state.now.grad and tracked):
            x = apply(op, (x,), attrs)
    x.name = name
    return x


__all__ = ["run"]
