"""Recomputing: values that wait long for their last readers are not kept, but computed again from others that are.

What a forward pass computes waits for the backward pass; in between lies the turn, where most is waiting. Before it the
order of a graph is cut into segments, at places where little crosses from one to the next. What crosses is kept. What
does not is given back, and computed again, by the same ops on the same inputs, right before the first vertex after the
turn that reads it: not a bit changes. With √n segments of √n values each, the memory of n values shrinks to that of
2√n, for at most one forward pass more. Source: T. Chen, B. Xu, C. Zhang, C. Guestrin, "Training deep nets with
sublinear memory cost" (2016), whose algorithm 3 searches the length of segments for a budget.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from math import isqrt
from typing import Any

from ..errors import SettingError
from ..graph import Graph, describe, names
from ..op import Vertex
from ..tracer import spec
from .dropping import Dropped, Group, drop, is_repeatable
from .plan import Plan, most_at_once, peak_bytes, storage
from .references import size_of

Chosen = Callable[[Vertex], bool]
"""Whether a value of a graph is to be computed again."""
Setting = str | int | Chosen | None

UNITS = {"B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "KIB": 2**10, "MIB": 2**20, "GIB": 2**30}


@dataclass(frozen=True)
class Again:
    """A value that is computed again."""

    name: str
    what: str
    """Its dtype and shape."""
    bytes: int
    flops: int
    """Arithmetic operations that computing it once more takes."""
    where: str
    """The user's line that made it."""


@dataclass(frozen=True)
class Recomputation:
    """What a graph computes again, what that costs, and the most bytes that its values take at once."""

    values: tuple[Again, ...]
    peak_before: int
    peak_after: int
    flops: int
    """Arithmetic operations of the graph without it."""

    @property
    def extra_flops(self) -> int:
        """Arithmetic operations that come on top."""
        return sum(value.flops for value in self.values)

    def table(self) -> str:
        """As text: one line a value."""
        rows = [("value", "what", "bytes", "flops", "line")]
        rows += [(v.name, v.what, str(v.bytes), str(v.flops), v.where) for v in self.values]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = [f"{a:<{widths[0]}}  {b:<{widths[1]}}  {c:>{widths[2]}}  {d:>{widths[3]}}  {e}".rstrip()
                 for a, b, c, d, e in rows]
        share = f" ({self.extra_flops / self.flops:+.0%})" if self.flops else ""
        return "\n".join([*lines, f"peak {self.peak_after} bytes, {self.peak_before} without; "
                                  f"{self.extra_flops} flops more{share}"])


def parsed(setting: Any) -> Setting:
    """A setting of `tg.static(recompute=)`, with a budget in bytes."""
    if setting is None or setting == "sqrt" or (callable(setting) and not isinstance(setting, type)):
        return setting
    number: Any = setting
    if isinstance(setting, str):
        found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([KMG]i?B|B)\s*", setting, re.IGNORECASE)
        number = int(float(found[1]) * UNITS[found[2].upper()]) if found else None
    if not isinstance(number, int) or isinstance(number, bool) or number <= 0:
        raise SettingError(f"recompute={setting!r} is neither \"sqrt\", nor a budget (a number of bytes, or text such "
                           "as \"64 MiB\"), nor a function that chooses vertices")
    return number


def recompute(graph: Graph, setting: Setting, plan: Callable[[Graph], Plan]) -> tuple[Graph, Recomputation | None]:
    """A graph that computes some values again: those of the segments of `tg.checkpoint`, and what the setting says.

    None with the graph itself if there is neither. `plan` makes the memory plan of a graph.

    Raises:
        SettingError: if no such graph keeps to the budget; with the least that can be had.
    """
    if setting is None and not graph.segments:
        return graph, None
    result = without_segments(graph)
    if isinstance(setting, int):
        result = within(result, setting, plan)
    elif callable(setting):
        result = Turn(result).chosen(setting)
    elif setting is not None:
        turn = Turn(result)
        result = turn.cut(isqrt(len(turn.waiting)))
    return result.graph, report(graph, result, plan)


def report(before: Graph, after: Dropped, plan: Callable[[Graph], Plan]) -> Recomputation:
    """What a graph computes again."""
    graph, label = after.graph, names(after.graph)
    values = [Again(label[v.id], describe(v._data), size_of(v._data) if not v.op.view else 0, flops_of(v),
                    str(graph.where(v) or ""))
              for v in graph.order if v.id in after.again and v.op is not None]
    return Recomputation(tuple(values), peak_bytes(before, plan(before)), peak_bytes(graph, plan(graph)),
                         sum(map(flops_of, before.order)))


def flops_of(v: Vertex) -> int:
    """Arithmetic operations that computing a vertex takes."""
    assert v.op is not None
    return v.op.flops(spec(v), *map(spec, v.inputs), **v.attrs)


def extra(result: Dropped) -> int:
    """Arithmetic operations for what is computed again."""
    return sum(flops_of(v) for v in result.graph.order if v.id in result.again)


# ---- segments of tg.checkpoint ---------------------------------------------------------------------------------------

def without_segments(graph: Graph) -> Dropped:
    """Give back the values in the segments of a graph, outer ones first: inner ones are in what is computed again."""
    result = Dropped(graph)
    there = [[Group(frozenset([v.id for v in graph.order if graph.source(v) in segment.members]),
                    frozenset([v.id for v in graph.order if graph.source(v) in segment.kept]))]
             for segment in graph.segments]
    depth = [sum(segment.members < other.members or (segment.members == other.members and number > k)
                 for number, other in enumerate(graph.segments)) for k, segment in enumerate(graph.segments)]
    for level in range(max(depth, default=-1) + 1):
        result = drop(result, [group for k, groups in enumerate(there) if depth[k] == level for group in groups])
        there = [[copy for group in groups for copy in result.copies(group)] for groups in there]
    return result


# ---- where most is waiting -------------------------------------------------------------------------------------------

class Turn:
    """The position of a graph where the most bytes wait for a later reader, of values that can be computed again."""

    def __init__(self, result: Dropped) -> None:
        self.result = result
        self.graph = graph = result.graph
        self.roots = storage(graph)
        self.touched: dict[int, list[int]] = {}
        """Where each computed value that is no view is made, and where it or a view of it is read, by id."""
        for position, v in enumerate(graph.order):
            for x in v.inputs:
                places = self.touched.get(self.roots.get(x.id, x).id)
                if places is not None and places[-1] != position:
                    places.append(position)
            if self.roots[v.id] is v:
                self.touched[v.id] = [position]
        fixed = {self.roots[v.id].id for v in graph.results if v.id in self.roots}
        free = [v for v in graph.order if v.id in self.touched and v.id not in fixed and is_repeatable(v)]
        change = [0] * (len(graph.order) + 1)
        for v in free:
            for a, b in zip(self.touched[v.id], self.touched[v.id][1:], strict=False):
                change[a + 1] += size_of(v._data)
                change[b] -= size_of(v._data)
        waits = list(accumulate(change))
        self.at = waits.index(max(waits))
        self.waiting = [v for v in free if self.touched[v.id][0] < self.at < self.touched[v.id][-1]
                        and self.at not in self.touched[v.id]]
        """What waits there."""
        self.early = {i: places[bisect_left(places, self.at) - 1] for i, places in self.touched.items()
                      if places[0] < self.at}
        """The last time before the turn at which a value is touched."""

    def chosen(self, choose: Chosen) -> Dropped:
        """Compute again after the turn what is chosen before it."""
        members = frozenset([v.id for v in self.graph.order[:self.at] if choose(v)])
        return drop(self.result, [Group(members, frozenset())], self.at)

    def cut(self, count: int, oldest: int | None = None) -> Dropped:
        """Give back what does not leave the `oldest` of about `count` segments. The last one is kept: it would be
        computed again at once."""
        ends = self.ends(count)
        groups = []
        for start, end in zip([0, *ends], ends, strict=False):
            members = [v for v in self.graph.order[start:end] if v.id in self.roots]
            kept = [v.id for v in members if self.early.get(v.id, -1) >= end]
            groups.append(Group(frozenset([v.id for v in members]), frozenset(kept)))
        return drop(self.result, groups[:oldest], self.at)

    def ends(self, count: int) -> list[int]:
        """Where segments end, the last one left out: each has about as many of the waiting bytes, and as little as can
        be goes from one to the next."""
        crossing = [0] * (self.at + 1)
        for i, last in self.early.items():
            size = size_of(self.graph.order[self.touched[i][0]]._data)
            crossing[self.touched[i][0]] += size
            crossing[last] -= size
        crossing = list(accumulate(crossing))
        sizes = {self.touched[v.id][0]: size_of(v._data) for v in self.waiting}
        share = sum(sizes.values()) / max(count, 1)
        ends: list[int] = []
        held, best = 0.0, None
        for position in range(self.at):
            held += sizes.get(position, 0)
            if held >= 0.5 * share:
                candidate = crossing[position], abs(held - share), position + 1, held
                best = candidate if best is None else min(best, candidate)
            if held >= 1.5 * share and best is not None:
                ends.append(best[2])
                held, best = held - best[3], None
        return ends


def within(start: Dropped, budget: int, plan: Callable[[Graph], Plan]) -> Dropped:
    """The graph that takes the fewest operations more, of those tried whose values keep to a budget of bytes."""
    least = start
    lowest = peak_bytes(start.graph, plan(start.graph))
    while lowest > budget:
        turn, before = Turn(least), lowest
        found: list[Dropped] = []
        for count in counts(len(turn.waiting)):
            whole = turn.cut(count)
            if most_at_once(whole.graph) <= budget:
                found += smallest(turn, count, budget)
            peak = peak_bytes(whole.graph, plan(whole.graph))
            least, lowest = (whole, peak) if peak < lowest else (least, lowest)
        for result in sorted(found, key=extra):
            if peak_bytes(result.graph, plan(result.graph)) <= budget:
                return result
        if lowest == before:
            raise SettingError(f"{start.graph.name} cannot keep to recompute={budget} bytes; the least that "
                               f"recomputing reaches is {lowest} bytes.\nWays out: a larger budget; smaller batches.")
    return least


def smallest(turn: Turn, count: int, budget: int) -> list[Dropped]:
    """Of cutting into so many segments: giving back as few of them as the budget lets, and all."""
    low, high = 1, count + 1
    while low < high:
        middle = (low + high) // 2
        if most_at_once(turn.cut(count, middle).graph) <= budget:
            high = middle
        else:
            low = middle + 1
    return [turn.cut(count, low), turn.cut(count)]


def counts(most: int) -> Sequence[int]:
    """Numbers of segments to try: every one at first, then fewer and fewer."""
    found, count = [], 2
    while count <= most:
        found.append(count)
        count += max(1, count // 4)
    return found


__all__ = ["Again", "Recomputation", "Setting", "parsed", "recompute"]
