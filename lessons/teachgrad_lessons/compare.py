"""How an observation of a learner's work differs from what is expected, in words.

Observations are plain data: numbers, strings, arrays, and tuples, lists and dicts of these. They hold no object of
the learner's, so they can be compared in a process that never ran the learner's code.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np


class Expectation(Protocol):
    """Anything that can say how an observation falls short: a sentence, or "" when it does not."""

    def difference(self, got: Any) -> str: ...


@dataclass(frozen=True)
class Raised:
    """The observation made when the learner's code raised an exception."""

    kind: str
    message: str
    place: str

    def __str__(self) -> str:
        return f"your code raised {self.kind}: {self.message}{self.place}"


@dataclass(frozen=True)
class Close:
    r"""Same structure, same shapes, and numbers with $|got - want| \le atol + rtol\,|want|$; text and truth exactly.

    Shapes are compared before values, since a wrong shape explains a wrong value and never the reverse.
    """

    want: Any
    rtol: float = 1e-6
    atol: float = 1e-9

    def difference(self, got: Any) -> str:
        return self._difference(self.want, got, "the result")

    def _difference(self, want: Any, got: Any, where: str) -> str:
        if isinstance(got, Raised):
            return str(got)
        if isinstance(want, Mapping):
            return self._items(want, got, want.keys(), lambda key: str(key), where)
        if isinstance(want, (tuple, list)):
            if not isinstance(got, (tuple, list)) or len(got) != len(want):
                return f"{where} should have {len(want)} parts, yours is {brief(got)}"
            return self._items(want, got, range(len(want)), lambda key: f"part {key} of {where}", where)
        if isinstance(want, (str, bool)) or want is None:
            same = type(got) in (type(want), np.bool_) and got == want
            return "" if same else f"{where} should be {want!r}, yours is {brief(got)}"
        return self._numbers(np.asarray(want), got, where)

    def _items(self, want: Any, got: Any, keys: Any, name: Callable[[Any], str], where: str) -> str:
        for key in keys:
            try:
                part = got[key]
            except (KeyError, IndexError, TypeError):
                return f"{where} has no {key!r}"
            if text := self._difference(want[key], part, name(key)):
                return text
        return ""

    def _numbers(self, want: np.ndarray, got: Any, where: str) -> str:
        try:
            array = np.asarray(got)
        except ValueError:  # a ragged list
            return f"{where} should be an array of shape {want.shape}, yours is {brief(got)}"
        if array.dtype.kind not in "biufc":
            return f"{where} should be {brief(want)}, yours is {brief(got)}"
        if array.shape != want.shape:
            return f"{where} should have shape {want.shape}, yours has shape {array.shape}"
        off = ~np.isclose(array, want, rtol=self.rtol, atol=self.atol)
        if not off.any():
            return ""
        if want.ndim == 0:
            return f"{where} should be {brief(want)}, yours is {brief(array)}"
        at = tuple(int(i) for i in np.argwhere(off)[0])
        index = ", ".join(map(str, at))
        return f"{where}[{index}] should be {brief(want[at])}, yours is {brief(array[at])}"


@dataclass(frozen=True)
class Answer:
    """One right choice. The difference never tells what it is."""

    want: Any

    def difference(self, got: Any) -> str:
        if isinstance(got, Raised):
            return str(got)
        if isinstance(got, str) and isinstance(self.want, str):
            got = got.strip().casefold()
            return "" if got == self.want.casefold() else "not this one"
        return "not this one" if Close(self.want, rtol=1e-3, atol=1e-3).difference(got) else ""


@dataclass(frozen=True)
class Order:
    """A sequence of labels that holds each label of ``members`` once and keeps ``first`` before ``second``
    for every pair in ``pairs``. Any such sequence will do."""

    members: Sequence[str]
    pairs: Sequence[tuple[str, str]]

    def difference(self, got: Any) -> str:
        if isinstance(got, Raised):
            return str(got)
        if not isinstance(got, (list, tuple)):
            return f"the order should be a list, yours is {brief(got)}"
        for label in self.members:
            if (times := got.count(label)) != 1:
                return f"{label} should appear once, it appears {times} times"
        if strangers := [label for label in got if label not in self.members]:
            return f"{strangers[0]} does not belong here"
        for first, second in self.pairs:
            if got.index(first) > got.index(second):
                return f"{first} should come before {second}; your order is {', '.join(got)}"
        return ""


@dataclass(frozen=True)
class Bound:
    """A number between ``low`` and ``high``, both included: for counts, accuracies and sizes."""

    low: float = -np.inf
    high: float = np.inf

    def difference(self, got: Any) -> str:
        if isinstance(got, Raised):
            return str(got)
        if not isinstance(got, (int, float, np.number)) or isinstance(got, bool):
            return f"the result should be a number, yours is {brief(got)}"
        if self.low <= got <= self.high:
            return ""
        limit = f"at least {self.low:g}" if not got >= self.low else f"at most {self.high:g}"
        return f"the result should be {limit}, yours is {got:g}"


def brief(value: Any) -> str:
    """``value`` on one short line."""
    if isinstance(value, Raised):
        return str(value)
    if isinstance(value, np.ndarray) and value.ndim:
        return f"an array of shape {value.shape}"
    if isinstance(value, (np.ndarray, np.generic)):
        value = value.item()
    text = f"{value:.6g}" if isinstance(value, float) else repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
