"""Initialisers: the statistics of what they draw, and that layers start as PyTorch's do."""

from __future__ import annotations

from math import erf, exp, pi, sqrt
from typing import Any

import numpy as np
import pytest

import teachgrad as tg
from teachgrad import nn
from teachgrad.errors import SettingError, ShapeError

MANY = (400, 300)
"""The mean of so many draws is within 5 standard errors, std / 70, all but surely."""


def drawn(fill: Any, *args: Any, shape: tuple[int, ...] = MANY, **settings: Any) -> np.ndarray:
    tg.seed(11)
    tensor = tg.zeros(shape)
    assert fill(tensor, *args, **settings) is tensor
    return tensor.numpy()


def assert_uniform(values: np.ndarray, low: float, high: float) -> None:
    assert low <= values.min() < low + (high - low) / 1000
    assert high >= values.max() > high - (high - low) / 1000
    std = (high - low) / sqrt(12)
    assert abs(values.mean() - (low + high) / 2) < std / 70
    assert values.std() == pytest.approx(std, rel=0.01)


def assert_normal(values: np.ndarray, mean: float, std: float) -> None:
    assert abs(values.mean() - mean) < std / 70
    assert values.std() == pytest.approx(std, rel=0.01)
    assert (abs(values - mean) < std).mean() == pytest.approx(erf(sqrt(0.5)), abs=0.01)


def test_uniform_and_normal() -> None:
    assert_uniform(drawn(nn.init.uniform_, -1.0, 3.0), -1.0, 3.0)
    assert_normal(drawn(nn.init.normal_, 2.0, 0.5), 2.0, 0.5)


def test_xavier_and_kaiming() -> None:
    fan_in, fan_out = MANY[1], MANY[0]
    bound = 2.0 * sqrt(6 / (fan_in + fan_out))
    assert_uniform(drawn(nn.init.xavier_uniform_, gain=2.0), -bound, bound)
    assert_normal(drawn(nn.init.xavier_normal_), 0.0, sqrt(2 / (fan_in + fan_out)))
    bound = sqrt(2) * sqrt(3 / fan_in)
    assert_uniform(drawn(nn.init.kaiming_uniform_, nonlinearity="relu"), -bound, bound)
    std = sqrt(2 / (1 + 0.2**2)) / sqrt(fan_out)
    assert_normal(drawn(nn.init.kaiming_normal_, a=0.2, mode="fan_out"), 0.0, std)


def test_fans_of_convolutions() -> None:
    assert nn.init.fans(tg.zeros((8, 4, 3, 5))) == (60, 120)
    with pytest.raises(ShapeError, match="at least two axes"):
        nn.init.xavier_uniform_(tg.zeros(3))
    with pytest.raises(SettingError, match="fan_in"):
        nn.init.kaiming_normal_(tg.zeros((3, 3)), mode="fan")
    with pytest.raises(SettingError, match="no gain is known for 'sine'"):
        nn.init.calculate_gain("sine")


@pytest.mark.parametrize(("low", "high"), [(-2.0, 2.0), (-0.5, 3.0), (4.0, 100.0)])
def test_truncated_normal(low: float, high: float) -> None:
    values = drawn(nn.init.trunc_normal_, 0.0, 1.0, low, high, shape=(200, 200))
    assert low <= values.min() < values.max() <= high

    def density(x: float) -> float:
        return exp(-x * x / 2) / sqrt(2 * pi)

    mass = (erf(high / sqrt(2)) - erf(low / sqrt(2))) / 2
    mean = (density(low) - density(high)) / mass  # the mean of a normal distribution cut off at both ends
    assert values.mean() == pytest.approx(mean, abs=0.02)


def test_orthogonal() -> None:
    for shape in ((20, 30), (30, 20), (6, 4, 5)):
        matrix = drawn(nn.init.orthogonal_, 2.0, shape=shape).reshape(shape[0], -1)
        product = matrix @ matrix.T if shape[0] <= matrix.shape[1] else matrix.T @ matrix
        np.testing.assert_allclose(product, 4.0 * np.eye(len(product)), atol=1e-5)
    with pytest.raises(ShapeError):
        nn.init.orthogonal_(tg.zeros(3))


def test_constants() -> None:
    assert (drawn(nn.init.constant_, 0.5) == 0.5).all()
    assert (drawn(nn.init.ones_) == 1).all()
    assert (nn.init.zeros_(tg.ones(3)).numpy() == 0).all()
    np.testing.assert_array_equal(drawn(nn.init.eye_, shape=(2, 3)), np.eye(2, 3))
    with pytest.raises(ShapeError):
        nn.init.eye_(tg.zeros((2, 2, 2)))


def test_parameters_are_filled_without_a_graph() -> None:
    parameter = nn.Parameter(np.zeros((3, 3), np.float32))
    nn.init.normal_(parameter)
    assert parameter.is_leaf
    assert parameter.requires_grad
    assert parameter.numpy().any()


def test_layers_start_within_their_bounds() -> None:
    tg.seed(5)
    assert_uniform(nn.Linear(300, 400).weight.numpy(), -1 / sqrt(300), 1 / sqrt(300))
    assert_uniform(nn.Conv2d(64, 120, 4).weight.numpy(), -1 / sqrt(64 * 16), 1 / sqrt(64 * 16))
    assert_uniform(nn.ConvTranspose2d(120, 64, 4).weight.numpy(), -1 / sqrt(64 * 16), 1 / sqrt(64 * 16))
    assert_uniform(nn.LSTM(300, 100).weight_ih_l0.numpy(), -0.1, 0.1)
    bound = sqrt(6 / (4 * 200))
    assert_uniform(nn.MultiheadAttention(200, 4).in_proj_weight.numpy(), -bound, bound)
    assert_normal(nn.Embedding(400, 300).weight.numpy(), 0.0, 1.0)


def test_a_seed_repeats_a_network() -> None:
    def network(seed: int) -> bytes:
        tg.seed(seed)
        return b"".join(p.numpy().tobytes() for p in nn.Sequential(nn.Linear(4, 5), nn.Linear(5, 2)).parameters())

    assert network(1) == network(1)
    assert network(1) != network(2)


def test_parts_of_a_layer_and_layers_of_a_loop_differ() -> None:
    layers = [nn.Linear(4, 4) for _ in range(3)]
    weights = [layer.weight.numpy().tobytes() for layer in layers]
    assert len(set(weights)) == 3
    assert layers[0].weight.numpy()[0].tolist() != layers[0].bias.numpy().tolist()


@pytest.mark.oracles
@pytest.mark.parametrize(
    ("name", "args"),
    [
        ("Linear", (50, 60)),
        ("Bilinear", (20, 30, 10)),
        ("Conv1d", (20, 30, 5)),
        ("Conv2d", (20, 30, 3)),
        ("ConvTranspose2d", (20, 30, 3)),
        ("Embedding", (50, 60)),
        ("LSTM", (30, 40)),
        ("GRUCell", (30, 40)),
        ("MultiheadAttention", (60, 4)),
        ("BatchNorm2d", (9,)),
        ("LayerNorm", (9,)),
        ("PReLU", (3,)),
    ],
)
def test_layers_start_as_pytorchs(name: str, args: tuple[int, ...]) -> None:
    import torch

    ours, theirs = getattr(nn, name)(*args), getattr(torch.nn, name)(*args)
    for key, parameter in theirs.named_parameters():
        mine, other = ours.get_parameter(key).numpy(), parameter.detach().numpy()
        if other.size > 1000:
            assert mine.std() == pytest.approx(other.std(), rel=0.1)
            assert abs(mine).max() == pytest.approx(abs(other).max(), rel=0.4)
        elif other.std() == 0:
            np.testing.assert_array_equal(mine, other)
