"""The device "gpu" on the stand-in for CuPy, in use for one test."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from teachgrad import devices
from tests.gpu.standing import StandIn


@pytest.fixture
def standing(monkeypatch: Any) -> Iterator[StandIn]:
    """The device with its kernels, which the emulator runs."""
    monkeypatch.setattr(devices, "OPEN", dict(devices.OPEN))
    before = devices.beyond, dict(devices.KINDS)
    yield devices.add(StandIn())  # type: ignore[misc]
    devices.beyond = before[0]
    devices.KINDS.clear()
    devices.KINDS.update(before[1])
