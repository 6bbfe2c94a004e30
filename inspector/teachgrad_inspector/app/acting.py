"""What keys do, apart from any terminal: where somebody is who looks at a recording, and the actions that change that.

The application and the line-oriented mode are this with a way to ask and a way to show.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

from teachgrad.errors import TeachgradError
from teachgrad.recording import Moment

from .. import navigation, stops
from ..arrows import arrow
from ..learning.past import GIVES_AWAY, gives_away, is_shut, keep_gives_away, seen
from ..screens import SCREENS
from ..session import Session
from ..views.options import Options
from ..views.passes import moved, went_to

Find = Callable[[Callable[[int], bool]], Any]
"""Looks for something, as long as it is told to go on at each training step."""
PAGE = 10
"""So many rewrites are a page."""
QUESTIONS = {"/": "search", "& ": "filter", "what if ": "change", "compare with ": "compare", "watch ": "add_stop",
             "record ": "set_level", "answer ": "reply", "tour: ": "record_stop"}  # fmt: skip
"""How prompts begin, and which action takes the rest."""


class Acting:
    """Where somebody is in a recording, and how to get on."""

    session: Session
    moment: Moment
    options: Options
    shown: str
    """The screen."""
    seeking: str = ""
    """What is being looked for in the background."""
    opened: ExitStack
    """What is to be closed at the end."""
    refused: bool = False
    """Whether something that was asked for was not done."""
    _message: str = ""
    _ahead: bool | None = None
    """The direction of a move that stays within the rows that are shown; any other leaves them."""

    # ---- what there is to add to it ----------------------------------------------------------------------------------

    def _changed(self) -> None:
        """Show the state, which has changed."""
        raise NotImplementedError

    def _ask(self, mark: str) -> None:
        """Have somebody complete what begins with `mark`, and give it to `answer`."""
        raise NotImplementedError

    def settle(self) -> None:
        """Stay within the rows that are shown, if not all are, or show all."""

    def seek(self, what: str, find: Find, then: Callable[[Any], None]) -> None:
        """Find something, which may take long, and do something `then`. `what` says what is done meanwhile."""
        self.seeking = what
        then(find(lambda step: True))

    def _arrived(self, moment: Moment | None, message: str) -> None:
        self.seeking = ""
        self._set(moment, message=message)

    def _is_read(self) -> bool:
        """Whether there is something to see without a noticeable wait."""
        return True

    def _page_lines(self) -> int:
        """So many lines of the tape are a page."""
        raise NotImplementedError

    def _advance(self, how: str) -> bool:
        """Have a training go on, where a move leads further than its recording; whether that can be."""
        return False

    def _run_on(self, chosen: tuple[stops.Stop, ...]) -> bool:
        """Have a training go on to the next stop; whether that can be."""
        return False

    @property
    def seen(self) -> Session:
        """What the screens may see at this moment: not what is to be predicted."""
        return seen(self.session, self.moment, self.options)

    def over_at(self, moment: Moment) -> frozenset[str]:
        """What somebody who predicts need not be asked any more at a moment."""
        return frozenset()

    # ---- changing the state ------------------------------------------------------------------------------------------

    def _set(self, moment: Moment | None = None, screen: str | None = None, message: str = "",
             ahead: bool | None = None, **options: Any) -> None:  # fmt: skip
        """Change the state and show it; not while something is looked for in the background."""
        if self.seeking:
            return
        if moment is not None:
            if (moment.step, moment.row) != (self.moment.step, self.moment.row):
                options.setdefault("revealed", self.over_at(moment))
                options.setdefault("verdict", "")
                options.setdefault("check", False)
                options.setdefault("element", moment.element)
                if self.shown == "kernels":
                    options.setdefault("line", None)
            self.moment = Moment(moment.step, moment.row, moment.phase)
        if screen is not None and screen != self.shown:
            self.shown = screen
            options.setdefault("verdict", "")
            options.setdefault("pane", 0)
            options.setdefault("line", None)
            options.setdefault("zoom", False)
        if "stop" in options or "element" in options:  # another question
            options.setdefault("verdict", "")
        if options:
            self.options = self.options.but(**options)
        if self.options.predict and keep_gives_away(self.options.keep):
            self.options = self.options.but(keep=None)
            message = message or "all rows are shown again: those that were kept would give away what is to come"
        self._message, self._ahead = message, ahead
        if self._is_read():
            self.settle()
        self._changed()

    def _refuse(self, why: str) -> None:
        """Say why something was not done."""
        self.refused = True
        self._set(message=why)

    # ---- moving ------------------------------------------------------------------------------------------------------

    def action_move(self, how: str, forward: bool) -> None:
        if self.shown == "passes" and (changes := self._moved(how, 1 if forward else -1)):
            self._set(**changes)
            return
        how = SCREENS[self.shown].stride if how == "step" else how
        mover = getattr(navigation, how)
        kept = (self.options.keep,) if mover is navigation.step else ()
        moment = mover(self.session, self.moment, self.options.folded, forward, *kept)
        if not (forward and moment == self.moment and self._advance(how)):
            self._set(moment, ahead=forward)

    def action_page(self, direction: int) -> None:
        """A screen of lines further; on Train, a tenth of the training; on Passes, of the rewrites."""
        if self.shown == "passes" and (changes := self._moved("page", PAGE * direction)):
            self._set(**changes)
            return
        if self.shown == "train":
            count = max(1, self.session.run.steps // 10) * direction
            self._set(navigation.training_steps(self.session, self.moment, count), ahead=direction > 0)
            return
        self._page(self._page_lines() * direction)

    def _page(self, lines: int) -> None:
        """So many lines of the tape further."""
        self._set(navigation.page(self.session, self.moment, self.options.folded, lines, self.options.keep))

    def action_arrow(self, right: int, down: int) -> None:
        """What is beside on this screen (`arrows`), else a line in time."""
        if not self._is_read():  # what is chosen is not known yet
            return
        if is_shut(self.shown, self.moment, self.options):
            return
        session = self.session if self.shown == "chain" else self.seen
        changes = arrow(session, self.moment, self.options, self.shown, right, down)
        if changes is None:
            self.action_move("step", right + down > 0)
        else:
            self._set(**changes, ahead=right + down > 0)

    def _moved(self, how: str, count: int) -> dict[str, Any]:
        """What a move changes on the Passes screen; nothing where there is no compilation."""
        return moved(self.session, self.moment, self.options, how, count)

    def action_largest(self) -> None:
        self._set(element=None)

    def _go_to(self, address: str) -> None:
        try:
            text = address.strip().removeprefix(":")
            if self.options.predict and gives_away(text):
                raise TeachgradError(GIVES_AWAY)
            if text.startswith("pass:"):
                self._set(screen="passes", **went_to(self.session, self.moment, self.options, text))
                return
            if re.fullmatch(r"\s*\[[\d,\s]+\]\s*", text):  # an element of what is here
                text = f"{self.moment}{text}"
            moment = stops.resolve(self.session, text, self.moment)
        except TeachgradError as error:
            self._refuse(str(error))
            return
        self._set(moment, element=moment.element)

    # ---- asking ------------------------------------------------------------------------------------------------------

    def action_go(self) -> None:
        self._ask(":")

    def answer(self, text: str) -> None:
        """Do what was asked for, in full: `:t0/bwd/3`, `/relu`, `what if a = 2`, `compare with t3`, `watch h > 1`."""
        for beginning, act in QUESTIONS.items():
            if text.startswith(beginning):
                rest = text.removeprefix(beginning).strip()
                if rest or act == "search":  # without a word, for what was searched for before
                    getattr(self, act)(rest)
                return
        if text.strip(": "):
            self._go_to(text)

    # ---- looking -----------------------------------------------------------------------------------------------------

    def action_show(self, screen: str) -> None:
        self._set(screen=screen)

    def action_pane(self, direction: int) -> None:
        panes = len(SCREENS[self.shown].panes)
        self._set(pane=(self.options.pane + direction) % panes)

    def action_switch(self, what: str) -> None:
        changes: dict[str, Any] = {what: not getattr(self.options, what)}
        self._set(**changes)

    def action_check(self) -> None:
        """Finite differences are on the Chain screen."""
        self._set(screen="chain", check=not self.options.check or self.shown != "chain")

    def action_mode(self) -> None:
        """The plan, or what dynamic mode would hold."""
        self._set(screen="memory", dynamic=not self.options.dynamic, dropped=frozenset(), line=None)
