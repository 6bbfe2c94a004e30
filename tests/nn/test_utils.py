"""Clipping of gradients, and parameters as one vector."""

from __future__ import annotations

from math import inf
from typing import Any

import numpy as np
import pytest

import teachgrad as tg
from teachgrad import nn
from teachgrad.errors import GradientError, ShapeError
from tests.nn.layers import real


def parameters() -> list[Any]:
    made = [nn.Parameter(np.zeros((3, 4))), nn.Parameter(np.zeros(5)), nn.Parameter(np.zeros(2))]
    made[0].grad, made[1].grad = tg.tensor(real(3, 4)), tg.tensor(5 * real(5))
    return made


@pytest.mark.parametrize("norm_type", [2.0, 1.0, 3.0, inf])
@pytest.mark.parametrize("max_norm", [0.5, 1000.0])
def test_gradients_are_scaled_to_a_norm(norm_type: float, max_norm: float) -> None:
    ours = parameters()
    everything = np.concatenate([p.grad.numpy().ravel() for p in ours[:2]])
    norm = np.linalg.norm(everything, norm_type)
    total = nn.utils.clip_grad_norm_(ours, max_norm, norm_type)
    assert total.item() == pytest.approx(norm, rel=1e-12)
    factor = min(1.0, max_norm / (norm + 1e-6))
    clipped = np.concatenate([p.grad.numpy().ravel() for p in ours[:2]])
    np.testing.assert_allclose(clipped, everything * factor, rtol=1e-12)
    assert ours[2].grad is None


@pytest.mark.oracles
@pytest.mark.parametrize("norm_type", [2.0, 1.0, inf])
def test_clipping_is_pytorchs(norm_type: float) -> None:
    import torch

    ours = parameters()
    theirs = [torch.zeros(p.shape, dtype=torch.float64, requires_grad=True) for p in ours[:2]]
    for p, other in zip(ours, theirs, strict=False):
        other.grad = torch.tensor(p.grad.numpy())
    total = torch.nn.utils.clip_grad_norm_(theirs, 2.0, norm_type)
    assert nn.utils.clip_grad_norm_(ours, 2.0, norm_type).item() == pytest.approx(total.item(), rel=1e-12)
    for p, other in zip(ours, theirs, strict=False):
        np.testing.assert_allclose(p.grad.numpy(), other.grad.numpy(), rtol=1e-12)


def test_a_norm_that_is_not_finite() -> None:
    p = nn.Parameter(np.zeros(2))
    p.grad = tg.tensor(np.array([1.0, np.nan]))
    with pytest.raises(GradientError, match="is nan"):
        nn.utils.clip_grad_norm_(p, 1.0, error_if_nonfinite=True)
    assert nn.utils.clip_grad_norm_([nn.Parameter(np.zeros(2))], 1.0).item() == 0.0


def test_gradients_are_clipped_by_value() -> None:
    ours = parameters()
    before = ours[1].grad.numpy(copy=True)
    nn.utils.clip_grad_value_(ours, 0.5)
    np.testing.assert_array_equal(ours[1].grad.numpy(), np.clip(before, -0.5, 0.5))


def test_parameters_as_a_vector_and_back() -> None:
    model = nn.Linear(3, 2)
    vector = nn.utils.parameters_to_vector(model.parameters())
    assert vector.shape == (8,)
    (vector * vector).sum().backward()
    assert model.weight.grad is not None
    np.testing.assert_array_equal(model.weight.grad.numpy(), 2 * model.weight.numpy())
    nn.utils.vector_to_parameters(tg.arange(8.0), model.parameters())
    assert model.weight.numpy().tolist() == [[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]]
    assert model.bias is not None
    assert model.bias.numpy().tolist() == [6.0, 7.0]
    with pytest.raises(ShapeError, match="have 8 elements"):
        nn.utils.vector_to_parameters(tg.ones(9), model.parameters())
