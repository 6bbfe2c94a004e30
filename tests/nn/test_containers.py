"""Sequential, lists and dicts of modules, lists of parameters."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import teachgrad as tg
from teachgrad import nn


def test_sequential_runs_in_order_and_is_a_list() -> None:
    net = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1))
    x = tg.ones((4, 2))
    np.testing.assert_array_equal(net(x).numpy(), net[2](net[1](net[0](x))).numpy())
    assert len(net) == 3
    assert net[-1] is net[2]
    assert [type(module).__name__ for module in net] == ["Linear", "ReLU", "Linear"]
    assert isinstance(net[:2], nn.Sequential)
    assert net[:2][0] is net[0]
    net[1] = nn.Tanh()
    assert [name for name, _ in net.named_children()] == ["0", "1", "2"]
    net.append(nn.Sigmoid())
    net.insert(0, nn.Identity())
    assert [type(module).__name__ for module in net] == ["Identity", "Linear", "Tanh", "Linear", "Sigmoid"]
    del net[0]
    del net[2:]
    assert [(name, type(module).__name__) for name, module in net.named_children()] == [("0", "Linear"), ("1", "Tanh")]
    with pytest.raises(IndexError, match="has 2 items"):
        net[2]


def test_sequential_with_names() -> None:
    net = nn.Sequential({"fc": nn.Linear(2, 3), "act": nn.ReLU()})
    assert list(net.state_dict()) == ["fc.weight", "fc.bias"]
    assert net.fc is net[0]


def test_sequential_takes_modules_only() -> None:
    with pytest.raises(TypeError, match=r"is it `nn\.Tanh\(\)` with brackets"):
        nn.Sequential(nn.Linear(2, 2), nn.Tanh)


def test_module_list() -> None:
    layers = nn.ModuleList([nn.Linear(2, 2)])
    layers.extend([nn.Linear(2, 3), nn.Linear(3, 1)])
    assert list(layers.state_dict()) == [f"{k}.{name}" for k in range(3) for name in ("weight", "bias")]
    assert isinstance(layers[1:], nn.ModuleList)
    assert len(layers[1:]) == 2


def test_module_dict() -> None:
    heads: Any = nn.ModuleDict({"a": nn.Linear(2, 1), "b": nn.Linear(2, 2)})
    heads["c"] = nn.ReLU()
    assert list(heads) == ["a", "b", "c"]
    assert "a" in heads
    assert "z" not in heads
    assert list(heads.state_dict()) == ["a.weight", "a.bias", "b.weight", "b.bias"]
    assert [key for key, _ in heads.items()] == list(heads.keys())
    assert list(heads.values())[2] is heads["c"]
    del heads["a"]
    assert len(heads) == 2
    with pytest.raises(KeyError):
        heads["a"]


def test_parameter_list() -> None:
    weights = nn.ParameterList([np.ones(2), tg.zeros(3)])
    weights.append(nn.Parameter(np.ones(1)))
    assert list(weights.state_dict()) == ["0", "1", "2"]
    assert all(isinstance(p, nn.Parameter) for p in weights)
    assert weights[-1].shape == (1,)
    assert repr(weights) == "ParameterList(float64[2], float32[3], float64[1])"
