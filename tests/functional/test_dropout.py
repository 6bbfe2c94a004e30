"""Dropout: what is kept, how often, the same in the backward pass and in both modes."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import teachgrad as tg
from teachgrad.nn import functional as F


def test_elements_are_0_or_scaled_and_the_mean_stays() -> None:
    tg.seed(1)
    x = np.arange(1.0, 40001.0).reshape(200, 200)
    z = F.dropout(tg.tensor(x), 0.3).numpy()
    kept = z != 0
    np.testing.assert_allclose(z[kept], x[kept] / 0.7, rtol=1e-14)
    assert abs(kept.mean() - 0.7) < 5 * math.sqrt(0.7 * 0.3 / x.size)


def test_the_gradient_goes_where_the_value_went() -> None:
    x = tg.tensor(np.ones((50, 50)), requires_grad=True)
    z = F.dropout(x, 0.5)
    g = tg.grad(z, x, tg.tensor(np.full((50, 50), 3.0)), create_graph=True)
    np.testing.assert_array_equal(g.numpy(), 3.0 * z.numpy())


def test_what_is_dropped_is_not_seen() -> None:
    """Not even infinity or nan."""
    tg.seed(2)
    z = F.dropout(tg.tensor(np.array([np.inf, np.nan] * 500)), 0.5).numpy()
    assert 400 < (z == 0).sum() < 600


@pytest.mark.parametrize("p", [0.0, 1.0])
def test_none_and_all(p: float) -> None:
    x = tg.ones((3, 4))
    np.testing.assert_array_equal(F.dropout(x, p).numpy(), np.full((3, 4), 1.0 - p))


def test_evaluation_leaves_everything() -> None:
    x = tg.ones((3, 4))
    assert F.dropout(x, 0.9, training=False) is x


@pytest.mark.parametrize(("name", "axes"), [("dropout1d", 1), ("dropout2d", 2)])
def test_whole_channels(name: str, axes: int) -> None:
    tg.seed(4)
    x = tg.tensor(np.ones((20, 30, *[5] * axes)), requires_grad=True)
    z = getattr(F, name)(x, 0.4)
    flat = z.numpy().reshape(600, -1)
    assert (flat == flat[:, :1]).all()
    assert abs((flat[:, 0] != 0).mean() - 0.6) < 5 * math.sqrt(0.6 * 0.4 / 600)
    np.testing.assert_array_equal(tg.grad(z.sum(), x).numpy(), z.numpy())
    assert getattr(F, name)(x[0], 0.4).shape == x.shape[1:]


def test_the_same_masks_in_both_modes() -> None:
    """And other ones in the next call."""

    def step(x: tg.Tensor) -> tg.Tensor:
        return F.dropout(x, 0.5)

    x = tg.ones((30, 30))
    tg.seed(5)
    plain = [step(x).numpy(copy=True) for _ in range(3)]
    assert (plain[0] != plain[1]).any()
    for level in ("O0", "O1"):
        tg.seed(5)
        static = tg.static(step, level=level)
        for want in plain:
            np.testing.assert_array_equal(static(x).numpy(), want)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: F.dropout(x, 1.5), "p is a probability, not 1.5"),
        (lambda x: F.dropout(tg.astype(x, tg.int32)), "takes floats and a mask of truth values, not int32"),
        (lambda x: F.dropout2d(x), r"dropout2d: the input \(3, 4\) must have 2 spatial axes"),
    ],
)
def test_errors(call: Any, message: str) -> None:
    with pytest.raises(tg.TeachgradError, match=message):
        call(tg.ones((3, 4)))
