"""The memory plan: where in one arena each value of a static program lives, and for how long.

A value is alive from the op that makes it to the last op that reads it or a view of it. Two values whose lives do not
overlap can share memory. An elementwise op may also write over an input that dies with it. The plan is plain data, so
that a screen can draw it: offset, bytes, born, dies, in place of what.

Placement is greedy by size: the biggest first, each at the lowest offset where it meets nobody who lives at the same
time. Source: Y. Pisarchyk and J. Lee, "Efficient memory management for deep neural net inference" (2020).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Sequence
from dataclasses import dataclass, field
from itertools import accumulate

from ..graph import Graph, is_constant, names
from ..op import Spec, Vertex
from .layout import layouts
from .references import size_of

ALIGNMENT = 64
"""Offsets are multiples of a cache line."""
MODES = ("off", "inplace", "reuse", "best")
ROUNDS = 20
"""So many placements are tried for the best."""


@dataclass(frozen=True, slots=True)
class Slot:
    """The memory of one value, named as in the program. `born` and `dies` are positions in the order of the graph."""

    vertex: int
    name: str
    offset: int
    bytes: int
    born: int
    dies: int
    in_place_of: int | None


@dataclass(frozen=True)
class Plan:
    """Slots by vertex id, the size of the arena, and what it would have been without sharing."""

    slots: dict[int, Slot] = field(default_factory=dict)
    bytes: int = 0
    bytes_unplanned: int = 0

    def table(self) -> str:
        """The plan as text: one line a value."""
        width = max([5, *(len(s.name) for s in self.slots.values())])
        lines = [f"{'value':<{width}} {'offset':>10} {'bytes':>10} {'born':>6} {'dies':>6}  in place of"]
        for s in self.slots.values():
            over = "" if s.in_place_of is None else self.slots[s.in_place_of].name
            lines.append(f"{s.name:<{width}} {s.offset:>10} {s.bytes:>10} {s.born:>6} {s.dies:>6}  {over}".rstrip())
        return "\n".join([*lines, f"arena {self.bytes} bytes; without sharing {self.bytes_unplanned}"])


@dataclass
class Block:
    """Values that lie in the same place, one after the other in time."""

    members: list[Vertex]
    bytes: int
    born: int
    dies: int
    offset: int = 0


def storage(graph: Graph) -> dict[int, Vertex]:
    """For each vertex, the one whose memory it may lie in: itself, or the base of a view."""
    roots: dict[int, Vertex] = {}
    for v in graph.order:
        if v.op is not None and v.inputs and (v.op.view or type(v.inputs[0]._data) is tuple):
            roots[v.id] = roots.get(v.inputs[0].id, v.inputs[0])
        else:
            roots[v.id] = v
    return roots


def lifetimes(graph: Graph) -> dict[int, int]:
    """The position of the last reader of each vertex or of a view of it; past the end for what outlives the run."""
    roots = storage(graph)
    end = len(graph.order)
    last: dict[int, int] = {}
    for position, v in enumerate(graph.order):
        last.setdefault(roots[v.id].id, position)
        for x in v.inputs:
            last[roots.get(x.id, x).id] = position
    for v in graph.results:
        last[roots.get(v.id, v).id] = end
    return last


def plan_memory(graph: Graph, mode: str = "reuse") -> Plan:
    """Give every value that is written into memory of our choice a place.

    "off" shares nothing; "inplace" lets elementwise ops write over dying inputs; "reuse" also shares between values
    that do not live at the same time; "best" tries many orders of placement and keeps the smallest.
    """
    blocks, replaced = blocks_of(graph, mode)
    unplanned = sum(aligned(v._data.nbytes) for block in blocks for v in block.members)
    if mode in ("off", "inplace"):
        total = 0
        for block in blocks:
            block.offset, total = total, total + block.bytes
    else:
        total, offsets = placed(blocks, ROUNDS if mode == "best" else 1)
        for block in blocks:
            block.offset = offsets[id(block)]
    last = lifetimes(graph)
    position = {v.id: i for i, v in enumerate(graph.order)}
    label = names(graph)
    slots = {v.id: Slot(v.id, label[v.id], block.offset, v._data.nbytes, position[v.id], last[v.id],
                        replaced.get(v.id))
             for block in blocks for v in block.members}
    return Plan(dict(sorted(slots.items(), key=lambda item: item[1].born)), total, unplanned)


def most_at_once(graph: Graph) -> int:
    """The most bytes of values that are alive at once: no run of this order takes less."""
    blocks = blocks_of(graph, "reuse")[0]
    return alive_at_most([*blocks, *unplanned_blocks(graph, {v.id for block in blocks for v in block.members})])


def peak_bytes(graph: Graph, plan: Plan) -> int:
    """The most bytes that a run takes for its values: the arena, and at most what lies outside it at once."""
    return plan.bytes + alive_at_most(unplanned_blocks(graph, plan.slots))


def unplanned_blocks(graph: Graph, planned: Container[int]) -> list[Block]:
    """The values that a plan leaves to the array library: outputs, and what ops make in memory of their own."""
    last, roots = lifetimes(graph), storage(graph)
    return [Block([v], aligned(size_of(v._data)), position, last[v.id])
            for position, v in enumerate(graph.order) if roots[v.id] is v and v.id not in planned]


def alive_at_most(blocks: Sequence[Block]) -> int:
    """The most bytes of blocks that are alive at once."""
    change: Counter[int] = Counter()
    for block in blocks:
        change[block.born] += block.bytes
        change[block.dies + 1] -= block.bytes
    return max(accumulate(change[position] for position in sorted(change)), default=0)


def blocks_of(graph: Graph, mode: str) -> tuple[list[Block], dict[int, int]]:
    """Values that take memory, joined where one can be written over the other; and which was written over which."""
    last = lifetimes(graph)
    roots = storage(graph)
    ordered = layouts(graph).ordered
    escaping = {roots.get(v.id, v).id for v in graph.results}
    owner: dict[int, Block] = {}
    blocks: list[Block] = []
    replaced: dict[int, int] = {}
    for position, v in enumerate(graph.order):
        if v.op is None or not v.op.writes_out or type(v._data) is not Spec or roots[v.id] is not v:
            continue
        if v.id in escaping or not v._data.size:
            continue
        if not v.op.out_anywhere and not all(x.id in ordered for x in v.inputs):
            continue  # on transposed inputs it has to run as in dynamic mode, into memory that NumPy lays out
        victim = dying_input(v, position, last, roots, owner) if mode != "off" else None
        if victim is not None:
            block = owner[v.id] = owner[victim.id]
            block.members.append(v)
            block.dies = last[v.id]
            replaced[v.id] = victim.id
        else:
            block = owner[v.id] = Block([v], aligned(v._data.nbytes), position, last[v.id])
            blocks.append(block)
    return blocks, replaced


def dying_input(v: Vertex, position: int, last: dict[int, int], roots: dict[int, Vertex],
                owner: dict[int, Block]) -> Vertex | None:
    """An input of `v` that nobody reads afterwards and that `v` may write over."""
    assert v.op is not None
    for k in v.op.may_overwrite:
        if k >= len(v.inputs):
            break
        x = v.inputs[k]
        if is_constant(x) or roots.get(x.id) is not x or x.id not in owner or last[x.id] != position:
            continue
        shared = any(roots.get(other.id, other) is x and other is not x for other in v.inputs)
        if not shared and x._data == v._data:
            return x
    return None


def aligned(size: int) -> int:
    return -(-size // ALIGNMENT) * ALIGNMENT


def placed(blocks: list[Block], rounds: int) -> tuple[int, dict[int, int]]:
    """Offsets for the blocks and the size of the arena: the best of so many placements.

    The biggest goes first; in each further round, so does the block that ended highest in the one before.
    """
    order = sorted(blocks, key=lambda block: (-block.bytes, block.born))
    best = total, offsets = place(order)
    for _ in range(rounds - 1):
        highest = max(order, key=lambda block: offsets[id(block)] + block.bytes, default=None)
        order.sort(key=lambda block: block is not highest)  # stable: the others keep their order
        total, offsets = place(order)
        best = min(best, (total, offsets), key=lambda answer: answer[0])
    return best


def place(blocks: list[Block]) -> tuple[int, dict[int, int]]:
    """Offsets for the blocks, in this order of placement, and the size of the arena."""
    there: list[tuple[int, int, Block]] = []
    offsets: dict[int, int] = {}
    total = 0
    for block in blocks:
        neighbours = sorted((start, end) for start, end, other in there
                            if other.born <= block.dies and block.born <= other.dies)
        offset = 0
        for start, end in neighbours:
            if offset + block.bytes <= start:
                break
            offset = max(offset, end)
        offsets[id(block)] = offset
        there.append((offset, offset + block.bytes, block))
        total = max(total, offset + block.bytes)
    return total, offsets
