"""What `teachgrad score` and `teachgrad tour` share: a recording or a demo to work on, and errors as one line."""

from __future__ import annotations

import sys
import tempfile
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..session import Session


def add_arguments(parser: ArgumentParser, purpose: str) -> None:
    """--recording and --demo; `purpose` completes what their help says of them."""
    parser.add_argument("--recording", metavar="RUN.tgr", type=Path, help=f"the recording that {purpose}")
    parser.add_argument("--demo", metavar="NAME", help=f"or the demo that {purpose}")


def carry_out(command: str, args: Namespace, act: Callable[[Namespace], int]) -> int:
    """The status of `act`; 2 where it cannot be done, which is said."""
    from teachgrad.errors import TeachgradError

    if (args.recording is None) == (args.demo is None):
        print(f"teachgrad {command}: name the recording with --recording, or a demo with --demo", file=sys.stderr)
        return 2
    try:
        return act(args)
    except TeachgradError as error:
        print(f"teachgrad {command}: {error}", file=sys.stderr)
        return 2


@contextmanager
def opened(args: Namespace) -> Iterator[Session]:
    """The recording that was named, or the demo, recorded now."""
    from teachgrad.recording import Reader

    from ..demos import write_demo
    from ..session import Session

    with tempfile.TemporaryDirectory(prefix="teachgrad-") as folder:
        path = args.recording
        if path is None:
            path = Path(folder) / "run.tgr"
            write_demo(args.demo, path)
        with Reader(path) as run:
            yield Session(run, args.demo or path.name)
