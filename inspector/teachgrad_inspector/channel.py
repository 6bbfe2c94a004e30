"""Lines between two layers of boxes, in cells: which row each runs across on, so that lines of two values only cross.

A **net** is the line of one value: from one column at the top to columns at the bottom. It goes down, across on a row
of the channel called its track, and down to each end. Where one net comes from the top in a column in which another one
ends at the bottom, the first must run across above the second. Where such demands form a circle, a net changes columns
halfway: its upper part runs across on one track, its lower part on another, and upper parts can always be put above
lower ones. This is the dogleg of D. N. Deutsch, "A dogleg channel router" (1976).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

UP, RIGHT, DOWN, LEFT = 1, 2, 4, 8


class Net(NamedTuple):
    """A line from column `top` at the top to each of the columns `ends` at the bottom."""

    value: int
    top: int
    ends: tuple[int, ...]


class Stretch(NamedTuple):
    """A straight piece of the line of a value, from the middle of one cell to that of another: across in row `y0` if
    that is `y1`, else down. Row -1 is the lower edge of the boxes above, and the row after the last the upper edge of
    those below."""

    value: int
    x0: int
    y0: int
    x1: int
    y1: int


class _Part(NamedTuple):
    """What runs across on one track. `goes_on` if it begins at the track of another part of the same net."""

    net: int
    top: int
    ends: tuple[int, ...]
    goes_on: bool = False

    @property
    def span(self) -> tuple[int, int]:
        return min(self.top, *self.ends), max(self.top, *self.ends)


def route(nets: Sequence[Net]) -> tuple[list[Stretch], int]:
    """The stretches of all nets, and how many rows they take.

    Columns at the top all differ, and so do those at the bottom.
    """
    parts = [_Part(i, net.top, net.ends) for i, net in enumerate(nets) if net.ends != (net.top,)]
    used = {column for net in nets for column in (net.top, *net.ends)}
    while (circle := _on_a_circle(_below(parts))) is not None:
        part = parts.pop(circle)
        low, high = part.span
        free = next(c for c in range((low + high) // 2, high + len(used) + 2) if c not in used)
        used.add(free)
        parts += [_Part(part.net, part.top, (free,)), _Part(part.net, free, part.ends, goes_on=True)]
    tracks = _tracks(parts, _below(parts))
    height = max(tracks, default=-1) + 1
    stretches = [Stretch(net.value, net.top, -1, net.top, height) for net in nets if net.ends == (net.top,)]
    begins = {part.top: track for part, track in zip(parts, tracks, strict=True) if part.goes_on}
    for part, track in zip(parts, tracks, strict=True):
        value = nets[part.net].value
        if not part.goes_on:
            stretches.append(Stretch(value, part.top, -1, part.top, track))
        stretches.append(Stretch(value, part.span[0], track, part.span[1], track))
        stretches += [Stretch(value, end, track, end, begins.get(end, height)) for end in part.ends]
    return stretches, height


def _below(parts: Sequence[_Part]) -> list[set[int]]:
    """For each part, those that must run across below it: what ends in the column it comes down in, and its own
    continuation."""
    ending = {column: i for i, part in enumerate(parts) for column in part.ends}
    below: list[set[int]] = [set() for _ in parts]
    for i, part in enumerate(parts):
        other = ending.get(part.top)
        if other is not None and other != i:
            above, under = (other, i) if part.goes_on else (i, other)
            below[above].add(under)
    return below


def _on_a_circle(below: Sequence[set[int]]) -> int | None:
    """A part that must run across below itself, or None."""
    left = dict(enumerate(map(set, below)))
    while left:  # take away what demands nothing, again and again: what cannot be taken away leads into circles
        done = {i for i, under in left.items() if not under & left.keys()}
        if not done:
            break
        left = {i: under for i, under in left.items() if i not in done}
    if not left:
        return None
    here, seen = next(iter(left)), set()
    while here not in seen:
        seen.add(here)
        here = min(below[here] & left.keys())
    return here


def _tracks(parts: Sequence[_Part], below: Sequence[set[int]]) -> list[int]:
    """A track for each part: below all that must be above it, and where no other part lies; from the left."""
    waiting = [sum(i in under for under in below) for i in range(len(parts))]
    lowest = [0] * len(parts)
    tracks = [-1] * len(parts)
    taken: list[list[tuple[int, int]]] = []
    ready = [i for i in range(len(parts)) if not waiting[i]]
    while ready:
        ready.sort(key=lambda i: (lowest[i], parts[i].span))
        i = ready.pop(0)
        low, high = parts[i].span
        track = lowest[i]
        while track < len(taken) and any(a <= high and low <= b for a, b in taken[track]):
            track += 1
        while track >= len(taken):
            taken.append([])
        taken[track].append((low, high))
        tracks[i] = track
        for j in below[i]:
            lowest[j] = max(lowest[j], track + 1)
            waiting[j] -= 1
            if not waiting[j]:
                ready.append(j)
    return tracks


def sides(stretch: Stretch) -> Iterator[tuple[int, int, int]]:
    """The cells of a stretch, and to which of their sides it goes."""
    _, x0, y0, x1, y1 = stretch
    for x in range(x0, x1 + 1):
        for y in range(y0, y1 + 1):
            yield x, y, UP * (y > y0) | DOWN * (y < y1) | LEFT * (x > x0) | RIGHT * (x < x1)
