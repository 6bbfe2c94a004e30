"""Seeing a graph: as text, as DOT, as SVG, as one page of HTML, at any moment of its compilation.

A thing to show is a tensor that was computed (its history), an expression, a list of these, a `Graph`, a static
function that has run, a `tg.function`, or one moment of theirs.
"""

from __future__ import annotations

import sys
from os import PathLike
from pathlib import Path
from typing import Any, TextIO

from ..displays import Displayed, publish
from .dotfile import dot as as_dot
from .model import Picture, moments_of, picture_of
from .notebook import graph
from .page import page as as_page
from .svg import svg as as_svg
from .text import text as as_text

Target = str | PathLike[str] | None


def show(thing: Any, order: bool = False, *, moment: str | int = -1, file: TextIO | None = None) -> None:
    """Print a graph as text; in a notebook, draw it. Of a recording, show its first and its last moment.

    As a tree, from the results back: `·` continues on the next line, `├` branches off below, `#3` is a value with more
    than one reader and has a paragraph of its own. With `order`, as numbered steps, where `@320` is the place in the
    arena and `over %2` says which value is overwritten. What repeats is shown once, with its count.

    >>> a, b = tg.tensor(2.0, requires_grad=True, name="a"), tg.tensor(-3.0, requires_grad=True, name="b")
    >>> tg.show(a * b + a)
    add(a: float32[], b: float32[])
    return add(·, a): float32[]   ...
      multiply(a, b): float32[]   ...

    Args:
        thing: what to show; see the module.
        order: numbered steps instead of a tree; these are text in a notebook, too.
        moment: of a compiled function, the name of a pass, "recorded", or a number; the last by default.
        file: where to print; standard output by default.
    """
    if isinstance(thing, Displayed) and thing.displayed_as == "recording":
        texts = thing._repr_mimebundle_() or {"text/plain": repr(thing)}
        if file is not None or not publish(texts):
            print(texts["text/plain"], file=file or sys.stdout)
        return
    picture = picture_of(thing, moment)
    if file is None and not order and publish({**graph(picture), "text/plain": as_text(picture)}):
        return
    print(as_text(picture, order), file=file or sys.stdout)


def dot(thing: Any, path: Target = None, *, moment: str | int = -1) -> str:
    """A graph in the DOT language, written to `path` if there is one. Settings as for `show`."""
    return written(as_dot(picture_of(thing, moment)), path)


def draw(thing: Any, path: Target = None, *, moment: str | int = -1) -> str:
    """A graph as SVG, laid out here, written to `path` if there is one. Settings as for `show`."""
    return written(as_svg(picture_of(thing, moment)), path)


def html(thing: Any, path: Target = None) -> str:
    """One page of HTML, complete in itself, written to `path` if there is one.

    It has the drawing of every moment of compilation, and shows of each vertex the op's card, the user's line, the
    memory, the rewrites that made it and, where values are there, what they are like.
    """
    return written(as_page(thing), path)


def written(answer: str, path: Target) -> str:
    """What was made, after it was put into a file."""
    if path is not None:
        Path(path).write_text(answer, encoding="utf-8")
    return answer


__all__ = ["Picture", "dot", "draw", "html", "moments_of", "picture_of", "show"]
