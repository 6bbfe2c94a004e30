"""What every test shares: the Hypothesis profiles, and which tests this machine can run."""

from __future__ import annotations

import functools
import importlib
import os
from importlib.util import find_spec

import pytest
from hypothesis import settings

settings.register_profile("dev", deadline=None, print_blob=True)
settings.register_profile("ci", deadline=None, print_blob=True, derandomize=True)
os.environ.setdefault("TEACHGRAD_STRICT", "1")  # a bug of the C executor fails a test, where users get a warning
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "dev"))


@functools.cache
def has_gpu() -> bool:
    if find_spec("cupy") is None:
        return False
    return bool(importlib.import_module("cupy").cuda.is_available())


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("gpu") and not has_gpu():
        pytest.skip("no CUDA device or no CuPy")
    for marker in item.iter_markers("oracles"):
        absent = [module for module in marker.args or ("torch",) if find_spec(module) is None]
        if absent and os.environ.get("TEACHGRAD_REQUIRE_ORACLES"):
            pytest.fail(
                f"TEACHGRAD_REQUIRE_ORACLES is set, but there is no {', '.join(absent)}", pytrace=False
            )
        if absent:
            pytest.skip(f"compares with {', '.join(absent)}, which is not installed")
