"""Opens and closes what a recorder needs to be attached to: at once, or when the process gets a signal."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ...errors import RecordingError, TeachgradError
from ..text import clean
from .endpoint import Endpoint
from .gate import Gate, Place
from .server import Server, Sink

WORDS = ("tcp", "signal", "wait", "spare")


class Live:
    """The live side of one `Recorder`."""

    def __init__(self, how: bool | str) -> None:
        """`how` may hold some of `WORDS`. Raises `RecordingError` for other words."""
        words = set(how.split()) if isinstance(how, str) else set()
        if not isinstance(how, (bool, str)) or words - set(WORDS):
            raise RecordingError(f"live={how!r} is none of True, False, and words out of {', '.join(WORDS)}")
        self._tcp = "tcp" in words
        self._waits = "wait" in words
        self._spares = "spare" in words
        self.on_signal = "signal" in words
        self._gate: Gate | None = None
        self._server: Server | None = None
        self._before: Any = None

    @property
    def address(self) -> str | None:
        """Where a viewer attaches, while it can."""
        return self._server.address if self._server is not None else None

    def open(self, recording: Path, sink: Sink) -> Gate:
        """Listen for viewers, and say where."""

        def place() -> Place | None:
            last = sink.place()
            return None if last is None else Place(*last)

        self._gate = gate = Gate(place, sink.commit)
        if self._waits:
            gate.pause()
        self._server = Server(Endpoint(self._tcp), gate, recording, sink, self._spares)
        self._announce()
        return gate

    def await_signal(self, begin: Callable[[], None]) -> None:
        """Call `begin` when the process gets SIGUSR1; say the address again each time that it comes once more."""
        if not hasattr(signal, "SIGUSR1"):
            raise RecordingError("this system has no SIGUSR1; live=True opens at once")
        if threading.current_thread() is not threading.main_thread():
            raise RecordingError("signals come to the main thread alone; begin to record there, or with live=True")

        def on_signal(number: int, frame: object) -> None:
            try:
                if self._server is None:
                    begin()
                else:
                    self._announce()
            except TeachgradError as error:  # in the middle of the user's code, which has nothing to do with it
                say(f"cannot be attached to: {error}")

        self._before = signal.signal(signal.SIGUSR1, on_signal)
        say(f"to attach later, first  kill -USR1 {os.getpid()}")

    def _announce(self) -> None:
        say(f"attach with  teachgrad inspect {self.address}")

    def end(self) -> None:
        """The run is over: nobody holds it any longer, and no signal opens it."""
        if self._before is not None:
            signal.signal(signal.SIGUSR1, self._before)
            self._before = None
        if self._gate is not None:
            self._gate.end()

    def close(self) -> None:
        """The recording is finished."""
        server, self._server = self._server, None
        if server is not None:
            server.close()


def say(text: str) -> None:
    """A line on stderr."""
    line = f"teachgrad: {clean(text)}\n"
    try:
        sys.stderr.write(line)
        sys.stderr.flush()
    except RuntimeError:  # the signal came while something was being printed
        os.write(2, line.encode(errors="replace"))
    except (OSError, ValueError, AttributeError):  # it is closed, or there is none
        pass
