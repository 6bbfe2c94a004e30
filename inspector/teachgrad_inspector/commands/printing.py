"""A screen printed: as text, JSON, SVG, HTML, DOT or PNG, to standard output or into a file."""

from __future__ import annotations

import json
import os
import sys
from argparse import Namespace
from pathlib import Path

from teachgrad.errors import TeachgradError
from teachgrad.recording import Moment

from ..glyphs import Glyphs
from ..keys import footer
from ..learning.past import is_shut, seen
from ..screens import CLOSED, SCREENS, document, frame
from ..session import Session
from ..views.options import Options

FORMATS = ("text", "json", "svg", "html", "dot", "png")
_ENDINGS = {".txt": "text", ".gv": "dot", ".htm": "html"}
AROUND = 6
"""A page of HTML has so many steps before and after the moment."""


def format_of(file: str) -> str:
    """The format that the name of a file asks for. Raises `TeachgradError` if it asks for none."""
    ending = Path(file).suffix.lower()
    found = _ENDINGS.get(ending, ending.removeprefix("."))
    if found not in FORMATS:
        raise TeachgradError(f"{file} does not say what to write; end it in .{', .'.join(FORMATS)}, or give --print")
    return found


def wanted_format(args: Namespace) -> str | None:
    """The format to print in: the one that is asked for, or text where there is no terminal. None is for showing."""
    if args.output is not None or args.file is not None:
        return args.output or format_of(args.file)
    # In a page, textual-serve says what to draw on.
    terminal = "TEXTUAL_DRIVER" in os.environ or (sys.stdin.isatty() and sys.stderr.isatty())
    return None if terminal else "text"


def rendered(session: Session, moment: Moment, screen: str, options: Options, size: tuple[int, int], glyphs: Glyphs,
             kind: str, file: str | None) -> str | bytes:  # fmt: skip
    """A screen at a moment in one of `FORMATS`. DOT for a file that ends in svg, png or pdf is rendered as that."""
    title = f"{SCREENS[screen].title} of {session.title}"
    if kind == "json":
        return json.dumps(document(session, moment, screen, options, size[1]), indent=2) + "\n"
    if kind == "dot":
        from ..paper.graph import graph_of
        from ..paper.images import RENDERED, laid_out

        if is_shut(screen, moment, options):
            raise TeachgradError(CLOSED)
        text = graph_of(seen(session, moment, options), moment, screen, options)
        ending = Path(file or "").suffix.lower().removeprefix(".")
        return laid_out(text, ending) if ending in RENDERED else text
    if kind == "text":
        canvas = frame(session, moment, screen, options, *size, glyphs, footer(SCREENS[screen].actions))
        return "\n".join(canvas.text()) + "\n"
    from ..paper.film import film, shot
    from ..paper.page import page
    from ..paper.svg import svg

    if kind == "html":
        shots, at = film(session, moment, screen, options, size, glyphs, AROUND)
        return page(shots, at, title)
    one = shot(session, moment, screen, options, size, glyphs)
    heading = f"{title} at {one.address}"
    if kind == "svg":
        return svg(one.canvas, heading, one.sentence)
    from ..paper.images import png

    return png(svg(one.canvas, heading, one.sentence, "light"))


def write(answer: str | bytes, file: str | None) -> None:
    """Put what was printed where it belongs."""
    if file is not None:
        try:
            Path(file).write_bytes(answer.encode() if isinstance(answer, str) else answer)
        except OSError as error:
            raise TeachgradError(f"{file} cannot be written: {error.strerror}") from None
    elif isinstance(answer, str):
        sys.stdout.write(answer)
    elif sys.stdout.isatty():
        raise TeachgradError("a picture would only fill the terminal with signs; add --output FILE.png")
    else:
        sys.stdout.buffer.write(answer)
