"""Whole training steps: teachgrad on the device beside teachgrad's C on the CPU, PyTorch eager and compiled.

The workloads are those of the CPU's table, so all contestants start from the same weights and data. Every step ends
with the loss as a Python number, that is, when the device is done; so the clock on the wall is the right one.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from statistics import median

import numpy as np

from ..workload import Problem, Workload
from ..workload import Step as Run
from .machine import Machine
from .steps import Step, steps

Builder = Callable[[Problem, str, str | None], Run]
"""Makes a training step of a problem, for a level and an executor."""
FIRST = 5
"""So many losses are compared."""


def workloads() -> dict[str, tuple[Workload, Builder]]:
    """The name of each step, its workload, and how teachgrad runs it. On a GPU a static step is captured as a graph."""
    from ..workloads.cnn import cnn
    from ..workloads.cnn import teachgrad_step as cnn_step
    from ..workloads.gpt import gpt
    from ..workloads.gpt.teachgrad_modes import dynamic as gpt_step
    from ..workloads.mlp import mlp
    from ..workloads.mlp import teachgrad_step as mlp_step

    return {"mlp, captured": (mlp, mlp_step), "lenet": (cnn, cnn_step), "gpt": (gpt, gpt_step)}


@steps
def training(machine: Machine) -> Iterator[Step]:
    for name, (workload, build) in workloads().items():
        with machine.place():
            ours = build(workload.problem(), "O3", machine.executor)
        on_cpu = build(workload.problem(), "O3", None)
        found, expected = ([run() for _ in range(FIRST)] for run in (ours, on_cpu))
        others = {"teachgrad on the CPU": on_cpu}
        with machine.torch_place():
            for peer, called in machine.torch_peers:
                others[called] = workload.contestants[peer](workload.problem())
        beside = {called: milliseconds(run, machine.rounds) for called, run in others.items()}
        yield Step(name, milliseconds(ours, machine.rounds), beside, bool(np.allclose(found, expected, rtol=1e-3)))


def milliseconds(run: Run, rounds: int) -> float:
    """The median time of a step on the wall, after as many to warm up."""
    for _ in range(rounds):
        run()
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return median(times) * 1e3
