"""Random programs as generated C, beside plain Python: losses, gradients and leaves over three training steps."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import teachgrad as tg
from teachgrad.executors.c import compiler
from tests.core.test_random_programs import Teachgrad, inputs, run

pytestmark = pytest.mark.skipif(compiler() is None, reason="needs a C compiler")
PROGRAMS, QUICK = 300, 5
BOUNDS = {np.float64: 1e-9, np.float32: 2e-3}
"""Relative to the largest number of an array. Wider than the bound of an op: a program may cancel, and steps add up."""


def trained(seed: int, level: str | None) -> list[Any]:
    """Losses, gradients and leaves over three steps."""
    library = Teachgrad()
    leaves = [tg.Parameter(array) for array in inputs(seed, np.float32 if seed % 2 else np.float64)]

    def step() -> Any:
        for leaf in leaves:
            leaf.grad = None
        loss = run(library, seed, leaves)
        if seed % 3 == 0:
            slopes = [g for g in tg.grad(loss, leaves, create_graph=True, allow_unused=True) if g is not None]
            loss = loss + sum((g * g).mean() for g in slopes) * 0.1
        loss.backward()
        with tg.no_grad():
            for leaf in leaves:
                if leaf.grad is not None:
                    leaf -= 0.01 * leaf.grad
        return loss

    call = step if level is None else tg.static(step, level=level)
    seen = []
    for _ in range(3):
        seen.append(call().numpy(copy=True))
        seen += [None if leaf.grad is None else leaf.grad.numpy(copy=True) for leaf in leaves]
        seen += [leaf.numpy(copy=True) for leaf in leaves]
    return seen


def compare(seed: int) -> None:
    try:
        got = trained(seed, "O3")
    except tg.TraceError as refusal:
        if refusal.code != "TG-S09":  # an overwrite through reshape(), a view or a copy depending on the layout
            raise
        return
    for number, (a, b) in enumerate(zip(got, trained(seed, None), strict=True)):
        assert (a is None) == (b is None)
        if a is not None:
            bound = BOUNDS[b.dtype.type]
            np.testing.assert_allclose(a, b, rtol=bound, atol=bound * np.abs(b).max(initial=0.0),
                                       err_msg=f"program {seed}, value {number}")


@pytest.mark.parametrize("seed", range(QUICK))
def test_random_program(seed: int) -> None:
    compare(seed)


@pytest.mark.slow
@pytest.mark.parametrize("block", range(PROGRAMS // 50))
def test_many_random_programs(block: int) -> None:
    for seed in range(QUICK + 50 * block, QUICK + 50 * block + 50):
        compare(seed)
