"""Does a kernel do what it should? Run it on a device, and compare with its reference in NumPy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from .kernel import Example, Kernel


@dataclass(frozen=True)
class Difference:
    """How far one array is from the reference."""

    array: str
    largest: float
    """The largest difference; infinity where one is nan and the other is not, or where integers differ."""
    allowed: float

    @property
    def right(self) -> bool:
        return self.largest <= self.allowed


def launched(kernel: Kernel, device: Any, example: Example) -> tuple[Any, ...]:
    """The arrays after a launch on a device, as NumPy arrays. Those of the example stay as they are."""
    arrays = tuple(device.asarray(a.copy()) for a in example.arrays)
    kernel.launch(device, *arrays, **example.settings)
    return tuple(a.get() if hasattr(a, "get") else np.array(a) for a in arrays)


def referred(kernel: Kernel, example: Example) -> tuple[Any, ...]:
    """The arrays as the reference leaves them. Those of the example stay as they are."""
    arrays = tuple(a.copy() for a in example.arrays)
    kernel.reference(*arrays, **example.settings)
    return arrays


def differences(kernel: Kernel, found: tuple[Any, ...], expected: tuple[Any, ...]) -> list[Difference]:
    """Array by array. Those that the kernel only reads must not have changed by a bit."""
    longest = max(a.size for a in found)
    return [difference(p.name, a, b, kernel.tolerance * longest**0.5 if i in kernel.outputs else 0.0)
            for i, (p, a, b) in enumerate(zip(kernel.pointers, found, expected, strict=True))]


def difference(name: str, a: Any, b: Any, units: float) -> Difference:
    """`units` counts rounding errors of the dtype at the largest number of the reference."""
    if a.dtype.kind != "f":
        return Difference(name, 0.0 if np.array_equal(a, b) else np.inf, 0.0)
    finite = np.isfinite(b)
    same = (a == b) | (np.isnan(a) & np.isnan(b))
    apart = np.where(same, 0.0, np.inf)
    apart[finite] = np.abs(a[finite].astype(np.float64) - b[finite])
    apart[np.isnan(apart)] = np.inf
    largest = float(np.abs(b[finite]).max(initial=0.0))
    return Difference(name, float(apart.max(initial=0.0)), units * float(np.finfo(a.dtype).eps) * largest)


def check(kernel: Kernel, device: Any, example: Example) -> list[Difference]:
    """Launch, and compare with the reference: what is wrong, or nothing."""
    found, expected = launched(kernel, device, example), referred(kernel, example)
    return [d for d in differences(kernel, found, expected) if not d.right]
