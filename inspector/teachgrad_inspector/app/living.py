"""Following a recording that grows, in the application, and the training that writes it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from time import monotonic
from typing import TYPE_CHECKING

from textual import work
from textual.message import Message
from textual.worker import get_current_worker

from teachgrad.recording import Moment, RecordingError
from teachgrad.recording.live.lines import Unit

from .. import stops
from .commanding import Commanding

if TYPE_CHECKING:
    from textual.actions import ActionParseResult
    from textual.app import App
    from textual.dom import DOMNode

    class Base(Commanding, App[int]):
        """The application."""

else:
    Base = Commanding

FOLLOW = 0.5
"""Seconds between looks at a recording that is still growing."""
MOST_WAITING = 100
"""Steps that were asked for faster than they can be taken."""


class Told(Message):
    """The training has told another state."""


class Living(Base):
    """The part of the application that a running training concerns."""

    quietly: bool = False
    """Whether what was drawn before stays until what has grown is laid out."""
    _loaded: bool
    draw: Callable[[], None]

    def follow(self) -> None:
        """Begin to look for what is new."""
        self._asked_for: deque[Unit] = deque()
        self._news = monotonic()
        if self.live is not None:
            self.live.heard = self._heard
        if self.session.run.trouble:
            self.set_interval(FOLLOW, self._look_again)

    def _heard(self) -> None:
        """On the thread of the connection."""
        self.post_message(Told())

    def _look_again(self) -> None:
        """Show what is new. What is read in the background now must not change meanwhile."""
        reading = any(worker.is_running and worker.group == "layout" for worker in self.workers)
        if self.seeking or reading or not self._loaded:
            return
        before = self.session.trouble, self.session.live
        try:
            at_end = self.follows and self.moment == self.session.last
            if self.session.refresh():
                self._news = monotonic()
                self.quietly = True
                self._set(self.session.last if at_end else None, message=self._message)
                self.quietly = False
                return
        except RecordingError as error:
            self.give_up(error)
            return
        self.say_what_runs()
        if before != (self.session.trouble, self.session.live):
            self.draw()

    def give_up(self, error: RecordingError) -> None:
        """End: somebody has damaged the file while it was open."""
        self.exit(return_code=2, message=f"teachgrad inspect: {error}")

    async def run_action(
        self,
        action: str | ActionParseResult,
        default_namespace: DOMNode | None = None,
        namespaces: Mapping[str, DOMNode] | None = None,
    ) -> bool:
        try:
            return await super().run_action(action, default_namespace, namespaces)
        except RecordingError as error:  # what is wrong with a recording as it was opened, actions tell themselves
            self.give_up(error)
            return True

    def on_told(self) -> None:
        """The training is in another state: take the next step, or show where it is."""
        live = self.live
        if live is None or not self._loaded:
            return
        if live.state.name == "paused" and self._asked_for and not self.seeking:
            live.step(self._asked_for.popleft())
            return
        if live.state.name == "running" or live.state.ended:
            self._asked_for.clear()
        if not self.seeking:
            if live.state.name == "paused" or live.state.ended:
                self._look_again()
            self.draw()

    def _take(self, unit: Unit) -> None:
        if self.live is None:
            return
        if self.live.state.name == "paused":
            self.live.step(unit)
        elif len(self._asked_for) < MOST_WAITING:
            self._asked_for.append(unit)

    def _run_on(self, chosen: tuple[stops.Stop, ...]) -> bool:
        if self.training() is None:
            return False
        self._asked_for.clear()
        self.seeking = "running to the next stop"
        self.draw()
        self._run_behind(chosen)
        return True

    @work(thread=True, exclusive=True, exit_on_error=False, group="layout")
    def _run_behind(self, chosen: tuple[stops.Stop, ...]) -> None:
        worker = get_current_worker()

        def going(moment: Moment) -> bool:
            if not worker.is_cancelled:
                self.call_from_thread(self._progress, moment)
            return not worker.is_cancelled

        found = self._run_to_stop(chosen, going)
        if not worker.is_cancelled:
            self.call_from_thread(self._arrived, *found)

    def _progress(self, moment: Moment) -> None:
        if self.seeking:
            self.seeking = f"running to the next stop: {moment}"
            self.draw()
