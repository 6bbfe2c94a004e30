"""One measuring process: builds some contestants of one workload, checks their losses, and times them in turns.

`run.py` starts it with the environment that keeps every library on one thread. Not meant to be called by hand.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Sequence
from time import perf_counter
from typing import Any

from .peers import YARDSTICK
from .timing import EFFORTS, Effort, paired
from .workload import Step, Workload
from .workloads import WORKLOADS

MARK = "measured: "
"""Begins the one line of output that is the result; libraries print as they like."""

CHECKED_STEPS = 5
TOLERANCE = 1e-4
"""Losses of the first steps must agree with those of NumPy by hand to this relative error (float32 has 6e-8 a number;
sums of a million of them, in different orders, a few 1e-6). Updates change them by far more, so a wrong step shows."""


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.worker")
    parser.add_argument("workload", choices=list(WORKLOADS))
    parser.add_argument("contestants", nargs="+")
    parser.add_argument("--effort", choices=list(EFFORTS), default="full")
    parser.add_argument("--only-steps", action="store_true", help="take the checked steps, time nothing")
    args = parser.parse_args(argv)
    workload = WORKLOADS[args.workload]
    if args.only_steps:
        for name in args.contestants:
            _first_steps(workload, name)
        return
    found = measure(workload, args.contestants, EFFORTS[args.effort])
    sys.stdout.write(f"{MARK}{json.dumps(found)}\n")


def measure(workload: Workload, names: Sequence[str], effort: Effort) -> dict[str, Any]:
    """Time those of `names` that run and agree with NumPy by hand, which must be among them."""
    steps: dict[str, Step] = {}
    first_steps: dict[str, float] = {}
    not_run: dict[str, str] = {}
    expected: list[float] = []
    for name in (YARDSTICK, *(n for n in names if n != YARDSTICK)):
        started = perf_counter()
        try:
            step, losses = _first_steps(workload, name)
        except Exception as error:  # whatever a contestant raises is its result
            not_run[name] = f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0]}"
            continue
        expected = expected or losses
        if disagreement := compare(losses, expected):
            not_run[name] = disagreement
            continue
        steps[name] = step
        first_steps[name] = perf_counter() - started
    timings = paired(steps, effort)
    ratios = {f"{a}/{b}": timings.ratio(a, b).as_list() for a in steps for b in steps if a != b}
    return {
        "not_run": not_run,
        "rounds": timings.rounds,
        "seconds": {name: timings.median(name) for name in steps},
        "first_steps": first_steps,
        "ratios": ratios,
    }


def _first_steps(workload: Workload, name: str) -> tuple[Step, list[float]]:
    step = workload.contestants[name](workload.problem())
    return step, [step() for _ in range(CHECKED_STEPS)]


def compare(losses: Sequence[float], expected: Sequence[float]) -> str | None:
    """What is wrong with these losses, or None when they agree."""
    for number, (loss, right) in enumerate(zip(losses, expected, strict=True), start=1):
        if not math.isclose(loss, right, rel_tol=TOLERANCE):
            return f"loss of step {number} is {loss:.7g}, NumPy by hand has {right:.7g}"
    return None


if __name__ == "__main__":
    main()
