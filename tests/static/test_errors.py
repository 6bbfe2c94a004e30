"""Errors that depend on values come in static mode as in dynamic mode, also where nobody uses the result."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import teachgrad as tg
from teachgrad.nn import functional as F


def overwritten(x: Any, i: Any) -> Any:
    y = x * 1.0
    y[i] = 0.0
    return y


UNUSED = {
    "index": lambda x, i: x[i],
    "take": lambda x, i: tg.take(x, i, axis=0),
    "take along": lambda x, i: tg.take_along_axis(x, tg.expand_dims(i, 0), axis=1),
    "overwrite": overwritten,
    "scatter": lambda x, i: F.scatter_add(x, 0, tg.expand_dims(i, 0), tg.ones((1, 2))),
    "embedding": lambda x, i: F.embedding(i, x),
    "one-hot": lambda x, i: F.one_hot(i, 4),
    "inverse": lambda x, i: tg.linalg.inv(x[:, :3] * i[0]),
}


@pytest.mark.parametrize("level", ["O0", "O1", "O2", "O3"])
@pytest.mark.parametrize("name", UNUSED)
def test_what_fails_fails_where_nobody_uses_it_too(name: str, level: str) -> None:
    def f(x: Any, i: Any) -> Any:
        UNUSED[name](x, i)
        return x * 2.0

    x = tg.tensor(np.eye(3, 4, dtype=np.float32))
    good, bad = tg.tensor(np.array([1, 2])), tg.tensor(np.array([0, 7]))
    step = tg.static(f, level=level)
    assert step(x, good).numpy().tobytes() == (x * 2.0).numpy().tobytes()
    with pytest.raises((IndexError, tg.TeachgradError)):
        f(x, bad)
    with pytest.raises((IndexError, tg.TeachgradError)):
        step(x, bad)


@pytest.mark.parametrize("level", ["O0", "O1", "O2", "O3"])
def test_an_index_out_of_range_leaves_everything_as_it_was(level: str) -> None:
    count, x = tg.zeros(3), tg.ones((3, 4))

    def f(i: Any) -> Any:
        with tg.no_grad():
            count.__iadd__(1.0)
        return x[i]

    step = tg.static(f, level=level)
    step(tg.tensor(np.array([1])))
    with pytest.raises(IndexError):
        step(tg.tensor(np.array([5])))
    assert count.numpy().tolist() == [1.0, 1.0, 1.0]


@pytest.mark.parametrize("level", ["dynamic", "O0", "O3"])
@pytest.mark.parametrize("product", [tg.matmul, F.linear, lambda x, y: tg.tensordot(x, y, axes=1)])
def test_truth_values_have_no_matrix_product_in_any_mode(product: Any, level: str) -> None:
    f = product if level == "dynamic" else tg.static(lambda x, y: product(x, y), level=level)
    x = tg.tensor(np.array([[True, False], [True, True]]))
    with pytest.raises(tg.DTypeError, match=r"bool.*\n.*astype"):
        f(x, x)
    ones = tg.ones((2, 2), dtype=tg.int64)
    assert np.array_equal(f(x, ones).numpy(), np.array([[1, 1], [2, 2]]))
