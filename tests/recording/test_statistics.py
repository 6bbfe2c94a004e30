"""What is said of an array in a few numbers, against NumPy in float64, without a warning whatever is in the array."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from teachgrad.statistics import LARGE, Statistics, numbers_of, numbers_of_each, statistics_of


def of_each(those: list[np.ndarray]) -> list[Statistics]:
    """The statistics of arrays of one dtype, all at once."""
    flat = np.concatenate(those)
    columns = numbers_of_each(flat, [array.size for array in those], np.empty_like(flat))
    return [Statistics(*row) for row in zip(*columns, strict=True)]


@given(arrays.arrays(st.sampled_from([np.float32, np.float64]), st.integers(1, 40)))
def test_any_array(array: np.ndarray) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check(array, statistics_of(array))


@given(st.sampled_from([np.float32, np.float64]), st.data())
def test_any_arrays_at_once(dtype: type, data: st.DataObject) -> None:
    those = data.draw(st.lists(arrays.arrays(dtype, st.integers(1, 9)), min_size=1, max_size=5))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for array, found in zip(those, of_each(those), strict=True):
            check(array, found)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_unusual_arrays_at_once(dtype: type) -> None:
    """Whatever an array is beside, its statistics are the same as when it is alone."""
    rng = np.random.default_rng(0)
    plain = [rng.normal(size=size) for size in (1, 2, 700, 16)]
    odd = [np.zeros(5), np.full(9, -0.1), np.maximum(rng.normal(size=50), 0), 1e6 + rng.normal(size=64),
           rng.normal(size=30) * 1e-30, np.array([np.nan, 1, 2]), np.array([np.inf, -np.inf]), np.array([np.inf]),
           np.full(4, np.nan), 1e19 * rng.normal(size=40), rng.normal(size=30) * 1e-22]  # fmt: skip
    those = [array.astype(dtype) for pair in zip(plain * 3, odd, strict=False) for array in pair]
    for array, found in zip(those, of_each(those), strict=True):
        check(array, found)
        check(array, statistics_of(array))


@pytest.mark.parametrize("value", [0.0, -1.5, 1e-30, 3e38])
def test_one_value_everywhere(value: float) -> None:
    """As the gradient of a sum is."""
    array = np.full(LARGE + 1, value, np.float32)
    number = float(array[0])
    if value < 1e30:
        zeros = array.size if value == 0 else 0
        assert numbers_of(array, sample=True) == (number, number, number, 0.0, zeros, 0, 0, array.size)
    check(array, statistics_of(array))


@pytest.mark.parametrize("shift", [0.0, 100.0, 1e-20])
def test_a_sample(shift: float) -> None:
    """Mean and deviation are those of the sample, also where they are computed with care; the limits those of all."""
    array = np.random.default_rng(0).normal(size=1 << 20).astype(np.float32)
    array[[5000, 70_000]] = -9.0, 9.0
    array = array * np.float32(shift) if shift == 1e-20 else array + np.float32(shift)
    found = Statistics(*numbers_of(array, sample=True))
    assert found.counted == 4096
    assert (found.minimum, found.maximum) == (array.min(), array.max())
    blocks = np.concatenate([array[start : start + 256] for start in range(0, array.size, array.size // 16)])
    blocks = blocks.astype(np.float64)
    assert found.mean == pytest.approx(blocks.mean(), rel=1e-4)
    assert found.std == pytest.approx(blocks.std(), rel=1e-4)


@pytest.mark.parametrize("axes", [(2, 0, 1), (0, 2, 1), (1, 0, 2)])
def test_the_order_in_memory_does_not_matter(axes: tuple[int, ...]) -> None:
    """One op leaves its result in one order, its gradient in another; equal arrays have equal statistics."""
    array = np.random.default_rng(0).normal(size=(40, 30, 20)).astype(np.float32)
    turned = array.transpose(axes)
    for sample in (False, True):
        expected = numbers_of(np.ascontiguousarray(turned), sample)
        assert numbers_of(turned, sample) == expected
        assert numbers_of(np.repeat(turned, 2, axis=1)[:, ::2], sample) == expected
        assert expected[-1] == (4096 if sample else array.size)


def check(array: np.ndarray, found: Statistics) -> None:
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
