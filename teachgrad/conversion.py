"""What users give as numbers, lists and foreign arrays, as arrays of a supported data type."""

from __future__ import annotations

import builtins
from collections.abc import Sequence
from typing import Any

import numpy as np

from . import dtypes
from .devices import KINDS
from .errors import DTypeError, ShapeError
from .op import Array, Vertex


def as_array(data: Any, dtype: Any) -> Array:
    """`data` (numbers, nested sequences, an array) as an array of its own of a supported dtype."""
    if dtype is not None:
        dtype = dtypes.as_dtype(dtype)
    if type(data) in KINDS and type(data) is not np.ndarray:  # an array of another device stays there
        return data.astype(dtype or dtypes.as_dtype(data.dtype), order="C")
    if isinstance(data, (np.ndarray, np.generic)):
        return np.array(data, dtype or dtypes.as_dtype(data.dtype), order="C")
    if hasattr(data, "__array__") and not isinstance(data, (list, tuple)):
        return as_array(np.asarray(data), dtype)
    if isinstance(data, (list, tuple)) and holds_tensors(data):
        raise DTypeError("a list of tensors, made into one tensor, would lose their gradients; use tg.stack([...])")
    try:
        array = np.array(data)
    except ValueError as error:
        raise ShapeError(f"these rows do not have the same length: {error}") from None
    if dtype is None:
        python_floats = array.dtype.kind == "f" and not _holds_arrays(data)
        dtype = dtypes.get_default_dtype() if python_floats else dtypes.as_dtype(array.dtype)
    return array.astype(dtype)


def holds_tensors(data: Sequence[Any]) -> builtins.bool:
    """Whether a tensor stands somewhere in nested lists."""
    kinds = set(map(type, data))
    if any(issubclass(kind, Vertex) for kind in kinds):
        return True
    return not kinds.isdisjoint((list, tuple)) and any(holds_tensors(x) for x in data if isinstance(x, (list, tuple)))


def _holds_arrays(data: Any) -> builtins.bool:
    while isinstance(data, (list, tuple)) and data:
        data = data[0]
    return isinstance(data, (np.ndarray, np.generic))
