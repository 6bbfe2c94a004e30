"""Ladders: one computation, several kernels, each faster than the one before, and the numbers that say why.

On the emulator a rung is launched with every access counted; on a GPU it is timed too. The counts are those of one
small launch, and they hold for large ones: what a warp's request costs does not depend on how many there are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from .kernels import Example, Kernel, catalogue
from .kernels.checking import differences, launched, referred
from .rungs import LADDERS, Ladder, Rung


@dataclass(frozen=True)
class Counts:
    """What one launch cost on the emulator."""

    sectors: float
    """Sectors of 32 bytes that a request to global memory takes, on average."""
    ideal_sectors: float
    """How many would do for the bytes that were asked for."""
    moved: int
    """Bytes between memory and processor, without any cache: 32 for each sector."""
    wavefronts: float | None
    """Wavefronts that a request to shared memory takes; more than the ideal are bank conflicts. None without any."""
    ideal_wavefronts: float | None
    all_wavefronts: int
    """All of them together."""
    atomics: int
    """Atomic operations, counted by thread."""
    lanes: float
    """Lanes of a warp that are active while it runs, on average over lines of code."""
    barriers: int
    """Barriers that the first block waits at."""
    intensity: float
    """Operations for each byte moved."""


@dataclass(frozen=True)
class Speed:
    """What one launch took on a GPU."""

    ms: float
    rate: float
    """Bytes or operations a second, as the ladder counts."""
    percent: float | None
    """Of the device's peak in that; None where it is not known."""


@dataclass(frozen=True)
class Climbed:
    """A rung that was run."""

    rung: Rung
    kernel: Kernel
    right: bool
    shape: tuple[int, ...]
    counts: Counts
    speed: Speed | None


def climb(ladder: Ladder, gpu: Any = None) -> Iterable[Climbed]:
    """Run the rungs one after the other. `gpu` is the module cupy, where there is a device to time them on."""
    from . import timing

    peaks = timing.peaks(gpu) if gpu else None
    for rung in ladder.rungs:
        kernel = catalogue[rung.kernel]
        example = made(kernel, ladder.shape)
        right, counts = counted(kernel, example)
        speed = None
        if gpu is not None and peaks is not None:
            right = right and matches(kernel, gpu, example)
            speed = timed(ladder, kernel, gpu, peaks)
        yield Climbed(rung, kernel, right, ladder.shape, counts, speed)


def made(kernel: Kernel, shape: tuple[int, ...]) -> Example:
    return kernel.example(np.random.default_rng(0), kernel.dtypes[0], *shape)


def matches(kernel: Kernel, device: Any, example: Example) -> bool:
    return all(d.right for d in differences(kernel, launched(kernel, device, example), referred(kernel, example)))


class Checked:
    """The emulator as a device whose kernels are checked; it keeps the last one that it made."""

    made: Any = None

    def RawKernel(self, source: str, name: str, options: tuple[str, ...] = ()) -> Any:
        from . import emulator

        self.made = emulator.RawKernel(source, name, options, check=True)
        return self.made

    def asarray(self, array: Any) -> Any:
        return array


def counted(kernel: Kernel, example: Example) -> tuple[bool, Counts]:
    """Launch on the emulator, checked: whether it is right and has no mistakes, and what it cost."""
    device = Checked()
    right = matches(kernel, device, example) and not device.made.findings
    of: dict[str, list[Any]] = {"global": [], "shared": [], "code": []}
    for counter in device.made.counters:
        of[counter.space].append(counter)
    sectors, requests = total(of["global"], "transactions"), total(of["global"], "requests")
    waves, shared = total(of["shared"], "transactions"), total(of["shared"], "requests")
    flops = kernel.plan(*example.arrays, **example.settings).flops
    return right, Counts(
        sectors=sectors / requests, ideal_sectors=total(of["global"], "ideal") / requests, moved=32 * sectors,
        wavefronts=waves / shared if shared else None,
        ideal_wavefronts=total(of["shared"], "ideal") / shared if shared else None, all_wavefronts=waves,
        atomics=total((c for c in of["global"] if c.operation == "atomic"), "lanes"),
        lanes=total(of["code"], "lanes") / total(of["code"], "requests"), barriers=device.made.barriers,
        intensity=flops / (32 * sectors))


def total(counters: Iterable[Any], what: str) -> int:
    return sum(int(getattr(counter, what)) for counter in counters)


def timed(ladder: Ladder, kernel: Kernel, gpu: Any, peaks: Any) -> Speed:
    """Time a launch at the kernel's large shape."""
    from .timing import milliseconds

    example = made(kernel, kernel.large)
    arrays = tuple(gpu.asarray(a) for a in example.arrays)
    run: Callable[[], None] = lambda: kernel.launch(gpu, *arrays, **example.settings)  # noqa: E731
    ms = milliseconds(gpu, run)
    if ladder.counts == "bytes":
        rate, peak = kernel.least_traffic(*arrays, **example.settings) / (ms / 1e3), peaks.copy
    else:
        rate = kernel.plan(*arrays, **example.settings).flops / (ms / 1e3)
        peak = peaks.tensor if kernel.family == "matmul_tensor" else peaks.float32
    return Speed(ms, rate, 100 * rate / peak if peak else None)


__all__ = ["LADDERS", "Climbed", "Counts", "Ladder", "Rung", "Speed", "climb"]
