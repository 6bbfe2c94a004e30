"""Every op of the table of samples as generated C, forward and backward, beside dynamic mode."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import teachgrad as tg
import tests.arrays.samples  # noqa: F401  (adds its rows to the table)
from teachgrad.executors.c import compiler
from tests.op_samples import SAMPLES, Sample
from tests.test_ops import loss_of, results, tensors

pytestmark = pytest.mark.skipif(compiler() is None, reason="needs a C compiler")


def close(got: Any, want: Any) -> None:
    """The documented bound: 1e-12 in double precision and 1e-5 in single precision, relative; the rest is equal."""
    assert (got.dtype, got.shape) == (want.dtype, want.shape)
    if got.dtype.kind == "f":
        bound = 1e-12 if got.dtype.itemsize == 8 else 1e-5
        size = np.abs(want[np.isfinite(want)]).max(initial=0.0)
        np.testing.assert_allclose(got, want, rtol=bound, atol=bound * size)
    else:
        np.testing.assert_array_equal(got, want)


QUICK = 12
"""One of so many samples runs in the fast tests: each is a call of a compiler."""
CHOSEN = [s for s in SAMPLES if "value shape" not in s.tags]


@pytest.mark.parametrize("sample", [pytest.param(s, marks=[pytest.mark.slow] if k % QUICK else [], id=str(s))
                                    for k, s in enumerate(CHOSEN)])
def test_sample(sample: Sample) -> None:
    def run(*xs: tg.Tensor) -> Any:
        answer = sample.call(*xs)
        wrt = [x for x in xs if x.requires_grad]
        loss = loss_of(answer) if wrt and sample.order else None
        gradients = [] if loss is None else tg.grad(loss, wrt, allow_unused=True)
        return [*results(answer), *(g for g in gradients if g is not None)]

    expected = [r.numpy(copy=True) for r in run(*tensors(sample, requires_grad=sample.order > 0))]
    step = tg.static(run, level="O3")
    for _ in range(2):
        got = step(*tensors(sample, requires_grad=sample.order > 0))
        for g, e in zip(got, expected, strict=True):
            close(g.numpy(), e)
