"""On a real GPU: static programs against the CPU. Skipped where there is none."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

import teachgrad as tg
from tests.export import programs
from tests.gpu.test_device import remade
from tests.gpu.test_emulated_samples import CHOSEN, all_of
from tests.static.c.test_samples import close

pytestmark = pytest.mark.gpu


@pytest.mark.parametrize("start", range(0, len(CHOSEN), 50))
def test_samples(start: int) -> None:
    part = CHOSEN[start:start + 50]

    def inputs(place: str) -> list[list[Any]]:
        return [[tg.tensor(a, requires_grad=s.order > 0 and a.dtype.kind == "f", device=place) for a in s.inputs]
                for s in part]

    expected = all_of(part)(*inputs("cpu"))
    step = tg.static(all_of(part), level="O3", executor="cupy")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        for _ in range(3):  # launched, captured, replayed
            answers = step(*inputs("gpu"))
    for got, want in zip(answers, expected, strict=True):
        for g, e in zip(got, want, strict=True):
            close(g.to("cpu").numpy(), e.numpy())


@pytest.mark.parametrize("name", ["lenet", "gpt"])
def test_training(name: str) -> None:
    make = programs.lenet if name == "lenet" else programs.gpt
    step, _, batch = make()
    want = [step(*programs.tensors(batch)).item() for _ in range(8)]
    step, model, batch = make()
    model.to("gpu")
    with tg.device("gpu"):
        step = tg.static(remade(step, model), level="O3", executor="cupy")
        inside = [tg.tensor(a) for a in batch]
        got = [step(*inside).item() for _ in range(8)]
    np.testing.assert_allclose(got, want, rtol=1e-3)
    assert step.trace.program.batches[0].graph is not None, "the step was captured as a CUDA graph"
