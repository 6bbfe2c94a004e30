"""Characters as numbers, and windows of them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from teachgrad.data import Loader, Vocabulary, Windows, text
from teachgrad.errors import DataError

CHARACTERS = st.text(st.characters(exclude_categories=["Cs"]))


@given(CHARACTERS)
def test_decode_undoes_encode(sample: str) -> None:
    vocabulary = Vocabulary(sample)
    numbers = vocabulary.encode(sample)
    assert numbers.dtype == np.int64
    assert vocabulary.decode(numbers) == sample
    assert sorted(set(numbers.tolist())) == list(range(len(vocabulary)))


@given(CHARACTERS, CHARACTERS)
def test_an_unknown_character_is_named(known: str, sample: str) -> None:
    first = next((i for i, character in enumerate(sample) if character not in known), None)
    if first is None:
        assert Vocabulary(known).decode(Vocabulary(known).encode(sample)) == sample
        return
    with pytest.raises(DataError) as caught:
        Vocabulary(known).encode(sample)
    assert f"{sample[first]!r} at position {first}" in str(caught.value)


def test_the_bundled_text_as_numbers() -> None:
    vocabulary = Vocabulary(text())
    assert len(vocabulary) == 103
    assert vocabulary.symbols == "".join(sorted(vocabulary.symbols))
    assert vocabulary.decode(vocabulary.encode(text())) == text()


@given(st.integers(0, 60), st.integers(1, 9), st.integers(1, 9))
def test_windows_by_their_definition(count: int, context: int, stride: int) -> None:
    sequence = np.arange(count) * 7
    windows = Windows(sequence, context, stride)
    expected = [
        (sequence[j : j + context], sequence[j + 1 : j + context + 1])
        for j in range(0, count, stride)
        if j + context + 1 <= count
    ]
    assert len(windows) == len(expected)
    for i, pair in enumerate(expected):
        assert np.array_equal(windows[i], pair)
        assert np.array_equal(windows[i - len(expected)], pair)
    if expected:
        assert np.array_equal(windows.batch(np.arange(len(expected))), np.stack(expected, axis=1))
    for outside in (len(windows), -len(windows) - 1):
        with pytest.raises(IndexError):
            windows[outside]


@pytest.mark.parametrize("arguments", [(np.zeros((2, 2)), 1), (np.zeros(5), 0), (np.zeros(5), 1, 0)])
def test_windows_refuse(arguments: tuple[np.ndarray, int]) -> None:
    with pytest.raises(DataError):
        Windows(*arguments)


def test_windows_in_a_loader() -> None:
    (x, y), *_ = Loader(Windows(np.arange(10), 4), batch=3)
    assert x.numpy().tolist() == [[0, 1, 2, 3], [1, 2, 3, 4], [2, 3, 4, 5]]
    assert np.array_equal(y.numpy(), x.numpy() + 1)
