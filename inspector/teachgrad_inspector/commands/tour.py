"""Check a tour through a recording, or export it as a page or a notebook.

    teachgrad tour lesson.tgl --recording run.tgr
    teachgrad tour lesson.tgl --recording run.tgr --export html --out lesson.html
    teachgrad tour --demo micrograd --export notebook

A tour is a text file: stops with the moment, the screen, words and questions (its format is in the documentation). In
the inspector, `teachgrad inspect run.tgr --tour lesson.tgl` plays it, and + adds the present moment to it. Without
--export the stops are listed, and the status is 2 if one of them leads nowhere or asks for what the recording cannot
answer.
"""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from .recordings import add_arguments as add_recording
from .recordings import carry_out, opened

if TYPE_CHECKING:
    from ..learning.tours import Tour
    from ..session import Session


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("tour", metavar="TOUR.tgl", nargs="?", default="", help="the tour; of a demo, its own")
    add_recording(parser, "it leads through")
    parser.add_argument("--export", choices=("html", "notebook"), help="write it as a page or as a notebook")
    parser.add_argument("--out", metavar="FILE", type=Path, help="where to (default: beside, named after the tour)")


def main(args: Namespace) -> int:
    return carry_out("tour", args, _done)


def _done(args: Namespace) -> int:
    import shlex

    from ..learning.tours import TourError, load
    from ..paper.tour import as_html, as_notebook

    tour = load(args.tour, args.demo)
    with opened(args) as session:
        if args.export is None:
            _list(session, tour)
            return 0
        source = f"--demo {shlex.quote(args.demo)}" if args.demo is not None else shlex.quote(str(args.recording))
        text = as_html(session, tour) if args.export == "html" else as_notebook(session, tour, source)
    stem = Path(args.tour).with_suffix("") if args.tour else Path(args.demo)
    out = args.out or stem.with_suffix(".html" if args.export == "html" else ".ipynb")
    try:
        out.write_text(text, encoding="utf-8")
    except OSError as error:
        raise TourError(f"{out} cannot be written: {error.strerror}") from None
    print(out)
    return 0


def _list(session: Session, tour: Tour) -> None:
    """The stops, with what they ask; and what they give away, to stderr."""
    from teachgrad.errors import counted

    from ..learning.tours import given_away, questions_at
    from ..stops import resolve

    count = len(tour.stops)
    print(f"{tour.title}: {counted(count, 'stop')}")
    for at, stop in enumerate(tour.stops, 1):
        kinds = ", ".join(question.kind for question in questions_at(session, stop))
        place = str(resolve(session, stop.at))
        print(f"{at:>3}  {place:<14}{stop.screen:<9}{stop.title}{f'   ({kinds})' if kinds else ''}")
    for asks, shows in given_away(session, tour):
        print(f"stop {asks + 1} asks for what stop {shows + 1} has shown", file=sys.stderr)
