"""Optimizers against PyTorch: stored numbers always, the library itself where it is installed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import teachgrad as tg
from teachgrad import optim
from tests.optim.cases import OPTIMIZERS, SHOWN, STEPS, data, loss_of

REFERENCE = json.loads(Path(__file__).with_name("reference.json").read_text())


class Run:
    """A training run of ours."""

    def __init__(self, case: str) -> None:
        kind, settings = OPTIMIZERS[case]
        inputs, targets, first = data()
        self.inputs, self.targets = tg.tensor(inputs), tg.tensor(targets)
        self.parameters = [tg.Parameter(array) for array in first]
        self.optimizer = getattr(optim, kind)(self.parameters, **settings)

    def step(self) -> list[np.ndarray]:
        self.optimizer.zero_grad()
        loss_of(tg, self.parameters, self.inputs, self.targets).backward()
        self.optimizer.step()
        return [p.numpy() for p in self.parameters]


class TorchRun:
    """The same of PyTorch's."""

    def __init__(self, case: str) -> None:
        import torch

        self.torch = torch
        kind, settings = OPTIMIZERS[case]
        inputs, targets, first = data()
        self.inputs, self.targets = torch.tensor(inputs), torch.tensor(targets)
        self.parameters = [torch.tensor(array, requires_grad=True) for array in first]
        self.optimizer = getattr(torch.optim, kind)(self.parameters, **settings)

    def step(self) -> list[np.ndarray]:
        self.optimizer.zero_grad()
        loss_of(self.torch, self.parameters, self.inputs, self.targets).backward()
        self.optimizer.step()
        return [p.detach().numpy() for p in self.parameters]


def assert_close(ours: list[np.ndarray], theirs: list[Any]) -> None:
    for mine, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(mine, other, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("case", OPTIMIZERS)
def test_parameters_are_those_that_pytorch_had(case: str) -> None:
    run = Run(case)
    for step in range(STEPS):
        parameters = run.step()
        if step in SHOWN:
            assert_close(parameters, REFERENCE["optimizers"][case][str(step)])


@pytest.mark.oracles
@pytest.mark.parametrize("case", OPTIMIZERS)
def test_every_step_is_pytorchs(case: str) -> None:
    run, other = Run(case), TorchRun(case)
    for _ in range(STEPS):
        assert_close(run.step(), other.step())


@pytest.mark.oracles
@pytest.mark.parametrize("case", OPTIMIZERS)
def test_state_goes_to_pytorch_and_back(case: str) -> None:
    import torch

    ours, theirs = Run(case), TorchRun(case)
    for _ in range(5):
        ours.step()
    state = ours.optimizer.state_dict()
    state["state"] = {
        number: {name: torch.tensor(tensor.numpy()) for name, tensor in tensors.items()}
        for number, tensors in state["state"].items()
    }
    theirs.optimizer.load_state_dict(state)
    for p, mine in zip(theirs.parameters, ours.parameters, strict=True):
        p.data = torch.tensor(mine.numpy())
    for _ in range(5):
        assert_close(ours.step(), theirs.step())
    back = Run(case)
    back.optimizer.load_state_dict(theirs.optimizer.state_dict())
    for mine, other in zip(back.parameters, theirs.parameters, strict=True):
        mine.data = other.detach().numpy().copy()
    for _ in range(5):
        assert_close(back.step(), theirs.step())


@pytest.mark.oracles
@pytest.mark.parametrize("case", OPTIMIZERS)
def test_state_has_pytorchs_names_and_shapes(case: str) -> None:
    ours, theirs = Run(case), TorchRun(case)
    ours.step()
    theirs.step()
    mine, other = ours.optimizer.state_dict(), theirs.optimizer.state_dict()
    kept = {
        number: {name: tuple(t.shape) for name, t in tensors.items() if t is not None}
        for number, tensors in other["state"].items()
    }
    shapes = {number: {name: t.shape for name, t in tensors.items()} for number, tensors in mine["state"].items()}
    assert shapes == {number: tensors for number, tensors in kept.items() if tensors}
    for group, reference in zip(mine["param_groups"], other["param_groups"], strict=True):
        assert set(group) <= set(reference)
        assert {name: reference[name] for name in group} == group


@pytest.mark.parametrize("case", OPTIMIZERS)
def test_a_resumed_run_is_the_run_itself(case: str) -> None:
    whole, resumed = Run(case), Run(case)
    for _ in range(7):
        whole.step()
    for p, kept in zip(resumed.parameters, whole.parameters, strict=True):
        p.data = kept.numpy().copy()
    resumed.optimizer.load_state_dict(whole.optimizer.state_dict())
    for _ in range(7):
        for mine, other in zip(whole.step(), resumed.step(), strict=True):
            assert mine.tobytes() == other.tobytes()


@pytest.mark.parametrize("case", OPTIMIZERS)
def test_float32_stays_float32_and_near_float64(case: str) -> None:
    kind, settings = OPTIMIZERS[case]
    inputs, targets, first = data()
    double = Run(case)
    parameters = [tg.Parameter(array.astype(np.float32)) for array in first]
    optimizer = getattr(optim, kind)(parameters, **settings)
    for _ in range(10):
        double.step()
        optimizer.zero_grad()
        x, t = tg.tensor(inputs.astype(np.float32)), tg.tensor(targets.astype(np.float32))
        loss_of(tg, parameters, x, t).backward()
        optimizer.step()
    for single, reference in zip(parameters, double.parameters, strict=True):
        assert single.dtype == np.float32
        np.testing.assert_allclose(single.numpy(), reference.numpy(), rtol=1e-4, atol=1e-4)
