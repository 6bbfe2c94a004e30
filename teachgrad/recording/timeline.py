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

Place = Callable[[int, int, int, Any], None]


class Note:
    """Something that is no row, held back with the rows that it came between."""

    __slots__ = ("content",)

    def __init__(self, content: Any) -> None:
        self.content = content


class Timeline:
    """Gives rows their places. `place(step, row, phase, content)` is called once for each row, in order; and
    `note(step, row, content)` for what happens just before a row, but is none."""

    __slots__ = ("_held", "_note", "_place", "_pulled", "_updated", "row", "step")

    def __init__(self, place: Place, note: Callable[[int, int, Any], None]) -> None:
        self.step = 0
        self.row = 0
        self._place = place
        self._note = note
        self._pulled = False
        self._updated = False
        self._held: list[Any] = []
        """Rows whose phase is not clear yet: ops without gradient after a backward pass, updates before one."""

    def forward(self, content: Any, tracked: bool) -> None:
        """A leaf or an op; `tracked` if it is an op that takes part in a gradient."""
        if not self._pulled:
            if self._held:
                self._release(FWD)
            self._put(FWD, content)
            return
        self._held.append(content)
        if tracked or len(self._held) > MAX_HELD:
            self._go_on()

    def backward(self, content: Any) -> None:
        """The start of a backward pass, or gradient along an edge."""
        if self._held or self._updated:
            self._go_on()
        self._pulled = True
        self._put(BWD, content)

    def update(self, content: Any) -> None:
        """A leaf was overwritten."""
        if not self._pulled:
            self._held.append(content)
            return
        self._updated = True
        self._release(UPD)
        self._put(UPD, content)

    def note(self, content: Any) -> None:
        """Something that is no row, and happens before the row that comes next."""
        if self._held:
            self._held.append(Note(content))
        else:
            self._note(self.step, self.row, content)

    def again(self) -> None:
        """A static program begins to run once more."""
        self._release(UPD)
        self._next_step()

    def close(self) -> None:
        """There will be no more rows."""
        if self._pulled and self._held:
            self._go_on()
        self._release(UPD)

    def _go_on(self) -> None:
        """Begin a new step, if this one has ended, with what was held back."""
        if self._updated:
            self._next_step()
        self._pulled = False
        self._release(FWD)

    def _next_step(self) -> None:
        self.step += 1
        self.row = 0
        self._pulled = self._updated = False

    def _release(self, phase: int) -> None:
        held, self._held = self._held, []
        for content in held:
            if type(content) is Note:
                self._note(self.step, self.row, content.content)
            else:
                self._put(phase, content)

    def _put(self, phase: int, content: Any) -> None:
        self._place(self.step, self.row, phase, content)
        self.row += 1
