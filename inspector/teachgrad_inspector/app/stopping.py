"""Breakpoints, watched conditions, and running to the next of them, in either direction."""

from __future__ import annotations

from collections.abc import Callable

from teachgrad.errors import TeachgradError
from teachgrad.recording import Moment

from .. import stops
from ..learning.past import GIVES_AWAY
from ..views.watches import chosen_stop
from .acting import Acting

QUICK_ROWS = 5000
"""Up to so many rows are looked through at once, more of them in the background."""


class Stopping(Acting):
    """The part of the application that stops."""

    def action_watch(self) -> None:
        self._ask("watch ")

    def add_stop(self, text: str) -> None:
        """Add what somebody typed to the stops."""
        try:
            added = stops.stop(text)
            if added.condition is not None:
                added.condition.holds(self.session, self.moment)
        except TeachgradError as error:
            self._refuse(str(error))
            return
        kept = tuple(item for item in self.options.stops if item.text != added.text)
        self._set(stops=(*kept, added), message=f"watching {added.text}; c and C run to where it becomes true"
                  if added.condition is not None else f"c and C stop {added.text}")  # fmt: skip

    def action_breakpoint(self) -> None:
        """On Stops, remove the chosen one; elsewhere set a breakpoint on what this row is about, or remove it."""
        if self.shown == "stops":
            chosen = chosen_stop(self.options)
            if chosen is not None:
                kept = tuple(item for place, item in enumerate(self.options.stops) if place != chosen)
                self._set(stops=kept, message=f"removed: {self.options.stops[chosen].text}")
            return
        step = self.session.step(self.moment)
        label = step.label(step.rows[self.moment.row])
        kept = tuple(item for item in self.options.stops if item.label != label)
        if len(kept) < len(self.options.stops):
            self._set(stops=kept, message=f"no longer stops at {label}")
        else:
            self._set(stops=(*kept, stops.stop(f"at {label}")), message=f"stops at {label}")

    def action_stop_at(self, forward: bool) -> None:
        """Run to the next stop, or back to the one before."""
        chosen = self.options.stops
        if self.shown == "stops" and (at := chosen_stop(self.options)) is not None:
            chosen = chosen[at : at + 1]
        if self.options.predict:
            chosen = tuple(item for item in chosen if item.condition is None)
            if not chosen:
                self._set(message=GIVES_AWAY)
                return
        run = self.session.run
        ahead = run.steps - self.moment.step if forward else self.moment.step + 1
        if ahead * run.length(self.moment.step) <= QUICK_ROWS:
            self._found(chosen, forward, self._find(chosen, forward, lambda step: True))
            return
        what = "looking for the next stop" if forward else "looking back for a stop"
        self.seek(what, lambda going: self._find(chosen, forward, going),
                  lambda found: self._found(chosen, forward, found))  # fmt: skip

    def _find(
        self, chosen: tuple[stops.Stop, ...], forward: bool, going: Callable[[int], bool]
    ) -> tuple[Moment | None, str] | None:
        """Where to stop, and what to say; None if there is nothing to stop at."""
        try:
            return stops.find(self.session, self.moment, chosen, forward, going)
        except TeachgradError as error:
            return None, str(error)

    def _found(
        self, chosen: tuple[stops.Stop, ...], forward: bool, found: tuple[Moment | None, str] | None
    ) -> None:
        """Go there; or else let the training go on, if there is one."""
        if found is None and forward and self._run_on(chosen):
            return
        self._arrived(*(found or (None, self._nothing(chosen, "from here on" if forward else "before this"))))

    def _nothing(self, chosen: tuple[stops.Stop, ...], direction: str) -> str:
        """What to say where there is nothing to stop at; this row itself may be where a nan is born."""
        births = () if chosen else stops.births(self.session, self.session.step(self.moment))
        here = [what for row, what in births if row == self.moment.row]
        if here:
            return f"{here[0]} is born here, and no other {direction}"
        return f"{'nothing to stop at' if chosen else 'no nan or inf is born'} {direction}"
