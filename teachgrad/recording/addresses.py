"""From what somebody typed to the moment that is meant."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from ..errors import RecordingError
from .moment import Address, Moment
from .step import Row, Step
from .text import clean

NAMED_STEPS = 16
"""In how many training steps a name is looked for."""


class Run(Protocol):
    """What is asked of a `Reader` here."""

    @property
    def path(self) -> Path: ...
    @property
    def steps(self) -> int: ...
    def length(self, step: int) -> int: ...
    def step(self, number: int) -> Step: ...
    def rows(self, step: int, start: int = 0, stop: int | None = None) -> Iterator[Row]: ...
    def at(self, step: int, row: int) -> Moment: ...


def find(run: Run, address: Address, here: Moment | None) -> Moment:
    """The moment of an address, seen from the moment `here`. Raises `RecordingError` if there is none."""
    if run.steps == 0:
        raise RecordingError(f"{run.path} holds no rows")
    moment = _resolve(run, address, here)
    return Moment(moment.step, moment.row, moment.phase, address.element)


def _resolve(run: Run, address: Address, here: Moment | None) -> Moment:
    if address.name is not None:
        return _named(run, address, here)
    if address.last:
        return run.at(run.steps - 1, run.length(run.steps - 1) - 1)
    assert address.step is not None
    if address.row is not None:
        moment = run.at(address.step, address.row)
        if address.phase not in (None, moment.phase):
            raise RecordingError(f"row {address.row} of t{address.step} stands in {moment.phase}: {moment}")
        return moment
    for row in run.step(address.step).rows if address.step < run.steps else run.rows(address.step):
        if address.phase in (None, row.phase):
            return row.moment
    raise RecordingError(f"t{address.step} has no {address.phase} phase")


def _named(run: Run, address: Address, here: Moment | None) -> Moment:
    assert address.name is not None
    if address.step is not None:
        candidates = [address.step]
        run.length(address.step)
    elif address.last:
        candidates = list(range(run.steps - 1, max(-1, run.steps - 1 - NAMED_STEPS), -1))
    else:
        first = here.step if here is not None else 0
        candidates = [first, *range(first + 1, min(run.steps, first + NAMED_STEPS)), 0, run.steps - 1]
    known: set[str] = set()
    for number in candidates:
        step = run.step(number)
        rows = [
            index for index in step.about().get(address.name, ()) if address.phase in (None, step.rows[index].phase)
        ]
        known |= step.about().keys()
        if not rows:
            continue
        if address.last or address.phase is not None:
            return run.at(number, rows[-1])
        later = [index for index in rows if here is None or number != here.step or index > here.row]
        return run.at(number, (later or rows)[0])
    close = difflib.get_close_matches(address.name, sorted(known)[:10_000], n=1)
    where = f" in the {address.phase} phase of t{address.step}" if address.phase else ""
    raise RecordingError(
        f"there is no row about {clean(address.name)!r}{where}" + (f"; did you mean {close[0]!r}?" if close else "")
    )
