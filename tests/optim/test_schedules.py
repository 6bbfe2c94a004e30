"""Schedules against PyTorch: stored numbers always, the library itself where it is installed."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import teachgrad as tg
from teachgrad import optim
from teachgrad.errors import SettingError, StateError
from tests.optim.cases import EPOCHS, PLATEAUS, SCHEDULES, START, metrics

REFERENCE = json.loads(Path(__file__).with_name("reference.json").read_text())


def optimizer(**settings: Any) -> optim.Optimizer:
    return optim.SGD([tg.Parameter([1.0])], **{"lr": START, "momentum": 0.9, **settings})


def rates(schedule: Any, epochs: int = EPOCHS) -> list[tuple[float, float]]:
    group, answers = schedule.optimizer.param_groups[0], []
    for _ in range(epochs):
        answers.append((group["lr"], group["momentum"]))
        schedule.optimizer.step()  # PyTorch warns if nobody does
        schedule.step()
    return answers


@pytest.mark.parametrize("case", SCHEDULES)
def test_rates_are_those_that_pytorch_had(case: str) -> None:
    kind, settings = SCHEDULES[case]
    answers = rates(getattr(optim, kind)(optimizer(), **settings))
    for ours, theirs in zip(answers, REFERENCE["schedules"][case], strict=True):
        assert ours == pytest.approx(theirs, rel=1e-12, abs=1e-15)


@pytest.mark.parametrize("case", PLATEAUS)
def test_plateaus_are_found_where_pytorch_found_them(case: str) -> None:
    schedule = optim.ReduceLROnPlateau(optimizer(), **PLATEAUS[case])
    answers = []
    for metric in metrics():
        schedule.step(tg.tensor(metric, dtype=tg.float64))
        answers.append(schedule.optimizer.lr)
    assert answers == pytest.approx(REFERENCE["plateaus"][case], rel=1e-12)


def warm_up(module: Any, opt: Any) -> Any:
    first = module.LinearLR(opt, start_factor=0.1, total_iters=5)
    second = module.CosineAnnealingLR(opt, T_max=12, eta_min=0.01)
    third = module.ExponentialLR(opt, gamma=0.7)
    return module.SequentialLR(opt, [first, second, third], milestones=[5, 17])


def chained(module: Any, opt: Any) -> Any:
    schedules = [module.ConstantLR(opt, 0.3, 4), module.ExponentialLR(opt, 0.95), module.StepLR(opt, 10, 0.5)]

    class Chain:
        optimizer = opt

        def step(self) -> None:
            for schedule in schedules:
                schedule.step()

    return Chain()


def by_function(module: Any, opt: Any) -> Any:
    return module.LambdaLR(opt, lambda t: 1.0 / (1.0 + t))


def changed_by_hand(module: Any, opt: Any) -> Any:
    schedule = module.CosineAnnealingLR(opt, T_max=20)
    rates(schedule, 3)
    opt.param_groups[0]["lr"] = 0.123
    return schedule


@pytest.mark.oracles
@pytest.mark.parametrize("make", [warm_up, chained, by_function, changed_by_hand])
def test_combinations_are_pytorchs(make: Callable[[Any, Any], Any]) -> None:
    import torch

    theirs = torch.optim.SGD([torch.zeros(1)], lr=START, momentum=0.9)
    reference = rates(make(torch.optim.lr_scheduler, theirs))
    for ours, other in zip(rates(make(optim, optimizer())), reference, strict=True):
        assert ours == pytest.approx(other, rel=1e-12, abs=1e-15)


@pytest.mark.oracles
@pytest.mark.parametrize("case", SCHEDULES)
def test_every_rate_is_pytorchs(case: str) -> None:
    import torch

    kind, settings = SCHEDULES[case]
    theirs = torch.optim.SGD([torch.zeros(1)], lr=START, momentum=0.9)
    reference = rates(getattr(torch.optim.lr_scheduler, kind)(theirs, **settings))
    for ours, other in zip(rates(getattr(optim, kind)(optimizer(), **settings)), reference, strict=True):
        assert ours == pytest.approx(other, rel=1e-12, abs=1e-15)


def test_groups_keep_their_proportions() -> None:
    opt = optim.SGD([{"params": [tg.Parameter([1.0])], "lr": 1.0}, {"params": [tg.Parameter([1.0])]}], lr=0.1)
    schedule = optim.ExponentialLR(opt, 0.5)
    schedule.step()
    assert schedule.get_last_lr() == pytest.approx([0.5, 0.05])


def test_one_cycle_turns_momentum_on_and_cycles_betas() -> None:
    opt = optim.SGD([tg.Parameter([1.0])], lr=0.1)
    optim.OneCycleLR(opt, max_lr=1.0, total_steps=10)
    assert opt.param_groups[0]["momentum"] == 0.95
    assert list(opt.state_dict()["state"][0]) == ["momentum_buffer"]
    adam = optim.Adam([tg.Parameter([1.0])])
    schedule = optim.OneCycleLR(adam, max_lr=1.0, total_steps=11, pct_start=0.5)
    for _ in range(5):
        schedule.step()
    assert adam.param_groups[0]["betas"] == pytest.approx((0.85, 0.999), abs=0.01)


@pytest.mark.parametrize("make", [warm_up, by_function])
def test_a_resumed_schedule_goes_on(make: Callable[[Any, Any], Any]) -> None:
    whole = make(optim, optimizer())
    before = rates(whole, 7)
    assert len(before) == 7
    opt = optimizer()
    resumed = make(optim, opt)
    opt.load_state_dict(whole.optimizer.state_dict())
    resumed.load_state_dict(whole.state_dict())
    assert rates(resumed, 20) == rates(whole, 20)


def test_a_resumed_plateau_goes_on() -> None:
    whole = optim.ReduceLROnPlateau(optimizer(), patience=2)
    for _ in range(3):
        whole.step(1.0)
    resumed = optim.ReduceLROnPlateau(optimizer(), patience=2)
    resumed.load_state_dict(whole.state_dict())
    for schedule in (whole, resumed):
        schedule.step(1.0)
        assert schedule.optimizer.lr == pytest.approx(START * 0.1)


def test_wrong_settings_are_refused() -> None:
    opt = optimizer()
    with pytest.raises(TypeError, match="a schedule takes an optimizer"):
        optim.StepLR([tg.Parameter([1.0])], 3)  # type: ignore[arg-type]
    with pytest.raises(SettingError, match="total_steps"):
        optim.OneCycleLR(opt, max_lr=1.0)
    with pytest.raises(SettingError, match="no momentum to cycle"):
        optim.OneCycleLR(optim.Adagrad([tg.Parameter([1.0])]), max_lr=1.0, total_steps=5)
    with pytest.raises(SettingError, match="anneal_strategy"):
        optim.OneCycleLR(opt, max_lr=1.0, total_steps=5, anneal_strategy="sine")
    with pytest.raises(SettingError, match="start_factor"):
        optim.LinearLR(opt, start_factor=0.0)
    with pytest.raises(SettingError, match="T_0"):
        optim.CosineAnnealingWarmRestarts(opt, 0)
    with pytest.raises(SettingError, match="2 functions for 1 groups"):
        optim.LambdaLR(opt, [abs, abs])
    with pytest.raises(SettingError, match="milestones"):
        optim.SequentialLR(opt, [optim.StepLR(opt, 1)], [3])
    with pytest.raises(SettingError, match="of the same optimizer"):
        optim.SequentialLR(opt, [optim.StepLR(optimizer(), 1)], [])
    with pytest.raises(SettingError, match="below 1"):
        optim.ReduceLROnPlateau(opt, factor=1.0)
    with pytest.raises(SettingError, match="threshold_mode"):
        optim.ReduceLROnPlateau(opt, threshold_mode="relative")
    with pytest.raises(StateError, match="needs base_lrs"):
        optim.StepLR(opt, 1).load_state_dict({"last_epoch": 3})


def test_one_cycle_ends() -> None:
    schedule = optim.OneCycleLR(optimizer(), max_lr=1.0, total_steps=2)
    schedule.step()
    schedule.step()
    with pytest.raises(SettingError, match="made for 2 steps"):
        schedule.step()
