"""The other end of a live run: attaches to a training, hears its states, and tells it to pause, to step, to go on.

What is said is described in `teachgrad.recording.live.lines`. What the run computes is read from its recording.
"""

from __future__ import annotations

import os
import socket
import stat
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from time import sleep
from types import TracebackType
from typing import Any, Self

from teachgrad.recording import UNFINISHED, Level, Reader, RecordingError
from teachgrad.recording.live.endpoint import PORT, TOKEN_VARIABLE, is_stranger, token_file
from teachgrad.recording.live.lines import MAX_ANSWER, VERSION, Lines, Refused, Unit, decode, encode
from teachgrad.recording.text import clean

PATIENCE = 10.0
"""Seconds for a training to answer a new viewer."""
LOOK = 0.1
"""Seconds between looks for a recording that is about to begin."""
STATES = ("running", "stepping", "pausing", "paused", "ended")


@dataclass(frozen=True, slots=True)
class State:
    """What a training does now. `at` is training step and row of the last row, where it is paused."""

    name: str
    at: tuple[int, int] | None = None
    level: str = ""
    viewers: int = 1

    @property
    def ended(self) -> bool:
        return self.name in ("ended", "gone")


def is_address(text: str) -> bool:
    """Whether a text names a running training: a Unix socket, or a port of this machine."""
    if PORT.fullmatch(text):
        return True
    try:
        return stat.S_ISSOCK(os.stat(text).st_mode)
    except (OSError, ValueError):
        return False


class Attachment:
    """A connection to a running training.

    `state` is what it said last; `heard` is called, on a thread of its own, whenever that changes. When the training
    has ended the state is `ended`, and `gone` when it broke off without a word.
    """

    def __init__(self, address: str) -> None:
        """Raises `RecordingError` if nobody is there, or we are refused."""
        self.address = address
        self.state = State("running")
        self.heard: Callable[[], None] = lambda: None
        self.refusal = ""
        """What the training did not take."""
        self._changed = threading.Condition()
        self._lines = Lines(MAX_ANSWER)
        self._waiting: list[bytes] = []
        self._socket = _connected(address)
        try:
            self._socket.settimeout(PATIENCE)
            if PORT.fullmatch(address):
                self._send({"token": _token(address)})
            greeting = self._greeting()
            self.recording = Path(greeting["recording"])
            self.title = clean(greeting["title"])
            self._hear(self._first())
            self._socket.settimeout(None)
        except BaseException:
            self._socket.close()
            raise
        threading.Thread(target=self._listen, name="teachgrad-viewer", daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Go away. If nobody else is attached, the training runs on."""
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    # ---- commands ----------------------------------------------------------------------------------------------------

    def pause(self) -> None:
        """Hold the training at its next event."""
        self._say({"do": "pause"})

    def resume(self) -> None:
        """Let it run."""
        self._say({"do": "resume"})

    def step(self, unit: Unit) -> None:
        """Let it go on for a row, a module, a phase or a training step."""
        self.state = State("stepping", None, self.state.level, self.state.viewers)
        self._say({"do": "step", "unit": unit})

    def set_level(self, level: Level) -> None:
        """Have it record so much from now on."""
        self._say({"do": "level", "level": level})

    def wait(self, wanted: Callable[[State], bool], seconds: float) -> bool:
        """Wait until the state is such, or so many seconds have passed; whether it is."""
        with self._changed:
            return self._changed.wait_for(lambda: wanted(self.state), seconds)

    # ---- the line ----------------------------------------------------------------------------------------------------

    def _say(self, message: dict[str, Any]) -> None:
        with suppress(OSError):  # it is gone; the listening thread says so
            self._send(message)

    def _send(self, message: dict[str, Any]) -> None:
        self._socket.sendall(encode(message))

    def _next(self) -> dict[str, Any]:
        """The next message. Raises `EOFError` at the end, `Refused` for what is none."""
        while not self._waiting:
            data = self._socket.recv(1 << 14)
            if not data:
                raise EOFError
            self._waiting = self._lines.feed(data)
        return decode(self._waiting.pop(0))

    def _first(self) -> dict[str, Any]:
        """The next message, at the beginning, where many things may be at the other end."""
        try:
            message = self._next()
        except TimeoutError:
            raise RecordingError(f"{self.address} does not answer; is it a training of teachgrad?") from None
        except (EOFError, Refused, OSError):
            raise RecordingError(f"{self.address} is not a training of teachgrad, or has just ended") from None
        if "refused" in message:
            raise RecordingError(f"{self.address} refuses: {clean(str(message['refused'])[:200])}")
        return message

    def _greeting(self) -> dict[str, Any]:
        greeting = self._first()
        version = greeting.get("teachgrad")
        kinds = [type(greeting.get(key)) for key in ("recording", "title")]
        if type(version) is not int or kinds != [str, str]:
            raise RecordingError(f"{self.address} is not a training of teachgrad")
        if version != VERSION:
            age = "a newer" if version > VERSION else "an older"
            raise RecordingError(f"{self.address} runs {age} teachgrad (version {version} of what viewers say)")
        return greeting

    def _hear(self, message: dict[str, Any]) -> None:
        """Take a message for the new state."""
        name, at = message.get("state"), message.get("at")
        if "refused" in message:
            self.refusal = clean(str(message["refused"])[:200])
        if name not in STATES:
            return
        place = (at[0], at[1]) if type(at) is list and [type(item) for item in at] == [int, int] else None
        viewers = message.get("viewers")
        with self._changed:
            self.state = State(name, place, clean(str(message.get("level"))[:20]),
                               viewers if type(viewers) is int else 1)  # fmt: skip
            self._changed.notify_all()

    def _listen(self) -> None:
        try:
            while True:
                self._hear(self._next())
                self.heard()
        except (EOFError, OSError, Refused):
            pass
        with self._changed:
            if not self.state.ended:
                self.state = State("gone", None, self.state.level)
            self._changed.notify_all()
        with suppress(RuntimeError):  # the application is gone, too
            self.heard()


def words(state: State, run: Reader) -> str:
    """A state in words, with the moment where the training is held."""
    if state.name == "gone":
        return "the training is gone"
    if state.at is None:
        return state.name
    try:
        return f"{state.name} at {run.at(*state.at)}"
    except RecordingError:  # its row has not been looked at yet
        return state.name


def _connected(address: str) -> socket.socket:
    """A socket that is connected to an address."""
    port = PORT.fullmatch(address)
    try:
        if port:
            return socket.create_connection(("127.0.0.1", int(port[1])), PATIENCE)
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            connection.connect(address)
            if is_stranger(connection):
                raise RecordingError(f"{address} belongs to another user")
        except BaseException:
            connection.close()
            raise
        return connection
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or error
        raise RecordingError(f"cannot attach to {address}: {reason}; has the training ended?") from None


def _token(address: str) -> str:
    """The token for a port: of the environment, else of the file that lies beside the sockets."""
    if token := os.environ.get(TOKEN_VARIABLE):
        return token
    path = token_file(int(address.rpartition(":")[2]))
    try:
        return path.read_text(encoding="ascii").strip()[:200]
    except (OSError, ValueError):
        raise RecordingError(f"{address} wants a token, and none is in {path}; set {TOKEN_VARIABLE}") from None


def wait_for_rows(path: Path, live: Attachment | None) -> None:
    """Wait until a recording has something to show; Ctrl-C gives up.

    Raises `RecordingError` if the training ends before that, or where the file is no recording.
    """
    looks = 0
    while True:
        ended = live is not None and live.state.ended
        try:
            with Reader(path) as run:
                if run.steps or run.trouble != UNFINISHED:
                    return
        except RecordingError:  # it may not be there yet, or half of its head
            if path.exists() and path.stat().st_size and looks > 10:
                raise
        if ended:
            raise RecordingError("the training has ended without computing anything")
        if looks == 1:
            print(f"waiting for the first op in {clean(str(path))} (Ctrl-C gives up)", file=sys.stderr)
        looks += 1
        sleep(LOOK)
