"""Commands to a training that runs: pause, go on, go so far, go to a stop, record so much."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from time import monotonic

from teachgrad.errors import TeachgradError
from teachgrad.recording import LEVELS, Moment
from teachgrad.recording.live.lines import Unit

from .. import stops
from ..keys import footer
from ..live import Attachment, words
from .acting import Acting

QUIET = 3.0
"""Seconds without news after which a recording that is followed may have ended early."""
LOOK = 0.5
"""Seconds between looks at a training that runs to a stop in long steps."""
UNITS: dict[str, Unit] = {"step": "row", "over": "over", "out": "out", "phase": "phase", "training_step": "step"}
"""How far the training goes where a move leads further than the recording."""


class Commanding(Acting):
    """The part that a running training concerns."""

    live: Attachment | None = None
    follows: bool = False
    """Whether who stands at the last moment goes with it."""
    _news: float = 0.0
    """When the recording was seen to have grown."""

    # ---- what there is to add to it ----------------------------------------------------------------------------------

    def _take(self, unit: Unit) -> None:
        """Let a paused training go on so far, and follow it."""
        raise NotImplementedError

    def _paused(self) -> None:
        """The training was told to pause."""

    # ---- knowing -----------------------------------------------------------------------------------------------------

    def training(self) -> Attachment | None:
        """The training, while it is there."""
        return self.live if self.live is not None and not self.live.state.ended else None

    def say_what_runs(self) -> None:
        """Put into the session what the training does now."""
        if self.live is not None:
            self.session.live = words(self.live.state, self.session.run)
            self.session.grows = not self.live.state.ended
        elif self.follows:
            self.session.grows = monotonic() - self._news < QUIET
            self.session.live = "growing" if self.session.grows and self.session.run.trouble else ""
        self.seen.live, self.seen.grows = self.session.live, self.session.grows

    def key_that_holds(self, keymap: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
        """What the last line says of the key that pauses the training, and lets it go on."""
        live = self.training()
        if live is None:
            return ()
        return ((footer(("hold",), keymap)[0][0], "pause" if live.state.name == "running" else "resume"),)

    # ---- commands ----------------------------------------------------------------------------------------------------

    def _commanded(self) -> Attachment | None:
        """The training; if there is none, say so."""
        live = self.training()
        if live is None:
            self._refuse("the training has ended" if self.live is not None else
                         "this is a recording, nothing runs; for that there is teachgrad run --live")  # fmt: skip
        return live

    def action_hold(self) -> None:
        """Pause the training, or let it run on."""
        live = self._commanded()
        if live is None:
            return
        if live.state.name == "running":
            live.pause()
            self._paused()
        else:
            live.resume()

    def action_level(self) -> None:
        """Ask how much is to be recorded."""
        if self._commanded() is not None:
            self._ask("record ")

    def set_level(self, level: str) -> None:
        """Have the training record so much from now on."""
        live = self._commanded()
        if live is None:
            return
        if level not in LEVELS:
            self._refuse(f"there is no level {level!r}; there are {', '.join(LEVELS)}")
            return
        live.set_level(level)
        self._set(message=f"recorded at level {level} from now on")

    def _advance(self, how: str) -> bool:
        live = self.training()
        if live is None or how not in UNITS or live.state.name not in ("paused", "stepping"):
            return False
        self._take(UNITS[how])
        return True

    def _run_to_stop(self, chosen: tuple[stops.Stop, ...], going: Callable[[Moment], bool]) -> tuple[Moment, str]:
        """Let the training go on, one training step after the other, until there is something to stop at: where, and
        what to say. `going` is told how far it is, and says whether to go on.

        Long steps are looked at while they run. When this gives up, the training stops at the end of its step.
        """
        live, session, since = self.live, self.session, self.moment
        assert live is not None

        def goes_on(step: int) -> bool:
            return going(since)

        while True:
            ended = live.state.ended
            if live.state.name in ("paused", "running"):
                live.step("step")
            live.wait(lambda state: state.name == "paused" or state.ended, LOOK)
            try:
                session.refresh()
                found = stops.find(session, since, chosen, True, goes_on)
            except TeachgradError as error:
                found = since, str(error)
            if found is not None:
                live.pause()
                return found
            since = session.last
            if ended:
                return since, "the training has ended; there was nothing to stop at"
            if not going(since):
                return since, "given up"
