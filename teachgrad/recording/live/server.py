"""Answers viewers: one thread that waits for what they say, and tells them the state of the training.

Whatever comes, the training is not harmed: what cannot be understood is refused, who says too much or does not listen
is cut off, and with the last viewer goes whatever held the training.
"""

from __future__ import annotations

import hmac
import os
import selectors
import shutil
import socket
import sys
import threading
import weakref
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from time import monotonic, sleep
from typing import Any, Protocol

from ..schema import WITH_ELEMENTS, Level
from .endpoint import Endpoint, is_stranger
from .gate import Gate
from .lines import MAX_LINE, VERSION, Command, Lines, Refused, command_of, decode, encode

MOST_VIEWERS = 8
MOST_GUESTS = 8
"""So many connections may have said no token yet; the oldest gives way."""
PATIENCE = 5.0
"""Seconds to say the token in."""
BREATH = 0.05
MOST_SPARED = 8 << 30
"""So many bytes of elements are recorded at most, where disk is to be spared."""
MOST_UNREAD = 1 << 16
"""So many bytes wait for one who does not listen."""


class Viewer:
    """A connection. `known` once it may give commands."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self.known = False
        self.since = monotonic()
        self.lines = Lines(MAX_LINE)
        self.unread = bytearray()
        self.told: Mapping[str, Any] = {}
        self.leaving = False
        """Whether it is cut off as soon as it has read what was said last."""


class Sink(Protocol):
    """What is asked of the recorder."""

    level: Level
    budget: float

    def place(self) -> tuple[int, int, int] | None: ...
    def commit(self) -> None: ...
    def stored(self) -> int: ...
    def set_level(self, level: Level) -> None: ...


class Server:
    """Listens until it is closed."""

    def __init__(self, endpoint: Endpoint, gate: Gate, recording: Path, sink: Sink, spares: bool) -> None:
        """`spares`: elements are recorded only while somebody is attached, and only so many."""
        self.endpoint = endpoint
        self._gate, self._recording, self._sink, self._spares = gate, recording, sink, spares
        self._wanted: Level = sink.level
        """The level while somebody is attached."""
        self._process = os.getpid()
        if spares:
            self._set_level("stats" if sink.level in WITH_ELEMENTS else sink.level)
        self._viewers: list[Viewer] = []
        self._selector = selectors.DefaultSelector()
        self._ear, self._bell = socket.socketpair()
        for end in (self._ear, self._bell):
            end.setblocking(False)
        self._selector.register(endpoint.listener, selectors.EVENT_READ)
        self._selector.register(self._ear, selectors.EVENT_READ)
        self._ending = False
        gate.told = self._ring
        self._thread = threading.Thread(target=self._run, name="teachgrad-live", daemon=True)
        self._thread.start()
        _servers.add(self)

    @property
    def address(self) -> str:
        """What a viewer attaches to."""
        return self.endpoint.address

    def close(self) -> None:
        """Tell the viewers the last state and let them go."""
        if os.getpid() != self._process:
            return
        self._ending = True
        self._ring()
        self._thread.join(PATIENCE)
        self.endpoint.close()
        _servers.discard(self)

    def forget(self) -> None:
        """In a forked child: let go of the connections, which are the parent's, without a word."""
        for viewer in self._viewers:
            viewer.connection.close()
        for end in (self._ear, self._bell, self.endpoint.listener):
            end.close()

    def _ring(self) -> None:
        """Have the thread look."""
        with suppress(OSError):  # it has been rung for already
            self._bell.send(b"!")

    # ---- in the thread -----------------------------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            while not self._ending:
                waiting = any(not viewer.known or viewer.unread for viewer in self._viewers)
                for key, _ in self._selector.select(1.0 if waiting else None):
                    if key.fileobj is self._ear:
                        with suppress(BlockingIOError):
                            self._ear.recv(4096)
                    elif key.fileobj is self.endpoint.listener:
                        self._welcome()
                    else:
                        self._hear(key.data)
                self._see_off()
                self._tell()
            self._tell()
        finally:
            self._gate.open()  # with nobody there who could open it
            for viewer in list(self._viewers):
                self._drop(viewer)
            self._selector.close()
            for end in (self._ear, self._bell):
                end.close()

    def _welcome(self) -> None:
        try:
            connection, _ = self.endpoint.listener.accept()
        except OSError:  # gone again; or there are too many open files, which takes a while to pass
            sleep(BREATH)
            return
        connection.setblocking(False)
        viewer = Viewer(connection)
        self._viewers.append(viewer)
        self._selector.register(connection, selectors.EVENT_READ, viewer)
        if self.endpoint.token is None:
            if is_stranger(connection):
                self._refuse(viewer, "this training belongs to another user")
            else:
                self._greet(viewer)
        guests = [viewer for viewer in self._viewers if not viewer.known]
        for guest in guests[:-MOST_GUESTS]:
            self._drop(guest)

    def _hear(self, viewer: Viewer) -> None:
        try:
            data = viewer.connection.recv(MAX_LINE)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._drop(viewer)
            return
        if viewer.leaving:
            return
        try:
            for line in viewer.lines.feed(data):
                message = decode(line)
                if viewer.known:
                    self._do(viewer, message)
                elif not viewer.leaving:
                    self._admit(viewer, message)
        except Refused as refusal:
            self._refuse(viewer, str(refusal))

    def _admit(self, viewer: Viewer, message: Mapping[str, Any]) -> None:
        """Look at the token of somebody new."""
        said, token = message.get("token"), self.endpoint.token or ""
        if type(said) is not str or not hmac.compare_digest(said.encode(errors="replace"), token.encode()):
            self._refuse(viewer, "the token is not that of this training")
        else:
            self._greet(viewer)

    def _greet(self, viewer: Viewer) -> None:
        if sum(other.known for other in self._viewers) >= MOST_VIEWERS:
            self._refuse(viewer, f"{MOST_VIEWERS} viewers are attached already")
        else:
            viewer.known = True
            if self._spares:
                self._set_level(self._wanted)
            title = os.path.basename(sys.argv[0]) or "python"
            self._say(viewer, {"teachgrad": VERSION, "recording": str(self._recording), "title": title,
                               "pid": self._process})  # fmt: skip

    def _do(self, viewer: Viewer, message: Mapping[str, Any]) -> None:
        try:
            command = command_of(message)
        except Refused as refusal:
            self._say(viewer, {"refused": str(refusal)})
            return
        self._obey(command)

    def _obey(self, command: Command) -> None:
        if command.do == "pause":
            self._gate.pause()
        elif command.do == "resume":
            self._gate.open()
        elif command.do == "step":
            self._gate.step(command.unit)
        else:
            self._wanted = command.level
            self._set_level(command.level)

    def _set_level(self, level: Level) -> None:
        if self._spares and level in WITH_ELEMENTS:
            free = 0
            with suppress(OSError):  # somebody has removed the folder
                free = shutil.disk_usage(self._recording.parent).free
            self._sink.budget = self._sink.stored() + min(MOST_SPARED, free // 2)
        self._sink.set_level(level)

    # ---- saying ------------------------------------------------------------------------------------------------------

    def _tell(self) -> None:
        """Tell the state to those who know another one."""
        at = self._gate.at
        state = {"state": self._gate.state, "at": None if at is None else [at.step, at.row], "level": self._sink.level,
                 "viewers": sum(viewer.known for viewer in self._viewers)}  # fmt: skip
        for viewer in list(self._viewers):
            if viewer.known and not viewer.leaving and viewer.told != state:
                viewer.told = state
                self._say(viewer, state)

    def _say(self, viewer: Viewer, message: Mapping[str, Any]) -> None:
        viewer.unread += encode(message)
        self._send(viewer)

    def _send(self, viewer: Viewer) -> None:
        try:
            sent = viewer.connection.send(viewer.unread)
            del viewer.unread[:sent]
        except BlockingIOError:
            pass
        except OSError:
            self._drop(viewer)
            return
        if len(viewer.unread) > MOST_UNREAD:
            self._drop(viewer)

    def _refuse(self, viewer: Viewer, why: str) -> None:
        """Say why, and cut the connection. What still comes is read for a moment: closed over unread bytes, a
        connection would be reset, and the answer lost."""
        self._say(viewer, {"refused": why})
        viewer.leaving, viewer.since = True, monotonic()
        self._no_longer(viewer)
        with suppress(OSError):
            viewer.connection.shutdown(socket.SHUT_WR)

    def _see_off(self) -> None:
        """Send what waits, and drop who takes too long."""
        for viewer in list(self._viewers):
            if viewer.unread and not viewer.leaving:
                self._send(viewer)
            if (viewer.leaving or not viewer.known) and monotonic() - viewer.since > PATIENCE:
                self._drop(viewer)

    def _drop(self, viewer: Viewer) -> None:
        if viewer in self._viewers:
            self._viewers.remove(viewer)
            self._selector.unregister(viewer.connection)
            viewer.connection.close()
            self._no_longer(viewer)

    def _no_longer(self, viewer: Viewer) -> None:
        """A connection may command no longer. With the last one goes whatever held the training."""
        was_known, viewer.known = viewer.known, False
        if was_known and not any(other.known for other in self._viewers):
            if self._spares and self._sink.level in WITH_ELEMENTS:
                self._set_level("stats")
            self._gate.open()


_servers: weakref.WeakSet[Server] = weakref.WeakSet()


def _forget_all() -> None:
    for server in list(_servers):
        server.forget()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_all)
