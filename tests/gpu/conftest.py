"""Devices beside the CPU, in use for one test: the stand-in for CuPy, with and without kernels, and a GPU."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest

from teachgrad import devices
from teachgrad_gpu.device import open_device
from teachgrad_gpu.emulator.building import compiler
from teachgrad_gpu.executors.cublas import Cublas
from teachgrad_gpu.executors.cupy import OnGpu
from tests.gpu.fake import FakeBlas, FakeGpu, FakeStream, done_or_captured
from tests.gpu.standing import StandIn
from tests.gpu.strict import Strict, StrictArray

EMULATED = pytest.mark.skipif(compiler() is None, reason="needs a C++ compiler")
PLACES = {"strict": Strict, "kernels": StandIn, "gpu": open_device}


@pytest.fixture(params=["strict", pytest.param("kernels", marks=EMULATED), pytest.param("gpu", marks=pytest.mark.gpu)])
def place(request: Any, monkeypatch: Any) -> Iterator[Any]:
    """A device beside the CPU."""
    with in_use(PLACES[request.param](), monkeypatch) as device:
        yield device


@pytest.fixture
def standing(monkeypatch: Any) -> Iterator[StandIn]:
    """The device "gpu" with its kernels, which the emulator runs."""
    with in_use(StandIn(), monkeypatch) as device:
        yield device


@pytest.fixture
def gpu(monkeypatch: Any) -> Iterator[FakeGpu]:
    """The device "gpu" with streams whose work may be captured."""
    monkeypatch.setattr(FakeStream, "captured", None)
    monkeypatch.setattr(FakeBlas, "calls", 0)
    monkeypatch.setattr(StrictArray, "perform", staticmethod(done_or_captured))
    monkeypatch.setattr(OnGpu, "cublas", Cublas(FakeBlas(), SimpleNamespace(data=SimpleNamespace(ptr=0), nbytes=0)))
    with in_use(FakeGpu(), monkeypatch) as device:
        yield device


@contextmanager
def in_use(device: Any, monkeypatch: Any) -> Iterator[Any]:
    """Let tensors live on a device for a while."""
    monkeypatch.setattr(devices, "OPEN", dict(devices.OPEN))
    before = devices.beyond, dict(devices.KINDS)
    yield devices.add(device)
    devices.beyond = before[0]
    devices.KINDS.clear()
    devices.KINDS.update(before[1])
