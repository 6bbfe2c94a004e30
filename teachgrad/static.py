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
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import numpy as np

from . import executors, observe
from .autodiff import grad
from .checking import run_both
from .errors import TeachgradError, TraceError, user_site
from .graph import Graph, is_constant
from .guards import Guards
from .interpreter import evaluate
from .op import Op, Spec, Vertex, apply, modes, next_id, state
from .ops.tuples import item
from .passes import LEVELS, optimize
from .passes.plan import MODES as PLANS
from .passes.plan import Plan, plan_memory
from .passes.rewriting import Rewrite
from .structure import Tree, flatten, unflatten
from .tensor import Tensor
from .trace import FunctionTracer, Source, holder, original
from .watcher import Watcher

RUN_MODES = ("dynamic", "static", "check")
MOST_PROGRAMS = 8
"""So many traces of one function are kept; beyond them, something varies that should not."""


class _Mode(threading.local):
    name = os.environ.get("TEACHGRAD_MODE", "static")


_mode = _Mode()


def current_mode() -> str:
    """How static functions run now: as `tg.mode` says, else as TEACHGRAD_MODE said at the start, else "static"."""
    if _mode.name not in RUN_MODES:
        raise TeachgradError(f"there is no mode {_mode.name!r} (is TEACHGRAD_MODE set?); choose one of "
                             f"{', '.join(RUN_MODES)}")
    return _mode.name


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
    guards: Guards
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
    updated: list[Source | int]
    """What the program overwrites."""
    differentiable: bool = False
    """Whether a result has a history that a backward() outside the function may follow."""
    backward: StaticFunction | None = None
    """The function that carries gradients of the results back to the leaves, made when first needed."""
    calls: int = 0


class StaticFunction:
    """A function that runs as a graph. Made by `tg.static`."""

    __watched__ = ("fn",)

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
        with suppress(AttributeError):  # an instance with slots keeps nothing
            instance.__dict__[self.fn.__name__] = bound
        return bound

    def __reduce__(self) -> Any:
        return static, (self.fn,)

    @property
    def name(self) -> str:
        fn = self.fn.func if isinstance(self.fn, functools.partial) else self.fn
        return getattr(fn, "__qualname__", type(fn).__name__)

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
        if state.now.tracer is not None:
            return self.fn(*args, **kwargs)  # inside another static function: part of its graph
        how = current_mode()
        if how == "dynamic":
            return self.fn(*args, **kwargs)
        leaves, tree = flatten((args, kwargs))
        trace = self.prepared(leaves, tree, (args, kwargs))
        if how == "check":
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
                raise TraceError("TG-S03", f"{self.name} was traced for {self.count} different signatures, and now for "
                                 f"another one: {self.difference(key)}.\nWays out: pad batches to one size; pass a "
                                 "number that varies as a tensor; or make a second static function.")
            trace = self.traced(leaves, tree)
            self.programs.setdefault(key, []).append(trace)
            self.last = key, trace
            return trace

    def forget_stale(self, leaves: list[Any]) -> bool:
        """Drop traces whose guards no longer hold (their world is gone); whether there were any."""
        before = self.count
        for key, known in list(self.programs.items()):
            self.programs[key] = [t for t in known if t.guards.hold()]
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
                raise TraceError("TG-S08", f"argument {number} of {self.name} is a NumPy array, whose values would be "
                                 "frozen.\nWay out: pass tg.tensor(array).")
            else:
                arguments.append(leaf)
        args, kwargs = unflatten(tree, arguments)
        watcher = Watcher()
        watcher.visit(self.fn, f"the function {self.name}()", None)
        for leaf in leaves:
            watcher.visit(leaf, f"an argument of {self.name}()", None)
        with modes(tracer=tracer), watcher:
            answer = self.fn(*args, **kwargs)
        watcher.complain(self.name)
        results, output = flatten(answer)
        with modes(tracer=tracer):
            kinds = [self.result(tracer, r, leaves) for r in results]
        guards = Guards(watcher.guards)
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
        raise TraceError("TG-S08", f"{self.name} returns a {type(value).__name__}; a static function can return "
                         "tensors, numbers, strings, None, and tuples, lists and dicts of them.")

    def compiled(self, tracer: FunctionTracer, kinds: list[tuple[str, Any]], output: Tree, inputs: list[int],
                 guards: Guards) -> Trace:
        outputs = [v for kind, v in kinds if kind == "graph"]
        with modes(tracer=tracer):
            recorded = tracer.graph(outputs)
        moments, rewrites = optimize(recorded, self.level)
        graph = moments[-1][1]
        plan = plan_memory(graph, self.plan_mode) if self.level != "O0" else Plan()
        where: dict[int, Source | int] = {s.id: source
                                          for s, source in ((c, tracer.sources[c.id]) for c in recorded.cells)}
        where |= {s.id: number for s, number in zip(recorded.inputs, inputs, strict=True)}
        refuse_shared_memory(self.name, graph, tracer)
        follow = {original(s).id: where[original(s).id] for s in (*tracer.inputs, *tracer.cells)}
        results: list[tuple[str, Any]] = []
        for kind, v in kinds:
            if kind == "graph":
                results.append((kind, result_kind(v, tracer)))
            elif kind == "same":
                results.append((kind, follow[original(tracer.stand_ins[id(v.tensor)]).id]))
            else:
                results.append((kind, v))
        return Trace(
            graph=graph, moments=moments, rewrites=rewrites, plan=plan, program=self.build(graph, plan), guards=guards,
            inputs=inputs,
            cells=[tracer.sources[c.id] for c in graph.cells], sources=where, output=output, results=results,
            gradients=[follow[original(s).id] for s in tracer.with_new_gradients()],
            cleared=[follow[original(s).id] for s in tracer.with_cleared_gradients()],
            updated=[where[leaf.id] for leaf, _ in graph.updates],
            differentiable=any(kind == "graph" and v.requires_grad and not tracer.is_freed(v) for kind, v in kinds),
            entry=[(follow[original(s).id], tracer.sources[original(s).id].tensor._grad is not None)
                   for s in (*tracer.inputs, *tracer.cells)
                   if s.entry_grad_matters and not tracer.sources[original(s).id].gradient])

    # ---- running -----------------------------------------------------------------------------------------------------

    def run(self, trace: Trace, leaves: list[Any]) -> Any:
        """Run a program on the present values and put the results where they belong."""
        inputs = [leaves[number]._data for number in trace.inputs]
        cells = [holder(s, leaves)._data for s in trace.cells]
        call = Call.before(trace, leaves) if trace.differentiable and state.now.grad else None
        if observe.sink is None:
            arrays = trace.program(inputs, cells)
        else:
            arrays = watched_run(trace.graph, inputs, cells)
        trace.calls += 1
        stamp, site = next_id(), user_site()
        for source in trace.updated:
            x = source.tensor if type(source) is Source and not source.gradient else holder(source, leaves)
            if x.base is not None:
                x = x.base
            x.stamp = stamp
            if x.op is None:
                x.site = site
        cls = self.result_class(trace, leaves)
        count = len(arrays) - len(trace.gradients)
        for source, array in zip(trace.gradients, arrays[count:], strict=True):
            x = source.tensor if type(source) is Source and not source.gradient else holder(source, leaves)
            x._grad = cls(array)
        for source in trace.cleared:
            holder(source, leaves)._grad = None
        made = call.results(cls, arrays[:count]) if call is not None else [cls(array) for array in arrays[:count]]
        answers = []
        position = 0
        for kind, what in trace.results:
            if kind == "graph":
                z = made[position]
                position += 1
                answers.append(z if what is None else with_history(z, what))
            else:
                answers.append(holder(what, leaves) if kind == "same" else what)
        return answers[0] if trace.output is None else unflatten(trace.output, answers)

    def result_class(self, trace: Trace, leaves: list[Any]) -> type[Vertex]:
        """The class of the tensors that are returned."""
        for leaf in leaves:
            if isinstance(leaf, Vertex):
                return leaf.result_type
        return trace.cells[0].tensor.result_type if trace.cells else Tensor


class StaticCall(Op):
    r"""The results of one call of a static function, as seen from outside it

    The gradient runs another static function: it computes the values again and pulls the gradients back.
    """

    pure = False

    def vjp(self, g: Any, z: Vertex, *inputs: Vertex) -> Any:
        call: Call = z.attrs["call"]
        return call.pull_back(g, inputs)


static_call = StaticCall()


class Call:
    """One call whose results may be differentiated from outside: its trace and the tensors that it read."""

    def __init__(self, trace: Trace, tensors: list[Vertex]) -> None:
        self.trace, self.tensors = trace, tensors

    @classmethod
    def before(cls, trace: Trace, leaves: list[Any]) -> Call | None:
        """Note what the call is about to read; what it will overwrite is kept as a copy."""
        written = {leaf.id for leaf, _ in trace.graph.updates}
        tensors = []
        for leaf in trace.graph.leaves:
            tensor = holder(trace.sources[leaf.id], leaves)
            tensors.append(tensor.result_type(tensor._data.copy())
                           if leaf.id in written and not tensor.requires_grad else tensor)
        return cls(trace, tensors) if any(t.requires_grad for t in tensors) else None

    def results(self, cls: type[Vertex], arrays: list[Any]) -> list[Any]:
        """The results as tensors with a history: this call."""
        whole = cls(tuple(arrays))
        whole.op, whole.inputs, whole.attrs = static_call, tuple(self.tensors), {"call": self}
        whole.requires_grad, whole.site = True, user_site()
        history = [what for kind, what in self.trace.results if kind == "graph"]
        return [item(whole, k) if what is not None and not what[2] else cls(array)
                for k, (array, what) in enumerate(zip(arrays, history, strict=True))]

    def pull_back(self, gradients: list[Any], inputs: tuple[Vertex, ...]) -> list[Any]:
        if self.trace.backward is None:
            self.trace.backward = StaticFunction(functools.partial(replay_and_pull_back, self.trace.graph), "O1",
                                                 "numpy", "reuse")
        used = [k for k, g in enumerate(gradients) if g is not None]
        wanted = [k for k, x in enumerate(inputs) if x.requires_grad]
        answers = self.trace.backward(used, wanted, list(inputs), [gradients[k] for k in used])
        full: list[Any] = [None] * len(inputs)
        for k, answer in zip(wanted, answers, strict=True):
            full[k] = answer
        return full


def replay_and_pull_back(graph: Graph, used: list[int], wanted: list[int], leaves: list[Vertex],
                         gradients: list[Vertex]) -> list[Any]:
    """Run the ops of a graph on tensors, then carry gradients of some outputs back to some leaves."""
    values: dict[int, Vertex] = {leaf.id: x for leaf, x in zip(graph.leaves, leaves, strict=True)}
    for v in graph.order:
        assert v.op is not None
        with modes(grad=v.requires_grad):
            values[v.id] = apply(v.op, tuple([values.get(x.id, x) for x in v.inputs]), v.attrs)
    with modes(grad=True):
        return list(grad([values[graph.outputs[k].id] for k in used], [leaves[k] for k in wanted], gradients,
                         create_graph=True,
                         allow_unused=True))


def watched_run(graph: Graph, inputs: list[Any], cells: list[Any]) -> list[Any]:
    """Run a graph op by op and tell the watcher, with the ids of the graph's own vertices."""
    sink = observe.sink
    assert sink is not None
    leaves = dict(zip([v.id for v in graph.leaves], inputs + cells, strict=True))
    for v in graph.leaves:
        sink(observe.Leaf(v.id, v.name, leaves[v.id], v.requires_grad, v in graph.cells and v.requires_grad))
    values = dict(leaves)
    for v in graph.order:
        assert v.op is not None
        for x in v.inputs:
            if is_constant(x) and x.id not in values:
                values[x.id] = x._data
                sink(observe.Leaf(x.id, x.name, x._data, False, False))
        values[v.id] = evaluate(v, values)
        if type(values[v.id]) is not tuple:
            sink(observe.Forward(v.id, v.op.name, tuple(x.id for x in v.inputs), v.attrs, values[v.id], v.name,
                                 graph.where(v),
                                 graph.scopes.get(graph.source(v), ""), v.requires_grad))
    outputs = [np.array(values.get(v.id, v._data)) for v in graph.outputs]
    new = [np.array(values.get(v.id, v._data)) for _, v in graph.updates]
    for (leaf, _), array in zip(graph.updates, new, strict=True):
        before = leaves[leaf.id].copy()
        leaves[leaf.id][...] = array
        sink(observe.Update(leaf.id, leaf.name, before, leaves[leaf.id]))
    return outputs


def result_kind(v: Vertex, tracer: FunctionTracer) -> Any:
    """What is to be known of a returned vertex: its op and place if it requires a gradient."""
    return (v.op, v.site, tracer.is_freed(v)) if v.requires_grad else None


def with_history(z: Vertex, history: Any) -> Vertex:
    """An output that had a history; if that was used up inside, it is over, as after backward()."""
    if history is not None and z.op is None:
        z.op, z.site, _ = history
        z.requires_grad = True
    return z


def fits(trace: Trace, leaves: list[Any]) -> bool:
    """Whether a trace is still true of the world."""
    if not trace.guards.hold():
        return False
    return all((holder(source, leaves)._grad is not None) == had for source, had in trace.entry)


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
                raise TraceError("TG-S10", f"{name} overwrites {written.name or 'a tensor'}, which shares memory with "
                                 f"{leaf.name or 'another tensor'} that it also uses.\nWay out: use one of the two "
                                 "throughout, or give one its own memory with copy().")


def holder_array(tracer: FunctionTracer, leaf: Vertex) -> Any:
    source = tracer.sources[leaf.id]
    return source.tensor._grad._data if source.gradient else source.tensor._data  # type: ignore[union-attr]


def static(fn: Callable[..., Any] | None = None, *, level: str = "O1", executor: str = "numpy",
           plan: str = "reuse") -> Any:
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
