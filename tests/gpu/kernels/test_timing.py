"""Peaks are those of data sheets, and a ladder with a device is timed: on a stand-in for CuPy, for lack of a GPU."""

from __future__ import annotations

from argparse import ArgumentParser
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from teachgrad.errors import ExecutorError
from teachgrad_gpu import emulator, timing
from teachgrad_gpu.commands import cuda
from teachgrad_gpu.emulator import building
from teachgrad_gpu.kernels import catalogue


class StandIn:
    """What `timing` and `ladder` use of cupy: every recorded event is a tenth of a millisecond after the one before."""

    RawKernel = staticmethod(emulator.RawKernel)
    asarray = staticmethod(emulator.asarray)

    def __init__(self, arch: str, processors: int, clock: int | None) -> None:
        self.clock = 0.0
        attributes = {} if clock is None else {"ClockRate": clock}
        facts = {"name": b"A stand-in", "multiProcessorCount": processors}
        self.cuda = SimpleNamespace(
            Event=lambda: Event(self), get_elapsed_time=lambda start, end: end.at - start.at,
            Device=lambda: SimpleNamespace(id=0, compute_capability=arch, attributes=attributes),
            runtime=SimpleNamespace(getDeviceProperties=lambda number: facts))

    def zeros(self, size: int, dtype: str) -> Any:
        return SimpleNamespace(data=SimpleNamespace(copy_from_device_async=lambda source, size: None))

    def empty_like(self, x: Any) -> Any:
        return x


class Event:
    def __init__(self, of: StandIn) -> None:
        self.of, self.at = of, 0.0

    def record(self) -> None:
        self.of.clock += 0.1
        self.at = self.of.clock

    def synchronize(self) -> None:
        """It has happened."""


@pytest.mark.parametrize(("name", "arch", "processors", "clock", "float32", "tensor"), [
    ("T4", "75", 40, 1590000, 8.1, 65), ("A100", "80", 108, 1410000, 19.5, 312),
    ("H100", "90", 132, 1830000, 61.8, 989),
])
def test_peaks_are_those_of_the_data_sheets(name: str, arch: str, processors: int, clock: int, float32: float,
                                            tensor: float) -> None:
    """In TFLOP/s. The H100's sheet gives tensor cores at 1830 MHz."""
    peaks = timing.peaks(StandIn(arch, processors, clock))
    assert peaks.float32 == pytest.approx(float32 * 1e12, rel=0.01)
    assert peaks.tensor == pytest.approx(tensor * 1e12, rel=0.01)


def test_what_is_not_known_is_none() -> None:
    assert timing.peaks(StandIn("35", 10, 1000000))[1:3] == (None, None)
    assert timing.peaks(StandIn("90", 10, None))[1:3] == (None, None)


def test_without_a_device_the_reason_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timing, "find_spec", lambda name: None)
    with pytest.raises(ExecutorError, match="There is no GPU to run on: CuPy is not installed"):
        timing.gpu()


@pytest.mark.skipif(building.command() is None, reason="no C++ compiler")
def test_a_ladder_with_a_device_is_timed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("transpose_naive", "transpose_tiled", "transpose_padded"):
        monkeypatch.setitem(catalogue, name, replace(catalogue[name], large=(31, 33), _compiled={}))
    device = StandIn("90", 132, 1830000)
    monkeypatch.setattr(timing, "missing", lambda: None)
    monkeypatch.setattr(timing, "gpu", lambda: device)
    parser = ArgumentParser()
    cuda.add_arguments(parser)
    try:
        assert cuda.main(parser.parse_args(["ladder", "transpose"])) == 0
    finally:
        emulator.stop()
    lines = capsys.readouterr().out.splitlines()
    assert lines[-4].split() == ["size", "ms", "GB/s", "of", "a", "copy"]
    calls = 20  # of a tenth of a millisecond make two
    ms = 0.1 / calls
    speed, copied = 2 * 4 * 31 * 33 / (ms / 1e3), 2 * 2**28 / (ms / 1e3)
    numbers = [f"{ms:.3f}", f"{speed / 1e9:.0f}", f"{100 * speed / copied:.0f}"]
    assert lines[-1].split() == ["3.", "31", "x", "33", *numbers, "%"]
