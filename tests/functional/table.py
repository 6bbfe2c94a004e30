"""The table of calls of nn.functional that test_cases.py checks in every way; its rows are in layers.py and losses.py.

A case is a function of (F, xp), where F is `teachgrad.nn.functional` or `torch.nn.functional` and xp the library, and
of tensors. `axis` is spelled as the library wants it by `dim(F, 1)`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Case:
    """A call and its inputs: `arrays` are differentiated, `constants` (integers, masks) are passed along after them."""

    name: str
    call: Callable[..., Any]
    arrays: tuple[np.ndarray, ...]
    constants: tuple[np.ndarray, ...] = ()
    order: int = 2
    """How often PyTorch can differentiate it."""
    smooth: int = 2
    """How often finite differences can: fewer where pieces meet with a step in the next derivative."""
    tags: frozenset[str] = field(default_factory=frozenset)

    def __str__(self) -> str:
        return self.name


CASES: list[Case] = []
RNG = np.random.default_rng(4711)


def case(
    name: str,
    call: Callable[..., Any],
    *arrays: np.ndarray,
    constants: tuple[np.ndarray, ...] = (),
    order: int = 2,
    smooth: int = 2,
    tags: tuple[str, ...] = (),
) -> None:
    CASES.append(Case(name, call, arrays, constants, order, smooth, frozenset(tags)))


def dim(F: Any, axis: Any) -> dict[str, Any]:
    return {"dim" if F.__name__.startswith("torch") else "axis": axis}


def real(*shape: int, low: float = -2.0, high: float = 2.0) -> np.ndarray:
    """Random numbers, all different and none near 0, where many functions have a corner."""
    x = RNG.uniform(low, high, shape)
    return np.where(np.abs(x) < 0.06, x + 0.13, x)
