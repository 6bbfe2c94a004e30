"""Starts the server and ends it, with all that it has started.

The server runs in a process group of its own, and each page has an application that is a process in that group: so
one signal ends them all. It also holds the reading end of a pipe from here, and ends the group itself when the pipe is
closed, which happens even if this process is killed: nothing is left behind.
"""

from __future__ import annotations

import os
import secrets
import shlex
import signal
import socket
import subprocess
import sys
import tempfile
import time
from argparse import Namespace
from collections.abc import Iterator
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import IO

from teachgrad.errors import TeachgradError
from teachgrad.extras import how_to_install
from teachgrad.recording.live.endpoint import PORT as ADDRESS

HOST = "127.0.0.1"
PORT = 8000
PATIENCE = 20.0
"""Seconds for the server to come up."""
GRACE = 1.0
"""Seconds for it to end by itself."""


def serve(args: Namespace, path: Path, title: str) -> int:
    """Serve a recording until ctrl+c; then status 0. Raises `TeachgradError` if it cannot be."""
    if find_spec("textual_serve") is None:
        raise TeachgradError(f"a browser needs textual-serve: `{how_to_install('textual_serve')}` brings it")
    if not hasattr(os, "killpg"):
        raise TeachgradError("serving needs process groups, which this system has not; --output tape.html works")
    port, token = _port(args.port), secrets.token_urlsafe(16)
    with tempfile.TemporaryFile() as complaints:
        return _keep(port, token, title, _application(args, path, title), complaints)


def _keep(port: int, token: str, title: str, application: str, complaints: IO[bytes]) -> int:
    """Start the server and wait for ctrl+c."""
    command = [sys.executable, "-m", "teachgrad_inspector.serving.server", str(port), title]
    server = subprocess.Popen([*command, application], stdin=subprocess.PIPE, stderr=complaints, start_new_session=True,
                              env={**os.environ, "TEACHGRAD_TOKEN": token})  # fmt: skip
    try:
        if not _answers(server, port):
            raise TeachgradError(f"the server did not start: {_last_of(complaints)}")
        print(f"{title} is at http://{HOST}:{port}/?token={token}", flush=True)
        print("only this machine can open it; ctrl+c ends it", flush=True)
        status = server.wait()
        raise TeachgradError(f"the server ended with status {status}: {_last_of(complaints)}")
    except KeyboardInterrupt:
        print()
        return 0
    finally:
        end(server)


def end(server: subprocess.Popen[bytes]) -> None:
    """End the process group of the server: politely, then for sure."""
    for number, seconds in ((signal.SIGTERM, GRACE), (signal.SIGKILL, GRACE)):
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(server.pid, number)
        with suppress(subprocess.TimeoutExpired):
            server.wait(seconds)
    if server.stdin is not None:
        server.stdin.close()


def _port(wish: int | None) -> int:
    """The port: the one that is asked for, which must be free; else the usual one, or any that is."""
    for port in (wish,) if wish is not None else (PORT, 0):
        with socket.socket() as probe:
            if os.name == "posix":
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
            except OSError as error:
                if wish is not None:
                    raise TeachgradError(f"port {wish} cannot be had ({error.strerror}); choose another") from None
                continue
            return int(probe.getsockname()[1])
    raise TeachgradError("there is no free port")


def _application(args: Namespace, path: Path, title: str) -> str:
    """The command that shows the recording in a page. `exec`, so that there is no shell between."""
    return "exec " + shlex.join([sys.executable, "-m", "teachgrad", "inspect", _named(path), *_settings(args),
                                 "--title", title])  # fmt: skip


def _named(path: Path) -> str:
    """A file or a socket as any process finds it; a port as it is."""
    return str(path) if ADDRESS.fullmatch(str(path)) else str(path.absolute())


def _settings(args: Namespace) -> Iterator[str]:
    """The settings of the command that concern what a page shows."""
    for name in ("at", "screen", "inside", "filter", "what_if", "compare", "score", "theme"):
        if value := getattr(args, name):
            yield f"--{name.replace('_', '-')}={value}"
    if args.ways is not None:
        yield f"--slice={args.ways}"
    if args.tour is not None:
        yield f"--tour={args.tour}"
    yield from (f"--watch={text}" for text in args.watch)
    yield from (f"--{name}" for name in ("ascii", "predict", "check", "follow") if getattr(args, name))


def _answers(server: subprocess.Popen[bytes], port: int) -> bool:
    """Whether the server comes up."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline and server.poll() is None:
        with suppress(OSError), socket.create_connection((HOST, port), 1.0):
            return True
        time.sleep(0.05)
    return False


def _last_of(complaints: IO[bytes]) -> str:
    """The last line that the server complained with."""
    complaints.seek(0)
    text = complaints.read().decode(errors="replace").strip()
    return text.rpartition("\n")[2] or "it does not say why"
