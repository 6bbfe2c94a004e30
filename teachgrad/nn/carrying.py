"""Parameters and buffers on another device, or in another data type: the same tensors with other arrays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

import teachgrad as tg


def carry(tensors: Sequence[Any], device: Any) -> None:
    """Carry tensors and their gradients to a device."""
    place = tg.device(device).place
    for tensor in tensors:
        gradient = tensor.grad
        put(tensor, place.take(tensor.array_for("carried to a device")))
        if gradient is not None:
            tensor.grad = gradient.to(place.name)


def convert(tensors: Sequence[Any], dtype: Any) -> None:
    """Convert tensors of floating-point numbers, and their gradients, to another such type."""
    dtype = np.dtype(tg.get_default_dtype() if dtype is float else dtype)
    if dtype.kind != "f":
        raise TypeError(f"a module can be converted to a floating-point type, not to {dtype}")
    for tensor in tensors:
        if tensor.dtype.kind == "f" and tensor.dtype != dtype:
            gradient = tensor.grad
            put(tensor, tensor.array_for("converted").astype(dtype))
            if gradient is not None:
                tensor.grad = tg.astype(gradient.detach(), dtype)


def put(tensor: Any, array: Any) -> None:
    """Give a tensor another array. `tensor.data = ...` alone would keep dtype and device."""
    tensor._data = array
    tensor.data = array


__all__ = ["carry", "convert"]
