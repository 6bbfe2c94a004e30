"""The pane of a lesson as lines of text."""

from __future__ import annotations

from typing import NamedTuple

from ..canvas import Canvas
from ..learning.lesson import LessonView
from .panes import in_lines

LEAST = 3
TEXT = 4
"""The rank of the words of a tour."""
KEYS = "a answers  r gives up"
KEYS_TOUR = "t on  T back  a answers  r shows"
KEYS_UNREAD = "t more"


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


def draw_lesson(canvas: Canvas, view: LessonView, y: int, height: int, turned: int = 0) -> None:
    """Draw the pane: all lines, or those that matter most. If that leaves words out, they come first, page by page."""
    lines = lesson_lines(canvas, view, canvas.width - 4)
    room = max(1, height - 2)
    note = "" if len(lines) > room and canvas.width < 60 else KEYS_TOUR if view.place else KEYS
    words = [line for line in lines if line.rank == TEXT]
    shown = most_telling(lines, room)
    left_out = len(words) - sum(line.rank == TEXT for line in shown)
    if turned * room < left_out and not view.verdict and not view.solution:
        shown, note = words[turned * room : (turned + 1) * room], KEYS_UNREAD
        canvas.unread = True
    canvas.box(0, y, canvas.width, height, f"{view.place}  {view.title}".strip(), note)
    for row, line in enumerate(shown, y + 1):
        canvas.put(2, row, line.text, line.style, canvas.width - 4)
    if left_out and shown[0].rank == TEXT and shown[0] is not words[0]:
        canvas.put(1, y + 1, canvas.glyphs.ellipsis, "text")


def most_telling(lines: list[Said], room: int) -> list[Said]:
    """The lines that matter most, in their order; of the words the last, which are nearest to the question."""
    kept = list(lines)
    while len(kept) > room:
        worst = max(line.rank for line in kept)
        places = [at for at, line in enumerate(kept) if line.rank == worst]
        del kept[places[0 if worst == TEXT else -1]]
    return kept


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
        lines += in_lines(canvas, paragraph, width)
    return lines
