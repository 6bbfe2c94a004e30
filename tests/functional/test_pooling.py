"""Pooling: against loops, where gradients go, and what is refused."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest

import teachgrad as tg
from teachgrad.nn import functional as F
from teachgrad.ops.pooling import max_pool, max_pool_gradient


def windows(x: np.ndarray, kernel: int, stride: int, padding: int) -> Any:
    """The windows over the last two axes of x: (row, column, what the window sees of x)."""
    size = [(n + 2 * padding - kernel) // stride + 1 for n in x.shape[2:]]
    for i, j in product(*map(range, size)):
        top, left = i * stride - padding, j * stride - padding
        rows, columns = slice(max(0, top), max(0, top + kernel)), slice(max(0, left), max(0, left + kernel))
        yield i, j, x[:, :, rows, columns]


@pytest.mark.parametrize(("kernel", "stride", "padding"), [(2, 2, 0), (3, 1, 1), (3, 2, 0), (4, 3, 2)])
def test_is_its_definition(kernel: int, stride: int, padding: int) -> None:
    x = np.random.default_rng(0).normal(size=(2, 3, 8, 7))
    largest = F.max_pool2d(tg.tensor(x), kernel, stride, padding).numpy()
    means = F.avg_pool2d(tg.tensor(x), kernel, stride, padding).numpy()
    inner = F.avg_pool2d(tg.tensor(x), kernel, stride, padding, count_include_pad=False).numpy()
    for i, j, window in windows(x, kernel, stride, padding):
        np.testing.assert_array_equal(largest[:, :, i, j], window.max(axis=(2, 3)))
        np.testing.assert_allclose(means[:, :, i, j], window.sum(axis=(2, 3)) / kernel**2, rtol=1e-12)
        np.testing.assert_allclose(inner[:, :, i, j], window.mean(axis=(2, 3)), rtol=1e-12)


def test_the_first_of_equals_gets_the_gradient() -> None:
    x = tg.tensor([[[[1.0, 2.0, 2.0], [2.0, 0.0, 2.0], [0.0, 1.0, 1.0]]]], requires_grad=True)
    F.max_pool2d(x, 2, 1).backward(np.array([[[[1.0, 10.0], [100.0, 1000.0]]]]))
    np.testing.assert_array_equal(x.grad.numpy(), [[[[0, 11, 0], [100, 0, 1000], [0, 0, 0]]]])


def test_a_window_of_infinities() -> None:
    """-infinity is a value like others; padding never wins against a number."""
    x = tg.tensor(np.full((1, 1, 2, 2), -np.inf))
    assert F.max_pool2d(x, 2).item() == -np.inf
    low = tg.tensor(np.full((1, 1, 2, 2), -1e30))
    np.testing.assert_array_equal(F.max_pool2d(low, 2, 2, 1).numpy(), np.full((1, 1, 2, 2), -1e30))


def test_result_may_be_written_elsewhere() -> None:
    x = np.random.default_rng(1).normal(size=(3, 6, 7, 4)).astype(np.float32)
    for kernel, stride, padding in (
        ((2, 2), (2, 2), ((0, 0), (0, 0))),
        ((3, 2), (2, 1), ((1, 1), (0, 1))),
        ((2, 1), (1, 2), ((0, 0),) * 2),
    ):
        settings: dict[str, Any] = {"kernel": kernel, "stride": stride, "padding": padding, "dilation": (1, 1)}
        z = max_pool.forward(np, x, **settings)
        for op, arrays in ((max_pool, (x,)), (max_pool_gradient, (z + 1, x, z))):
            want = op.forward(np, *arrays, **settings)
            out = np.full_like(want, np.nan)
            assert op.forward(np, *arrays, out=out, **settings) is out
            assert out.tobytes() == want.tobytes()


def test_adaptive_windows_are_as_equal_as_can_be() -> None:
    x = np.arange(10.0).reshape(1, 1, 10)
    z = F.adaptive_avg_pool1d(tg.tensor(x), 4).numpy()
    np.testing.assert_allclose(z, [[[np.mean([0, 1, 2]), np.mean([2, 3, 4]), np.mean([5, 6, 7]), np.mean([7, 8, 9])]]])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: F.max_pool2d(x, 3, padding=2), r"padding \(2, 2\) must be at most half of the kernel \(3, 3\)"),
        (lambda x: F.max_pool2d(x, 7), r"a window \(7, 7\) does not fit into the input \(6, 6\)"),
        (lambda x: F.max_pool2d(x, 2, dilation=6), r"a window \(7, 7\) does not fit"),
        (lambda x: F.avg_pool2d(x, 2, 0), "must be at least 1"),
        (lambda x: F.avg_pool2d(x, 2, divisor_override=0), "the divisor must not be zero"),
        (lambda x: F.avg_pool1d(x, 2), r"avg_pool1d: the input \(2, 4, 6, 6\) must be"),
        (lambda x: F.max_pool2d(tg.astype(x, tg.int64), 2), "max pooling takes floating-point numbers, not int64"),
        (lambda x: F.adaptive_avg_pool2d(x, 0), "output_size is one positive number"),
        (lambda x: F.adaptive_avg_pool2d(x, (1, 2, 3)), "output_size is one positive number"),
    ],
)
def test_errors(call: Any, message: str) -> None:
    with pytest.raises(tg.TeachgradError, match=message):
        call(tg.ones((2, 4, 6, 6)))
