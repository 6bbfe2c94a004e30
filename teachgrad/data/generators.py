"""Small made-up data: `x, y = moons(200)`. Arrays come back, NumPy's, ready for `tg.tensor` or an `ArrayDataset`.

Every generator takes the number of points `n`, the standard deviation `noise` of the normal noise added to each
coordinate, and a `seed`. The random bits are NumPy's Philox with the key (seed, 0), so they are the same everywhere;
sines and cosines are the platform's, so the last bit of a coordinate may differ between machines. Points come in
random order. Results: x is float32 unless `dtype` says otherwise, class labels are int64.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from ..errors import DataError
from .dataset import philox

Pair = tuple[np.ndarray, np.ndarray]


def moons(n: int = 100, noise: float = 0.1, seed: int = 0, dtype: DTypeLike = np.float32) -> Pair:
    """Two interleaving half circles: class 0 is (cos t, sin t), class 1 is (1 - cos t, 1/2 - sin t), t in [0, pi].

    Returns x of shape (n, 2) and y of shape (n,) in {0, 1}; class 0 has n // 2 points, evenly spaced in t.
    The shape is that of scikit-learn's make_moons.
    """
    _check(n, noise)
    outer, inner = (np.linspace(0, np.pi, count) for count in (n // 2, n - n // 2))
    upper = np.stack([np.cos(outer), np.sin(outer)], axis=1)
    lower = np.stack([1 - np.cos(inner), 0.5 - np.sin(inner)], axis=1)
    return _finish([upper, lower], noise, seed, dtype)


def circles(
    n: int = 100, noise: float = 0.05, factor: float = 0.5, seed: int = 0, dtype: DTypeLike = np.float32
) -> Pair:
    """Two circles around the origin: class 0 has radius 1, class 1 radius `factor`, with 0 < factor < 1.

    Returns x of shape (n, 2) and y of shape (n,) in {0, 1}; class 0 has n // 2 points, evenly spaced.
    """
    _check(n, noise)
    if not 0 < factor < 1:
        raise DataError(f"factor is the inner radius over the outer one, between 0 and 1, not {factor}")
    angles = [2 * np.pi * np.arange(count) / count for count in (n // 2, n - n // 2)]
    outer, inner = (np.stack([np.cos(t), np.sin(t)], axis=1) for t in angles)
    return _finish([outer, factor * inner], noise, seed, dtype)


def spirals(
    n: int = 300,
    noise: float = 0.02,
    classes: int = 3,
    turns: float = 0.75,
    seed: int = 0,
    dtype: DTypeLike = np.float32,
) -> Pair:
    """Interleaving spiral arms: arm k is r (cos a, sin a) with a = 2 pi (k / classes + turns r) and r in (0, 1].

    Returns x of shape (n, 2) and y of shape (n,) in 0 .. classes - 1. Point i belongs to arm i mod classes, and the
    points of an arm are evenly spaced in r.
    """
    _check(n, noise)
    if classes < 1:
        raise DataError(f"there must be at least one class, not {classes}")
    arms = []
    for k in range(classes):
        count = len(range(k, n, classes))
        radius = np.arange(1, count + 1) / max(count, 1)
        angle = 2 * np.pi * (k / classes + turns * radius)
        arms.append(radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1))
    return _finish(arms, noise, seed, dtype)


def blobs(
    n: int = 100,
    noise: float = 1.0,
    centers: int | Any = 3,
    features: int = 2,
    seed: int = 0,
    dtype: DTypeLike = np.float32,
) -> Pair:
    """Normal clouds: class k is c_k + noise * N(0, 1) in every coordinate.

    `centers` is an array of shape (classes, features), or the number of centers to draw uniformly from
    [-10, 10)^features. Returns x of shape (n, features) and y of shape (n,); point i belongs to class i mod classes.
    """
    _check(n, noise)
    if isinstance(centers, int):
        middles = philox(seed, 1).uniform(-10, 10, (centers, features))
    else:
        middles = np.asarray(centers, dtype=np.float64)
    if middles.ndim != 2 or middles.size == 0:
        raise DataError(f"centers must have the shape (classes, features), not {middles.shape}")
    clouds = [np.repeat(c[None], len(range(k, n, len(middles))), axis=0) for k, c in enumerate(middles)]
    return _finish(clouds, noise, seed, dtype)


def linear(
    n: int = 100,
    noise: float = 0.1,
    weights: Sequence[float] = (2.0, -3.4),
    bias: float = 4.2,
    seed: int = 0,
    dtype: DTypeLike = np.float32,
) -> Pair:
    """A line to find again: y = x @ weights + bias + noise * N(0, 1), with x ~ N(0, 1).

    Returns x of shape (n, len(weights)) and y of shape (n,), both of `dtype`.
    """
    _check(n, noise)
    w = np.asarray(weights, dtype=np.float64)
    if w.ndim != 1 or w.size == 0:
        raise DataError(f"weights must be a flat list of at least one number, not of shape {w.shape}")
    random = philox(seed, 0)
    x = random.standard_normal((n, len(w)))
    y = x @ w + bias + noise * random.standard_normal(n)
    return x.astype(dtype), y.astype(dtype)


def _check(n: int, noise: float) -> None:
    if n < 1 or noise < 0:
        raise DataError(f"n must be at least 1 and noise at least 0, not {n} and {noise}")


def _finish(classes: list[np.ndarray], noise: float, seed: int, dtype: DTypeLike) -> Pair:
    """Label the classes, add the noise, mix the points."""
    x = np.concatenate(classes)
    y = np.repeat(np.arange(len(classes)), [len(points) for points in classes])
    random = philox(seed, 0)
    x = x + noise * random.standard_normal(x.shape)
    order = random.permutation(len(x))
    return x[order].astype(dtype), y[order].astype(np.int64)
