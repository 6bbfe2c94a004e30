"""Rows into the file, on a thread of their own, so that the training only pays for taking note.

The training threads fill a batch; a thread writes each batch in one transaction. A batch leaves when it is
big, or when a fraction of a second has passed, also if nothing more happens: what was seen is soon safe from
the death of the process. Few batches may wait, so a training that outruns the disk waits too, instead of
filling the memory.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections import deque
from pathlib import Path
from typing import Any

from ..errors import RecordingError
from .fingerprint import fingerprint
from .schema import APPLICATION_ID, TABLES, VERSION

BATCH_BYTES = 4 << 20
BATCH_ROWS = 4096
WAITING = 3
INTERVAL = 0.2
REMEMBERED = 1 << 16
"""How many of the latest arrays a new one is compared with."""

INSERT = {
    "event": "INSERT INTO event VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
    "array": "INSERT INTO array VALUES (?,?,?,?,?,?,?,?,?,?,?,?)",
    "site": "INSERT INTO site VALUES (?,?,?,?,?,?,?)",
    "source": "INSERT OR IGNORE INTO source VALUES (?,?)",
    "rewrite": "INSERT INTO rewrite VALUES (NULL,?,?,?,?,?,?,?)",
    "memory": "INSERT INTO memory VALUES (NULL,?,?,?,?,?)",
    "kernel": "INSERT INTO kernel VALUES (NULL,?,?,?,?,?)",
}


class Stored:
    """An array on its way into the file: `id` is its number there, final once the writer has seen it."""

    __slots__ = ("data", "dtype", "id", "pinned", "shape", "statistics")

    def __init__(self, number: int, dtype: str, shape: str, statistics: tuple[Any, ...], data: bytes | None) -> None:
        self.pinned = False
        """Whether the number has been told to others already, so that an equal array cannot take its
        place."""
        self.id = number
        self.dtype = dtype
        self.shape = shape
        self.statistics = statistics
        self.data = data


class Batch:
    """What goes into the file in one transaction: arrays first, then the rows that mention them."""

    __slots__ = ("arrays", "bytes", "rows", "tables")

    def __init__(self) -> None:
        self.arrays: list[Stored] = []
        self.tables: dict[str, list[tuple[Any, ...]]] = {}
        self.rows = 0
        self.bytes = 0


class Writer:
    """Creates the file and fills it. `error` is what went wrong while writing; nothing is written after
    it."""

    def __init__(self, path: Path, about: dict[str, str]) -> None:
        self._connection = create(path, about)
        self._process = os.getpid()
        self._batch = Batch()
        self._waiting: deque[Batch] = deque()
        self._closing = False
        self._changed = threading.Condition(threading.Lock())
        self._seen: dict[tuple[int, int, str, str], int] = {}
        self.error: Exception | None = None
        self._thread = threading.Thread(target=self._run, name="teachgrad-recorder", daemon=True)
        self._thread.start()

    def add(self, table: str, row: tuple[Any, ...]) -> None:
        """Take a row. `Stored` arrays in it become their numbers when it is written."""
        with self._changed:
            batch = self._batch
            rows = batch.tables.get(table)
            if rows is None:
                rows = batch.tables[table] = []
            rows.append(row)
            batch.rows += 1
            if batch.rows >= BATCH_ROWS or batch.bytes >= BATCH_BYTES:
                self._hand_over()

    def add_array(self, array: Stored) -> None:
        """Take an array, ahead of the rows that mention it."""
        with self._changed:
            self._batch.arrays.append(array)
            if array.data is not None:
                self._batch.bytes += len(array.data)

    def close(self) -> None:
        """Write what is left and make the file one plain file again, without a write-ahead log beside it."""
        if os.getpid() != self._process:  # a fork has neither the thread nor the right to the file
            return
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        self._thread.join()
        if self.error is None:
            try:
                self._connection.execute("INSERT OR REPLACE INTO about VALUES ('finished', 'yes')")
                self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
                self._connection.execute("PRAGMA journal_mode=DELETE")
            except sqlite3.OperationalError:
                pass  # somebody is reading: the log stays beside the file, which is just as good
        self._connection.close()

    def _hand_over(self) -> None:
        batch, self._batch = self._batch, Batch()
        if os.getpid() != self._process:
            return
        while len(self._waiting) >= WAITING:
            self._changed.wait()
        self._waiting.append(batch)
        self._changed.notify_all()

    def _next_batch(self) -> Batch | None:
        """The oldest batch; after a while of nothing, what there is of the present one; None at the end."""
        with self._changed:
            if not self._waiting and not self._closing:
                self._changed.wait(INTERVAL)
            if self._waiting:
                batch = self._waiting.popleft()
                self._changed.notify_all()
                return batch
            batch, self._batch = self._batch, Batch()
            return None if self._closing and not (batch.rows or batch.arrays) else batch

    def _run(self) -> None:
        while (batch := self._next_batch()) is not None:
            if self.error is None and (batch.rows or batch.arrays):
                try:
                    self._write(batch)
                except sqlite3.Error as error:
                    self.error = error

    def _write(self, batch: Batch) -> None:
        execute = self._connection.execute
        execute("BEGIN IMMEDIATE")
        for array in batch.arrays:
            self._write_array(array)
        for table, rows in batch.tables.items():
            if table == "event":
                rows = [(*row[:-3], *[item.id if type(item) is Stored else item for item in row[-3:]]) for row in rows]
            self._connection.executemany(INSERT[table], rows)
        execute("COMMIT")

    def _write_array(self, array: Stored) -> None:
        data, mark = array.data, None
        if data is not None:
            mark = fingerprint(data)
            key = (mark, len(data), array.dtype, array.shape)
            known = self._seen.get(key)
            if known is not None and not array.pinned:
                (before,) = self._connection.execute("SELECT data FROM array WHERE id = ?", (known,)).fetchone()
                if before == data:
                    array.id, array.data = known, None
                    return
            self._seen[key] = array.id
            if len(self._seen) > REMEMBERED:
                del self._seen[next(iter(self._seen))]
        self._connection.execute(INSERT["array"], (array.id, array.dtype, array.shape, *array.statistics, mark, data))
        array.data = None


def create(path: Path, about: dict[str, str]) -> sqlite3.Connection:
    """A new file with the tables in it. An older recording of that name is replaced, any other file is left
    alone."""
    try:
        _make_room(path)
        # Opening the file with O_EXCL first: SQLite would follow a link that somebody put there meanwhile.
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o666))
        connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=30.0)
        # 16 kB pages and a log of 2 MB, which stays in the cache, write arrays twice as fast as the defaults.
        connection.execute("PRAGMA page_size=16384")
        connection.execute(f"PRAGMA application_id={APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version={VERSION}")
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA wal_autocheckpoint=128")
        # Off means that a power cut may lose the file; the death of the process does not.
        connection.execute("PRAGMA synchronous=OFF")
        connection.execute("BEGIN")
        for statement in TABLES.values():
            connection.execute(statement)
        connection.executemany("INSERT INTO about VALUES (?,?)", about.items())
        connection.execute("COMMIT")
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
