"""Rows into the file.

Rows are collected and committed a few times a second; so what was seen is soon safe from the death of the process, and
visible to readers. A thread keeps the time. It only says that a commit is due, and the next row brings it about: as
long as there are rows, nobody waits for a lock or for the interpreter. It commits by itself when no more come.

Each kind of row has a statement of its own that binds what the kind has. A value that is bound costs a tenth of a
microsecond, and None three times that, so a statement for all columns would take twice as long.

What there is much of waits for the commit as it came, and is worked off together: statistics of small arrays
(`teachgrad.recording.summaries`), elements of those that are not large (`teachgrad.recording.beside`).

Writing on another thread was tried: it copies every array once more, the two threads drive each other's data out of the
cache, and a step took half as long again.
Making the rows of many events in one go was tried, too, and was no faster.
"""

from __future__ import annotations

import os
import platform
import sqlite3
import sys
import threading
from pathlib import Path
from time import time
from typing import Any

import numpy as np

from ..errors import RecordingError
from ..version import __version__
from . import beside
from .fingerprint import fingerprint
from .folding import fold, path_of_copy
from .kinds import Kind
from .schema import APPLICATION_ID, KINDS, MAX_TEXT, REQUIRES_GRAD, TABLES, VERSION, Level
from .summaries import Summaries

COMMIT_ROWS = 4096
"""So many rows of one kind, and no more, wait for a commit."""
INTERVAL = 0.2
REMEMBERED = 1 << 16
"""How many of the latest arrays a new one is compared with."""


def _insert(table: str, columns: str, **fixed: int) -> str:
    """A statement that binds some columns. Those that end in a question mark are text, and null where it is empty."""
    bound = columns.split()
    names = ", ".join([*(name.rstrip("?") for name in bound), *fixed])
    values = ", ".join([*("nullif(?, '')" if name.endswith("?") else "?" for name in bound), *map(str, fixed.values())])
    return f"INSERT INTO {table} ({names}) VALUES ({values})"


KIND = {name: number for number, name in enumerate(KINDS)}
STATEMENTS = {
    "about": "INSERT OR REPLACE INTO about VALUES (?, ?)",
    "leaf": _insert("event", "step row phase vertex name? flags value", kind=KIND["leaf"]),
    "op": _insert("event", "step row phase vertex op name? scope? inputs attrs? site flags value", kind=KIND["op"]),
    "seed": _insert("event", "step row phase vertex value", kind=KIND["seed"], flags=0),
    "edge": _insert("event", "step row phase vertex source edge value delta incoming", kind=KIND["edge"], flags=0),
    "deposit": _insert("event", "step row phase vertex value delta", kind=KIND["deposit"], flags=0),
    "update": _insert("event", "step row phase vertex name? value", kind=KIND["update"], flags=REQUIRES_GRAD),
    "description": _insert("array", "id dtype shape"),
    "marked": _insert("array", "id dtype shape fingerprint"),
    "statistics": _insert("array", "id dtype shape minimum maximum mean std zeros nans infs counted"),
    "small": _insert("array", "id dtype shape fingerprint data"),
    "large": _insert("array", "id dtype shape fingerprint place"),
    "site": _insert("site", "id file line function first last text"),
    "source": "INSERT OR IGNORE INTO source VALUES (?, ?)",
    "rewrite": _insert("rewrite", "step row pass rule before after site"),
    "program": _insert("program", "step row account"),
    "alloc": _insert("memory", "step row vertex bytes place"),
    "free": _insert("memory", "step row vertex"),
    "kernel": _insert("kernel", "step row name vertices seconds"),
}
"""How each kind of row is written, in the order in which a commit does it."""


class Writer:
    """Creates the file and fills it. Its callers take turns, by `lock`.

    `error` is what went wrong while writing; nothing is written after it. `apart` is why, at the end, elements
    stayed in the file beside.
    """

    def __init__(self, path: Path, facts: dict[str, str]) -> None:
        self.lock = threading.RLock()
        self.error: Exception | None = None
        self.apart: BaseException | None = None
        self._path = path = path.absolute()  # the run may change its directory
        self._connection = create(path, facts)
        self._process = os.getpid()
        self._rows: dict[str, list[tuple[Any, ...]]] = {kind: [] for kind in STATEMENTS}
        self._due = False
        self._arrays = 0
        self.stored = 0
        """Bytes of elements, of all arrays together."""
        self._summaries = Summaries(self._rows["statistics"])
        self._large = beside.Appender(path)
        self._seen: dict[tuple[bytes | int, str, str], tuple[int, int]] = {}
        """The number and the place in the file beside of the latest arrays, by their elements if they are tiny, else by
        their fingerprint."""
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="teachgrad-recorder", daemon=True)
        self._thread.start()

    def add(self, kind: str, row: tuple[Any, ...]) -> None:
        """Take a row."""
        rows = self._rows[kind]
        rows.append(row)
        if self._due or len(rows) >= COMMIT_ROWS:
            self.commit()

    def add_description(self, kind: Kind) -> int:
        """Give arrays of a kind, of which no more is kept, a number."""
        self._arrays = number = self._arrays + 1
        self._rows["description"].append((number, kind.dtype, kind.shape))
        return number

    def add_mark(self, kind: Kind, mark: int) -> int:
        """Give an array a number that can be computed again. Of its elements only this is kept."""
        self._arrays = number = self._arrays + 1
        self._rows["marked"].append((number, kind.dtype, kind.shape, mark))
        return number

    def add_statistics(self, kind: Kind, array: np.ndarray) -> int:
        """Take the statistics of an array, and give it a number."""
        self._arrays = number = self._arrays + 1
        self._summaries.add(number, kind, array)
        return number

    def add_array(self, kind: Kind, array: np.ndarray) -> int:
        """Take the elements of an array; the number of it, or of an equal one that is there already."""
        dtype, shape, size, as_stored = kind
        if not (as_stored and array.flags.c_contiguous):
            array = kind.stored(array)
        mark, data = (None, array.tobytes()) if size <= beside.TINY else (fingerprint(array.data, size), b"")
        key = (data if mark is None else mark, dtype, shape)
        known = self._seen.get(key)
        if known is not None and (mark is None or self._holds(known[1], array)):
            return known[0]
        self._arrays = number = self._arrays + 1
        self.stored += size
        place = 0
        if mark is None:
            self._rows["small"].append((number, dtype, shape, fingerprint(data, size), data))
        else:
            try:
                place = self._large.append(array)
            except OSError as error:
                self.error = error
            if place == len(beside.MAGIC):
                self._rows["about"].append(("arrays", "beside"))
            self._rows["large"].append((number, dtype, shape, mark, place))
        self._seen[key] = number, place
        if len(self._seen) > REMEMBERED:
            del self._seen[next(iter(self._seen))]
        return number

    def commit(self) -> None:
        """Make what was taken safe."""
        self._due = False
        self._summaries.finish()
        waiting = [(STATEMENTS[kind], rows) for kind, rows in self._rows.items() if rows]
        if not waiting:
            return
        if self._alive():
            try:
                self._large.flush()
                with self._connection as connection:  # Ctrl-C undoes what is not committed, and it is written later
                    connection.execute("BEGIN IMMEDIATE")
                    for statement, rows in waiting:
                        connection.executemany(statement, rows)
                    self._forget()
            except (sqlite3.Error, OSError) as error:
                self.error = error
        else:
            self._forget()

    def _forget(self) -> None:
        for rows in self._rows.values():
            rows.clear()

    def close(self) -> None:
        """Write what is left and make the recording one file, with neither arrays nor a write-ahead log beside it."""
        if os.getpid() != self._process:  # the file belongs to the process that this one was forked from
            return
        self._closing.set()
        self._thread.join()
        self._rows["about"].append(("finished", "yes"))
        self.commit()
        self._large.close()
        try:
            if self.error is None:
                fold(self._path, self._connection)
        except (RecordingError, OSError, sqlite3.Error) as error:
            self.apart = error
        except BaseException as interrupt:
            self.apart = interrupt
            raise
        finally:
            self._connection.close()

    def _watch(self) -> None:
        while not self._closing.wait(INTERVAL):
            if not self._due:
                self._due = True
                continue
            with self.lock:  # no row has come since it was due
                self.commit()

    def _holds(self, place: int, array: np.ndarray) -> bool:
        """Whether an array in the file beside has exactly these elements."""
        if not self._alive():
            return False
        try:
            return self._large.holds(place, array)
        except OSError as error:
            self.error = error
            return False

    def _alive(self) -> bool:
        """Whether writing makes sense: nothing went wrong, and this is the process that began the recording."""
        return self.error is None and os.getpid() == self._process


def about(level: Level) -> dict[str, str]:
    """Facts about a recording that begins now."""
    return {
        "level": level,
        "replay": "yes" if level == "replay" else "no",
        "command": " ".join(sys.argv)[:MAX_TEXT],
        "created": str(int(time())),
        "teachgrad": __version__,
        "python": platform.python_version(),
        "numpy": np.__version__,
    }


def create(path: Path, facts: dict[str, str]) -> sqlite3.Connection:
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
        # 16 kB pages and a log of 2 MB, which stays in the cache, are written twice as fast as the defaults.
        connection.execute("PRAGMA page_size=16384")
        connection.execute("BEGIN")
        connection.execute(f"PRAGMA application_id={APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version={VERSION}")
        for statement in TABLES.values():
            connection.execute(statement)
        connection.executemany("INSERT INTO about VALUES (?,?)", facts.items())
        connection.execute("COMMIT")
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA wal_autocheckpoint=128")
    except (sqlite3.Error, OSError) as error:
        raise RecordingError(f"cannot record to {path}: {error}") from None
    return connection


def _make_room(path: Path) -> None:
    """Remove a recording of that name, with what a killed run may have left beside it."""
    copy = path_of_copy(path)
    for present in filter(os.path.lexists, (path, copy)):
        with open(present, "rb") as file:
            head = file.read(100)
        if head and head[68:72] != APPLICATION_ID.to_bytes(4, "big"):
            raise RecordingError(f"{present} exists and is not a recording; remove it or record to another file")
    beside.make_room(path)
    for name in (path, copy, f"{path}-wal", f"{path}-shm", f"{path}-journal"):
        Path(name).unlink(missing_ok=True)
