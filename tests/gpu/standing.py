"""The device "gpu" itself, on the stand-in for CuPy, whose kernels the emulator runs."""

from __future__ import annotations

from functools import partial
from types import SimpleNamespace
from typing import Any

from teachgrad_gpu import emulator
from teachgrad_gpu.device import Gpu
from tests.gpu.strict import StrictArray, StrictCupy


class StandInKernel:
    """CuPy's RawKernel."""

    def __init__(self, launched: list[str], code: str, name: str, options: Any) -> None:
        self.launched, self.name, self.kernel = launched, name, emulator.RawKernel(code, name, options)

    def __call__(self, grid: Any, block: Any, args: Any, shared_mem: int = 0) -> None:
        assert not any(type(a).__name__ == "ndarray" for a in args), "a kernel takes arrays of the device"
        self.launched.append(self.name)
        self.kernel(grid, block, tuple(a._array if type(a) is StrictArray else a for a in args), shared_mem=shared_mem)


class StandIn(Gpu):
    """The device, which notes what it launches and what it carries over."""

    copied, side = 1 << 16, 16

    def __init__(self) -> None:
        cupy = StrictCupy()
        self.launched: list[str] = []
        """The names of the kernels that ran."""
        cupy.RawKernel = partial(StandInKernel, self.launched)
        cupy.cuda = SimpleNamespace(get_current_stream=lambda: SimpleNamespace(synchronize=self.wait))
        super().__init__(cupy)
        self.moves: list[tuple[str, int]] = []
        """What was carried over, and how many bytes."""
        self.waits = 0
        """How often somebody waited for the device."""

    def wait(self) -> None:
        self.waits += 1

    def from_host(self, array: Any) -> Any:
        self.moves.append(("in", array.nbytes))
        return super().from_host(array)

    def to_host(self, array: Any) -> Any:
        self.moves.append(("out", array.nbytes))
        return super().to_host(array)
