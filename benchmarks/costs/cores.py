"""What a second core is worth: a step of generated C on two cores over the same step on one, the two taking turns.

Both are in one process that may use two cores, on the clock on the wall: processor time would count both. So this is
the one figure here that other programs disturb; where they do, it is too high, never too low.
"""

from __future__ import annotations

import json
import os
import sys
from time import perf_counter

import teachgrad as tg

from ..children import ChildFailed, run
from ..peers import FAST
from ..results import Rows
from ..timing import Effort, Estimate, paired
from ..workload import Step
from ..workloads import WORKLOADS

EFFORT = Effort(precision=0.02, budget_s=12.0)


def measure(core: int, limit_s: float) -> Rows:
    others = sorted(os.sched_getaffinity(0) - {core}) if hasattr(os, "sched_getaffinity") else []
    if not others:
        return dict.fromkeys(WORKLOADS, "there is but one core")
    found: Rows = {}
    for name in WORKLOADS:
        try:
            answer = run(["-m", "benchmarks.costs.cores", name], f"{others[-1]},{core}", limit_s).stdout
            found[name] = Estimate(*json.loads(answer))
        except ChildFailed as failure:
            found[name] = str(failure)
    return found


def step_on(threads: int, name: str) -> Step:
    """The step of a workload on so many cores, compiled."""
    tg.set_num_threads(threads)
    workload = WORKLOADS[name]
    step = workload.contestants[FAST](workload.problem())
    step()
    return step


if __name__ == "__main__":
    steps = {str(threads): step_on(threads, sys.argv[1]) for threads in (1, 2)}
    sys.stdout.write(json.dumps(paired(steps, EFFORT, perf_counter).ratio("2", "1").as_list()))
