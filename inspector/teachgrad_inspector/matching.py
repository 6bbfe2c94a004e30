"""What belongs together in two long sequences, in little more than linear time.

What is the same at both ends is matched first. Of the rest, elements that occur once on each side are anchors: the
longest ones among them that are in the same order on both sides are matched, and what lies between two anchors is
treated in the same way. This is the patience diff of B. Cohen (2003). Where there are no anchors, a short rest is
matched as well as possible, and a long one place by place.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Hashable, Iterator, Sequence
from difflib import SequenceMatcher

SMALL = 250_000
"""Of a rest without anchors, so many pairs of elements are tried at most."""


class GivenUp(Exception):
    """Somebody does not want the answer any more."""


def matches(one: Sequence[Hashable], other: Sequence[Hashable], going: Callable[[], bool] = lambda: True) -> Iterator[
        tuple[int, int]]:  # fmt: skip
    """The places of pairs that belong together, in order on both sides. Raises `GivenUp` when `going` says so."""
    numbers: dict[Hashable, int] = {}
    a = [numbers.setdefault(item, len(numbers)) for item in one]
    b = [numbers.setdefault(item, len(numbers)) for item in other]
    waiting = [(0, len(a), 0, len(b))]
    while waiting:
        if not going():
            raise GivenUp
        a0, a1, b0, b1 = waiting.pop()
        while a0 < a1 and b0 < b1 and a[a0] == b[b0]:
            yield a0, b0
            a0, b0 = a0 + 1, b0 + 1
        end = 0
        while a0 < a1 - end and b0 < b1 - end and a[a1 - end - 1] == b[b1 - end - 1]:
            end += 1
        if end:
            waiting.append((a1 - end, a1, b1 - end, b1))
            a1, b1 = a1 - end, b1 - end
        if a0 == a1 or b0 == b1:
            continue
        anchors = _anchors(a, a0, a1, b, b0, b1)
        if anchors:
            edges = [(a0, b0), *anchors, (a1, b1)]
            waiting += [(edges[k][0], edges[k + 1][0], edges[k][1], edges[k + 1][1])
                        for k in range(len(edges) - 2, -1, -1)]  # fmt: skip
        elif (a1 - a0) * (b1 - b0) <= SMALL:
            found = SequenceMatcher(None, a[a0:a1], b[b0:b1], autojunk=False).get_matching_blocks()
            yield from ((a0 + i + k, b0 + j + k) for i, j, size in found for k in range(size))
        else:
            yield from ((a0 + k, b0 + k) for k in range(min(a1 - a0, b1 - b0)) if a[a0 + k] == b[b0 + k])


def _anchors(a: list[int], a0: int, a1: int, b: list[int], b0: int, b1: int) -> list[tuple[int, int]]:
    """The longest sequence of elements that occur once on each side and are in the same order."""
    often, often_there = Counter(a[a0:a1]), Counter(b[b0:b1])
    place = {b[j]: j for j in range(b0, b1)}
    pairs = [(i, place[a[i]]) for i in range(a0, a1) if often[a[i]] == 1 and often_there.get(a[i]) == 1]
    ends: list[int] = []
    """Of the sequences of each length, the lowest place on the right at which one ends."""
    last: list[int] = []
    before: list[int] = []
    for number, (_, j) in enumerate(pairs):
        at = bisect_left(ends, j)
        ends[at : at + 1] = [j]
        last[at : at + 1] = [number]
        before.append(last[at - 1] if at else -1)
    chain, number = [], last[-1] if last else -1
    while number >= 0:
        chain.append(pairs[number])
        number = before[number]
    return chain[::-1]
