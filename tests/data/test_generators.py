"""The generators against their formulas, against scikit-learn, and against themselves."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from teachgrad.data import blobs, circles, linear, moons, spirals
from teachgrad.errors import DataError

GENERATORS = [blobs, circles, linear, moons, spirals]
LABELLED = [blobs, circles, moons, spirals]


def in_order(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    rows = np.round(np.column_stack([y, x]), 9) + 0.0
    return rows[np.lexsort(rows.T[::-1])]


@pytest.mark.parametrize("make", GENERATORS)
def test_seeds_decide(make: Callable[..., Any]) -> None:
    one, same, other = make(50, seed=4), make(50, seed=4), make(50, seed=5)
    for a, b, c in zip(one, same, other, strict=True):
        assert np.array_equal(a, b)
        assert not np.array_equal(a, c)


@pytest.mark.parametrize("make", GENERATORS)
def test_types_and_shapes(make: Callable[..., Any]) -> None:
    for n in (1, 2, 7):
        x, y = make(n)
        assert (x.shape, y.shape, x.dtype) == ((n, 2), (n,), np.float32)
        assert y.dtype == (np.float32 if make is linear else np.int64)
        assert make(n, dtype="float64")[0].dtype == np.float64


@pytest.mark.parametrize("make", LABELLED)
def test_classes_are_even_and_mixed(make: Callable[..., Any]) -> None:
    _, y = make(301)
    counts = np.bincount(y)
    assert counts.max() - counts.min() <= 1
    assert (np.diff(y) != 0).sum() > 100


@pytest.mark.parametrize("make", LABELLED)
def test_noise_is_normal_with_the_stated_deviation(make: Callable[..., Any]) -> None:
    """The order of the points is drawn after the noise, so the same seed without noise gives the noiseless points."""
    noisy, clean = (make(20_000, noise=noise, seed=1, dtype="float64") for noise in (0.3, 0))
    assert np.array_equal(noisy[1], clean[1])
    residual = (noisy[0] - clean[0]) / 0.3
    assert residual.mean() == pytest.approx(0, abs=4 / np.sqrt(residual.size))
    assert residual.var() == pytest.approx(1, abs=4 * np.sqrt(2 / residual.size))
    assert (np.abs(residual) < 1).mean() == pytest.approx(0.6827, abs=0.01)


@pytest.mark.oracles("sklearn")
@pytest.mark.parametrize("n", [40, 41])
def test_moons_and_circles_have_the_shapes_of_scikit_learn(n: int) -> None:
    made = importlib.import_module("sklearn.datasets")
    ours, theirs = moons(n, noise=0, dtype="float64"), made.make_moons(n, shuffle=False)
    assert np.allclose(in_order(*ours), in_order(*theirs), atol=1e-8)
    ours, theirs = circles(n, noise=0, factor=0.3, dtype="float64"), made.make_circles(n, shuffle=False, factor=0.3)
    assert np.allclose(in_order(*ours), in_order(*theirs), atol=1e-8)


def test_moons_lie_on_two_half_circles() -> None:
    x, y = moons(100, noise=0, dtype="float64")
    upper, lower = x[y == 0], x[y == 1]
    assert np.allclose(np.hypot(*upper.T), 1)
    assert np.allclose(np.hypot(*(lower - [1, 0.5]).T), 1)
    assert upper[:, 1].min() > -1e-12
    assert lower[:, 1].max() < 0.5 + 1e-12


def test_circles_have_their_radii() -> None:
    x, y = circles(100, noise=0, factor=0.25, dtype="float64")
    assert np.allclose(np.hypot(*x.T), np.where(y == 0, 1, 0.25))


def test_spirals_obey_their_equation() -> None:
    x, y = spirals(90, noise=0, classes=3, turns=0.5, dtype="float64")
    radius, angle = np.hypot(*x.T), np.arctan2(*x.T[::-1])
    assert np.allclose(np.exp(1j * angle), np.exp(2j * np.pi * (y / 3 + 0.5 * radius)))
    assert np.allclose(np.sort(radius[y == 1]), np.arange(1, 31) / 30)


def test_blobs_stand_around_their_centers() -> None:
    centers = [[0, 0, 9], [5, 5, 5]]
    x, y = blobs(10_000, noise=0.5, centers=centers)
    for k, center in enumerate(centers):
        assert x[y == k].mean(axis=0) == pytest.approx(center, abs=0.03)
    drawn, _ = blobs(3, noise=0, centers=3, features=4)
    assert drawn.shape == (3, 4)
    assert np.abs(drawn).max() <= 10


def test_linear_is_found_again_by_least_squares() -> None:
    x, y = linear(2000, noise=0.01, weights=(1.5, -2.0, 0.25), bias=-3, dtype="float64")
    solution, *_ = np.linalg.lstsq(np.column_stack([x, np.ones(len(x))]), y)
    assert solution == pytest.approx([1.5, -2.0, 0.25, -3.0], abs=2e-3)


def test_bits_stay_the_same() -> None:
    """Numbers made with NumPy 2.4.6: another release that draws differently would be noticed here."""
    x, y = linear(2, noise=0, weights=[1.0], bias=0, seed=1)
    assert x.ravel().tolist() == y.tolist() == [1.0202879905700684, 0.7597131729125977]
    assert moons(12, seed=1)[1].tolist() == [0, 1, 1, 1, 0, 1, 0, 0, 0, 0, 1, 1]


@pytest.mark.parametrize(
    ("make", "wrong"),
    [(make, wrong) for make in GENERATORS for wrong in ({"n": 0}, {"noise": -1}, {"seed": -1})]
    + [
        (circles, {"factor": 1}),
        (circles, {"factor": 0}),
        (spirals, {"classes": 0}),
        (blobs, {"centers": []}),
        (blobs, {"centers": 0}),
        (linear, {"weights": []}),
    ],
)
def test_nonsense_is_refused(make: Callable[..., Any], wrong: dict[str, Any]) -> None:
    assert set(wrong) <= set(inspect.signature(make).parameters)
    with pytest.raises(DataError):
        make(**wrong)
