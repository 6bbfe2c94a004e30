"""Every op of the table of samples as generated CUDA, forward and backward, run thread by thread beside dynamic mode.

A program is compiled once, however many kernels it has, so each test runs many samples in one.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import pytest

import teachgrad as tg
import tests.arrays.samples  # noqa: F401  (adds its rows to the table)
from teachgrad_gpu.emulator.building import compiler
from teachgrad_gpu.executors.emulated import Emulated
from tests.op_samples import SAMPLES, Sample
from tests.static.c.test_samples import close
from tests.test_ops import loss_of, results, tensors

pytestmark = pytest.mark.skipif(compiler() is None, reason="needs a C++ compiler")

CHOSEN = [s for s in SAMPLES if "value shape" not in s.tags]
EACH = 50
"""So many samples are one program."""
WITHOUT_KERNEL = {
    "cholesky", "cofactor", "det", "eigh", "eigvalsh", "inv", "matrix_rank", "pinv", "qr", "slogdet", "solve", "svd",
    "svdvals", "set_items", "write_view"}
"""What the array library computes; the documentation says why."""


def runner(sample: Sample) -> Callable[..., list[tg.Tensor]]:
    """The results of a sample, and the gradients of a number that depends on all of them."""
    def run(*xs: tg.Tensor) -> list[Any]:
        answer = sample.call(*xs)
        wrt = [x for x in xs if x.requires_grad]
        loss = loss_of(answer) if wrt and sample.order else None
        gradients = [] if loss is None else tg.grad(loss, wrt, allow_unused=True)
        return [*results(answer), *(g for g in gradients if g is not None)]

    return run


def inputs(part: list[Sample]) -> list[list[tg.Tensor]]:
    return [tensors(s, requires_grad=s.order > 0) for s in part]


def all_of(part: list[Sample]) -> Callable[..., list[list[tg.Tensor]]]:
    """A function that runs several samples."""
    def whole(*groups: list[tg.Tensor]) -> list[list[tg.Tensor]]:
        return [runner(s)(*group) for s, group in zip(part, groups, strict=True)]

    return whole


@pytest.mark.parametrize("start", [pytest.param(k, marks=[pytest.mark.slow] if k != 4 * EACH else [])
                                   for k in range(0, len(CHOSEN), EACH)])
def test_samples(start: int) -> None:
    part = CHOSEN[start:start + EACH]
    expected = [[r.numpy(copy=True) for r in runner(s)(*group)]
                for s, group in zip(part, inputs(part), strict=True)]
    step = tg.static(all_of(part), level="O3", executor="emulated")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # of what there is no kernel for, checked below
        step(*inputs(part))
    for _ in range(2):
        for s, got, want in zip(part, step(*inputs(part)), expected, strict=True):
            for g, e in zip(got, want, strict=True):
                try:
                    close(g.numpy(), e)
                except AssertionError as error:
                    raise AssertionError(f"{s}: {error}") from None
    assert {str(v.op) for v in step.trace.program.building.without_kernel} <= WITHOUT_KERNEL


@pytest.mark.slow
@pytest.mark.parametrize("start", [250, 450])
def test_no_race_and_no_access_out_of_bounds(start: int, monkeypatch: Any) -> None:
    """Among these are products, windows, attention, indexing with sums at places, norms and reductions."""
    monkeypatch.setattr(Emulated, "check", True)
    part = CHOSEN[start:start + EACH]
    step = tg.static(all_of(part), level="O3", executor="emulated")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        step(*inputs(part))
    assert step.trace.program.launcher.findings == []
