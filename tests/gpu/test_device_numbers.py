"""Numbers that meet tensors on another device: they are carried over where need be, and those of Python once."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import teachgrad as tg
from teachgrad.nn import functional as F
from tests.gpu.test_device import OPTIMIZERS


def test_numbers_are_carried_over_once_and_zeros_keep_their_sign(standing: Any) -> None:
    x, zeros = tg.tensor([1.0, -1.0], device="gpu"), (0.0, -0.0, 0, np.float32(-0.0))
    for moves in (len(zeros), 0):
        standing.moves.clear()
        found = [x * zero for zero in zeros]
        assert len(standing.moves) == moves
        assert [np.signbit(z._data.get()).tolist() for z in found] == [[False, True], [True, False]] * 2


def test_a_number_meets_any_device(place: Any) -> None:
    x = tg.tensor([3.0, 4.0], device=place.name)
    rate = tg.tensor(0.5)
    assert (x * rate + 1).to("cpu").numpy().tolist() == [2.5, 3.0]
    with pytest.raises(tg.DeviceError):
        x * tg.tensor(0.5, requires_grad=True)  # its gradient would be elsewhere


NUMBERS: dict[str, Any] = {
    "binary_cross_entropy": lambda s, x, w, number: tg.grad(F.binary_cross_entropy(s, number(1.0)), s),
    "gelu": lambda s, x, w, number: tg.grad(F.gelu(s), s, number(2.0)),
    "tanh": lambda s, x, w, number: tg.grad(s.tanh(), s, number(2.0)),
    "x[i]": lambda s, x, w, number: tg.grad(x[number(-1)], x),
    "embedding": lambda s, x, w, number: tg.grad(F.embedding(number(1), w).sum(), w),
    "cross_entropy": lambda s, x, w, number: tg.grad(F.cross_entropy(x, number(1)), x, number(2.0)),
    "cross_entropy sum": lambda s, x, w, number: tg.grad(
        F.cross_entropy(w, tg.tensor([0, 2, 1, 1], device=w.device), reduction="sum"), w, number(2.0)),
}


@pytest.mark.parametrize("name", NUMBERS)
def test_a_number_of_the_cpu_is_taken_by_ops_of_several_calls(name: str, place: Any) -> None:
    found = []
    for there in ("cpu", place.name):
        s, x, w = (tg.tensor(a, requires_grad=True, device=there)
                   for a in (0.3, np.array([0.5, -1.25, 2.0]), np.cos(np.arange(12.0)).reshape(4, 3)))
        found.append(NUMBERS[name](s, x, w, tg.tensor))
    assert [z.device for z in found] == ["cpu", place.name]
    np.testing.assert_allclose(found[1].to("cpu").numpy(), found[0].numpy(), rtol=1e-6)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_number_of_the_cpu_can_be_a_gradient(name: str, place: Any) -> None:
    found = []
    for there in ("cpu", place.name):
        p = tg.Parameter(tg.tensor(1.0, device=there))
        trainer = OPTIMIZERS[name]([p])
        p.grad = tg.tensor(2.0)
        trainer.step()
        found.append(p.item())
    assert found[1] == pytest.approx(found[0], rel=1e-6)
