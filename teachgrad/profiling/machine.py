"""What a machine can do at most: bytes copied and operations multiplied in a second, measured once in a process.

The roofline of a machine: a kernel that does I operations for each byte it moves can do at most min(P, I · B)
operations a second, with P the most the processor computes and B the most the memory gives. Below the ridge I = P/B
memory is the bound, above it arithmetic.
Source: S. Williams, A. Waterman and D. Patterson, "Roofline: an insightful visual performance model for multicore
architectures" (2009).
"""

from __future__ import annotations

from dataclasses import dataclass
from time import perf_counter
from typing import Any

import numpy as np

from ..devices import Device, find
from .runs import Run

TIMES = 5


@dataclass(frozen=True)
class Machine:
    """Bytes a second (read and written together), and operations a second in float32 and float64."""

    bandwidth: float
    single: float
    double: float

    def peak(self, dtype: np.dtype[Any]) -> float:
        """The most operations a second in this dtype; of anything but float64, as for float32."""
        return self.double if dtype == np.float64 else self.single

    def least(self, run: Run) -> float:
        """The seconds that a run would take at the roofline."""
        return max(run.moved / self.bandwidth, run.flops / self.peak(run.dtype))

    def bound(self, run: Run) -> str:
        """What bounds a run: `memory` or `arithmetic`."""
        return "memory" if run.moved / self.bandwidth >= run.flops / self.peak(run.dtype) else "arithmetic"

    def __str__(self) -> str:
        return (f"copies {self.bandwidth / 1e9:.1f} GB/s, multiplies {self.single / 1e9:.1f} Gflop/s in float32 and "
                f"{self.double / 1e9:.1f} in float64; ridge at {self.single / self.bandwidth:.1f} flops a byte")


KNOWN: dict[str, Machine] = {}
"""What has been measured, by the name of the device."""


def machine(place: str = "cpu") -> Machine:
    """A device, measured the first time; the CPU, with the threads that NumPy uses then."""
    if place not in KNOWN:
        KNOWN[place] = measured(find(place))
    return KNOWN[place]


def measured(there: Device) -> Machine:
    """What a device can do. The best of a few tries counts."""
    xp, side = there.xp, there.side
    source, target = xp.ones(there.copied, np.uint8), xp.zeros(there.copied, np.uint8)
    bandwidth = 2 * there.copied / best(there, lambda: xp.copyto(target, source))
    rates = {}
    for dtype in (np.float32, np.float64):
        a = xp.ones((side, side), dtype)
        out = xp.empty_like(a)
        rates[dtype] = 2 * side**3 / best(there, lambda a=a, out=out: xp.matmul(a, a, out))
    return Machine(bandwidth, rates[np.float32], rates[np.float64])


def best(there: Device, work: Any) -> float:
    """The least seconds of a few tries."""
    times = []
    for _ in range(TIMES):
        there.synchronize()
        begin = perf_counter()
        work()
        there.synchronize()
        times.append(perf_counter() - begin)
    return min(times)
