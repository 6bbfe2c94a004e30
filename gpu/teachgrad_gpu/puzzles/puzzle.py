"""What a puzzle is: a task, a beginning in CUDA C, launches whose results NumPy knows, limits on cost, and hints."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..emulator import Counter, Finding

Array = npt.NDArray[Any]
SOLUTIONS = Path(__file__).parent / "solutions"


@dataclass(frozen=True)
class Case:
    """One launch, and what must be in its arrays afterwards."""

    told: str
    """The sizes, in words."""
    grid: tuple[int, ...]
    block: tuple[int, ...]
    arguments: Mapping[str, Any]
    """Arrays and numbers, by the names that the task gives to the parameters, in their order."""
    expected: Mapping[str, Array]
    """By name, what NumPy says. Other arrays must be left as they were."""


@dataclass(frozen=True)
class Bound:
    """What a solution may cost at most."""

    key: str
    what: str
    """What is counted, as in "{what}: 12, at most 8"."""
    measure: Callable[[tuple[Counter, ...], Case], float]
    most: Callable[[Case], float]


@dataclass(frozen=True)
class Seen:
    """What checking has found out, for hints to look at."""

    source: str
    """The learner's source without comments."""
    untouched: bool
    trouble: str = ""
    """Why it could not be compiled or launched, or why a launch was stopped."""
    findings: tuple[Finding, ...] = ()
    case: Case | None = None
    """The first launch that went wrong, or cost too much."""
    got: Mapping[str, Array] | None = None
    wrong: bool = False
    """Whether its result is not NumPy's."""
    over: tuple[str, ...] = ()
    """The keys of the limits that were exceeded."""


@dataclass(frozen=True)
class Hint:
    """What to say to somebody who made a certain mistake."""

    key: str
    when: Callable[[Seen], bool]
    text: str


@dataclass(frozen=True)
class Puzzle:
    """A puzzle. The cases are small first; the first is the one that is drawn."""

    name: str
    title: str
    kernel: str
    task: str
    start: str
    cases: Callable[[], list[Case]]
    hints: tuple[Hint, ...]
    bounds: tuple[Bound, ...] = ()

    @property
    def solution(self) -> Path:
        """A file with a right answer."""
        return SOLUTIONS / f"{self.name}.cu"


def integers(n: int, seed: int = 0, low: int = 1, high: int = 100) -> Array:
    """n whole numbers as float32: their sums are exact. Neighbours differ."""
    drawn = np.random.default_rng((seed, n)).integers(low, high, n)
    drawn[1:][drawn[1:] == drawn[:-1]] += 1
    return drawn.astype(np.float32)


def blank(*shape: int) -> Array:
    """An array to be written. What nobody writes stays nan."""
    return np.full(shape, np.nan, np.float32)


def same(got: Array, wanted: Array) -> bool:
    """Whether two results agree, up to rounding."""
    if got.shape != wanted.shape:
        return False
    return bool(np.allclose(got, wanted, rtol=1e-5, atol=1e-6, equal_nan=True))
