"""Random programs as generated C, beside plain Python: losses, gradients and leaves over three training steps."""

from __future__ import annotations

import numpy as np
import pytest

import teachgrad as tg
from teachgrad.executors.c import compiler
from tests.static.test_random_programs import trained

pytestmark = pytest.mark.skipif(compiler() is None, reason="needs a C compiler")
PROGRAMS, QUICK = 300, 5
BOUNDS = {np.float64: 1e-9, np.float32: 2e-3}
"""Relative to the largest number of an array. Wider than the bound of an op: a program may cancel, and steps add up."""


def compare(seed: int) -> None:
    try:
        got = trained(seed, {"level": "O3"})
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
