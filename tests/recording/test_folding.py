"""A recording is one file at its end, or whole as two: whatever happens while elements go into it."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from teachgrad.cli import main
from teachgrad.recording import Reader, Recorder, RecordingError, folding
from teachgrad.recording.beside import LARGE, MAGIC, path_beside
from teachgrad.recording.schema import TABLES
from teachgrad.recording.store import Store

from .runs import leaf, record

ARRAYS = [
    np.arange(5.0),
    np.arange(50.0),
    *(np.random.default_rng(seed).normal(size=(LARGE // 4 + seed, 3)).astype(np.float32) for seed in range(5)),
    np.arange(folding.PIECE, dtype=np.int16).reshape(2, -1),  # more than a piece, and an even number of them
    np.arange(folding.PIECE + 1.0, dtype=np.float32),
]


def take() -> None:
    for id, array in enumerate(ARRAYS, 1):
        leaf(id, array, f"x{id}")


def commit(recorder: Recorder) -> None:
    assert recorder._writer is not None
    recorder._writer.commit()


def check(path: Path, trouble: str | None = None) -> None:
    """Every array is there."""
    with Reader(path) as run:
        assert run.trouble == trouble
        check_elements(run)


def check_elements(run: Reader) -> None:
    rows = list(run.rows(0))
    assert len(rows) == len(ARRAYS)
    for row, array in zip(rows, ARRAYS, strict=True):
        found = run.values(row.value)  # type: ignore[arg-type]
        assert found is not None
        assert (found.shape, found.dtype, found.tobytes()) == (array.shape, array.dtype, array.tobytes())


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run.tgr"


def test_one_file_at_the_end(path: Path) -> None:
    with Recorder(path, level="values"):
        take()
        assert path_beside(path).read_bytes() == MAGIC + b"".join(array.tobytes() for array in ARRAYS[1:])
    assert names(path.parent) == ["run.tgr"]
    check(path)
    connection = sqlite3.connect(path)
    assert dict(connection.execute("SELECT name, sql FROM sqlite_master")) == TABLES
    assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("delete",)
    assert connection.execute("SELECT count(*) FROM array WHERE place IS NOT NULL OR data IS NULL").fetchone() == (0,)
    connection.close()


def test_it_may_be_moved_and_keeps_its_permissions(path: Path, tmp_path: Path) -> None:
    with Recorder(path, level="values"):
        take()
        path.chmod(0o600)
    assert path.stat().st_mode & 0o777 == 0o600
    (tmp_path / "elsewhere").mkdir()
    check(shutil.move(path, tmp_path / "elsewhere" / "other.tgr"))


def test_a_run_that_changes_its_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)
    with Recorder("run.tgr", level="values"):
        monkeypatch.chdir("elsewhere")
        take()
    assert names(tmp_path) == ["elsewhere", "run.tgr"]
    assert names(tmp_path / "elsewhere") == []
    check(tmp_path / "run.tgr")


# ---- with readers ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("looked", [False, True])
def test_a_reader_in_this_process_goes_on(path: Path, looked: bool) -> None:
    with Recorder(path, level="values") as recorder:
        take()
        commit(recorder)
        run = Reader(path)
        if looked:
            check_elements(run)
            run._arrays._elements.clear()
    assert not path_beside(path).exists()
    check_elements(run)
    run.refresh()
    assert run.trouble is None
    run._arrays._elements.clear()
    check_elements(run)
    run.close()
    check(path)


def test_a_reader_that_came_before_the_arrays(path: Path) -> None:
    with Recorder(path, level="values") as recorder:
        commit(recorder)
        run = Reader(path)
        take()
    assert not path_beside(path).exists()
    run.refresh()
    check_elements(run)
    run.close()


READING = """\
import sys
from teachgrad.recording import Reader
run = Reader(sys.argv[1])
rows = list(run.rows(0))
some = run.values(rows[1].value).tobytes()
print("open", flush=True)
sys.stdin.readline()
run._arrays._elements.clear()
assert run.values(rows[1].value).tobytes() == some
run.refresh()
assert run.trouble is None, run.trouble
print(sum(run.values(row.value).nbytes for row in run.rows(0)))
"""


def test_a_reader_in_another_process_goes_on(path: Path) -> None:
    with Recorder(path, level="values") as recorder:
        take()
        commit(recorder)
        command = [sys.executable, "-c", READING, str(path)]
        reader = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert reader.stdout is not None
        assert reader.stdout.readline() == "open\n"
    assert not path_beside(path).exists()
    check(path)
    assert reader.communicate("\n")[0] == f"{sum(array.nbytes for array in ARRAYS)}\n"
    assert reader.returncode == 0


def test_a_reader_in_the_middle_of_a_query(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folding, "PATIENCE_MS", 10)
    recorder = Recorder(path, level="values").__enter__()
    take()
    commit(recorder)
    reader = sqlite3.connect(path, isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM event").fetchone()
    with pytest.warns(UserWarning, match=r"stayed beside .*run\.tgr-arrays.*: somebody is in the middle") as warned:
        recorder.__exit__(None, None, None)
    assert len(warned) == 1
    assert path_beside(path).exists()
    check(path)
    reader.close()


def test_opening_while_the_two_become_one(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A reader opens the recording just before the renaming, and looks for the file beside after it was deleted."""
    pair = tmp_path / "pair" / "run.tgr"
    pair.parent.mkdir()
    with Recorder(path, level="values") as recorder:
        take()
        commit(recorder)
        for file in (path, f"{path}-wal", path_beside(path)):
            shutil.copy(file, pair.parent)
    connection = sqlite3.connect(pair, isolation_level=None)
    connection.execute("PRAGMA journal_mode=DELETE")
    find = Store.find_large_arrays

    def late(store: Store) -> bool:
        if path_beside(pair).exists():
            folding.fold(pair, connection)
            assert names(pair.parent) == ["run.tgr"]
        return find(store)

    monkeypatch.setattr(Store, "find_large_arrays", late)
    check(pair, "recording ended early, or is still being written")


# ---- what goes wrong ---------------------------------------------------------------------------------------


@contextmanager
def limit_on_files(size: int) -> Iterator[None]:
    """Writing beyond so many bytes of a file fails, as it does on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("attached", [False, True])
def test_a_full_disk(path: Path, attached: bool) -> None:
    recorder = Recorder(path, level="values").__enter__()
    take()
    commit(recorder)
    reader = Reader(path) if attached else None
    beside = path_beside(path).read_bytes()
    with (
        pytest.warns(UserWarning, match="the recording is whole, but .* needs what stayed beside it") as warned,
        limit_on_files(len(beside) // 2),
    ):
        recorder.__exit__(None, None, None)
    assert len(warned) == 1
    assert path_beside(path).read_bytes() == beside
    assert not folding.path_of_copy(path).exists()
    check(path)
    if reader is not None:
        assert Path(f"{path}-wal").stat().st_size == 0
        check_elements(reader)
        reader.close()
    check(path)


def interrupting(function: Callable[..., object], after: int) -> Callable[..., object]:
    """A function that Ctrl-C interrupts after some calls."""
    calls = iter(range(after))

    def interrupted(*arguments: object) -> object:
        if next(calls, None) is None:
            signal.raise_signal(signal.SIGINT)
        return function(*arguments)

    return interrupted


@pytest.mark.parametrize("attached", [False, True])
def test_control_c(path: Path, attached: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    recorder = Recorder(path, level="values").__enter__()
    take()
    commit(recorder)
    reader = Reader(path) if attached else None
    beside = path_beside(path).read_bytes()
    monkeypatch.setattr(folding, "_read", interrupting(folding._read, 3))
    with (
        pytest.warns(UserWarning, match=r"stayed beside .*run\.tgr-arrays.*: KeyboardInterrupt") as warned,
        pytest.raises(KeyboardInterrupt),
    ):
        recorder.__exit__(None, None, None)
    assert len(warned) == 1
    assert path_beside(path).read_bytes() == beside
    assert not folding.path_of_copy(path).exists()
    if reader is not None:
        check_elements(reader)
        reader.close()
    check(path)


def test_control_c_under_the_run_command(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = tmp_path / "script.py"
    script.write_text("import teachgrad as tg\ntg.ones(10_000, requires_grad=True) * 2.0\n")
    monkeypatch.setattr(folding, "_read", interrupting(folding._read, 0))
    with pytest.warns(UserWarning, match="KeyboardInterrupt"):
        status = main(["run", "--record", str(path), str(script)])
    assert status == 130
    with Reader(path) as run:
        assert run.trouble is None


KILLED = """\
import os, signal, sys
from pathlib import Path
from teachgrad.recording import Reader, Recorder, beside, folding
from tests.recording.test_folding import commit, take
path, function, calls, attached = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), sys.argv[4] == "True"
where = os if function in ("replace", "unlink") else folding
original = getattr(where, function)
def kill(*arguments):
    global calls
    calls -= 1
    if calls < 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return original(*arguments)
with Recorder(path, level="values") as recorder:
    take()
    commit(recorder)
    reader = Reader(path) if attached else None
    setattr(where, function, kill)
"""


@pytest.mark.parametrize("attached", [False, True])
@pytest.mark.parametrize(("function", "calls"), [
    ("_take_in_log", 0), ("_drop_log", 0), ("_read", 0), ("_read", 3), ("_read", 9), ("replace", 0), ("unlink", 0),
])  # fmt: skip
def test_a_kill_at_any_time(path: Path, function: str, calls: int, attached: bool) -> None:
    """Either the two files are as they were, or the recording is one."""
    if function == "replace" and attached:
        function, calls = "_take_in_log", 2  # after the transaction, before it is in the file
    command = [sys.executable, "-c", KILLED, str(path), function, str(calls), str(attached)]
    ended = subprocess.run(command, check=False, stderr=subprocess.PIPE)
    assert ended.returncode == -signal.SIGKILL, ended.stderr
    assert path_beside(path).read_bytes() == MAGIC + b"".join(array.tobytes() for array in ARRAYS[1:])
    before = {name: (path.parent / name).read_bytes() for name in names(path.parent) if not name.endswith("-shm")}
    check(path)
    after = {name: (path.parent / name).read_bytes() for name in names(path.parent) if not name.endswith("-shm")}
    assert after == before
    if function == "unlink":
        path_beside(path).unlink()
        check(path)
    record(path)
    assert names(path.parent) == ["run.tgr"]


@pytest.mark.parametrize("early", [False, True])
def test_another_file_where_the_copy_goes_is_left_alone(path: Path, early: bool) -> None:
    thesis = folding.path_of_copy(path)
    if early:
        thesis.write_text("three years of work")
        with pytest.raises(RecordingError, match=r"run\.tgr-folding exists and is not a recording"), Recorder(path):
            pass
    else:
        recorder = Recorder(path, level="values").__enter__()
        take()
        thesis.write_text("three years of work")
        with pytest.warns(UserWarning, match="stayed beside .*File exists"):
            recorder.__exit__(None, None, None)
        check(path)
    assert thesis.read_text() == "three years of work"
    assert os.path.exists(path_beside(path)) != early
