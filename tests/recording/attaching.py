"""A training that can be attached to, and a viewer of it."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from teachgrad import observe
from teachgrad.recording import Recorder
from teachgrad.recording.live import endpoint

from .runs import edge, leaf, op, scalar, send

SECONDS = 10.0
ATTACHED = [
    pytest.mark.skipif(not endpoint.HAS_UNIX, reason="there are no Unix sockets"),
    pytest.mark.usefixtures("folder"),
]
"""What goes for a file of tests: it needs Unix sockets, and has them in a folder of its own."""


class Run(threading.Thread):
    """A training on a thread: three rows forward in two modules, two backward, one update; then the next step."""

    def __init__(self, steps: int = 10_000, pause: float = 0.002) -> None:
        super().__init__(daemon=True)
        self.count, self.steps, self.pause = 0, steps, pause
        self.going = True

    def run(self) -> None:
        for step in range(self.steps):
            if not self.going:
                return
            base = 10 * (step + 1)
            leaf(1, 0.5, "w", parameter=True) if step == 0 else None
            op(base, "square", (1,), 0.25 + step, scope="a")
            op(base + 1, "exp", (base,), 1.5, scope="b.c")
            op(base + 2, "log", (base + 1,), 1.5, scope="b.d")
            send(observe.Seed(base + 2, scalar(1.0)))
            edge(base + 2, base + 1, 0, 1.0, 1.0)
            send(observe.Update(1, "w", scalar(0.5)))
            self.count += 1
            time.sleep(self.pause)

    def stop(self) -> None:
        self.going = False
        self.join(SECONDS)
        assert not self.is_alive()


class Client:
    """A viewer that says what it is told to."""

    def __init__(self, address: str, token: str | None = None) -> None:
        if ":" in address:
            host, _, port = address.partition(":")
            self.socket = socket.create_connection((host, int(port)), SECONDS)
        else:
            self.socket = socket.socket(socket.AF_UNIX)
            self.socket.connect(address)
            self.socket.settimeout(SECONDS)
        self.file = self.socket.makefile("rb")
        if token is not None:
            self.say(token=token)

    def raw(self, data: bytes) -> None:
        self.socket.sendall(data)

    def say(self, **message: Any) -> None:
        self.raw(json.dumps(message).encode() + b"\n")

    def hear(self) -> dict[str, Any]:
        """The next message; empty at the end."""
        line = self.file.readline()
        return json.loads(line) if line else {}

    def until(self, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        while not wanted(message := self.hear()):
            assert message, "the connection ended"
        return message

    def paused(self) -> list[int]:
        at: list[int] = self.until(lambda message: message.get("state") == "paused")["at"]
        return at

    def step(self, unit: str) -> list[int]:
        self.say(do="step", unit=unit)
        self.until(lambda message: message.get("state") == "stepping")
        return self.paused()

    def close(self) -> None:
        self.file.close()
        self.socket.close()


def wait_until(condition: Callable[[], bool], seconds: float = SECONDS) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def goes_on(run: Run) -> None:
    before = run.count
    wait_until(lambda: run.count > before + 1)


def attach(recorder: Recorder, token: str | None = None) -> Client:
    assert recorder.address is not None
    return Client(recorder.address, token)
