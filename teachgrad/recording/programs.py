"""What a recording says of static programs: how they were rewritten, where values lay, and what ran for how long.

`step` and `row` are those of the row of `event` just before which it happened. Every field of a file may hold anything,
so each is checked.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from ..errors import RecordingError
from .schema import MAX_INPUTS
from .text import clean


class Rewritten(NamedTuple):
    """A rule of a pass replaced vertex `before` by vertex `after`; `site` is a place in the user's source."""

    step: int
    row: int
    pass_name: str
    rule: str
    before: int
    after: int
    site: int | None


class Held(NamedTuple):
    """A program took `bytes` of memory for the value of `vertex`, or, with `bytes` None, needs it no longer.

    `place` is where in its arena the value lies, or None if it has memory of its own.
    """

    step: int
    row: int
    vertex: int
    bytes: int | None
    place: int | None


class Ran(NamedTuple):
    """A statement of a program computed `vertices` in so many seconds."""

    step: int
    row: int
    name: str
    vertices: tuple[int, ...]
    seconds: float


def rewritten(values: tuple[Any, ...]) -> Rewritten:
    _check("a rewrite", values, "iittii?")
    step, row, pass_name, rule, before, after, site = values
    return Rewritten(step, row, clean(pass_name), clean(rule), before, after, site)


def held(values: tuple[Any, ...]) -> Held:
    _check("memory that was taken", values, "iii??")
    return Held(*values)


def ran(values: tuple[Any, ...]) -> Ran:
    _check("a kernel", values, "iittf")
    step, row, name, text, seconds = values
    try:
        vertices = tuple(map(int, text.split(","))) if text else ()
    except ValueError:
        vertices = None
    if vertices is None or len(vertices) > MAX_INPUTS:
        raise RecordingError(f"a kernel of step {step} is damaged")
    return Ran(step, row, clean(name), vertices, seconds)


_TYPES: dict[str, tuple[type, ...]] = {"i": (int,), "?": (int, type(None)), "t": (str,), "f": (float,)}


def _check(what: str, values: tuple[Any, ...], kinds: str) -> None:
    if any(type(value) not in _TYPES[kind] for value, kind in zip(values, kinds, strict=True)):
        raise RecordingError(f"{what} in step {values[0]!r:.40} is damaged")
