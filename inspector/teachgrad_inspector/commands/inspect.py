"""Look at a recording, a script, a training that runs or a demo, moment by moment.

    teachgrad inspect run.tgr
    teachgrad inspect train.py
    teachgrad inspect /tmp/teachgrad-1000/4711.sock
    teachgrad inspect --demo micrograd --at t0/bwd/a.grad --screen chain --print text

Scripts are run and recorded first, one to --compare with, too. `teachgrad run --live` prints the address of a training.
A kernel trace, which `teachgrad cuda step` writes, is stepped through thread by thread. Without a terminal, or with
--print, the screen is printed: as text, or as JSON for programs. Keys: s and S step forward and back, enter opens,
space pauses a training and lets it go on, ? helps, q quits.
"""

from __future__ import annotations

import gc
import os.path
import re
import sys
import tempfile
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..live import Attachment
    from ..session import Session
    from ..views.options import Options
    from .beginning import Beginning

SCREENS = ("tape", "chain", "map", "passes", "memory", "train", "kernels", "doctor", "explain", "compare", "what-if",
           "stops")  # fmt: skip


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "what", metavar="FILE|SCRIPT|ADDRESS", nargs="?",
        help="a recording, a Python file to run and record, or the address of a training that runs",
    )
    parser.add_argument("--demo", metavar="NAME", help="micrograd, mlp, static_mlp or layered:N instead")
    parser.add_argument("--at", metavar="MOMENT", help="where to start: t0/bwd/41, W1.grad, last, ...")
    parser.add_argument("--screen", choices=SCREENS, help="what to show (default: tape)")
    ways = parser.add_mutually_exclusive_group()
    ways.add_argument("--print", choices=("text", "json", "svg", "html", "dot", "png"), dest="output",
                      help="print the screen and end")  # fmt: skip
    ways.add_argument("--plain", action="store_true", help="a conversation, line by line: commands in, sentences out")
    ways.add_argument("--serve", action="store_true", help="in a browser, for this machine alone; prints the address")
    parser.add_argument("--output", "-o", metavar="FILE", dest="file", help="into a file, such as tape.svg, tape.html "
                        "or tape.png; with --print dot also graph.svg, .png or .pdf, drawn by Graphviz")  # fmt: skip
    parser.add_argument("--size", metavar="COLSxROWS", type=_size, default=(100, 30), help="size of what is printed")
    parser.add_argument("--ascii", action="store_true", help="draw with ASCII characters only")
    parser.add_argument("--theme", choices=("dark", "light", "high-contrast", "ansi"),
                        help="colours; ansi: the terminal's own (default: TEACHGRAD_THEME, else dark)")  # fmt: skip
    parser.add_argument("--keys", action="store_true", help="print the keys, and where your own go, and end")
    parser.add_argument("--predict", action="store_true", help="hide results until they are predicted")
    parser.add_argument("--score", metavar="FILE", help="where answers are kept (default: named after the recording)")
    parser.add_argument("--tour", metavar="TOUR.tgl", nargs="?", const="", help="play a tour; of a demo, its own")
    parser.add_argument("--inside", metavar="MODULE", default="", help="the module that the Map screen is inside of")
    parser.add_argument("--slice", choices=("ancestors", "descendants", "both"), dest="ways",
                        help="show only what the value comes from, what comes of it, or both")  # fmt: skip
    parser.add_argument("--filter", metavar="QUERY", help="show only rows that match, such as op:exp, module:fc1, "
                        "shape:(32,*), line:net.py:14")  # fmt: skip
    parser.add_argument("--watch", metavar="CONDITION", action="append", default=[],
                        help="watch a condition, such as 'norm(W1.grad) > 10'; may be given several times")  # fmt: skip
    parser.add_argument("--doctor", action="store_true", help="say what goes wrong in a training; then status 1")
    parser.add_argument("--what-if", metavar="NAME=VALUE", dest="what_if",
                        help="change a number and see what becomes of the loss: a=2.01, W1[0,3]=0.5")  # fmt: skip
    parser.add_argument("--compare", metavar="OTHER", help="another recording or script, or a training step such as "
                        "t3; printed, the status is 1 if they differ")  # fmt: skip
    parser.add_argument("--port", metavar="N", type=_port, help="the port for --serve (default: 8000, or a free one)")
    parser.add_argument("--title", metavar="NAME", help="what to call the recording")
    parser.add_argument("--follow", action="store_true", help="wait for a recording that is being written, and go with "
                        "its end")  # fmt: skip
    parser.add_argument("--check", action="store_true", help="compare with finite differences on the Chain screen")


def main(args: Namespace) -> int:
    from teachgrad.errors import TeachgradError
    from teachgrad.recording.kernel_trace import is_trace

    from ..live import Attachment, is_address, wait_for_rows

    if args.keys:
        return _keys()
    if (args.what is None) == (args.demo is None):
        print("teachgrad inspect: name a recording or a script, or a demo with --demo", file=sys.stderr)
        return 2
    # Reading makes many small objects that stay: looking through them again and again for garbage doubles the time.
    gc.set_threshold(100_000, 50, 100)
    with tempfile.TemporaryDirectory(prefix="teachgrad-") as folder, ExitStack() as opened:
        try:
            live = None
            if args.what is not None and is_trace(args.what):
                from .threads import show_trace

                return show_trace(args)
            if args.what is not None and is_address(args.what):
                live = opened.enter_context(Attachment(args.what))
                path, title = live.recording, live.title
            else:
                path, title = _recording(args, Path(folder) / "run.tgr")
            if args.compare is not None:
                args.compare = _compared(args.compare, Path(folder))
            if live is not None or args.follow:
                wait_for_rows(path, live)
            return _show(args, path, args.title or title, live)
        except TeachgradError as error:
            print(f"teachgrad inspect: {error}", file=sys.stderr)
            return 2


def _keys() -> int:
    """The table of keys, with the user's own; status 2 if these cannot be used."""
    from teachgrad.errors import TeachgradError

    from ..keys import load_keymap, table

    try:
        print("\n".join(table(load_keymap())))
    except TeachgradError as error:
        print(f"teachgrad inspect: {error}", file=sys.stderr)
        return 2
    return 0


def _recording(args: Namespace, temporary: Path) -> tuple[Path, str]:
    """The recording to show and what to call it; made now, if a demo or a script was named."""
    from ..demos import write_demo

    if args.demo is not None:
        write_demo(args.demo, temporary)
        return temporary, args.demo
    if not args.what.endswith(".py"):
        return Path(args.what), os.path.basename(args.what)
    _record(args.what, temporary)
    return temporary, os.path.basename(args.what)


def _compared(text: str, folder: Path) -> str:
    """What to compare with; a script is recorded into a folder now, and the recording named instead."""
    script = re.fullmatch(r"\s*(?P<file>.+\.py)(?P<step> t\d+)?\s*", text)
    if script is None:
        return text
    other = folder / f"{os.path.basename(script['file'])}.tgr"
    _record(script["file"], other)
    return f"{other}{script['step'] or ''}"


def _record(script: str, path: Path) -> None:
    """Run a script and record what it does."""
    from teachgrad.recording import Recorder, RecordingError
    from teachgrad.recording.command import run_script

    if not os.path.isfile(script):
        raise RecordingError(f"there is no file {script}")
    with Recorder(path, level="values"):
        status = run_script(script, [])
    if status:
        print(f"{script} ended with status {status}; this is what it did until then", file=sys.stderr)


def _show(args: Namespace, path: Path, title: str, live: Attachment | None) -> int:
    """Print, tell, serve or show a recording."""
    from teachgrad.recording import Reader

    from ..live import words
    from ..session import Session
    from .beginning import beginning
    from .printing import wanted_format

    with Reader(path) as run, ExitStack() as opened:
        session = Session(run, title)
        if live is not None:
            session.live, session.grows = words(live.state, run), not live.state.ended
        kind = None if args.plain or args.serve else wanted_format(args)
        begun = beginning(args, session, opened, kind is not None)
        if args.doctor:
            return _doctor(args, session, begun.options)
        if kind is not None:
            return _print(args, session, begun, kind)
        if begun.address is not None:
            begun.moment(session)  # an address that leads nowhere is told before the screen is taken
        if args.serve:
            from ..serving.keeper import serve

            if live is not None:  # each page attaches by itself
                live.close()
                path = Path(args.what)
            return serve(args, path, session.title)
        return (_converse if args.plain else _open)(args, session, begun, opened, live)


def _converse(args: Namespace, session: Session, begun: Beginning, opened: ExitStack, live: Attachment | None) -> int:
    """The conversation, line by line."""
    from ..glyphs import choose
    from ..keys import load_keymap
    from ..plain.console import Console, converse

    console = Console(session, begun.address, begun.screen, begun.options, choose(args.ascii), args.size,
                      load_keymap(), opened, live)  # fmt: skip
    console.keep_in(args.score, args.tour)
    return converse(console)


def _open(args: Namespace, session: Session, begun: Beginning, opened: ExitStack, live: Attachment | None) -> int:
    """The application."""
    from ..app.application import Inspector
    from ..app.themes import chosen
    from ..glyphs import choose
    from ..keys import load_keymap

    inspector = Inspector(session, begun.address, begun.screen, begun.options, choose(args.ascii), load_keymap(), live,
                          args.follow, chosen(args.theme))  # fmt: skip
    inspector.keep_in(args.score, args.tour)
    inspector.run()
    inspector.keep_the_rest()
    return inspector.return_code or 0


def _print(args: Namespace, session: Session, begun: Beginning, kind: str) -> int:
    """The screen in the format that was asked for; warnings go to stderr."""
    from ..glyphs import choose
    from ..views.compare import differs
    from .printing import rendered, write

    moment = begun.moment(session)
    if session.trouble:
        print(f"teachgrad inspect: {session.trouble}", file=sys.stderr)
    answer = rendered(session, moment, begun.screen, begun.options, args.size, choose(args.ascii), kind, args.file)
    write(answer, args.file)
    return 1 if begun.screen == "compare" and differs(session, moment, begun.options) else 0


def _doctor(args: Namespace, session: Session, options: Options) -> int:
    """The doctor's report as text or JSON; status 1 if something was found."""
    import json

    from teachgrad.errors import TeachgradError

    from ..render.doctor import report_lines
    from ..views.doctor import view_doctor
    from ..views.plain import plain
    from .printing import format_of, write

    if args.predict:
        raise TeachgradError("--doctor tells what is to be predicted; leave out --predict")
    if session.trouble:
        print(f"teachgrad inspect: {session.trouble}", file=sys.stderr)
    kind = args.output or (format_of(args.file) if args.file is not None else "text")
    if kind not in ("text", "json"):
        raise TeachgradError(f"--doctor reports as text or json; --screen doctor can be drawn as {kind}")
    view = view_doctor(session, options)
    text = json.dumps(plain(view), indent=2) if kind == "json" else "\n".join(report_lines(view))
    write(text + "\n", args.file)
    return 1 if view.findings else 0


def _port(text: str) -> int:
    if not (text.isdecimal() and 0 < int(text) < 65536):
        raise ArgumentTypeError(f"{text!r} is not a port, from 1 to 65535")
    return int(text)


def _size(text: str) -> tuple[int, int]:
    columns, _, rows = text.lower().partition("x")
    if not (columns.isdecimal() and rows.isdecimal() and 0 < int(columns) <= 1000 and 0 < int(rows) <= 1000):
        raise ArgumentTypeError(f"{text!r} is not a size such as 100x30")
    return int(columns), int(rows)
