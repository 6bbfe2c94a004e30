"""Opening a file that a stranger may have made, and asking it questions.

A recording is data: opening one runs no code, changes nothing, and ends in a `RecordingError` whatever the
file holds. Its first bytes must name it a recording of a version that is known; its schema must be word for
word ours, so that it brings no view, trigger or virtual table; SQLite is told to trust nothing. A file that
was cut is read as far as it goes.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

from ..errors import RecordingError
from .beside import Lookup
from .schema import APPLICATION_ID, MAX_BYTES, TABLES, VERSION

MAGIC = b"SQLite format 3\x00"
CHUNK = 1024


class Store:
    """A recording open for reading. `damage` says what is wrong with the file, if it can be read all the
    same."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.damage: str | None = None
        cut = _check_header(path)
        if cut:
            self.damage = "the file was cut off"
        self._lock = threading.RLock()
        self._connection = self._open(cut)
        self._beside = Lookup(path)
        try:
            self._check_schema()
        except BaseException:
            self._connection.close()
            raise

    def close(self) -> None:
        self._connection.close()
        self._beside.close()

    def large_array(self, place: int, length: int) -> bytes:
        """Bytes of the file beside."""
        with self._lock:
            return self._beside.read(place, length)

    def find_large_arrays(self) -> bool:
        """Whether the file beside is there."""
        with self._lock:
            return self._beside.find()

    def rows(self, query: str, *parameters: Any) -> Iterator[tuple[Any, ...]]:
        """The answers to a query, as they come."""
        try:
            with self._lock:
                cursor = self._connection.execute(query, parameters)
                chunk = cursor.fetchmany(CHUNK)
            while chunk:
                yield from chunk
                with self._lock:
                    chunk = cursor.fetchmany(CHUNK)
        except (sqlite3.Error, UnicodeDecodeError, OverflowError) as error:
            raise RecordingError(f"{self.path} is damaged: {error}") from None

    def row(self, query: str, *parameters: Any) -> tuple[Any, ...] | None:
        """The first answer to a query, or None."""
        try:
            with self._lock:
                return self._connection.execute(query, parameters).fetchone()
        except (sqlite3.Error, UnicodeDecodeError, OverflowError) as error:
            raise RecordingError(f"{self.path} is damaged: {error}") from None

    def _open(self, cut: bool) -> sqlite3.Connection:
        """A connection that only reads. Where the folder cannot be written, SQLite needs to be told that
        nobody else writes either."""
        for extra in ("", "&immutable=1"):
            connection = None
            try:
                connection = sqlite3.connect(
                    f"file:{quote(str(self.path.absolute()))}?mode=ro{extra}",
                    uri=True,
                    isolation_level=None,
                    check_same_thread=False,
                    timeout=10.0,
                )
                connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, MAX_BYTES)
                connection.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)
                for pragma in ("trusted_schema=OFF", "cell_size_check=ON", "mmap_size=0", "query_only=ON"):
                    connection.execute(f"PRAGMA {pragma}")
                if cut:
                    connection.execute("PRAGMA writable_schema=ON")  # else SQLite refuses a short file
                connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
                return connection
            except sqlite3.OperationalError as error:
                if connection is not None:
                    connection.close()
                if extra:
                    raise RecordingError(f"{self.path} cannot be opened: {error}") from None
            except (sqlite3.Error, UnicodeDecodeError) as error:
                if connection is not None:
                    connection.close()
                raise RecordingError(f"{self.path} is damaged beyond reading: {error}") from None
        raise AssertionError

    def _check_schema(self) -> None:
        found = dict(self.rows("SELECT name, sql FROM sqlite_master LIMIT 100"))
        if None in found:  # a short file of which SQLite reads what is gone as nothing
            raise RecordingError(f"{self.path} is damaged beyond reading: its list of tables is gone")
        if found != TABLES:
            odd = sorted(str(name) for name in found.keys() ^ TABLES.keys()) or ["the columns"]
            raise RecordingError(f"{self.path} is not a recording as teachgrad makes it: {odd[0]!r} is odd")


def _check_header(path: Path) -> bool:
    """Whether the file is shorter than it says. Raises `RecordingError` if it is no recording, or too new a
    one."""
    try:
        size = path.stat().st_size
        with open(path, "rb") as file:
            head = file.read(100)
        log = Path(f"{path}-wal")
        logged = log.exists() and log.stat().st_size > 0
    except OSError as error:
        raise RecordingError(f"cannot open {path}: {error.strerror}") from None
    if not head:
        raise RecordingError(f"{path} is empty")
    if not head.startswith(MAGIC[: len(head)]) or (
        len(head) == 100 and int.from_bytes(head[68:72], "big") != APPLICATION_ID
    ):
        raise RecordingError(f"{path} is not a recording of teachgrad")
    if len(head) < 100:
        raise RecordingError(f"{path} is damaged beyond reading: only {len(head)} bytes are left of it")
    version = int.from_bytes(head[60:64], "big")
    if version != VERSION:
        age, remedy = ("a newer", "update teachgrad") if version > VERSION else ("an older", "record it anew")
        raise RecordingError(
            f"{path} was made by {age} teachgrad (schema {version}, this one reads {VERSION}); {remedy} to open it"
        )
    page = int.from_bytes(head[16:18], "big")
    return not logged and size < int.from_bytes(head[28:32], "big") * (65536 if page == 1 else page)
