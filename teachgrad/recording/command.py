"""Run a script and record what it computes.

    teachgrad run --record run.tgr train.py --epochs 3
    teachgrad inspect run.tgr

The script runs as it would under `python`, with its own arguments and its own exit status. However it ends,
the recording is closed; if the process is killed, what was recorded until then can be read.
"""

from __future__ import annotations

import os
import runpy
import sys
import traceback
from argparse import REMAINDER, ArgumentParser, Namespace

from .schema import LEVELS


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--record", metavar="FILE", required=True, help="where to record to")
    parser.add_argument(
        "--level",
        choices=LEVELS,
        default="values",
        help="how much of each array to keep: its shape, its statistics, its elements (default: values)",
    )
    parser.add_argument("script", metavar="SCRIPT", help="the Python file to run")
    parser.add_argument("arguments", metavar="ARGS", nargs=REMAINDER, help="arguments for the script")


def main(args: Namespace) -> int:
    from .recorder import Recorder

    if not os.path.isfile(args.script):
        print(f"teachgrad run: there is no file {args.script}", file=sys.stderr)
        return 2
    try:
        with Recorder(args.record, level=args.level):
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
