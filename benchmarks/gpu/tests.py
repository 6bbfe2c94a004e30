"""The tests that need a device, which are skipped elsewhere: the emulator beside it, ops, training, draws, loops."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]


@dataclass(frozen=True)
class Tested:
    """What pytest says of the tests with the mark `gpu`."""

    right: bool
    said: str
    """Its last line, and the tests that failed."""


def run_tests(seconds: float | None) -> Tested:
    """Run them, for so long at most."""
    if find_spec("pytest") is None:
        return Tested(True, "NOT RUN: pytest is not installed")
    command = [sys.executable, "-m", "pytest", "-q", "-m", "gpu", "-p", "no:cacheprovider", "--no-header", "tests/gpu"]
    try:
        done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=seconds, check=False)
    except subprocess.TimeoutExpired:
        return Tested(True, "NOT RUN to their end: there was no time")
    lines = [line for line in done.stdout.splitlines() if re.match(r"FAILED|ERROR|\d+ \w+", line)]
    return Tested(done.returncode in (0, 5), "; ".join(lines) or f"pytest ended with {done.returncode}")
