"""The benchmark harness: it must find a known ratio, refuse a wrong step, and judge goals rightly."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Callable
from pathlib import Path
from time import perf_counter

import numpy as np
import pytest

import benchmarks
from benchmarks import costs
from benchmarks.bars import BARS, Bar
from benchmarks.report import markdown
from benchmarks.results import Entry, Results
from benchmarks.timing import Effort, Estimate, paired
from benchmarks.worker import CHECKED_STEPS, TOLERANCE, compare, measure
from benchmarks.workload import Problem, Step
from benchmarks.workloads import WORKLOADS

FEW = Effort(sample_s=0.0, warm_up_s=0.0, budget_s=math.inf, precision=0.0, min_rounds=5, max_rounds=12)


class Machine:
    """A clock and contestants for it: calls take simulated time, on a machine that becomes slower and slower."""

    def __init__(self) -> None:
        self.now = 0.0
        self.speed = 1.0

    def call(self, seconds: float) -> Callable[[], None]:
        def work() -> None:
            self.now += seconds * self.speed
            self.speed *= 1.003

        return work


def test_a_drifting_machine_does_not_change_the_ratio() -> None:
    machine = Machine()
    timings = paired({"a": machine.call(1.0), "b": machine.call(3.0)}, FEW, clock=lambda: machine.now)
    assert timings.rounds == FEW.max_rounds
    assert timings.seconds["a"][-1] > 1.05 * timings.seconds["a"][0]
    assert timings.ratio("b", "a").value == pytest.approx(3.0, rel=1e-4)


def test_rounds_end_when_every_ratio_is_known() -> None:
    machine = Machine()
    effort = Effort(sample_s=0.0, warm_up_s=0.0, budget_s=math.inf, precision=0.01, min_rounds=5, max_rounds=100)
    timings = paired({"a": machine.call(1.0), "b": machine.call(3.0)}, effort, clock=lambda: machine.now)
    assert timings.rounds == effort.min_rounds


def test_short_calls_are_repeated_to_fill_a_sample() -> None:
    machine = Machine()
    calls = itertools.count()
    work = machine.call(0.001)

    def counted() -> None:
        next(calls)
        work()

    effort = Effort(sample_s=0.1, warm_up_s=0.0, budget_s=math.inf, precision=1.0, min_rounds=5, max_rounds=5)
    paired({"a": counted}, effort, clock=lambda: machine.now)
    assert 3 + 5 * 90 <= next(calls) <= 3 + 5 * 110


@pytest.mark.parametrize("n", [5, 11, 30, 151])
def test_the_interval_covers_the_median_19_times_in_20(n: int) -> None:
    rng = np.random.default_rng(n)
    draws = rng.normal(size=(2000, n))
    covered = sum(e.low <= 0 <= e.high for e in (Estimate.of(list(row)) for row in draws))
    assert covered / 2000 > 0.92


def test_losses_that_disagree_do_not_count() -> None:
    right = [2.0, 1.5, 1.0]
    assert compare([2.0, 1.5 * (1 + TOLERANCE / 2), 1.0], right) is None
    assert compare([2.0, 1.5, 1.01], right) == "loss of step 3 is 1.01, NumPy by hand has 1"
    assert "loss of step 1 is nan" in (compare([math.nan, 1.5, 1.0], right) or "")


def test_a_contestant_that_fails_or_is_wrong_is_named_with_its_reason() -> None:
    workload = WORKLOADS["moons"]

    def broken(problem: Problem) -> Step:
        raise RuntimeError("no compiler\nlong traceback")

    def frozen(problem: Problem) -> Step:
        return lambda: 1.1538004

    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(workload.contestants, "torch", broken)
        patch.setitem(workload.contestants, "jax", frozen)
        found = measure(workload, ["numpy", "torch", "jax"], FEW)
    assert found["not_run"]["torch"] == "RuntimeError: no compiler"
    assert found["not_run"]["jax"].startswith("loss of step 2 is 1.1538")
    assert list(found["seconds"]) == ["numpy"]


@pytest.mark.parametrize("name", list(WORKLOADS))
def test_a_step_changes_the_loss_by_far_more_than_the_tolerance(name: str) -> None:
    workload = WORKLOADS[name]
    step = workload.contestants["numpy"](workload.problem())
    losses = [step() for _ in range(CHECKED_STEPS)]
    for before, after in itertools.pairwise(losses):
        assert abs(before - after) > 10 * TOLERANCE * abs(before)
    assert losses == sorted(losses, reverse=True)


@pytest.mark.oracles
@pytest.mark.parametrize("name", list(WORKLOADS))
def test_numpy_by_hand_has_the_losses_of_pytorch(name: str) -> None:
    workload = WORKLOADS[name]
    by_hand, torch = (workload.contestants[peer](workload.problem()) for peer in ("numpy", "torch"))
    assert [by_hand() for _ in range(8)] == pytest.approx([torch() for _ in range(8)], rel=1e-5)


def test_a_goal_is_reached_by_its_median_or_within_noise() -> None:
    measures = {"m": Estimate(1.02, 0.99, 1.05)}
    assert Bar("", "m", 1.02).reached(measures) is True
    assert Bar("", "m", 1.0).reached(measures) is False
    assert Bar("", "m", 1.0, within_noise=True).reached(measures) is True
    assert Bar("", "other", 1.0).reached(measures) is None


def test_every_goal_has_a_measure_of_its_own() -> None:
    assert len({bar.measure for bar in BARS}) == len(BARS)


def example_results() -> Results:
    machine = {
        "date": "2026-01-01",
        "processor": "some processor",
        "cores": 2,
        "pinned_to": 1,
        "memory_gib": 8,
        "system": "Linux 6",
        "python": "3.11",
        "versions": {"numpy": "2.4"},
        "load": 0.1,
        "load_after": 0.2,
    }
    entries = {
        "numpy": Entry(seconds=36.5e-6, first_steps=0.01, rounds=11),
        "teachgrad": Entry(
            seconds=80e-6,
            first_steps=0.02,
            rounds=11,
            over={"numpy": Estimate(2.25, 2.2, 2.3), "torch": Estimate(0.5, 0.4, 0.6)},
        ),
        "torch": Entry(not_run="not installed"),
    }
    costs = {
        "recording": {"values": Estimate(2.5, 2.4, 2.6), "values: closing, per step": Estimate(1.25, 1.2, 1.3)},
        "import": {"teachgrad": Estimate(0.05, 0.04, 0.06)},
        "memory": {
            "import: torch": Estimate(200 * 2**20, 200 * 2**20, 200 * 2**20),
            "import: teachgrad": Estimate(30 * 2**20, 30 * 2**20, 30 * 2**20),
            "gpt: numpy": Estimate(2**20, 2**20, 2**20),
            "gpt: torch": Estimate(300 * 2**20, 300 * 2**20, 300 * 2**20),
            "gpt: teachgrad-c": Estimate(80 * 2**20, 80 * 2**20, 80 * 2**20),
        },
    }
    return Results(machine, "full", {"moons": entries}, costs, {"op": "no time"})


def test_the_report_says_what_was_reached_and_what_was_not_run() -> None:
    text = markdown(example_results())
    assert "| NumPy by hand | 0.0365 |" in text
    assert "| teachgrad, dynamic | 0.0800 (2.25x) |" in text
    assert "| PyTorch, eager | NOT RUN |" in text
    assert "| PyTorch, eager | moons | not installed |" in text
    assert "|  | cost: op | no time |" in text
    assert "| level values | 2.50 (2.40 to 2.60)x |" in text
    assert "| level values: closing, per step | 1.25 (1.20 to 1.30)x |" in text
    assert "| moons: dynamic over NumPy by hand | 2.2 x | 2.25 (2.20 to 2.30) x | NOT REACHED |" in text
    assert "| moons: dynamic over PyTorch, eager | 1.5 x | 0.500 (0.400 to 0.600) x | reached |" in text
    assert "| mlp: dynamic over NumPy by hand | 1.3 x |  | not measured |" in text
    assert "| teachgrad, static O3 | 30 | 80 (+50) |" in text
    assert "| gpt: peak memory of teachgrad, static O3 over PyTorch's, both above the import | 1 x | 0.500" in text


def test_results_survive_json() -> None:
    results = example_results()
    assert Results.from_json(results.as_json()) == results


def test_the_committed_table_is_the_one_that_the_committed_figures_give() -> None:
    folder = Path(benchmarks.__file__).parent
    results = Results.from_json(json.loads((folder / "results.json").read_text()))
    assert (folder / "RESULTS.md").read_text() == markdown(results)


def test_closing_a_recording_is_timed_apart_from_recording(tmp_path: Path) -> None:
    call = costs.recording._Recorded(lambda: None, tmp_path, "values")
    before = perf_counter()
    call()
    call()
    took = perf_counter() - before
    assert len(call.closing) == 2
    assert 0 < sum(call.closing) < call.elsewhere < took
    assert not list(tmp_path.iterdir())
