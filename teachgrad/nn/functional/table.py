"""Tables and indices: rows by number, ones by number, and gathering and scattering along an axis."""

from __future__ import annotations

from typing import Any

from ...errors import SettingError, ShapeError
from ...op import apply
from ...ops import embedding as tables
from ...ops.indexing import put_along, put_item, take_along
from ...ops.shape import normalize_axis
from ...spelling import own_keywords


def embedding(input: Any, weight: Any, padding_idx: int | None = None) -> Any:
    """Row x of the table w for each x:   x any shape of integers, w (rows, width), the answer x.shape + (width,)

    The row `padding_idx` is given out like the others, but gets no gradient.
    """
    if weight.ndim != 2:
        raise ShapeError(f"embedding: the weight {weight.shape} must be (rows, width)")
    if padding_idx is not None:
        if not -weight.shape[0] <= padding_idx < weight.shape[0]:
            raise SettingError(f"embedding: padding_idx {padding_idx} is not a row of the weight {weight.shape}")
        padding_idx %= weight.shape[0]
    return tables.embedding(input, weight, padding_index=padding_idx)


def one_hot(tensor: Any, num_classes: int = -1) -> Any:
    """1 at place x and 0 elsewhere for each integer x, along a new last axis of length `num_classes`, as int64

    num_classes is one more than the largest x unless given; but then it depends on values, which a static function
    does not have.
    """
    if num_classes < 0:
        if tensor.size == 0:
            raise SettingError("one_hot of no elements needs num_classes")
        num_classes = int(tensor.max().item()) + 1
    return tables.one_hot(tensor, num_classes)


@own_keywords
def gather(input: Any, axis: int, index: Any) -> Any:
    """z[i, j, k] = x[i, index[i, j, k], k] for axis 1, and likewise for the others

    index has as many axes as x, and along those other than `axis` at most its lengths.
    """
    axis = fitting("gather", input, axis, index)
    part = tuple(slice(None) if a == axis else slice(n) for a, n in enumerate(index.shape))
    return take_along(input if all_along(input, index, axis) else input[part], index, axis=axis)


@own_keywords
def scatter_add(input: Any, axis: int, index: Any, src: Any) -> Any:
    """x plus, at [i, index[i, j, k], k] for axis 1, each src[i, j, k]; what meets at one place is added up

    index has as many axes as x and src, and along those other than `axis` at most their lengths.
    """
    axis = fitting("scatter_add", input, axis, index)
    if src.ndim != index.ndim or any(n > m for n, m in zip(index.shape, src.shape, strict=True)):
        raise ShapeError(f"scatter_add: src {src.shape} must be at least as long as the index {index.shape} everywhere")
    if src.shape != index.shape:
        src = src[tuple(slice(n) for n in index.shape)]
    added = apply(put_along, (src, index), {"axis": axis, "length": input.shape[axis]})
    if not all_along(input, index, axis):
        part = tuple(slice(None) if a == axis else slice(n) for a, n in enumerate(index.shape))
        added = apply(put_item, (added,), {"index": part, "shape": input.shape})
    return input + added


def fitting(name: str, input: Any, axis: int, index: Any) -> int:
    """The axis from the front, if index fits along the others."""
    tables.need_integers(name, index)
    axis = normalize_axis(axis, input.ndim)
    if index.ndim != input.ndim or any(index.shape[a] > n for a, n in enumerate(input.shape) if a != axis):
        raise ShapeError(f"{name}: the index {index.shape} must have the axes of the input {input.shape}, and be no "
                         f"longer along those other than {axis}")
    return axis


def all_along(input: Any, index: Any, axis: int) -> bool:
    """Whether index is as long as the input along all other axes."""
    return all(n == m for a, (n, m) in enumerate(zip(index.shape, input.shape, strict=True)) if a != axis)
