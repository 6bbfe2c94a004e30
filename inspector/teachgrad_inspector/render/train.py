"""The Train screen as lines of text."""

from __future__ import annotations

import math
from collections.abc import Callable

from ..canvas import Canvas, clip_start
from ..history import Counts
from ..numbers import number, percent
from ..views.options import Options
from ..views.train import TARGET, Curve, Heat, TrainLine, TrainView
from .panes import Draw, Part, draw_text, stack
from .plots import draw_curve, draw_heat

PANES = ("loss", "gradients", "updates", "layers", "values", "value gradients")
SIDE_BY_SIDE = 72
BARS = 8
HIDDEN = "hidden: gradients are to be predicted (p shows them)"


def draw_train(canvas: Canvas, view: TrainView, options: Options, y: int, height: int) -> None:
    """Draw the screen into the rows from `y` on."""
    left, right = _curves(view), _tables(view)
    focus = PANES[options.pane % len(PANES)]
    parts = left | right
    if options.zoom or canvas.width < SIDE_BY_SIDE or height < 9:
        if options.zoom or height < 16:
            stack(canvas, 0, y, canvas.width, height, [parts[focus]], 0)
        else:  # narrow and tall: the table first, then as much as there is room for
            shown = {focus: parts[focus], "layers": parts["layers"], "loss": parts["loss"]}
            stack(canvas, 0, y, canvas.width, height, list(shown.values()), 0)
        return
    half = canvas.width // 2
    for x, width, column in ((0, half, left), (half, canvas.width - half, right)):
        at = list(column).index(focus) if focus in column else -1
        stack(canvas, x, y, width, height, list(column.values()), at)


def _curves(view: TrainView) -> dict[str, Part]:
    """What there is one number of at each step."""
    every = view.looked[1] - view.looked[0] if len(view.looked) > 1 else 1
    span = f"t0…t{view.steps - 1}"
    note = f"1 step in {every}" if every > 1 else span
    name = f"  {view.chosen}" if view.chosen else ""
    parts = {"loss": Part(f"loss{_now(view.loss)}", note, 3, 14, _curve(view, view.loss))}
    if len({value for _, value in view.rate.points}) > 1:
        parts["rate"] = Part(f"learning rate{_now(view.rate)}", "", 2, 5, _curve(view, view.rate))
    elif view.rate.now is not None:
        parts["loss"] = Part(f"loss{_now(view.loss)}  lr{_now(view.rate)}", note, 3, 14,
                             _curve(view, view.loss))  # fmt: skip
    total = f"all {number(view.total.now, 3)}" if view.total.now is not None else ""
    parts["gradients"] = Part(f"‖∂‖{_now(view.gradient)}{name}", total, 3, 14,
                              _curve(view, view.gradient, hidden=view.hidden))  # fmt: skip
    whose = name if view.ratio.points else "  of all parameters"
    parts["updates"] = Part(f"log10 ‖Δ‖/‖x‖{_now(view.ratio)}{whose}", "", 3, 14,
                            _curve(view, view.ratio, TARGET, view.hidden))  # fmt: skip
    return parts


def _tables(view: TrainView) -> dict[str, Part]:
    """What there is of each parameter and layer, and of the chosen one in detail."""

    def table(canvas: Canvas, x: int, y: int, width: int, height: int) -> None:
        _draw_table(canvas, x, y, width, height, view)

    lines = len(view.lines) + 1
    name = f" {view.chosen}" if view.chosen else ""
    return {
        "layers": Part("parameters and layers", "j k choose", min(9, lines), lines, table),
        "values": Part(f"values{name}", _stuck(view), 3, 14, _heat(view, view.values)),
        "value gradients": Part(f"∂{name}", "", 3, 14, _heat(view, view.gradients, view.hidden)),
    }


def _stuck(view: TrainView) -> str:
    """How many units of the chosen layer are dead or saturated."""
    line = next((line for line in view.lines if line.chosen), None)
    if line is None or line.flat is None:
        return ""
    share = f"{percent(line.flat)} {'zero' if line.stuck_how == 'dead' else 'saturated'}"
    return f"{line.stuck} of {line.units} units {line.stuck_how}, {share}" if line.units else share


def _now(curve: Curve) -> str:
    return f" {number(curve.now, 3)}" if curve.now is not None else ""


def _curve(view: TrainView, curve: Curve, rule: float | None = None, hidden: bool = False) -> Draw:
    def draw(canvas: Canvas, x: int, y: int, width: int, height: int) -> None:
        if hidden:
            draw_text(canvas, x, y, width, height, HIDDEN, "hidden")
        else:
            draw_curve(canvas, x, y, width, height, curve, (0, view.steps - 1), view.step, rule)

    return draw


def _heat(view: TrainView, heat: Heat | None, hidden: bool = False) -> Draw:
    def draw(canvas: Canvas, x: int, y: int, width: int, height: int) -> None:
        if hidden:
            draw_text(canvas, x, y, width, height, HIDDEN, "hidden")
        elif heat is None:
            draw_text(canvas, x, y, width, height, view.note or "not recorded", "dim")
        else:
            draw_heat(canvas, x, y, width, height, heat, (0, view.steps - 1), view.step)

    return draw


def _draw_table(canvas: Canvas, x: int, y: int, width: int, height: int, view: TrainView) -> None:
    """A line for each parameter and layer, with the columns for which there is room."""
    columns: list[tuple[str, int, Callable[[TrainLine], tuple[str, str]]]] = [
        ("log Δ/x", 8, lambda line: _ratio(line, view.hidden)),
        ("‖∂‖", 8, lambda line: _number(line.gradient_norm, view.hidden)),
    ]
    if width >= 56:
        columns.append(("‖x‖", 8, lambda line: _number(line.norm)))
    names = max((canvas.measure(line.name) for line in view.lines), default=6)
    room = width - 2 - sum(size for _, size, _ in columns)
    bars = BARS if room >= 10 + BARS + 1 else 0
    name_width = max(4, min(names, room - bars - 1))
    end = x + width
    for title, size, _ in columns:
        canvas.right(end, y, title, "dim")
        end -= size
    canvas.put(x + 2, y, "name", "dim", name_width)
    if bars:
        canvas.put(x + 3 + name_width, y, "values", "dim", bars)
    at = next((i for i, line in enumerate(view.lines) if line.chosen), 0)
    shown = max(1, height - 1)
    top = max(0, min(at - shown // 2, len(view.lines) - shown))
    for row, line in enumerate(view.lines[top : top + height - 1], y + 1):
        if line.chosen:
            canvas.put(x, row, canvas.glyphs.cursor, "cursor")
            canvas.cursor = (x, row)
        canvas.put(x + 2, row, clip_start(canvas.text_of(line.name), name_width, canvas.glyphs.ellipsis), "label")
        if bars and line.values is not None:
            canvas.put(x + 3 + name_width, row, _bars(canvas, line.values), "histogram")
        end = x + width
        for _, size, text in columns:
            canvas.right(end, row, *text(line))
            end -= size
        if line.chosen:
            canvas.paint(row, "cursor-row", x, width)


def _ratio(line: TrainLine, hidden: bool) -> tuple[str, str]:
    """The update-to-data ratio of a parameter; of a function, what share of it is stuck."""
    if line.flat is not None:
        if line.stuck is None:
            return f"{percent(line.flat)} 0", "number"
        short = "dead" if line.stuck_how == "dead" else "sat."
        return f"{line.stuck} {short}", "warn" if line.stuck else "ok"
    if hidden and line.what == "parameter":
        return "?", "hidden"
    return (f"{line.ratio:.1f}", "number") if line.ratio is not None else ("", "dim")


def _number(value: float | None, hidden: bool = False) -> tuple[str, str]:
    if hidden:
        return "?", "hidden"
    if value is None:
        return "", "dim"
    return number(value, 3), "number" if math.isfinite(value) else "err"


def _bars(canvas: Canvas, counts: Counts) -> str:
    """A histogram in a few characters."""
    bins = [0] * BARS
    for i, count in enumerate(counts.bins):
        bins[i * BARS // len(counts.bins)] += count
    signs = canvas.glyphs.bars
    return "".join(signs[max(1, round(count / max(bins) * (len(signs) - 1))) if count else 0] for count in bins)
