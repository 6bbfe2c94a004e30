"""Watched conditions beside the tape, and the Stops screen, as lines of text."""

from __future__ import annotations

from collections.abc import Sequence

from teachgrad.errors import counted

from ..canvas import Canvas
from ..views.options import Options
from ..views.watches import StopsView, Watch
from .panes import Part, draw_text, stack

PANES = ("stops",)
STYLES = {"true": "warn", "false": "ok", "unknown": "dim", "hidden": "hidden", "error": "err", "value": "number"}


def watches_part(watches: Sequence[Watch]) -> Part:
    """The conditions with their values."""

    def draw(canvas: Canvas, x: int, y: int, width: int, height: int) -> None:
        for row, watch in enumerate(watches[:height]):
            draw_watch(canvas, x, y + row, width, watch)

    return Part("watches", "", 1, len(watches), draw)


def draw_watch(canvas: Canvas, x: int, y: int, width: int, watch: Watch) -> None:
    """One condition and its value, to the right."""
    value = watch.value if canvas.measure(watch.value) <= width // 2 else watch.value[: width // 2 - 1] + "…"
    canvas.right(x + width, y, value, STYLES[watch.state])
    canvas.put(x, y, watch.text, "label", max(0, width - canvas.measure(value) - 2))


def draw_stops(canvas: Canvas, view: StopsView, options: Options, y: int, height: int) -> None:
    """Draw the Stops screen into the rows from `y` on."""

    def draw(canvas: Canvas, x: int, y: int, width: int, height: int) -> None:
        if not view.lines:
            draw_text(canvas, x, y, width, height, view.note, "dim")
            return
        chosen = next((row for row, line in enumerate(view.lines) if line.chosen), 0)
        start = max(0, min(chosen - height // 2, len(view.lines) - height))
        for row, line in enumerate(view.lines[start : start + height]):
            mark = canvas.glyphs.cursor if line.chosen else " "
            canvas.spans(x, y + row, [(f"{mark} {canvas.glyphs.stop} ", "cursor")], width)
            half = width // 2
            draw_watch(canvas, x + 4, y + row, half - 4, line.watch)
            if line.moments is None:
                where = "not looked for"
            elif line.moments:
                more = f" and {len(line.moments) - 1} more" if len(line.moments) > 1 else ""
                where = f"stops at {line.moments[0]}{more}"
            else:
                where = "not in this training step"
            canvas.put(x + half + 2, y + row, where, "dim", width - half - 2)
            if line.moments:
                canvas.link(x, y + row, width, line.moments[0])
            if line.chosen:
                canvas.cursor = (x, y + row)
                canvas.paint(y + row, "cursor-row", x, width)

    count = len(view.lines)
    title = counted(count, "stop")
    stack(canvas, 0, y, canvas.width, height, [Part(title, "", 1, max(1, count), draw)], 0)
