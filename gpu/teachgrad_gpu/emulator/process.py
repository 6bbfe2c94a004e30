"""The worker process from this side: starting it, talking to it, and starting another when it is gone."""

from __future__ import annotations

import atexit
import contextlib
import os
import signal
import socket
import struct
import subprocess
import threading
from pathlib import Path

from . import building
from .errors import EmulatorError
from .memory import Segment, arena

HELLO, SEGMENT, FORGET, LOAD, RUN, READ, WRITE = range(1, 8)
OK, ERROR, FAILED, DIED, REPORT, EVENTS = range(100, 106)
HEAD = struct.Struct("=II")
GRACE = 5.0
"""Seconds that a worker has, beyond the time limit of a launch, to say that it was too long."""


class Worker:
    """One process that runs kernels, with what it has been told so far."""

    def __init__(self, portable: bool = False) -> None:
        program = building.worker(portable)
        self.owner = os.getpid()
        self.lock = threading.Lock()
        self.known: set[int] = set()
        self.moved: set[int] = set()
        """Segments that lie at other addresses in the worker than here."""
        self.libraries: dict[Path, tuple[int, str]] = {}
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        with theirs:
            try:
                self.process = subprocess.Popen([program, str(theirs.fileno())], pass_fds=[theirs.fileno()],
                                                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                                stderr=subprocess.DEVNULL, process_group=0)  # fmt: skip
            except OSError as error:
                raise EmulatorError(f"cannot start {program}: {error.strerror}") from error
        self.channel = ours
        kind, self.switching = self.ask(HELLO, b"", limit=60.0)
        if kind != OK:
            raise EmulatorError("the worker that runs kernels did not start")

    @property
    def alive(self) -> bool:
        """Whether it can be asked anything: it runs, and was not inherited by a fork."""
        return self.owner == os.getpid() and self.process.poll() is None and self.channel.fileno() >= 0

    def run(self, request: bytes, limit: float) -> tuple[int, bytes, dict[int, bytes]]:
        """Launch a kernel: the last answer, and those before it by their kinds."""
        told: dict[int, bytes] = {}
        kind, answer = self.ask(RUN, request, limit, told=told)
        return kind, answer, told

    def ask(self, kind: int, payload: bytes, limit: float, descriptor: int | None = None,
            told: dict[int, bytes] | None = None) -> tuple[int, bytes]:  # fmt: skip
        """Send a request and wait for the answer; after `limit` seconds the process is ended.

        Answers that others follow are put into `told`.
        """
        self.channel.settimeout(limit)
        message = HEAD.pack(kind, len(payload)) + payload
        try:
            if descriptor is None:
                self.channel.sendall(message)
            else:
                sent = socket.send_fds(self.channel, [message], [descriptor])
                self.channel.sendall(message[sent:])
            answer = self.hear()
            while told is not None and answer[0] in (FAILED, REPORT, EVENTS):
                told[answer[0]] = answer[1]
                answer = self.hear()
        except TimeoutError:
            self.end()
            return DIED, b"timeout\n0\n0\n0 0 0\n0 0 0\nthe kernel did not end in time\0"
        except OSError:
            answer = DIED, b""
        except BaseException:  # an interrupt: the answer to this request must not be taken for that to the next
            self.end()
            raise
        if answer[0] == DIED:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(2.0)
            self.end()
        return answer

    def hear(self) -> tuple[int, bytes]:
        """The next answer."""
        kind, size = HEAD.unpack(self._receive(HEAD.size))
        return kind, self._receive(size)

    def _receive(self, size: int) -> bytes:
        data = self.channel.recv(size)
        while len(data) < size:
            more = self.channel.recv(min(size - len(data), 1 << 20))
            if not more:
                raise OSError("the worker is gone")
            data += more
        return data

    def know(self, segments: set[int]) -> None:
        """Let the worker see these segments of shared memory, and forget those that are no more."""
        there = {segment.name: segment for segment in arena().segments}
        for name in self.known - there.keys():
            self.ask(FORGET, struct.pack("=Q", name), 60.0)
            self.known.remove(name)
        for name in segments - self.known:
            self._share(there[name])

    def _share(self, segment: Segment) -> None:
        kind, answer = self.ask(SEGMENT, struct.pack("=QQQ", segment.name, segment.size, segment.base), 60.0,
                                segment.file)  # fmt: skip
        if kind != OK:
            raise EmulatorError(f"the worker cannot map shared memory: {answer.decode(errors='replace')}")
        self.known.add(segment.name)
        if answer == b"\0":
            self.moved.add(segment.name)

    def load(self, library: Path) -> tuple[int, str]:
        """Let the worker load a library: its number there, and what it says of itself."""
        if library not in self.libraries:
            kind, answer = self.ask(LOAD, str(library).encode(), 60.0)
            if kind != OK:
                raise EmulatorError(f"cannot load a compiled kernel: {answer.decode(errors='replace')}")
            self.libraries[library] = (len(self.libraries), answer.decode())
        return self.libraries[library]

    def end(self) -> None:
        """End the process, whatever it is doing."""
        self.channel.close()
        if self.owner == os.getpid():
            with contextlib.suppress(OSError):
                self.process.kill()
            self.process.wait()

    @property
    def epitaph(self) -> str:
        """How the process has ended, if it could not say so itself."""
        status = self.process.returncode or 0
        try:
            how = f"was ended by {signal.Signals(-status).name}" if status < 0 else f"has ended with status {status}"
        except ValueError:
            how = f"was ended by signal {-status}"
        return f"the process that runs kernels {how}; the next launch starts another one"


_workers: dict[bool, Worker] = {}
_lock = threading.Lock()


def _after_fork() -> None:
    """Another thread may have held the lock when this process was forked off."""
    global _lock
    _lock = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def worker(portable: bool | None = None) -> Worker:
    """The worker of this interpreter, started if there is none. `TEACHGRAD_EMULATOR_FIBERS=ucontext` asks for the
    portable way of switching threads, which needs no assembly."""
    if portable is None:
        portable = os.environ.get("TEACHGRAD_EMULATOR_FIBERS") == "ucontext"
    with _lock:
        found = _workers.get(portable)
        if found is None or not found.alive:
            found = _workers[portable] = Worker(portable)
        return found


def stop() -> None:
    """End the workers of this interpreter; the next launch starts one again."""
    with _lock:
        for each in _workers.values():
            each.end()
        _workers.clear()


atexit.register(stop)
