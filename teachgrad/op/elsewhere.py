"""Computing on another device than the CPU, and the refusal to mix devices.

Arrays are never carried from one device to another in passing. A number is another matter: a tensor without axes that
no gradient flows to, such as a learning rate. Where an op is one function of the array library it is handed over as the
number that it is; an op that does more with its inputs, and asks them for more than numbers can do, gets it as an array
of the device.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .. import devices
from ..errors import DeviceError, locate, place, user_site
from .overwriting import Overwritten
from .vertex import Array, Op, Vertex, ndarray, state

HERE = object()
"""The answer where all arrays are on the CPU."""


def compute_elsewhere(op: Op, inputs: Sequence[Vertex], arrays: Sequence[Array], attrs: Mapping[str, Any]) -> Any:
    """The result of an op on arrays of another device, or `HERE`."""
    there: devices.Device | None = None
    for number, array in enumerate(arrays):
        device = devices.of(array[0] if type(array) is tuple else array)
        if device is devices.CPU:
            continue
        if there is None:
            there = device
        elif device is not there:
            raise mixed(op, inputs, attrs, number)
    if there is None:
        return HERE
    for number, array in enumerate(arrays):
        if type(array) is ndarray and (array.ndim or inputs[number].requires_grad):
            raise mixed(op, inputs, attrs, number)
    if op.kernel is None:
        arrays = [there.from_host(array) if type(array) is ndarray else array for array in arrays]
    return compute_on(there, op, arrays, attrs)


def compute_on(there: devices.Device, op: Op, arrays: Sequence[Array], attrs: Mapping[str, Any]) -> Any:
    """The result of an op on a device: computed in the way of the device, or else by the op with its array library."""
    if state.now.meter is not None:
        return state.now.meter.compute(op, arrays, attrs, there)
    data = there.computed(op, arrays, attrs)
    return op.forward(there.xp, *as_numbers(arrays), **attrs) if data is None else data


def as_numbers(arrays: Sequence[Array]) -> list[Array]:
    """The arrays, and in place of those of the CPU, which have no axes, the numbers in them."""
    return [array[()] if type(array) is ndarray else array for array in arrays]


def settled(op: Op, data: Any) -> Any:
    """What an op has computed, if that is no array of NumPy's: an array of another device in C order, or a number."""
    if type(data) in devices.KINDS:
        return data if op.view or data.flags.c_contiguous else data.copy()
    return devices.CPU.xp.asarray(data)


def device_of(x: Vertex) -> devices.Device:
    """Where a tensor is."""
    if type(x) is Overwritten:
        return x.place
    data = x._data
    return devices.of(data[0] if type(data) is tuple and data else data)


def beside(like: Vertex, array: Array) -> Vertex:
    """A constant with the values of a NumPy array, on the device of a tensor. A trace has all constants on the CPU."""
    if devices.beyond and state.now.tracer is None:
        array = device_of(like).from_host(array)
    return like.result_type(array)


def brought(x: Vertex, array: Array) -> Array:
    """An array that becomes the data of a tensor: NumPy's is carried over, another must be on its device."""
    here, source = device_of(x), devices.of(array)
    if here is not source and source is not devices.CPU:
        raise DeviceError(f"the data of a tensor on \"{here.name}\" cannot be an array on \"{source.name}\"")
    return here.take(array)


def not_numpy(x: Vertex) -> DeviceError:
    """The error for a tensor that cannot be seen as an array of NumPy's."""
    return DeviceError(f"{x.name or 'this tensor'}, {x.dtype}{list(x.shape)}, is on \"{device_of(x).name}\", and "
                       "NumPy's arrays are on the CPU.\nWay out: x.to(\"cpu\").numpy()")


def mixed(op: Op, inputs: Sequence[Vertex], attrs: Mapping[str, Any], number: int) -> DeviceError:
    """The error for an op whose inputs are on several devices."""
    where = locate(user_site())
    lines = [f"{op.told(inputs, attrs)}: its inputs are on different devices"]
    for k, x in enumerate(inputs):
        made = f", made at {place(x.site)}" if x.site is not None else ""
        called = x.name or f"input {k}"
        lines.append(f"  {called}, {x.dtype}{list(x.shape)}: on \"{device_of(x).name}\"{made}")
    lines += [where.show()] if where else []
    odd = inputs[number]
    targets = sorted({device_of(x).name for x in inputs} - {device_of(odd).name})
    lines.append(f"Nothing is carried over by itself. Way out: {odd.name or 'x'}.to(\"{targets[0]}\")")
    return DeviceError("\n".join(lines))


__all__ = ["HERE", "beside", "brought", "compute_elsewhere", "compute_on", "device_of", "mixed", "not_numpy", "settled"]
