"""Datasets: things with a length and numbered items. Items are NumPy arrays; the Loader makes the tensors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np

from ..errors import DataError, ShapeError
from .collate import gather


@runtime_checkable
class Dataset(Protocol):
    """What a Loader can read: `len(dataset)` items, `dataset[0]` the first.

    An item is an array or a number, or a tuple or dict of such. `dataset[i]` should depend on `i` alone.
    A method `batch(indices)` is optional; it takes int64 indices of shape (n,) and returns the
    items already stacked, which spares n small copies.
    """

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> Any: ...


class ArrayDataset:
    """Arrays, or tensors, of equal length side by side: item i is `(a[i], b[i], ...)`, or `a[i]` of a single one.

    An int, a slice or an array of indices selects, so `x, y = dataset[:]` gives the arrays themselves.
    Indexing follows NumPy: an int or a slice gives views, an array of indices gives copies.

    >>> numbers = ArrayDataset([1.0, 2.0, 3.0], [1, 4, 9])
    >>> x, y = numbers[1:]
    >>> y.tolist()
    [4, 9]
    """

    def __init__(self, *arrays: Any) -> None:
        if not arrays:
            raise ShapeError("ArrayDataset needs at least one array")
        self.arrays = tuple(np.asarray(array) for array in arrays)
        shapes = [array.shape for array in self.arrays]
        if any(not shape for shape in shapes):
            raise ShapeError("ArrayDataset needs arrays with a first axis that counts the items, not numbers")
        if len({shape[0] for shape in shapes}) > 1:
            raise ShapeError(f"the arrays have different lengths: their shapes are {shapes}")

    def __len__(self) -> int:
        return len(self.arrays[0])

    def __getitem__(self, index: Any) -> Any:
        if len(self.arrays) == 1:
            return self.arrays[0][index]
        return tuple(array[index] for array in self.arrays)

    def batch(self, indices: np.ndarray) -> Any:
        """The items at `indices`, stacked: arrays of shape (n, ...), never views."""
        return self[indices]

    def __repr__(self) -> str:
        fields = ", ".join(f"{array.dtype} {array.shape[1:]}" for array in self.arrays)
        return f"ArrayDataset({len(self):,} items of {fields})"


class Subset:
    """Some items of a dataset, in an order of their own: item i is `dataset[indices[i]]`."""

    def __init__(self, dataset: Dataset, indices: Sequence[int] | np.ndarray) -> None:
        chosen = np.asarray(indices)
        if chosen.size == 0:
            chosen = chosen.astype(np.int64)
        if chosen.ndim != 1 or chosen.dtype.kind not in "iu":
            raise DataError(f"indices must be a flat list of ints, not {chosen.dtype} of shape {chosen.shape}")
        count = len(dataset)
        outside = chosen[(chosen < -count) | (chosen >= count)]
        if outside.size:
            raise DataError(f"index {outside[0]} is outside a dataset of {count} items")
        self.dataset = dataset
        self.indices = np.where(chosen < 0, chosen + count, chosen).astype(np.int64)

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, index: Any) -> Any:
        """One item for an int; for a slice or an array of ints the items stacked."""
        chosen = self.indices[index]
        return self.dataset[int(chosen)] if np.ndim(chosen) == 0 else gather(self.dataset, chosen)

    def batch(self, indices: np.ndarray) -> Any:
        """The items at `indices` of this subset, stacked."""
        return gather(self.dataset, self.indices[indices])

    def __repr__(self) -> str:
        return f"Subset({len(self):,} of {self.dataset!r})"


def permutation(seed: int, epoch: int, count: int) -> np.ndarray:
    """A random order of `count` items, int64 of shape (count,): NumPy's own, from Philox with the key (seed, epoch).

    >>> np.random.Generator(np.random.Philox(key=[7, 0])).permutation(5).tolist() == permutation(7, 0, 5).tolist()
    True
    """
    return philox(seed, epoch).permutation(count)


def philox(seed: int, stream: int) -> np.random.Generator:
    """NumPy's generator on the counter-based Philox bits with the key (seed, stream)."""
    if not 0 <= seed < 2**64:
        raise DataError(f"a seed is an int from 0 to 2**64 - 1, not {seed}")
    return np.random.Generator(np.random.Philox(key=np.array([seed, stream], dtype=np.uint64)))


def split(dataset: Dataset, sizes: Sequence[float], seed: int | None = None) -> tuple[Subset, ...]:
    """Cut a dataset into disjoint parts that together are the whole.

    `sizes` are either counts (ints) that add up to len(dataset) or fractions (floats) that add up to 1; part k of
    fractions ends at round(len(dataset) * (f_0 + ... + f_k)). Without a seed the parts follow each other in the
    dataset's order; with a seed the items are first put into the order `permutation(seed, 0, len(dataset))`.

    >>> train, test = split(ArrayDataset(np.arange(10)), [0.8, 0.2])
    >>> len(train), test[:].tolist()
    (8, [8, 9])
    """
    count, total = len(dataset), sum(sizes)
    if not sizes or min(sizes) < 0:
        raise DataError(f"sizes must be one or more counts or fractions, none negative, not {list(sizes)}")
    if all(isinstance(size, int | np.integer) for size in sizes):
        if total != count:
            raise DataError(f"the sizes add up to {total}, but the dataset has {count} items")
        ends = np.cumsum(sizes).tolist()
    else:
        if abs(total - 1) > 1e-9:
            raise DataError(f"the fractions add up to {total}, not to 1; counts must all be ints")
        ends = [round(count * float(share)) for share in np.cumsum(sizes)]
    order = np.arange(count) if seed is None else permutation(seed, 0, count)
    return tuple(Subset(dataset, part) for part in np.split(order, ends[:-1]))
