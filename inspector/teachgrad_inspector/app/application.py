"""The application: state (moment, screen, options), keys that change it, one sheet that shows it."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack, suppress
from typing import Any, ClassVar

from textual import on, work
from textual.app import ComposeResult, SystemCommand
from textual.binding import Binding, BindingType
from textual.screen import Screen
from textual.widgets import Input
from textual.worker import get_current_worker

from teachgrad.recording import Moment

from ..arrows import ARROWS
from ..canvas import Canvas
from ..glyphs import Glyphs
from ..keys import ACTIONS, footer, keys_of
from ..keys import shown as key_shown
from ..learning.past import is_shut
from ..live import Attachment
from ..screens import SCREENS, Going, body_height, frame, left_to_read, status_of
from ..session import Session
from ..slicing import SLICES, WAYS
from ..views.options import Options
from .acting import Find
from .asking import Asking
from .finding import Finding
from .help import HelpScreen, help_text, prompt_help
from .learning import Learning
from .living import Living
from .opening import Opening
from .progress import Progress
from .sheet import Sheet
from .stopping import Stopping
from .themed import Themed

SLOW_ROWS = 5000
"""Training steps with more rows are laid out in the background."""
PLAIN = frozenset(action.call.partition("(")[0] for action in ACTIONS.values()) | {"escape"}
"""What keys do where nothing is typed, and nothing lies on top of the screen."""
TICK = 0.25
"""Seconds between looks at how far something is."""


class Inspector(Asking, Finding, Learning, Living, Opening, Stopping, Themed):
    """Shows a recording, moment by moment."""

    TITLE = "teachgrad"
    CSS = """
    Screen { layout: vertical; overflow: hidden; }
    #prompt { display: none; dock: bottom; height: 1; border: none; padding: 0 1; background: $surface; }
    #prompt:focus { border: none; }
    """
    HORIZONTAL_BREAKPOINTS = [(0, "-tiny"), (60, "-narrow"), (100, "-normal"), (140, "-wide")]  # noqa: RUF012
    BINDINGS: ClassVar[list[BindingType]] = [
        # All have priority: they are looked at when they are pressed, in their order. Others wait in the queue of what
        # has the focus, and a prompt that opens meanwhile would take them for letters.
        *(
            Binding(",".join(action.keys), action.call, action.label, id=action.id, show=False, priority=True)
            for action in ACTIONS.values()
        ),
        Binding("escape", "escape", show=False, priority=True),
        Binding("f1", "prompt_help", show=False, priority=True),
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
        live: Attachment | None = None,
        follows: bool = False,
        theme: str = "dark",
    ) -> None:
        """`live` is the training that writes the recording; `follows` goes with its end from the start."""
        super().__init__(theme)
        self.session = session
        self.live = live
        self.follows = follows or live is not None
        self.moment = session.last if self.follows and address is None else session.first
        self.shown = screen
        self.options = options
        self.glyphs = glyphs
        self._address = address
        self._keys = dict(keymap)
        self.opened = ExitStack()
        self._loaded = False
        self._drawn: tuple[Moment, str, Options] | None = None
        """What was shown last."""
        self._so_far = Progress()
        self.set_keymap(self._keys)

    # ---- building ----------------------------------------------------------------------------------------------------

    def compose(self) -> ComposeResult:
        yield Sheet(self._palette())
        yield Input(id="prompt", compact=True, select_on_focus=False)

    def on_mount(self) -> None:
        self.theme_changed_signal.subscribe(self, lambda theme: self.draw())
        self.app_resume_signal.subscribe(self, lambda app: self.call_after_refresh(self.draw))
        self.query_one(Sheet).focus()
        with suppress(NotImplementedError, RuntimeError, ValueError):  # elsewhere than on Unix, or on another thread
            asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, self.exit, None, 128 + signal.SIGTERM)
        self.set_interval(TICK, self._tick)
        self.follow()
        self._prepare(lambda: self._start())

    def _start(self) -> None:
        """Go to the moment that was asked for, once the recording has been read."""
        self._loaded = True
        if self._address is not None:
            self._go_to(self._address)
        elif self.options.tour is not None and self.options.tour.stops:
            self.visit(0)
        self.note_shown()
        self.draw()

    def _prepare(self, then: Callable[[], None]) -> None:
        """Read and lay out what the present moment needs, in the background if that takes long, and go on."""
        if self.seeking or self._is_read():
            then()
        else:
            if not self.quietly:
                self.draw()
            self._read(self.seen, self.moment, self.options, SCREENS[self.shown].read, then)

    def _is_read(self) -> bool:
        """Whether there is something to see without a noticeable wait."""
        step = self.moment.step
        laid_out = self.session.has_layout(step, self.options.folded, self.options.keep)
        rows = 0 if laid_out else self.session.run.length(step)
        rows += self.session.left_to_compute(step)
        return rows + left_to_read(self.shown, self.seen, self.moment, self.options) <= SLOW_ROWS

    @work(thread=True, exclusive=True, exit_on_error=False, group="layout")
    def _read(
        self,
        session: Session,
        moment: Moment,
        options: Options,
        read: Callable[[Session, Moment, Options, Going], None],
        then: Callable[[], None],
    ) -> None:
        worker = get_current_worker()
        self.session.lanes(moment.step, options.folded, options.keep)
        if self.session.left_to_compute(moment.step) > SLOW_ROWS:
            self.session.compute(moment.step, self._so_far.counting(lambda: not worker.is_cancelled))
        if not worker.is_cancelled:
            read(session, moment, options, self._so_far.counting(lambda: not worker.is_cancelled))
        if not worker.is_cancelled:
            self.call_from_thread(then)

    def _tick(self) -> None:
        """Show how far something is that takes long."""
        if self._so_far.moved() and (self.seeking or not self._is_read()):
            self.draw()

    # ---- drawing -----------------------------------------------------------------------------------------------------

    def draw(self) -> None:
        """Draw the present moment for the present size."""
        if not self.is_running:
            return
        sheet = self.query_one(Sheet)
        width, height = sheet.size
        if width == 0 or height == 0:
            return
        self.say_what_runs()
        if self.seeking:
            canvas = Canvas(width, height, self.glyphs)
            canvas.put(2, 1, f"{self.seeking}{self._so_far} … (esc gives up)", "text")
        elif not self._is_read():
            canvas = Canvas(width, height, self.glyphs)
            rows = self.session.run.length(self.moment.step)
            rows += left_to_read(self.shown, self.seen, self.moment, self.options)
            canvas.put(2, 1, f"reading {self.session.title}: {rows:,} rows{self._so_far} … (esc gives up)", "text")
        else:
            keys = (*self.key_that_holds(self._keys), *footer(SCREENS[self.shown].actions, self._keys))
            canvas = frame(self.session, self.moment, self.shown, self.options, width, height, self.glyphs, keys)
            if self._message:
                canvas.put(0, height - 1, " " * width)
                canvas.put(1, height - 1, self._message, "warn", width - 2)
            self._drawn = self.moment, self.shown, self.options
        self.unread = canvas.unread
        sheet.show(canvas, self._palette())
        if canvas.cursor is not None:  # screen readers and magnifiers follow the terminal's own cursor
            self.cursor_position = sheet.region.offset + canvas.cursor

    def _changed(self) -> None:
        self.note_shown()
        self._prepare(self._arrive)

    def _arrive(self) -> None:
        """Draw the state, once what it needs has been read."""
        if not self.seeking:
            self.settle()
        self._prepare(self.draw)

    def _page_lines(self) -> int:
        return max(1, body_height(self.size.height) - 3)

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
        self._page(event.lines)

    # ---- prompts -----------------------------------------------------------------------------------------------------

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Keys are for the screen itself, not for what is on top of it; while something is typed, they are letters."""
        if action in ("open", "arrow") and is_shut(self.shown, self.moment, self.options):
            return False  # there is nothing to choose
        if action not in PLAIN and action != "prompt_help":
            return True
        if len(self.screen_stack) > 1:
            return False
        asked = self.query_one("#prompt", Input).display
        return action == "escape" or asked == (action == "prompt_help")

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
        self.answer(text)

    @on(Input.Changed, "#prompt")
    def _emptied(self, event: Input.Changed) -> None:
        if not event.value and event.input.display:
            self._close_prompt()

    # ---- learning ----------------------------------------------------------------------------------------------------

    def _find_score(self) -> None:
        self._find_score_behind()

    @work(thread=True, exclusive=True, exit_on_error=False, group="score")
    def _find_score_behind(self) -> None:
        self.call_from_thread(self._found_score, *self._fingerprint())

    # ---- in the background -------------------------------------------------------------------------------------------

    def seek(self, what: str, find: Find, then: Callable[[Any], None]) -> None:
        self.seeking = what
        self.draw()
        self._seek(find, then)

    @work(thread=True, exclusive=True, exit_on_error=False, group="layout")
    def _seek(self, find: Find, then: Callable[[Any], None]) -> None:
        worker = get_current_worker()
        found = find(self._so_far.counting(lambda step: not worker.is_cancelled))
        if not worker.is_cancelled:
            self.call_from_thread(then, found)

    def stop_seeking(self) -> None:
        """Give up what is being looked for."""
        self.seeking = ""
        self.workers.cancel_group(self, "layout")

    # ---- the rest ----------------------------------------------------------------------------------------------------

    def action_next_theme(self) -> None:
        """The next theme of the inspector."""
        self._set(message=self._next_theme())

    def action_escape(self) -> None:
        if self.query_one("#prompt", Input).display:
            self._close_prompt()
        elif self.shown in ("what-if", "compare"):
            self.stop_seeking()
            self._set(screen=self.before_question, edit=None)
        elif self.seeking or not self._is_read():
            self.stop_seeking()
            self._give_up()
        elif self.options.zoom:
            self._set(zoom=False)
        elif self.options.keep is not None:
            self._set(keep=None)
        else:
            self._set()

    def _give_up(self) -> None:
        """What is here takes too long to read: back to what was shown last."""
        if not self._is_read() and self._drawn is not None:
            self.moment, self.shown, self.options = self._drawn
        else:
            self.shown = "tape"
        self._set()

    def action_copy(self) -> None:
        status = status_of(self.seen, self.moment, self.options)
        text = f"{status.moment} {status.name} {status.note}".strip()
        self.copy_to_clipboard(text)
        self._set(message=f"copied: {text}")

    def action_help(self) -> None:
        text = help_text(self.shown, self.options.pane, self.glyphs, self._keys)
        self.push_screen(HelpScreen(text, self.glyphs.ascii))

    def action_prompt_help(self) -> None:
        """What can be typed here."""
        text = prompt_help(self.query_one("#prompt", Input).value, self.glyphs)
        self.push_screen(HelpScreen(text, self.glyphs.ascii))

    def get_system_commands(self, screen: Screen[object]) -> Iterable[SystemCommand]:
        yield from super().get_system_commands(screen)
        for action in ACTIONS.values():
            keys = " ".join(map(key_shown, keys_of(action, self._keys)))
            call, title = action.call, f"{action.group}: {action.help}"
            yield SystemCommand(title, f"{action.label}: {keys}", lambda call=call: self.run_action(call))
        for ways in WAYS:
            call = f"slice('{ways}')"
            yield SystemCommand(f"Place: {SLICES[ways]}", f"slice: {ways}", lambda call=call: self.run_action(call))
