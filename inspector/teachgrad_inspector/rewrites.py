"""The graph of a static function at any moment of its compilation: between any two rewrites.

A **stop** is a number of rewrites: 0 is the recorded graph, the last one the compiled graph. What a recording has is
the graph after each pass and the rewrites in between; the graph at a stop is that of the pass before, with the rewrites
of the pass applied up to there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from teachgrad.recording import Account
from teachgrad.recording.accounts import Node, Rewriting

CACHED_STATES = 64


@dataclass(frozen=True, slots=True)
class Costs:
    """What a graph costs: ops, ops that move data, bytes that these read and write, bytes of values at the worst."""

    vertices: int
    kernels: int
    bytes: int
    peak: int


class State:
    """A graph: what is computed, in order, and what stands for nodes that are no longer there."""

    def __init__(self, account: Account, order: tuple[int, ...], stands: Mapping[int, int], results: tuple[int, ...]):
        self.account, self.order, self.stands = account, order, stands
        self.present = set(order)
        self._found: dict[int, int] = {}
        self.results = tuple(map(self.resolve, results))

    def resolve(self, number: int) -> int:
        """What stands for a node now."""
        path: dict[int, None] = {}  # a damaged file may lead in a circle
        while number not in self._found and number not in path and number not in self.present:
            path[number] = None
            number = self.stands.get(number, number)
        number = self._found.get(number, number)
        self._found |= dict.fromkeys(path, number)
        return number

    def inputs(self, node: Node) -> list[Node]:
        """What an op reads now."""
        return [self.account.by_id[self.resolve(number)] for number in node.inputs]

    @cached_property
    def costs(self) -> Costs:
        by_id = self.account.by_id
        nodes = [by_id[number] for number in self.order]
        kernels = [node for node in nodes if not node.view]
        moved = sum(node.bytes + sum(x.bytes for x in self.inputs(node)) for node in kernels)
        return Costs(len(nodes), len(kernels), moved, self._peak(nodes))

    def _peak(self, nodes: list[Node]) -> int:
        """Bytes of the values that are alive at once, at the worst, if each has memory of its own."""
        base: dict[int, int] = {}
        last: dict[int, int] = {}
        for at, node in enumerate(nodes):
            reads = self.inputs(node)
            if node.view and reads:
                base[node.id] = base.get(reads[0].id, reads[0].id)
            for x in (node, *reads):
                last[base.get(x.id, x.id)] = at
        for number in self.results:
            last[base.get(number, number)] = len(nodes)
        change = [0] * (len(nodes) + 2)
        for at, node in enumerate(nodes):
            if node.id not in base:
                change[at] += node.bytes
                change[last[node.id] + 1] -= node.bytes
        live = peak = 0
        for step in change:
            live += step
            peak = max(peak, live)
        return peak


class Rewrites:
    """A compilation, stop by stop."""

    def __init__(self, account: Account) -> None:
        self.account = account
        self._states: dict[int, State] = {}

    @property
    def last(self) -> int:
        """The last stop."""
        return len(self.account.rewrites)

    def rewriting(self, stop: int) -> Rewriting | None:
        """The rewrite that leads to a stop; None at the recorded graph."""
        return self.account.rewrites[stop - 1] if 0 < stop <= self.last else None

    def moment(self, stop: int) -> int:
        """The number of the pass that a stop is in; after the last rewrite of a pass, that of the graph it made."""
        return self.account.rewrites[stop - 1].moment if stop else 0

    def state(self, stop: int) -> State:
        """The graph at a stop."""
        found = self._states.get(stop)
        if found is None:
            found = self._states[stop] = self._replayed(stop)
            while len(self._states) > CACHED_STATES:
                del self._states[next(iter(self._states))]
        return found

    def _replayed(self, stop: int) -> State:
        account, rewrites = self.account, self.account.rewrites
        stands = {done.before: done.after for done in rewrites[:stop] if done.before != done.after}
        here = self.moment(stop)
        after = len(account.moments) - 1 if stop == self.last else rewrites[stop].moment
        if stop in (0, self.last) or after != here:  # a graph that the recording has
            moment = account.moments[after if stop else 0]
            return State(account, moment.order, stands, moment.results)
        moment = account.moments[here]
        return State(account, applied(moment.order, rewrites[self.starts[here] : stop]), stands, moment.results)

    @cached_property
    def starts(self) -> dict[int, int]:
        """The stop before the first rewrite of each pass that has any."""
        found: dict[int, int] = {}
        for number, rewriting in enumerate(self.account.rewrites):
            found.setdefault(rewriting.moment, number)
        return found

    @cached_property
    def names(self) -> Mapping[int, str]:
        """What to call the nodes: as the program does, or by their own names, or by their ops and numbers."""
        taken = {node.label for node in self.account.nodes}
        names: dict[int, str] = {}
        counts: Counter[str] = Counter()
        for node in self.account.nodes:
            name = node.label or (node.name if node.kind != "op" else "")
            while not name or (not node.label and node.kind != "constant" and name in taken):
                stem = node.name or node.op or node.kind
                counts[stem] += 1
                name = f"{stem}_{counts[stem]}" if counts[stem] > 1 else stem
            taken.add(name)
            names[node.id] = name
        return names

    @cached_property
    def passes(self) -> list[str]:
        """A name for each step from one moment to the next: that of the pass, and which time it runs if not once."""
        counts: Counter[str] = Counter()
        names = []
        for moment in self.account.moments[1:]:
            counts[moment.name] += 1
            names.append(moment.name if counts[moment.name] == 1 else f"{moment.name}.{counts[moment.name]}")
        return names

    def address(self, stop: int) -> str:
        """`pass:lower/3`: the third rewrite of a pass; `pass:recorded` before all."""
        if stop == 0:
            return "pass:recorded"
        moment = self.moment(stop)
        return f"pass:{self.passes[moment]}/{stop - self.starts[moment]}"

    def find(self, address: str) -> int | None:
        """The stop of an address, or None. Without a number, the first rewrite of the pass; `pass:last` is the end."""
        name, _, number = address.removeprefix("pass:").partition("/")
        if name in ("recorded", "last"):
            return 0 if name == "recorded" else self.last
        if name not in self.passes or (number and not number.isdecimal()):
            return None
        start = self.starts.get(self.passes.index(name))
        if start is None:
            return None
        stop = start + int(number or 1)
        return stop if start < stop <= self.last and self.moment(stop) == self.passes.index(name) else None

    def neighbour(self, stop: int, forward: bool) -> int:
        """The first stop of the next pass that rewrites something, or of this one, or of the one before."""
        starts = [0, *(start + 1 for start in self.starts.values())]
        if forward:
            return next((start for start in starts if start > stop), self.last)
        return next((start for start in reversed(starts) if start < stop), 0)


def applied(order: Sequence[int], rewrites: Sequence[Rewriting]) -> tuple[int, ...]:
    """The order of a graph after some rewrites: what is new stands where the old was."""
    instead: dict[int, list[int]] = {}
    dead: set[int] = set()
    for done in rewrites:
        instead.setdefault(done.before, []).extend(done.fresh)
        dead |= {done.before, *done.dead}
        dead -= set(done.fresh)
    answer: dict[int, None] = {}
    seen: set[int] = set()
    stack = list(reversed(order))
    while stack:
        number = stack.pop()
        if number in seen:
            continue
        seen.add(number)
        if number not in dead:
            answer[number] = None
        stack += reversed(instead.get(number, ()))
    return tuple(answer)
