"""A misconception, and the answer that it leads to."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

from teachgrad import observe
from teachgrad.recording import Row

from ..formulas import op_named
from ..session import Session
from ..views.arrays import inside

LARGE = 1 << 20
"""Of larger arrays no misconception is computed that needs all elements."""


@dataclass(frozen=True, slots=True)
class Suspect:
    """What somebody answers who makes a mistake, the name of the mistake, and what helps. It never holds the answer."""

    name: str
    answer: float | tuple[int, ...] | int
    """A number, a shape, or the vertex of a choice."""
    hint: str


def inputs_of(session: Session, op: Row) -> list[np.ndarray] | None:
    """The inputs of an op as they were, or None if one was not recorded or is very large."""
    numbers = [session.value_of(vertex, op.moment) for vertex in op.inputs]
    infos = [session.info(item) for item in numbers]
    if any(info is None or info.size > LARGE for info in infos):
        return None
    arrays = [session.array(item) for item in numbers]
    return None if any(x is None for x in arrays) else [x for x in arrays if x is not None]


def computed(session: Session, op: Row, inputs: list[np.ndarray], **changed: object) -> np.ndarray | None:
    """The forward computation of an op on other inputs, or with other settings; None where it cannot be done."""
    known = op_named(op.op)
    if known is None:
        return None
    with quietly():
        try:
            result = known.forward(np, *inputs, **{**session.attrs(op), **changed})
        except Exception:  # other inputs need not fit, and the recording may come from a stranger
            return None
    return result if isinstance(result, np.ndarray | np.generic) else None  # type: ignore[return-value]


@contextmanager
def quietly() -> Iterator[None]:
    """Computing without being watched, and without warnings about numbers that nobody asked for."""
    with observe.watching(None), np.errstate(all="ignore"):
        yield


def at(values: np.ndarray | None, element: tuple[int, ...]) -> float | None:
    """An element as a number, where there is one."""
    return float(values[element]) if values is not None and inside(element, values) else None


def mirrored(element: tuple[int, ...]) -> tuple[int, ...]:
    """The element at the other side of the diagonal."""
    return (*element[:-2], element[-1], element[-2]) if len(element) > 1 else element
