"""A conversation about a recording: a command a line, answered in sentences that are only ever appended.

The commands are the keys of the screens, by their letters or by their names. Nothing is drawn unless `show` asks for
it. In what is printed, a command stands after `> ` and what was answered is indented, so that a transcript can be run
again: lines that are indented, and lines that begin with `# `, are passed over.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import fields
from shutil import get_terminal_size
from textwrap import wrap
from typing import Any, TextIO

import numpy as np

from teachgrad.errors import TeachgradError, counted
from teachgrad.recording import Address, Moment
from teachgrad.recording.live.lines import Unit

from ..app.acting import Find
from ..app.asking import Asking
from ..app.commanding import LOOK, Commanding
from ..app.finding import Finding
from ..app.learning import Learning
from ..app.opening import Opening
from ..app.stopping import Stopping
from ..glyphs import Glyphs, spelled
from ..keys import ACTIONS, Action, footer, keys_of, shown
from ..live import Attachment, words
from ..screens import SCREENS, frame, left_to_read, status_of
from ..session import Session
from ..stops import Stop, resolve, stop
from ..views.narrate import narrate
from ..views.options import Options
from ..views.watches import view_watches, watch
from .telling import lesson_told, tell, watch_told

PROMPT = "> "
OFTEN = 1000
"""A command can be repeated so many times at most."""
LONG_READ = 50_000
"""Rows of a training step from which it is said that they are being read."""
NUMBERS = 64
"""Arrays of so many elements are printed whole."""
OF_A_STEP = ("map", "memory", "train", "kernels")
"""Screens of which most stays the same from moment to moment: what has changed is told."""
SWITCHES = ("numbers", "narration", "predict", "check", "dynamic")


class Ended(Exception):
    """The conversation is over."""


class Console(Asking, Commanding, Finding, Learning, Opening, Stopping):
    """Answers commands."""

    def __init__(self, session: Session, address: str | None, screen: str, options: Options, glyphs: Glyphs,
                 size: tuple[int, int], keymap: dict[str, str], opened: ExitStack,
                 live: Attachment | None = None) -> None:  # fmt: skip
        self.session, self.options, self.shown, self.opened = session, options, screen, opened
        self.moment = resolve(session, address) if address is not None else session.first
        self.glyphs, self.size, self.live = glyphs, size, live
        if live is not None and address is None:
            self.moment = session.last
        self.width = 0
        """Of the terminal, if it is one."""
        self._asked = ""
        self._answered = False
        self._keymap = keymap
        self._actions: dict[str, Action] = {}
        for action in ACTIONS.values():
            names = {action.id, *(name for key in keys_of(action, keymap) for name in (key, shown(key)))}
            self._actions |= dict.fromkeys(names, action)

    # ---- talking -----------------------------------------------------------------------------------------------------

    def run(self, commands: TextIO) -> int:
        """Answer commands until they end; the status: 1 if one of a script could not be carried out."""
        typed = commands.isatty()
        failed = False
        self._begin()
        try:
            while True:
                line = self._next(commands, typed)
                if line is None:
                    break
                try:
                    failed |= not self.carry_out(line)
                except KeyboardInterrupt:
                    if not typed:
                        raise
                    self.seeking = ""
                    self.say("given up")
        except Ended:
            pass
        return 1 if failed and not typed else 0

    def _next(self, commands: TextIO, typed: bool) -> str | None:
        """The next command, None at the end. Those of a script are printed: the output tells the whole story."""
        if typed:
            try:
                return input(PROMPT)
            except EOFError:
                print()
                return None
            except KeyboardInterrupt:
                print()
                return ""
        line = commands.readline()
        if not line:
            return None
        line = line.rstrip("\n")
        if line.startswith((" ", "\t")):
            return ""
        line = line.removeprefix(PROMPT).strip()
        if line and not line.startswith("# "):
            self._print(PROMPT + line)
        return line

    def say(self, text: str) -> None:
        """Answer something; in a terminal, with line ends between words."""
        self._answered = True
        for line in text.split("\n"):
            if self.width and len(line) + 2 > self.width:
                line = "\n    ".join(wrap(line, max(20, self.width - 4)))
            self._print(f"  {line}")

    def _print(self, line: str) -> None:
        print(spelled(line) if self.glyphs.ascii else line, flush=True)

    def _begin(self) -> None:
        steps = self.session.run.steps
        objective = self.seen.objective(self.moment.step)
        value = f"; {objective[0]} = {objective[1]:.4g}" if objective and objective[1] is not None else ""
        self.say(f"{self.session.title}: {counted(steps, 'training step')}{value}. "
                 "? lists the commands, q ends.")  # fmt: skip
        if self.options.tour is not None and self.options.tour.stops:
            self.visit(0)
        self.note_shown()
        self._tell_moment()
        if self.shown != "tape" or self.options.tour is not None or self.options.predict:
            self._tell_screen()

    # ---- commands ----------------------------------------------------------------------------------------------------

    def carry_out(self, line: str) -> bool:
        """Carry out a command, and say what has changed; whether that was possible."""
        line = line.strip()
        if not line or line.startswith("# "):
            return True
        if self.session.run.trouble:  # it may have grown
            self.session.refresh()
        self.say_what_runs()
        self.refused, self._message, self._asked = False, "", ""
        try:
            self._find_command(line)()
        except TeachgradError as error:
            self._refuse(str(error))
            self.say(str(error))
        return not self.refused

    def _find_command(self, line: str) -> Callable[[], None]:
        """What a line asks for."""
        word, _, rest = line.partition(" ")
        rest = rest.strip()
        if (line[0] in ":/" or (line[0] == "[" and line.endswith("]"))) and len(line) > 1:
            return lambda: self._act(lambda: self.answer(line if line[0] in ":/" else f":{line}"))
        if word in ("p", "print") and rest:
            return lambda: self.say(self._printed(rest))
        if word == "show":
            return lambda: self._draw(rest)
        if word == "tell":
            return self._tell_screen
        action = self._actions.get(word)
        if action is None:
            raise TeachgradError(f"there is no command {word!r}; ? lists them, and :{word} would go to a moment")
        if rest.isdecimal() and action.group == "Time":
            return lambda: self._repeat(action, min(int(rest), OFTEN))
        return lambda: self._act(lambda: self._call(action, rest))

    def _repeat(self, action: Action, times: int) -> None:
        for _ in range(times):
            before = self.moment, self.options
            self._act(lambda: self._call(action, ""))
            if (self.moment, self.options) == before:
                break

    def _call(self, action: Action, rest: str) -> None:
        """Do what a key does; if that asks for something, `rest` is the answer."""
        name, _, arguments = action.call.partition("(")
        values = ast.literal_eval(f"({arguments[:-1]},)") if arguments else ()
        getattr(self, f"action_{name}")(*values)
        if not self._asked:
            if rest and not self.refused:
                self._refuse(f"{action.id} takes nothing more than its name")
        elif not rest:
            self._refuse(f"{action.id} wants to know more; {action.help}")
        else:
            beginning = "what if " if self._asked.startswith("what if ") and "=" in rest else self._asked
            self.answer(beginning + rest)

    def _act(self, act: Callable[[], None]) -> None:
        """Do something, and say what has changed by it."""
        moment, screen, options = self.moment, self.shown, self.options
        self._answered = False
        act()
        if self._message:
            self.say(self._message)
        if (self.moment, self.shown, self.options) != (moment, screen, options):
            self._tell_changes(moment, screen, options)
        if not self._answered:
            self.say("nothing to tell has changed")

    def _tell_changes(self, moment: Moment, screen: str, options: Options) -> None:
        """What is different from what was shown before."""
        if self.shown != screen:
            self.say(f"screen {SCREENS[self.shown].title}")
        if self.moment != moment:
            self._tell_moment()
            self._tell_kept(options)
        else:
            self._tell_switches(options)
        if self.shown == screen == "tape" and self.moment != moment:
            for line in lesson_told(self.session, self.moment, self.options, self.shown):
                self.say(line)
            return  # the rest was told
        same = self.shown == screen and (self.moment == moment or screen in OF_A_STEP)
        self._tell_screen((moment, options) if same else None)

    # ---- what the actions need ---------------------------------------------------------------------------------------

    def _changed(self) -> None:
        self.note_shown()

    def _ask(self, mark: str) -> None:
        self._asked = mark

    def _page_lines(self) -> int:
        return self.size[1] - 6

    def seek(self, what: str, find: Find, then: Callable[[Any], None]) -> None:
        self.say(f"{what} …")
        super().seek(what, find, then)

    def _run_on(self, chosen: tuple[Stop, ...]) -> bool:
        if self.training() is None:
            return False
        self.say("running to the next stop …")
        self.seeking = "running to the next stop"
        self._arrived(*self._run_to_stop(chosen, lambda moment: True))
        return True

    def _take(self, unit: Unit) -> None:
        if self.live is not None:
            self.live.step(unit)
            self._paused()

    def _paused(self) -> None:
        """Wait until it is, and go there."""
        live = self.training()
        if live is not None:
            while not live.wait(lambda state: state.name == "paused" or state.ended, LOOK):
                pass  # ctrl+c can end it
            self.session.refresh()
            self._set(self.session.last, message=f"the training is {words(live.state, self.session.run)}")

    def action_hold(self) -> None:
        super().action_hold()
        if self.live is not None and self.training() is not None and not self._message:
            self._set(message="the training runs on")

    def action_next_theme(self) -> None:
        self._refuse("nothing is coloured here")

    def action_copy(self) -> None:
        status = status_of(self.seen, self.moment, self.options)
        self._set(message=f"{status.moment} {status.name} {status.note}".strip())

    def action_help(self) -> None:
        lines = []
        for group in dict.fromkeys(action.group for action in ACTIONS.values()):
            lines.append(f"{group}:")
            for action in ACTIONS.values():
                if action.group == group and action.id not in ("zoom",):
                    keys = ", ".join(shown(key) for key in keys_of(action, self._keymap))
                    lines.append(f"{keys} or {action.id}: {action.help}")
        lines += [
            "Besides:",
            "p W1.grad[3,1]: print a value, or any expression of values, as it is at this moment",
            "s 5: five times; this goes for all that moves in time",
            "tell: what this screen shows, in sentences; show, or show chain: as it is drawn",
            "w h > 1, x a = 2.01, d t3, /relu, :t0/bwd/3: what is asked for stands behind the command",
        ]
        self._set(message="\n".join(lines))

    def action_quit(self) -> None:
        raise Ended

    # ---- what is said ------------------------------------------------------------------------------------------------

    def _tell_moment(self) -> None:
        rows = self.session.run.length(self.moment.step)
        if rows > LONG_READ and not self.session.run.has_step(self.moment.step):
            self.say(f"reading {rows} rows …")
        seen = self.seen
        state, why = seen.state(self.moment)
        self.say(f"{self.moment}: {narrate(seen, self.moment, self.options)}")
        row = seen.row(self.moment)
        if state != "ok" and not (self.options.hiding and row.of_gradient):
            self.say(f"{'error' if state == 'err' else 'warning'}: {why}")
        for item in view_watches(seen, self.moment, self.options):
            self.say(watch_told(item))

    def _tell_screen(self, before: tuple[Moment, Options] | None = None) -> None:
        """What the screen shows, or of that what it did not show before."""
        rows = left_to_read(self.shown, self.seen, self.moment, self.options)
        if rows > LONG_READ:
            self.say(f"reading {rows} rows …")
        known = () if before is None else tell(self.session, before[0], self.shown, before[1])
        for line in tell(self.session, self.moment, self.shown, self.options):
            if line not in known:
                self.say(line)

    def _tell_switches(self, before: Options) -> None:
        for field in fields(Options):
            now = getattr(self.options, field.name)
            if field.name in SWITCHES and now != getattr(before, field.name):
                self.say(f"{field.name}: {'on' if now else 'off'}")
        self._tell_kept(before)
        if self.options.verdict != before.verdict and self.options.verdict:
            self.say(self.options.verdict)
        panes = SCREENS[self.shown].panes
        if self.options.pane != before.pane and panes:
            self.say(f"pane {panes[self.options.pane % len(panes)]}")
        if self.options.folded != before.folded:
            self.say(f"folded: {', '.join(sorted(self.options.folded)) or 'nothing'}")

    def _tell_kept(self, before: Options) -> None:
        """Which part of the rows is shown, if it is another one."""
        if self.options.keep != before.keep:
            self.say(self.seen.told_kept(self.moment.step, self.options.keep) or "all rows are shown")

    def _printed(self, text: str) -> str:
        """A value or an expression at this moment."""
        item = stop(text)
        if item.condition is None:
            raise TeachgradError(f"{text!r} is a breakpoint; p prints values, such as p W1.grad[3,1]")
        told = watch(self.seen, self.moment, self.options, item)
        if told.state == "error":
            raise TeachgradError(told.value)
        if told.state == "unknown":
            for name in sorted(item.condition.names - {"it"}):  # a name of nothing is not one that is still to come
                self.session.run.resolve(Address(name=name), self.moment)
        if told.state in ("value", "true", "false"):
            value = item.condition.at(self.seen, self.moment)
            if 1 < np.size(value) <= NUMBERS:
                return f"{text} is\n{np.array2string(np.asarray(value), separator=', ', precision=6)}"
        return watch_told(told)

    def _draw(self, screen: str) -> None:
        """A screen as it would be drawn."""
        name = screen or self.shown
        names = ((item, (item.name, item.title.lower(), item.key)) for item in SCREENS.values())
        found = next((item for item, called in names if name.lower() in called), None)
        if found is None:
            raise TeachgradError(f"there is no screen {screen!r}; there are {', '.join(SCREENS)}")
        keys = footer(found.actions, self._keymap)
        canvas = frame(self.session, self.moment, found.name, self.options, *self.size, self.glyphs, keys)
        self._answered = True
        for line in canvas.text():
            self._print(f"  {line}")


def converse(console: Console) -> int:
    """Talk with whoever is at standard input."""
    if sys.stdin.isatty() and sys.stdout.isatty():
        columns, lines = get_terminal_size()
        console.width, console.size = columns, (min(console.size[0], columns - 3), min(console.size[1], lines - 1))
        with suppress(ImportError):  # input() then knows earlier lines
            import readline  # noqa: F401
    return console.run(sys.stdin)
