"""Normalization: what comes out is normal; the fused op beside the plain formula; running statistics."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import teachgrad as tg
from teachgrad.nn import functional as F

RNG = np.random.default_rng(5)
X = RNG.normal(2.0, 3.0, size=(4, 6, 5, 3))
W, B = RNG.normal(size=6), RNG.normal(size=6)


def plain(x: Any, axis: Any, eps: float, centred: bool = True) -> Any:
    """The formula in ordinary ops, with their gradient rules."""
    c = x - tg.mean(x, axis=axis, keepdims=True) if centred else x
    return c / tg.sqrt(tg.mean(c * c, axis=axis, keepdims=True) + eps)


def channels(v: Any) -> Any:
    return tg.reshape(v, (1, -1, 1, 1))


def grouped(x: Any) -> Any:
    return tg.reshape(plain(tg.reshape(x, (4, 2, 3, 5, 3)), (2, 3, 4), 1e-3), x.shape)


PAIRS: dict[str, tuple[Any, Any]] = {
    "layer_norm": (
        lambda x, w, b: F.layer_norm(x.permute_dims(0, 2, 3, 1), (6,), w, b, 1e-3),
        lambda x, w, b: plain(x.permute_dims(0, 2, 3, 1), -1, 1e-3) * w + b,
    ),
    "rms_norm": (
        lambda x, w, b: F.rms_norm(x.permute_dims(0, 2, 3, 1), (6,), w, 1e-3) + b,
        lambda x, w, b: plain(x.permute_dims(0, 2, 3, 1), -1, 1e-3, False) * w + b,
    ),
    "batch_norm": (
        lambda x, w, b: F.batch_norm(x, None, None, w, b, True, eps=1e-3),
        lambda x, w, b: plain(x, (0, 2, 3), 1e-3) * channels(w) + channels(b),
    ),
    "group_norm": (
        lambda x, w, b: F.group_norm(x, 2, w, b, 1e-3),
        lambda x, w, b: grouped(x) * channels(w) + channels(b),
    ),
    "instance_norm": (
        lambda x, w, b: F.instance_norm(x, None, None, w, b, eps=1e-3),
        lambda x, w, b: plain(x, (2, 3), 1e-3) * channels(w) + channels(b),
    ),
}


@pytest.mark.parametrize("name", PAIRS)
def test_fused_is_the_plain_formula(name: str) -> None:
    """In value, and in first, second and third derivatives."""
    answers = []
    for f in PAIRS[name]:
        xs = [tg.tensor(a, requires_grad=True) for a in (X, W, B)]
        z = f(*xs)
        answer = [z.numpy()]
        loss = (z * tg.tensor(np.cos(np.arange(z.size)).reshape(z.shape))).sum() + (z * z * z).sum()
        for _ in range(3):
            gradients = tg.grad(loss, xs, create_graph=True, allow_unused=True)
            answer += [g.numpy() for g in gradients]
            loss = sum(((g * g).sum() for g in gradients[1:]), (gradients[0] * gradients[0]).sum())
        answers.append(answer)
    for got, want in zip(*answers, strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-9, atol=1e-9 * np.abs(want).max())


@pytest.mark.parametrize(
    ("call", "axis"),
    [
        (lambda x: F.layer_norm(x, (5, 3), eps=0.0), (2, 3)),
        (lambda x: F.layer_norm(x, 3, eps=0.0), (3,)),
        (lambda x: F.batch_norm(x, None, None, training=True, eps=0.0), (0, 2, 3)),
        (lambda x: F.instance_norm(x, eps=0.0), (2, 3)),
        (lambda x: F.group_norm(x, 1, eps=0.0), (1, 2, 3)),
    ],
)
def test_mean_is_0_and_variance_1(call: Any, axis: Any) -> None:
    z = call(tg.tensor(X)).numpy()
    np.testing.assert_allclose(z.mean(axis=axis), 0.0, atol=1e-13)
    np.testing.assert_allclose(z.var(axis=axis), 1.0, rtol=1e-12)


def test_a_large_mean_does_not_spoil_the_variance() -> None:
    """mean(x²) - mean(x)² would lose all digits here."""
    x = np.float32(10000.0) + np.arange(8, dtype=np.float32).reshape(2, 4)
    np.testing.assert_allclose(
        F.layer_norm(tg.tensor(x), (4,), eps=0.0).numpy()[0], np.array([-3, -1, 1, 3]) / np.sqrt(5), rtol=1e-5
    )


def test_running_statistics() -> None:
    """r ← 0.9 r + 0.1 statistic, with the variance over n - 1; and evaluation uses them."""
    mean, var = tg.zeros(6, dtype=tg.float64), tg.ones(6, dtype=tg.float64)
    for _ in range(2):
        F.batch_norm(tg.tensor(X), mean, var, training=True)
    seen, spread = X.mean(axis=(0, 2, 3)), X.var(axis=(0, 2, 3), ddof=1)
    np.testing.assert_allclose(mean.numpy(), 0.19 * seen, rtol=1e-12)
    np.testing.assert_allclose(var.numpy(), 0.81 + 0.19 * spread, rtol=1e-12)
    before = mean.numpy(copy=True)
    z = F.batch_norm(tg.tensor(X), mean, var, tg.tensor(W), tg.tensor(B))
    wanted = (X - before.reshape(1, -1, 1, 1)) / np.sqrt(var.numpy() + 1e-5).reshape(1, -1, 1, 1)
    np.testing.assert_allclose(z.numpy(), wanted * W.reshape(1, -1, 1, 1) + B.reshape(1, -1, 1, 1), rtol=1e-12)
    np.testing.assert_array_equal(mean.numpy(), before)


def test_running_statistics_of_instances() -> None:
    mean, var = tg.zeros(6, dtype=tg.float64), tg.ones(6, dtype=tg.float64)
    F.instance_norm(tg.tensor(X), mean, var, momentum=0.5)
    np.testing.assert_allclose(mean.numpy(), 0.5 * X.mean(axis=(0, 2, 3)), rtol=1e-12)
    np.testing.assert_allclose(var.numpy(), 0.5 + 0.5 * X.var(axis=(2, 3), ddof=1).mean(axis=0), rtol=1e-12)


@pytest.mark.parametrize("level", ["O0", "O1"])
def test_running_statistics_in_a_graph(level: str) -> None:
    """The same bits in static mode, call after call."""

    def start() -> list[tg.Tensor]:
        return [tg.zeros(6), tg.ones(6)]

    x = X.astype(np.float32)
    plain_state, graph_state = start(), start()
    step = tg.static(lambda x: F.batch_norm(x, *graph_state, training=True), level=level)
    for k in range(3):
        want = F.batch_norm(tg.tensor(x * k), *plain_state, training=True)
        got = step(tg.tensor(x * k))
        assert got.numpy().tobytes() == want.numpy().tobytes()
        for a, b in zip(plain_state, graph_state, strict=True):
            assert a.numpy().tobytes() == b.numpy().tobytes()


def test_no_gradient_flows_to_running_statistics() -> None:
    mean, var = tg.zeros(3), tg.ones(3)
    x = tg.tensor(np.ones((4, 3), np.float32), requires_grad=True)
    F.batch_norm(x, mean, var, training=True).sum().backward()
    assert not mean.requires_grad
    assert mean.grad is None


@pytest.mark.oracles
def test_running_statistics_against_torch() -> None:
    import torch

    for name in ("batch_norm", "instance_norm"):
        ours, theirs = (
            [tg.zeros(6, dtype=tg.float64), tg.ones(6, dtype=tg.float64)],
            [torch.zeros(6).double(), torch.ones(6).double()],
        )
        for k in range(3):
            getattr(F, name)(tg.tensor(X + k), *ours, None, None, True, 0.3)
            getattr(torch.nn.functional, name)(torch.tensor(X + k), *theirs, None, None, True, 0.3)
        for a, b in zip(ours, theirs, strict=True):
            np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-12)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: F.layer_norm(x, (6,)), r"the last axes of the input \(4, 6, 5, 3\) do not have the shape \(6,\)"),
        (lambda x: F.layer_norm(x, (3,), tg.ones(5)), r"the weight has shape \(5,\), not \(3,\)"),
        (lambda x: F.group_norm(x, 4), "6 channels cannot be cut into 4 equal groups"),
        (
            lambda x: F.group_norm(x, 2, tg.ones(5)),
            r"group_norm: weight has shape \(5,\), but the input \(4, 6, 5, 3\) has 6 channels",
        ),
        (lambda x: F.batch_norm(x, None, None), "without training=True it needs running_mean and running_var"),
        (lambda x: F.batch_norm(x, tg.zeros(5), tg.ones(6), training=True), r"running_mean has shape \(5,\)"),
        (lambda x: F.batch_norm(x[:1, :, 0, 0], None, None, training=True), "more than one value for each channel"),
        (lambda x: F.instance_norm(x[:, :, :1, :1]), "more than one value for each item and channel"),
        (
            lambda x: F.batch_norm(x[0, 0, 0], None, None, training=True),
            r"the input \(3,\) must be \(items, channels, ...\)",
        ),
        (lambda x: F.layer_norm(tg.astype(x, tg.int32), (3,)), "normalization takes floating-point numbers, not int32"),
    ],
)
def test_errors(call: Any, message: str) -> None:
    with pytest.raises(tg.TeachgradError, match=message):
        call(tg.tensor(X))
