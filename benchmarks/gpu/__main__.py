"""Check and time every kernel on a GPU, beside NumPy, the emulator, CuPy and PyTorch, and write one table.

Writes RESULTS.md and results.json into --output. Without a GPU it says NOT RUN and why, and writes nothing.
--rehearse runs the whole script on the emulator, with small arrays and PyTorch on the CPU: that proves the script; the
times mean nothing.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Sequence
from pathlib import Path

HERE = Path(__file__).parent


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, help="a folder (default: this one; build/benchmarks for a rehearsal)")
    parser.add_argument("--kernels", default="", metavar="PATTERN", help="only those whose name has this in it")
    parser.add_argument("--no-steps", dest="steps", action="store_false", help="no training steps")
    parser.add_argument("--rehearse", action="store_true", help="on the emulator")
    args = parser.parse_args(argv)
    why = None if args.rehearse else unable()
    if why:
        print(f"NOT RUN: {why}")
        return 0

    from . import training  # noqa: F401  (it enters its steps)
    from .goals import goals
    from .machine import Gpu, Machine, Rehearsal
    from .report import Results, as_json, as_markdown
    from .rows import Failed, check_all, time_all
    from .steps import STEPS

    machine: Machine = Rehearsal() if args.rehearse else Gpu()
    pattern = re.compile(args.kernels)

    def wanted(name: str) -> bool:
        return pattern.search(name) is not None

    checked, timed, failed = [], [], []
    for c in check_all(machine, wanted):
        print(f"{c.kernel:<30}{c.dtype:<9}{'right' if c.right else 'WRONG: ' + c.said}", flush=True)
        checked.append(c)
    for t in time_all(machine, wanted):
        if isinstance(t, Failed):
            print(f"{t.kernel:<30}FAILED: {t.why}", flush=True)
            failed.append(t)
        else:
            print(f"{t.kernel:<30}{t.ms:10.3f} ms {100 * t.of_copy:6.0f} % of a copy", flush=True)
            timed.append(t)
    steps = [step for maker in STEPS for step in maker(machine)] if args.steps else []
    for s in steps:
        print(f"step {s.name:<25}{s.ms:10.3f} ms, losses {'as' if s.same else 'NOT AS'} on the CPU", flush=True)
    measured = [] if machine.rehearsal else timed
    results = Results(machine.describe(), machine.peaks.copy, checked, timed, failed, steps,
                      goals({t.kernel: t for t in measured}, {} if machine.rehearsal else {s.name: s for s in steps}))
    folder = args.output or (Path("build/benchmarks/gpu") if args.rehearse else HERE)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "RESULTS.md").write_text(as_markdown(results), encoding="utf-8")
    (folder / "results.json").write_text(as_json(results), encoding="utf-8")
    print(f"written: {folder / 'RESULTS.md'}")
    right = all(c.right for c in checked) and all(t.agrees is not False for t in timed) and not failed
    right = right and all(s.same for s in steps)
    return 0 if right else 1


def unable() -> str | None:
    """Why nothing can be measured here, or None."""
    from importlib.util import find_spec

    from teachgrad_gpu.timing import missing

    if find_spec("torch") is None:
        return "PyTorch is not installed; `python -m pip install torch` brings it"
    return missing()


if __name__ == "__main__":
    sys.exit(main())
