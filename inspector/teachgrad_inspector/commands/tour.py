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
import tempfile
from argparse import ArgumentParser, Namespace
from pathlib import Path


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("tour", metavar="TOUR.tgl", nargs="?", default="", help="the tour; of a demo, its own")
    parser.add_argument("--recording", metavar="RUN.tgr", type=Path, help="the recording that it leads through")
    parser.add_argument("--demo", metavar="NAME", help="or the demo that it leads through")
    parser.add_argument("--export", choices=("html", "notebook"), help="write it as a page or as a notebook")
    parser.add_argument("--out", metavar="FILE", type=Path, help="where to (default: beside, named after the tour)")


def main(args: Namespace) -> int:
    from teachgrad.errors import TeachgradError

    if (args.recording is None) == (args.demo is None):
        print("teachgrad tour: name the recording with --recording, or a demo with --demo", file=sys.stderr)
        return 2
    try:
        return _done(args)
    except TeachgradError as error:
        print(f"teachgrad tour: {error}", file=sys.stderr)
        return 2


def _done(args: Namespace) -> int:
    import shlex

    from teachgrad.recording import Reader

    from ..demos import write_demo
    from ..learning.tours import TourError, given_away, load, questions_at
    from ..paper.tour import as_html, as_notebook
    from ..session import Session
    from ..stops import resolve

    tour = load(args.tour, args.demo)
    with tempfile.TemporaryDirectory(prefix="teachgrad-") as folder:
        path = args.recording
        if path is None:
            path = Path(folder) / "run.tgr"
            write_demo(args.demo, path)
        with Reader(path) as run:
            session = Session(run, args.demo or path.name)
            if args.export is None:
                count = len(tour.stops)
                print(f"{tour.title}: {count} {'stop' if count == 1 else 'stops'}")
                for at, stop in enumerate(tour.stops, 1):
                    kinds = ", ".join(question.kind for question in questions_at(session, stop))
                    place = str(resolve(session, stop.at))
                    print(f"{at:>3}  {place:<14}{stop.screen:<9}{stop.title}{f'   ({kinds})' if kinds else ''}")
                for asks, shows in given_away(session, tour):
                    print(f"stop {asks + 1} asks for what stop {shows + 1} has shown", file=sys.stderr)
                return 0
            source = f"--demo {shlex.quote(args.demo)}" if args.demo is not None else shlex.quote(str(path))
            text = as_html(session, tour) if args.export == "html" else as_notebook(session, tour, source)
    stem = Path(args.tour).with_suffix("") if args.tour else Path(args.demo)
    out = args.out or stem.with_suffix(".html" if args.export == "html" else ".ipynb")
    try:
        out.write_text(text, encoding="utf-8")
    except OSError as error:
        raise TourError(f"{out} cannot be written: {error.strerror}") from None
    print(out)
    return 0
