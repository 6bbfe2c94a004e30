"""Open sizes where last bits may change, at O2 and in generated C: the numbers of dynamic mode for every size."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import teachgrad as tg
from teachgrad.executors.c import compiler
from tests.passes.models import MODELS, made
from tests.static.dims.test_dims import FUNCTIONS, batch_of
from tests.static.outcomes import T

C = pytest.param("O3", marks=pytest.mark.skipif(compiler() is None, reason="no C compiler"))


def arrays(value: Any) -> list[Any]:
    if isinstance(value, (tuple, list)):
        return [x for item in value for x in arrays(item)]
    if isinstance(value, dict):
        return [x for item in value.values() for x in arrays(item)]
    return [np.asarray(value)]


def assert_close(got: Any, expected: Any) -> None:
    for a, b in zip(arrays(got), arrays(expected), strict=True):
        assert a.shape == b.shape
        np.testing.assert_allclose(a, b, rtol=2e-5, atol=2e-5)


@pytest.mark.parametrize("level", ["O2", pytest.param("O3", marks=[pytest.mark.slow, *C.marks])])
@pytest.mark.parametrize("name", MODELS)
def test_losses_of_a_training_with_batches_of_many_sizes(name: str, level: str) -> None:
    dynamic, batch = made(name)
    losses = [dynamic.step(*[batch_of(n, x) for x in batch]).item() for n in (8, 3, 1, 5, 8)]
    training, batch = made(name)
    step = tg.static(training.step, dims={"batch": ("N", ...)}, level=level)
    got = [step(*[batch_of(n, x) for x in batch]).item() for n in (8, 3, 1, 5, 8)]
    np.testing.assert_allclose(got, losses, rtol=2e-4)
    assert step.count <= 2  # a batch of one may be a case of its own


@pytest.mark.parametrize("level", ["O2", pytest.param("O3", marks=[pytest.mark.slow, *C.marks])])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_of_sizes(name: str, level: str) -> None:
    function = FUNCTIONS[name]
    step = tg.static(function, dims={"x": ("N", 4)}, level=level)
    for n in (5, 2, 9, 1):
        tg.seed(n)
        expected = function(T(n, 4, seed=n))
        tg.seed(n)
        assert_close(step(T(n, 4, seed=n)), expected)


@pytest.mark.parametrize("level", ["O3"])
@pytest.mark.skipif(compiler() is None, reason="no C compiler")
def test_generated_c_is_written_for_each_size_of_one_trace(level: str) -> None:
    step = tg.static(lambda x: ((x * 2.0).exp() / x.shape[0]).sum(axis=0), dims={"x": ("N", 4)}, level=level)
    sources = []
    for n in (64, 33):
        x = T(n, 4, seed=n)
        assert_close(step(x), ((x * 2.0).exp() / n).sum(axis=0))
        sources.append(tg.source(step))
    assert step.count == 1
    assert "64" in sources[0]
    assert "33" in sources[1]
