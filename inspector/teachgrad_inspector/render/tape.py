"""The Tape screen as lines of text."""

from __future__ import annotations

from ..canvas import Canvas
from ..numbers import nbytes
from ..views.options import Options
from ..views.tape import TapeView
from .lines import draw_lines
from .panes import Part, array_part, ledger_part, source_part, stack
from .watches import watches_part

PANES = ("tape", "value", "gradient", "ledger", "source")
SIDE_BY_SIDE = 72


def tape_height(height: int) -> int:
    """How many lines of tape a body of this height shows."""
    return max(1, height - 2)


def draw_tape(canvas: Canvas, view: TapeView, options: Options, y: int, height: int) -> None:
    """Draw the screen into the rows from `y` on."""
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
    if view.watches:
        parts.append(("watches", watches_part(view.watches)))
    if view.ledger is not None:
        parts.append(("ledger", ledger_part(view.ledger)))
    if view.source is not None:
        parts.append(("source", source_part(view.source)))
    return parts


def _draw_list(canvas: Canvas, view: TapeView, x: int, y: int, width: int, height: int, focus: bool) -> None:
    rails = view.strip.rails
    where = f" in {rails[0].scope}" if len(rails) == 1 and rails[0].scope else ""
    if len(rails) > 1:
        where = f" in {len(rails)} modules"
    saved = f"{sum(rail.count for rail in rails)} saved {nbytes(sum(rail.nbytes for rail in rails))}"
    note = view.strip.kept or (f"{canvas.glyphs.rail} {saved}{where}" if rails else "")
    canvas.box(x, y, width, height, "tape", note)
    if focus:
        canvas.put(x + 2, y, " tape ", "focus")
    draw_lines(canvas, x + 1, y + 1, width - 2, view.strip.lines[: height - 2], view.strip)
