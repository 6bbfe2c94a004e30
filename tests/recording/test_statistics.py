"""What is said of an array in a few numbers, against NumPy in float64, without a warning whatever is in the array."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from teachgrad.statistics import statistics_of


@given(arrays.arrays(st.sampled_from([np.float32, np.float64]), st.integers(1, 40)))
def test_any_array(array: np.ndarray) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = statistics_of(array)
    wide = array.astype(np.float64)
    finite = wide[np.isfinite(wide)]
    assert found.nans == np.isnan(wide).sum()
    assert found.infs == np.isinf(wide).sum()
    assert (found.zeros, found.counted) == ((finite == 0).sum(), array.size)
    if not finite.size:
        assert found[:4] == (None, None, None, None)
        return
    assert (found.minimum, found.maximum) == (finite.min(), finite.max())
    with np.errstate(all="ignore"):
        mean, std = finite.mean(), finite.std()
    scale = 1e-4 * np.abs(finite).max() if array.dtype == np.float32 else 1e-12 * np.abs(finite).max()
    for value, expected in ((found.mean, mean), (found.std, std)):
        if np.isfinite(expected):
            assert value == pytest.approx(expected, rel=1e-3 if array.dtype == np.float32 else 1e-6, abs=scale)
        else:
            assert value is None


@pytest.mark.parametrize("value", [1e14, 1e18, 3e19, 3.4e38])
def test_squares_that_overflow(value: float) -> None:
    array = np.tile(np.array([value, -value], np.float32), 3000)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = statistics_of(array)
    assert found.mean == pytest.approx(0.0, abs=value * 1e-6)
    assert found.std == pytest.approx(value, rel=1e-6)


@pytest.mark.parametrize("value", [1e-45, 1e-42, 2e-21, 1e-19, 1e-16])
def test_squares_that_underflow(value: float) -> None:
    array = np.tile(np.array([0, value], np.float32), 30)
    found = statistics_of(array)
    assert found.mean == pytest.approx(float(np.float32(value)) / 2, rel=1e-6)
    assert found.std == pytest.approx(float(np.float32(value)) / 2, rel=1e-6)
