"""Files that nobody should trust: foreign, newer, cut, corrupt, lying, and with text that terminals obey."""

from __future__ import annotations

import contextlib
import hashlib
import os
import pickle
import random
import shutil
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from teachgrad.recording import Reader, Recorder, RecordingError, writer
from teachgrad.recording.schema import TABLES, VERSION
from teachgrad.recording.text import clean

from .runs import leaf, record, training


def tampered(path: Path, *statements: str) -> Path:
    """The recording with its contents changed, as a stranger could."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA writable_schema=ON")
    for statement in statements:
        connection.execute(statement)
    connection.close()
    return path


def read_all(path: Path) -> int:
    """Read everything there is, and say how many rows."""
    count = 0
    with Reader(path) as run:
        for step in range(run.steps):
            for row in run.step(step).rows:
                run.label(row), run.attrs(row), run.site(row.site)
                for number in (row.value, row.delta, row.incoming):
                    if number is not None:
                        run.statistics(number), run.values(number)
                count += 1
            list(run.memory(step)), list(run.kernels(step))
        list(run.rewrites())
    return count


class Bomb:
    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return os.mkdir, (str(self.target),)


def test_a_pickle_is_refused_and_not_run(tmp_path: Path) -> None:
    path, target = tmp_path / "run.tgr", tmp_path / "gone off"
    path.write_bytes(pickle.dumps(Bomb(target)))
    with pytest.raises(RecordingError, match="not a recording"):
        Reader(path)
    assert not target.exists()


@pytest.mark.parametrize("content", [b"", b"\0" * 4096, b"SQLite format 3\0", b"x" * 99, os.urandom(10_000)])
def test_foreign_bytes(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "run.tgr"
    path.write_bytes(content)
    with pytest.raises(RecordingError):
        Reader(path)


def test_another_database(tmp_path: Path) -> None:
    path = tmp_path / "run.tgr"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE event (step, row)")
    connection.close()
    with pytest.raises(RecordingError, match="not a recording"):
        Reader(path)


@pytest.mark.parametrize(("version", "message"), [
    (VERSION + 1, rf"a newer teachgrad \(schema {VERSION + 1}, this one reads {VERSION}\); update teachgrad"),
    (VERSION - 1, rf"an older teachgrad \(schema {VERSION - 1}, this one reads {VERSION}\); record it anew"),
])  # fmt: skip
def test_another_version(micrograd: Path, version: int, message: str) -> None:
    tampered(micrograd, f"PRAGMA user_version={version}")
    with pytest.raises(RecordingError, match=message):
        Reader(micrograd)


def test_a_missing_file_and_a_folder(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="No such file"):
        Reader(tmp_path / "nothing.tgr")
    with pytest.raises(RecordingError, match="Is a directory"):
        Reader(tmp_path)


@pytest.mark.parametrize("statement", [
    "CREATE VIEW sneaky AS SELECT 1",
    "CREATE TRIGGER sneaky AFTER INSERT ON event BEGIN SELECT 1; END",
    "CREATE TABLE extra (x)",
    "CREATE INDEX extra ON event (op)",
    "DROP TABLE kernel",
    "DROP TABLE about",
    "ALTER TABLE event ADD COLUMN more",
    "UPDATE sqlite_master SET type='view', sql='CREATE VIEW event AS WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL "
    "SELECT n+1 FROM r) SELECT * FROM r', rootpage=0 WHERE name='event'",
])  # fmt: skip
def test_a_schema_that_is_not_word_for_word_ours(micrograd: Path, statement: str) -> None:
    tampered(micrograd, statement)
    with pytest.raises(RecordingError):
        Reader(micrograd)


CLAIMS = {
    "a dtype that runs code": "UPDATE array SET dtype='object'",
    "an unknown dtype": "UPDATE array SET dtype='V1000000'",
    "a huge shape": "UPDATE array SET shape='1000000,1000000', data=NULL",
    "a huge shape with little data": "UPDATE array SET shape='1000000,1000000'",
    "a negative length": "UPDATE array SET shape='-1,-4'",
    "a shape of words": "UPDATE array SET shape='many'",
    "too many axes": "UPDATE array SET shape='" + ",".join("1" * 100) + "'",
    "too few bytes": "UPDATE array SET data=zeroblob(3)",
    "other bytes": "UPDATE array SET data=zeroblob(4) WHERE id=1",
    "text for bytes": "UPDATE array SET data='abcd'",
    "missing arrays": "DELETE FROM array",
    "statistics of text": "UPDATE array SET zeros='many', minimum='small'",
    "a phase that is none": "UPDATE event SET phase=9",
    "a kind that is none": "UPDATE event SET kind=99",
    "a row of text": "UPDATE event SET vertex='one' WHERE row=3",
    "a row of bytes": "UPDATE event SET name=zeroblob(8) WHERE row=3",
    "inputs that are no numbers": "UPDATE event SET inputs='1,x' WHERE row=2",
    "rows out of order": "UPDATE event SET row=row+1000 WHERE row>5",
    "a missing row": "DELETE FROM event WHERE row=4",
    "gradient from nowhere": "UPDATE event SET source=NULL WHERE row=9",
    "settings that are no JSON": "UPDATE event SET attrs='{' WHERE row=2",
    "settings of unknown kind": """UPDATE event SET attrs='{"a": {"code": "1"}}' WHERE row=2""",
    "settings nested deeply": "UPDATE event SET attrs=replace(hex(zeroblob(30000)), '0', '[') WHERE row=2",
    "settings with a strange dtype": """UPDATE event SET attrs='{"a": {"dtype": "object"}}' WHERE row=2""",
    "a place that is missing": "UPDATE event SET site=77 WHERE row=2",
    "a line of text": "UPDATE site SET line='three'",
    "a place that is nowhere": "UPDATE array SET data=NULL, place=-1",
    "a place and elements": "UPDATE array SET place=16",
    "a place of text": "UPDATE array SET data=NULL, place='first'",
    "memory of text": "INSERT INTO memory VALUES (1, 0, 0, 7, 'many', NULL)",
    "a kernel of no vertices": "INSERT INTO kernel VALUES (1, 0, 0, 'add', '1,x', 0.5)",
    "a kernel that took a word": "INSERT INTO kernel VALUES (1, 0, 0, 'add', '1', 'long')",
    "a rule of bytes": "INSERT INTO rewrite VALUES (1, 0, 0, 'fold', zeroblob(4), 1, 2, NULL)",
    "an unknown level": "UPDATE about SET value='all' WHERE key='level'",
    "text that is not UTF-8": "UPDATE event SET name=CAST(X'ff' AS TEXT) WHERE row=3",
    "endless numbers": "UPDATE event SET inputs=replace(hex(zeroblob(9000)), '0', '9') WHERE row=2",
}


@pytest.mark.parametrize("claim", CLAIMS)
def test_claims_are_refused_quickly(micrograd: Path, claim: str) -> None:
    tampered(micrograd, CLAIMS[claim])
    before = time.perf_counter()
    with pytest.raises(RecordingError):
        read_all(micrograd)
    assert time.perf_counter() - before < 1.0


@pytest.mark.parametrize("statement", [
    "UPDATE event SET vertex=999 WHERE row=3",
    "UPDATE event SET inputs='999,-5' WHERE row=2",
    "UPDATE event SET source=12345 WHERE row=9",
    "UPDATE event SET edge=7 WHERE row=9",
    "UPDATE event SET op='no such op', scope='a.b.c' WHERE kind=1",
    "DELETE FROM source",
    "DELETE FROM event",
    "UPDATE event SET value=NULL, delta=NULL, incoming=NULL",
])  # fmt: skip
def test_odd_but_possible_contents_are_read(micrograd: Path, statement: str) -> None:
    tampered(micrograd, statement)
    read_all(micrograd)


def test_a_file_cut_anywhere_opens_as_far_as_it_goes_or_says_why_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "COMMIT_ROWS", 40)  # many commits, as in a run that takes longer than a test
    whole = tmp_path / "whole.tgr"
    with Recorder(whole, level="values"):
        training(1400)
        leaf(9_000, np.arange(60_000.0), "big")
    size = whole.stat().st_size
    complete = read_all(whole)
    chance = random.Random(7)
    opened = 0
    for cut in [size // 2, size - 1, *(chance.randrange(size) for _ in range(30))]:
        path = tmp_path / "cut.tgr"
        path.write_bytes(whole.read_bytes()[:cut])
        with contextlib.suppress(RecordingError), Reader(path) as run:
            assert run.trouble == "recording ended early: the file was cut off"
            rows = sum(run.length(step) for step in range(run.steps))
            assert rows <= complete
            for step in range(run.steps):
                assert len(run.step(step).rows) == run.length(step)
            opened += rows > 0
    assert opened >= 16


def test_a_file_of_which_only_the_beginning_is_left_is_called_damaged(tmp_path: Path) -> None:
    path = tmp_path / "short.tgr"
    with Recorder(path, level="values"):
        training(1)
    path.write_bytes(path.read_bytes()[:3000])
    with pytest.raises(RecordingError, match="damaged beyond reading: its list of tables is gone"):
        Reader(path)


def test_bytes_that_were_changed_never_end_in_another_error(tmp_path: Path) -> None:
    whole = tmp_path / "whole.tgr"
    with Recorder(whole, level="values"):
        training(60)
    original = whole.read_bytes()
    chance = random.Random(11)
    path = tmp_path / "hurt.tgr"
    for _ in range(150):
        hurt = bytearray(original)
        for _ in range(chance.choice((1, 3, 40))):
            hurt[chance.randrange(len(hurt))] = chance.randrange(256)
        path.write_bytes(hurt)
        with contextlib.suppress(RecordingError):
            read_all(path)


def test_pages_that_form_a_circle_end(tmp_path: Path) -> None:
    path = tmp_path / "r.tgr"
    with Recorder(path):
        training(2000)
    data = bytearray(path.read_bytes())
    page = int.from_bytes(data[16:18], "big")
    connection = sqlite3.connect(path)
    (root,) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name='event'").fetchone()
    connection.close()
    start = (root - 1) * page
    cells = int.from_bytes(data[start + 3 : start + 5], "big")
    assert cells >= 2, "the tree must have more than one level for this test"
    pointers = [int.from_bytes(data[start + 12 + 2 * i : start + 14 + 2 * i], "big") for i in range(cells)]
    first_child = data[start + pointers[0] : start + pointers[0] + 4]
    data[start + pointers[1] : start + pointers[1] + 4] = first_child
    path.write_bytes(data)
    before = time.perf_counter()
    with pytest.raises(RecordingError, match="damaged"):
        read_all(path)
    assert time.perf_counter() - before < 3


def test_reading_changes_nothing(micrograd: Path) -> None:
    before = hashlib.sha256(micrograd.read_bytes()).digest(), micrograd.stat().st_mtime_ns
    read_all(micrograd)
    assert (hashlib.sha256(micrograd.read_bytes()).digest(), micrograd.stat().st_mtime_ns) == before
    assert [path.name for path in micrograd.parent.iterdir()] == [micrograd.name]


def test_two_readers_at_once(micrograd: Path) -> None:
    with Reader(micrograd) as one, Reader(micrograd) as two:
        assert [row.vertex for row in one.rows(0)] == [row.vertex for row in two.rows(0)]


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    path = record(tmp_path / "run.tgr")
    shutil.copy(path, tmp_path / "log.tgr")
    connection = sqlite3.connect(tmp_path / "log.tgr")  # leaves the file in WAL mode, without a log beside it
    connection.execute("PRAGMA journal_mode=WAL")
    connection.close()
    locked = tmp_path / "locked"
    locked.mkdir()
    shutil.move(tmp_path / "log.tgr", locked)
    locked.chmod(0o500)
    try:
        assert read_all(locked / "log.tgr") == 13
    finally:
        locked.chmod(0o700)


def test_the_schema_is_the_documented_one(micrograd: Path) -> None:
    connection = sqlite3.connect(micrograd)
    assert dict(connection.execute("SELECT name, sql FROM sqlite_master")) == TABLES
    assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    connection.close()


@pytest.mark.parametrize(("text", "shown"), [
    ("[bold]x[/] \x1b]0;pwned\x07", "[bold]x[/] \\x1b]0;pwned\\x07"),
    ("a\u202eb", "a\\u202eb"),
    ("zero\u200bwidth\ufeff", "zero\\u200bwidth\\ufeff"),
    ("two\nlines\tand\rmore", "two lines and more"),
    ("e\u0301", "é"),
    ("x\u0300\u0300\u0300", "x\\u0300\\u0300\\u0300"),
    ("wide 数 fine", "wide 数 fine"),
    ("c1 \x9b31m", "c1 \\x9b31m"),
    ("\ud800", "\\ud800"),
    ("\U000e0041", "\\U000e0041"),
])  # fmt: skip
def test_text_is_made_fit_for_a_terminal(text: str, shown: str) -> None:
    assert clean(text) == shown


def test_names_come_out_clean(tmp_path: Path) -> None:
    with Recorder(tmp_path / "r.tgr"):
        leaf(1, 1.0, "[bold]x[/] \x1b]0;pwned\x07")
        leaf(2, 1.0, "\ud800")
    with Reader(tmp_path / "r.tgr") as run:
        names = [run.label(row) for row in run.rows(0)]
    assert names == ["[bold]x[/] \\x1b]0;pwned\\x07", "?"]
