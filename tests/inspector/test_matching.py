"""What belongs together in two sequences, checked against the longest common subsequence of a table."""

from __future__ import annotations

import random
import time
from itertools import pairwise

import numpy as np
import pytest

from teachgrad_inspector import matching
from teachgrad_inspector.matching import GivenUp, matches


def longest(one: list[int], other: list[int]) -> int:
    """The length of the longest common subsequence, by the table of R. A. Wagner and M. J. Fischer."""
    table = np.zeros((len(one) + 1, len(other) + 1), int)
    for i, a in enumerate(one):
        for j, b in enumerate(other):
            table[i + 1, j + 1] = table[i, j] + 1 if a == b else max(table[i, j + 1], table[i + 1, j])
    return int(table[-1, -1])


@pytest.mark.parametrize("seed", range(20))
def test_pairs_are_equal_and_in_order_and_many(seed: int) -> None:
    draw = random.Random(seed)
    one = [draw.randrange(40) for _ in range(60)]
    other = [x for x in one if draw.random() < 0.8]
    for _ in range(8):
        other.insert(draw.randrange(len(other)), draw.randrange(60))
    found = list(matches(one, other))
    assert all(one[i] == other[j] for i, j in found)
    assert all(i < k and j < m for (i, j), (k, m) in pairwise(found))
    assert len(found) >= 0.75 * longest(one, other)


def test_what_is_moved_and_what_is_the_same() -> None:
    assert list(matches("abcdef", "abcdef")) == [(k, k) for k in range(6)]
    assert list(matches("", "abc")) == list(matches("abc", "")) == list(matches("abc", "xyz")) == []
    assert list(matches("abXcd", "abcd")) == [(0, 0), (1, 1), (3, 2), (4, 3)]
    assert len(list(matches("defabc", "abcdef"))) == 3


def test_long_sequences_take_little_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of ops that all look alike, where the best match would take minutes; and of unlike ones."""
    count = [0]
    real = matching.SequenceMatcher

    def counted(*arguments: object, **settings: object) -> object:
        count[0] += len(arguments[1]) * len(arguments[2])  # type: ignore[arg-type]
        return real(*arguments, **settings)  # type: ignore[arg-type, call-overload]

    monkeypatch.setattr(matching, "SequenceMatcher", counted)
    draw = random.Random(1)
    started = time.process_time()
    alike = [draw.randrange(4) for _ in range(30_000)], [draw.randrange(4) for _ in range(30_000)]
    found = list(matches(*alike))  # place by place
    assert found == [(k, k) for k in range(30_000) if alike[0][k] == alike[1][k]]
    unlike = list(range(50_000)), [x for x in range(50_000) if x % 7]
    assert len(list(matches(*unlike))) == len(unlike[1])
    assert time.process_time() - started < 5
    assert count[0] <= matching.SMALL * 4


def test_it_can_be_given_up() -> None:
    left = [3]

    def going() -> bool:
        left[0] -= 1
        return left[0] > 0

    one = list(range(1000))
    with pytest.raises(GivenUp):
        list(matches(one, one[::2] + one[1::2], going))
