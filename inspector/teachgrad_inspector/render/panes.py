"""The panes that several screens share: arrays, ledger, source; and the sharing out of room between them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ..canvas import Canvas
from ..numbers import index, number, signed
from ..views.ledger import Entry, Ledger
from ..views.source import SourceView
from ..views.tape import Pane
from .arrays import draw_array, wanted_height

Draw = Callable[[Canvas, int, int, int, int], None]


@dataclass(frozen=True, slots=True)
class Part:
    """A pane on its way to the screen: how many lines it needs at least and would like, and how to draw it."""

    title: str
    note: str
    least: int
    wanted: int
    draw: Draw
    greedy: bool = False
    """Whether it takes what is left over."""


def share(heights: Sequence[tuple[int, int]], room: int) -> list[int]:
    """Lines for each of several (least, wanted) heights, together at most `room`; the first come first."""
    given = [min(least, wanted) for least, wanted in heights]
    while sum(given) > room and any(given):
        given[max(range(len(given)), key=lambda i: (given[i], i))] -= 1
    left = room - sum(given)
    while left > 0:
        hungry = [i for i, (_, wanted) in enumerate(heights) if given[i] < wanted]
        if not hungry:
            break
        given[min(hungry, key=lambda i: given[i])] += 1
        left -= 1
    return given


def stack(canvas: Canvas, x: int, y: int, width: int, height: int, parts: Sequence[Part], focus: int) -> None:
    """Draw parts one below the other in one frame; the one in focus has its title marked."""
    parts = list(parts)
    while len(parts) > 1 and height - len(parts) - 1 < sum(part.least for part in parts):
        parts.pop(max((i for i in range(len(parts)) if i != focus), default=len(parts) - 1))
        focus = min(focus, len(parts) - 1)
    room = height - len(parts) - 1
    heights = share([(part.least, part.wanted) for part in parts], room)
    left = room - sum(heights)
    hungry = (i for i, part in enumerate(parts) if part.wanted > heights[i])
    greedy = next((i for i, part in enumerate(parts) if part.greedy), next(hungry, len(parts) - 1))
    heights[greedy] += max(0, left)
    top = y
    for i, (part, lines) in enumerate(zip(parts, heights, strict=True)):
        style = "focus" if i == focus else "frame"
        if i == 0:
            canvas.box(x, y, width, height)
            canvas.box(x, y, width, height, part.title, part.note, style if style == "frame" else "frame")
        else:
            canvas.shelf(x, top, width, part.title, part.note)
        if style == "focus":
            canvas.put(x + 2, top, f" {part.title} ", "focus", width - 4)
        part.draw(canvas, x + 2, top + 1, width - 4, lines)
        top += lines + 1


def array_part(pane: Pane, width: int) -> Part:
    """A value or a gradient."""

    def draw(canvas: Canvas, x: int, y: int, width: int, height: int) -> None:
        if pane.array is not None:
            draw_array(canvas, x, y, width, height, pane.array)
        else:
            draw_text(canvas, x, y, width, height, pane.note, "dim")

    wanted = wanted_height(pane.array, width) if pane.array is not None else 2
    return Part(pane.title, "", 1, wanted, draw)


def ledger_part(ledger: Ledger) -> Part:
    """A ledger."""

    def draw(canvas: Canvas, x: int, y: int, width: int, height: int) -> None:
        draw_ledger(canvas, x, y, width, height, ledger)

    lines = len(ledger.entries)
    return Part(f"ledger  {ledger.name}.grad{index(ledger.element)}", "", min(2, lines), lines, draw)


def draw_ledger(canvas: Canvas, x: int, y: int, width: int, height: int, ledger: Ledger) -> None:
    """Contributions edge by edge with the running sum; what is to come is only announced."""
    entries = list(ledger.entries)
    current = next((i for i, entry in enumerate(entries) if entry.current), len(entries) - 1)
    start = max(0, min(current - height + 1, len(entries) - height))
    column = edge_column(canvas, ledger, width)
    for row in range(start, min(start + height, len(entries))):
        draw_entry(canvas, x, y + row - start, width, ledger, row, column)


def edge_column(canvas: Canvas, ledger: Ledger, width: int) -> int:
    """How wide the names of all edges of a ledger are, within half of the width."""
    edges = {_edge(entry, _is_wide(width)) for entry in ledger.entries}
    return min(max(map(canvas.measure, edges), default=0), width // 2)


def _is_wide(width: int) -> bool:
    return width >= 44


def draw_entry(canvas: Canvas, x: int, y: int, width: int, ledger: Ledger, row: int, column: int) -> None:
    """One contribution of a ledger; the names of edges take up the first column."""
    entry = ledger.entries[row]
    wide = _is_wide(width)
    style = "future" if entry.future else "text"
    mark = canvas.glyphs.cursor if entry.current else " "
    canvas.spans(x, y, [(f"{mark} ", "cursor"), (_edge(entry, wide), style)], column + 2)
    end = x + column + 2
    room = x + width - end
    dots = ("   running " if wide else "   ", "dim")
    if entry.future:
        canvas.put(end + 1, y, f"comes at {entry.moment}", "future", room - 1)
    elif entry.contribution is not None and entry.after is not None:
        sign = "plus" if entry.contribution >= 0 else "minus"
        spans = [(f" {signed(entry.contribution):>{7 if wide else 4}}", sign)]
        if entry.before is not None:
            spans += [dots, (f"{_running(entry.before)} {canvas.glyphs.arrow} {_running(entry.after)}", "number")]
        end = canvas.spans(end, y, spans, room)
        if entry.current and ledger.assigned is not None and ledger.assigned != entry.after:
            note = f'   (+= , not = : "=" would leave {number(ledger.assigned)})'
            if end + canvas.measure(note) <= x + width:
                canvas.put(end, y, note, "dim")
    elif entry.norm is not None and entry.total_norm is not None:
        norms = (f" ‖·‖ {number(entry.norm, 3)}", "number"), dots, (f"‖·‖ {number(entry.total_norm, 3)}", "number")
        canvas.spans(end, y, list(norms), room)
    else:
        canvas.put(end + 1, y, "?" if ledger.hidden else "not recorded", "hidden" if ledger.hidden else "dim", room - 1)


def _edge(entry: Entry, wide: bool) -> str:
    if not entry.source:
        return "start"
    return f"edge {entry.source}→{entry.target}" if wide else f"{entry.source}→{entry.target}"


def _running(value: float) -> str:
    return number(value) if value <= 0 else signed(value)


def source_part(source: SourceView) -> Part:
    """Lines of source."""

    def draw(canvas: Canvas, x: int, y: int, width: int, height: int) -> None:
        draw_source(canvas, x, y, width, height, source)

    name = source.file.replace("\\", "/").rpartition("/")[2]
    return Part(
        f"source  {name}:{source.line}",
        source.function if source.function != "<module>" else "",
        1,
        min(len(source.lines), 3),
        draw,
        greedy=True,
    )


def draw_source(canvas: Canvas, x: int, y: int, width: int, height: int, source: SourceView) -> None:
    """Lines around the one in question, which is marked, with its expression underlined by style."""
    lines = list(source.lines)
    at = next((i for i, (line, _) in enumerate(lines) if line == source.line), 0)
    start = max(0, min(at - height // 2, len(lines) - height))
    digits = len(str(lines[-1][0])) if lines else 1
    shown = lines[start : start + height]
    margin = min((len(text) - len(text.lstrip()) for _, text in shown if text.strip()), default=0)
    for row, (line, text) in enumerate(shown):
        here = line == source.line
        mark = canvas.glyphs.cursor if here else " "
        end = canvas.spans(x, y + row, [(f"{mark}", "cursor"), (f"{line:>{digits}} ", "dim")], width)
        room = x + width - end
        if not here:
            canvas.put(end, y + row, text[margin:], "code", room)
            continue
        first, last = max(0, source.first - margin), max(0, source.last - margin)
        text = text[margin:]
        parts = [(text[:first], "code"), (text[first:last], "code-here"), (text[last:], "code")]
        canvas.spans(end, y + row, parts, room)


def draw_text(canvas: Canvas, x: int, y: int, width: int, height: int, text: str, style: str = "text") -> int:
    """Words, wrapped; the row after the last."""
    lines = in_lines(canvas, text, width)[: max(0, height)]
    for row, content in enumerate(lines):
        canvas.put(x, y + row, content, style, width)
    return y + len(lines)


def in_lines(canvas: Canvas, text: str, width: int) -> list[str]:
    """Words, wrapped to a width; at least one line."""
    lines = [""]
    for word in text.split():
        if lines[-1] and canvas.measure(lines[-1]) + 1 + canvas.measure(word) > width:
            lines.append(word)
        else:
            lines[-1] = f"{lines[-1]} {word}".strip()
    return lines
