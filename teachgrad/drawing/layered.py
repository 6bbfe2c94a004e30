"""Layered drawing of an acyclic graph whose vertices are boxes: which layer, in which order, where from left to right.

After K. Sugiyama, S. Tagawa and M. Toda, "Methods for visual understanding of hierarchical system structures" (1981):
layers by longest path, a bend for each layer that a line passes, order by the mean place of the neighbours in sweeps up
and down, and then places. The places of a layer are those nearest, in least squares, to where the lines want its boxes,
in the given order and without overlap; pooling neighbours that collide (isotonic regression) finds them exactly.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

Item = Hashable
WIDEST = 9
"""So many items that read others are put into one layer."""
SWEEPS = 24
ROUNDS = 12


class Edge(NamedTuple):
    """A line from the bottom of one box to the top of another, and how far from the middle of each it is fixed."""

    value: int
    above: Item
    below: Item
    out: float = 0.0
    into: float = 0.0


class Bend(NamedTuple):
    """Where the line of a value passes a layer."""

    value: int
    source: Item
    layer: int


@dataclass
class Ordered:
    """Items of each layer from left to right, and lines that all go from one layer to the next."""

    layers: list[list[Item]]
    edges: list[Edge]


def layers_of(items: Sequence[Item], edges: Sequence[tuple[Item, Item]]) -> dict[Item, int]:
    """The layer of each item: below all that it reads; what reads nothing stands just above its first reader.

    `items` stand in a topological order. What would make a layer too wide goes to one below.
    """
    above: dict[Item, list[Item]] = {item: [] for item in items}
    for a, b in edges:
        above[b].append(a)
    layer: dict[Item, int] = {}
    full: dict[int, int] = {}
    for item in items:
        number = 1 + max((layer[a] for a in above[item]), default=-1)
        while full.get(number, 0) == WIDEST:
            number += 1
        full[number] = full.get(number, 0) + bool(above[item])
        layer[item] = number
    return lowered(layer, edges, {b for _, b in edges})


def lowered(layer: Mapping[Item, int], edges: Sequence[tuple[Item, Item]], held: set[Item]) -> dict[Item, int]:
    """The layers with each item that is not held by a line from above just above its first reader."""
    below: dict[Item, list[Item]] = {}
    for a, b in edges:
        below.setdefault(a, []).append(b)
    answer = dict(layer)
    for item in reversed(list(layer)):
        if item not in held and item in below:
            answer[item] = min(answer[b] for b in below[item]) - 1
    return answer


def ordered(layer: Mapping[Item, int], edges: Sequence[Edge], width: Mapping[Item, float]) -> Ordered:
    """Bends put in, and the order of each layer chosen so that few lines cross."""
    layers: list[list[Item]] = [[] for _ in range(max(layer.values(), default=-1) + 1)]
    for item, number in layer.items():
        layers[number].append(item)
    short: dict[Edge, None] = {}
    for edge in edges:
        here, out = edge.above, edge.out
        for number in range(layer[edge.above] + 1, layer[edge.below]):
            bend = Bend(edge.value, edge.above, number)
            line = Edge(edge.value, here, bend, out)
            if line not in short:
                short[line] = None
                if bend not in layers[number][-1:]:
                    layers[number].append(bend)
            here, out = bend, 0.0
        short[Edge(edge.value, here, edge.below, out, edge.into)] = None
    layers = [list(dict.fromkeys(items)) for items in layers]
    lines = list(short)
    best, fewest, idle = layers, crossings(layers, lines), 0
    for sweep in range(SWEEPS):
        if not fewest or idle == 4:
            break
        layers = swept(layers, lines, width, downwards=sweep % 2 == 0)
        count = crossings(layers, lines)
        best, fewest, idle = (layers, count, 0) if count < fewest else (best, fewest, idle + 1)
    return Ordered(best, lines)


def swept(layers: list[list[Item]], edges: Sequence[Edge], width: Mapping[Item, float],
          downwards: bool) -> list[list[Item]]:
    """Each layer in the order of the mean place of its neighbours in the layer before."""
    pulls: dict[Item, list[tuple[Item, float]]] = {}
    for edge in edges:
        if downwards:
            pulls.setdefault(edge.below, []).append((edge.above, edge.out))
        else:
            pulls.setdefault(edge.above, []).append((edge.below, edge.into))
    place: dict[Item, float] = {}
    answer: list[list[Item]] = []
    for items in layers if downwards else reversed(layers):
        wish = {}
        for number, item in enumerate(items):
            near = [place[other] + offset / (width.get(other, 1.0) + 1.0) for other, offset in pulls.get(item, ())]
            wish[item] = sum(near) / len(near) if near else float(number)
        items = sorted(items, key=wish.__getitem__)
        place.update((item, float(number)) for number, item in enumerate(items))
        answer.append(items)
    return answer if downwards else answer[::-1]


def crossings(layers: Sequence[Sequence[Item]], edges: Sequence[Edge]) -> int:
    """How often lines cross, counted layer by layer: inversions of the lower ends, when sorted by the upper ones."""
    place = {item: number for items in layers for number, item in enumerate(items)}
    level = {item: number for number, items in enumerate(layers) for item in items}
    gaps: list[list[tuple[int, float, int, float]]] = [[] for _ in layers]
    for edge in edges:
        gaps[level[edge.above]].append((place[edge.above], edge.out, place[edge.below], edge.into))
    total = 0
    for gap in gaps:
        seen: list[tuple[int, float]] = []
        for _, _, place_below, into in sorted(gap):
            at = bisect_left(seen, (place_below, into + 1e-9))
            total += len(seen) - at
            seen.insert(at, (place_below, into))
    return total


def places(answer: Ordered, width: Mapping[Item, float], gap: float) -> dict[Item, float]:
    """The middle of each item from left to right: lines as upright as the order allows, long ones before short ones."""
    up: dict[Item, list[tuple[Item, float, float]]] = {}
    down: dict[Item, list[tuple[Item, float, float]]] = {}
    main = main_lines(answer)
    for edge in answer.edges:
        weight = (1.0, 2.0, 8.0)[(type(edge.above) is Bend) + (type(edge.below) is Bend)]
        if main.get(edge.above) is edge:
            weight *= 6.0
        shift = 0.0 if edge.out and edge.into else edge.out - edge.into  # module below module: middle below middle
        up.setdefault(edge.below, []).append((edge.above, shift, weight))
        down.setdefault(edge.above, []).append((edge.below, -shift, weight))
    x: dict[Item, float] = {}
    for items in answer.layers:
        total = -gap + sum(width[item] + gap for item in items)
        left = -total / 2
        for item in items:
            x[item] = left + width[item] / 2
            left += width[item] + gap
    for turn in range(ROUNDS):
        for items in answer.layers if turn % 2 == 0 else reversed(answer.layers):
            wishes, weights = [], []
            for item in items:
                near = up.get(item, []) if turn % 2 == 0 else down.get(item, [])
                if turn >= ROUNDS - 2 or not near:
                    near = up.get(item, []) + down.get(item, [])
                weight = sum(w for _, _, w in near)
                wishes.append(sum((x[other] + offset) * w for other, offset, w in near) / weight if near else x[item])
                weights.append(weight or 0.1)
            x.update(zip(items, apart(wishes, weights, [width[item] for item in items], gap), strict=True))
    return x


def main_lines(answer: Ordered) -> dict[Item, Edge]:
    """Of the lines that leave each item, the one with the longest way still to go: the main path is kept straight."""
    leaving: dict[Item, list[Edge]] = {}
    for edge in answer.edges:
        leaving.setdefault(edge.above, []).append(edge)
    depth: dict[Item, int] = {}
    main: dict[Item, Edge] = {}
    for items in reversed(answer.layers):
        for item in items:
            if item in leaving:
                main[item] = max(leaving[item], key=lambda edge: depth[edge.below])
            depth[item] = 1 + depth[main[item].below] if item in main else 0
    return main


def apart(wishes: Sequence[float], weights: Sequence[float], widths: Sequence[float], gap: float) -> list[float]:
    """min Σ weight (x - wish)² with x_i+1 - x_i ≥ (width_i + width_i+1)/2 + gap, by pooling adjacent violators.

    >>> apart([0.0, 0.0], [1.0, 1.0], [10.0, 10.0], 2.0)
    [-6.0, 6.0]
    """
    shifts = [0.0]
    for a, b in pairwise(widths):
        shifts.append(shifts[-1] + (a + b) / 2 + gap)
    pools: list[tuple[float, float, int]] = []  # mean, weight, how many
    for wish, weight, shift in zip(wishes, weights, shifts, strict=False):
        mean, count = wish - shift, 1
        while pools and pools[-1][0] > mean:
            other, heavy, many = pools.pop()
            mean = (mean * weight + other * heavy) / (weight + heavy)
            weight, count = weight + heavy, count + many
        pools.append((mean, weight, count))
    means = [mean for mean, _, count in pools for _ in range(count)]
    return [mean + shift for mean, shift in zip(means, shifts, strict=False)]
