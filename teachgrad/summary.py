"""What a static function has traced, in words: for whom, on what it depends, which way Python went, and how often."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .errors import counted, locate, place
from .graph import describe
from .op import Spec, Vertex
from .paths import follow

if TYPE_CHECKING:
    from .compiled import Trace

MOST_NAMED = 6
"""So many of the Python values that a trace depends on are named."""


def summary(name: str, programs: Mapping[Any, Sequence[Trace]]) -> str:
    """The traces by signature."""
    traces = [trace for known in programs.values() for trace in known]
    lines = [f"{name}: {counted(len(traces), 'trace')}, {counted(calls(traces), 'call')}"]
    for key, known in programs.items():
        lines.append(f"  ({', '.join(map(argument, key[3]))})")
        lines += branches(known, 0, "    ")
    return "\n".join(lines)


def which_way(name: str, traces: Sequence[Trace], leaves: Sequence[Any]) -> str:
    """Which way the values of a call would lead in guard mode, without running more than what they lead through."""
    trace, _, stages = follow(traces, leaves)
    if trace is not None:
        steps = [f"{step.text} at {place(step.stage.site)}" for step in trace.path]
        return f"{name} goes the way of {', '.join(steps)}" if steps else f"{name} goes straight on"
    if not stages:
        return f"{name} is traced again: the Python values that its traces depend on have changed"
    return f"{name} is traced once more: what is asked at {place(stages[-1].site)} has a new answer"


def branches(traces: Sequence[Trace], depth: int, indent: str) -> Iterator[str]:
    """Traces that have gone the same way for so many questions: where the next one leads, or what is there."""
    for trace in traces:
        if len(trace.path) == depth:
            yield from (indent + line for line in facts(trace))
    asked = {id(trace.path[depth].stage): trace.path[depth].stage for trace in traces if len(trace.path) > depth}
    for stage in asked.values():
        where = locate(stage.site)
        yield f"{indent}{where}   {where.text.strip()}" if where else f"{indent}somewhere outside any file"
        below = [trace for trace in traces if len(trace.path) > depth and trace.path[depth].stage is stage]
        for step in {trace.path[depth].answer: trace.path[depth] for trace in below}.values():
            led = [trace for trace in below if trace.path[depth].answer == step.answer]
            yield f"{indent}  {step.text}: {counted(calls(led), 'call')}"
            yield from branches(led, depth + 1, indent + "    ")


def facts(trace: Trace) -> Iterator[str]:
    """What there is to say of one trace."""
    yield (f"{counted(trace.calls, 'call')}; {counted(len(trace.graph.order), 'op')}, arena {trace.plan.bytes} bytes"
           + (f"; computes again: {counted(len(trace.recomputation.values), 'value')}, "
              f"{trace.recomputation.extra_flops} flops" if trace.recomputation is not None else ""))
    named = list(dict.fromkeys(guard.what.rstrip(",") for guard in trace.fit.guards if "'" in guard.what))
    if named:
        more = f" and {len(named) - MOST_NAMED} more" if len(named) > MOST_NAMED else ""
        yield f"as long as these stay: {'; '.join(named[:MOST_NAMED])}{more}"


def calls(traces: Sequence[Trace]) -> int:
    """How often traces ran."""
    return sum(trace.calls for trace in traces)


def argument(part: Any) -> str:
    """One argument of a signature."""
    if isinstance(part[0], type) and issubclass(part[0], Vertex):
        return describe(Spec(part[1], part[2]))
    if part[0] == "object":
        return "an object"
    return str(np.frombuffer(part[1], part[0])[0]) if issubclass(part[0], np.generic) else str(part[1])


__all__ = ["summary", "which_way"]
