"""The gate that a training passes after every event, and where it waits while somebody holds it.

A training is held between two events, after what it did last can be read in the recording. Whichever thread comes to a
closed gate waits there. While the gate is open, passing it is one comparison.

The place of a training is that of the last row of its recording. An op whose phase is not clear yet (one without a
gradient, after a backward pass) has no row until it is; a step to the next row may carry several such ops with it.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import Any, Literal, NamedTuple

from ...observe import Forward
from .lines import Unit

PATIENCE = 0.5
"""Seconds after which one who waits looks whether Ctrl-C was pressed: on Windows a wait without an end hides it."""

State = Literal["running", "stepping", "pausing", "paused", "ended"]


class Place(NamedTuple):
    """The last row of a recording."""

    step: int
    row: int
    phase: int


class Gate:
    """Holds a training. The training calls `arrive`, others all the rest."""

    def __init__(self, place: Callable[[], Place | None], commit: Callable[[], None]) -> None:
        """`place` tells the last row, or None before there is one; `commit` makes all rows readable."""
        self.closed = False
        """Whether the training is to stop somewhere: only then it has to `arrive`."""
        self.at: Place | None = None
        """Where it is held."""
        self.told: Callable[[], None] = lambda: None
        """Called when the state has changed."""
        self._place, self._commit = place, commit
        self._changed = threading.Condition()
        self._process = os.getpid()
        self._ended = False
        self._unit: Unit | None = None
        """How far it may go; None if it is to stop at once."""
        self._start: Place | None = None
        self._scope = ""
        """The module of the op that ran last, while the gate is closed."""
        self._inside: str | None = None
        """The module that is to be left."""

    @property
    def state(self) -> State:
        if self._ended:
            return "ended"
        if not self.closed:
            return "running"
        return "paused" if self.at is not None else "pausing" if self._unit is None else "stepping"

    # ---- called by the training --------------------------------------------------------------------------------------

    def arrive(self, event: Any) -> None:
        """An event has been recorded: wait here if the training is to stop here."""
        if os.getpid() != self._process:  # a forked child has nobody who would open the gate
            return
        with self._changed:
            try:
                if self.closed and self.at is None:
                    here = self._place()
                    if here is None or not self._is_there(here, event):
                        return
                    self._commit()
                    self.at = here
                    self.told()
                while self.closed and self.at is not None:
                    self._changed.wait(PATIENCE)
            except BaseException:  # Ctrl-C: what it computes on its way out must not be held again
                self._open()
                raise

    def _is_there(self, here: Place, event: Any) -> bool:
        """Whether the training has gone as far as it was to go."""
        scope = event.scope if type(event) is Forward else None
        before, self._scope = self._scope, self._scope if scope is None else scope
        if self._unit is None:
            return True
        if self._start is None:
            self._start = here
            return False
        if here <= self._start:
            return False
        if self._unit == "step":  # the same place in the next one, or the end of that, if it is shorter
            return here >= (self._start.step + 1, self._start.row)
        if self._unit == "phase" or self._inside is not None:
            if (here.step, here.phase) != (self._start.step, self._start.phase):
                return True
            return self._inside is not None and scope is not None and not within(scope, self._inside)
        if self._unit == "over":
            if scope is None:
                return here.phase != self._start.phase
            self._inside = entered(before, scope)
            return self._inside is None
        return True

    # ---- called by others --------------------------------------------------------------------------------------------

    def pause(self) -> None:
        """Hold the training at its next event."""
        with self._changed:
            if not self._ended and self.at is None:
                self.closed, self._unit = True, None
                self.told()

    def step(self, unit: Unit) -> None:
        """Let the training go on, and hold it again after a row, a module, a phase or a training step."""
        with self._changed:
            if self._ended:
                return
            self._unit, self._start = unit, self.at
            self._inside = self._scope if unit == "out" and self._scope else None
            self.closed, self.at = True, None
            self._changed.notify_all()
            self.told()

    def open(self) -> None:
        """Let the training run."""
        with self._changed:
            self._open()

    def end(self) -> None:
        """There will be no more events: nobody can hold it any longer."""
        with self._changed:
            self._ended = True
            self._open()

    def _open(self) -> None:
        self.closed, self.at, self._scope = False, None, ""
        self._changed.notify_all()
        self.told()


def within(scope: str, module: str) -> bool:
    """Whether a scope is a module or lies inside it."""
    return scope == module or scope.startswith(f"{module}.")


def entered(before: str, after: str) -> str | None:
    """The outermost module that one enters who goes from a scope to another."""
    if not after or within(before, after):
        return None
    mine, parts = before.split("."), after.split(".")
    common = 0
    while common < min(len(mine), len(parts)) and mine[common] == parts[common]:
        common += 1
    return ".".join(parts[: common + 1]) if common < len(parts) else None
