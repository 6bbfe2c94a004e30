"""Lines of the tape: lanes, name, what happens, value."""

from __future__ import annotations

from collections.abc import Sequence

from ..canvas import Canvas
from ..numbers import shape
from ..views.tape import Strip, TapeLine
from .rails import draw_rails, rails_width

PHASES = {"fwd": "forward: values", "bwd": "backward: gradients", "upd": "update: parameters"}


def draw_lines(canvas: Canvas, x: int, y: int, width: int, lines: Sequence[TapeLine], strip: Strip) -> None:
    """Draw lines of a strip, with columns that fit them."""
    columns = Columns(canvas, lines, strip, width)
    for row, line in enumerate(lines):
        draw_line(canvas, x, y + row, width, line, columns, len(strip.rails))


class Columns:
    """Where things stand in a line: number, lanes, name, what happens, shape, value, place in the source."""

    def __init__(self, canvas: Canvas, lines: Sequence[TapeLine], strip: Strip, width: int) -> None:
        last = max((line.row for line in lines), default=0)
        self.digits = max(3, len(str(last)))
        self.lanes = max(3, min(12, width // 6))
        self.rails = self.digits + 2
        self.label = self.rails + rails_width(len(strip.rails), strip.width, self.lanes) + 1
        room = width - 1 - self.label
        longest = max((canvas.measure(line.label) + 2 * bool(line.fold) for line in lines), default=6)
        self.label_width = max(6, min(longest, 26, room // 2))
        self.place_width = 18 if room >= 80 else 0
        self.shape_width = 12 if room >= 60 else 0
        self.value_width = 15 if self.shape_width else 10 if room >= 22 else 0
        self.what = self.label + self.label_width + 1
        self.place = width - 1 - self.place_width
        self.value = self.place - self.value_width
        self.shape = self.value - self.shape_width
        self.what_width = self.shape - self.what - 1
        if self.what_width < 8:  # too little to say anything: the name and the value are worth more
            self.what_width = 0
            self.value_width = min(15, max(10, room - self.label_width - 1)) if self.value_width else 0
            self.value = self.shape = self.place - self.value_width
            self.label_width = self.value - self.label - 1


NODES = {"leaf": "leaf", "op": "op", "seed": "seed", "edge": "gradient", "deposit": "gradient", "update": "update",
         "fold": "fold"}  # fmt: skip


def draw_line(canvas: Canvas, x: int, y: int, width: int, line: TapeLine, columns: Columns, rails: int) -> None:
    g = canvas.glyphs
    if not line.moment:
        text = PHASES[line.phase]
        canvas.put(x + 1, y, line.phase, f"phase-{line.phase}")
        canvas.rule(x + 5, y, width - 6)
        canvas.put(x + columns.label, y, f" {text} ", "dim", width - columns.label - 2)
        return
    future = line.future

    def style(name: str) -> str:
        return "future" if future else name

    canvas.right(x + columns.digits + 1, y, str(line.row), style("dim"))
    if line.stop:
        canvas.put(x + columns.digits + 1, y, g.stop, "err")
    if line.spot:
        canvas.put(x + columns.label - 1, y, g.more, "cursor")
    if line.picture is not None:
        kind = NODES[line.kind]
        node = g.trouble if line.trouble else getattr(g, kind)
        look = "err" if line.trouble else style(f"node-{kind}")
        draw_rails(canvas, x + columns.rails, y, line.picture, rails, columns.lanes, node, look, future)
    label = f"{g.fold} {line.label}" if line.fold else line.label
    canvas.put(
        x + columns.label,
        y,
        label,
        style("label-gradient" if line.kind in ("seed", "edge", "deposit") else "label"),
        columns.label_width,
    )
    end = x + columns.what + max(0, columns.what_width)
    what = line.what if canvas.measure(line.what) <= columns.what_width else line.what.removeprefix("+= ")
    at = canvas.put(x + columns.what, y, what, style("what"), columns.what_width)
    for chip in line.chips:
        text = f"{g.chip[0]}{chip}{g.chip[1]}"
        if at + 1 + canvas.measure(text) <= end:
            at = canvas.put(at + 1, y, text, style("chip"))
    if columns.shape_width and line.shape:
        canvas.put(x + columns.shape, y, shape(line.shape), style("dim"), columns.shape_width - 1)
    if columns.value_width and (line.value or line.trouble or not columns.shape_width):
        text = _value(canvas, line, columns)
        look = "err" if line.trouble else "hidden" if text == "?" else style("number")
        width_left = columns.value_width
        start = max(x + columns.value, x + columns.value + width_left - canvas.measure(text))
        canvas.put(start, y, text, look, width_left)
    if columns.place_width:
        canvas.put(x + columns.place + 2, y, line.place, style("place"), columns.place_width - 2)
    canvas.link(x, y, width, line.moment)
    if line.cursor:
        canvas.cursor = (x, y)
        canvas.put(x, y, g.cursor, "cursor")
        canvas.paint(y, "cursor-row", x, width)


def _value(canvas: Canvas, line: TapeLine, columns: Columns) -> str:
    """The value as far as there is room: of a sum what is new, of an array its shape, unless that stands beside it."""
    if line.trouble:
        return f"{line.trouble} {line.value}".strip() if line.trouble != line.value else line.value
    if canvas.measure(line.value) <= columns.value_width:
        return line.value
    if "→" in line.value:
        return line.value.rpartition("→")[2].strip()
    if not columns.shape_width:
        return shape(line.shape or ())
    mean, sign, spread = line.value.partition(" ± ")
    close = f"{mean}±{spread}" if sign else line.value
    return close if canvas.measure(close) <= columns.value_width else f"{mean}{sign}{canvas.glyphs.ellipsis}"
