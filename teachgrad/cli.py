"""The `teachgrad` command: find the subcommand that is asked for, import that one alone, run it.

A subcommand is a module. Its docstring is its help (the first line stands in the overview),
`add_arguments(parser)` declares its arguments, and `main(args)` does the work and returns the exit status.
Such a module imports what is heavy inside `main`. teachgrad's own stand in `BUILT_IN`; other packages, the
inspector among them, register theirs under the entry-point group `teachgrad.commands`, so that teachgrad
knows them without importing them.

A `TeachgradError` ends a subcommand with its message alone. A subcommand that runs the user's code, and so
owes the user a traceback, prints that itself.
"""

from __future__ import annotations

import difflib
import errno
import inspect
import os
import sys
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from collections.abc import Sequence
from importlib import metadata
from importlib.metadata import EntryPoint
from types import ModuleType

from .errors import TeachgradError
from .extras import how_to_install

GROUP = "teachgrad.commands"
BUILT_IN = {
    "data": "teachgrad.data.command",
    "doctor": "teachgrad.doctor",
    "run": "teachgrad.recording.command",
}


def commands() -> dict[str, EntryPoint]:
    """Every subcommand by name, none imported yet. Another package cannot take a built-in name."""
    found = {entry.name: entry for entry in metadata.entry_points(group=GROUP)}
    found |= {name: EntryPoint(name, module, GROUP) for name, module in BUILT_IN.items()}
    return dict(sorted(found.items()))


def main(argv: Sequence[str] | None = None) -> int:
    """Run `teachgrad ARGV...` and return its exit status."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if sys.stdout is None:  # closed, as by `>&-`
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115  (until the process ends)
    known = commands()
    if not arguments or arguments[0] not in known:
        return _overview(known, arguments)
    try:
        status = _run(known[arguments[0]], arguments[1:])
        sys.stdout.flush()
    except TeachgradError as error:
        print(f"teachgrad {arguments[0]}: {error}", file=sys.stderr)
        return 1
    except ModuleNotFoundError as error:
        if not _is_missing_extra(error):
            raise
        package = (error.name or "").partition(".")[0]
        remedy = f"{package} is not installed; `{how_to_install(package)}` brings it"
        print(f"teachgrad {arguments[0]}: {remedy}", file=sys.stderr)
        return 1
    except BrokenPipeError:  # the reader, such as `| head`, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EIO):
            raise
        print(f"teachgrad {arguments[0]}: cannot write: {error.strerror}", file=sys.stderr)
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KeyboardInterrupt:
        return 130
    return status


def _run(entry: EntryPoint, arguments: list[str]) -> int:
    command = entry.load()
    parser = ArgumentParser(
        prog=f"teachgrad {entry.name}",
        description=inspect.getdoc(command),
        formatter_class=RawDescriptionHelpFormatter,
    )
    command.add_arguments(parser)
    return int(command.main(parser.parse_args(arguments)))


def _overview(known: dict[str, EntryPoint], arguments: list[str]) -> int:
    """What is left when no subcommand is named: help, the version, or a misspelled name."""
    lines = [f"  {name:<10}{_summary(entry)}" for name, entry in known.items()]
    parser = ArgumentParser(
        prog="teachgrad",
        description="Build, train and look inside neural networks.\n\ncommands:\n" + "\n".join(lines),
        epilog="`teachgrad COMMAND --help` says more about each.",
        formatter_class=RawDescriptionHelpFormatter,
        usage="teachgrad COMMAND ...",
    )
    parser.add_argument("--version", action="version", version=f"teachgrad {metadata.version('teachgrad')}")
    _, rest = parser.parse_known_args(arguments)
    if rest:
        close = difflib.get_close_matches(rest[0], known, n=1)
        hint = f"; did you mean {close[0]!r}?" if close else f"; there are {', '.join(known)}"
        parser.error(f"there is no command {rest[0]!r}{hint}")
    parser.print_help()
    return 0


def _summary(entry: EntryPoint) -> str:
    try:
        command: ModuleType = entry.load()
    except ImportError as error:
        return f"(cannot be loaded: {error})"
    return (inspect.getdoc(command) or "").partition("\n")[0]


def _is_missing_extra(error: ModuleNotFoundError) -> bool:
    """Whether one of our own modules, not the user's script or a library, asked for what is missing."""
    frame = error.__traceback__
    while frame is not None and frame.tb_next is not None:
        frame = frame.tb_next
    asker = frame.tb_frame.f_globals.get("__name__", "") if frame else ""
    return asker.partition(".")[0] in ("teachgrad", "teachgrad_gpu", "teachgrad_inspector")
