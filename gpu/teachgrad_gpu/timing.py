"""How fast a kernel is on a real GPU, and how fast it could be: CUDA events, and peaks by architecture.

Sources of the numbers of units a multiprocessor: NVIDIA's white papers on the Turing, A100, H100 and Blackwell
architectures. A peak is units x 2 operations x clock, so an A100 (108 multiprocessors, 1.41 GHz) has 19.5 TFLOP/s in
float32 and 312 TFLOP/s on tensor cores in half precision, as its data sheet says.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from statistics import median
from typing import Any, NamedTuple

from teachgrad.errors import ExecutorError
from teachgrad.extras import how_to_install

FLOAT_UNITS = {"75": 64, "80": 64, "86": 128, "87": 128, "89": 128, "90": 128, "100": 128, "120": 128}
"""float32 multiply-adds a clock of one multiprocessor."""
TENSOR_UNITS = {"75": 512, "80": 1024, "86": 512, "87": 512, "89": 512, "90": 2048, "100": 4096, "120": 512}
"""The same of its tensor cores, half precision with sums in float32, without sparsity."""


class Peaks(NamedTuple):
    """What a device could do at most."""

    name: str
    float32: float | None
    """Operations a second, or None where the architecture is not known here."""
    tensor: float | None
    copy: float
    """Bytes a second that a copy within the device moves, read and written: measured."""


def missing() -> str | None:
    """Why there is no device to time anything on, or None."""
    if find_spec("cupy") is None:
        return f"CuPy is not installed; `{how_to_install('cupy')}` brings it"
    import cupy

    return None if cupy.cuda.is_available() else "CuPy finds no CUDA device, or no driver for it"


def gpu() -> Any:
    """The module cupy, where there is a device."""
    why = missing()
    if why:
        raise ExecutorError(f"There is no GPU to run on: {why}")
    import cupy

    return cupy


def milliseconds(cupy: Any, run: Callable[[], object], rounds: int = 20, least: float = 2.0) -> float:
    """The time on the device of one call: the median of rounds of at least `least` milliseconds each."""
    start, end = cupy.cuda.Event(), cupy.cuda.Event()

    def once(calls: int) -> float:
        start.record()
        for _ in range(calls):
            run()
        end.record()
        end.synchronize()
        return float(cupy.cuda.get_elapsed_time(start, end))

    once(1)  # compiles, and fills caches
    calls = max(1, min(1000, round(least / max(once(1), 1e-3))))
    return median(once(calls) / calls for _ in range(rounds))


def copy_speed(cupy: Any, size: int = 1 << 28) -> float:
    """Bytes a second that the device's own copy reads and writes together."""
    x = cupy.zeros(size, "uint8")
    z = cupy.empty_like(x)
    return 2 * size / (milliseconds(cupy, lambda: z.data.copy_from_device_async(x.data, size)) / 1e3)


def peaks(cupy: Any) -> Peaks:
    """Of the current device."""
    device = cupy.cuda.Device()
    facts = cupy.cuda.runtime.getDeviceProperties(device.id)
    arch, clock = device.compute_capability, device.attributes.get("ClockRate")  # in kHz
    clocks = facts["multiProcessorCount"] * clock * 1e3 if clock else None

    def peak(units: dict[str, int]) -> float | None:
        return 2 * units[arch] * clocks if clocks and arch in units else None

    return Peaks(facts["name"].decode(), peak(FLOAT_UNITS), peak(TENSOR_UNITS), copy_speed(cupy))
