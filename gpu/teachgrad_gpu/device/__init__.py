"""The device "gpu": arrays of CuPy, computed with by CuPy's functions, and by kernels of ours where they are better."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any

from teachgrad.devices import Device
from teachgrad.errors import DeviceError

from . import attention, draws, maps, rows, scatter, updates, windows  # noqa: F401  (each adds its ops to the table)
from .namespace import Namespace
from .table import computed


class Gpu(Device):
    """One GPU, by way of CuPy."""

    name = "gpu"
    copied, side = 1 << 28, 4096

    def __init__(self, cupy: Any) -> None:
        self.cupy = cupy
        self.xp = Namespace(cupy)
        self.array = cupy.ndarray

    def from_host(self, array: Any) -> Any:
        return self.cupy.asarray(array, order="C")

    def to_host(self, array: Any) -> Any:
        return array.get()

    def computed(self, op: Any, arrays: Sequence[Any], settings: Mapping[str, Any]) -> Any:
        return computed(self, op, arrays, settings)

    def synchronize(self) -> None:
        self.cupy.cuda.get_current_stream().synchronize()


def open_device() -> Gpu:
    """The GPU, or a `DeviceError` that says what is missing."""
    cupy = find_cupy()
    missing = missing_from(cupy)
    if missing:
        raise DeviceError(f"no GPU can be used: {missing}.\nWay out: without one, the same kernels run on any "
                          "computer, with tg.static(f, level=\"O3\", executor=\"emulated\") on tensors on \"cpu\".")
    return Gpu(cupy)


def find_cupy() -> Any:
    """CuPy, or a `DeviceError`."""
    try:
        return import_module("cupy")
    except ImportError as error:
        raise DeviceError(f"the device \"gpu\" needs CuPy, which cannot be imported ({error}).\n"
                          "Way out: python -m pip install \"teachgrad[gpu]\"") from None


def missing_from(cupy: Any) -> str:
    """What CuPy lacks to compute: a driver, or a device; empty if nothing."""
    runtime = cupy.cuda.runtime
    try:
        count = runtime.getDeviceCount()
    except runtime.CUDARuntimeError as error:
        if "InsufficientDriver" in str(error):
            return "there is no NVIDIA driver, or one that is too old for this CuPy"
        if "NoDevice" in str(error):
            return "there is a driver, but no CUDA device"
        return f"CUDA says {error}"
    return "" if count else "there is a driver, but no CUDA device"


__all__ = ["Gpu", "find_cupy", "missing_from", "open_device"]
