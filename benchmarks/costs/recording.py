"""What watching costs: an mlp step recorded at each level, and with the seam there but nobody watching.

Recorded, a call is 40 steps with a recording opened before, over the same 40 steps without one. To close the recording,
which makes one file of it, is a figure of its own: its share of a step, again over a step that is not recorded. Not
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
        calls: dict[str, _Recorded] = {level: _Recorded(steps, Path(folder), level) for level in LEVELS}

        def clock() -> float:
            """The time on the wall, as waiting for the disk counts, too; without that of closing."""
            return perf_counter() - sum(call.elsewhere for call in calls.values())

        timings = paired({"off": steps, **calls}, EFFORT, clock)
    off = timings.median("off")
    recording = {str(level): timings.ratio(level, "off") for level in calls}
    closing = {
        f"{level}: closing, per step": Estimate.of([seconds / off for seconds in call.closing])
        for level, call in calls.items()
    }
    return {"off": _share_of_the_seam(step, off / STEPS), **recording, **closing}


class _Recorded:
    """Steps while a recording is made; and aside, the seconds of closing each one, and of all that is not recording."""

    def __init__(self, steps: Callable[[], None], folder: Path, level: Level) -> None:
        self._steps = steps
        self._folder = folder
        self._level = level
        self.closing: list[float] = []
        self.elsewhere = 0.0

    def __call__(self) -> None:
        with Recorder(self._folder / f"{self._level}.tgr", level=self._level):
            self._steps()
            before = perf_counter()
        self.closing.append(perf_counter() - before)
        for left in self._folder.iterdir():
            left.unlink()
        self.elsewhere += perf_counter() - before


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
