"""A drawing as SVG: one file, without scripts, fonts or anything else from outside, legible on light and dark paper.

Vertices carry `data-key`, lines `data-value`, so that a page around the picture can find them.
"""

from __future__ import annotations

from collections.abc import Iterator
from html import escape as escaped

from .layout import LINE, Box, Drawing, Frame, Wire, lay_out
from .model import INPUT, Picture

STYLE = """
.paper{fill:#fff}
text{font:12px ui-monospace,"DejaVu Sans Mono",Menlo,Consolas,monospace;fill:#1b1f24;text-anchor:middle}
.small,.shape,.module{font-size:10px;fill:#57606a}
.shape{text-anchor:start;paint-order:stroke;stroke:#fff;stroke-width:3px}
.module{text-anchor:start;font-weight:600}
.box{stroke:#57606a;stroke-width:1;fill:#eef4ff}
.backward .box{fill:#fff0e6;stroke:#9a6700}.update .box{fill:#e9f7ec;stroke:#1a7f37}.input .box{fill:#fff}
.frame{fill:#818b98;fill-opacity:.07;stroke:#818b98;stroke-dasharray:4 3}
.wire{fill:none;stroke:#6e7781;stroke-width:1.2}
.tip{fill:#6e7781;stroke:none}
"""
DARK = """
.paper{fill:#0d1117}
text{fill:#e6edf3}.small,.shape,.module{fill:#9198a1}.shape{stroke:#0d1117}
.box{stroke:#9198a1;fill:#16243c}.backward .box{fill:#37240f;stroke:#d29922}
.update .box{fill:#12301b;stroke:#3fb950}.input .box{fill:#0d1117}
.wire{stroke:#9198a1}.tip{fill:#9198a1}
"""


def svg(picture: Picture) -> str:
    """The picture as the text of an SVG file."""
    return as_svg(lay_out(picture))


def as_svg(drawing: Drawing, style: str | None = None, attributes: str = "") -> str:
    """A drawing as SVG. A page with a style of its own passes `style=""`."""
    width, height = number(drawing.width), number(drawing.height)
    if style is None:
        style = f"<style>{STYLE}@media (prefers-color-scheme:dark){{{DARK}}}</style>"
    name = escape(drawing.picture.name)
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
             f'viewBox="0 0 {width} {height}" role="img" aria-label="graph of {name}"{attributes}>',
             f"<title>{name}</title>{style}" f'<rect class="paper" width="{width}" height="{height}"/>']
    parts += [frame(f) for f in drawing.frames]
    parts += [line for wire in drawing.wires.values() for line in lines(wire)]
    labelled = {value: wire for value, wire in drawing.wires.items() if wire.curves}
    for box in drawing.boxes:
        parts.append(vertex(box))
        if box.node.key in labelled:
            parts.append(f'<text class="shape" x="{number(box.x + 5)}" y="{number(box.y + box.height + 12)}">'
                         f"{escape(box.node.shape)}</text>")
    return "\n".join([*parts, "</svg>", ""])


def frame(f: Frame) -> str:
    """The frame of a module."""
    return (f'<g><title>{escape(f.path)}</title><rect class="frame" x="{number(f.x)}" y="{number(f.y)}" '
            f'width="{number(f.width)}" height="{number(f.height)}" rx="8"/>'
            f'<text class="module" x="{number(f.x + 8)}" y="{number(f.y + 14)}">{escape(f.name)}</text></g>')


def lines(wire: Wire) -> Iterator[str]:
    """The line of a value with all its branches, and its arrow heads."""
    path = []
    for x, y, start, stop, to, end in wire.curves:
        middle = (start + stop) / 2
        path.append(f"M{number(x)} {number(y)}" + (f"V{number(start)}" if start != y else "")
                    + (f"V{number(stop)}" if abs(x - to) < 0.05 else
                       f"C{number(x)} {number(middle)} {number(to)} {number(middle)} {number(to)} {number(stop)}")
                    + (f"V{number(end)}" if end != stop else ""))
    yield f'<path class="wire" data-value="{wire.value}" d="{"".join(path)}"/>'
    if wire.tips:
        tips = "".join(f"M{number(x - 3.5)} {number(y - 7)}h7l-3.5 7z" for x, y, _ in wire.tips)
        yield f'<path class="tip" data-value="{wire.value}" d="{tips}"/>'
        yield from (f'<text class="shape" x="{number(x + 4)}" y="{number(y - 2)}">{mark}</text>'
                    for x, y, mark in wire.tips if mark)


def vertex(box: Box) -> str:
    """The box of a value with its text."""
    node = box.node
    kind = node.kind if node.kind == INPUT else node.phase
    hint = escape("\n".join(part for part in (node.name, node.spec, node.settings, node.scope, node.where) if part))
    parts = [f'<g class="vertex {kind}" data-key="{node.key}"><title>{hint}</title>',
             f'<rect class="box" x="{number(box.x - box.width / 2)}" y="{number(box.y)}" width="{number(box.width)}" '
             f'height="{number(box.height)}" rx="{12 if node.kind == INPUT else 4}"/>']
    for row, text in enumerate(box.lines):
        small = ' class="small"' if row else ""
        parts.append(f'<text{small} x="{number(box.x)}" y="{number(box.y + 16 + LINE * row)}">{escape(text)}</text>')
    return "".join([*parts, "</g>"])


def escape(text: str) -> str:
    """Text as it may stand in XML, which has no place for control characters."""
    return escaped("".join(c if c in "\n\t" or c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text))


def number(value: float) -> str:
    """A coordinate, to a tenth of a pixel."""
    return f"{value:.1f}".removesuffix(".0")
