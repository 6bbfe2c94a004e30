"""What a profile costs while it is taken: steps inside `tg.profile()` over the same steps outside, in both modes."""

from __future__ import annotations

import json
from collections.abc import Callable

from teachgrad.profiling import profile

from ..children import run
from ..peers import DYNAMIC, PEERS, STATIC
from ..results import Rows
from ..timing import Effort, Estimate, paired
from ..workload import Step
from ..workloads import WORKLOADS

STEPS = 10
EFFORT = Effort(sample_s=0.0, warm_up_s=0.1, budget_s=8.0, precision=0.02, min_rounds=9, max_rounds=31)


def measure(core: int, limit_s: float) -> Rows:
    rows = json.loads(run(["-m", "benchmarks.costs.profile"], core, limit_s).stdout)
    return {row: Estimate(*figures) for row, figures in rows.items()}


def rows() -> dict[str, Estimate]:
    """Ratios by workload and mode."""
    found = {}
    for name in ("mlp", "cnn"):
        workload = WORKLOADS[name]
        for peer in (DYNAMIC, STATIC):
            step = workload.contestants[peer](workload.problem())
            step()
            calls = {"off": _steps(step), "on": _profiled(step)}
            found[f"{name}: {PEERS[peer].title}"] = paired(calls, EFFORT).ratio("on", "off")
    return found


def _steps(step: Step) -> Callable[[], object]:
    def steps() -> None:
        for _ in range(STEPS):
            step()

    return steps


def _profiled(step: Step) -> Callable[[], object]:
    steps = _steps(step)

    def profiled() -> None:
        with profile():
            steps()

    profiled()  # the twin of a static program is made in the first profile
    return profiled


if __name__ == "__main__":
    print(json.dumps({row: estimate.as_list() for row, estimate in rows().items()}))
