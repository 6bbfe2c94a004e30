"""Carrying a tensor from one device to another: the only way there is."""

from __future__ import annotations

from typing import Any

from .. import devices
from ..op import Array, Op, Spec, Vertex, apply, device_of, state


class ToDevice(Op):
    r"""z = x on another device,   dz/dx = 1, carried back to where x is"""

    arithmetic = 0
    needs_values = False
    derivatives = ("1",)

    def __call__(self, x: Vertex, device: Any, /) -> Any:
        if type(x._data) is Spec or state.now.tracer is not None:
            return x  # in a static graph all values are where the executor has them
        target, source = devices.find(device), device_of(x)
        return x if target is source else apply(self, (x,), {"device": target.name, "source": source.name})

    def infer(self, x: Spec, *, device: str, source: str) -> Spec:
        return x

    def forward(self, xp: Any, x: Array, *, device: str, source: str) -> Array:
        return devices.find(device).take(x)

    def vjp(self, g: Vertex, z: Vertex, x: Vertex) -> Any:
        return (apply(self, (g,), {"device": z.attrs["source"], "source": z.attrs["device"]}),)


to_device = ToDevice()
