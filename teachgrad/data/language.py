"""Text for language models: the bundled text, its characters as numbers, and windows that predict the next one."""

from __future__ import annotations

import gzip
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import DataError

BUNDLED = Path(__file__).parent / "bundled"


def text(pinned: bool = True) -> str:
    """Python's own documentation of its language, as one long string.

    It is what `help("while")` and its like print, one topic after the other: `pydoc_data.topics`. Every version of
    Python has another wording, so the text is pinned to that of Python 3.11.7, which comes with teachgrad: 464,970
    characters, 103 different ones. Losses measured on it can be compared. With `pinned=False` it is the text of the
    Python that is running.

    Source: the Python documentation, copyright Python Software Foundation. Licence: PSF License Version 2, code
    examples also Zero-Clause BSD; its text stands in `bundled/LICENSE-data.txt`.
    """
    if pinned:
        return gzip.decompress((BUNDLED / "topics.txt.gz").read_bytes()).decode()
    from pydoc_data.topics import topics  # large, and only wanted here

    return "".join(topics[name] for name in sorted(topics))


class Vocabulary:
    """The different characters of a text, numbered in code-point order.

    >>> letters = Vocabulary("hello")
    >>> letters.symbols, letters.encode("hole").tolist()
    ('ehlo', [1, 3, 2, 0])
    >>> letters.decode([1, 0])
    'he'
    """

    def __init__(self, text: str) -> None:
        self.symbols = "".join(sorted(set(text)))
        self._codes = np.array([ord(symbol) for symbol in self.symbols], dtype=np.uint32)

    def __len__(self) -> int:
        return len(self.symbols)

    def encode(self, text: str) -> np.ndarray:
        """The numbers of the characters, int64 of shape (len(text),) in 0 .. len(self) - 1."""
        codes = np.frombuffer(text.encode("utf-32-le"), dtype="<u4")
        numbers = np.searchsorted(self._codes, codes)
        known = numbers < len(self)
        known[known] = self._codes[numbers[known]] == codes[known]
        if not known.all():
            at = int(np.argmin(known))
            raise DataError(f"the character {text[at]!r} at position {at} is not one of the {len(self)} known ones")
        return numbers.astype(np.int64)

    def decode(self, numbers: Iterable[int]) -> str:
        """The text that the numbers stand for; the inverse of `encode`."""
        return "".join(self.symbols[number] for number in np.asarray(numbers, dtype=np.int64).ravel().tolist())

    def __repr__(self) -> str:
        return f"Vocabulary({self.symbols!r})"


class Windows:
    """Windows into a sequence: item i is `(s[j : j + context], s[j + 1 : j + context + 1])` with j = i * stride.

    The second part is the first moved on by one: at every place the number that comes next. With stride 1 every window
    is an item, with stride `context` no two overlap. A last window that would be cut short is left out.

    >>> x, y = Windows(np.arange(5), context=3)[1]
    >>> x.tolist(), y.tolist()
    ([1, 2, 3], [2, 3, 4])
    """

    def __init__(self, sequence: Any, context: int, stride: int = 1) -> None:
        """`sequence`: shape (n,), any dtype, such as what `Vocabulary.encode` returns."""
        self.sequence = np.asarray(sequence)
        if self.sequence.ndim != 1:
            raise DataError(f"windows need a flat sequence, not one of shape {self.sequence.shape}")
        if context < 1 or stride < 1:
            raise DataError(f"context and stride are at least 1, not {context} and {stride}")
        self.context = context
        self.stride = stride

    def __len__(self) -> int:
        return max(0, (len(self.sequence) - 1 - self.context) // self.stride + 1)

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        if not -len(self) <= index < len(self):
            raise IndexError(f"index {index} is outside {len(self)} windows")
        x, y = self.batch(np.array([index]))
        return x[0], y[0]

    def batch(self, indices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The windows at `indices` of shape (n,): x and y of shape (n, context)."""
        starts = np.where(indices < 0, indices + len(self), indices) * self.stride
        places = starts[:, None] + np.arange(self.context + 1)
        windows = self.sequence[places]
        return windows[:, :-1], windows[:, 1:]

    def __repr__(self) -> str:
        return f"Windows({len(self):,} of {self.context} out of {len(self.sequence):,})"
