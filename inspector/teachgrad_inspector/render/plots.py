"""Plots in character cells: curves of Braille dots, eight to a cell, or of one mark a column in ASCII; heat maps."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ..canvas import Canvas
from ..numbers import number
from ..views.train import Curve, Heat

GUTTER = 8
"""Cells at the left for the numbers of the axis."""
DOTS = ((0x01, 0x02, 0x04, 0x40), (0x08, 0x10, 0x20, 0x80))
"""The bits of the dots of a Braille cell: left column from the top down, then the right column."""
FULL_RANGE = 50.0
"""Positive numbers whose largest is so many times the smallest are plotted by their logarithm."""


@dataclass(frozen=True, slots=True)
class Axes:
    """Which cells a plot has, and which steps and numbers they stand for."""

    x: int
    y: int
    width: int
    height: int
    first: int
    last: int
    low: float
    high: float
    log: bool

    def across(self, step: float, cells: int) -> int:
        """The column of a step, if there are so many."""
        span = self.last - self.first
        return round((step - self.first) / span * (cells - 1)) if span else 0

    def down(self, value: float, cells: int) -> int:
        """The row of a number, from the top, if there are so many."""
        if self.high <= self.low:
            return cells // 2
        return min(cells - 1, max(0, round((self.high - value) / (self.high - self.low) * (cells - 1))))


def axes(
    curve: Curve, x: int, y: int, width: int, height: int, steps: tuple[int, int], rule: float | None = None
) -> Axes | None:
    """Axes that fit a curve and, where there is one, the range around it and a height that is to be seen."""
    values = [value for _, value in (*curve.points, *curve.low, *curve.high)]
    if not values or width < 4 or height < 1:
        return None
    log = rule is None and min(values) > 0 and max(values) > FULL_RANGE * min(values)
    if log:
        values = [math.log10(value) for value in values]
    if rule is not None:
        values.append(rule)
    low, high = min(values), max(values)
    if high == low:
        margin = abs(high) / 2 or 0.5
        low, high = low - margin, high + margin
    return Axes(x + GUTTER, y, width - GUTTER, height, *steps, low, high, log)


def draw_curve(
    canvas: Canvas, x: int, y: int, width: int, height: int, curve: Curve, steps: tuple[int, int], now: int,
    rule: float | None = None,
) -> None:  # fmt: skip
    """A curve with its axis, the range around it as dots, a line at the height `rule` and one at the present step."""
    frame = axes(curve, x, y, width, height, steps, rule)
    if frame is None:
        canvas.put(x, y, "not recorded", "dim", width)
        return
    _scale(canvas, frame, rule)
    _range(canvas, frame, curve)
    if rule is not None:
        canvas.put(frame.x, y + frame.down(rule, height), canvas.glyphs.dash * frame.width, "warn")
    draw_now(canvas, frame, now)
    _line(canvas, frame, [(step, math.log10(v) if frame.log else v) for step, v in curve.points])
    for step in curve.broken:
        canvas.put(frame.x + frame.across(step, frame.width), y, canvas.glyphs.trouble, "err")


def _scale(canvas: Canvas, frame: Axes, rule: float | None) -> None:
    """The numbers at the ends of the axis, and at the rule."""

    def told(value: float) -> str:
        text = number(10**value if frame.log else value, 3)
        return text if len(text) < GUTTER else number(10**value if frame.log else value, 1)

    marks = {0: frame.high, frame.height - 1: frame.low}
    if frame.height == 1:
        marks = {0: (frame.low + frame.high) / 2}
    if frame.log and frame.height > 2:
        canvas.right(frame.x - 1, frame.y + frame.height // 2, "log", "dim")
    if rule is not None:
        marks[frame.down(rule, frame.height)] = rule
    for row, value in marks.items():
        canvas.right(frame.x - 1, frame.y + row, told(value), "dim")


def _range(canvas: Canvas, frame: Axes, curve: Curve) -> None:
    high = dict(curve.high)
    ends = [frame.across(step, frame.width) for step, _ in curve.low[1:]] + [frame.width]
    for (step, value), end in zip(curve.low, ends, strict=False):
        heights = [math.log10(v) if frame.log else v for v in (high[step], value)]
        top, bottom = (frame.down(v, frame.height) for v in heights)
        column = frame.across(step, frame.width)
        for row in range(top, bottom + 1):
            canvas.put(frame.x + column, frame.y + row, canvas.glyphs.heat[0] * max(1, end - column), "future")


def draw_now(canvas: Canvas, frame: Axes, now: int) -> None:
    """A line at the present step."""
    for row in range(frame.height):
        canvas.put(frame.x + frame.across(now, frame.width), frame.y + row, canvas.glyphs.now, "cursor")


def _line(canvas: Canvas, frame: Axes, points: Sequence[tuple[int, float]]) -> None:
    """The points, joined: in dots, 2 by 4 to a cell, or in ASCII in whole cells."""
    fine = not canvas.glyphs.ascii
    across, down = (2 * frame.width, 4 * frame.height) if fine else (frame.width, frame.height)
    cells: dict[tuple[int, int], int] = {}

    def dot(column: int, row: int) -> None:
        place = (column // 2, row // 4) if fine else (column, row)
        cells[place] = cells.get(place, 0) | (DOTS[column % 2][row % 4] if fine else 1)

    before: tuple[int, int] | None = None
    for step, value in points:
        here = frame.across(step, across), frame.down(value, down)
        _join(before or here, here, dot)
        before = here
    for (column, row), bits in cells.items():
        mark = chr(0x2800 + bits) if fine else canvas.glyphs.op
        canvas.put(frame.x + column, frame.y + row, mark, "number")


def _join(start: tuple[int, int], end: tuple[int, int], dot: Callable[[int, int], None]) -> None:
    """The dots of a straight line."""
    (x0, y0), (x1, y1) = start, end
    count = max(abs(x1 - x0), abs(y1 - y0), 1)
    for i in range(count + 1):
        dot(round(x0 + (x1 - x0) * i / count), round(y0 + (y1 - y0) * i / count))


def draw_heat(
    canvas: Canvas, x: int, y: int, width: int, height: int, heat: Heat, steps: tuple[int, int], now: int
) -> None:
    """Histograms over time, side by side: a cell is as dark as the root of how many numbers there are."""
    frame = Axes(x + GUTTER, y, width - GUTTER, height, *steps, heat.low, heat.high, False)
    if frame.width < 4 or height < 1:
        return
    _scale(canvas, frame, None)
    shades = canvas.glyphs.heat
    columns = {frame.across(step, frame.width): counts for step, counts in heat.columns}
    stops = sorted(columns)
    for at, column in enumerate(stops):
        counts = columns[column]
        rows = [0] * height
        for i, count in enumerate(counts):
            rows[height - 1 - i * height // len(counts)] += count
        most = max(rows)
        reach = stops[at + 1] if at + 1 < len(stops) else min(column + (column - stops[at - 1] if at else 1), width)
        for row, count in enumerate(rows):
            if count:
                level = min(len(shades) - 1, math.ceil(math.sqrt(count / most) * (len(shades) - 1)))
                room = min(reach, frame.width) - column
                canvas.put(frame.x + column, y + row, shades[level] * room, "histogram")
    for row in range(height):
        at = frame.x + frame.across(now, frame.width)
        canvas.paint(y + row, "cursor-row", at, 1)
    canvas.put(frame.x + frame.across(now, frame.width), y, canvas.glyphs.now, "cursor")
