"""Showing a kernel trace: printed, or in the application."""

from __future__ import annotations

from argparse import Namespace

from teachgrad.errors import TeachgradError
from teachgrad.recording.kernel_trace import read_trace

from ..canvas import Canvas
from ..glyphs import choose
from ..keys import load_keymap
from ..render.threads import draw_threads
from ..stepping.keys import footer
from ..stepping.moves import Steps
from ..views.plain import to_json
from ..views.threads import ThreadsView, view_threads
from .printing import wanted_format, write

FORMATS = ("text", "json", "svg")
OTHERS = {"plain": "plain", "serve": "serve", "doctor": "doctor", "predict": "predict", "check": "check",
          "follow": "follow", "tour": "tour", "what_if": "what-if", "compare": "compare", "inside": "inside",
          "ways": "slice", "filter": "filter", "watch": "watch", "score": "score",
          "screen": "screen"}  # fmt: skip
"""Options of `teachgrad inspect` that are about recordings of a training, by where they are kept."""


def show_trace(args: Namespace) -> int:
    """The trace that `teachgrad inspect` was given."""
    given = ((option, getattr(args, name)) for name, option in OTHERS.items())
    option = next((option for option, value in given if value or (option == "tour" and value is not None)), None)
    if option is not None:
        raise TeachgradError(f"--{option} is for recordings of a training; {args.what} is a kernel trace")
    steps = Steps(read_trace(args.what))
    place = steps.resolve(args.at) if args.at else steps.resolve("0")
    kind = wanted_format(args)
    if kind is None:
        from ..app.stepper import Stepper
        from ..app.themes import chosen

        app = Stepper(steps, place, choose(args.ascii), load_keymap(), chosen(args.theme))
        app.run()
        return app.return_code or 0
    if kind not in FORMATS:
        raise TeachgradError(f"a kernel trace is printed as {', '.join(FORMATS)}; not as {kind}")
    view = view_threads(steps.trace, steps.walk(place), place)
    write(printed(view, kind, args.size, args.ascii), args.file)
    return 0


def printed(view: ThreadsView, kind: str, size: tuple[int, int], ascii_only: bool) -> str:
    """The screen as text, JSON or SVG."""
    if kind == "json":
        return to_json(view) + "\n"
    canvas = Canvas(*size, choose(ascii_only))
    draw_threads(canvas, view, footer({}))
    if kind == "text":
        return "\n".join(canvas.text()) + "\n"
    from ..paper.svg import svg

    return svg(canvas, f"{view.kernel}, block {view.block}, step {view.step}", view.sentence)
