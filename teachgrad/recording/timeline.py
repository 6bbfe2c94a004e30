"""Where a row stands in time: its training step, its phase and its number.

A training step ends with updates that follow a backward pass, and the next one begins with the next op that takes
part in a gradient. Ops that do not (a normalised batch, the arithmetic of a hand-written optimizer) wait until it is
clear what they belong to: with an update next, they are part of updating; otherwise of the step that begins.

A static program is a training step for each time it runs: it reports the same vertices again. What it updates comes
last; an update without a backward pass before it and with more to come is an initialisation or a running average.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

MAX_HELD = 4096
"""So many ops without a gradient are not the arithmetic of an update; they are an evaluation."""

FWD, BWD, UPD = range(3)

Add = Callable[[str, tuple[Any, ...]], None]


class Timeline:
    """Gives rows their places. `add(kind, (step, row, phase, *values))` is called once for each row, in order; and
    `add(kind, (step, row, *values))` for what happens just before a row, but is none."""

    __slots__ = ("_add", "_ended", "_held", "_updated", "phase", "pulled", "row", "step")

    def __init__(self, add: Add) -> None:
        self.step = 0
        self.row = 0
        self.phase = FWD
        """That of the last row."""
        self._ended: tuple[int, int] | None = None
        """Training step and number of the last row of the step before."""
        self._add = add
        self.pulled = False
        """Whether gradient has flowed in this training step."""
        self._updated = False
        self._held: list[tuple[str, tuple[Any, ...], bool]] = []
        """Rows whose phase is not clear yet: ops without gradient after a backward pass, updates before one; and what
        happened between them."""

    def forward(self, kind: str, values: tuple[Any, ...], tracked: bool) -> None:
        """A leaf or an op; `tracked` if it is an op that takes part in a gradient."""
        if self.pulled:
            self._held.append((kind, values, True))
            if tracked or len(self._held) > MAX_HELD:
                self._go_on()
            return
        if self._held:
            self._release(FWD)
        self._add(kind, (self.step, self.row, FWD, *values))
        self.phase = FWD
        self.row += 1

    def backward(self, kind: str, values: tuple[Any, ...]) -> None:
        """The start of a backward pass, or gradient along an edge."""
        if self._held or self._updated:
            self._go_on()
        self.pulled = True
        self.phase = BWD
        self._add(kind, (self.step, self.row, BWD, *values))
        self.row += 1

    def update(self, kind: str, values: tuple[Any, ...]) -> None:
        """A leaf was overwritten."""
        self._held.append((kind, values, True))
        if self.pulled:
            self._updated = True
            self._release(UPD)

    def note(self, kind: str, values: tuple[Any, ...]) -> None:
        """Something that is no row, and happens before the row that comes next."""
        if self._held:
            self._held.append((kind, values, False))
        else:
            self._add(kind, (self.step, self.row, *values))

    def again(self) -> None:
        """A static program begins to run once more."""
        self._release(UPD)
        self._next_step()

    def close(self) -> None:
        """There will be no more rows."""
        if self.pulled and self._held:
            self._go_on()
        self._release(UPD)

    def _go_on(self) -> None:
        """Begin a new step, if this one has ended, with what was held back."""
        if self._updated:
            self._next_step()
        self.pulled = False
        self._release(FWD)

    @property
    def last(self) -> tuple[int, int, int] | None:
        """Training step, number and phase of the last row; None before the first."""
        if self.row:
            return self.step, self.row - 1, self.phase
        return None if self._ended is None else (*self._ended, self.phase)

    def _next_step(self) -> None:
        if self.row:
            self._ended = self.step, self.row - 1
        self.step += 1
        self.row = 0
        self.pulled = self._updated = False

    def _release(self, phase: int) -> None:
        held, self._held = self._held, []
        if held:
            self.phase = phase
        for kind, values, is_row in held:
            if is_row:
                self._add(kind, (self.step, self.row, phase, *values))
                self.row += 1
            else:
                self._add(kind, (self.step, self.row, *values))
