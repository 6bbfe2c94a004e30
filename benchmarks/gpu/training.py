"""Whole training steps: teachgrad on the device beside teachgrad's C on the CPU, PyTorch eager and compiled.

The workloads are those of the CPU's table, so all contestants start from the same weights and data. Every step ends
with the loss as a Python number, that is, when the device is done; so the clock on the wall is the right one.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from statistics import median
from typing import Any

import numpy as np

from ..workload import Problem, Workload
from ..workload import Step as Run
from .machine import Machine
from .rows import Failed, in_short
from .steps import GRAPHED, Step, steps

FIRST = 5
"""So many losses are compared."""
InTorch = Callable[[Problem, Callable[..., Any]], tuple[Callable[[], Any], Any]]
"""The loss of a problem in PyTorch, whose model goes through a function first, and the optimizer."""


@dataclass(frozen=True)
class Entry:
    """A training step: how teachgrad and PyTorch make it. On a GPU a static step is captured as a graph."""

    workload: Workload
    build: Callable[[Problem, str | None, str | None], Run]
    """Makes teachgrad's, for a level and an executor; dynamic mode without a level."""
    in_torch: InTorch
    static: bool = True


def entries() -> dict[str, Entry]:
    """The steps by name: first those that goals are about."""
    from ..workloads.cnn import cnn
    from ..workloads.cnn import in_torch as cnn_in_torch
    from ..workloads.cnn import teachgrad_step as cnn_step
    from ..workloads.gpt import gpt
    from ..workloads.gpt.teachgrad_modes import dynamic
    from ..workloads.mlp import in_torch as mlp_in_torch
    from ..workloads.mlp import mlp
    from ..workloads.mlp import teachgrad_step as mlp_step

    def gpt_in_torch(problem: Problem, compile: Callable[..., Any]) -> tuple[Callable[[], Any], Any]:
        from ..workloads.gpt.pytorch import in_torch

        return in_torch(problem, compile)

    captured = {"mlp": Entry(mlp, mlp_step, mlp_in_torch), "gpt": Entry(gpt, dynamic, gpt_in_torch),
                "lenet": Entry(cnn, cnn_step, cnn_in_torch)}
    return {f"{name}, captured": entry for name, entry in captured.items()} | {
        f"{name}, dynamic": Entry(e.workload, e.build, e.in_torch, static=False) for name, e in captured.items()}


@steps
def training(machine: Machine) -> Iterator[Step | Failed]:
    for name, entry in entries().items():
        try:
            yield measured(machine, name, entry)
        except Exception as error:  # one that fails shall not hide the others
            yield Failed(f"a training step, {name}", in_short(error))
        machine.free()


def measured(machine: Machine, name: str, entry: Entry) -> Step:
    """The times of a step and of its peers."""
    level, executor = ("O3", machine.executor) if entry.static else (None, None)
    with machine.place():
        ours = entry.build(entry.workload.problem(), level, executor)
        found = [ours() for _ in range(FIRST)]
    on_cpu = entry.build(entry.workload.problem(), "O3", None)
    expected = [on_cpu() for _ in range(FIRST)]
    others: dict[str, Run] = {"teachgrad on the CPU": on_cpu}
    missing: dict[str, str] = {}
    for called, make in peers(machine, entry).items():
        try:
            with machine.torch_place():
                others[called] = make(entry)
        except Exception as error:  # nor shall a peer
            missing[called] = in_short(error)
    with machine.place():
        ms = milliseconds(ours, machine.rounds)
    beside = {called: milliseconds(run, machine.rounds) for called, run in others.items()}
    return Step(name, ms, beside, bool(np.allclose(found, expected, rtol=1e-3)), missing)


def peers(machine: Machine, entry: Entry) -> dict[str, Callable[[Entry], Run]]:
    """PyTorch's ways to run a step, by what they are called. Dynamic mode is compared with eager mode alone."""
    if machine.torch is None:
        return {}
    eager = {"torch eager": lambda entry: entry.workload.contestants["torch"](entry.workload.problem())}
    return eager | ({GRAPHED: lambda entry: graphed(machine, entry)} if entry.static else {})


def graphed(machine: Machine, entry: Entry) -> Run:
    """PyTorch at its fastest: what Inductor makes of forward and backward pass and of the update, as one graph."""
    loss_of, optimizer = entry.in_torch(entry.workload.problem(), lambda model: model)
    compute, update = machine.compiled(loss_of), machine.compiled(optimizer.step)

    def once() -> Any:
        optimizer.zero_grad()
        loss = compute()
        loss.backward()
        update()
        return loss.detach()

    replay = machine.graphed(once)
    return lambda: float(replay().item())


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
