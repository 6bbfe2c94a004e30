"""A rectangle of terminal cells to draw on. What comes out is lines of text, or of styled spans of text.

Styles are names of meanings ("gradient", "dim", "warn"), never colours: the application gives them colours, plain text
does without.
"""

from __future__ import annotations

import unicodedata
from functools import lru_cache
from itertools import groupby
from typing import NamedTuple

from .glyphs import Glyphs, spelled


class Span(NamedTuple):
    """A piece of a line in one style."""

    text: str
    style: str


Line = list[Span]


@lru_cache(maxsize=4096)
def _cells(character: str) -> int:
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def cell_width(text: str) -> int:
    """How many cells a text takes. Text is clean: no control, combining or zero-width characters."""
    return len(text) if text.isascii() else sum(map(_cells, text))


def clip(text: str, width: int, ellipsis: str = "…") -> str:
    """`text` in at most `width` cells, with an ellipsis where something is left out."""
    if cell_width(text) <= width:
        return text
    if width <= 0:
        return ""
    kept, used = [], 0
    for character in text:
        size = _cells(character)
        if used + size > width - 1:
            break
        kept.append(character)
        used += size
    return "".join(kept) + ellipsis


def clip_start(text: str, width: int, ellipsis: str = "…") -> str:
    """The end of `text` in at most `width` cells, with an ellipsis before it: of a long path the end tells most."""
    if cell_width(text) <= width:
        return text
    while text and cell_width(text) > width - 1:
        text = text[1:]
    return ellipsis + text if width > 0 else ""


class Canvas:
    """Cells to draw on; drawing outside is cut off. In ASCII, all text is spelled out in ASCII."""

    def __init__(self, width: int, height: int, glyphs: Glyphs) -> None:
        self.width = max(0, width)
        self.height = max(0, height)
        self.glyphs = glyphs
        self._cells = [[" "] * self.width for _ in range(self.height)]
        self._styles = [[""] * self.width for _ in range(self.height)]
        self._links: list[tuple[int, int, int, str]] = []
        self.cursor: tuple[int, int] | None = None
        """Where the eye should be: the cell of the row in question."""
        self.unread = False
        """Whether words of a tour go on where there was no room for them."""

    def text_of(self, text: str) -> str:
        """`text` as this canvas will draw it."""
        return spelled(text) if self.glyphs.ascii else text

    def measure(self, text: str) -> int:
        """How many cells a text will take."""
        return cell_width(self.text_of(text))

    def put(self, x: int, y: int, text: str, style: str = "", limit: int | None = None) -> int:
        """Write `text` from cell `x` of row `y` on, in at most `limit` cells; the cell after it."""
        text = self.text_of(text)
        room = self.width - x if limit is None else min(limit, self.width - x)
        if not 0 <= y < self.height or room <= 0 or x < 0:
            return x
        text = clip(text, room, self.glyphs.ellipsis)
        cells, styles = self._cells[y], self._styles[y]
        for character in text:
            size = _cells(character)
            cells[x] = character
            styles[x] = style
            if size == 2 and x + 1 < self.width:
                cells[x + 1] = ""
                styles[x + 1] = style
            x += size
        return x

    def spans(self, x: int, y: int, spans: list[tuple[str, str]], limit: int | None = None) -> int:
        """Write several (text, style) pairs one after the other."""
        end = self.width if limit is None else min(self.width, x + limit)
        for text, style in spans:
            x = self.put(x, y, text, style, end - x)
        return x

    def right(self, end: int, y: int, text: str, style: str = "") -> int:
        """Write `text` so that it ends before cell `end`; the cell where it starts."""
        start = end - self.measure(text)
        self.put(start, y, text, style)
        return start

    def paint(self, y: int, style: str, x: int = 0, width: int | None = None) -> None:
        """Put a style under a row, on top of the styles that its text has."""
        if 0 <= y < self.height:
            styles = self._styles[y]
            for i in range(x, self.width if width is None else min(self.width, x + width)):
                styles[i] = f"{styles[i]} {style}".strip()

    def link(self, x: int, y: int, width: int, target: str) -> None:
        """Let a click on these cells lead to `target`: a moment, or `screen:` and the name of a screen."""
        self._links.append((x, y, width, target))

    def target(self, x: int, y: int) -> str | None:
        """Where a click on a cell leads."""
        for left, row, width, target in reversed(self._links):
            if row == y and left <= x < left + width:
                return target
        return None

    def rule(self, x: int, y: int, width: int, style: str = "frame") -> None:
        """A horizontal line."""
        self.put(x, y, self.glyphs.horizontal * width, style)

    def box(
        self, x: int, y: int, width: int, height: int, title: str = "", note: str = "", style: str = "frame"
    ) -> None:
        """A frame, with a title at the left of its upper edge and a note at the right."""
        g = self.glyphs
        if width < 2 or height < 2:
            return
        self.rule(x + 1, y, width - 2, style)
        self.rule(x + 1, y + height - 1, width - 2, style)
        for row in range(y + 1, y + height - 1):
            self.put(x, row, g.vertical, style)
            self.put(x + width - 1, row, g.vertical, style)
        for corner, (cx, cy) in zip(
            g.corners, ((0, 0), (width - 1, 0), (0, height - 1), (width - 1, height - 1)), strict=False
        ):
            self.put(x + cx, y + cy, corner, style)
        self._title(x, y, width, title, note, style)

    def shelf(self, x: int, y: int, width: int, title: str = "", note: str = "", style: str = "frame") -> None:
        """A line across a box, with a title and a note."""
        self.rule(x + 1, y, width - 2, style)
        self.put(x, y, self.glyphs.corners[4], style)
        self.put(x + width - 1, y, self.glyphs.corners[5], style)
        self._title(x, y, width, title, note, style)

    def _title(self, x: int, y: int, width: int, title: str, note: str, style: str) -> None:
        end = x + 2
        if title:
            end = self.put(x + 2, y, f" {title} ", "title" if style == "frame" else style, width - 4)
        if note and end + self.measure(note) + 4 <= x + width:
            self.right(x + width - 2, y, f" {note} ", "dim")

    def lines(self) -> list[Line]:
        """What was drawn, as styled spans."""
        result = []
        for cells, styles in zip(self._cells, self._styles, strict=True):
            line, start = [], 0
            for style, run in groupby(styles):
                end = start + sum(1 for _ in run)
                line.append(Span("".join(cells[start:end]), style))
                start = end
            result.append(line)
        return result

    def text(self) -> list[str]:
        """What was drawn, as plain lines without trailing blanks."""
        return ["".join(cells).rstrip() for cells in self._cells]
