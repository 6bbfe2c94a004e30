"""Modules and optimizers inside static functions: the same bits as outside, and a new trace when something changes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import teachgrad as tg
from teachgrad import nn, optim
from tests.nn.layers import LAYERS, results


class Scaled(nn.Module):
    """A linear map times a number that is a plain attribute, plus numbers in a plain list."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(3, 2)
        self.scale = 1.0
        self.shifts = [0.0]

    def forward(self, x: Any) -> Any:
        y = self.fc(x) * self.scale
        for shift in self.shifts:
            y = y + shift
        return y if self.training else -y


def changed_scale(model: Scaled) -> None:
    model.scale = 2.0


def changed_list(model: Scaled) -> None:
    model.shifts.append(1.0)


def to_evaluation(model: Scaled) -> None:
    model.eval()


def swapped_layer(model: Scaled) -> None:
    model.fc = nn.Linear(3, 2)


def swapped_weight(model: Scaled) -> None:
    model.fc.weight = nn.Parameter(np.ones((2, 3), np.float32))


def added_hook(model: Scaled) -> None:
    model.fc.register_forward_hook(lambda module, args, result: result * 3.0)


@pytest.mark.parametrize(
    "change", [changed_scale, changed_list, to_evaluation, swapped_layer, swapped_weight, added_hook]
)
def test_a_change_of_a_module_is_traced_again(change: Callable[[Scaled], None]) -> None:
    model = Scaled()
    static = tg.static(lambda x: model(x))
    x = tg.tensor(np.arange(6.0, dtype=np.float32).reshape(2, 3))
    for _ in range(3):
        np.testing.assert_array_equal(static(x).numpy(), model(x).numpy())
    assert static.count == 1
    change(model)
    np.testing.assert_array_equal(static(x).numpy(), model(x).numpy())
    assert static.count == 2


def test_a_hook_that_is_taken_away_is_gone_in_static_mode() -> None:
    model = Scaled()
    static = tg.static(lambda x: model(x))
    x = tg.ones((2, 3))
    plain = static(x).numpy(copy=True)
    handle = model.register_forward_hook(lambda module, args, result: result + 1.0)
    np.testing.assert_array_equal(static(x).numpy(), plain + np.float32(1.0))
    handle.remove()
    np.testing.assert_array_equal(static(x).numpy(), plain)


def test_a_change_elsewhere_is_not_traced_again() -> None:
    model, other = Scaled(), Scaled()
    static = tg.static(lambda x: model(x))
    x = tg.ones((2, 3))
    static(x)
    other.eval()
    other.scale = 5.0
    static(x)
    assert static.count == 1


def problem(make: Callable[[Any], optim.Optimizer]) -> tuple[nn.Module, optim.Optimizer, Callable[[Any, Any], Any]]:
    tg.seed(3)
    model = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 2))
    optimizer = make(model.parameters())

    def step(x: Any, t: Any) -> Any:
        optimizer.zero_grad()
        loss = nn.functional.mse_loss(model(x), t)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 0.5)
        optimizer.step()
        return loss

    return model, optimizer, step


OPTIMIZERS = {
    "sgd": lambda ps: optim.SGD(ps, lr=0.1),
    "momentum": lambda ps: optim.SGD(ps, lr=0.1, momentum=0.9, dampening=0.2, weight_decay=0.01),
    "nesterov": lambda ps: optim.SGD(ps, lr=0.1, momentum=0.9, nesterov=True),
    "adam": lambda ps: optim.Adam(ps, lr=0.01, weight_decay=0.1),
    "amsgrad": lambda ps: optim.Adam(ps, lr=0.01, amsgrad=True, maximize=True),
    "adamw": lambda ps: optim.AdamW(ps, lr=0.01),
    "rmsprop": lambda ps: optim.RMSprop(ps, lr=0.01, centered=True, momentum=0.5),
    "adagrad": lambda ps: optim.Adagrad(ps, lr=0.1, lr_decay=0.1),
    "adadelta": lambda ps: optim.Adadelta(ps),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_steps_have_the_same_bits_in_both_modes(name: str) -> None:
    rng = np.random.default_rng(0)
    dynamic, static = problem(OPTIMIZERS[name]), problem(OPTIMIZERS[name])
    fast = tg.static(static[2])
    schedules = [optim.CosineAnnealingLR(optimizer, T_max=10) for _, optimizer, _ in (dynamic, static)]
    for _ in range(12):
        x = tg.tensor(rng.normal(size=(5, 4)).astype(np.float32))
        t = tg.tensor(rng.normal(size=(5, 2)).astype(np.float32))
        assert dynamic[2](x, t).numpy().tobytes() == fast(x, t).numpy().tobytes()
        for schedule in schedules:
            schedule.step()
    assert fast.count == 1  # a schedule needs no new trace
    for ours, theirs in zip(dynamic[0].parameters(), static[0].parameters(), strict=True):
        assert ours.numpy().tobytes() == theirs.numpy().tobytes()
    states = [optimizer.state_dict()["state"] for _, optimizer, _ in (dynamic, static)]
    for number, tensors in states[0].items():
        for key, tensor in tensors.items():
            assert tensor.numpy().tobytes() == states[1][number][key].numpy().tobytes()


def test_a_changed_setting_is_traced_again() -> None:
    _, optimizer, step = problem(OPTIMIZERS["adam"])
    static = tg.static(step)
    x, t = tg.ones((5, 4)), tg.zeros((5, 2))
    static(x, t)
    optimizer.param_groups[0]["weight_decay"] = 0.5
    static(x, t)
    assert static.count == 2


def test_reading_the_learning_rate_inside_is_refused() -> None:
    _, optimizer, _ = problem(OPTIMIZERS["sgd"])
    with pytest.raises(tg.TraceError):
        tg.static(lambda x: x * optimizer.lr)(tg.ones(3))


def test_a_schedule_that_steps_inside_is_refused() -> None:
    _, optimizer, step = problem(OPTIMIZERS["sgd"])
    schedule = optim.StepLR(optimizer, 1)

    def epoch(x: Any, t: Any) -> Any:
        loss = step(x, t)
        schedule.step()
        return loss

    with pytest.raises(tg.TraceError):
        tg.static(epoch)(tg.ones((5, 4)), tg.zeros((5, 2)))


def test_the_path_of_a_module_is_known_to_a_trace() -> None:
    model = nn.Sequential(nn.Linear(2, 2), nn.Sequential(nn.Tanh(), nn.Linear(2, 1)))
    static = tg.static(lambda x: model(x))
    static(tg.ones((1, 2)))
    paths = {str(v.op): static.trace.moments[0][1].scopes.get(v.id) for v in static.trace.moments[0][1].order}
    assert paths == {"linear": "1.1", "tanh": "1.0"}


@pytest.mark.parametrize("name", LAYERS)
def test_layers_have_the_same_bits_in_both_modes(name: str) -> None:
    """Results, gradients and buffers of two calls in training."""
    entry = LAYERS[name]
    x = [tg.tensor(a.astype(np.float32) if a.dtype.kind == "f" else a) for a in entry.inputs]

    def run(static: bool) -> list[bytes]:
        tg.seed(0)
        layer = getattr(nn, entry.name)(*entry.args, **entry.settings)

        def step(*inputs: Any) -> Any:
            layer.zero_grad()
            outputs = results(layer(*inputs))
            if any(y.requires_grad for y in outputs):
                sum((y * y).sum() for y in outputs).backward()
            return outputs

        call = tg.static(step) if static else step
        bits = [y.numpy().tobytes() for _ in range(2) for y in call(*x)]
        bits += [p.grad.numpy().tobytes() for p in layer.parameters()]
        return bits + [buffer.numpy().tobytes() for buffer in layer.buffers()]

    assert run(static=False) == run(static=True)


def test_dropout_has_the_same_bits_in_both_modes() -> None:
    model = nn.Sequential(nn.Linear(8, 16), nn.Dropout(0.3), nn.Linear(16, 8), nn.Dropout(0.5))
    x = tg.ones((4, 8))

    def run(call: Callable[[Any], Any]) -> list[bytes]:
        tg.seed(9)
        return [call(x).numpy().tobytes() for _ in range(4)]

    def forward(x: Any) -> Any:
        return model(x)  # random numbers depend on the place of the call, so both modes have to come by here

    static = tg.static(forward)
    assert run(forward) == run(static)
    assert len(set(run(static))) == 4
    assert static.count == 1
    model.eval()
    assert len(set(run(static))) == 1
    assert static.count == 2
