"""How much memory values took at the worst moment, and which values those were."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..drawing.model import Picture
from ..executors.timing import Measured
from ..graph import Graph
from ..passes.plan import lifetimes, storage
from .meter import Change
from .runs import Run, nbytes, spec
from .table import short

MOST_ROWS = 20


@dataclass(frozen=True)
class Alive:
    """A value that was alive at the peak."""

    bytes: int
    name: str
    scope: str
    where: str


@dataclass(frozen=True)
class Memory:
    """The peak in bytes, and what was alive then, the largest first. Parameters and inputs are not counted."""

    peak: int
    at: str
    """What ran at the peak."""
    alive: list[Alive]
    arena: int = 0
    """Of a static program: bytes of its arena, which is there all the time."""

    def __str__(self) -> str:
        lines = [f"peak {short(self.peak)} bytes at {self.at}" + (f", arena {short(self.arena)}" if self.arena else "")]
        lines += [f"{short(value.bytes):>9}  {value.name}" + (f" in {value.scope}" if value.scope else "")
                  + (f"  {value.where}" if value.where else "") for value in self.alive[:MOST_ROWS]]
        if len(self.alive) > MOST_ROWS:
            rest = self.alive[MOST_ROWS:]
            lines.append(f"{short(sum(value.bytes for value in rest)):>9}  {len(rest)} more")
        return "\n".join(lines)


def of_dynamic(runs: Sequence[Run], changes: Sequence[Change]) -> Memory:
    """From when arrays were made and given back."""
    total = peak = at = 0
    for number, change in enumerate(changes):
        total += change.bytes
        if total > peak:
            peak, at = total, number
    alive: dict[int, int] = {}
    for change in changes[:at + 1]:
        alive[change.run] = alive.get(change.run, 0) + change.bytes
    values = [Alive(size, runs[run].op, runs[run].scope, runs[run].where) for run, size in alive.items() if size]
    return Memory(peak, runs[changes[at].run].op if changes else "nothing", largest_first(values))


def of_static(graph: Graph, picture: Picture, program: Measured) -> Memory:
    """From where a program has its values: its workspace, and those beside it that live at the same time."""
    roots, last = storage(graph), lifetimes(graph)
    owners = [(born, v) for born, v in enumerate(graph.order) if roots[v.id] is v and v.id not in program.without]
    totals = [(0, 0)] * max(1, len(graph.order))  # at each position, the bytes beside the workspace and those in it
    for born, v in owners:
        size, placed = nbytes([spec(v)]), v.id in program.placed
        for at in range(born, min(last[v.id], len(totals) - 1) + 1):
            beside, inside = totals[at]
            totals[at] = (beside, inside + size) if placed else (beside + size, inside)
    at = max(range(len(totals)), key=totals.__getitem__)
    alive = [picture.nodes[picture.keys[v.id]] for born, v in owners if born <= at <= last[v.id]]
    values = [Alive(nbytes([spec(node.vertex)]), node.name, node.scope, node.where) for node in alive]
    name = picture.nodes[picture.keys[graph.order[at].id]].name if graph.order else "nothing"
    return Memory(program.workspace + totals[at][0], name, largest_first(values), program.workspace)


def largest_first(values: list[Alive]) -> list[Alive]:
    return sorted(values, key=lambda value: (-value.bytes, value.name))
