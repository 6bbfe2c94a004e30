"""Losses: closed forms, extreme scores, targets that are ignored or wrong."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np
import pytest

import teachgrad as tg
from teachgrad.nn import functional as F

X = np.random.default_rng(7).normal(size=(5, 4))
T = np.array([2, 0, 3, 1, 2])


def plain(x: Any, t: np.ndarray) -> Any:
    """Cross entropy in ordinary ops."""
    logs = x - tg.log(tg.sum(tg.exp(x), axis=1, keepdims=True))
    return -tg.mean(tg.sum(logs * tg.tensor(np.eye(4)[t]), axis=1))


def test_fused_is_the_plain_formula() -> None:
    """In value, first and second derivatives."""
    answers = []
    for f in (lambda x, t: F.cross_entropy(x, tg.tensor(t)), plain):
        x = tg.tensor(X, requires_grad=True)
        z = f(x, T)
        g = tg.grad(z * z, x, create_graph=True)
        answers.append([z.numpy(), g.numpy(), tg.grad((g * g).sum(), x).numpy()])
    for got, want in zip(*answers, strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-11)


def test_mean_squared_error_is_the_plain_formula() -> None:
    answers = []
    for f in (F.mse_loss, lambda x, y: tg.mean((x - y) ** 2)):
        x, y = tg.tensor(X, requires_grad=True), tg.tensor(np.cos(X), requires_grad=True)
        z = f(x, y)
        first = tg.grad(z * z, [x, y], create_graph=True)
        answers.append(
            [z.numpy(), *(g.numpy() for g in first), *(h.numpy() for h in tg.grad((first[0] * first[0]).sum(), [x, y]))]
        )
    for got, want in zip(*answers, strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-12)


def test_closed_forms() -> None:
    assert F.cross_entropy(tg.zeros((3, 10)), tg.tensor(np.array([1, 5, 9]))).item() == pytest.approx(
        math.log(10), rel=1e-6
    )
    assert F.binary_cross_entropy_with_logits(tg.zeros(4), tg.ones(4)).item() == pytest.approx(math.log(2), rel=1e-6)
    assert F.kl_div(tg.log(tg.tensor([0.25, 0.75])), tg.tensor([0.5, 0.5]), reduction="sum").item() == pytest.approx(
        0.5 * math.log(2) + 0.5 * math.log(2 / 3), rel=1e-5
    )
    assert F.huber_loss(tg.tensor([3.0]), tg.tensor([0.0])).item() == 2.5
    assert F.smooth_l1_loss(tg.tensor([0.5]), tg.tensor([0.0]), beta=2.0).item() == 0.0625


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_scores_far_out(dtype: Any) -> None:
    """A sure and wrong answer costs its score, a sure and right one nothing; gradients are ±1 and 0."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        x = tg.tensor(np.array([[1e4, -1e4], [1e4, -1e4]], dtype), requires_grad=True)
        z = F.cross_entropy(x, tg.tensor(np.array([0, 1])), reduction="none")
        np.testing.assert_allclose(z.numpy(), [0.0, 2e4])
        np.testing.assert_array_equal(tg.grad(z.sum(), x).numpy(), [[0, 0], [1, -1]])
        y = tg.tensor(np.array([1e4, 1e4, -1e4], dtype), requires_grad=True)
        z = F.binary_cross_entropy_with_logits(y, tg.tensor(np.array([1, 0, 0], dtype)), reduction="none")
        np.testing.assert_array_equal(z.numpy(), [0, 1e4, 0])
        np.testing.assert_array_equal(tg.grad(z.sum(), y).numpy(), [0, 1, 0])


def test_probabilities_of_0_and_1() -> None:
    """Logarithms stop at -100, so that a sure mistake costs 100 and not infinity."""
    x, t = tg.tensor(np.array([0.0, 1.0, 0.0, 1.0])), tg.tensor(np.array([0.0, 1.0, 1.0, 0.0]))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        np.testing.assert_array_equal(F.binary_cross_entropy(x, t, reduction="none").numpy(), [0, 0, 100, 100])


@pytest.mark.parametrize("ignored", [-100, 2, 77])
def test_ignored_targets_count_for_nothing(ignored: int) -> None:
    """Neither in the loss, nor in the number it is divided by, nor in a gradient."""
    target = np.where(np.arange(5) % 2 == 0, ignored, T)
    x = tg.tensor(X, requires_grad=True)
    rows = target != ignored
    z = F.cross_entropy(x, tg.tensor(target), ignore_index=ignored)
    np.testing.assert_allclose(
        z.item(), F.cross_entropy(tg.tensor(X[rows]), tg.tensor(target[rows])).item(), rtol=1e-13
    )
    g = tg.grad(z, x).numpy()
    assert (g[~rows] == 0).all()
    assert (g[rows] != 0).all()


def test_all_ignored_is_nan_as_a_mean_and_0_as_a_sum() -> None:
    t = tg.tensor(np.full(5, -100))
    with np.errstate(invalid="ignore"):
        assert math.isnan(F.cross_entropy(tg.tensor(X), t).item())
    assert F.cross_entropy(tg.tensor(X), t, reduction="sum").item() == 0


@pytest.mark.parametrize("dtype", [np.int8, np.int32, np.int64, np.uint8])
def test_targets_of_any_integer_type(dtype: Any) -> None:
    want = F.cross_entropy(tg.tensor(X), tg.tensor(T)).item()
    assert F.cross_entropy(tg.tensor(X), tg.tensor(T.astype(dtype))).item() == want


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x, t: F.cross_entropy(x, t + 2), "target 4 is not one of the 4 from 0 to 3"),
        (lambda x, t: F.cross_entropy(x, t - 1), "target -1 is not one of the 4 from 0 to 3"),
        (lambda x, t: F.nll_loss(x, t - 1), "target -1 is not one of the 4 from 0 to 3"),
        (lambda x, t: F.cross_entropy(x, t[:, None]), r"scores \(5, 4\) .* need targets of shape \(5,\), not \(5, 1\)"),
        (lambda x, t: F.cross_entropy(x, t > 1), "takes integer indices, not bool"),
        (
            lambda x, t: F.cross_entropy(x, t, tg.ones(3)),
            r"the class weights have shape \(3,\), and there are 4 classes",
        ),
        (
            lambda x, t: F.cross_entropy(x, t, reduction="average"),
            "reduction is 'mean', 'sum' or 'none', not 'average'",
        ),
        (lambda x, t: F.cross_entropy(x, t, label_smoothing=2.0), "label_smoothing lies between 0 and 1"),
        (lambda x, t: F.cross_entropy(x[:, :0], t, label_smoothing=0.1), "no classes to smooth the labels over"),
        (lambda x, t: F.cross_entropy(x, x[:, :2]), r"prediction has shape \(5, 4\), the target \(5, 2\)"),
        (
            lambda x, t: F.mse_loss(x[:, :1], x[:, 0]),
            r"prediction has shape \(5, 1\), the target \(5,\).\n.*reshape\(\)",
        ),
        (lambda x, t: F.mse_loss(x, x, reduction="max"), "reduction is"),
        (lambda x, t: F.huber_loss(x, x, delta=0.0), "delta must be positive"),
        (lambda x, t: F.smooth_l1_loss(x, x, beta=-1.0), "beta must not be negative"),
    ],
)
def test_errors(call: Any, message: str) -> None:
    with pytest.raises((tg.TeachgradError, IndexError), match=message):
        call(tg.tensor(X), tg.tensor(T))
