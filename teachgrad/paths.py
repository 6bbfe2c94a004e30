"""Guard mode: Python that decides by values, in a static function, with a program for each way that it goes.

While such a function is traced and Python asks for a value (`if loss > 1:`, `float(x)`, the length of `x[mask]`), what
was recorded so far is computed, and Python goes on with the answer. The recorded graph is cut there: a stage that
computes what was asked for, and what follows from the answer. A call runs the first stage, looks at the value, and
follows the branch of the same answer; at the end of its path lies the program of the rest, which alone writes anything.
An answer that was not seen yet traces the function once more, for one more path of the tree.

Nothing is computed twice: what a stage has computed and a later one needs is handed on. Of a truth value the guard is
true or false, of everything else every bit. While somebody watches, the graph of the path runs in one piece, so that
all of it is seen.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol, TypeVar

import numpy as np

from .errors import Site, TraceError, locate, user_site
from .executors import Build, numpy
from .graph import Graph, copied, describe, live
from .interpreter import computed
from .op import NO_ATTRS, Op, Spec, Vertex, explain, next_id
from .ops.tuples import Item
from .passes import optimize
from .passes.plan import Plan, plan_memory
from .refusals import LineOf
from .stand_ins import Source, StandIn
from .tensor import Tensor
from .trace import FunctionTracer, Recording
from .versions import as_of

MOST_PATHS = 16
"""So many paths of one signature are kept; beyond them, values decide that should not."""
TRUTH, SHAPE = "turned into a Python bool", "asked for its shape"
KEPT = ("turned into a NumPy array", "used in NumPy arithmetic")
"""What hands out memory, in which later overwrites would show."""
REFUSED = ("shared through DLPack", "pickled", "read through .data")


@dataclass(frozen=True)
class Read:
    """Python asked for a value while a function was traced."""

    vertex: int
    """The recorded vertex, as it was then, by id."""
    time: int
    """What was recorded before has smaller ids."""
    why: str
    site: Site | None
    value: Any


def answer_of(why: str, values: Sequence[Any]) -> Any:
    """What of a value a path depends on: its truth, its shape, or all of it. Of several, their shapes."""
    if why == SHAPE:
        return tuple([array.shape for array in values])
    return bool(values[0].item()) if why == TRUTH else values[0].tobytes()


def shown(why: str, values: Sequence[Any]) -> str:
    """An answer, for people."""
    if why == SHAPE:
        return ", ".join(map(describe, values))
    value = values[0]
    if why == TRUTH:
        return str(bool(value.item()))
    return repr(value.item()) if value.size == 1 else f"{describe(value)} {np.array2string(value, threshold=6)}"


# ---- while a function is traced --------------------------------------------------------------------------------------

class GuardedTracer(FunctionTracer):
    """Records one run of a function, and answers when Python asks for values."""

    def __init__(self, name: str, line_of: LineOf) -> None:
        super().__init__(name, line_of)
        self.reads: list[Read] = []
        self.values: dict[int, Any] = {}
        """What was computed so far, by the id of the recorded vertex."""
        self.handed_out: list[tuple[Vertex, int]] = []
        """Vertices whose values are in Python's hands as arrays, and their stamps then."""
        self.measured: Any = None
        """The value of the last op, if its shape depends on values."""

    def leak(self, x: Vertex, why: str) -> Any:
        if why in REFUSED or self.is_constant(x):
            return super().leak(x, why)
        x = self.resolve(x)
        self.refresh(x)
        value = self.value(x)
        if why == TRUTH and value.size != 1:
            return value  # which Python refuses, as in dynamic mode
        self.note(x, why, value)
        if why in KEPT:
            self.handed_out.append((x if x.base is None else x.base, x.stamp))
        view = value.view()
        view.flags.writeable = False
        return view

    def note(self, x: Vertex, why: str, value: Any) -> None:
        """Python was told a value."""
        self.reads.append(Read(x.id, next_id(), why, user_site(), value))

    def apply(self, op: Op, inputs: tuple[Vertex, ...], attrs: Mapping[str, Any] = NO_ATTRS) -> Any:
        self.measured = None
        z = super().apply(op, inputs, attrs)
        if self.measured is not None:
            self.values[z.id] = self.measured
            self.note(z, SHAPE, self.measured)
        return z

    def infer(self, op: Op, xs: tuple[Vertex, ...], attrs: Mapping[str, Any]) -> Any:
        try:
            return super().infer(op, xs, attrs)
        except TraceError as error:
            if error.code != "TG-S04":
                raise
        self.measured = self.run(op, xs, [self.value(x) for x in xs], attrs)
        return spec_of(self.measured)

    # ---- values ------------------------------------------------------------------------------------------------------

    def value(self, x: Vertex) -> Any:
        """The value of a recorded vertex, from what the tensors outside have now."""
        stack = [x]
        while stack:
            v = stack[-1]
            inputs = [as_of(y, v.id) for y in v.inputs]
            missing = [y for y in inputs if y.id not in self.values]
            if v.id not in self.values and v.op is None:
                self.values[v.id] = self.outside(v)
            elif v.id not in self.values and missing:
                stack += missing
                continue
            elif v.id not in self.values:
                assert v.op is not None
                self.values[v.id] = self.run(v.op, v.inputs, [self.values[y.id] for y in inputs], v.attrs,
                                             v.site)
            stack.pop()
        return self.values[x.id]

    def run(self, op: Op, xs: Sequence[Vertex], arrays: Sequence[Any], attrs: Mapping[str, Any],
            site: Site | None = None) -> Any:
        """Compute an op now."""
        try:
            return computed(op, arrays, attrs)
        except (ValueError, TypeError, IndexError, ArithmeticError) as error:
            raise explain(op, xs, attrs, error, locate(site)) from error

    def outside(self, v: Vertex) -> Any:
        """The array of a leaf."""
        if v.id in self.constants:
            return self.constants[v.id]
        return v.real._data if isinstance(v, StandIn) else v._data

    # ---- the end -----------------------------------------------------------------------------------------------------

    def finish(self, answers: Sequence[Any], returned: Site | None) -> Recording:
        for x, stamp in self.handed_out:
            if x.stamp != stamp:
                raise TraceError.at(
                    "TG-S09", f"{self.name} reads a tensor as NumPy, and then overwrites it", x.site,
                    "What was read would not change with it.", "read it afterwards", "take numpy(copy=True)",
                    "compute a new tensor instead")
        return super().finish(answers, returned)


def spec_of(value: Any) -> Any:
    """The spec of an array, or of several."""
    return tuple(map(spec_of, value)) if type(value) is tuple else Spec(value.shape, value.dtype)


# ---- the tree --------------------------------------------------------------------------------------------------------

class Stage:
    """The program of what has to be computed before Python asks for a value, and the question."""

    def __init__(self, cuts: Cuts, read: Read, level: str, plan: str, build: Build) -> None:
        self.why, self.site, self.prefix = read.why, read.site, cuts.prefix(read)
        """The question, where it is asked, and what was recorded before, op by op."""
        cone = cuts.cone(read)
        self.exports = cuts.exports(cone)
        """The positions of what is handed on."""
        values = cuts.asked_for(read)
        self.count = len(values)
        graph = cuts.part(sorted(cone), [*values, *[cuts.graph.order[k] for k in self.exports]], ())
        graph = optimize(graph, level)[0][-1][1]
        build = build if graph.order and read.why != SHAPE else numpy.build
        self.program = build(graph, plan_memory(graph, plan) if level != "O0" else Plan())
        self.inputs = [cuts.sources[v.id] for v in graph.inputs]
        self.cells = [cuts.sources[v.id] for v in graph.cells]

    def run(self, leaves: Sequence[Any]) -> tuple[Any, list[Any]]:
        """The answer, and what is handed on, as tensors. Nothing is written."""
        inputs = [source.find(leaves)._data for source in self.inputs]
        cells = [source.find(leaves)._data for source in self.cells]
        arrays = self.program(inputs, cells)
        return answer_of(self.why, arrays[:self.count]), [Tensor(array) for array in arrays[self.count:]]


@dataclass(frozen=True)
class Step:
    """One question on the way of a path, and the answer that leads on."""

    stage: Stage
    answer: Any
    text: str
    """The answer, for people."""


class OnPath(Protocol):
    """A trace at the end of a path."""

    path: tuple[Step, ...]


AnyTrace = TypeVar("AnyTrace", bound=OnPath)


class Cuts:
    """Cuts a recorded graph into stages and a rest."""

    def __init__(self, recording: Recording, arguments: int) -> None:
        self.recording, self.arguments = recording, arguments
        self.graph = graph = recording.graph
        self.position = {v.id: position for position, v in enumerate(graph.order)}
        self.by_source = {graph.source(v): v for v in (*graph.leaves, *graph.order)}
        self.sources = dict(recording.sources)
        self.given: dict[int, Vertex] = {}
        """The inputs that stand for what an earlier stage hands on, by the position of that."""

    def prefix(self, read: Read) -> list[Any]:
        """What was recorded before a read, op by op."""
        sources = ((v, self.graph.source(v)) for v in self.graph.order)
        return [(v.op, v._data) for v, number in sources if number < read.time and number != read.vertex]

    def asked_for(self, read: Read) -> list[Vertex]:
        """What is asked for in the graph: a vertex, or the results that are used of one that has several."""
        target = self.by_source[read.vertex]
        if type(target._data) is not tuple:
            return [target]
        return [v for v in self.graph.order if isinstance(v.op, Item) and v.inputs[0] is target]

    def value(self, read: Read) -> list[Any]:
        """What was found there while the function was traced."""
        if type(read.value) is not tuple:
            return [read.value]
        return [read.value[v.attrs["index"]] for v in self.asked_for(read)]

    def cone(self, read: Read) -> set[int]:
        """The positions of what has to be computed for a read and is not given."""
        found: set[int] = set()
        stack = self.asked_for(read)
        while stack:
            v = stack.pop()
            position = self.position.get(v.id)
            if position is not None and position not in self.given and position not in found:
                found.add(position)
                stack += v.inputs
        for position, v in enumerate(self.graph.order):  # the other results of what has several
            if isinstance(v.op, Item) and self.position.get(v.inputs[0].id) in found \
                    and self.graph.source(v) < read.time:
                found.add(position)
        return found

    def exports(self, cone: set[int]) -> list[int]:
        """The positions of what others need of a cone: values, from which they take views anew."""
        found: set[int] = set()
        stack = [x for position, v in enumerate(self.graph.order) if position not in cone for x in v.inputs]
        stack += self.graph.results
        seen: set[int] = set()
        while stack:
            x = stack.pop()
            position = self.position.get(x.id)
            if position is None or position not in cone or position in seen:
                continue
            seen.add(position)
            assert x.op is not None
            if x.op.view or type(x._data) is tuple:
                stack += x.inputs
            else:
                found.add(position)
        return sorted(found)

    def give(self, positions: Iterable[int]) -> None:
        """What is at these positions comes from an earlier stage."""
        for position in positions:
            v = self.graph.order[position]
            leaf = v.result_type(v._data, v.requires_grad, v.name or str(v.op))
            leaf.site = v.site
            self.sources[leaf.id] = Source(argument=self.arguments + len(self.given))
            self.given[position] = leaf

    def rest(self) -> Recording:
        """The recording with the graph of what is left when all stages have run."""
        graph = self.part(range(len(self.graph.order)), self.graph.outputs, self.graph.updates)
        graph = replace(graph, families=self.graph.families, order=tuple(live(graph)))
        return replace(self.recording, graph=graph, sources=self.sources)

    def part(self, positions: Iterable[int], outputs: Sequence[Vertex],
             updates: Sequence[tuple[Vertex, Vertex]]) -> Graph:
        """A graph of some of the vertices, on the leaves and on what is given."""
        new: dict[int, Vertex] = {self.graph.order[k].id: leaf for k, leaf in self.given.items()}
        origin = dict(self.graph.origin)
        order = []
        for v in [self.graph.order[k] for k in positions if k not in self.given]:
            inputs = tuple([new.get(x.id, x) for x in v.inputs])
            w = v
            if any(a is not b for a, b in zip(inputs, v.inputs, strict=True)):
                w = new[v.id] = copied(v, inputs)
                origin[w.id] = self.graph.source(v)
            order.append(w)
        return replace(
            self.graph, inputs=(*self.graph.inputs, *self.given.values()), order=tuple(order), origin=origin,
            outputs=tuple([new.get(v.id, v) for v in outputs]), families=(),
            updates=tuple([(leaf, new.get(v.id, v)) for leaf, v in updates]))


# ---- in a call -------------------------------------------------------------------------------------------------------

def follow(traces: Sequence[AnyTrace], leaves: Sequence[Any]) -> tuple[AnyTrace | None, list[Any], list[Stage]]:
    """Run stages from the root of a tree until a path ends: its trace, or None where an answer is new; what the stages
    hand on; and the stages that ran."""
    handed: list[Any] = []
    stages: list[Stage] = []
    while traces:
        depth, trace = len(stages), traces[0]
        if len(trace.path) == depth:
            return trace, handed, stages
        stage = trace.path[depth].stage
        answer, exports = stage.run([*leaves, *handed])
        handed += exports
        stages.append(stage)
        traces = [t for t in traces if len(t.path) > depth and t.path[depth].stage is stage
                  and t.path[depth].answer == answer]
    return None, handed, stages


def cut(recording: Recording, tracer: GuardedTracer, arguments: int, known: Sequence[Stage], level: str, plan: str,
        build: Build) -> tuple[Recording, tuple[Step, ...], list[Any]]:
    """The rest of a recording when its stages have run, the steps of its path, and what its stages handed on now.

    Stages that are known, from the root on, are shared as far as they ask the same.
    """
    cuts = Cuts(recording, arguments)
    for v in cuts.graph.order:
        if (found := tracer.values.get(cuts.graph.source(v))) is not None:
            tracer.values[v.id] = found
    steps: list[Step] = []
    handed: list[Any] = []
    for number, read in enumerate(tracer.reads):
        stage = known[number] if number < len(known) and len(steps) == number else None
        if stage is None or (stage.why, stage.site) != (read.why, read.site) or stage.prefix != cuts.prefix(read):
            stage = Stage(cuts, read, level, plan, build)
        value = cuts.value(read)
        steps.append(Step(stage, answer_of(read.why, value), shown(read.why, value)))
        handed += [Tensor(tracer.value(cuts.graph.order[k])) for k in stage.exports]
        cuts.give(stage.exports)
    return cuts.rest(), tuple(steps), handed


def refuse_paths(name: str, count: int, site: Site | None) -> TraceError:
    """Too many paths: values decide that should not."""
    return TraceError.at(
        "TG-S02", f"{name} was traced on {count} paths, and the value that is asked for here leads on one more", site,
        "A function that is traced on every call is slower than no static function at all.",
        "ask `if x > 1.0:` of the tensor, which depends on the truth alone, not `if float(x) > 1.0:`",
        "tg.where, tg.cond or tg.while_loop decide in the graph", "return what is only reported, and read it outside")


__all__ = ["MOST_PATHS", "GuardedTracer", "Step", "cut", "follow", "refuse_paths"]
