"""Pictures of pixels, and graphs laid out: what other programs make of our SVG and DOT.

PNG is rendered by `resvg`, DOT by Graphviz: the program `dot` where there is one, else the copy of Graphviz that comes
with `pygraphviz`. Both wheels are in the extra `images`; without them an error says so.
"""

from __future__ import annotations

import shutil
from functools import cache

from teachgrad.errors import TeachgradError
from teachgrad.extras import how_to_install

ZOOM = 2
"""Pixels of a picture for each of the SVG, so that text is sharp."""
LAID_OUT = 10_000
"""Graphviz is asked for graphs of so many nodes and edges at most: its time grows with the cube."""
RENDERED = ("svg", "png", "pdf")
"""What graphs can be rendered as."""


FAMILIES = ("DejaVu Sans Mono", "Menlo", "Consolas", "Cascadia Mono", "Liberation Mono", "Noto Sans Mono",
            "Ubuntu Mono", "SF Mono", "Andale Mono", "Courier New", "FreeMono")  # fmt: skip
"""Monospace fonts that machines have, in the order in which they are looked for."""


def png(svg: str) -> bytes:
    """An SVG as PNG. Raises `TeachgradError` where there is nothing to render it with, or no font to write with."""
    try:
        from resvg_py import svg_to_bytes
    except ImportError:
        raise TeachgradError(f"PNG needs resvg: `{how_to_install('resvg_py')}` brings it; svg and html need "
                             "nothing") from None  # fmt: skip
    family = _font()
    if family is None:
        raise TeachgradError("this machine has no monospace font to write a PNG with; install one (apt-get install "
                             "fonts-dejavu-core), or take svg")  # fmt: skip
    return bytes(svg_to_bytes(svg_string=svg, zoom=ZOOM, monospace_family=family))


@cache
def _font() -> str | None:
    """The first of the known fonts that leaves a mark: text in a font that is not there would be missing unsaid."""
    from resvg_py import svg_to_bytes

    def rendered(inside: str) -> bytes:
        frame = f'<svg xmlns="http://www.w3.org/2000/svg" width="20" height="20">{inside}</svg>'
        return bytes(svg_to_bytes(svg_string=frame))

    empty = rendered("")
    letter = '<text y="15" font-size="15" font-family="{}">M</text>'
    return next((family for family in FAMILIES if rendered(letter.format(family)) != empty), None)


def laid_out(dot: str, kind: str) -> bytes:
    """A graph in the DOT language, rendered by Graphviz as svg, png or pdf. Raises `TeachgradError` if it cannot be."""
    parts = dot.count(";\n")
    if parts > LAID_OUT:
        raise TeachgradError(f"Graphviz would take very long for {parts} nodes and edges; draw a part with --inside "
                             "MODULE, or write the DOT text")  # fmt: skip
    if shutil.which("dot") is None:
        return _by_wheel(dot, kind)
    from graphviz import CalledProcessError, Source

    try:
        return bytes(Source(dot).pipe(format=kind, quiet=True))
    except CalledProcessError as error:
        reason = (error.stderr or b"").decode(errors="replace").strip()
        raise TeachgradError(f"Graphviz cannot draw this graph: {reason}") from None


def _by_wheel(dot: str, kind: str) -> bytes:
    try:
        from pygraphviz import AGraph
    except ImportError:
        raise TeachgradError(f"drawing a graph as {kind} needs Graphviz: install it (apt-get install graphviz, brew "
                             f"install graphviz), or `{how_to_install('pygraphviz')}`; the DOT text needs "
                             "nothing") from None  # fmt: skip
    graph = AGraph(string=dot)
    graph.layout("dot")
    return bytes(graph.draw(format=kind))
