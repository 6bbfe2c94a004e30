"""What is said of an array in a few numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
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
    squares may overflow or vanish: then mean and deviation are computed with care, in float64. So is all of an array
    with elements that are not finite, which must be left out.

    With `sample`, mean, standard deviation and zeros of an array of more than 8192 elements are those of 16 blocks of
    256 elements at even distances; `counted` says so. Smallest, largest, nan and inf are always of all elements.
    """
    ones = _ones.get(array.dtype)
    if ones is None or array.size < 2:
        return _careful(array.reshape(-1)) if array.size else (None, None, None, None, 0, 0, 0, 0)
    memory = array.ravel(order="K")  # no copy, whatever the order of the axes
    low, high = memory.item(memory.argmin()), memory.item(memory.argmax())
    if not (low > -HUGE and high < HUGE):
        return _careful(array.reshape(-1))
    if low == high:
        return low, low, low, 0.0, array.size if low == 0.0 else 0, 0, 0, array.size
    flat = _sample_of(array) if sample and array.size > LARGE else array.reshape(-1)
    n = flat.size
    if ones.size < n:
        ones = _ones[flat.dtype] = np.ones(n, flat.dtype)
    mean = flat.dot(ones[:n]).item() / n
    variance = flat.dot(flat).item() / n - mean * mean
    if not 1e-3 * mean * mean < variance < math.inf or -TINY < low <= high < TINY:
        return low, high, *_careful(flat)[2:]
    if low > 0.0 or high < 0.0:
        zeros = 0
    else:
        zeros = n - int(np.count_nonzero(flat if n <= SMALL else flat != 0))
    return low, high, mean, math.sqrt(variance), zeros, 0, 0, n


def _sample_of(array: np.ndarray) -> np.ndarray:
    """16 blocks of 256 elements at even distances, in C order, without a copy of the others."""
    if not array.flags.c_contiguous:
        return array.flat[_places(array.size)]
    return array.reshape(-1)[: array.size // BLOCKS * BLOCKS].reshape(BLOCKS, -1)[:, :BLOCK].reshape(-1)


@lru_cache(maxsize=64)
def _places(size: int) -> np.ndarray:
    """Where the elements of a sample are."""
    return (np.arange(BLOCKS)[:, None] * (size // BLOCKS) + np.arange(BLOCK)).reshape(-1)


def numbers_of_each(flat: np.ndarray, sizes: Sequence[int], memory: np.ndarray) -> list[list[Any]]:
    """The same as `numbers_of` for many arrays at once, column by column: all minima, all maxima, and so on.

    The arrays, of float32 or float64, lie one after the other in `flat`; `sizes` has the number of elements of each,
    none of them 0. `memory` is for as many elements: new memory would come from the system, page by page. Where arrays
    are small, this takes a quarter of the time and less: there it is the calls that cost, not the elements.
    """
    counts = np.array(sizes)
    bounds = np.concatenate([[0], counts.cumsum()])
    starts = bounds[:-1]
    zeros = np.searchsorted(np.flatnonzero(flat == 0), bounds)
    with np.errstate(all="ignore"):
        low, high = np.minimum.reduceat(flat, starts), np.maximum.reduceat(flat, starts)
        mean = np.add.reduceat(flat, starts) / counts
        squares = np.multiply(flat, flat, out=memory[: flat.size])
        variance = np.add.reduceat(squares, starts) / counts - mean * mean
        usual = (low > -HUGE) & (high < HUGE)
        simple = usual & (variance > 1e-3 * mean * mean) & (variance < math.inf) & ((low <= -TINY) | (high >= TINY))
        deviation = np.sqrt(variance)
    same = usual & (low == high)
    columns: list[list[Any]] = [
        low.tolist(), high.tolist(), np.where(same, low, mean).tolist(), np.where(same, 0.0, deviation).tolist(),
        np.diff(zeros).tolist(), [0] * len(sizes), [0] * len(sizes), list(sizes),
    ]  # fmt: skip
    for i in np.flatnonzero(~(simple | same)).tolist():
        for column, number in zip(columns, _careful(flat[bounds[i] : bounds[i + 1]]), strict=True):
            column[i] = number
    return columns


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
