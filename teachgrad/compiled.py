"""A trace: one run of a function as a graph, made better by passes, planned, and compiled to a program.

Where sizes of the arguments are left open, one run serves a family of traces, one for each choice of sizes. The passes
run once, on formulas; a member of the family has numbers in their place, and its own plan and program.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any

from .executors import Build, Program
from .executors.watched import WatchedProgram
from .graph import Graph
from .guards import Shell
from .instances import Instance
from .passes import optimize
from .passes.plan import Plan, plan_memory
from .passes.recompute import Setting
from .passes.recompute import recompute as recomputed
from .passes.report import Cost, costs, near_misses
from .passes.rewriting import Log, NearMiss
from .paths import Step
from .signature import Fit
from .sizes import Sizes
from .stand_ins import Source
from .structure import Tree
from .trace import Recording
from .world import World

MOST_SIZES = 32
"""So many traces of one family are kept, each with a program and memory: those that were used last."""


class Family:
    """One run of a function, made better by passes: traces for all sizes that it leaves open, mostly none."""

    def __init__(self, recording: Recording, output: Tree, tree: Tree, world: World, sizes: Sizes, *, level: str,
                 plan: str, build: Build, recompute: Setting = None) -> None:
        self.recording, self.output, self.tree, self.world, self.sizes = recording, output, tree, world, sizes
        self.level, self.plan_mode, self.build, self.recompute = level, plan, build, recompute
        self.moments: list[tuple[str, Graph]]
        """The graph as recorded and after each pass, with formulas where sizes are open."""
        self.rewrites = Log()
        """What the passes replaced."""
        self.moments, _ = optimize(recording.graph, level, self.rewrites)
        sizes.closed = True
        self.traces: dict[tuple[int, ...], Trace] = {}
        """What there is for which sizes, the one that was used last at the end."""

    def trace(self, sizes: Mapping[str, int], leaves: Sequence[Any]) -> Trace:
        """The trace for these sizes; made where there is none: with a plan and a program of its own."""
        trace = self.traces.get(tuple([sizes[name] for name in self.sizes.values])) or Trace(self, sizes, leaves)
        self.use(trace)
        return trace

    def use(self, trace: Trace) -> None:
        """Note that a trace is the one that is used now; of many, let go the one that was not used for longest."""
        self.traces.pop(trace.key, None)
        self.traces[trace.key] = trace
        if len(self.traces) > MOST_SIZES:
            del self.traces[next(iter(self.traces))]

    @property
    def latest(self) -> Trace:
        """The trace that was used last."""
        return next(reversed(self.traces.values()))

    def fits(self, sizes: Mapping[str, int], leaves: Sequence[Any]) -> bool:
        """Whether there may be a trace for these arguments, which have the right signature but for open sizes."""
        return self.sizes.hold(sizes) and self.latest.fit.holds(leaves, Instance(sizes).value(self.recording.entry))


class Trace:
    """One traced and compiled run of a function, for one choice of the sizes that are left open."""

    def __init__(self, family: Family, sizes: Mapping[str, int], leaves: Sequence[Any]) -> None:
        self.family, self.output, self.level = family, family.output, family.level
        self.key = tuple([sizes[name] for name in family.sizes.values])
        """The sizes that it was made for."""
        self.instance = Instance(sizes) if sizes else None
        recording = self.recording = self.instance.recording(family.recording) if self.instance else family.recording
        self.graph: Graph
        """The optimised graph."""
        optimised = self.at_sizes(family.moments[-1][1])
        self.graph, self.recomputation = recomputed(optimised, family.recompute, self.planned)
        self.plan: Plan = self.planned(self.graph)
        self.program: Program = family.build(self.graph, self.plan)
        self.sources: dict[int, Source] = recording.sources
        """What each leaf of the graph stands for, by id."""
        self.inputs = [self.sources[leaf.id] for leaf in self.graph.inputs]
        arguments = [source.argument for source in self.inputs if source.argument is not None and not source.gradient]
        self.places = arguments if len(arguments) == len(self.inputs) else None
        """The numbers of the arguments that are the inputs, if all inputs are arguments."""
        self.written = [self.sources[leaf.id] for leaf, _ in self.graph.updates]
        """What the program overwrites."""
        self.takers = fixed_owners(recording.deposits)
        """The tensors whose `.grad` the last outputs become, if they are the same in every call."""
        self.targets = fixed_owners(self.written) if not any(source.gradient for source in self.written) else None
        """The tensors that are overwritten, if they are the same in every call."""
        self.outputs = [what[2] for what in first_of_each_output(recording.results)]
        self.plain = [what[:2] for what in recording.results] == [("output", k) for k in range(len(self.outputs))]
        """Whether the call returns the outputs of the graph, in their order, and nothing else."""
        self.differentiable = any(history.requires_grad and history.op is not None and not history.freed
                                  for history in self.outputs)
        """Whether a result has a history that a backward() outside the function may follow."""
        self.backward: Callable[..., Any] | None = None
        """The function that carries gradients of the results back to the leaves, made when first needed."""
        self.calls = 0
        self.watcher: weakref.ref[Any] | None = None
        """Who was told last that this was compiled."""
        self.path: tuple[Step, ...] = ()
        """In guard mode, the questions that lead here, and their answers; the graph is what is left to do then."""
        self.whole: Trace | None = None
        """In guard mode, the whole of that graph, made when somebody first watches."""
        cells = [self.sources[leaf.id].tensor for leaf in self.graph.cells]
        world = family.world
        self.fit = Fit(leaves, family.tree, [*world.guards, *shells(recording.sources.values(), world)],
                       recording.entry, recording.sources.values(), world.known, cells, self.written)

    @property
    def is_kept(self) -> bool:
        """Whether the family still has it."""
        return self.family.traces.get(self.key) is self

    def at_sizes(self, graph: Graph) -> Graph:
        """A graph of the family, for the sizes of this trace."""
        return self.instance.named(graph) if self.instance else graph

    def planned(self, graph: Graph) -> Plan:
        """The memory plan of a graph."""
        return plan_memory(graph, self.family.plan_mode) if self.level != "O0" else Plan()

    @cached_property
    def moments(self) -> list[tuple[str, Graph]]:
        """The graph as recorded and after each pass."""
        moments = [(name, self.at_sizes(graph)) for name, graph in self.family.moments]
        return moments if self.recomputation is None else [*moments, ("recompute", self.graph)]

    @cached_property
    def rewrites(self) -> Log:
        """What the passes replaced."""
        return self.instance.log(self.family.rewrites) if self.instance else self.family.rewrites

    @property
    def costs(self) -> list[Cost]:
        """What the graph costs as recorded and after each pass."""
        return costs(self.moments)

    @property
    def near_misses(self) -> list[NearMiss]:
        """Where a rule of the level was close to applying, and why it did not. Found by running the passes again."""
        return near_misses(self.recording.graph, self.level)

    def is_known_to(self, watcher: Callable[[Any], None]) -> bool:
        """Whether a watcher was told of this trace before; from now on it was."""
        known = self.watcher is not None and self.watcher() is watcher
        self.watcher = weakref.ref(watcher)
        return known

    @cached_property
    def watched(self) -> WatchedProgram:
        """The program that tells the watcher what it does, made when somebody first watches."""
        return WatchedProgram(self.graph, self.plan)


def fixed_owners(sources: Sequence[Source]) -> list[Any] | None:
    """The tensors that sources stand for, or whose gradients, if none depends on the arguments of a call."""
    if any(source.argument is not None for source in sources):
        return None
    return [source.tensor for source in sources]


def first_of_each_output(results: Sequence[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """The results that are outputs of the graph, each once, in the order of the outputs."""
    found: dict[int, tuple[Any, ...]] = {}
    for what in results:
        if what[0] == "output":
            found.setdefault(what[1], what)
    return [found[number] for number in sorted(found)]


def shells(sources: Any, world: World) -> list[Shell]:
    """Guards for the tensors from outside that are not watched yet."""
    tensors = [source.tensor for source in sources if source.tensor is not None and not source.gradient]
    return [Shell(x, x.name or "a tensor", None) for x in tensors if id(x) not in world.known]


__all__ = ["Family", "Trace"]
