"""The Tape screen as lines of text."""

from __future__ import annotations

from ..canvas import Canvas
from ..numbers import nbytes, shape
from ..views.options import Options
from ..views.tape import TapeLine, TapeView
from .panes import Part, array_part, ledger_part, source_part, stack
from .rails import draw_rails, rails_width

PANES = ("tape", "value", "gradient", "ledger", "source")
SIDE_BY_SIDE = 72
PHASES = {"fwd": "forward: values", "bwd": "backward: gradients", "upd": "update: parameters"}


def tape_height(height: int) -> int:
    """How many lines of tape a body of this height shows."""
    return max(1, height - 2)


def draw_tape(canvas: Canvas, view: TapeView, options: Options, y: int, height: int) -> None:
    """Draw the screen into the rows from `y` on."""
    if view.narration and height > 8:
        canvas.put(2, y + height - 1, view.narration, "narration", canvas.width - 4)
        height -= 1
    parts = _parts(view, canvas.width)
    names = [name for name, _ in parts]
    focus = PANES[options.pane % len(PANES)]
    alone = options.zoom or canvas.width < SIDE_BY_SIDE or height < 9
    if alone and focus != "tape":
        part = dict(parts).get(focus) or dict(parts)["value"]
        stack(canvas, 0, y, canvas.width, height, [part], 0)
        return
    side = 0 if alone else min(60, max(30, canvas.width * 3 // 8))
    _draw_list(canvas, view, 0, y, canvas.width - side, height, focus == "tape")
    if side:
        stack(
            canvas,
            canvas.width - side,
            y,
            side,
            height,
            [part for _, part in parts],
            names.index(focus) if focus in names else -1,
        )


def _parts(view: TapeView, width: int) -> list[tuple[str, Part]]:
    parts = [("value", array_part(view.value, width)), ("gradient", array_part(view.gradient, width))]
    if view.ledger is not None:
        parts.append(("ledger", ledger_part(view.ledger)))
    if view.source is not None:
        parts.append(("source", source_part(view.source)))
    return parts


def _draw_list(canvas: Canvas, view: TapeView, x: int, y: int, width: int, height: int, focus: bool) -> None:
    note = "  ".join(
        f"{canvas.glyphs.rail} {rail.count} saved {nbytes(rail.nbytes)}" + (f" in {rail.scope}" if rail.scope else "")
        for rail in view.rails
    )
    canvas.box(x, y, width, height, "tape", note)
    if focus:
        canvas.put(x + 2, y, " tape ", "focus")
    columns = _Columns(canvas, view, width - 2)
    for row, line in enumerate(view.lines[: height - 2]):
        _draw_line(canvas, x + 1, y + 1 + row, width - 2, line, columns, len(view.rails))


class _Columns:
    """Where things stand in a line: the same in every frame of one size."""

    def __init__(self, canvas: Canvas, view: TapeView, width: int) -> None:
        last = max((line.row for line in view.lines), default=0)
        self.digits = max(3, len(str(last)))
        self.lanes = max(3, min(12, width // 6))
        self.rails = self.digits + 2
        self.label = self.rails + rails_width(len(view.rails), view.width, self.lanes) + 1
        room = width - self.label
        self.label_width = max(6, min(16, room * 3 // 10))
        self.place_width = 16 if room >= 76 else 0
        self.value_width = 15 if room >= 34 else 9 if room >= 22 else 0
        self.shape_width = 12 if room >= 56 else 0
        self.what = self.label + self.label_width + 1
        self.place = width - self.place_width
        self.value = self.place - self.value_width - (1 if self.place_width else 0)
        self.shape = self.value - self.shape_width
        self.what_width = self.shape - self.what - 1


NODES = {"leaf": "leaf", "op": "op", "seed": "seed", "edge": "gradient", "update": "update", "fold": "fold"}


def _draw_line(canvas: Canvas, x: int, y: int, width: int, line: TapeLine, columns: _Columns, rails: int) -> None:
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
        style("label-gradient" if line.kind in ("seed", "edge") else "label"),
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
    if columns.value_width:
        text = f"{line.trouble} {line.value}".strip() if line.trouble else line.value
        if canvas.measure(text) > columns.value_width:
            text = text.rpartition("→")[2].strip() if "→" in text else text
        look = "err" if line.trouble else "hidden" if text == "?" else style("number")
        width_left = columns.value_width
        start = max(x + columns.value, x + columns.value + width_left - canvas.measure(text))
        canvas.put(start, y, text, look, width_left)
    if columns.place_width:
        canvas.put(x + columns.place + 1, y, line.place, style("place"), columns.place_width - 1)
    canvas.link(x, y, width, line.moment)
    if line.cursor:
        canvas.cursor = (x, y)
        canvas.put(x, y, g.cursor, "cursor")
        canvas.paint(y, "cursor-row", x, width)
