"""Rows into the file.

Arrays go straight from the run's memory into the database, rows are collected; a commit ends with either when there is
enough of it, or when a fraction of a second has passed. A thread sees to the latter when nothing more happens: what was
seen is soon safe from the death of the process, and visible to readers.

Writing on another thread was tried: it copies every array once more, the two threads drive each other's data out of the
cache, and a step took half as long again.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from pathlib import Path
from time import monotonic
from typing import Any

import numpy as np

from ..errors import RecordingError
from .fingerprint import fingerprint
from .schema import APPLICATION_ID, TABLES, VERSION

COMMIT_BYTES = 2 << 20
"""No more than SQLite keeps in its cache, so that nothing is written twice."""
COMMIT_ROWS = 4096
INTERVAL = 0.2
REMEMBERED = 1 << 16
"""How many of the latest arrays a new one is compared with."""

NO_STATISTICS = (None,) * 8
INSERT = {
    "event": "INSERT INTO event VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
    "array": "INSERT INTO array VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?)",
    "site": "INSERT INTO site VALUES (?,?,?,?,?,?,?)",
    "source": "INSERT OR IGNORE INTO source VALUES (?,?)",
    "rewrite": "INSERT INTO rewrite VALUES (NULL,?,?,?,?,?,?,?)",
    "memory": "INSERT INTO memory VALUES (NULL,?,?,?,?,?)",
    "kernel": "INSERT INTO kernel VALUES (NULL,?,?,?,?,?)",
}


class Writer:
    """Creates the file and fills it. Its callers take turns, by `lock`.

    `error` is what went wrong while writing; nothing is written after it.
    """

    def __init__(self, path: Path, about: dict[str, str]) -> None:
        self.lock = threading.RLock()
        self.error: Exception | None = None
        self._connection = create(path, about)
        self._process = os.getpid()
        self._rows: dict[str, list[tuple[Any, ...]]] = {}
        self._pending = 0
        self._bytes = 0
        self._begun = False
        self._committed = monotonic()
        self._arrays = 0
        self._seen: dict[tuple[int, int, str, str], int] = {}
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="teachgrad-recorder", daemon=True)
        self._thread.start()

    def add(self, table: str, row: tuple[Any, ...]) -> None:
        """Take a row."""
        rows = self._rows.get(table)
        if rows is None:
            rows = self._rows[table] = []
        rows.append(row)
        self._pending += 1
        if self._pending >= COMMIT_ROWS or self._bytes >= COMMIT_BYTES or monotonic() - self._committed > INTERVAL:
            self.commit()

    def add_description(self, dtype: str, shape: str, statistics: tuple[Any, ...]) -> int:
        """Take what is known of an array, without its elements, and give it a number."""
        self._arrays += 1
        self.add("array", (self._arrays, dtype, shape, *statistics, None, None))
        return self._arrays

    def add_array(self, dtype: str, shape: str, array: np.ndarray) -> int:
        """Take the elements of a contiguous array; the number of it, or of an equal one that is there already."""
        data = array.data if array.size else b""
        mark = fingerprint(data)
        key = (mark, array.nbytes, dtype, shape)
        known = self._seen.get(key)
        if known is not None and self._holds(known, data):
            return known
        self._arrays += 1
        self._seen[key] = self._arrays
        if len(self._seen) > REMEMBERED:
            del self._seen[next(iter(self._seen))]
        values = (self._arrays, dtype, shape, *NO_STATISTICS, mark, data)
        self._run(INSERT["array"], values)
        self._bytes += array.nbytes
        return self._arrays

    def commit(self) -> None:
        """Make what was taken safe."""
        self._committed = monotonic()
        if not self._begun and not self._pending:
            return
        rows, self._rows = self._rows, {}
        self._pending = self._bytes = 0
        for table, content in rows.items():
            self._run(INSERT[table], content, many=True)
        if self._begun:
            self._begun = False
            self._run("COMMIT", begin=False)

    def close(self) -> None:
        """Write what is left and make the file one plain file again, without a write-ahead log beside it."""
        if os.getpid() != self._process:  # the file belongs to the process that this one was forked from
            return
        self._closing.set()
        self._thread.join()
        self.commit()
        if self.error is None:
            try:
                self._connection.execute("INSERT OR REPLACE INTO about VALUES ('finished', 'yes')")
                self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
                self._connection.execute("PRAGMA journal_mode=DELETE")
            except sqlite3.OperationalError:
                pass  # somebody is reading: the log stays beside the file, which is just as good
        self._connection.close()

    def _watch(self) -> None:
        while not self._closing.wait(INTERVAL):
            with self.lock:
                if monotonic() - self._committed > INTERVAL:
                    self.commit()

    def _holds(self, number: int, data: memoryview | bytes) -> bool:
        """Whether an array in the file has exactly these bytes."""
        found = self._run("SELECT data FROM array WHERE id = ?", (number,))
        return found is not None and found.fetchone() == (bytes(data),)

    def _run(self, statement: str, values: Any = (), many: bool = False, begin: bool = True) -> sqlite3.Cursor | None:
        """Execute a statement, within a transaction. The first error ends the recording."""
        if self.error is not None or os.getpid() != self._process:
            return None
        try:
            if begin and not self._begun:
                self._connection.execute("BEGIN IMMEDIATE")
                self._begun = True
            execute = self._connection.executemany if many else self._connection.execute
            return execute(statement, values)
        except sqlite3.Error as error:
            self.error = error
            return None


def create(path: Path, about: dict[str, str]) -> sqlite3.Connection:
    """A new file with the tables in it. An older recording of that name is replaced, any other file is left
    alone."""
    try:
        _make_room(path)
        # Opening the file with O_EXCL first: SQLite would follow a link that somebody put there meanwhile.
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o666))
        connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=30.0)
        # Off means that a power cut may lose the file; the death of the process does not. It comes first: with it and
        # no journal, the tables are made in a millisecond, instead of waiting for the disk again and again.
        connection.execute("PRAGMA synchronous=OFF")
        connection.execute("PRAGMA journal_mode=OFF")
        # 16 kB pages and a log of 2 MB, which stays in the cache, write arrays twice as fast as the defaults.
        connection.execute("PRAGMA page_size=16384")
        connection.execute("BEGIN")
        connection.execute(f"PRAGMA application_id={APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version={VERSION}")
        for statement in TABLES.values():
            connection.execute(statement)
        connection.executemany("INSERT INTO about VALUES (?,?)", about.items())
        connection.execute("COMMIT")
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA wal_autocheckpoint=128")
    except (sqlite3.Error, OSError) as error:
        raise RecordingError(f"cannot record to {path}: {error}") from None
    return connection


def _make_room(path: Path) -> None:
    """Remove a recording of that name, with the log that a killed run may have left beside it."""
    if not os.path.lexists(path):
        return
    with open(path, "rb") as file:
        head = file.read(100)
    if head and head[68:72] != APPLICATION_ID.to_bytes(4, "big"):
        raise RecordingError(f"{path} exists and is not a recording; remove it or record to another file")
    for name in (path, f"{path}-wal", f"{path}-shm", f"{path}-journal"):
        Path(name).unlink(missing_ok=True)
