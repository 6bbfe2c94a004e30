"""A trace: one run of a function as a graph, made better by passes, planned, and compiled to a program."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

from .executors import Build, Program
from .executors.watched import WatchedProgram
from .graph import Graph
from .guards import Shell
from .passes import optimize
from .passes.plan import Plan, plan_memory
from .passes.recompute import Setting
from .passes.recompute import recompute as recomputed
from .passes.report import Cost, costs, near_misses
from .passes.rewriting import NearMiss, Rewrite
from .signature import Fit
from .stand_ins import Source
from .structure import Tree
from .trace import Recording
from .world import World


class Trace:
    """One traced and compiled run of a function."""

    def __init__(self, recording: Recording, output: Tree, leaves: Sequence[Any], tree: Tree, world: World, *,
                 level: str, plan: str, build: Build, recompute: Setting = None) -> None:
        self.recording, self.output, self.level = recording, output, level
        self.moments: list[tuple[str, Graph]]
        """The graph as recorded and after each pass."""
        self.rewrites: list[Rewrite]
        self.moments, self.rewrites = optimize(recording.graph, level)
        def planned(graph: Graph) -> Plan:
            return plan_memory(graph, plan) if level != "O0" else Plan()

        self.graph: Graph
        """The optimised graph."""
        self.graph, self.recomputation = recomputed(self.moments[-1][1], recompute, planned)
        if self.recomputation is not None:
            self.moments.append(("recompute", self.graph))
        self.plan: Plan = planned(self.graph)
        self.program: Program = build(self.graph, self.plan)
        self.sources: dict[int, Source] = recording.sources
        """What each leaf of the graph stands for, by id."""
        self.inputs = [self.sources[leaf.id] for leaf in self.graph.inputs]
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
        cells = [self.sources[leaf.id].tensor for leaf in self.graph.cells]
        self.fit = Fit(leaves, tree, [*world.guards, *shells(recording.sources.values(), world)],
                       recording.entry, recording.sources.values(), world.known, cells, self.written)

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


__all__ = ["Trace"]
