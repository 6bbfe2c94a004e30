"""A lock between processes, held on a file. The system releases it when its holder dies, however it dies."""

from __future__ import annotations

import errno
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

POLL = 0.05  # seconds between two attempts; a blocking wait could not be interrupted on every system

if sys.platform == "win32":
    import msvcrt

    def _try_lock(file: IO[bytes]) -> None:
        file.seek(0)
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)

else:
    import fcntl

    def _try_lock(file: IO[bytes]) -> None:
        fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)


@contextmanager
def locked(path: Path, waiting: Callable[[], None]) -> Iterator[None]:
    """Hold the lock on `path`, a file that is made if needed and left behind, and call `waiting` once if it is taken.

    OSError if the file cannot be made or the file system has no locks.
    """
    with path.open("ab") as file:
        patient = False
        while True:
            try:
                _try_lock(file)
                break
            except OSError as error:
                if error.errno not in (errno.EAGAIN, errno.EACCES, errno.EDEADLK):
                    raise
            if not patient:
                waiting()
                patient = True
            time.sleep(POLL)
        yield  # closing the file releases the lock
