"""A real terminal to test in: tmux, driven as a user would, waiting for what is to be seen and never for time."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Self

HAS_TMUX = shutil.which("tmux") is not None
NEUTRAL = [part for name in ("NO_COLOR", "TEACHGRAD_GLYPHS", "COLUMNS", "LINES") for part in ("-u", name)]
"""What to forget of the outer environment. COLUMNS and LINES, where set, hide the real size of the terminal."""

SAME = 6
"""So many looks at the same screen, one after the other, say that it has stopped changing."""


def status_line(moment: str) -> str:
    """What to look for: a status line that names a moment."""
    return rf"^ ?{re.escape(moment)} "


class Terminal:
    """A shell in a tmux window of its own."""

    def __init__(self, columns: int = 80, rows: int = 24, env: Mapping[str, str] | None = None) -> None:
        self._socket = f"teachgrad-{os.getpid()}-{time.monotonic_ns()}"
        # The last two lines stay with the shell's prompt: PS1 is empty of everything that differs between machines.
        settings = {"TEXTUAL_ANIMATIONS": "none", "LANG": "C.UTF-8", "PS1": "$ ", "TERM": "screen-256color",
                    "COLORTERM": "truecolor", "PYTHONPATH": os.pathsep.join(sys.path), **(env or {})}  # fmt: skip
        pairs = [f"{name}={value}" for name, value in settings.items()]
        self.tmux("-f", "/dev/null", "new-session", "-d", "-x", str(columns), "-y", str(rows),
                  "env", *NEUTRAL, *pairs, "sh")  # fmt: skip
        self.wait(r"^\$")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.tmux("kill-server")

    def tmux(self, *arguments: str) -> str:
        command = ["tmux", "-L", self._socket, "-u", *arguments]
        return subprocess.run(command, capture_output=True, text=True, timeout=30, check=False).stdout

    def teachgrad(self, *arguments: str, before: str = "") -> None:
        """Type a teachgrad command."""
        self.type(f"{before}{sys.executable} -m teachgrad {' '.join(arguments)}; echo status $?")
        self.press("Enter")

    def press(self, *keys: str) -> None:
        """Press keys, by tmux's names."""
        self.tmux("send-keys", *keys)

    def type(self, text: str) -> None:
        self.tmux("send-keys", "-l", text)

    def capture(self, *options: str) -> str:
        """What is on the screen."""
        return self.tmux("capture-pane", "-p", *options)

    def wait(self, pattern: str, seconds: float = 60.0) -> str:
        """Wait until the screen shows something, and return the screen."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            screen = self.capture()
            if re.search(pattern, screen, re.MULTILINE):
                return screen
            time.sleep(0.02)  # looking takes a process: more often, it would take the core from the program
        raise AssertionError(f"{pattern!r} did not appear within {seconds} s:\n{self.capture()}")

    def wait_for(self, screen: str, seconds: float = 10.0) -> None:
        """Wait until exactly this is on the screen."""
        deadline = time.monotonic() + seconds
        while (shown := self.capture()) != screen:
            assert time.monotonic() < deadline, f"after {seconds} s there is another screen:\n{shown}"
            time.sleep(0.02)

    def settled(self, pattern: str) -> str:
        """The same, once the screen has stopped changing: where something is painted below what is looked for."""
        screens = [self.wait(pattern)]
        while len(screens) < SAME or len(set(screens[-SAME:])) > 1:
            time.sleep(0.02)
            screens.append(self.capture())
        return screens[-1]

    def wait_at(self, moment: str) -> None:
        """Wait until the status line names a moment. Other lines may still be those of another."""
        self.wait(status_line(moment))

    def settled_at(self, moment: str) -> str:
        """The whole screen of a moment."""
        return self.settled(status_line(moment))

    def wait_for_end(self, status: str = "0") -> None:
        """Wait until the command that was typed has ended so. A prompt may stand before it: keys were typed ahead."""
        self.wait(rf"^(\$ )?status {status}")

    def resize(self, columns: int, rows: int) -> None:
        self.tmux("resize-window", "-x", str(columns), "-y", str(rows))

    def title(self) -> str:
        """The title of the window, which hostile text might try to set."""
        return self.tmux("display", "-p", "#{pane_title}").strip()

    def process(self) -> int:
        """The process that the shell is running."""
        shell = self.tmux("display", "-p", "#{pane_pid}").strip()
        children = Path(f"/proc/{shell}/task/{shell}/children").read_text().split()
        return int(children[0])
