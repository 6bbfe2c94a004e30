"""Attention: the fused op beside the plain formula, what masks hide, and dropout of weights."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import teachgrad as tg
from teachgrad.nn import functional as F
from teachgrad.ops.attention import attention

RNG = np.random.default_rng(6)
Q, K, V = RNG.normal(size=(2, 3, 5, 4)), RNG.normal(size=(2, 3, 7, 4)), RNG.normal(size=(2, 3, 7, 6))


def plain(q: Any, k: Any, v: Any, mask: Any = 0.0) -> Any:
    """The formula in ordinary ops."""
    return tg.matmul(F.softmax(tg.matmul(q, k.mT) / math.sqrt(q.shape[-1]) + mask), v)


@pytest.mark.parametrize("masked", [False, True])
def test_fused_is_the_plain_formula(masked: bool) -> None:
    """In value, first and second derivatives; the mask is learned, too."""
    answers = []
    arrays = (Q, K, V, RNG.normal(size=(3, 5, 7))) if masked else (Q, K, V)
    for f in (F.scaled_dot_product_attention, plain):
        xs = [tg.tensor(a, requires_grad=True) for a in arrays]
        z = f(*xs)
        answer = [z.numpy()]
        loss = (z * tg.tensor(np.cos(np.arange(z.size)).reshape(z.shape))).sum()
        for _ in range(2):
            gradients = tg.grad(loss, xs, create_graph=True)
            answer += [g.numpy() for g in gradients]
            loss = sum(((g * g).sum() for g in gradients[1:]), (gradients[0] * gradients[0]).sum())
        answers.append(answer)
    for got, want in zip(*answers, strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-10, atol=1e-11)


def test_weights_are_given_and_have_a_gradient() -> None:
    """Both results of the op may be used, for the answer and for looking at it."""

    def f(q: Any, k: Any, v: Any) -> Any:
        z, weights = attention(q, k, v, weights=True)
        return z * 2.0, weights * weights

    xs = [tg.tensor(a[0, 0], requires_grad=True) for a in (Q, K, V)]
    weights = f(*xs)[1].numpy() ** 0.5
    assert weights.shape == (7, 5)  # keys first
    np.testing.assert_allclose(weights.sum(axis=0), 1.0, rtol=1e-12)
    assert tg.gradcheck(f, *xs, order=2)


def test_the_future_is_hidden() -> None:
    """Under is_causal the answer for query t does not change when what comes after t does."""
    q, k, v = (RNG.normal(size=(6, 4)) for _ in range(3))
    whole = F.scaled_dot_product_attention(*map(tg.tensor, (q, k, v)), is_causal=True).numpy()
    for t in range(6):
        part = F.scaled_dot_product_attention(*(tg.tensor(a[: t + 1]) for a in (q, k, v)), is_causal=True).numpy()
        np.testing.assert_allclose(part[t], whole[t], rtol=1e-13)


def test_a_query_that_sees_nothing_gets_zeros() -> None:
    xs = [tg.tensor(a, requires_grad=True) for a in (Q, K, V)]
    for mask in (np.arange(5)[:, None] != [[3]], np.where(np.arange(5)[:, None] == 3, -np.inf, 0.0)):
        z = F.scaled_dot_product_attention(*xs, tg.tensor(np.broadcast_to(mask, (5, 7)).copy()))
        assert (z.numpy()[:, :, 3] == 0).all()
        assert (z.numpy()[:, :, 2] != 0).all()
        assert all(np.isfinite(g.numpy()).all() for g in tg.grad(z.sum(), xs))
    nothing = F.scaled_dot_product_attention(*(tg.tensor(a) for a in (Q, K[:, :, :0], V[:, :, :0])))
    np.testing.assert_array_equal(nothing.numpy(), np.zeros((2, 3, 5, 6)))


def test_leading_axes_broadcast() -> None:
    """One key and value for all heads."""
    q, k, v = (
        tg.tensor(Q, requires_grad=True),
        tg.tensor(K[:, :1], requires_grad=True),
        tg.tensor(V[0, 0], requires_grad=True),
    )
    z = F.scaled_dot_product_attention(q, k, v)
    np.testing.assert_allclose(z.numpy(), plain(q, k, v).numpy(), rtol=1e-12)
    for got, want in zip(
        tg.grad((z * z).sum(), [q, k, v]), tg.grad((plain(q, k, v) ** 2).sum(), [q, k, v]), strict=True
    ):
        np.testing.assert_allclose(got.numpy(), want.numpy(), rtol=1e-10, atol=1e-12)


def test_large_scores_do_not_overflow() -> None:
    q, k = tg.tensor(np.float32([[1e4], [-1e4]])), tg.tensor(np.float32([[1.0], [2.0]]))
    np.testing.assert_array_equal(
        F.scaled_dot_product_attention(q, k, tg.tensor(np.float32([[1.0], [5.0]]))).numpy(), [[5.0], [1.0]]
    )


def test_dropout_drops_weights() -> None:
    """With equal scores and values of ones, an answer is the number of keys that are kept, over the expected one."""
    tg.seed(3)
    q, k, v = tg.zeros((200, 4)), tg.zeros((50, 4)), tg.ones((50, 1))
    z = F.scaled_dot_product_attention(q, k, v, dropout_p=0.4).numpy()
    kept = z * 0.6 * 50
    np.testing.assert_allclose(kept, np.round(kept), atol=1e-4)
    assert abs(kept.mean() - 30) < 5 * math.sqrt(50 * 0.6 * 0.4 / 200)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda q, k, v: F.scaled_dot_product_attention(q, k, v, tg.zeros((5, 7)), is_causal=True),
            "attn_mask or is_causal, not both",
        ),
        (
            lambda q, k, v: F.scaled_dot_product_attention(q, v, v),
            r"query \(2, 3, 5, 4\), key \(2, 3, 7, 6\) and value .* do not fit",
        ),
        (lambda q, k, v: F.scaled_dot_product_attention(q, k, v[:, :, :4]), "do not fit"),
        (lambda q, k, v: F.scaled_dot_product_attention(q[0, 0, 0], k, v), "do not fit"),
    ],
)
def test_errors(call: Any, message: str) -> None:
    with pytest.raises(tg.TeachgradError, match=message):
        call(*map(tg.tensor, (Q, K, V)))
