"""Run a script and record what it computes.

    teachgrad run --record run.tgr train.py --epochs 3
    teachgrad inspect run.tgr
    teachgrad run --live train.py

The script runs as it would under `python`, with its own arguments and its own exit status. However it ends,
the recording is closed; if the process is killed, what was recorded until then can be read. With --live, an address
is printed: `teachgrad inspect ADDRESS` shows the run while it goes on, pauses it and steps it.
"""

from __future__ import annotations

import os
import runpy
import sys
import tempfile
import traceback
from argparse import REMAINDER, ArgumentParser, Namespace
from contextlib import ExitStack

from .schema import LEVELS


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--record", metavar="FILE", help="where to record to")
    parser.add_argument("--live", action="store_true",
                        help="print an address that `teachgrad inspect` can attach to while the script runs; without "
                        "--record the recording goes away with the run")  # fmt: skip
    parser.add_argument("--wait", action="store_true", help="with --live: wait at the first op for a viewer")
    parser.add_argument("--tcp", action="store_true",
                        help="with --live: listen on a port of this machine instead of a Unix socket")  # fmt: skip
    parser.add_argument("--on-signal", action="store_true",
                        help="with --live: record nothing and open nothing until the process gets SIGUSR1")  # fmt: skip
    parser.add_argument(
        "--level",
        choices=LEVELS,
        help="how much of each array to keep: its shape (meta), its statistics too (stats), its elements (values), or "
        "those that cannot be computed again from the others (replay) (default: values; with --live and without "
        "--record, values while somebody is attached, else stats)",
    )
    parser.add_argument("script", metavar="SCRIPT", help="the Python file to run")
    parser.add_argument("arguments", metavar="ARGS", nargs=REMAINDER, help="arguments for the script")


def main(args: Namespace) -> int:
    from .recorder import Recorder

    if not os.path.isfile(args.script):
        print(f"teachgrad run: there is no file {args.script}", file=sys.stderr)
        return 2
    words = [word for word, wanted in (("tcp", args.tcp), ("wait", args.wait), ("signal", args.on_signal)) if wanted]
    if not args.live and (words or args.record is None):
        wanted = "--tcp, --wait and --on-signal go with --live" if words else "name a file with --record, or use --live"
        print(f"teachgrad run: {wanted}", file=sys.stderr)
        return 2
    if args.record is None and args.level is None:
        words.append("spare")
    live = (" ".join(words) or True) if args.live else False
    try:
        with ExitStack() as kept:
            if args.record is None:
                folder = tempfile.TemporaryDirectory(prefix="teachgrad-", ignore_cleanup_errors=True)
                args.record = os.path.join(kept.enter_context(folder), "run.tgr")
            kept.enter_context(Recorder(args.record, args.level or "values", live))
            return run_script(args.script, args.arguments)
    except KeyboardInterrupt:  # while the recording was being closed
        return 130


def run_script(script: str, arguments: list[str]) -> int:
    """Run a file as `python SCRIPT ARGUMENTS` would, and return its exit status; an error prints its
    traceback."""
    argv, path = sys.argv[:], sys.path[:]
    sys.argv = [script, *arguments]
    sys.path[0] = os.path.dirname(os.path.abspath(script))
    try:
        runpy.run_path(script, run_name="__main__")
    except SystemExit as end:
        return _status(end.code)
    except KeyboardInterrupt:
        return 130
    except BaseException as error:
        shown = traceback.TracebackException.from_exception(error)
        # The frames of this file and of runpy come first and are none of the user's business.
        while shown.stack and shown.stack[0].filename in (__file__, "<frozen runpy>", runpy.__file__):
            del shown.stack[0]
        sys.stderr.write("".join(shown.format()))
        return 1
    finally:
        sys.argv, sys.path[:] = argv, path
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
    return 0


def _status(code: object) -> int:
    """The exit status for the argument of `sys.exit`."""
    if code is None:
        return 0
    if isinstance(code, int):
        return code & 0xFF
    print(code, file=sys.stderr)
    return 1
