"""The layout of the map: boxes in layers, in whole cells, with lines between them that only cross.

Layers, the order in them and the places from left to right are those of all drawings (`teachgrad.drawing.layered`): few
crossings, straight main lines. Here they become columns; each line gets a port of its own in every box; and the lines
between two layers get rows of their own (`channel`). All of it follows from the structure of the step alone, so the map
stands still while the moment moves.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from teachgrad.drawing.layered import Bend, Edge, Item, layers_of, ordered, places

from .channel import Net, Stretch, route
from .levels import Wire

GAP = 2
"""Free cells between boxes."""
HEIGHT = 3
"""Rows of a box: one of text, in a frame."""


@dataclass(slots=True)
class Place:
    """Where a box is: its left column, its top row, its width, its layer."""

    x: int
    y: int
    width: int
    layer: int
    ins: list[int] = field(default_factory=list)
    outs: dict[int, int] = field(default_factory=dict)
    """The columns in which lines arrive, and those in which they leave, by value."""

    @property
    def middle(self) -> int:
        return self.x + self.width // 2


class Layout:
    """Places for boxes that are `widths` wide, and lines for the wires between them.

    `values` are, for each box, the values that leave it, drawn even where nothing reads them; `labels` says how many
    cells the name of a value needs beside its line.
    """

    def __init__(
        self, widths: Sequence[int], wires: Sequence[Wire], values: Sequence[Sequence[int]], labels: Mapping[int, int]
    ) -> None:
        arriving = [sum(wire.below == number for wire in wires) for number in range(len(widths))]
        self._widths = [
            max(width, 2 * max(count, len(made)) + 3) | 1
            for width, count, made in zip(widths, arriving, values, strict=True)
        ]
        layer = layers_of(range(len(widths)), [(wire.above, wire.below) for wire in wires])
        room: dict[Item, float] = {}
        for number, width in enumerate(self._widths):
            label = max((labels.get(value, 0) for value in values[number][:1]), default=0)
            room[number] = max(width, 2 * (label + 1) + 1)
        edges = [Edge(wire.vertex, wire.above, wire.below) for wire in wires]
        self._answer = ordered(layer, edges, room)
        room |= {item: 1.0 for items in self._answer.layers for item in items if type(item) is Bend}
        column = {item: round(x - 1e-6) for item, x in places(self._answer, room, GAP).items()}
        self._straighten(column, room)
        left = min((x - int(room[item]) // 2 for item, x in column.items()), default=0)
        self._column = {item: x - left for item, x in column.items()}
        self.places = [
            Place(self._column[number] - width // 2, 0, width, layer[number])
            for number, width in enumerate(self._widths)
        ]
        self.stretches: list[Stretch] = []
        self._leave(values)
        self._draw(values)
        right = [place.x + place.width for place in self.places] + [stretch.x1 + 1 for stretch in self.stretches]
        self.width = max(right, default=0)

    def _straighten(self, column: dict[Item, int], room: Mapping[Item, float]) -> None:
        """Move what stands one cell beside the line that it hangs on, where there is room."""
        for items in self._answer.layers[1:]:
            for number, item in enumerate(items):
                coming = [edge.above for edge in self._answer.edges if edge.below == item]
                if len(coming) != 1 or abs(column[coming[0]] - column[item]) != 1:
                    continue
                place = column[coming[0]]
                beside = [other for other in items[max(0, number - 1) : number + 2] if other != item]
                if all(abs(column[o] - place) > (int(room[o]) + int(room[item])) // 2 + 1 for o in beside):
                    column[item] = place

    def _leave(self, values: Sequence[Sequence[int]]) -> None:
        """The columns in which values leave their boxes: the middle, and beside it."""
        for place, made in zip(self.places, values, strict=True):
            start = place.middle - (len(made) - 1)
            place.outs = {value: start + 2 * number for number, value in enumerate(made)}

    def _arrive(self, number: int, coming: Sequence[tuple[int, int]]) -> dict[int, int]:
        """For values that come from columns above a box, the columns in which they arrive: straight down if possible,
        in the order from left to right, at least two apart."""
        place = self.places[number]
        first, last = place.x + 1, place.x + place.width - 2
        order = sorted(coming, key=lambda item: item[1])
        chosen = [min(max(x, first), last) for _, x in order]
        if len(chosen) == 1 and abs(order[0][1] - place.middle) > place.width // 2 - 1:
            chosen = [place.middle]
        for i in range(1, len(chosen)):
            chosen[i] = max(chosen[i], chosen[i - 1] + 2)
        limit = last
        for i in reversed(range(len(chosen))):
            chosen[i] = min(chosen[i], limit)
            limit = chosen[i] - 2
        place.ins = chosen
        return {value: x for (value, _), x in zip(order, chosen, strict=True)}

    def _draw(self, values: Sequence[Sequence[int]]) -> None:
        """Rows for layers and for the lines between them, and the lines."""
        y = 0
        layers = self._answer.layers
        for here, below in pairwise([*layers, []]):
            for item in here:
                if isinstance(item, int):
                    self.places[item].y = y
                elif type(item) is Bend:
                    x = self._column[item]
                    self.stretches.append(Stretch(item.value, x, y - 1, x, y + HEIGHT))
            y += HEIGHT
            nets = self._nets(here, below)
            named = any(isinstance(item, int) and values[item] for item in here)
            stretches, height = route(nets)
            offset = y + named
            spare = int(bool(below) and not named and not height)
            for value, x0, y0, x1, y1 in stretches:
                y1 += spare if y1 == height else 0
                self.stretches.append(Stretch(value, x0, y0 + offset, x1, y1 + offset))
            if named:  # a row for the names of values, beside the lines that come out of the boxes
                loose = [x for item in here if isinstance(item, int) for v, x in self.places[item].outs.items()
                         if all(net.top != x for net in nets)]  # fmt: skip
                self.stretches += [Stretch(net.value, net.top, y - 1, net.top, y + 1) for net in nets]
                self.stretches += [Stretch(-1, x, y - 1, x, y) for x in loose]
            y = offset + height + spare
        self.height = y

    def _nets(self, here: Sequence[Item], below: Sequence[Item]) -> list[Net]:
        """The lines from one layer to the next: one for each value that leaves an item."""
        tops: dict[tuple[Item, int], int] = {}
        targets: dict[tuple[Item, int], list[Item]] = {}
        members = set(here)
        for edge in self._answer.edges:
            if edge.above in members:
                at = edge.above
                tops[at, edge.value] = self.places[at].outs[edge.value] if isinstance(at, int) else self._column[at]
                targets.setdefault((at, edge.value), []).append(edge.below)
        arrive: dict[tuple[Item, int], int] = {}
        for item in below:
            coming = [(value, tops[at, value]) for (at, value), found in targets.items() if item in found]
            if isinstance(item, int):
                arrive |= {(item, value): x for value, x in self._arrive(item, coming).items()}
            else:
                arrive |= {(item, value): self._column[item] for value, _ in coming}
        return [
            Net(value, tops[at, value], tuple(sorted(arrive[item, value] for item in found)))
            for (at, value), found in targets.items()
        ]
