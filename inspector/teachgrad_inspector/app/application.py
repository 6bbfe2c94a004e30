"""The application: state (moment, screen, options), keys that change it, one sheet that shows it."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from typing import Any, ClassVar

from textual import on, work
from textual.app import App, ComposeResult, SystemCommand
from textual.binding import Binding, BindingType
from textual.screen import Screen
from textual.widgets import Input
from textual.worker import get_current_worker

from teachgrad.errors import TeachgradError
from teachgrad.recording import Moment

from .. import navigation, stops
from ..arrows import ARROWS, arrow
from ..canvas import Canvas
from ..glyphs import Glyphs
from ..keys import ACTIONS, footer, keys_of
from ..screens import SCREENS, Going, body_height, frame, status_of
from ..session import Session
from ..views.options import Options
from ..views.passes import moved, went_to
from .asking import Asking
from .help import HelpScreen, help_text
from .opening import Opening
from .sheet import Sheet
from .stopping import Stopping
from .styles import Palette

SLOW_ROWS = 5000
"""Training steps with more rows are laid out in the background."""
FIRST = ("pane", "pane_back", "search", "go")
"""Actions whose keys are looked at before anything else: tab, which Textual would take, and what opens a prompt, so
that letters typed right after it are not taken for keys."""
PAGE = 10
"""So many rewrites are a page."""
FOLLOW = 0.5
"""Seconds between looks at a recording that is still growing."""


class Inspector(Asking, Opening, Stopping, App[int]):
    """Shows a recording, moment by moment."""

    TITLE = "teachgrad"
    CSS = """
    Screen { layout: vertical; overflow: hidden; }
    #prompt { display: none; dock: bottom; height: 1; border: none; padding: 0 1; background: $surface; }
    #prompt:focus { border: none; }
    """
    HORIZONTAL_BREAKPOINTS = [(0, "-tiny"), (60, "-narrow"), (100, "-normal"), (140, "-wide")]  # noqa: RUF012
    BINDINGS: ClassVar[list[BindingType]] = [
        *(
            Binding(
                ",".join(action.keys), action.call, action.label, id=action.id, show=False, priority=action.id in FIRST
            )
            for action in ACTIONS.values()
        ),
        Binding("escape", "escape", show=False),
        Binding("ctrl+z", "suspend_process", show=False),
    ]

    def __init__(
        self,
        session: Session,
        address: str | None,
        screen: str,
        options: Options,
        glyphs: Glyphs,
        keymap: Mapping[str, str],
    ) -> None:
        no_colour = "NO_COLOR" in os.environ
        super().__init__(ansi_color=True if no_colour else None)
        self.theme = "ansi-dark" if no_colour else "tokyo-night"
        self.session = session
        self.moment = session.first
        self.shown = screen
        self.options = options
        self.glyphs = glyphs
        self._address = address
        self._keys = dict(keymap)
        self._searched = ""
        self.opened = ExitStack()
        self._message = ""
        self._loaded = False
        self.set_keymap(self._keys)

    # ---- building ----------------------------------------------------------------------------------------------------

    def compose(self) -> ComposeResult:
        yield Sheet(self._palette())
        yield Input(id="prompt", compact=True, select_on_focus=False)

    def on_mount(self) -> None:
        self.theme_changed_signal.subscribe(self, lambda theme: self.draw())
        self.app_resume_signal.subscribe(self, lambda app: self.call_after_refresh(self.draw))
        self.query_one(Sheet).focus()
        if self.session.trouble:
            self.set_interval(FOLLOW, self._look_again)
        self._prepare(lambda: self._start())

    def _start(self) -> None:
        """Go to the moment that was asked for, once the recording has been read."""
        self._loaded = True
        if self._address is not None:
            self._go_to(self._address)
        self.draw()

    def _prepare(self, then: Callable[[], None]) -> None:
        """Read and lay out what the present moment needs, in the background if that takes long, and go on."""
        if self.seeking or self._is_read():
            then()
        else:
            self.draw()
            self._read(self.moment, self.options, SCREENS[self.shown].read, then)

    def _is_read(self) -> bool:
        """Whether there is something to see without a noticeable wait."""
        step = self.moment.step
        laid_out = self.session.has_layout(step, self.options.folded)
        rows = 0 if laid_out else self.session.run.length(step)
        return rows + SCREENS[self.shown].reads(self.session, self.moment, self.options) <= SLOW_ROWS

    @work(thread=True, exclusive=True, exit_on_error=False, group="layout")
    def _read(
        self,
        moment: Moment,
        options: Options,
        read: Callable[[Session, Moment, Options, Going], None],
        then: Callable[[], None],
    ) -> None:
        worker = get_current_worker()
        self.session.lanes(moment.step, options.folded)
        read(self.session, moment, options, lambda: not worker.is_cancelled)
        if not worker.is_cancelled:
            self.call_from_thread(then)

    def _look_again(self) -> None:
        """Follow a recording that is still being written."""
        before = self.session.run.steps
        self.session.run.refresh()
        if self._loaded and (self.session.run.steps != before or not self.session.trouble):
            self._prepare(self.draw)

    # ---- drawing -----------------------------------------------------------------------------------------------------

    def _palette(self) -> Palette:
        variables = {name: value for name, value in self.theme_variables.items() if isinstance(value, str)}
        return Palette(variables, self.current_theme.dark, not self.no_color)

    def draw(self) -> None:
        """Draw the present moment for the present size."""
        if not self.is_running:
            return
        sheet = self.query_one(Sheet)
        width, height = sheet.size
        if width == 0 or height == 0:
            return
        if self.seeking:
            canvas = Canvas(width, height, self.glyphs)
            canvas.put(2, 1, f"{self.seeking} … (esc gives up)", "text")
        elif not self._is_read():
            canvas = Canvas(width, height, self.glyphs)
            rows = self.session.run.length(self.moment.step)
            rows += SCREENS[self.shown].reads(self.session, self.moment, self.options)
            canvas.put(2, 1, f"reading {self.session.title}: {rows} rows …", "text")
        else:
            keys = footer(SCREENS[self.shown].actions, self._keys)
            canvas = frame(self.session, self.moment, self.shown, self.options, width, height, self.glyphs, keys)
            if self._message:
                canvas.put(0, height - 1, " " * width)
                canvas.put(1, height - 1, self._message, "warn", width - 2)
        sheet.show(canvas, self._palette())
        if canvas.cursor is not None:  # screen readers and magnifiers follow the terminal's own cursor
            self.cursor_position = sheet.region.offset + canvas.cursor

    def _set(self, moment: Moment | None = None, screen: str | None = None, message: str = "", **options: Any) -> None:
        """Change the state and draw it; not while something is looked for in the background."""
        if self.seeking:
            return
        if moment is not None:
            if (moment.step, moment.row) != (self.moment.step, self.moment.row):
                options.setdefault("revealed", False)
                options.setdefault("check", False)
                options.setdefault("element", moment.element)
                if self.shown == "kernels":
                    options.setdefault("line", None)
            self.moment = Moment(moment.step, moment.row, moment.phase)
        if screen is not None and screen != self.shown:
            self.shown = screen
            options.setdefault("pane", 0)
            options.setdefault("line", None)
            options.setdefault("zoom", False)
        if options:
            self.options = self.options.but(**options)
        self._message = message
        self._prepare(self.draw)

    @on(Sheet.Resized)
    def _resized(self) -> None:
        self.draw()

    @on(Sheet.Clicked)
    def _clicked(self, event: Sheet.Clicked) -> None:
        if event.target.startswith("stop:"):
            self._set(stop=int(event.target.removeprefix("stop:")))
        elif event.target.startswith("screen:"):
            self._set(screen=event.target.removeprefix("screen:"))
        else:
            self._go_to(event.target)

    @on(Sheet.Scrolled)
    def _scrolled(self, event: Sheet.Scrolled) -> None:
        if self.shown in ARROWS and self.shown != "chain":
            self.action_arrow(0, 1 if event.lines > 0 else -1)
            return
        self._set(navigation.page(self.session, self.moment, self.options.folded, event.lines))

    # ---- moving ------------------------------------------------------------------------------------------------------

    def action_move(self, how: str, forward: bool) -> None:
        if self.shown == "passes" and (changes := self._moved(how, 1 if forward else -1)):
            self._set(**changes)
            return
        mover = getattr(navigation, SCREENS[self.shown].stride if how == "step" else how)
        self._set(mover(self.session, self.moment, self.options.folded, forward))

    def action_page(self, direction: int) -> None:
        """A screen of lines further; on Train, a tenth of the training; on Passes, of the rewrites."""
        if self.shown == "passes" and (changes := self._moved("page", PAGE * direction)):
            self._set(**changes)
            return
        if self.shown == "train":
            count = max(1, self.session.run.steps // 10) * direction
            self._set(navigation.training_steps(self.session, self.moment, count))
            return
        lines = max(1, body_height(self.size.height) - 3) * direction
        self._set(navigation.page(self.session, self.moment, self.options.folded, lines))

    def action_arrow(self, right: int, down: int) -> None:
        """What is beside on this screen (`arrows`), else a line in time."""
        if not self._is_read():  # what is chosen is not known yet
            return
        changes = arrow(self.session, self.moment, self.options, self.shown, right, down)
        if changes is None:
            self.action_move("step", right + down > 0)
        else:
            self._set(**changes)

    def _moved(self, how: str, count: int) -> dict[str, Any]:
        """What a move changes on the Passes screen; nothing where there is no compilation."""
        return moved(self.session, self.moment, self.options, how, count)

    def action_largest(self) -> None:
        self._set(element=None)

    def _go_to(self, address: str) -> None:
        try:
            text = address.strip().removeprefix(":")
            if text.startswith("pass:"):
                self._set(screen="passes", **went_to(self.session, self.moment, self.options, text))
                return
            if re.fullmatch(r"\s*\[[\d,\s]+\]\s*", text):  # an element of what is here
                text = f"{self.moment}{text}"
            moment = stops.resolve(self.session, text, self.moment)
        except TeachgradError as error:
            self._set(message=str(error))
            return
        self._set(moment, element=moment.element)

    # ---- prompts -----------------------------------------------------------------------------------------------------

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Prompts and panes are for the screen itself, not while something is typed or read on top of it."""
        if action in ("go", "search", "pane", "watch", "what_if", "compare"):
            return len(self.screen_stack) == 1 and not self.query_one("#prompt", Input).display
        return True

    def action_go(self) -> None:
        self._ask(":")

    def action_search(self) -> None:
        self._ask("/")

    def _ask(self, mark: str) -> None:
        prompt = self.query_one("#prompt", Input)
        prompt.value = mark
        prompt.display = True
        self.screen.set_focus(prompt)  # at once: `focus()` would let keys that are typed fast go astray
        prompt.cursor_position = len(mark)

    def _close_prompt(self) -> None:
        prompt = self.query_one("#prompt", Input)
        prompt.display = False
        prompt.value = ""
        self.screen.set_focus(self.query_one(Sheet))

    @on(Input.Submitted, "#prompt")
    def _answered(self, event: Input.Submitted) -> None:
        text = event.value
        self._close_prompt()
        if text.startswith("/"):
            self._searched = text[1:] or self._searched
            self.action_again(True)
        elif text.startswith("what if "):
            self.change(text.removeprefix("what if "))
        elif text.startswith("compare with "):
            if text.removeprefix("compare with ").strip():
                self.compare(text.removeprefix("compare with "))
        elif text.startswith("watch "):
            if text.removeprefix("watch ").strip():
                self.add_stop(text.removeprefix("watch "))
        elif text.strip(": "):
            self._go_to(text)

    @on(Input.Changed, "#prompt")
    def _emptied(self, event: Input.Changed) -> None:
        if not event.value and event.input.display:
            self._close_prompt()

    def action_again(self, forward: bool) -> None:
        if not self._searched:
            self._set(message="nothing was searched for yet: press /")
            return
        found = navigation.search(self.session, self.moment, self._searched, forward)
        if found is None:
            self._set(message=f"{self._searched!r} is not found")
        else:
            self._set(found)

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

    def action_reveal(self) -> None:
        self._set(revealed=True)

    def action_escape(self) -> None:
        if self.query_one("#prompt", Input).display:
            self._close_prompt()
        elif self.shown in ("what-if", "compare"):
            self._set(screen=self.before_question, edit=None)
        elif self.seeking or not self._is_read():
            self.stop_seeking()
            self._set(screen="tape")
        elif self.options.zoom:
            self._set(zoom=False)
        else:
            self._set()

    def action_copy(self) -> None:
        status = status_of(self.session, self.moment, self.options)
        text = f"{status.moment} {status.name} {status.note}".strip()
        self.copy_to_clipboard(text)
        self._set(message=f"copied: {text}")

    def action_help(self) -> None:
        self.push_screen(HelpScreen(help_text(self.shown, self.glyphs, self._keys)))

    def get_system_commands(self, screen: Screen[object]) -> Iterable[SystemCommand]:
        yield from super().get_system_commands(screen)
        for action in ACTIONS.values():
            keys = " ".join(keys_of(action, self._keys))
            call = action.call
            yield SystemCommand(f"{action.group}: {action.help}", keys, lambda call=call: self.run_action(call))
