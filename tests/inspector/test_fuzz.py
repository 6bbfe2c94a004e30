"""Recordings changed at random, by byte and by field: every screen shows what it can, or says what is wrong.

Whatever is in a file, only a `TeachgradError` may come out, no warning, and the file stays as it is.
"""

from __future__ import annotations

import hashlib
import random
import shutil
import sqlite3
import warnings
from pathlib import Path

import pytest

from teachgrad.errors import TeachgradError
from teachgrad.recording import Moment, Reader
from teachgrad_inspector import navigation
from teachgrad_inspector.glyphs import ASCII, UNICODE
from teachgrad_inspector.queries import query
from teachgrad_inspector.screens import SCREENS, document, frame
from teachgrad_inspector.session import Session
from teachgrad_inspector.slicing import slice_at
from teachgrad_inspector.stops import resolve, stop
from teachgrad_inspector.views.compare import Other
from teachgrad_inspector.views.options import Edit, Options

from .runs import make
from .test_recomputed import record

STRINGS = ["", "\x1b]0;x\x07", "[bold]", "1,1,1", "-1", "x" * 5000, "数" * 40, "\u200b", "fc1.weight", "matmul", "sum",
           "relu", "softmax", "fwd", '{"axis": {"tuple": [9]}}', '{"shape": {"tuple": [99999999999]}}', "{", "NaN",
           "0,0,0,0", "9" * 30, '{"axis": 1e300}', '{"axis": {"array": 1}}']  # fmt: skip
NUMBERS = [None, 0, 1, -1, 2, 3, 5, 7, 17, 1 << 31, 1 << 61, -(1 << 62), 1.5, float("inf")]
TABLES = ("event", "array", "site", "memory", "kernel", "program", "rewrite", "about", "source")


def by_byte(path: Path, draw: random.Random) -> None:
    data = bytearray(path.read_bytes())
    for _ in range(draw.choice([1, 3, 30])):
        data[draw.randrange(100, len(data))] = draw.randrange(256)
    path.write_bytes(data[: draw.randrange(1024, len(data))] if draw.random() < 0.2 else data)


def by_field(path: Path, draw: random.Random) -> None:
    """Give fields of rows other values, as somebody with an editor of databases could."""
    connection = sqlite3.connect(path, isolation_level=None)
    for _ in range(draw.choice([1, 2, 8])):
        table = draw.choice([*TABLES, "event", "event", "array"])
        columns = [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
        keys = [row[1] for row in connection.execute(f"PRAGMA table_info({table})") if row[5]]
        rows = connection.execute(f"SELECT {', '.join(keys)} FROM {table}").fetchall()
        if not rows:
            continue
        column, row = draw.choice(columns), draw.choice(rows)
        value = draw.choice([draw.choice(STRINGS), draw.choice(NUMBERS), draw.choice(NUMBERS), draw.randbytes(24)])
        where = " AND ".join(f"{key} = ?" for key in keys)
        try:
            connection.execute(f"UPDATE {table} SET {column} = ? WHERE {where}", (value, *row))
            if draw.random() < 0.1:
                connection.execute(f"DELETE FROM {table} WHERE {where}", row)
        except sqlite3.Error:
            continue  # not what the schema allows
    connection.close()


def look(path: Path, draw: random.Random) -> int:
    """Look at a file in all ways; how often it said what is wrong."""
    said = 0

    def attempt(function, *arguments):  # type: ignore[no-untyped-def]
        nonlocal said
        try:
            return function(*arguments)
        except TeachgradError as error:
            said += 1
            assert "\x1b" not in str(error)  # noqa: PT017
            return None

    run = attempt(Reader, path)
    if run is None:
        return said
    with run:
        session = Session(run)
        moments: list[Moment] = []
        for step in range(min(run.steps, 2)):
            length = attempt(run.length, step) or 0
            for row in {draw.randrange(max(1, length)), max(0, length - 1)}:
                moment = attempt(run.at, step, row)
                moments += [moment] if moment is not None else []
        options = Options(check=True, narration=True, numbers=draw.random() < 0.5, stop=draw.randrange(4),
                          other=Other(None, 0), edit=Edit(2, draw.choice([(), (0, 1)]), 0.5),
                          level=draw.choice(["", "fc1"]),
                          stops=(stop("norm(fc1.weight) > 1"), stop("op relu"), stop("line net.py:3")))  # fmt: skip
        for moment in moments:
            for screen in draw.sample(sorted(SCREENS), 5):
                lines = attempt(lambda m, s: frame(session, m, s, options, 100, 30, draw.choice([UNICODE, ASCII]), ()),
                                moment, screen)  # fmt: skip
                assert lines is None or not any(char in "\x1b\x07" for line in lines.text() for char in line)
                attempt(document, session, moment, screen, options, 30)
            for how in ("step", "over", "out", "phase", "training_step", "end"):
                for forward in (False, True):
                    attempt(getattr(navigation, how), session, moment, frozenset({"fc1"}), forward)
            keep = attempt(lambda m: slice_at(session.step(m), session.row(m), "both"), moment)
            for kept in (keep, query("shape:(...,1) op:*"), query("line:net.py")):
                attempt(lambda m, k: frame(session, m, "tape", options.but(keep=k), 80, 24, UNICODE, ()), moment, kept)
                attempt(lambda m, k: frame(session, m, "map", options.but(keep=k), 80, 24, UNICODE, ()), moment, kept)
        for address in ("last", "nan", "last W1 where W1 > 0", "t0/bwd/fc1.weight.grad[0,1]"):
            attempt(resolve, session, address)
    return said


@pytest.mark.parametrize("name", ["net", "program", "trouble", "replayed"])
@pytest.mark.parametrize("mutate", [by_byte, by_field])
@pytest.mark.parametrize("seeds", [range(2), pytest.param(range(2, 14), marks=pytest.mark.slow)], ids=["few", "many"])
def test_changed_files(name: str, mutate, seeds: range, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    original = make(name, tmp_path) if name != "replayed" else record(tmp_path / "replayed.tgr", "replay")
    said = 0
    for seed in seeds:
        draw = random.Random(seed)
        path = tmp_path / "changed.tgr"
        shutil.copy(original, path)
        mutate(path, draw)
        before = hashlib.sha256(path.read_bytes()).hexdigest()
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                said += look(path, draw)
        except Exception as error:
            error.add_note(f"seed {seed} of {mutate.__name__} on {name}")
            raise
        assert hashlib.sha256(path.read_bytes()).hexdigest() == before
    assert said
