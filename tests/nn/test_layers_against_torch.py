"""Layers and losses against PyTorch, with the same state: names, shapes, results, gradients."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import teachgrad as tg
from teachgrad import nn
from tests.nn.layers import LAYERS, LOSSES, Layer, flows, real, results

pytestmark = pytest.mark.oracles
DTYPES = {"float32": (np.float32, 1e-6, 2e-5), "float64": (np.float64, 1e-10, 1e-10)}
"""For each dtype the tolerance of results, and of gradients, which are sums of many terms."""


def made(entry: Layer, dtype: Any) -> tuple[Any, Any]:
    """Ours, and PyTorch's with parameters that are not symmetric like zeros and ones; both have the same state."""
    import torch

    def there(value: Any) -> Any:
        return torch.tensor(value) if isinstance(value, np.ndarray) else value

    def here(value: Any) -> Any:
        return tg.tensor(value) if isinstance(value, np.ndarray) else value

    settings = {name: there(value) for name, value in entry.settings.items()}
    theirs = getattr(torch.nn, entry.name)(*map(there, entry.args), **settings)
    ours = getattr(nn, entry.name)(*map(here, entry.args), **{k: here(v) for k, v in entry.settings.items()})
    theirs.to(getattr(torch, np.dtype(dtype).name))
    ours.to(dtype)
    with torch.no_grad():
        for parameter in theirs.parameters():
            parameter.add_(torch.tensor(0.1 * real(*parameter.shape).astype(dtype)).reshape(parameter.shape))
    assert list(ours.state_dict()) == list(theirs.state_dict())
    ours.load_state_dict(theirs.state_dict())
    return ours, theirs


def compare(entry: Layer, dtype: Any, train: bool) -> None:
    """Results, gradients of inputs and parameters, and buffers after two calls."""
    import torch

    dtype, close, gradient_close = DTYPES[dtype]
    gradient_close = max(gradient_close, 1e-7) if entry.name == "Hardsigmoid" else gradient_close
    ours, theirs = made(entry, dtype)
    ours.train(train)
    theirs.train(train)
    inputs = [x.astype(dtype) if x.dtype.kind == "f" else x for x in entry.inputs]
    here = [tg.tensor(x, requires_grad=flows(x)) for x in inputs]
    there = [torch.tensor(x.copy(), requires_grad=flows(x)) for x in inputs]
    for _ in range(2):  # twice, because running statistics change
        mine, other = results(ours(*here)), results(theirs(*there))
    assert len(mine) == len(other)
    for a, b in zip(mine, other, strict=True):
        assert a.dtype == dtype
        np.testing.assert_allclose(a.numpy(), b.detach().numpy(), rtol=close, atol=close)
    sum((y * tg.tensor(real(*y.shape).astype(dtype).reshape(y.shape))).sum() for y in mine).backward()
    sum((y * torch.tensor(real(*y.shape).astype(dtype)).reshape(y.shape)).sum() for y in other).backward()
    pairs = [(a, b) for a, b in zip(here, there, strict=True) if a.requires_grad]
    pairs += [(ours.get_parameter(name), p) for name, p in theirs.named_parameters()]
    for a, b in pairs:
        if b.grad is None:
            assert a.grad is None or not a.grad.numpy().any()
            continue
        np.testing.assert_allclose(a.grad.numpy(), b.grad.numpy(), rtol=gradient_close, atol=gradient_close)
    for name, buffer in theirs.named_buffers():
        np.testing.assert_allclose(ours.state_dict()[name].numpy(), buffer.numpy(), rtol=close, atol=close)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", LAYERS)
def test_layers_in_training(name: str, dtype: str) -> None:
    compare(LAYERS[name], dtype, train=True)


@pytest.mark.parametrize("name", [name for name in LAYERS if "norm" in name])
def test_norms_in_evaluation(name: str) -> None:
    compare(LAYERS[name], "float64", train=False)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", LOSSES)
def test_losses(name: str, dtype: str) -> None:
    compare(LOSSES[name], dtype, train=True)


@pytest.mark.parametrize("name", LAYERS)
def test_shapes_and_layouts_of_the_state(name: str) -> None:
    ours, theirs = made(LAYERS[name], np.float64)
    for key, tensor in theirs.state_dict().items():
        mine = ours.state_dict()[key]
        assert mine.shape == tuple(tensor.shape)
        np.testing.assert_array_equal(mine.numpy(), tensor.numpy())
    assert [key for key, _ in ours.named_parameters()] == [key for key, _ in theirs.named_parameters()]


@pytest.mark.parametrize("name", LAYERS)
def test_the_state_goes_back_to_pytorch(name: str) -> None:
    import torch

    ours, theirs = made(LAYERS[name], np.float64)
    theirs.load_state_dict({key: torch.tensor(t.numpy()) for key, t in ours.state_dict().items()}, strict=True)


MASKS = {
    "bool": {"attn_mask": np.triu(np.ones((4, 5), bool), 2)},
    "float": {"attn_mask": real(4, 5)},
    "each_head": {"attn_mask": real(6, 4, 5)},
    "padding": {"key_padding_mask": np.arange(15).reshape(3, 5) % 4 == 1},
    "both": {"attn_mask": np.triu(np.ones((4, 5), bool), 2), "key_padding_mask": np.arange(15).reshape(3, 5) % 4 == 3},
    "heads_apart": {"average_attn_weights": False},
    "no_weights": {"need_weights": False, "attn_mask": real(4, 5)},
}


@pytest.mark.parametrize("name", MASKS)
def test_attention_masks(name: str) -> None:
    import torch

    ours, theirs = made(LAYERS["attention"], np.float64)
    masks = MASKS[name]
    inputs = (real(4, 3, 8), real(5, 3, 8), real(5, 3, 8))
    here = {key: tg.tensor(m) if isinstance(m, np.ndarray) else m for key, m in masks.items()}
    there = {key: torch.tensor(m) if isinstance(m, np.ndarray) else m for key, m in masks.items()}
    y, weights = ours(*map(tg.tensor, inputs), **here)
    z, other = theirs(*map(torch.tensor, inputs), **there)
    np.testing.assert_allclose(y.numpy(), z.detach().numpy(), rtol=1e-10, atol=1e-12)
    if other is None:
        assert weights is None
    else:
        np.testing.assert_allclose(weights.numpy(), other.detach().numpy(), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("weights", [True, False])
def test_causal_attention_is_the_causal_mask(weights: bool) -> None:
    ours, _ = made(LAYERS["attention"], np.float64)
    x = tg.tensor(real(4, 3, 8))
    mask = tg.tensor(np.triu(np.ones((4, 4), bool), 1))
    padding = tg.tensor(np.zeros((3, 4), bool))
    expected, _ = ours(x, x, x, attn_mask=mask)
    for extra in ({}, {"key_padding_mask": padding}):
        y, _ = ours(x, x, x, is_causal=True, need_weights=weights, **extra)
        np.testing.assert_allclose(y.numpy(), expected.numpy(), rtol=1e-10, atol=1e-12)


def test_an_encoder_of_several_layers() -> None:
    import torch

    theirs = torch.nn.TransformerEncoder(
        torch.nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0), 3, torch.nn.LayerNorm(8), enable_nested_tensor=False
    ).double()
    ours = nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0), 3, nn.LayerNorm(8)).to(tg.float64)
    ours.load_state_dict(theirs.state_dict())
    x, mask = real(4, 3, 8), np.triu(np.full((4, 4), -np.inf), 1)
    y = ours(tg.tensor(x), mask=tg.tensor(mask))
    z = theirs(torch.tensor(x), mask=torch.tensor(mask))
    np.testing.assert_allclose(y.numpy(), z.detach().numpy(), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("name", ["lstm", "lstm_deep", "rnn", "gru_deep", "lstm_cell", "rnn_cell"])
def test_recurrent_layers_start_from_a_given_state(name: str) -> None:
    import torch

    entry = LAYERS[name]
    ours, theirs = made(entry, np.float64)
    x = entry.inputs[0]
    _, state = ours(tg.tensor(x)) if "cell" not in name else (None, ours(tg.tensor(x)))
    shapes = [s.shape for s in results(state)]
    first = [real(*shape) for shape in shapes]
    here, there = [tuple(map(make, first)) for make in (tg.tensor, torch.tensor)]
    mine = ours(tg.tensor(x), here if len(first) > 1 else here[0])
    other = theirs(torch.tensor(x), there if len(first) > 1 else there[0])
    for a, b in zip(results(mine), results(other), strict=True):
        np.testing.assert_allclose(a.numpy(), b.detach().numpy(), rtol=1e-10, atol=1e-12)
