"""What all optimizers share: settings, groups, state, what is left alone, what watchers see, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import teachgrad as tg
from teachgrad import observe, optim
from teachgrad.errors import InplaceError, SettingError, StateError, TeachgradError


def parameter(*values: float) -> tg.Parameter:
    p = tg.Parameter(np.array(values))
    p.grad = tg.ones(p.shape, dtype=p.dtype)
    return p


def test_the_learning_rate_is_read_and_written_for_all_groups() -> None:
    opt = optim.SGD([{"params": [parameter(1.0)], "lr": 0.5}, {"params": [parameter(2.0)]}], lr=0.1)
    assert opt.lr == 0.5
    opt.lr *= 0.5
    assert [group["lr"] for group in opt.param_groups] == [0.25, 0.25]
    opt.param_groups[1]["lr"] = 0.125
    opt.step()
    first, second = opt.parameters()
    assert (first.item(), second.item()) == (0.75, 1.875)


def test_the_learning_rate_keeps_every_bit() -> None:
    opt = optim.Adam([tg.Parameter(np.ones(2, np.float32))], lr=0.1)
    opt.lr = 0.3 * 0.1
    assert opt.lr == 0.3 * 0.1
    assert opt.param_groups[0]["betas"] == (0.9, 0.999)


def test_parameters_without_a_gradient_are_left_alone() -> None:
    still, moved = tg.Parameter([1.0]), parameter(1.0)
    opt = optim.Adam([still, moved], lr=0.1)
    opt.step()
    assert still.item() == 1.0
    assert moved.item() == pytest.approx(0.9)
    assert [tensors["step"].item() for tensors in opt.state_dict()["state"].values()] == [0.0, 1.0]


def test_zero_grad_forgets_or_fills() -> None:
    p = parameter(1.0, 2.0)
    opt = optim.SGD([p, tg.Parameter([1.0])])
    opt.zero_grad(set_to_none=False)
    assert p.grad is not None
    assert p.grad.numpy().tolist() == [0.0, 0.0]
    opt.zero_grad()
    assert p.grad is None


def test_a_closure_computes_the_loss_with_gradients() -> None:
    p = tg.Parameter([3.0])
    opt = optim.SGD([p], lr=0.5)

    def closure() -> Any:
        opt.zero_grad()
        loss = (p * p).sum()
        loss.backward()
        return loss

    with tg.no_grad():
        loss = opt.step(closure)
    assert loss.item() == 9.0
    assert p.item() == 0.0


def test_a_step_spoils_no_gradient_silently() -> None:
    p = tg.Parameter([3.0])
    opt = optim.SGD([p], lr=0.5)
    loss = (p * p * p).sum()
    loss.backward(retain_graph=True)
    opt.step()
    with pytest.raises(InplaceError, match=r"overwritten in place at test_optimizer\.py"):
        loss.backward()


def test_the_parameter_keeps_its_memory() -> None:
    p = parameter(1.0, 2.0)
    before = p.data
    optim.SGD([p], lr=0.5).step()
    assert p.data is before
    assert before.tolist() == [0.5, 1.5]


def test_a_tensor_in_the_memory_of_another_can_be_trained() -> None:
    base = tg.tensor(np.array([1.0, 2.0, 3.0]))
    part = base.detach()
    part.requires_grad = True
    part.grad = tg.ones(3, dtype=tg.float64)
    optim.SGD([part], lr=1.0, momentum=0.9).step()
    assert base.numpy().tolist() == [0.0, 1.0, 2.0]


def test_a_gradient_that_is_the_parameter_itself() -> None:
    p = tg.Parameter(np.array([1.0, 2.0]))
    p.grad = p.detach()
    optim.AdamW([p], lr=0.1, weight_decay=0.5).step()
    np.testing.assert_allclose(p.numpy(), [0.95 - 0.1, 1.9 - 0.1], rtol=1e-7)


def test_more_parameters_can_join() -> None:
    opt = optim.SGD([parameter(1.0)], lr=1.0)
    late = parameter(1.0)
    opt.add_param_group({"params": late, "lr": 0.5, "momentum": 0.9})
    for _ in range(2):
        opt.step()
    assert late.item() == pytest.approx(1.0 - 0.5 - 0.5 * 1.9)
    assert opt.param_groups[1]["momentum"] == 0.9


def test_momentum_can_be_turned_on_later() -> None:
    p = parameter(10.0)
    opt = optim.SGD([p], lr=1.0)
    opt.step()
    opt.param_groups[0]["momentum"] = 0.5
    opt.step()
    opt.step()
    assert p.item() == pytest.approx(10.0 - 1.0 - 1.0 - 1.5)


def test_a_watcher_sees_one_update_for_each_tensor() -> None:
    p = parameter(1.0)
    p.name = "w"
    opt = optim.Adam([p], lr=0.1)
    events: list[Any] = []
    with observe.watching(events.append):
        opt.step()
    updates = [event for event in events if isinstance(event, observe.Update)]
    assert [event.name for event in updates] == ["w.step", "w.exp_avg", "w.exp_avg_sq", "w"]
    assert updates[-1].after is p.numpy().base
    assert not [event for event in events if isinstance(event, observe.Forward)]


def test_watching_changes_no_bit() -> None:
    def run(watch: bool) -> bytes:
        p = tg.Parameter(np.sin(np.arange(7.0)))
        opt = optim.Adam([p], lr=0.1, weight_decay=0.1)
        for _ in range(5):
            p.grad = p.detach() * 0.3
            with observe.watching((lambda event: None) if watch else None):
                opt.step()
        return p.numpy().tobytes()

    assert run(True) == run(False)


WRONG: dict[str, tuple[type[Exception], str, Callable[[], Any]]] = {
    "nothing": (TeachgradError, "got no parameters", lambda: optim.SGD([])),
    "names": (TypeError, r"model\.parameters\(\)", lambda: optim.SGD([("w", parameter(1.0))])),
    "arrays": (TypeError, "item 0 is a ndarray", lambda: optim.SGD([np.ones(3)])),
    "computed": (TeachgradError, "was computed by multiply", lambda: optim.SGD([parameter(1.0) * 2.0])),
    "twice": (TeachgradError, "twice", lambda: optim.SGD([p := parameter(1.0), p])),
    "setting": (SettingError, "no setting 'beta'", lambda: optim.SGD([{"params": [parameter(1.0)], "beta": 1}])),
    "lr": (SettingError, "lr is -1", lambda: optim.SGD([parameter(1.0)], lr=-1)),
    "betas": (SettingError, "betas is", lambda: optim.Adam([parameter(1.0)], betas=(0.9, 1.0))),
    "nesterov": (SettingError, "nesterov needs", lambda: optim.SGD([parameter(1.0)], nesterov=True)),
    "params": (SettingError, "add_param_group", lambda: optim.SGD([parameter(1.0)]).param_groups[0].update(params=[])),
}


@pytest.mark.parametrize("case", WRONG)
def test_mistakes_are_explained(case: str) -> None:
    kind, message, mistake = WRONG[case]
    with pytest.raises(kind, match=message):
        mistake()


def test_a_state_that_does_not_fit_changes_nothing() -> None:
    opt = optim.Adam([parameter(1.0, 2.0)], lr=0.1)
    opt.step()
    kept = opt.state_dict()["state"][0]["exp_avg"].numpy().tolist()
    other = optim.Adam([parameter(1.0, 2.0, 3.0)], lr=0.5).state_dict()
    with pytest.raises(StateError, match=r"exp_avg of parameter 0 has shape \(3,\)"):
        opt.load_state_dict(other)
    with pytest.raises(StateError, match=r"groups of \[2\]"):
        opt.load_state_dict(optim.Adam([parameter(1.0), parameter(1.0)]).state_dict())
    assert opt.lr == 0.1
    assert opt.state_dict()["state"][0]["exp_avg"].numpy().tolist() == kept


def test_the_repr_says_what_is_trained_and_how() -> None:
    assert repr(optim.Adadelta([parameter(1.0)])) == (
        "Adadelta\n  1 parameters: lr=1.0, rho=0.9, eps=1e-06, weight_decay=0.0, maximize=False"
    )
