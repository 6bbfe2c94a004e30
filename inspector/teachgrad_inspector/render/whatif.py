"""The What-if screen as lines of text."""

from __future__ import annotations

import math

from ..canvas import Canvas
from ..numbers import bracketed, index, number, signed
from ..views.options import Options
from ..views.whatif import WhatIf
from .panes import Part, draw_text, stack

PANES = ("what if", "curve", "changes")
Lines = list[tuple[str, list[tuple[str, str]]]]


def draw_what_if(canvas: Canvas, view: WhatIf, options: Options, y: int, height: int) -> None:
    """Draw the screen into the rows from `y` on."""
    parts = [_answer(view)]
    if not view.note:
        parts += [_curve(view), _changes(view)]
    focus = min(options.pane % len(PANES), len(parts) - 1)
    if options.zoom:
        parts, focus = [parts[focus]], 0
    stack(canvas, 0, y, canvas.width, height, parts, focus)


def _answer(view: WhatIf) -> Part:
    name = f"{view.name}{index(view.element)}" if view.name else ""
    title = f"what if {name} were {number(view.after, 7)} in t{view.step}" if view.after is not None else "what if"
    if view.note:
        note = view.note

        def draw(canvas: Canvas, x: int, y: int, width: int, height: int) -> None:
            draw_text(canvas, x, y, width, height, note, "dim")

        return Part(title, "", 1, 3, draw)
    lines = _lines(view, name)

    def draw_lines(canvas: Canvas, x: int, y: int, width: int, height: int) -> None:
        for row, (head, spans) in enumerate(lines[:height]):
            end = canvas.put(x, y + row, f"{head:<11}", "dim", width)
            canvas.spans(end, y + row, spans, x + width - end)

    return Part(title, "esc: as it was", len(lines), len(lines), draw_lines)


def _lines(view: WhatIf, name: str) -> Lines:
    assert view.before is not None
    assert view.after is not None
    assert view.goal_before is not None
    assert view.goal_after is not None
    assert view.actual is not None
    shift, goal = view.after - view.before, view.goal
    lines: Lines = [("change", [(f"{name}: {number(view.before, 7)} → {number(view.after, 7)}", "number"),
                                (f"   Δ = {signed(shift, 5)}", "text")])]  # fmt: skip
    if view.gradient is None or view.predicted is None:
        lines.append(("gradient", [("not known, or hidden", "hidden")]))
    else:
        lines += [
            ("gradient", [(f"∂{goal}/∂{name} = {number(view.gradient, 6)}", "number")]),
            ("predicted", [(f"Δ{goal} ≈ ∂{goal}/∂{name} · Δ = ", "text"),
                           (f"{bracketed(view.gradient, 6)} · {bracketed(shift, 5)} = ", "text"),
                           (signed(view.predicted, 6), "number")]),
        ]  # fmt: skip
    lines.append(("actual", [(f"Δ{goal} = {number(view.goal_after, 7)} - {bracketed(view.goal_before, 7)} = ", "text"),
                             (signed(view.actual, 6), "number")]))  # fmt: skip
    if view.predicted is not None:
        rest = view.actual - view.predicted
        curved = rest != 0 and math.isfinite(rest)
        why = "   what is not linear: with half the change, about a quarter of it" if curved else ""
        lines.append(("difference", [(signed(rest, 3), "number"), (why, "dim")]))
    return lines


def _curve(view: WhatIf) -> Part:
    widest = max((abs(value) for point in view.curve for value in (point.predicted or 0.0, point.actual)), default=0.0)

    def draw(canvas: Canvas, x: int, y: int, width: int, height: int) -> None:
        heads = f"{'Δ':>10}  {'predicted':>11}  {'actual':>11}"
        canvas.put(x, y, heads, "dim", width)
        room = width - len(heads) - 4
        for row, point in enumerate(view.curve[: height - 1]):
            predicted = "" if point.predicted is None else signed(point.predicted, 4)
            spans = [(f"{signed(point.shift, 4):>10}  ", "text"), (f"{predicted:>11}  ", "number"),
                     (f"{signed(point.actual, 4):>11}", "number")]  # fmt: skip
            end = canvas.spans(x, y + 1 + row, spans, width)
            if room >= 9 and widest > 0:
                _mark(canvas, end + 3, y + 1 + row, room, point.actual / widest, None
                      if point.predicted is None else point.predicted / widest)  # fmt: skip

    return Part("the tangent and the curve", f"of Δ{view.goal}", 2, len(view.curve) + 1, draw)


def _mark(canvas: Canvas, x: int, y: int, width: int, actual: float, predicted: float | None) -> None:
    """A line with zero in the middle: where the actual change lies, and where the predicted one."""
    middle = width // 2
    canvas.put(x + middle, y, canvas.glyphs.now, "dim")
    if predicted is not None and abs(predicted) <= 1:
        canvas.put(x + middle + round(predicted * middle), y, canvas.glyphs.leaf, "dim")
    if abs(actual) <= 1:
        canvas.put(x + min(width - 1, middle + round(actual * middle)), y, canvas.glyphs.op, "number")


def _changes(view: WhatIf) -> Part:
    def draw(canvas: Canvas, x: int, y: int, width: int, height: int) -> None:
        names = min(max((canvas.measure(change.name) for change in view.changes), default=0), width // 3)
        for row, change in enumerate(view.changes[:height]):
            before, after = number(change.before, 6), number(change.after, 6)
            norm = "‖·‖ " if change.array else ""
            numbers = f"{norm}{before} {canvas.glyphs.arrow} {after}   {'‖Δ‖' if change.array else 'Δ'} "
            numbers += number(change.difference, 3) if change.array else signed(change.difference, 3)
            end = canvas.spans(x, y + row, [(f"{change.name:<{names}}  ", "label"), (numbers, "number")], width)
            canvas.put(end + 2, y + row, change.what, "dim", x + width - end - 2)
            canvas.link(x, y + row, width, change.moment)

    more = f"and {view.more} more" if view.more else ""
    return Part("what changes with it", more, 1, max(1, len(view.changes)), draw)
