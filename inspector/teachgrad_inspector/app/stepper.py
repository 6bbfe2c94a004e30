"""The application that steps through a kernel trace: a place, keys that change it, one sheet that shows it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType

from ..canvas import Canvas
from ..glyphs import Glyphs
from ..render.threads import draw_threads
from ..stepping.keys import ACTIONS, fitting, footer, help_text
from ..stepping.moves import Steps
from ..stepping.places import Place
from ..views.threads import view_threads
from .help import HelpScreen
from .sheet import Sheet
from .themed import Themed


class Stepper(Themed):
    """Shows what the threads of a kernel did, step by step."""

    TITLE = "teachgrad"
    CSS = "Screen { layout: vertical; overflow: hidden; }"
    HORIZONTAL_BREAKPOINTS = [(0, "-tiny"), (60, "-narrow"), (100, "-normal"), (140, "-wide")]  # noqa: RUF012
    BINDINGS: ClassVar[list[BindingType]] = [
        *(Binding(",".join(action.keys), action.call, action.label, id=action.id, show=False)
          for action in ACTIONS.values()),
        Binding("ctrl+z", "suspend_process", show=False),
    ]  # fmt: skip

    def __init__(self, steps: Steps, place: Place, glyphs: Glyphs, keymap: Mapping[str, str],
                 theme: str = "dark") -> None:  # fmt: skip
        super().__init__(theme)
        self.steps = steps
        self.place = place
        self.glyphs = glyphs
        self.zoomed = False
        self._message = ""
        self._keys = fitting(keymap)
        self.set_keymap(self._keys)

    def compose(self) -> ComposeResult:
        yield Sheet(self._palette())

    def on_mount(self) -> None:
        self.theme_changed_signal.subscribe(self, lambda theme: self.draw())
        self.app_resume_signal.subscribe(self, lambda app: self.call_after_refresh(self.draw))
        self.query_one(Sheet).focus()
        self.draw()

    def draw(self) -> None:
        """Draw the present place for the present size."""
        sheet = self.query_one(Sheet)
        width, height = sheet.size
        if not self.is_running or width == 0 or height == 0:
            return
        canvas = Canvas(width, height, self.glyphs)
        view = view_threads(self.steps.trace, self.steps.walk(self.place), self.place)
        draw_threads(canvas, view, footer(self._keys), self._message, self.zoomed)
        sheet.show(canvas, self._palette())
        if canvas.cursor is not None:
            self.cursor_position = sheet.region.offset + canvas.cursor

    @on(Sheet.Resized)
    def _resized(self) -> None:
        self.draw()

    @on(Sheet.Clicked)
    def _clicked(self, event: Sheet.Clicked) -> None:
        kind, _, number = event.target.partition(":")
        if kind == "lane":
            self._set(self.steps.choose(self.place, int(number)))

    @on(Sheet.Scrolled)
    def _scrolled(self, event: Sheet.Scrolled) -> None:
        self._set(self.steps.step(self.place, 1 if event.lines > 0 else -1))

    def _set(self, place: Place, message: str = "") -> None:
        self.place = place
        self._message = message
        self.draw()

    def action_go(self, move: str, *how: int | bool) -> None:
        """A move of `Steps`. Where it leads nowhere, the last line says so."""
        place = getattr(self.steps, move)(self.place, *how)
        nowhere = {"race": "no more races in this direction" if self._races() else "nothing races in this launch",
                   "barrier": "no more barriers in this direction"}  # fmt: skip
        self._set(place, nowhere.get(move, "") if place == self.place else "")

    def _races(self) -> bool:
        return any(finding.kind == "race" for finding in self.steps.trace.findings)

    def action_lane(self, by: int) -> None:
        self._set(self.steps.choose(self.place, self.place.lane + by))

    def action_next_theme(self) -> None:
        self._set(self.place, self._next_theme())

    def action_zoom(self) -> None:
        self.zoomed = not self.zoomed
        self.draw()

    def action_help(self) -> None:
        self.push_screen(HelpScreen(help_text(self.glyphs, self._keys), self.glyphs.ascii))
