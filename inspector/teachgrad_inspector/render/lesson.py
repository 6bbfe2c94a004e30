"""The pane of a lesson as lines of text."""

from __future__ import annotations

from ..canvas import Canvas
from ..learning.lesson import LessonView

LEAST = 3
KEYS = "a answers  r gives up"
KEYS_TOUR = "t on  T back  a answers  r shows"


def lesson_lines(canvas: Canvas, view: LessonView, width: int) -> list[tuple[str, str]]:
    """The lines of the pane, wrapped to a width, with their styles: what matters most stands last."""
    lines = [(line, "text") for line in wrapped(canvas, view.text, width)]
    if view.spotlight:
        lines.append((view.spotlight, "dim"))
    if view.question:
        lines += [(line, "title") for line in wrapped(canvas, view.question, width)]
    if view.given:
        lines += [(line, "number") for line in packed(canvas, tuple(view.given.split("   ")), width)]
    if view.choices:
        lines += [(line, "number") for line in packed(canvas, view.choices, width)]
    if view.solution:
        lines += [(line, "number") for line in wrapped(canvas, view.solution, width)]
    if view.verdict:
        lines += [(line, "ok" if view.right else "warn") for line in wrapped(canvas, view.verdict, width)]
    elif view.how:
        lines += [(line, "dim") for line in wrapped(canvas, view.how, width)]
    return lines


def lesson_height(canvas: Canvas, view: LessonView, body: int) -> int:
    """How many rows of a body the pane takes: what it needs, up to half of it."""
    needed = len(lesson_lines(canvas, view, canvas.width - 4)) + 2
    return min(max(needed, LEAST), max(LEAST, body // 2))


def draw_lesson(canvas: Canvas, view: LessonView, y: int, height: int) -> None:
    """Draw the pane. Where there is no room for all of it, the beginning of the text gives way."""
    lines = lesson_lines(canvas, view, canvas.width - 4)
    room = height - 2
    canvas.box(0, y, canvas.width, height, f"{view.place}  {view.title}".strip(), KEYS_TOUR if view.place else KEYS)
    cut = len(lines) > room
    for row, (text, style) in enumerate(lines[-room:] if room > 0 else []):
        canvas.put(2, y + 1 + row, text if row or not cut else f"{canvas.glyphs.ellipsis} {text}", style,
                   canvas.width - 4)  # fmt: skip


def packed(canvas: Canvas, items: tuple[str, ...], width: int) -> list[str]:
    """Items side by side, as many in a line as there is room for."""
    lines: list[str] = []
    for item in items:
        if lines and canvas.measure(lines[-1]) + 4 + canvas.measure(item) <= width:
            lines[-1] += f"    {item}"
        else:
            lines.append(item)
    return lines


def wrapped(canvas: Canvas, text: str, width: int) -> list[str]:
    """Paragraphs, wrapped; an empty line between two of them."""
    lines: list[str] = []
    for paragraph in text.split("\n\n"):
        words = paragraph.split() if not paragraph.startswith("    ") else []
        if lines and (words or paragraph.strip()):
            lines.append("")
        if not words:
            lines += [line[:width] for line in paragraph.rstrip().split("\n") if line.strip()]
            continue
        line = ""
        for word in words:
            if line and canvas.measure(line) + 1 + canvas.measure(word) > width:
                lines.append(line)
                line = word
            else:
                line = f"{line} {word}".strip()
        lines.append(line)
    return lines
