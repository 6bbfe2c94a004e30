"""The moments around a moment, as one would see them who steps back and forward."""

from __future__ import annotations

from dataclasses import dataclass

from teachgrad.recording import Moment

from ..app.acting import Acting
from ..canvas import Canvas
from ..glyphs import Glyphs
from ..keys import footer
from ..learning.past import seen
from ..screens import SCREENS, frame, status_of
from ..session import Session
from ..views.narrate import narrate
from ..views.options import Options
from ..views.passes import program_of, stop_of


@dataclass(frozen=True, slots=True)
class Shot:
    """A screen at a moment, drawn, with a sentence on what happens there."""

    address: str
    name: str
    sentence: str
    canvas: Canvas


class Walker(Acting):
    """Walks through a recording without showing it to anybody."""

    def __init__(self, session: Session, moment: Moment, screen: str, options: Options) -> None:
        self.session, self.moment, self.shown, self.options = session, moment, screen, options

    def _changed(self) -> None:
        pass

    def steps(self, forward: bool, most: int) -> list[tuple[Moment, Options]]:
        """So many steps on or back, as far as there are any."""
        found = []
        for _ in range(most):
            before = self.moment, self.options.stop
            self.action_move("step", forward)
            if (self.moment, self.options.stop) == before:
                break
            found.append((self.moment, self.options))
        return found


def shot(session: Session, moment: Moment, screen: str, options: Options, size: tuple[int, int],
         glyphs: Glyphs) -> Shot:  # fmt: skip
    """A screen at a moment."""
    canvas = frame(session, moment, screen, options, *size, glyphs, footer(SCREENS[screen].actions))
    session = seen(session, moment, options)
    status = status_of(session, moment, options)
    found = program_of(session, moment, options) if screen == "passes" else None
    address = str(moment) if found is None else found[1].address(stop_of(found[1], options))
    return Shot(address, status.name, narrate(session, moment, options), canvas)


def film(session: Session, moment: Moment, screen: str, options: Options, size: tuple[int, int], glyphs: Glyphs,
         around: int) -> tuple[list[Shot], int]:  # fmt: skip
    """The screen at a moment, with so many steps before and after it; which of them is the moment itself."""
    before: list[tuple[Moment, Options]] = []
    after: list[tuple[Moment, Options]] = []
    alone = options.predict  # the next step would show what is hidden now
    if SCREENS[screen].tab and not alone:  # what the others show is about the recording, or about one moment
        before = Walker(session, moment, screen, options).steps(False, around)[::-1]
        after = Walker(session, moment, screen, options).steps(True, around)
    moments = [*before, (moment, options), *after]
    return [shot(session, at, screen, chosen, size, glyphs) for at, chosen in moments], len(before)
