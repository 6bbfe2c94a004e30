"""Check and time every kernel on a GPU, beside NumPy, the emulator, CuPy and PyTorch, and write one table.

Writes RESULTS.md and results.json into --output, anew after each row: what was measured before an interruption stays.
Goals come first. Without a GPU it says NOT RUN and why, and writes nothing; without PyTorch its columns stay empty.
--rehearse runs the whole script on the emulator, with small arrays and PyTorch on the CPU: that proves the script; the
times mean nothing.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from teachgrad_gpu.timing import missing

HERE = Path(__file__).parent


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, help="a folder (default: this one; build/benchmarks for a rehearsal)")
    parser.add_argument("--kernels", default="", metavar="PATTERN", help="only those whose name has this in it")
    parser.add_argument("--no-steps", dest="steps", action="store_false", help="no training steps")
    parser.add_argument("--no-tests", dest="tests", action="store_false", help="without the tests marked gpu")
    parser.add_argument("--minutes", type=float, metavar="N", help="begin no further row after so many minutes")
    parser.add_argument("--rehearse", action="store_true", help="on the emulator")
    args = parser.parse_args(argv)
    why = None if args.rehearse else missing()
    if why:
        print(f"NOT RUN: {why}")
        return 0

    from .machine import Gpu, Rehearsal
    from .session import Session

    pattern = re.compile(args.kernels)
    folder = args.output or (Path("build/benchmarks/gpu") if args.rehearse else HERE)
    session = Session(Rehearsal() if args.rehearse else Gpu(), folder, lambda name: pattern.search(name) is not None,
                      args.steps, args.tests, args.minutes)
    session.run()
    print(f"written: {folder / 'RESULTS.md'}")
    return 0 if session.right else 1


if __name__ == "__main__":
    sys.exit(main())
