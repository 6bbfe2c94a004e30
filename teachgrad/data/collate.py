"""From items to a batch: fetch some items of a dataset and stack them field by field."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

import teachgrad as tg

from ..errors import ShapeError

NUMBERS = "biuf"


def gather(dataset: Any, indices: np.ndarray) -> Any:
    """The items of `dataset` at `indices`, int64 of shape (n,), stacked to arrays of shape (n, ...).

    A dataset that can fetch many items at once says so with a method `batch(indices)`; others are asked
    for one item after the other, always with a Python int.
    """
    batch = getattr(dataset, "batch", None)
    if batch is not None:
        return batch(indices)
    return stack([dataset[index] for index in indices.tolist()])


def stack(items: Sequence[Any]) -> Any:
    """Stack n items of one structure: arrays and numbers to arrays of shape (n, ...), other things to a list.

    A tuple or a mapping is a structure, and its fields are stacked one by one; a list counts as an array.
    Python floats take the default dtype, Python ints int64; arrays keep their own dtype.
    """
    first = items[0]
    if isinstance(first, Mapping):
        return {key: stack([item[key] for item in items]) for key in first}
    if isinstance(first, tuple):
        columns = [stack(column) for column in zip(*items, strict=True)]
        return type(first)._make(columns) if hasattr(first, "_make") else tuple(columns)
    if type(first) is float:
        return np.asarray(items, dtype=tg.get_default_dtype())
    arrays = [np.asarray(item) for item in items]
    if arrays[0].dtype.kind not in NUMBERS:
        return list(items)
    for position, array in enumerate(arrays):
        if array.shape != arrays[0].shape:
            raise ShapeError(
                f"a batch needs items of one shape, but its items 0 and {position} have the shapes "
                f"{arrays[0].shape} and {array.shape}; pad or crop them in the dataset, or use batch=1"
            )
    return np.stack(arrays)


def to_tensors(batch: Any) -> Any:
    """The same structure with a tensor in the place of every array of numbers."""
    if isinstance(batch, Mapping):
        return {key: to_tensors(value) for key, value in batch.items()}
    if isinstance(batch, tuple):
        fields = [to_tensors(field) for field in batch]
        return type(batch)._make(fields) if hasattr(batch, "_make") else tuple(fields)
    if isinstance(batch, np.ndarray) and batch.dtype.kind in NUMBERS:
        return tg.tensor(batch)
    return batch
