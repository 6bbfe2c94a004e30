"""Where a training listens, and who may come.

On a system with Unix sockets it is one in a folder that only its owner can enter (0700), and itself for the owner only
(0600); where the system tells who is at the other end, that must be the same user. Else, or where that is wanted, it is
a port of the loopback device. Any user of the machine can connect to that, so it asks for a token, which lies in a file
in the same kind of folder: whoever can read it need not be told.
"""

from __future__ import annotations

import errno
import os
import re
import secrets
import socket
import stat
import struct
import sys
import tempfile
from contextlib import closing, suppress
from pathlib import Path

from ...errors import RecordingError

BACKLOG = 64
LOOPBACK = "127.0.0.1"
TOKEN_VARIABLE = "TEACHGRAD_LIVE_TOKEN"
PORT = re.compile(r"(?:127\.0\.0\.1|localhost):(\d{1,5})")
PEER = {"linux": (socket.SOL_SOCKET, getattr(socket, "SO_PEERCRED", 17), 12), "darwin": (0, 1, 128)}
"""How a system is asked who is at the other end. Linux answers with process, user and group; macOS (SOL_LOCAL,
LOCAL_PEERCRED) with a version, the user and more."""
HAS_UNIX = hasattr(socket, "AF_UNIX") and os.name != "nt"


class Endpoint:
    """A listening socket. `address` is what a viewer is told; `token` what it has to say, if anything."""

    def __init__(self, tcp: bool = False) -> None:
        """Raises `RecordingError` if nothing can be opened."""
        self.token: str | None = None
        folder = private_folder()
        try:
            sweep(folder)
            if tcp or not HAS_UNIX:
                self.listener = socket.create_server((LOOPBACK, 0), backlog=BACKLOG)
                port = self.listener.getsockname()[1]
                self.address = f"{LOOPBACK}:{port}"
                self.token = secrets.token_hex(16)
                self._file = token_file(port)
                with open(os.open(self._file, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as file:
                    file.write(self.token)
            else:
                self._file = free_name(folder)
                self.address = str(self._file)
                self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
                self.listener.bind(self.address)
                os.chmod(self._file, 0o600)
                self.listener.listen(BACKLOG)
        except OSError as error:
            remedy = "; a port of the loopback device may do (tcp)" if not tcp and HAS_UNIX else ""
            raise RecordingError(f"cannot listen for viewers in {folder}: {error}{remedy}") from None
        self.listener.setblocking(False)

    def close(self) -> None:
        """Listen no more, and leave nothing behind."""
        self.listener.close()
        with suppress(OSError):
            self._file.unlink()


def private_folder() -> Path:
    """A folder that only this user can enter; made if there is none. Raises `RecordingError` if it is not like that."""
    if os.name == "nt":
        folder = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local") / "teachgrad" / "live"
        folder.mkdir(parents=True, exist_ok=True)
        return folder
    user = os.geteuid()
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    if runtime and os.path.isdir(runtime) and os.stat(runtime).st_uid == user:
        folder = Path(runtime) / "teachgrad"
    else:
        folder = Path(tempfile.gettempdir()) / f"teachgrad-{user}"
    try:
        with suppress(FileExistsError):
            folder.mkdir(mode=0o700)
        found = os.lstat(folder)
    except OSError as error:
        raise RecordingError(f"cannot make the folder {folder} for sockets: {error.strerror}") from None
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != user or found.st_mode & 0o077:
        raise RecordingError(
            f"{folder} is not a folder that only you can enter, so no socket can be there; remove it, or set "
            "XDG_RUNTIME_DIR to a folder of your own"
        )
    return folder


def sweep(folder: Path) -> None:
    """Remove what killed processes have left behind."""
    for old in (*(folder.glob("*.sock") if HAS_UNIX else ()), *folder.glob("*.token")):
        if not _is_heard(old):
            old.unlink(missing_ok=True)


def free_name(folder: Path) -> Path:
    """A name for a socket of this process."""
    number, path = 1, folder / f"{os.getpid()}.sock"
    while path.exists():
        number += 1
        path = folder / f"{os.getpid()}-{number}.sock"
    return path


def _is_heard(path: Path) -> bool:
    """Whether somebody listens at a socket, or at the port of a token, as far as one can tell."""
    unix = path.suffix == ".sock"
    with closing(socket.socket(socket.AF_UNIX if unix else socket.AF_INET, socket.SOCK_STREAM)) as probe:
        probe.settimeout(0.2)
        try:
            probe.connect(str(path) if unix else (LOOPBACK, int(path.stem)))
        except OSError as error:
            return error.errno != errno.ECONNREFUSED
        except (ValueError, OverflowError):  # no file of ours
            return True
    return True


def token_file(port: int) -> Path:
    """Where the token for a port lies."""
    return private_folder() / f"{port}.token"


def peer(connection: socket.socket) -> int | None:
    """The user at the other end of a Unix socket, or None where the system does not tell."""
    question = PEER.get(sys.platform)
    if question is None:
        return None
    level, option, size = question
    user: int = struct.unpack_from("2I", connection.getsockopt(level, option, size))[1]
    return user


def is_stranger(connection: socket.socket) -> bool:
    """Whether another user is at the other end of a Unix socket, or it cannot be known though the system tells."""
    try:
        user = peer(connection)
    except OSError:
        return True
    return user is not None and user != os.geteuid()
