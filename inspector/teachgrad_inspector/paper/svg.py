"""A drawn screen as SVG: one file without fonts, scripts or anything from outside, legible on light and dark paper.

Text is text, each character in the place of its cell, so that it can be selected, searched and copied, and any
monospace font will do. Box and block characters are drawn as lines and areas; they stand there as text as well, unseen,
so that what is copied is what a terminal shows.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Literal

from teachgrad.drawing.svg import escape

from ..canvas import Canvas, Line, cell_width
from ..palette import Palette
from . import strokes
from .strokes import HEIGHT, WIDTH

Paper = Literal["light", "dark", "both"]
BASELINE = 14
MARGIN = 9
LIGHT = {
    "foreground": "#0a0d12", "background": "#ffffff", "accent": "#0969da", "secondary": "#116170",
    "success": "#116329", "warning": "#7d4e00", "error": "#a40e26",
}  # fmt: skip
DARK = {
    "foreground": "#f0f6fc", "background": "#0d1117", "accent": "#79c0ff", "secondary": "#76d1dd",
    "success": "#7ee787", "warning": "#e3b341", "error": "#ff8f86",
}  # fmt: skip
FONT = 'ui-monospace,"DejaVu Sans Mono","SFMono-Regular",Menlo,Consolas,"Liberation Mono",monospace'
_FIXED = f"""
.tg-screen text{{font:15px {FONT};fill:currentColor;white-space:pre;unicode-bidi:bidi-override}}
.tg-screen .l{{fill:none;stroke:currentColor;stroke-width:1}}.tg-screen .h{{stroke-width:2.2}}
.tg-screen .a{{fill:currentColor;stroke:none;shape-rendering:crispEdges}}
.tg-screen .u{{fill-opacity:0}}
""".replace("\n", "")


_LINE = 'fill="none" stroke="currentColor"'


def svg(canvas: Canvas, title: str, description: str, paper: Paper = "both") -> str:
    """A canvas as the text of an SVG file."""
    style = f"<style>{css(styles_of([canvas]), paper)}</style>"
    return figure(canvas, title, description, style, namespace=' xmlns="http://www.w3.org/2000/svg"') + "\n"


def figure(canvas: Canvas, title: str, description: str, style: str = "", namespace: str = "") -> str:
    """A canvas as an SVG element. A page with the style of `css` in its head gives none here."""
    width, height = canvas.width * WIDTH + 2 * MARGIN, canvas.height * HEIGHT + 2 * MARGIN
    lines = canvas.lines()
    parts = [
        f'<svg{namespace} class="tg-screen" width="{width}" height="{height}" viewBox="0 0 {width} {height}" '
        f'role="img" aria-label="{escape(title)}">',
        f"<title>{escape(title)}</title><desc>{escape(description)}</desc>{style}",
        # The attributes are for readers that take the style away, as some that show notebooks do.
        f'<rect class="tg-paper" width="{width}" height="{height}" fill="#fff"/>',
        f'<g transform="translate({MARGIN} {MARGIN})" font-family="monospace" font-size="15">',
        *_grounds(lines),
        *_drawn(lines),
        *(_text(line, row) for row, line in enumerate(lines)),
        "</g></svg>",
    ]
    return "\n".join(part for part in parts if part)


def styles_of(canvases: Iterable[Canvas]) -> list[str]:
    """The names of all styles on some canvases."""
    return sorted({span.style for canvas in canvases for line in canvas.lines() for span in line})


def css(styles: Iterable[str], paper: Paper = "both") -> str:
    """What these styles look like, on light paper, on dark paper, or on what the reader prefers."""
    light, dark = _rules(styles, LIGHT, False), _rules(styles, DARK, True)
    if paper != "both":
        return _FIXED + (light if paper == "light" else dark)
    return f"{_FIXED}{light}@media (prefers-color-scheme:dark){{{dark}}}"


def _rules(styles: Iterable[str], colours: Mapping[str, str], dark: bool) -> str:
    palette = Palette(colours, dark, True)
    rules = [f".tg-paper{{fill:{colours['background']}}}"]
    for name in styles:
        look = palette.look(name)
        parts = [f"color:{look.colour}", "font-weight:bold" * bool(look.bold),
                 "text-decoration:underline" * bool(look.underline)]  # fmt: skip
        rules.append(f".tg-screen .{_class(name)}{{{';'.join(filter(None, parts))}}}")
        if look.ground != colours["background"]:
            rules.append(f".{_class(name)}-g{{fill:{look.ground}}}")
    return "".join(rules)


def _class(style: str) -> str:
    """The class of a style name: `tg-heat-plus1`, `tg-number-cursor-row`."""
    return "tg-" + re.sub(r"[^\w-]", "-", style.replace("heat+", "heat-plus").replace(" ", "-") or "plain")


def _places(line: Line) -> Iterator[tuple[int, str, str]]:
    """The spans of a line with the cell where each starts."""
    cell = 0
    for span in line:
        yield cell, span.text, span.style
        cell += cell_width(span.text)


def _grounds(lines: list[Line]) -> Iterator[str]:
    """The backgrounds of rows: of the bar, the status line, the row with the cursor."""
    grounded = {"bar", "status", "cursor-row"}
    for row, line in enumerate(lines):
        for cell, text, style in _places(line):
            if grounded & set(style.split()):
                yield (f'<rect class="{_class(style)}-g" x="{cell * WIDTH}" y="{row * HEIGHT}" '
                       f'width="{cell_width(text) * WIDTH}" height="{HEIGHT}" fill="#eee"/>')  # fmt: skip


def _drawn(lines: list[Line]) -> Iterator[str]:
    """The box and block characters."""
    straight: dict[tuple[str, bool], list[strokes.Line]] = defaultdict(list)
    round_: dict[str, list[str]] = defaultdict(list)
    areas: dict[tuple[str, float], list[str]] = defaultdict(list)
    for row, line in enumerate(lines):
        for cell, text, style in _places(line):
            for character in text:
                x, y = cell * WIDTH, row * HEIGHT
                cell += cell_width(character)
                ink = strokes.ink(character)
                if ink is None:
                    continue
                for piece in ink.lines:
                    along, aside = (x, y) if piece.across else (y, x)
                    moved = strokes.Line(piece.across, piece.heavy, piece.at + aside, piece.start + along,
                                         piece.stop + along)  # fmt: skip
                    straight[style, piece.heavy].append(moved)
                if ink.arc:
                    round_[style].append(_moved(ink.arc, x, y))
                areas[style, ink.shade] += [
                    f"M{x + left:g} {y + top:g}h{width:g}v{height:g}h{-width:g}z"
                    for left, top, width, height in ink.areas
                ]
    for (style, shade), pieces in areas.items():
        if pieces:
            opacity = f' fill-opacity="{shade:g}"' if shade < 1 else ""
            yield f'<path class="a {_class(style)}"{opacity} d="{"".join(pieces)}"/>'
    for (style, heavy), found in straight.items():
        yield f'<path class="l{" h" * heavy} {_class(style)}" {_LINE} d="{strokes.path(found)}"/>'
    for style, arcs in round_.items():
        yield f'<path class="l {_class(style)}" {_LINE} d="{"".join(arcs)}"/>'


def _moved(arc: str, x: int, y: int) -> str:
    """The path of an arc, in the cell at (x, y)."""
    a, b, c, d, e, f = map(float, re.findall(r"[\d.]+", arc))
    return f"M{a + x:g} {b + y:g}Q{c + x:g} {d + y:g} {e + x:g} {f + y:g}"


def _text(line: Line, row: int) -> str:
    """A line as text: a tspan for each run of one style, a place for each character."""
    spans = list(_places(line))
    while spans and not spans[-1][1].strip():
        spans.pop()
    if not spans:
        return ""
    cell, text, style = spans[-1]
    spans[-1] = cell, text.rstrip(), style
    runs = "".join(run for cell, text, style in spans for run in _runs(cell, text, style))
    return f'<text y="{row * HEIGHT + BASELINE}" xml:space="preserve">{runs}</text>'


def _runs(cell: int, text: str, style: str) -> Iterator[str]:
    """Pieces of a span that are all written or all drawn. A character beyond the basic plane is a piece of its own: to
    some programs it is two."""
    for piece in re.findall(r"[\U00010000-\U0010ffff]|[─-▕⠀-⣿]+|[^─-▕⠀-⣿\U00010000-\U0010ffff]+", text):
        unseen = " u" if strokes.ink(piece[0]) is not None else ""
        places = []
        for character in piece:
            places.append(str(cell * WIDTH))
            cell += cell_width(character)
        yield f'<tspan class="{_class(style)}{unseen}" x="{" ".join(places)}">{escape(piece)}</tspan>'
