"""Arrays in a pane: facts, a histogram, a heat map or numbers."""

from __future__ import annotations

from collections.abc import Sequence

from ..canvas import Canvas
from ..numbers import nbytes, number, percent, shape
from ..views.arrays import ArrayView, Grid, Histogram

LEVELS = 4
"""Steps of the colour scale on either side of zero."""


HEAT_LINES = 10


def wanted_height(array: ArrayView, width: int) -> int:
    """How many lines an array would like to have in a pane of this width."""
    if array.value is not None:
        return 2
    lines = 1 + (2 if array.statistics is not None else 0) + (1 if array.note else 0)
    if array.histogram is not None:
        lines += 2
    if array.numbers is not None:
        lines += min(HEAT_LINES, len(array.numbers))
    elif array.grid is not None:
        lines += 1 + min(HEAT_LINES, array.grid.rows) if array.grid.rows > 1 else 1
    return lines


def draw_array(canvas: Canvas, x: int, y: int, width: int, height: int, array: ArrayView) -> None:
    """Draw an array, the most telling things first, into so many cells."""
    bottom = y + height
    if array.value is not None:
        canvas.put(x, y, number(array.value, 7), "number", width)
        if height > 1:
            canvas.put(x, y + 1, f"{array.dtype} {shape(array.shape)}", "dim", width)
        return
    canvas.put(x, y, f"{shape(array.shape)} {array.dtype}  {nbytes(array.nbytes)}", "text", width)
    y += 1
    if array.note and y < bottom:
        canvas.put(x, y, array.note, "dim", width)
        y += 1
    y = _draw_statistics(canvas, x, y, width, bottom, array)
    if array.histogram is not None and y + 1 < bottom:
        _draw_histogram(canvas, x, y, width, array.histogram)
        y += 2
    if array.numbers is not None:
        _draw_numbers(canvas, x, y, width, bottom - y, array)
    elif array.grid is not None and y < bottom:
        _draw_grid(canvas, x, y, width, bottom - y, array.grid)


def _draw_statistics(canvas: Canvas, x: int, y: int, width: int, bottom: int, array: ArrayView) -> int:
    s = array.statistics
    if s is None or y >= bottom:
        return y
    if s.minimum is not None and s.maximum is not None:
        facts = [("min", number(s.minimum, 3)), ("max", number(s.maximum, 3))]
        facts += [(name, number(value, 3)) for name, value in (("mean", s.mean), ("std", s.std)) if value is not None]
        y = _draw_facts(canvas, x, y, width, facts)
    if y < bottom:
        facts = [("zeros", percent(s.zeros / max(1, s.counted))), ("nan", str(s.nans)), ("inf", str(s.infs))]
        end = x
        for name, value in facts:
            bad = name != "zeros" and value != "0"
            end = canvas.spans(end, y, [(f"{name} ", "dim"), (value, "err" if bad else "number")], width - end + x) + 2
        y += 1
    return y


def _draw_facts(canvas: Canvas, x: int, y: int, width: int, facts: Sequence[tuple[str, str]]) -> int:
    end = x
    for name, value in facts:
        if end > x and end + len(name) + len(value) + 1 > x + width:
            break
        end = canvas.spans(end, y, [(f"{name} ", "dim"), (value, "number")], width - end + x) + 2
    return y + 1


def _draw_histogram(canvas: Canvas, x: int, y: int, width: int, histogram: Histogram) -> None:
    bars = canvas.glyphs.bars
    bins = max(1, min(len(histogram.counts), width))
    counts = [0] * bins
    for i, count in enumerate(histogram.counts):
        counts[i * bins // len(histogram.counts)] += count
    most = max(counts)
    for i, count in enumerate(counts):
        level = 0 if count == 0 else max(1, round(count / most * (len(bars) - 1)))
        canvas.put(x + i, y, bars[level], "bar-zero" if level == 0 else "histogram")
    low, high = number(histogram.low, 3), number(histogram.high, 3)
    canvas.put(x, y + 1, low, "dim", width)
    if bins > len(low) + len(high):
        canvas.put(x + bins - len(high), y + 1, high, "dim")
        if histogram.low < 0 < histogram.high:
            zero = x + int(bins * -histogram.low / (histogram.high - histogram.low))
            if x + len(low) < zero < x + bins - len(high) - 1:
                canvas.put(zero, y + 1, "0", "dim")


def _draw_grid(canvas: Canvas, x: int, y: int, width: int, height: int, grid: Grid) -> None:
    """Magnitude as shading, sign as colour and, where there is room for two cells an element, as a mark."""
    rows, columns = len(grid.cells), len(grid.cells[0])
    legend = f"magnitude up to {number(grid.scale, 2)}" + _blocks(grid)
    if height > 1 and rows > 1:
        canvas.put(x, y, legend, "dim", width)
        y, height = y + 1, height - 1
    size = 2 if 2 * columns <= width else 1
    shown_rows, shown_columns = min(rows, height), min(columns, width // size)
    for r in range(shown_rows):
        row = grid.cells[r * rows // shown_rows]
        for c in range(shown_columns):
            value = row[c * columns // shown_columns]
            mark, style = _shade(canvas, value, grid.scale)
            cell = mark * size
            if size == 2 and value < 0 and mark != canvas.glyphs.heat[0]:
                cell = f"-{mark}"
            canvas.put(x + c * size, y + r, cell, style)


def _shade(canvas: Canvas, value: float, scale: float) -> tuple[str, str]:
    heat = canvas.glyphs.heat
    if value != value or abs(value) == float("inf"):
        return canvas.glyphs.trouble, "err"
    if scale == 0 or value == 0:
        return heat[0], "heat0"
    part = abs(value) / scale
    level = min(len(heat) - 1, 1 + int(part * (len(heat) - 1)))
    colour = min(LEVELS, 1 + int(part * LEVELS))
    return heat[level], f"heat{'+' if value > 0 else '-'}{colour}"


def _blocks(grid: Grid) -> str:
    if grid.row_block == grid.column_block == 1:
        return ""
    return f", a cell is {grid.row_block}×{grid.column_block} elements"


def _draw_numbers(canvas: Canvas, x: int, y: int, width: int, height: int, array: ArrayView) -> None:
    if array.numbers is None:
        return
    size = 9
    columns = max(1, (width + 1) // size)
    for r, row in enumerate(array.numbers[:height]):
        more_below = r == height - 1 and len(array.numbers) > height
        for c, value in enumerate(row[:columns]):
            more = more_below or (c == columns - 1 and len(row) > columns)
            text = canvas.glyphs.ellipsis if more else number(value, 3)
            style = "dim" if more else "plus" if value > 0 else "minus" if value < 0 else "dim"
            canvas.right(min(x + width, x + (c + 1) * size - 1), y + r, text, style)
