"""One file again: at its end, a recording takes in the arrays that lie in the file beside it.

Nothing can be lost on the way. The arrays go into a copy of the recording (`run.tgr-folding`), and one renaming puts it
in the place of the recording; only then is the file beside deleted. Whatever happens before, a kill, a full disk or
Ctrl-C, leaves the two files as they were. (What a kill leaves of the copy goes with the next recording.) The copy needs
no journal, so this costs little more than copying the file beside: for the arrays of an mlp step half or a third of
what one transaction through SQLite's log takes. (With a journal it would be as fast, but whoever opens the file
after a kill would have to change it.)

A reader that has the recording open would never see the copy. While there is one, the arrays go through the log.

Arrays of more than a piece are copied piece by piece into blobs of zeros. That is no slower than giving SQLite whole
ones, and takes no memory. Pages of 64 kB instead of 16 would save a quarter of the time, and make the smallest
recording a megabyte.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
from contextlib import closing
from functools import lru_cache
from io import BufferedReader, FileIO
from itertools import groupby
from pathlib import Path
from typing import Any

from ..errors import RecordingError
from .beside import opened, path_beside
from .checks import array_info

PIECE = 1 << 18
"""So much is copied at once."""
ROWS = 256
"""So many rows are looked up at once."""
PATIENCE_MS = 1000
"""How long a reader may be in the middle of a query."""


def path_of_copy(recording: Path) -> Path:
    """Where the copy is made."""
    return recording.with_name(f"{recording.name}-folding")


def fold(recording: Path, connection: sqlite3.Connection) -> None:
    """Make one file of a recording, to which `connection` has written its last row, and the files beside it.

    Raises `RecordingError`, `OSError` or `sqlite3.Error` where that fails; then all is as it was.
    """
    beside = path_beside(recording)
    whole = not beside.exists()
    connection.execute(f"PRAGMA busy_timeout={PATIENCE_MS}")
    alone = _take_in_log(connection) and _drop_log(connection)
    if whole:
        return
    if alone:
        connection.close()
        _fold_copy(recording)
    else:
        _fold_in_place(recording, connection)
    beside.unlink()


def _fold_copy(recording: Path) -> None:
    copy = path_of_copy(recording)
    copy.touch(exist_ok=False)
    try:
        shutil.copy(recording, copy)
        with closing(sqlite3.connect(copy, isolation_level=None)) as connection:
            connection.execute("PRAGMA synchronous=OFF")
            connection.execute("PRAGMA journal_mode=OFF")
            _move_arrays(recording, connection)
        os.replace(copy, recording)
    except BaseException:
        copy.unlink(missing_ok=True)
        raise


def _fold_in_place(recording: Path, connection: sqlite3.Connection) -> None:
    busy = RecordingError("somebody is in the middle of reading")
    if not _take_in_log(connection):
        raise busy
    try:
        _move_arrays(recording, connection)
    finally:
        taken_in = _take_in_log(connection)  # also to empty it of what was taken back
    if not taken_in:
        raise busy
    _drop_log(connection)


def _move_arrays(recording: Path, connection: sqlite3.Connection) -> None:
    """Put the elements of all arrays where those of tiny ones are, in one transaction."""
    after = f"SELECT id, dtype, shape, place FROM array WHERE id > ? AND place IS NOT NULL ORDER BY id LIMIT {ROWS}"
    number = 0
    with BufferedReader(opened(path_beside(recording)), PIECE) as beside, connection:
        connection.execute("BEGIN IMMEDIATE")
        while found := connection.execute(after, (number,)).fetchall():
            for large, rows in groupby(found, lambda row: _length(row[1], row[2]) > PIECE):
                if large:
                    for row in rows:
                        _move_large(row, beside, connection)
                else:
                    elements = ((_read(beside, place, _length(*kind)), id) for id, *kind, place in rows)
                    connection.executemany("UPDATE array SET data = ?, place = NULL WHERE id = ?", elements)
            number = found[-1][0]
        connection.execute("DELETE FROM about WHERE key = 'arrays'")


def _move_large(row: tuple[Any, ...], beside: BufferedReader[FileIO], connection: sqlite3.Connection) -> None:
    number, dtype, shape, place = row
    length = _length(dtype, shape)
    connection.execute("UPDATE array SET data = zeroblob(?), place = NULL WHERE id = ?", (length, number))
    with connection.blobopen("array", "data", number) as blob:
        for start in range(0, length, PIECE):
            blob.write(_read(beside, place + start, min(PIECE, length - start)))


@lru_cache(maxsize=256)
def _length(dtype: str, shape: str) -> int:
    """The bytes of an array."""
    return array_info(0, (dtype, shape, *[None] * 11)).nbytes


def _read(beside: BufferedReader[FileIO], place: int, length: int) -> bytes:
    beside.seek(place)
    data = beside.read(length)
    if len(data) != length:
        raise RecordingError(f"{beside.name} was cut off before the end of the array at {place}")
    return data


def _take_in_log(connection: sqlite3.Connection) -> bool:
    """Write what is in the log into the file; whether no reader was in the way."""
    busy, _, _ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    return not busy


def _drop_log(connection: sqlite3.Connection) -> bool:
    """Make the file one without a log; whether nobody else has it open, so that this could be done."""
    try:
        connection.execute("PRAGMA journal_mode=DELETE")
    except sqlite3.OperationalError:
        return False
    return True
