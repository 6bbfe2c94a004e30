"""Elements lie in a file beside a recording that was not closed: what is there comes back, and what is not is said.

How they become part of the recording is in `test_folding.py`.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest

from teachgrad.recording import Reader, Recorder, RecordingError
from teachgrad.recording.beside import LARGE, MAGIC, MOST, TINY, path_beside

from .runs import leaf, record


def large(seed: int, dtype: str = "float32") -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(LARGE // 4 + seed, 3)).astype(dtype)


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    """What a kill leaves of a recording of three arrays: a small one, and two large ones."""
    running = tmp_path / "running"
    running.mkdir()
    with Recorder(running / "run.tgr", level="values") as recorder:
        for id, array in enumerate([np.arange(5.0), large(0), large(1)], 1):
            leaf(id, array, f"x{id}")
        assert recorder._writer is not None
        recorder._writer.commit()
        for file in running.iterdir():
            if not file.name.endswith("-shm"):
                shutil.copy(file, tmp_path)
    return tmp_path / "run.tgr"


def elements(path: Path) -> list[np.ndarray | None]:
    with Reader(path) as run:
        return [run.values(row.value) for row in run.rows(0)]  # type: ignore[arg-type]


@pytest.mark.parametrize("size", [TINY, TINY + 1, LARGE - 1, LARGE, LARGE + 1])
def test_either_side_of_the_limits(tmp_path: Path, size: int) -> None:
    array = np.random.default_rng(size).integers(0, 256, size).astype(np.uint8)
    with Recorder(tmp_path / "r.tgr", level="values") as recorder:
        leaf(1, array, "x")
        assert path_beside(tmp_path / "r.tgr").exists() == (size >= LARGE)
        assert recorder._writer is not None
        recorder._writer.commit()
        assert path_beside(tmp_path / "r.tgr").exists() == (size > TINY)
    (found,) = elements(tmp_path / "r.tgr")
    assert found is not None
    assert found.tobytes() == array.tobytes()


def test_arrays_that_wait_are_those_of_the_moment(tmp_path: Path) -> None:
    """The run may overwrite an array as soon as it was told, and tell it again."""
    size, count = 1000, 3 * MOST // 4000
    array = np.zeros(size, np.float32)
    expected = []
    with Recorder(tmp_path / "r.tgr", level="values") as recorder:
        for id in range(count):
            array[:] = id % 7 * 100 + np.arange(size) + (id == count - 1)
            expected.append(array.tobytes())
            leaf(id, array, "x")
            if id == 2:
                leaf(count, large(0), "y")  # goes to the file at once, behind those that wait
        array[:] = -1.0
        assert recorder._writer is not None
        recorder._writer.commit()
        with Reader(tmp_path / "r.tgr") as run:
            assert [bytes(found) for found in _of(run) if found.nbytes == 4000] == expected
            assert len({row.value for row in run.rows(0)}) == 7 + 1 + 1
    assert [bytes(found) for found in elements(tmp_path / "r.tgr") if found is not None and found.nbytes == 4000] \
        == expected


def _of(run: Reader) -> list[np.ndarray]:
    found = [run.values(row.value) for row in run.rows(0)]  # type: ignore[arg-type]
    assert all(each is not None for each in found)
    return found  # type: ignore[return-value]


def test_small_ones_in_other_orders(tmp_path: Path) -> None:
    array = np.random.default_rng(0).normal(size=(12, 20)).astype(np.float32)
    views = [array, array.T, array[::2], array.astype(">f4"), array[::-1, 3], array[:0]]
    with Recorder(tmp_path / "r.tgr", level="values"):
        for id, view in enumerate(views):
            leaf(id, view, f"x{id}")
    for found, view in zip(elements(tmp_path / "r.tgr"), views, strict=True):
        assert found is not None
        assert (found.shape, found.tobytes()) == (view.shape, view.astype("<f4").tobytes())


@pytest.mark.parametrize("dtype", ["bool", "int16", "float64", "complex64", ">f8"])
def test_bit_for_bit(tmp_path: Path, dtype: str) -> None:
    array = large(3).astype(dtype)
    with Recorder(tmp_path / "r.tgr", level="values"):
        leaf(1, array, "x")
        leaf(2, array.T, "transposed")
        leaf(3, array[::2], "every other")
    for found, expected in zip(elements(tmp_path / "r.tgr"), (array, array.T, array[::2]), strict=True):
        assert found is not None
        assert found.dtype == array.dtype.newbyteorder("=")
        assert found.tobytes() == expected.astype(found.dtype).tobytes()


def test_the_bytes_are_there_as_they_are(recording: Path) -> None:
    content = path_beside(recording).read_bytes()
    assert content == MAGIC + large(0).tobytes() + large(1).tobytes()


def test_equal_ones_are_stored_once(tmp_path: Path) -> None:
    with Recorder(tmp_path / "r.tgr", level="values"):
        for id in range(6):
            leaf(id, large(id % 2), f"x{id}")
        assert path_beside(tmp_path / "r.tgr").stat().st_size == len(MAGIC) + large(0).nbytes + large(1).nbytes
    for id, found in enumerate(elements(tmp_path / "r.tgr")):
        assert found is not None
        assert found.tobytes() == large(id % 2).tobytes()


def test_a_pair_is_not_changed_by_reading(recording: Path) -> None:
    pair = [recording, Path(f"{recording}-wal"), path_beside(recording)]
    before = [(file.read_bytes(), file.stat().st_mtime_ns) for file in pair]
    assert [found.nbytes for found in elements(recording) if found is not None] == [
        40,
        large(0).nbytes,
        large(1).nbytes,
    ]
    assert [(file.read_bytes(), file.stat().st_mtime_ns) for file in pair] == before


def test_one_that_was_left_behind(recording: Path, tmp_path: Path) -> None:
    moved = tmp_path / "moved"
    moved.mkdir()
    for file in (recording, f"{recording}-wal"):
        shutil.copy(file, moved)
    with Reader(moved / "run.tgr") as run:
        assert run.trouble == f"the elements of all but tiny arrays are missing: there is no {moved / 'run.tgr-arrays'}"
        small, *others = [row.value for row in run.rows(0)]
        assert small is not None
        assert run.values(small) is not None
        for number in others:
            assert number is not None
            assert run.values(number) is None
            assert run.statistics(number) is None
            assert run.array(number).shape[1] == 3
    shutil.copy(path_beside(recording), moved)
    with Reader(moved / "run.tgr") as run:
        assert run.trouble == "recording ended early, or is still being written"
    assert [found is not None for found in elements(moved / "run.tgr")] == [True] * 3


def test_one_that_was_cut(recording: Path) -> None:
    beside = path_beside(recording)
    os.truncate(beside, beside.stat().st_size - 1)
    with Reader(recording) as run:
        small, first, second = [row.value for row in run.rows(0)]
        assert run.values(small) is not None  # type: ignore[arg-type]
        assert run.values(first) is not None  # type: ignore[arg-type]
        with pytest.raises(RecordingError, match="cut off"):
            run.values(second)  # type: ignore[arg-type]


@pytest.mark.parametrize("content", [b"", b"teachgrad", b"x" * 10_000, os.urandom(100_000)])
def test_another_file_in_its_place(recording: Path, content: bytes) -> None:
    path_beside(recording).write_bytes(content)
    with pytest.raises(RecordingError, match="not a file of arrays"):
        elements(recording)


@pytest.mark.parametrize("kind", ["folder", "pipe"])
def test_something_else_in_its_place(recording: Path, kind: str) -> None:
    path_beside(recording).unlink()
    (os.mkdir if kind == "folder" else os.mkfifo)(path_beside(recording))
    with pytest.raises(RecordingError, match="not a file of arrays"):
        elements(recording)


def test_bytes_that_were_changed(recording: Path) -> None:
    content = bytearray(path_beside(recording).read_bytes())
    content[len(MAGIC) + 1] ^= 4
    path_beside(recording).write_bytes(content)
    with pytest.raises(RecordingError, match="not what was recorded"):
        elements(recording)


@pytest.mark.parametrize("place", [0, 1 << 40, (1 << 62) + 1, (1 << 63) - 1])
def test_places_that_are_wrong(recording: Path, place: int) -> None:
    connection = sqlite3.connect(recording, isolation_level=None)
    connection.execute("UPDATE array SET place=? WHERE place IS NOT NULL", (place,))
    connection.close()
    with pytest.raises(RecordingError):
        elements(recording)


def test_a_claim_of_more_than_there_is(recording: Path) -> None:
    connection = sqlite3.connect(recording, isolation_level=None)
    connection.execute("UPDATE array SET shape='8000000000' WHERE place IS NOT NULL")
    connection.close()
    with pytest.raises(RecordingError):
        elements(recording)


def test_a_new_recording_takes_the_place_of_the_old_one(recording: Path) -> None:
    record(recording)
    assert not path_beside(recording).exists()
    with Reader(recording) as run:
        assert run.trouble is None


def test_other_files_are_not_overwritten(tmp_path: Path) -> None:
    thesis = tmp_path / "r.tgr-arrays"
    thesis.write_text("three years of work")
    with pytest.raises(RecordingError, match="not a file of arrays"), Recorder(tmp_path / "r.tgr"):
        pass
    assert thesis.read_text() == "three years of work"


def test_a_full_disk_ends_the_recording_not_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def run() -> None:
        with Recorder(tmp_path / "r.tgr", level="values") as recorder:
            leaf(1, large(0), "x")
            assert recorder._writer is not None
            assert recorder._writer._large._file is not None
            recorder._writer._large._file.close()
            recorder._writer._large._file = open("/dev/full", "wb", buffering=0)  # noqa: SIM115
            leaf(2, large(1), "y")
            leaf(3, 1.0, "z")

    with pytest.warns(UserWarning, match="recording ended early, the run goes on: .*No space left"):
        run()
    with Reader(tmp_path / "r.tgr") as reader:
        assert reader.trouble is not None


def test_a_growing_file_is_read(tmp_path: Path) -> None:
    with Recorder(tmp_path / "r.tgr", level="values") as recorder:
        assert recorder._writer is not None
        leaf(1, large(0), "x")
        recorder._writer.commit()
        with Reader(tmp_path / "r.tgr") as run:
            assert run.values(next(run.rows(0)).value) is not None  # type: ignore[arg-type]
            leaf(2, large(1), "y")
            recorder._writer.commit()
            run.refresh()
            found = run.values(list(run.rows(0))[1].value)  # type: ignore[arg-type]
            assert found is not None
            assert found.tobytes() == large(1).tobytes()


KILLED = """\
import os, signal, sys
import numpy as np
import teachgrad as tg
from teachgrad.recording import Recorder
x = tg.tensor(np.arange(100_000.0), requires_grad=True, name="x")
with Recorder(sys.argv[1], level="values") as recorder:
    for step in range(20):
        y = x * float(step)
    recorder._writer.commit()
    y = x * 77.0
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_killed_run_has_the_elements_of_every_row(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-c", KILLED, str(tmp_path / "r.tgr")], check=False)
    with Reader(tmp_path / "r.tgr") as run:
        assert run.trouble == "recording ended early, or is still being written"
        results = [row for row in run.rows(0) if row.op == "multiply"]
        assert len(results) >= 20
        for step, row in enumerate(results[:20]):
            found = run.values(row.value)  # type: ignore[arg-type]
            assert found is not None
            assert np.array_equal(found, np.arange(100_000.0) * step)


def test_a_forked_process_writes_nothing(tmp_path: Path) -> None:
    with Recorder(tmp_path / "r.tgr", level="values"):
        leaf(1, large(0), "x")
        leaf(2, np.arange(99.0), "one that waits")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # that there are threads
            child = os.fork()
        if child == 0:
            for id in range(2 * MOST // 800):
                leaf(10 + id, np.arange(100.0) + id, "of the child")
            leaf(2, large(2), "of the child")
            leaf(2, large(0), "equal to one of the parent")
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
        leaf(3, large(1), "y")
        leaf(4, np.arange(100.0), "z")
    found = elements(tmp_path / "r.tgr")
    for array, expected in zip(found, (large(0), np.arange(99.0), large(1), np.arange(100.0)), strict=True):
        assert array is not None
        assert array.tobytes() == expected.tobytes()
