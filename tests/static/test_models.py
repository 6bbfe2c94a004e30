"""Eight real models through every level, plan and executor: bits where they are promised, else bounds.

The bound is no constant: the same training in double precision says how far single precision is from the truth in
dynamic mode, array by array, and generated C and algebra may be so many times as far.
"""

from __future__ import annotations

from functools import cache, partial
from typing import Any

import numpy as np
import pytest

import teachgrad as tg
from teachgrad.executors.c import compiler
from tests.static.models import MODELS, trained
from tests.static.outcomes import RUNS, plainly

CLOSE: dict[str, dict[str, Any]] = {
    "O2 numpy": {"level": "O2"}, "O2 off": {"level": "O2", "plan": "off"}, "O2 best": {"level": "O2", "plan": "best"},
    "O0 c": {"level": "O0", "executor": "c"}, "O1 c": {"level": "O1", "executor": "c"}, "O3 c": {"level": "O3"},
    "O3 numpy": {"level": "O3", "executor": "numpy"}}
"""The settings of `tg.static` that promise bounds."""
MARGIN = 8.0


@cache
def dynamic(name: str, dtype: str = "float32") -> list[Any]:
    return trained(name, plainly, dtype=dtype)


@pytest.mark.parametrize("way", RUNS)
@pytest.mark.parametrize("name", MODELS)
def test_bits(name: str, way: str) -> None:
    for got, want in zip(trained(name, RUNS[way]), dynamic(name), strict=True):
        assert got.dtype == want.dtype
        assert got.tobytes() == want.tobytes()


@pytest.mark.slow
@pytest.mark.parametrize("way", CLOSE)
@pytest.mark.parametrize("name", MODELS)
def test_bounds(name: str, way: str) -> None:
    if "c" in way.split() and compiler() is None:
        pytest.skip("needs a C compiler")
    got = trained(name, partial(tg.static, **CLOSE[way]))
    for a, b, exact in zip(got, dynamic(name), dynamic(name, "float64"), strict=True):
        if b.dtype.kind != "f":
            np.testing.assert_array_equal(a, b)
            continue
        size = np.abs(exact).max(initial=0.0)
        off = np.abs(b - exact).max(initial=0.0) + np.finfo(b.dtype).eps * size
        assert off < 1e-3 * size + 1e-6, "single precision is too far from the truth to say anything"
        assert np.abs(a - exact).max(initial=0.0) <= MARGIN * off
