"""The Explain screen as lines of text."""

from __future__ import annotations

from ..canvas import Canvas, clip
from ..numbers import number, percent, signed
from ..views.explain import ExplainView, Line
from ..views.options import Options
from .panes import Part, draw_text, stack

PANES = ("explain",)


def draw_explain(canvas: Canvas, view: ExplainView, options: Options, y: int, height: int) -> None:
    """Draw the screen into the rows from `y` on."""

    def draw(canvas: Canvas, x: int, y: int, width: int, height: int) -> None:
        if view.note:
            draw_text(canvas, x, y, width, height, view.note, "dim")
            return
        chosen = next((row for row, line in enumerate(view.lines) if line.chosen), 0)
        start = max(0, min(chosen - height // 2, len(view.lines) - height))
        names = max((2 * line.depth + canvas.measure(line.name) for line in view.lines), default=0)
        names = min(names, max(16, width * 2 // 5))
        for row, line in enumerate(view.lines[start : start + height]):
            _line(canvas, x, y + row, width, line, names)

    note = ""
    if view.total is not None:
        note = "the parts add up to it" if view.exact else f"first order: the parts make {number(view.total)}"
    stack(canvas, 0, y, canvas.width, height, [Part(view.title, note, 1, max(1, len(view.lines)), draw)], 0)


def _line(canvas: Canvas, x: int, y: int, width: int, line: Line, names: int) -> None:
    mark = canvas.glyphs.cursor if line.chosen else " "
    branch = ("  " * (line.depth - 1) + canvas.glyphs.corners[2] + " ") if line.depth else ""
    style = "label-gradient" if ".grad" in line.name else "label"
    end = canvas.spans(x, y, [(f"{mark} ", "cursor"), (branch, "dim"), (line.name, style)], names + 2)
    end = max(end, x + names + 2)
    value = number(line.value) if line.value is not None else "?"
    end = canvas.spans(end, y, [(f" {value:>9}", "number")], x + width - end)
    if line.part is not None and line.local is not None and line.share is not None:
        factor = f"{clip(line.local_name, 14)} " if line.local_name and width >= 110 else ""
        spans = [(f"  × {factor + number(line.local):>{24 if width >= 110 else 9}} ", "dim"),
                 (f"= {signed(line.part):>9}", "plus" if line.part >= 0 else "minus"),
                 (f" {percent(line.share):>5}", "text")]  # fmt: skip
    else:
        spans = [(" " * (46 if width >= 110 else 31), "dim")] if width >= 100 else []
    end = canvas.spans(end, y, spans, x + width - end)
    more = f"  and {line.more} smaller" if line.more else ""
    end = canvas.put(end + 2, y, line.what, "what", max(0, x + width - end - 2))
    end = canvas.put(end, y, more, "dim", max(0, x + width - end))
    if end + canvas.measure(line.place) + 2 <= x + width:
        canvas.right(x + width, y, line.place, "place")
    canvas.link(x, y, width, line.moment)
    if line.chosen:
        canvas.cursor = (x, y)
        canvas.paint(y, "cursor-row", x, width)
