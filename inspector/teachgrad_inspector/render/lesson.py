"""The pane of a lesson as lines of text."""

from __future__ import annotations

from typing import NamedTuple

from ..canvas import Canvas
from ..learning.lesson import LessonView

LEAST = 3
TEXT = 4
"""The rank of the words of a tour."""
KEYS = "a answers  r gives up"
KEYS_TOUR = "t on  T back  a answers  r shows"


class Said(NamedTuple):
    """A line of the pane. Where there is no room, those with the highest `rank` give way first."""

    text: str
    style: str
    rank: int


def lesson_lines(canvas: Canvas, view: LessonView, width: int) -> list[Said]:
    """The lines of the pane, wrapped to a width."""
    found: list[Said] = []

    def say(lines: list[str], style: str, rank: int) -> None:
        found.extend(Said(line, style, rank) for line in lines)

    say(wrapped(canvas, view.text, width), "text", TEXT)
    say(wrapped(canvas, view.spotlight, width), "dim", 5)
    say(wrapped(canvas, view.question, width), "title", 0)
    say(packed(canvas, tuple(view.given.split("   ")) if view.given else (), width), "number", 3)
    say(packed(canvas, view.choices, width), "number", 2)
    say(wrapped(canvas, view.solution, width), "number", 1)
    say(wrapped(canvas, view.verdict, width), "ok" if view.right else "warn", 1)
    if not view.verdict:
        say(wrapped(canvas, view.how, width), "dim", 6)
    return found


def lesson_height(canvas: Canvas, view: LessonView, body: int) -> int:
    """How many rows of a body the pane takes: what it needs, up to half of it."""
    needed = len(lesson_lines(canvas, view, canvas.width - 4)) + 2
    return min(max(needed, LEAST), max(LEAST, body // 2))


def draw_lesson(canvas: Canvas, view: LessonView, y: int, height: int) -> None:
    """Draw the pane: all lines, or those that matter most."""
    lines = lesson_lines(canvas, view, canvas.width - 4)
    room = max(0, height - 2)
    note = "" if len(lines) > room and canvas.width < 60 else KEYS_TOUR if view.place else KEYS
    cut = False
    while len(lines) > room:
        worst = max(line.rank for line in lines)
        places = [at for at, line in enumerate(lines) if line.rank == worst]
        del lines[places[0 if worst == TEXT else -1]]  # of the words, the last are nearest to the question
        cut |= worst == TEXT
    canvas.box(0, y, canvas.width, height, f"{view.place}  {view.title}".strip(), note)
    for row, line in enumerate(lines):
        mark = f"{canvas.glyphs.ellipsis} " if cut and not row and line.rank == TEXT else ""
        canvas.put(2, y + 1 + row, mark + line.text, line.style, canvas.width - 4)


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
    """Paragraphs, wrapped; an empty line between two of them. What is indented stays as it is."""
    lines: list[str] = []
    for paragraph in text.split("\n\n"):
        if not paragraph.strip():
            continue
        if lines:
            lines.append("")
        if paragraph.startswith("    "):
            lines += [line for line in paragraph.rstrip().split("\n") if line.strip()]
            continue
        line = ""
        for word in paragraph.split():
            if line and canvas.measure(line) + 1 + canvas.measure(word) > width:
                lines.append(line)
                line = word
            else:
                line = f"{line} {word}".strip()
        lines.append(line)
    return lines
