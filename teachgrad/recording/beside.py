"""The elements of arrays, in a file of their own beside the recording while it grows: `run.tgr-arrays`.

SQLite copies a value into its cache, from there with a checksum into its log, and out of the log into the file. For
the arrays of a training step that takes twice as long as the step; handing them to the operating system takes less than
the step. So arrays of more than `TINY` bytes lie here, one after the other as they came, and the column `place` of the
table `array` says where. A run whose arrays are all tiny has no such file. When the recording is closed, they go into
it, and the file is deleted (`teachgrad.recording.folding`); after a kill there are the two.

Large arrays are written at once; others are copied, and written together. Bytes are only ever appended, and a row is
committed after its bytes are written. What a row names is there, then, for a reader of a growing recording as well as
after the death of the process.
"""

from __future__ import annotations

import os
from io import BytesIO, FileIO
from pathlib import Path

import numpy as np

from ..errors import RecordingError

MAGIC = b"teachgrad arrays"
TINY = 256
"""Arrays of so many bytes are no larger than the rows that tell of them, and stand in these."""
LARGE = 1 << 14
"""From so many bytes on, writing an array by itself is no slower than copying it to be written with others."""
MOST = 1 << 20
"""Bytes of copies that wait at most."""
PIECE = 1 << 16
"""Arrays are compared piece by piece, which stay in the cache."""


def path_beside(recording: Path) -> Path:
    """Where the elements of a recording are, while it grows."""
    return recording.with_name(f"{recording.name}-arrays")


def opened(path: Path) -> FileIO:
    """The file, open for reading. Raises `RecordingError` if it is not there, or another file."""
    try:
        if path.is_file():  # a pipe would wait for somebody to write into it
            file = FileIO(path)
            if file.read(len(MAGIC)) == MAGIC:
                return file
            file.close()
    except OSError as error:
        raise RecordingError(f"cannot open {path}: {error.strerror}") from None
    raise RecordingError(f"{path} is not a file of arrays of a recording")


def make_room(recording: Path) -> None:
    """Remove the arrays of an earlier recording of that name. Any other file is an error."""
    path = path_beside(recording)
    if os.path.lexists(path):
        opened(path).close()
        path.unlink()


class Appender:
    """Writes the file, which comes into being with the first array. What is called may raise `OSError`. Nothing is
    written by processes that are forked from this one.

    Ctrl-C may come at the end of any call. What was written then, and is not counted yet, is written there again.
    """

    def __init__(self, recording: Path) -> None:
        self._path = path_beside(recording)
        self._process = os.getpid()
        self._file: FileIO | None = None
        self._written = self._end = len(MAGIC)
        self._waiting = BytesIO()
        """The bytes between what was written and the end."""

    def append(self, array: np.ndarray) -> int:
        """Take the elements of an array in C order, and say where they begin. Unless it is large, it is only copied,
        and waits for others or for `flush`."""
        place, size = self._end, array.nbytes
        if size < LARGE:
            self._waiting.seek(place - self._written)
            self._waiting.write(array.data)
            self._end = place + size
            if self._end - self._written > MOST:
                self.flush()
        else:
            self.flush()
            self._write(array.data)
            self._written = self._end = place + size
        return place

    def flush(self) -> None:
        """Write all that was taken."""
        length = self._end - self._written
        if length:
            with self._waiting.getbuffer() as memory, memory[:length] as waiting:
                self._write(waiting)
            self._written = self._end

    def _write(self, data: memoryview) -> None:
        if os.getpid() != self._process:
            return
        if self._file is None:
            self._file = FileIO(self._path, "x+")
        if self._written == len(MAGIC):
            self._file.seek(0)
            self._file.write(MAGIC)
        self._file.seek(self._written)
        written = self._file.write(data)
        if written != data.nbytes:  # the disk was full within them; once more says so
            data = data.cast("B")
            while written < data.nbytes:
                written += self._file.write(data[written:])

    def holds(self, place: int, array: np.ndarray) -> bool:
        """Whether exactly these elements were taken before, at this place. (Python compares views byte by byte.)"""
        self.flush()
        assert self._file is not None
        view = array.data.cast("B")
        self._file.seek(place)
        pieces = (view[start : start + PIECE] for start in range(0, view.nbytes, PIECE))
        return all(self._file.read(piece.nbytes) == bytes(piece) for piece in pieces)

    def close(self) -> None:
        if self._file is not None:
            self._file.close()


class Lookup:
    """Reads the file, which may be anybody's, and may still grow."""

    def __init__(self, recording: Path) -> None:
        self.path = path_beside(recording)
        self._file: FileIO | None = None

    def find(self) -> bool:
        """Whether the file is there. From then on it is held, so that it can be read even when it was deleted."""
        if self._file is None and self.path.exists():
            self._file = opened(self.path)
        return self._file is not None

    def read(self, place: int, length: int) -> bytes:
        """The bytes from a place on. Raises `RecordingError` if they are not there."""
        if self._file is None:
            self._file = opened(self.path)
        if place + length > os.fstat(self._file.fileno()).st_size:
            raise RecordingError(f"{self.path} was cut off before the end of the array at {place}")
        try:
            self._file.seek(place)
            return self._file.read(length)
        except OSError as error:
            raise RecordingError(f"{self.path} cannot be read: {error}") from None

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
