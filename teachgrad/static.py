"""`tg.static`: the same function, run as a graph.

A static function is traced once for each signature (shapes, dtypes and Python values of its arguments) and each state
of the Python world it depends on (`guards`). The trace becomes a `Graph`, passes make it better, a plan gives its
values places, an executor makes a program of it. A call checks the guards, hands the arrays over, and puts the results
into tensors. `tg.mode` decides whether static functions run so, as plain Python, or both ways and compared.
"""

from __future__ import annotations

import functools
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from . import executors
from .errors import TeachgradError, TraceError, place, user_site
from .graph import Graph
from .guards import Guard, Watcher
from .op import NO_ATTRS, Spec, Vertex, mark_written, modes, next_id, state
from .passes import LEVELS, optimize
from .passes.plan import MODES as PLANS
from .passes.plan import Plan, plan_memory
from .passes.rewriting import Rewrite
from .structure import Tree, flatten, unflatten
from .trace import FunctionTracer, Source, StandIn, original

RUN_MODES = ("dynamic", "static", "check")
MOST_PROGRAMS = 8
"""So many traces of one function are kept; beyond them, something varies that should not."""


class _Mode(threading.local):
    name: str | None = None


_mode = _Mode()


def current_mode() -> str:
    """How static functions run now: as `tg.mode` says, else as the environment variable TEACHGRAD_MODE, else "static"."""
    name = _mode.name or os.environ.get("TEACHGRAD_MODE") or "static"
    if name not in RUN_MODES:
        raise TeachgradError(f"there is no mode {name!r}; choose one of {', '.join(RUN_MODES)}")
    return name


@contextmanager
def mode(name: str) -> Iterator[None]:
    """Decide how every `tg.static` function runs inside this block, in this thread.

    "dynamic": as plain Python; "static": as a compiled graph; "check": both on every call, stopping at the first
    differing bit and naming the op that made it.
    """
    if name not in RUN_MODES:
        raise TeachgradError(f"there is no mode {name!r}; choose one of {', '.join(RUN_MODES)}")
    before, _mode.name = _mode.name, name
    try:
        yield
    finally:
        _mode.name = before


@dataclass
class Trace:
    """One traced and compiled run of a function."""

    graph: Graph
    """The optimised graph."""
    moments: list[tuple[str, Graph]]
    """The graph as recorded and after each pass."""
    rewrites: list[Rewrite]
    plan: Plan
    program: executors.Program
    guards: list[Guard]
    inputs: list[int]
    """Which of the flattened arguments are the inputs of the graph."""
    cells: list[Source]
    """What each cell of the optimised graph stands for."""
    sources: dict[int, Source | int]
    """For each leaf of the graph, by id: the number of the argument or the source of the cell."""
    output: Tree
    results: list[tuple[str, Any]]
    """What each leaf of the returned structure is: ("graph", ...), ("same", source) or ("value", Python value)."""
    gradients: list[Source | int]
    """Whose `.grad` the last outputs of the graph are."""
    cleared: list[Source | int]
    entry: list[tuple[Source | int, bool]]
    """Tensors whose `.grad` the call starts from, and whether there was one."""
    made_grads: list[Any] = field(default_factory=list)
    calls: int = 0


class StaticFunction:
    """A function that runs as a graph. Made by `tg.static`."""

    def __init__(self, fn: Callable[..., Any], level: str, executor: str, plan: str) -> None:
        if level not in LEVELS:
            raise TeachgradError(f"there is no level {level!r}; here are {', '.join(LEVELS)}")
        if plan not in PLANS:
            raise TeachgradError(f"there is no memory plan {plan!r}; here are {', '.join(PLANS)}")
        self.fn = fn
        self.level, self.executor, self.plan_mode = level, executor, plan
        self.build = executors.find(executor)
        self.programs: dict[Any, list[Trace]] = {}
        self.lock = threading.RLock()
        self.last: tuple[Any, Trace] | None = None
        functools.update_wrapper(self, fn, updated=())

    def __repr__(self) -> str:
        return f"<static {self.name}, level {self.level}, executor {self.executor}, {self.count} traced>"

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        """As a method: bound to the instance, each with programs of its own."""
        if instance is None:
            return self
        bound = StaticFunction(self.fn.__get__(instance, owner), self.level, self.executor, self.plan_mode)
        try:
            instance.__dict__[self.fn.__name__] = bound
        except AttributeError:
            pass
        return bound

    def __reduce__(self) -> Any:
        return static, (self.fn,)

    @property
    def name(self) -> str:
        return getattr(self.fn, "__qualname__", type(self.fn).__name__)

    @property
    def count(self) -> int:
        """How many traces there are."""
        return sum(map(len, self.programs.values()))

    @property
    def trace(self) -> Trace:
        """The trace that ran last."""
        if self.last is None:
            raise TeachgradError(f"{self.name} has not run yet; call it once")
        return self.last[1]

    @property
    def graph(self) -> Graph:
        """The optimised graph that ran last."""
        return self.trace.graph

    @property
    def plan(self) -> Plan:
        """The memory plan of the graph that ran last."""
        return self.trace.plan

    @property
    def source(self) -> str:
        """The program that ran last, as text."""
        return self.trace.program.source

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if state.tracer is not None:
            return self.fn(*args, **kwargs)  # inside another static function: part of its graph
        how = current_mode()
        if how == "dynamic":
            return self.fn(*args, **kwargs)
        leaves, tree = flatten((args, kwargs))
        trace = self.prepared(leaves, tree, (args, kwargs))
        if how == "check":
            from .checking import run_both  # only this mode needs it
            return run_both(self, trace, leaves, args, kwargs)
        return self.run(trace, leaves)

    def prepared(self, leaves: list[Any], tree: Tree, call: tuple[Any, Any]) -> Trace:
        """A trace that fits the arguments and the world as it is now."""
        key = signature(leaves, tree)
        if self.last is not None and self.last[0] == key and fits(self.last[1], leaves):
            return self.last[1]
        with self.lock:
            known = self.programs.setdefault(key, [])
            for trace in known:
                if fits(trace, leaves):
                    self.last = key, trace
                    return trace
            if self.count >= MOST_PROGRAMS and not self.forget_stale(leaves):
                raise TraceError("TG-S03", f"{self.name} was traced for {self.count} different signatures, and now for another one: "
                                 f"{self.difference(key)}.\nWays out: pad batches to one size; pass a number that varies as a "
                                 "tensor; or make a second static function.")
            trace = self.traced(leaves, tree)
            self.programs.setdefault(key, []).append(trace)
            self.last = key, trace
            return trace

    def forget_stale(self, leaves: list[Any]) -> bool:
        """Drop traces whose guards no longer hold (their world is gone); whether there were any."""
        before = self.count
        for key, known in list(self.programs.items()):
            self.programs[key] = [t for t in known if all(g.holds() for g in t.guards)]
            if not self.programs[key]:
                del self.programs[key]
        return self.count < before

    def difference(self, key: Any) -> str:
        """What varies between the signatures seen so far."""
        keys = [*self.programs, key]
        for number in range(len(key[1])):
            column = {k[1][number] for k in keys if len(k[1]) > number}
            if len(column) > 1:
                shapes = [c[1] for c in column if c[0] == "tensor"]
                if len(shapes) > 1 and len({len(s) for s in shapes}) == 1:
                    varying = [axis for axis in range(len(shapes[0])) if len({s[axis] for s in shapes}) > 1]
                    return f"argument {number} has many shapes, axis {', '.join(map(str, varying))} varies"
                return f"argument {number} varies"
        return "the Python state that it depends on keeps changing"

    # ---- tracing -----------------------------------------------------------------------------------------------------

    def traced(self, leaves: list[Any], tree: Tree) -> Trace:
        """Run the function once with specs in place of values, and compile what it did."""
        tracer = FunctionTracer(self.name)
        stand_ins: dict[int, Any] = {}
        inputs: list[int] = []
        arguments = []
        for number, leaf in enumerate(leaves):
            if isinstance(leaf, Vertex):
                if id(leaf) not in stand_ins:
                    stand_ins[id(leaf)] = tracer.argument(leaf)
                    inputs.append(number)
                arguments.append(leaf)
            elif isinstance(leaf, np.ndarray):
                raise TraceError("TG-S08", f"argument {number} of {self.name} is a NumPy array, whose values would be frozen.\n"
                                 "Way out: pass tg.tensor(array).")
            else:
                arguments.append(leaf)
        args, kwargs = unflatten(tree, arguments)
        watcher = Watcher()
        watcher.function(self.fn)
        with modes(tracer=tracer), watcher:
            answer = self.fn(*args, **kwargs)
        watcher.complain(self.name)
        results, output = flatten(answer)
        with modes(tracer=tracer):
            kinds = [self.result(tracer, r, leaves) for r in results]
        guards = watcher.needed()
        return self.compiled(tracer, kinds, output, inputs, guards)

    def result(self, tracer: FunctionTracer, value: Any, leaves: list[Any]) -> tuple[str, Any]:
        """What a returned value is: a vertex of the graph, a tensor from outside handed through, or a plain value."""
        if isinstance(value, Vertex):
            if type(value._data) is not Spec and id(value) in tracer.stand_ins:
                s = tracer.stand_ins[id(value)]
                source = tracer.sources.get(original(s).id)
                return ("same", source) if source is not None else ("graph", s)
            return "graph", tracer.resolve(value)
        if isinstance(value, (int, float, str, bytes, bool, type(None), np.generic, np.dtype)):
            return "value", value
        raise TraceError("TG-S08", f"{self.name} returns a {type(value).__name__}; a static function can return tensors, numbers, strings, "
                         "None, and tuples, lists and dicts of them.")

    def compiled(self, tracer: FunctionTracer, kinds: list[tuple[str, Any]], output: Tree, inputs: list[int], guards: list[Guard]) -> Trace:
        outputs = [v for kind, v in kinds if kind == "graph"]
        with modes(tracer=tracer):
            recorded = tracer.graph(outputs)
        moments, rewrites = optimize(recorded, self.level)
        graph = moments[-1][1]
        plan = plan_memory(graph, self.plan_mode) if self.level != "O0" else Plan()
        where: dict[int, Source | int] = {s.id: source for s, source in ((c, tracer.sources[c.id]) for c in recorded.cells)}
        where |= {s.id: number for s, number in zip(recorded.inputs, inputs, strict=True)}
        refuse_shared_memory(self.name, graph, tracer)
        follow = {original(s).id: where[original(s).id] for s in (*tracer.inputs, *tracer.cells)}
        results = [(kind, result_kind(v, tracer) if kind == "graph" else follow[tracer.stand_ins[id(v.tensor)].id if original(tracer.stand_ins[id(v.tensor)]) is tracer.stand_ins[id(v.tensor)] else original(tracer.stand_ins[id(v.tensor)]).id] if kind == "same" else v) for kind, v in kinds]
        return Trace(
            graph=graph, moments=moments, rewrites=rewrites, plan=plan, program=self.build(graph, plan), guards=guards, inputs=inputs,
            cells=[tracer.sources[c.id] for c in graph.cells], sources=where, output=output, results=results,
            gradients=[follow[original(s).id] for s in tracer.with_new_gradients()],
            cleared=[follow[original(s).id] for s in tracer.with_cleared_gradients()],
            entry=[(follow[original(s).id], tracer.sources[original(s).id].tensor._grad is not None)
                   for s in (*tracer.inputs, *tracer.cells) if s.entry_grad_matters and not tracer.sources[original(s).id].gradient])

    # ---- running -----------------------------------------------------------------------------------------------------

    def run(self, trace: Trace, leaves: list[Any]) -> Any:
        """Run a program on the present values and put the results where they belong."""
        inputs = [leaves[number]._data for number in trace.inputs]
        cells = [s.tensor._grad._data if s.gradient else s.tensor._data for s in trace.cells]  # type: ignore[union-attr]
        arrays, _ = trace.program(inputs, cells)
        trace.calls += 1
        for leaf, _ in trace.graph.updates:
            mark_written(holder(trace.sources[leaf.id], leaves))
        like = next((leaf for leaf in leaves if isinstance(leaf, Vertex)), None)
        cls = (like if like is not None else trace.cells[0].tensor).result_type if like is not None or trace.cells else Vertex.result_type
        count = len(arrays) - len(trace.gradients)
        for source, array in zip(trace.gradients, arrays[count:], strict=True):
            holder(source, leaves)._grad = cls(array)
        for source in trace.cleared:
            holder(source, leaves)._grad = None
        values = iter(arrays[:count])
        answers = []
        for kind, what in trace.results:
            if kind == "graph":
                answers.append(wrapped(cls, next(values), what))
            elif kind == "same":
                answers.append(holder(what, leaves))
            else:
                answers.append(what)
        return unflatten(trace.output, answers)


def result_kind(v: Vertex, tracer: FunctionTracer) -> Any:
    """What is to be known of a returned vertex: its op and place if it requires a gradient."""
    return (v.op, v.site, tracer.is_freed(v)) if v.requires_grad else None


def wrapped(cls: type[Vertex], array: Any, history: Any) -> Vertex:
    """An output as a tensor. If it had a history, that is over, as after backward()."""
    z = cls(array)
    if history is not None:
        z.op, z.site, _ = history
        z.requires_grad, z.attrs = True, NO_ATTRS
    return z


def holder(source: Source | int, leaves: list[Any]) -> Vertex:
    """The tensor that a leaf of the graph stands for in this call."""
    if isinstance(source, int):
        return leaves[source]  # type: ignore[no-any-return]
    if source.gradient:
        assert source.tensor._grad is not None
        return source.tensor._grad
    return source.tensor


def fits(trace: Trace, leaves: list[Any]) -> bool:
    """Whether a trace is still true of the world."""
    for guard in trace.guards:
        if not guard.holds():
            return False
    for source, had in trace.entry:
        if (holder(source, leaves)._grad is not None) != had:
            return False
    for source in trace.cells:
        tensor = source.tensor
        if source.gradient:
            if tensor._grad is None:
                return False
    return True


def signature(leaves: list[Any], tree: Tree) -> Any:
    """What a trace depends on in the arguments: shapes and dtypes of tensors, values of everything else."""
    parts: list[Any] = []
    seen: dict[int, int] = {}
    for leaf in leaves:
        if isinstance(leaf, Vertex):
            data = leaf._data
            parts.append(("tensor", data.shape, data.dtype, leaf.requires_grad, seen.setdefault(id(leaf), len(seen))))
        elif isinstance(leaf, (int, float, str, bytes, bool, type(None), np.generic, np.dtype, type, slice)):
            parts.append((type(leaf), repr(leaf) if isinstance(leaf, (float, slice)) else leaf))
        else:
            parts.append(("object", id(leaf)))
    return tree, tuple(parts)


def refuse_shared_memory(name: str, graph: Graph, tracer: FunctionTracer) -> None:
    """Two leaves in one memory, one of them overwritten: what the other reads would depend on the order."""
    arrays = [(leaf, holder_array(tracer, leaf)) for leaf in graph.leaves]
    for written, _ in graph.updates:
        mine = holder_array(tracer, written)
        for leaf, array in arrays:
            if leaf is not written and np.may_share_memory(mine, array):
                raise TraceError("TG-S10", f"{name} overwrites {written.name or 'a tensor'}, which shares memory with {leaf.name or 'another tensor'} "
                                 "that it also uses.\nWay out: use one of the two throughout, or give one its own memory with copy().")


def holder_array(tracer: FunctionTracer, leaf: Vertex) -> Any:
    source = tracer.sources[leaf.id]
    return source.tensor._grad._data if source.gradient else source.tensor._data  # type: ignore[union-attr]


def static(fn: Callable[..., Any] | None = None, *, level: str = "O1", executor: str = "numpy", plan: str = "reuse") -> Any:
    """Make a function run as a static graph.

    The function is traced on its first call and whenever shapes, dtypes, Python arguments or the Python state that it
    depends on change. Everything in it may be traced: forward, `.backward()`, the optimizer's step. Can be used as a
    decorator, with or without settings.

    Args:
        fn: the function; its arguments and results are tensors, numbers, strings, and tuples, lists and dicts of them.
        level: how far the graph is rewritten. "O0" replays the recorded calls, "O1" keeps every bit.
        executor: what runs it; see `tg.executors.available()`.
        plan: how memory is shared: "off", "inplace", "reuse" or "best".
    """
    if fn is None:
        return functools.partial(static, level=level, executor=executor, plan=plan)
    if isinstance(fn, StaticFunction):
        fn = fn.fn
    return StaticFunction(fn, level, executor, plan)


__all__ = ["StaticFunction", "StandIn", "current_mode", "mode", "next_id", "place", "static", "user_site"]
