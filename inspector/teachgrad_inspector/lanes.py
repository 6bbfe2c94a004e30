"""The layout of the tape: which values live side by side.

One line of the tape is one row of the recording, or a folded module. A value takes a **lane** when it is born and gives
it back after its last use; a result goes on in the lane of its first input that ends there. So the picture is the
liveness chart of the run, lane allocation is buffer allocation, and the straight line down is the main path.

Values that wait for the backward pass would keep many lanes open. Where they are too many, each gives its lane back
after its last use in the forward pass and is **parked** on the rail of its module until the backward pass needs it.

Everything is linear in the number of rows, and rows are drawn from the nearest checkpoint above them.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field
from typing import NamedTuple

from teachgrad.recording import Row, Step

from .formulas import needs

CHECKPOINT = 128
MANY_LANES = 9
"""With more lanes than this, saved values are parked."""
MAX_RAILS = 4

Key = int
"""A value: vertex v as 2v, its gradient as 2v+1."""


class Use(NamedTuple):
    """A line of the tape reads a lane, perhaps for the last time."""

    lane: int
    ends: bool


class RailUse(NamedTuple):
    """A line of the tape reads a parked value, perhaps the last one on its rail."""

    rail: int
    ends: bool


@dataclass(slots=True)
class Item:
    """One line of the tape: a row, or all rows of a module that is folded."""

    first: int
    last: int
    phase: str
    scope: str
    fold: str | None
    count: int = 1
    """How many rows."""
    node: int = 0
    uses: tuple[Use, ...] = ()
    born: tuple[int, ...] = ()
    """Further lanes that begin here: the other results of a folded module."""
    rails: tuple[RailUse, ...] = ()
    makes: tuple[Key, ...] = ()
    reads: tuple[Key, ...] = ()


class Rail(NamedTuple):
    """Where the parked values of a module are, from one item to another."""

    scope: str
    start: int
    end: int
    vertices: tuple[int, ...]


@dataclass(slots=True)
class Picture:
    """The drawing of one line, in lanes: what passes through, what is touched, where the node is."""

    node: int
    passing: list[int]
    uses: tuple[Use, ...]
    born: tuple[int, ...]
    rails: list[int]
    rail_uses: tuple[RailUse, ...]
    fresh: bool
    """Whether the lane of the node begins here."""
    gradients: set[int] = field(default_factory=set)
    """Those of the lanes that carry gradients."""


def enclosing(scope: str, folded: frozenset[str]) -> str | None:
    """The outermost folded module that a scope lies in."""
    if not scope or not folded:
        return None
    end = -1
    while True:
        end = scope.find(".", end + 1)
        prefix = scope if end < 0 else scope[:end]
        if prefix in folded:
            return prefix
        if end < 0:
            return None


class Lanes:
    """The layout of one training step, or of the rows `kept` of it."""

    def __init__(
        self, step: Step, folded: frozenset[str] = frozenset(), kept: frozenset[int] | None = None
    ) -> None:
        self.step = step
        self.kept = kept
        self.scopes = _scopes(step)
        self.items = _items(step, self.scopes, folded, kept)
        self._at: list[int] = []
        ends = [*(item.first for item in self.items[1:]), len(step.rows)]
        for number, end in enumerate(ends):
            self._at += [number] * (end - len(self._at))
        parameters = {row.vertex for row in step.rows if row.parameter}
        for item in self.items:
            _connect(item, step, parameters, kept)
        self.rails: list[Rail] = []
        self._allocate({})
        if self.width > MANY_LANES:
            self._park()
        self._checkpoints = self._check()

    def item_of(self, row: int) -> int:
        """The line of the tape on which a row stands; of one that is not kept, the line before it."""
        return self._at[row]

    def __len__(self) -> int:
        return len(self.items)

    # ---- allocation --------------------------------------------------------------------------------------------------

    def _allocate(self, parked: dict[Key, int]) -> None:
        """Give every value a lane. `parked` has, for values that leave their lane early, the item where they do."""
        stays: dict[Key, int] = {}
        for number, item in enumerate(self.items):
            for key in item.reads:
                stays[key] = number
            for key in item.makes:
                stays[key] = number
        if not self.rails:  # with room to spare, gradients of leaves stay: that is where `.grad` is
            end = len(self.items) - 1
            made = {row.vertex for row in self.step.rows if row.kind == "op"}
            leaves = [vertex for vertex in self.step.into if vertex not in made]
            stays |= {vertex << 1 | 1: end for vertex in leaves}
        stays |= parked
        lane: dict[Key, int] = {}
        free: list[int] = []
        self.width = 0
        for number, item in enumerate(self.items):
            uses: dict[int, bool] = {}
            dying: list[int] = []
            for key in item.reads:
                if key in lane:
                    ends = stays[key] == number
                    uses[lane[key]] = ends
                    if ends and key not in item.makes:
                        dying.append(lane.pop(key))
            spent: list[int] = []
            nodes = [self._seat(key, number, lane, stays, dying, free, uses, spent) for key in item.makes]
            for gone in (*dying, *spent):
                heapq.heappush(free, gone)
            item.node, item.born = nodes[0], tuple(nodes[1:])
            item.uses = tuple([Use(at, ends) for at, ends in uses.items() if at != nodes[0]])
        self._spans = self._stretches(stays)

    def _seat(
        self,
        key: Key,
        number: int,
        lane: dict[Key, int],
        stays: dict[Key, int],
        dying: list[int],
        free: list[int],
        uses: dict[int, bool],
        spent: list[int],
    ) -> int:
        """The lane for a value that item `number` makes: its own if it has one, else that of an input that ends here,
        else a free one. If nobody reads the value later, the lane is `spent`: free again, but only below this item."""
        if key in lane:
            mine = lane[key]
            uses.pop(mine, None)
        elif dying:
            mine = dying.pop(0)
            uses.pop(mine, None)
        elif free:
            mine = heapq.heappop(free)
        else:
            mine = self.width
            self.width += 1
        if stays[key] > number:
            lane[key] = mine
        else:
            lane.pop(key, None)
            spent.append(mine)
        return mine

    def _stretches(self, stays: dict[Key, int]) -> list[tuple[int, int, int, bool]]:
        """(lane, first item, last item, whether a gradient) of each stretch of a lane."""
        spans = []
        running: dict[int, tuple[int, bool]] = {}
        for number, item in enumerate(self.items):
            for use in item.uses:
                if use.ends and use.lane in running:
                    start, gradient = running.pop(use.lane)
                    spans.append((use.lane, start, number, gradient))
            for at, key in zip((item.node, *item.born), item.makes, strict=True):
                if at in running:
                    start, gradient = running.pop(at)
                    spans.append((at, start, number, gradient))
                if stays[key] > number:
                    running[at] = (number, bool(key & 1))
        spans += [(at, start, len(self.items) - 1, gradient) for at, (start, gradient) in running.items()]
        return spans

    def _park(self) -> None:
        """Move values that wait for the backward pass onto rails, one for each module, and allocate lanes again."""
        turn = next((i for i, item in enumerate(self.items) if item.phase == "bwd"), len(self.items))
        forward: dict[Key, int] = {}
        backward: dict[Key, tuple[int, int]] = {}
        for number, item in enumerate(self.items):
            for key in (*item.reads, *item.makes):
                if key & 1:
                    continue
                if number < turn:
                    forward[key] = number
                elif key in forward:
                    backward[key] = (backward.get(key, (number, 0))[0], number)
        groups: dict[str, list[Key]] = {}
        for key in backward:
            groups.setdefault(self._home(key), []).append(key)
        if len(groups) > MAX_RAILS:
            groups = {"": [key for keys in groups.values() for key in keys]}
        parked: dict[Key, int] = {}
        for scope, keys in groups.items():
            start = min(forward[key] for key in keys)
            end = max(backward[key][1] for key in keys)
            self.rails.append(Rail(scope, start, end, tuple(key >> 1 for key in keys)))
            for key in keys:
                parked[key] = forward[key]
        rail_of = {key: i for i, rail in enumerate(self.rails) for key in (v << 1 for v in rail.vertices)}
        for number, item in enumerate(self.items):
            if number >= turn:
                used = {rail_of[key]: self.rails[rail_of[key]].end == number for key in item.reads if key in rail_of}
                item.rails = tuple(RailUse(rail, ends) for rail, ends in used.items())
        self._allocate(parked)

    def _home(self, key: Key) -> str:
        made = self.step.made.get(key >> 1)
        return self.scopes[made].partition(".")[0] if made is not None else ""

    # ---- drawing -----------------------------------------------------------------------------------------------------

    def _check(self) -> list[list[int]]:
        """For every so many items, which stretches of lanes pass through the first of them."""
        blocks: list[list[int]] = [[] for _ in range(len(self.items) // CHECKPOINT + 1)]
        for number, (_, start, end, _) in enumerate(self._spans):
            for block in range(start // CHECKPOINT, end // CHECKPOINT + 1):
                blocks[block].append(number)
        return blocks

    def pictures(self, start: int, stop: int) -> list[Picture]:
        """How to draw the lines from `start` up to, not including, `stop`."""
        result = []
        for number in range(start, min(stop, len(self.items))):
            item = self.items[number]
            passing, gradients, fresh = [], set(), True
            for index in self._checkpoints[number // CHECKPOINT]:
                lane, first, last, gradient = self._spans[index]
                if first <= number <= last and gradient:
                    gradients.add(lane)
                if first < number <= last:
                    passing.append(lane)
                    if lane == item.node:
                        fresh = False
            rails = [i for i, rail in enumerate(self.rails) if rail.start <= number <= rail.end]
            running = set(passing)
            uses = (*item.uses, *[Use(lane, False) for lane in item.born if lane in running])
            born = tuple([lane for lane in item.born if lane not in running])
            result.append(Picture(item.node, passing, uses, born, rails, item.rails, fresh, gradients))
        return result


# ---- items -----------------------------------------------------------------------------------------------------------


def _scopes(step: Step) -> list[str]:
    """The module of each row: of an op the one that ran it, of a parameter the one that uses it first, of gradient
    along an edge that of the op it comes out of."""
    home: dict[int, str] = {}
    scopes = [""] * len(step.rows)
    for row in step.rows:
        if row.kind == "op":
            home[row.vertex] = row.scope
            scopes[row.row] = row.scope
            for vertex in row.inputs:
                made = step.made.get(vertex)
                if vertex not in home and (made is None or step.rows[made].parameter):
                    home[vertex] = row.scope
                    if made is not None:
                        scopes[made] = row.scope
    for row in step.rows:
        if row.kind == "edge":
            scopes[row.row] = home.get(row.source or 0, "")
        elif row.kind == "update":
            scopes[row.row] = home.get(row.vertex, "")
    return scopes


def _items(step: Step, scopes: list[str], folded: frozenset[str], kept: frozenset[int] | None) -> list[Item]:
    """The lines of the tape: rows, and runs of rows of one phase in a folded module."""
    items: list[Item] = []
    for row, scope in zip(step.rows, scopes, strict=True):
        if kept is not None and row.row not in kept:
            continue
        fold = enclosing(scope, folded)
        before = items[-1] if items else None
        if fold is not None and before is not None and before.fold == fold and before.phase == row.phase:
            before.last = row.row
            before.count += 1
        else:
            items.append(Item(row.row, row.row, row.phase, scope if fold is None else fold, fold))
    return items


def _connect(item: Item, step: Step, parameters: set[int], kept: frozenset[int] | None) -> None:
    """What a line of the tape makes and reads."""
    makes: dict[Key, None] = {}
    reads: dict[Key, None] = {}
    for number in range(item.first, item.last + 1):
        if kept is not None and number not in kept:
            continue
        row = step.rows[number]
        made, read = _values(row, step, parameters)
        for key in read:
            if key not in makes:
                reads[key] = None
        makes[made] = None
    if item.fold is not None:
        makes = _outside(makes, item, step)
    item.makes, item.reads = tuple(makes), tuple(reads)


def _values(row: Row, step: Step, parameters: set[int]) -> tuple[Key, list[Key]]:
    """The value that a row makes, and those that it reads, the main one first."""
    if row.kind == "leaf":
        return row.vertex << 1, []
    if row.kind == "op":
        return row.vertex << 1, [v << 1 for v in row.inputs if v in step.made]
    gradient = row.vertex << 1 | 1
    if row.kind == "seed":
        return gradient, [row.vertex << 1] if row.vertex in step.made else []
    if row.kind in ("deposit", "update"):
        return gradient, []
    source = row.source or 0
    reads = [source << 1 | 1]
    made = step.made.get(source)
    if made is not None and step.rows[made].kind == "op":
        op = step.rows[made]
        inputs, result = needs(op.op, row.edge or 0, len(op.inputs))
        reads += [
            op.inputs[i] << 1
            for i in sorted(inputs)
            if i < len(op.inputs) and op.inputs[i] in step.made and op.inputs[i] not in parameters
        ]
        if result:
            reads.append(source << 1)
    return gradient, reads


def _outside(makes: dict[Key, None], item: Item, step: Step) -> dict[Key, None]:
    """Of what a folded module makes, what is used outside it; at least the last."""
    wanted: dict[Key, None] = {}
    for key in makes:
        vertex = key >> 1
        if key & 1:
            readers = [*step.out_of.get(vertex, ()), *step.updates.get(vertex, ())]
        else:
            readers = step.readers(vertex)
        if any(not item.first <= row <= item.last for row in readers):
            wanted[key] = None
    return wanted or {next(reversed(makes)): None}
