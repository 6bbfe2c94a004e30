"""What watching costs: an mlp step recorded at each level, and with the seam there but nobody watching.

Recorded, a call is 40 steps with a recording opened before and closed after, over the same 40 steps without one. Not
recorded, the seam is one test of a global for each event it would send, too cheap to show between two runs; so its
share is worked out: events of a step, times the time of one test, over the time of a step.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from time import perf_counter

from teachgrad.recording import LEVELS, Level, Recorder

from ..children import run
from ..peers import DYNAMIC
from ..results import Rows
from ..timing import Effort, Estimate, paired
from ..workload import Step
from ..workloads import WORKLOADS

STEPS = 40
EFFORT = Effort(sample_s=0.0, warm_up_s=0.0, budget_s=20.0, precision=0.03, min_rounds=5, max_rounds=31)


def measure(core: int, limit_s: float) -> Rows:
    rows = json.loads(run(["-m", "benchmarks.costs.recording"], core, limit_s).stdout)
    return {row: Estimate(*figures) for row, figures in rows.items()}


def rows() -> dict[str, Estimate]:
    workload = WORKLOADS["mlp"]
    step = workload.contestants[DYNAMIC](workload.problem())
    step()

    def steps() -> None:
        for _ in range(STEPS):
            step()

    with tempfile.TemporaryDirectory() as folder:
        calls: dict[str, Callable[[], object]] = {"off": steps}
        calls |= {level: _recorded(steps, Path(folder), level) for level in LEVELS}
        timings = paired(calls, EFFORT, clock=perf_counter)  # waiting for the disk counts, too
    found = {level: timings.ratio(level, "off") for level in calls if level != "off"}
    return {"off": _share_of_the_seam(step, timings.median("off") / STEPS), **found}


def _recorded(steps: Callable[[], None], folder: Path, level: Level) -> Callable[[], None]:
    def record() -> None:
        path = folder / f"{level}.tgr"
        with Recorder(path, level=level):
            steps()
        for left in folder.glob(f"{path.name}*"):
            left.unlink()

    return record


def _share_of_the_seam(step: Step, seconds: float) -> Estimate:
    from teachgrad import observe

    events = 0

    def count(event: object) -> None:
        nonlocal events
        events += 1

    with observe.watching(count):
        step()

    many = range(100_000)

    def tests() -> None:
        for _ in many:
            if observe.sink is not None:
                raise AssertionError("nobody is watching")

    def nothing() -> None:
        for _ in many:
            pass

    timings = paired({"tests": tests, "nothing": nothing}, Effort(sample_s=0.005, budget_s=1.0))
    differences = [a - b for a, b in zip(timings.seconds["tests"], timings.seconds["nothing"], strict=True)]
    return Estimate.of([max(0.0, difference) / len(many) * events / seconds for difference in differences])


if __name__ == "__main__":
    print(json.dumps({row: estimate.as_list() for row, estimate in rows().items()}))
