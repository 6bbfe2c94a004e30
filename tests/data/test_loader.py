"""The Loader in one process: order, batches, passes, state and resume."""

from __future__ import annotations

import json
import random
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import teachgrad as tg
from teachgrad.data import ArrayDataset, Loader, Subset, moons
from teachgrad.errors import DataError


def numbers(count: int) -> ArrayDataset:
    return ArrayDataset(np.arange(count))


def lists(loader: Any) -> list[list[int]]:
    return [batch.numpy().tolist() for batch in loader]


def test_batches_are_tensors_of_the_dtype_of_the_data() -> None:
    dataset = ArrayDataset(np.ones((5, 2), np.float32), np.arange(5))
    for x, t in Loader(dataset, batch=2):
        assert isinstance(x, tg.Tensor)
        assert isinstance(t, tg.Tensor)
        assert (x.dtype, t.dtype) == (np.float32, np.int64)
        assert x.shape == (*t.shape, 2)


@given(st.integers(0, 40), st.integers(1, 12), st.booleans())
def test_lengths(count: int, size: int, drop_last: bool) -> None:
    loader = Loader(numbers(count), size, drop_last=drop_last)
    batches = lists(loader)
    assert len(batches) == len(loader)
    kept = count - count % size if drop_last else count
    assert [item for batch in batches for item in batch] == list(range(kept))
    assert all(len(batch) == size for batch in batches[:-1])


def test_the_order_is_the_one_stated() -> None:
    """The two lines by which an outsider gets the order, and the numbers they gave with NumPy 2.4.6."""
    loader = Loader(numbers(10), batch=10, shuffle=True, seed=7)
    first, second = lists(loader)[0], lists(loader)[0]
    for epoch, order in enumerate((first, second)):
        generator = np.random.Generator(np.random.Philox(key=[7, epoch]))
        assert order == generator.permutation(10).tolist()
    assert first == [6, 3, 9, 1, 2, 0, 5, 7, 8, 4]
    assert second == [1, 9, 2, 8, 5, 0, 4, 3, 7, 6]


def test_large_seeds_are_whole_keys() -> None:
    orders = {tuple(lists(Loader(numbers(50), 50, True, seed))[0]) for seed in (0, 1, 2**32, 2**63, 2**64 - 1)}
    assert len(orders) == 5


def test_every_for_is_the_next_pass_even_after_a_break() -> None:
    loader, plain = Loader(numbers(9), 3, shuffle=True), Loader(numbers(9), 3, shuffle=True)
    passes = [lists(plain) for _ in range(3)]
    assert (loader.epoch, plain.epoch) == (0, 3)
    for batch in loader:
        assert batch.numpy().tolist() == passes[0][0]
        assert loader.epoch == 0
        break
    assert [lists(loader), lists(loader)] == passes[1:]


@pytest.mark.parametrize("workers", [0, 2])
def test_resume_at_every_batch(workers: int) -> None:
    def fresh() -> Loader:
        return Loader(numbers(11), 3, shuffle=True, seed=3, workers=workers)

    reference = Loader(numbers(11), 3, shuffle=True, seed=3)
    batches = [batch for _ in range(4) for batch in lists(reference)]
    states = [fresh().state()]
    loader = fresh()
    for _ in range(2):
        states += [json.loads(json.dumps(loader.state())) for _ in loader]
    assert len(states) == 9
    for done in range(9) if workers == 0 else (2, 4, 7):
        resumed = fresh()
        resumed.resume(states[done])
        assert resumed.state() == states[done]
        rest = lists(resumed)
        assert rest == batches[done : 4 * (done // 4 + 1)]
        assert lists(resumed) == batches[4 * (done // 4 + 1) :][:4]


def test_state_after_a_pass_is_the_start_of_the_next() -> None:
    loader = Loader(numbers(4), 2)
    list(loader)
    assert (loader.state()["epoch"], loader.state()["batch"]) == (1, 0)


@pytest.mark.parametrize(
    "other",
    [
        Loader(numbers(12), 3, shuffle=True),
        Loader(numbers(11), 4, shuffle=True),
        Loader(numbers(11), 3),
        Loader(numbers(11), 3, shuffle=True, seed=1),
        Loader(numbers(11), 3, shuffle=True, drop_last=True),
    ],
)
def test_a_state_of_another_loader_is_refused(other: Loader) -> None:
    with pytest.raises(DataError, match=r"taken from a different loader: .*, here "):
        Loader(numbers(11), 3, shuffle=True).resume(other.state())


@pytest.mark.parametrize("change", [{"batch": 5}, {"batch": -1}, {"epoch": -1}])
def test_an_impossible_state_is_refused(change: dict[str, int]) -> None:
    loader = Loader(numbers(11), 3)
    with pytest.raises(DataError, match="there is no batch"):
        loader.resume(loader.state() | change)


@pytest.mark.parametrize("wrong", [{"batch": 0}, {"workers": -1}, {"seed": -1}, {"seed": 2**64}])
def test_wrong_settings_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(DataError):
        Loader(numbers(3), **wrong)


def test_a_tuple_of_arrays_is_not_a_dataset() -> None:
    with pytest.raises(DataError, match=r"ArrayDataset\(x, y\)"):
        Loader(moons(10))  # type: ignore[arg-type]


def test_an_empty_dataset_has_no_batches() -> None:
    assert lists(Loader(numbers(0), 4, shuffle=True)) == []
    assert lists(Loader(numbers(0), 4, workers=2)) == []


def test_items_may_be_structures() -> None:
    dataset = [{"x": np.full(2, i), "name": f"item {i}"} for i in range(3)]
    (batch,) = Loader(dataset, batch=3)
    assert batch["x"].numpy().tolist() == [[0, 0], [1, 1], [2, 2]]
    assert batch["name"] == ["item 0", "item 1", "item 2"]


class Noisy:
    """A dataset that augments with the global generators, as people do."""

    def __len__(self) -> int:
        return 12

    def __getitem__(self, index: int) -> tuple[float, float, float]:
        return index + np.random.rand(), random.random(), np.random.randn()  # noqa: NPY002


def test_augmentation_is_seeded_by_pass_and_batch_and_disturbs_nobody() -> None:
    np.random.seed(1)  # noqa: NPY002
    random.seed(1)
    expected = [np.random.randn(), random.gauss(0, 1)]  # noqa: NPY002
    expected += [np.random.randn(), random.gauss(0, 1)]  # noqa: NPY002

    np.random.seed(1)  # noqa: NPY002
    random.seed(1)
    got = [np.random.randn(), random.gauss(0, 1)]  # noqa: NPY002
    loader = Loader(Noisy(), 4, seed=5)
    first, second = ([np.stack([f.numpy() for f in batch]) for batch in loader] for _ in range(2))
    got += [np.random.randn(), random.gauss(0, 1)]  # noqa: NPY002
    assert got == expected

    again = [np.stack([f.numpy() for f in batch]) for batch in Loader(Noisy(), 4, seed=5)]
    assert np.array_equal(first, again)
    assert len(np.unique(np.concatenate([*first, *second], axis=1)[1])) == 24
    other = Subset(Noisy(), range(12))
    (one, *_) = Loader(other, 4, seed=5)
    assert np.array_equal(np.stack([f.numpy() for f in one]), first[0])
