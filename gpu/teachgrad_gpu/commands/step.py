r"""Step through what the threads of a kernel in a .cu file did, forwards and backwards, without a GPU.

The launch is written in the file, or given here, as for `teachgrad cuda check`. It is run on the emulator and
recorded; then the inspector shows it thread by thread. With --output the recording is kept instead:

    teachgrad cuda step sum.cu
    teachgrad cuda step sum.cu --output sum.trace
    teachgrad inspect sum.trace --at race --print text

Of several launches in a file the first is taken, or the first of the kernel that --kernel names. The exit status is
2 if the kernel does not compile, is not supported, or cannot be launched as described.
"""

from __future__ import annotations

import sys
import tempfile
from argparse import ArgumentParser, Namespace
from pathlib import Path

from .check import add_launch_arguments, by_name, launched, launches, read


def add_arguments(parser: ArgumentParser) -> None:
    add_launch_arguments(parser)
    parser.add_argument("--output", "-o", metavar="FILE", type=Path, help="keep the recording, and do not show it")
    parser.add_argument("--most", metavar="N", type=int, default=1_000_000, help="events to keep (default: a million)")


def main(args: Namespace) -> int:
    from teachgrad.cli import main as teachgrad
    from teachgrad.errors import TeachgradError

    with tempfile.TemporaryDirectory(prefix="teachgrad-") as folder:
        path = args.output or Path(folder) / f"{args.file.stem}.trace"
        try:
            events = record(args, path)
        except TeachgradError as error:
            print(f"teachgrad cuda step: {args.file}: {by_name(str(error), args.file)}", file=sys.stderr)
            return 2
        if args.output is None:
            return teachgrad(["inspect", str(path)])
        print(f"{path}: {events} events; `teachgrad inspect {path}` shows them")
        return 0


def record(args: Namespace, path: Path) -> int:
    """Run the launch and write its trace; how many events it has."""
    from teachgrad.recording.kernel_trace import MOST_EVENTS, write_trace

    from ..emulator import EmulatorError
    from ..tracing import trace_of

    if not 0 < args.most <= MOST_EVENTS:
        raise EmulatorError(f"--most is a number from 1 to {MOST_EVENTS}")
    source = read(args.file)
    launch = launches(args, source)[0]
    trace = trace_of(launched(args, source, launch, record=args.most), launch.grid, launch.block)
    write_trace(path, trace)
    return len(trace.events)
