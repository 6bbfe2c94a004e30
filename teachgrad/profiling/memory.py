"""How much memory values took at the worst moment, and which values those were."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..drawing.model import Picture
from ..op import Spec
from ..passes.plan import Plan, lifetimes, storage
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


def of_static(compiled: Any, picture: Picture, direct: set[int]) -> Memory:
    """From the plan: the arena, and those values outside of it that live at the same time.

    Values in `direct` are written straight into what they update, and take no memory of their own.
    """
    graph, plan = compiled.graph, compiled.plan
    roots, last = storage(graph), lifetimes(graph)
    owners = [(position, v) for position, v in enumerate(graph.order) if roots[v.id] is v and v.id not in direct]
    loose = [(position, v) for position, v in owners if v.id not in plan.slots and type(v._data) is Spec]

    def living(values: Any, at: int) -> list[Any]:
        return [v for born, v in values if born <= at <= last[v.id]]

    totals = [sum(v._data.nbytes for v in living(loose, at)) for at in range(len(graph.order))]
    at = max(range(len(totals)), key=lambda k: (totals[k], planned_at(plan, k)), default=0)
    alive = [picture.nodes[picture.keys[v.id]] for v in living(owners, at)]
    values = [Alive(nbytes([spec(node.vertex)]), node.name, node.scope, node.where) for node in alive]
    name = picture.nodes[picture.keys[graph.order[at].id]].name if totals else "nothing"
    return Memory(plan.bytes + max(totals, default=0), name, largest_first(values), plan.bytes)


def planned_at(plan: Plan, at: int) -> int:
    """The bytes of the arena that hold values at a position."""
    return sum(slot.bytes for slot in plan.slots.values() if slot.born <= at <= slot.dies)


def largest_first(values: list[Alive]) -> list[Alive]:
    return sorted(values, key=lambda value: (-value.bytes, value.name))
