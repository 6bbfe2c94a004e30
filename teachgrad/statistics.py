"""What is said of an array in a few numbers."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

SMALL = 2048
"""Up to so many elements, NumPy counts zeros faster than it compares."""
LARGE = 1 << 13
BLOCKS, BLOCK = 16, 256
HUGE = 1e15
"""Squares of larger numbers, added up, may be beyond float32; nan and infinities are not below it either."""
TINY = 1e-15
"""Squares of smaller numbers lose their digits in float32."""


class Statistics(NamedTuple):
    """Of the finite elements: smallest, largest, mean and standard deviation (None if there are none).
    Of all: how many are nan and infinite. Mean, deviation and zeros are of `counted` elements: all, or a sample."""

    minimum: float | None
    maximum: float | None
    mean: float | None
    std: float | None
    zeros: int
    nans: int
    infs: int
    counted: int


Numbers = tuple[float | None, float | None, float | None, float | None, int, int, int, int]
_ones: dict[np.dtype[Any], np.ndarray] = {
    np.dtype(np.float32): np.ones(1, np.float32),
    np.dtype(np.float64): np.ones(1),
}


def statistics_of(array: np.ndarray) -> Statistics:
    """The statistics of all elements of an array. The standard deviation divides by n."""
    return Statistics(*numbers_of(array))


def numbers_of(array: np.ndarray, sample: bool = False) -> Numbers:
    """The statistics of an array, as a plain tuple: this runs for every array of a training step.

    Min, max, and two dot products (with ones and with itself) serve nearly all arrays; they run at the speed of memory
    and in the array's own precision. var = E[x²] - E[x]² loses its digits when the mean is large beside the spread, and
    what is not finite must be left out: then everything is done again with care, in float64.

    With `sample`, mean, standard deviation and zeros of an array of more than 8192 elements are those of 16 blocks of
    256 elements at even distances; `counted` says so. Smallest, largest, nan and inf are always of all elements.
    """
    flat = array.reshape(-1)
    n = flat.size
    ones = _ones.get(flat.dtype)
    if ones is None or n < 2:
        return _careful(flat) if n else (None, None, None, None, 0, 0, 0, 0)
    low, high = flat.item(flat.argmin()), flat.item(flat.argmax())
    if not (low > -HUGE and high < HUGE) or -TINY < low <= high < TINY:
        return _careful(flat)
    if sample and n > LARGE:
        flat = flat[: n // BLOCKS * BLOCKS].reshape(BLOCKS, -1)[:, :BLOCK].reshape(-1)
        n = flat.size
    if ones.size < n:
        ones = _ones[flat.dtype] = np.ones(n, flat.dtype)
    mean = flat.dot(ones[:n]).item() / n
    variance = flat.dot(flat).item() / n - mean * mean
    if not 1e-3 * mean * mean < variance < math.inf:
        return _careful(array.reshape(-1))
    if low > 0.0 or high < 0.0:
        zeros = 0
    else:
        zeros = n - int(np.count_nonzero(flat if n <= SMALL else flat != 0))
    return low, high, mean, math.sqrt(variance), zeros, 0, 0, n


def _careful(flat: np.ndarray) -> Numbers:
    """The same for any array, in float64; of complex numbers, of their magnitudes."""
    n = flat.size
    if n == 1 and math.isfinite(value := float(abs(flat[0]) if flat.dtype.kind == "c" else flat[0])):
        return value, value, value, 0.0, int(value == 0), 0, 0, 1
    numbers = (np.abs(flat) if flat.dtype.kind == "c" else flat).astype(np.float64)
    nans = int(np.count_nonzero(np.isnan(numbers)))
    finite = numbers[np.isfinite(numbers)]
    infs = n - nans - finite.size
    if not finite.size:
        return None, None, None, None, 0, nans, infs, n
    with np.errstate(over="ignore", invalid="ignore"):
        mean, std = float(finite.mean()), float(finite.std())
    return (
        float(finite.min()), float(finite.max()), mean if math.isfinite(mean) else None,
        std if math.isfinite(std) else None, finite.size - int(np.count_nonzero(finite)), nans, infs, n,
    )  # fmt: skip
