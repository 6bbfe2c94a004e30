"""What is said of an array in a few numbers."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class Statistics:
    """Of the finite elements: smallest, largest, mean and standard deviation (None if there are none).
    Of all: how many are zero, nan and infinite."""

    minimum: float | None
    maximum: float | None
    mean: float | None
    std: float | None
    zeros: int
    nans: int
    infs: int


EMPTY = Statistics(None, None, None, None, 0, 0, 0)


def statistics_of(array: np.ndarray) -> Statistics:
    """The statistics of an array. The standard deviation divides by n.

    One reduction each for min, max, sum and sum of squares serves nearly all arrays; var = E[x²] - E[x]²
    loses its digits when the mean is large beside the spread, and single precision may overflow: then float64
    does it again.
    """
    flat = array.reshape(-1)
    n = flat.size
    if n == 0:
        return EMPTY
    kind = flat.dtype.kind
    if kind == "c":
        flat = np.abs(flat)
    elif kind != "f" or flat.dtype.itemsize < 4:
        return _careful(flat.astype(np.float64))
    with np.errstate(all="ignore"):
        low, high = float(np.minimum.reduce(flat)), float(np.maximum.reduce(flat))
        mean = float(np.add.reduce(flat)) / n
        square = float(np.dot(flat, flat)) / n
    variance = square - mean * mean
    if not variance > 1e-3 * mean * mean or not math.isfinite(square):
        return _careful(flat)
    zeros = 0 if low > 0.0 or high < 0.0 else n - int(np.count_nonzero(flat != 0))
    return Statistics(low, high, mean, math.sqrt(variance), zeros, 0, 0)


def _careful(flat: np.ndarray) -> Statistics:
    """The same for any array, in float64."""
    nans = int(np.count_nonzero(np.isnan(flat)))
    finite = flat[np.isfinite(flat)].astype(np.float64)
    infs = flat.size - nans - finite.size
    if not finite.size:
        return Statistics(None, None, None, None, 0, nans, infs)
    with np.errstate(over="ignore", invalid="ignore"):
        mean, std = float(finite.mean()), float(finite.std())
    return Statistics(
        float(finite.min()),
        float(finite.max()),
        mean if math.isfinite(mean) else None,
        std if math.isfinite(std) else None,
        finite.size - int(np.count_nonzero(finite)),
        nans,
        infs,
    )
