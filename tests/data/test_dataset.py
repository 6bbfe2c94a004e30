"""Datasets, their parts, and the way items become batches."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import teachgrad as tg
from teachgrad.data import ArrayDataset, Dataset, Subset, split
from teachgrad.data.collate import gather, stack, to_tensors
from teachgrad.errors import DataError, ShapeError


class Squares:
    """A dataset with no `batch`; it insists on plain ints, as lists and many users' classes do."""

    def __init__(self, count: int) -> None:
        self.count = count

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> tuple[np.ndarray, int]:
        assert type(index) is int
        return np.array([index, index**2], dtype=np.float32), index % 3


def test_array_dataset_selects_like_numpy() -> None:
    x, y = np.arange(12.0).reshape(6, 2), np.arange(6)
    dataset = ArrayDataset(x, y)
    assert len(dataset) == 6
    for index in (0, -1, slice(1, 4), np.array([3, 3, 0]), y > 2):
        a, b = dataset[index]
        assert np.array_equal(a, x[index])
        assert np.array_equal(b, y[index])
    assert [int(b) for _, b in dataset] == [0, 1, 2, 3, 4, 5]
    with pytest.raises(IndexError):
        dataset[6]


def test_array_dataset_of_one_array_has_bare_items() -> None:
    assert ArrayDataset([[1, 2], [3, 4]])[1].tolist() == [3, 4]


def test_array_dataset_takes_tensors() -> None:
    dataset = ArrayDataset(tg.tensor([1.0, 2.0]), tg.tensor([3, 4]))
    assert dataset[1] == (2.0, 4)


def test_batches_are_copies() -> None:
    x = np.zeros(4)
    ArrayDataset(x).batch(np.arange(4))[:] = 1
    assert x.tolist() == [0, 0, 0, 0]


@pytest.mark.parametrize("arrays", [(), (3.0,), ([1, 2], [1, 2, 3]), ([1], 1)])
def test_array_dataset_refuses(arrays: tuple[Any, ...]) -> None:
    with pytest.raises(ShapeError):
        ArrayDataset(*arrays)


def test_subset_renumbers() -> None:
    part = Subset(Squares(10), [7, 2, -1])
    assert len(part) == 3
    assert [x.tolist() for x, _ in part] == [[7, 49], [2, 4], [9, 81]]
    assert part[1:][0].tolist() == [[2, 4], [9, 81]]
    assert part.batch(np.array([2, 0]))[1].tolist() == [0, 1]
    assert Subset(part, [0])[0][0].tolist() == [7, 49]
    assert len(Subset(Squares(3), [])) == 0


@pytest.mark.parametrize("indices", [[10], [-11], [[1]], [0.5], [True]])
def test_subset_refuses(indices: Any) -> None:
    with pytest.raises(DataError):
        Subset(Squares(10), indices)


def test_the_classes_are_datasets() -> None:
    for dataset in (ArrayDataset([1]), Squares(1), Subset(Squares(1), [0]), [1, 2], np.arange(3)):
        assert isinstance(dataset, Dataset)


@given(
    st.integers(0, 200),
    st.lists(st.integers(0, 10), min_size=1, max_size=5).filter(any),
    st.none() | st.integers(0, 2**64 - 1),
)
def test_split_by_fractions_cuts_at_rounded_places(count: int, weights: list[int], seed: int | None) -> None:
    fractions = [weight / sum(weights) for weight in weights]
    parts = split(Squares(count), fractions, seed)
    assert sorted(np.concatenate([part.indices for part in parts]).tolist()) == list(range(count))
    for part, fraction in zip(parts, fractions, strict=True):
        assert abs(len(part) - fraction * count) <= 1.0001


def test_split_by_counts_in_order_and_seeded() -> None:
    first, second = split(Squares(10), [7, 3])
    assert (first.indices.tolist(), second.indices.tolist()) == ([0, 1, 2, 3, 4, 5, 6], [7, 8, 9])
    first, second = split(Squares(10), [7, 3], seed=5)
    order = np.random.Generator(np.random.Philox(key=[5, 0])).permutation(10)
    assert (first.indices.tolist(), second.indices.tolist()) == (order[:7].tolist(), order[7:].tolist())


@pytest.mark.parametrize("sizes", [[], [7, 2], [0.5, 0.4], [11, -1], [1.5, -0.5], [9, 1.0]])
def test_split_refuses(sizes: list[float]) -> None:
    with pytest.raises(DataError):
        split(Squares(10), sizes)


@pytest.mark.parametrize("seed", [-1, 2**64])
def test_seeds_have_64_bits(seed: int) -> None:
    with pytest.raises(DataError, match="seed"):
        split(Squares(10), [5, 5], seed)


class Pair(NamedTuple):
    image: np.ndarray
    label: int


def test_stack_keeps_structure_and_types() -> None:
    items = [{"a": (np.float64(i), float(i)), "b": Pair(np.full(2, i, np.int16), i), "c": f"{i}"} for i in range(3)]
    batch = stack(items)
    double, single = batch["a"]
    assert (double.dtype, single.dtype) == (np.float64, np.float32)
    assert batch["b"].image.tolist() == [[0, 0], [1, 1], [2, 2]]
    assert (batch["b"].image.dtype, batch["b"].label.dtype) == (np.int16, np.int64)
    assert batch["c"] == ["0", "1", "2"]
    tensors = to_tensors(batch)
    assert isinstance(tensors["b"], Pair)
    assert isinstance(tensors["b"].image, tg.Tensor)
    assert tensors["b"].image.dtype == np.int16
    assert tensors["c"] == ["0", "1", "2"]


def test_python_floats_follow_the_default_dtype() -> None:
    tg.set_default_dtype("float64")
    try:
        assert stack([0.5, 1.5]).dtype == np.float64
    finally:
        tg.set_default_dtype("float32")
    assert stack([0.5, 1.5]).dtype == np.float32


def test_items_of_different_shapes_are_named() -> None:
    with pytest.raises(ShapeError, match=r"items 0 and 2 have the shapes \(2,\) and \(3,\)"):
        stack([np.zeros(2), np.zeros(2), np.zeros(3)])


def test_gather_asks_a_numpy_array_for_its_rows() -> None:
    assert gather(np.arange(6).reshape(3, 2), np.array([2, 0])).tolist() == [[4, 5], [0, 1]]
