"""The elements of large arrays, in a file of their own beside the recording while it grows: `run.tgr-arrays`.

SQLite copies a value into its cache, from there with a checksum into its log, and out of the log into the file. For
the arrays of a training step that takes twice as long as the step; handing them to the operating system takes less than
the step. So arrays of `LARGE` bytes and more lie here, one after the other as they came, and the column `place` of the
table `array` says where. A run whose arrays are all small has no such file. When the recording is closed, they go into
it, and the file is deleted (`teachgrad.recording.folding`); after a kill there are the two.

Bytes are only ever appended, and a row is committed after its bytes are written. What a row names is there, then, for
a reader of a growing recording as well as after the death of the process.
"""

from __future__ import annotations

import os
from io import FileIO
from pathlib import Path

from ..errors import RecordingError

MAGIC = b"teachgrad arrays"
LARGE = 1 << 14
"""From so many bytes on, a file of its own is faster than SQLite."""


def path_beside(recording: Path) -> Path:
    """Where the large arrays of a recording are."""
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
    """Writes the file, which comes into being with the first array."""

    def __init__(self, recording: Path) -> None:
        self._path = path_beside(recording)
        self._file: FileIO | None = None
        self._end = 0

    def append(self, data: memoryview) -> int:
        """Write bytes, and say where they begin. Raises `OSError` where that fails."""
        if self._file is None:
            self._file = FileIO(self._path, "x+")
            self._write(self._file, memoryview(MAGIC))
        place = self._end
        self._write(self._file, data)
        return place

    def _write(self, file: FileIO, data: memoryview) -> None:
        written = file.write(data)
        if written != data.nbytes:  # the disk was full within them; once more says so
            data = data.cast("B")
            while written < data.nbytes:
                written += file.write(data[written:])
        self._end += data.nbytes

    def read(self, place: int, length: int) -> bytes:
        """Bytes that were written before."""
        assert self._file is not None
        self._file.seek(place)
        data = self._file.read(length)
        self._file.seek(self._end)
        return data

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
