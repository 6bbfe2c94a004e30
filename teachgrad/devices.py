"""Where tensors live: on the "cpu", or on a device that another package offers.

A device has a name, the class of its arrays, the array library that computes with them, and the ways in and out. Ops
are written for any such library (`xp`), so they need no more; a device that knows a better way to compute some of them
says so in `computed`. Devices other than the CPU are entry points of the group `teachgrad.devices`: a name, and a
function that opens the device or says with a `DeviceError` what is missing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from .dtypes import as_dtype
from .errors import DeviceError, DTypeError


class Device:
    """A place for arrays. This one is the CPU; others are subclasses."""

    name: str = "cpu"
    xp: Any = np
    """The array library: numpy, or one with the same functions."""
    array: type = np.ndarray
    """The class of the arrays."""
    copied, side = 32 << 20, 768
    """With what profiles measure what it can do: bytes that are copied, more than caches hold, and the side of matrices
    that are multiplied."""

    def __repr__(self) -> str:
        return f"device({self.name!r})"

    def from_host(self, array: Any) -> Any:
        """A NumPy array as one of this device."""
        return array

    def to_host(self, array: Any) -> Any:
        """An array of this device as NumPy's."""
        return array

    def computed(self, op: Any, arrays: Sequence[Any], settings: Mapping[str, Any]) -> Any:
        """What an op gives (an array, or a tuple of them), where this device has a better way than the op itself has
        with `xp`; else None, and nothing is changed.

        Gradients come from the gradient rule of the op, whoever computes it. The array of a draw is its place (seed,
        site, step) in the random bits, which is on the CPU; all other arrays are of this device, but for numbers in
        arrays of NumPy without axes, which an op that is one function of `xp`, or an update, may be given. With `out`
        among the settings, the result goes there.
        """
        return None

    def synchronize(self) -> None:
        """Wait until all that was begun here has ended. On the CPU nothing is left when a call returns."""

    def take(self, array: Any) -> Any:
        """An array of any device as one of this device: the array itself if it is here already."""
        source = of(array)
        return array if source is self else self.from_host(source.to_host(array))


CPU = Device()
OPEN: dict[str, Device] = {"cpu": CPU}
"""The devices that are in use, by name."""
KINDS: dict[type, Device] = {np.ndarray: CPU}
"""The devices by the class of their arrays."""
beyond = False
"""Whether there is any device in use but the CPU. As long as there is none, nobody has to ask where an array is."""


def of(array: Any) -> Device:
    """The device that an array is on."""
    return KINDS.get(type(array), CPU)


def find(device: Any) -> Device:
    """The device of a name, which is opened if need be; None stands for the CPU."""
    if device is None:
        return CPU
    name = device if isinstance(device, str) else getattr(device, "name", device)
    if name in OPEN:
        return OPEN[name]
    offered = others()
    if name not in offered:
        of_nvidia = str(name).partition(":")[0] in ("cuda", "gpu")
        hint = '. A GPU is called "gpu" here; which one, CUDA_VISIBLE_DEVICES says' if of_nvidia else ""
        raise DeviceError(f"there is no device {name!r}; here are: {', '.join(sorted({'cpu', *offered}))}{hint}")
    return add(offered[name].load()())


def is_device(x: Any) -> bool:
    """Whether this is meant as a device, as opposed to a data type."""
    if x is None:  # NumPy would take it for float64
        raise DeviceError('None names neither a device nor a data type; write "cpu", or leave the call out')
    if isinstance(x, str):
        try:
            as_dtype(x)
        except DTypeError:
            return True
        return False
    return isinstance(x, Device) or isinstance(getattr(x, "place", None), Device)


def add(device: Device) -> Device:
    """Let tensors live on a device."""
    global beyond
    OPEN[device.name] = KINDS[device.array] = device
    beyond = True
    return device


def others() -> dict[str, Any]:
    """The devices that other packages offer, as entry points by name."""
    from importlib.metadata import entry_points  # a fifth of the import time of teachgrad, and seldom needed

    return {point.name: point for point in entry_points(group="teachgrad.devices")}


def available() -> list[str]:
    """The names of the devices that can be used here and now."""
    found = ["cpu"]
    for name in sorted(others()):
        try:
            find(name)
        except DeviceError:
            continue
        found.append(name)
    return found


__all__ = ["CPU", "KINDS", "OPEN", "Device", "add", "available", "find", "is_device", "of", "others"]
