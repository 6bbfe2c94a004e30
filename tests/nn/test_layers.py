"""Layers and losses against what PyTorch answered when `reference.json` was made; PyTorch need not be installed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import teachgrad as tg
from teachgrad import nn
from teachgrad.errors import SettingError, ShapeError
from tests.nn.layers import LAYERS, LOSSES, fingerprint, flows, real, results, value_for

REFERENCE = json.loads(Path(__file__).with_name("reference.json").read_text())
CASES = {**LAYERS, **LOSSES}


def close(ours: Any, theirs: Any, tolerance: float = 1e-9) -> bool:
    return bool(np.allclose(fingerprint(ours.numpy()), theirs, rtol=tolerance, atol=tolerance))


@pytest.mark.parametrize("name", CASES)
def test_answers_are_those_that_pytorch_gave(name: str) -> None:
    entry, reference = CASES[name], REFERENCE[name]

    def here(value: Any) -> Any:
        return tg.tensor(value) if isinstance(value, np.ndarray) else value

    layer = getattr(nn, entry.name)(*map(here, entry.args), **{k: here(v) for k, v in entry.settings.items()})
    layer.to(tg.float64)
    with tg.no_grad():
        for number, parameter in enumerate(layer.parameters()):
            parameter.copy_(value_for(parameter, number))
    assert {name: list(tensor.shape) for name, tensor in layer.state_dict().items()} == reference["state"]
    inputs = [tg.tensor(x, requires_grad=flows(x)) for x in entry.inputs]
    layer(*inputs)
    outputs = results(layer(*inputs))
    sum((y * y).sum() for y in outputs).backward()
    for y, (shape, value) in zip(outputs, reference["outputs"], strict=True):
        assert list(y.shape) == shape
        assert close(y, value)
    gradients = [x.grad for x in inputs] + [p.grad for p in layer.parameters()]
    tolerance = 1e-7 if name == "hardsigmoid" else 1e-9  # PyTorch's gradient has 1/6 in float32 only
    for g, value in zip(gradients, reference["gradients"], strict=True):
        assert g is None if value is None else close(g, value, tolerance)
    for key, buffer in layer.named_buffers():
        assert close(buffer, reference["buffers"][key])


@pytest.mark.parametrize("name", ["layer_norm", "lstm", "gru", "attention", "conv2d", "batch_norm2d", "cross_entropy"])
def test_second_derivatives(name: str) -> None:
    """A sample of layers as functions of their first input: first and second gradients by finite differences."""
    entry = CASES[name]
    layer = getattr(nn, entry.name)(*entry.args, **entry.settings).to(tg.float64)
    rest = [tg.tensor(x) for x in entry.inputs[1:]]

    def f(x: Any) -> Any:
        return sum((tg.sin(y)).sum() for y in results(layer(x, *rest)))

    x = tg.tensor(entry.inputs[0][tuple(slice(2) for _ in entry.inputs[0].shape[:1])] if not rest else entry.inputs[0])
    tg.gradcheck(f, x, order=2)


def test_dropout_keeps_the_mean_and_rests_in_evaluation() -> None:
    tg.seed(0)
    x = tg.ones((200, 200))
    layer = nn.Dropout(0.25)
    y = layer(x).numpy()
    assert set(np.unique(y)) == {np.float32(0.0), np.float32(1.0 / 0.75)}
    assert abs((y == 0).mean() - 0.25) < 0.02
    assert (layer(x).numpy() != y).any()
    assert layer.eval()(x) is x
    whole = nn.Dropout2d(0.5)(tg.ones((8, 16, 3, 3))).numpy()
    assert set(np.unique(whole.sum((2, 3)))) == {np.float32(0.0), np.float32(18.0)}
    assert nn.Dropout1d(1.0)(tg.ones((2, 3, 4))).numpy().sum() == 0.0


def test_dropout_lies_between_recurrent_layers_only() -> None:
    tg.seed(0)
    layer = nn.LSTM(3, 4, num_layers=2, dropout=0.5)
    x = tg.tensor(real(5, 2, 3).astype(np.float32))
    assert (layer(x)[0].numpy() != layer(x)[0].numpy()).any()
    single = nn.LSTM(3, 4, dropout=0.5)
    np.testing.assert_array_equal(single(x)[0].numpy(), single(x)[0].numpy())
    layer.eval()
    np.testing.assert_array_equal(layer(x)[0].numpy(), layer(x)[0].numpy())


def test_attention_drops_weights_in_training_only() -> None:
    tg.seed(0)
    layer = nn.MultiheadAttention(8, 2, dropout=0.5)
    x = tg.tensor(real(4, 3, 8).astype(np.float32))
    for need_weights in (True, False):
        layer.train()
        noisy = layer(x, x, x, need_weights=need_weights)[0].numpy()
        layer.eval()
        calm = layer(x, x, x, need_weights=need_weights)[0].numpy()
        assert (noisy != calm).any()
        np.testing.assert_array_equal(calm, layer(x, x, x, need_weights=need_weights)[0].numpy())


def test_batch_norm_statistics_begin_anew() -> None:
    layer = nn.BatchNorm1d(3)
    layer(tg.tensor(real(5, 3).astype(np.float32)))
    assert layer.running_mean.numpy().any()
    assert layer.num_batches_tracked.item() == 1
    layer.reset_parameters()
    assert not layer.running_mean.numpy().any()
    assert layer.running_var.numpy().tolist() == [1.0, 1.0, 1.0]
    assert layer.num_batches_tracked.item() == 0


def test_the_padding_row_stays_zero() -> None:
    layer = nn.Embedding(5, 3, padding_idx=1)
    assert not layer.weight.numpy()[1].any()
    layer(tg.tensor(np.array([1, 2, 1]))).sum().backward()
    assert layer.weight.grad is not None
    assert layer.weight.grad.numpy().sum(1).tolist() == [0.0, 0.0, 3.0, 0.0, 0.0]


@pytest.mark.parametrize(
    ("kind", "message", "make"),
    [
        (SettingError, "cannot be divided into 3 groups", lambda: nn.Conv2d(4, 6, 3, groups=3)),
        (SettingError, "kernel_size is one number or 2", lambda: nn.Conv2d(4, 6, (3, 3, 3))),
        (SettingError, "cannot be divided among 3 heads", lambda: nn.MultiheadAttention(8, 3)),
        (SettingError, "cannot be divided into 4 groups", lambda: nn.GroupNorm(4, 6)),
        (SettingError, "p is a probability", lambda: nn.Dropout(1.5)),
        (SettingError, "padding_idx is 9", lambda: nn.Embedding(5, 3, padding_idx=9)),
        (SettingError, "nonlinearity", lambda: nn.RNN(3, 4, nonlinearity="sigmoid")),
        (SettingError, "num_layers", lambda: nn.GRU(3, 4, num_layers=0)),
        (SettingError, "reduction", lambda: nn.MSELoss("average")),
        (SettingError, "approximate", lambda: nn.GELU("fast")),
        (SettingError, "activation", lambda: nn.TransformerEncoderLayer(8, 2, activation="tanh")),
        (ShapeError, "BatchNorm2d takes a tensor with 4 axes", lambda: nn.BatchNorm2d(3)(tg.ones((2, 3)))),
        (ShapeError, r"LSTM takes \(L, N, 3\)", lambda: nn.LSTM(3, 4)(tg.ones((5, 2, 4)))),
        (ShapeError, "query, key and value", lambda: nn.MultiheadAttention(4, 2)(tg.ones(4), tg.ones(4), tg.ones(4))),
    ],
)
def test_mistakes_are_explained(kind: type[Exception], message: str, make: Any) -> None:
    with pytest.raises(kind, match=message):
        make()
