"""What passes did: the costs of a graph after each of them, and where rules were close to applying and did not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .. import observe
from ..graph import Graph
from . import optimize
from .plan import plan_memory
from .references import is_kernel, traffic
from .rewriting import Log, NearMiss


@dataclass(frozen=True)
class Cost:
    """What a graph costs at one moment."""

    name: str
    """The pass that made it."""
    vertices: int
    kernels: int
    bytes: int
    """Bytes that all kernels read and write."""
    peak_bytes: int
    """Bytes of the arena that its values share."""

    def __str__(self) -> str:
        return f"{self.name:<18} {self.vertices:>8} {self.kernels:>8} {self.bytes:>12} {self.peak_bytes:>12}"


HEAD = f"{'pass':<18} {'vertices':>8} {'kernels':>8} {'bytes moved':>12} {'peak bytes':>12}"


def costs(moments: Sequence[tuple[str, Graph]]) -> list[Cost]:
    """The costs of a graph at each moment."""
    return [Cost(name, len(graph.order), sum(map(is_kernel, graph.order)), sum(map(traffic, graph.order)),
                 plan_memory(graph).bytes) for name, graph in moments]


def table(moments: Sequence[tuple[str, Graph]]) -> str:
    """The costs as text: one line a moment."""
    return "\n".join([HEAD, *map(str, costs(moments))])


def near_misses(graph: Graph, level: str) -> list[NearMiss]:
    """Run the passes of a level again, unwatched, and note why rules did not apply. Each reason is told once."""
    log = Log(near_misses=True)
    with observe.watching(None):
        optimize(graph, level, log)
    found = {str(miss): miss for miss in log.near_misses or ()}
    return list(found.values())
