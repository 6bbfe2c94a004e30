"""Ctrl-C may come while a recording is being written. What came before is whole, and what comes after is there."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from teachgrad.recording import Level, Reader, Recorder, summaries
from teachgrad.recording.beside import LARGE
from teachgrad.recording.writer import Writer

from .runs import leaf

ARRAYS = [np.random.default_rng(seed).normal(size=size).astype(np.float32)
          for seed, size in enumerate((3, 100, 1000, LARGE // 4, 200, LARGE // 2, 5, 70))]  # fmt: skip


class Interrupted:
    """An object of which one call of a method ends in Ctrl-C: the one of that number, before or after its work. The
    method "end" is the end of a `with` block."""

    def __init__(self, object: Any, method: str, number: int, before: bool) -> None:
        self._object, self._method, self._left, self._before = object, method, number, before

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._object, name)
        return self._interrupting(found) if name == self._method else found

    def _interrupting(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any) -> Any:
            self._left -= 1
            if self._left == -1 and self._before:
                raise KeyboardInterrupt
            answer = function(*arguments)
            if self._left == -1:
                raise KeyboardInterrupt
            return answer

        return call

    def __enter__(self) -> Any:
        self._object.__enter__()
        return self

    def __exit__(self, *error: Any) -> Any:
        return self._interrupting(self._object.__exit__)(*error) if self._method == "end" \
            else self._object.__exit__(*error)


def run(path: Path, level: Level, interrupt: Callable[[Writer], None]) -> None:
    """Record all arrays, half of them before somebody interrupts a commit."""
    with Recorder(path, level=level) as recorder:
        writer = recorder._writer
        assert writer is not None
        for id, array in enumerate(ARRAYS[:4]):
            leaf(id, array, f"x{id}")
        writer.commit()
        for id, array in enumerate(ARRAYS[4:], 4):
            if id == 5:
                interrupt(writer)
            with contextlib.suppress(KeyboardInterrupt):
                leaf(id, array, f"x{id}")
        with contextlib.suppress(KeyboardInterrupt):
            writer.commit()
        leaf(100, ARRAYS[2] + 1, "y")


def check(path: Path, level: Level, lost: int = 0) -> None:
    with Reader(path) as found:
        assert found.trouble is None
        rows = list(found.rows(0))
        assert [row.name for row in rows] == [f"x{id}" for id in range(len(ARRAYS)) if id != lost] + ["y"]
        arrays = [array for id, array in enumerate(ARRAYS) if id != lost]
        for row, array in zip(rows, [*arrays, ARRAYS[2] + 1], strict=True):
            assert row.value is not None
            told = found.statistics(row.value)
            assert told is not None
            assert told.mean == pytest.approx(array.mean(dtype=np.float64), abs=1e-6)
            assert told.std == pytest.approx(array.std(dtype=np.float64), rel=1e-4)
            if level == "values":
                assert found.values(row.value).tobytes() == array.tobytes()  # type: ignore[union-attr]


@pytest.mark.parametrize("level", ["stats", "values"])
@pytest.mark.parametrize(("method", "number", "before"), [
    ("execute", 0, True), ("execute", 0, False), ("executemany", 0, True), ("executemany", 0, False),
    ("executemany", 1, False), ("end", 0, False),
])  # fmt: skip
def test_a_commit(tmp_path: Path, level: Level, method: str, number: int, before: bool) -> None:
    def interrupt(writer: Writer) -> None:
        writer._connection = Interrupted(writer._connection, method, number, before)  # type: ignore[assignment]

    run(tmp_path / "r.tgr", level, interrupt)
    check(tmp_path / "r.tgr", level, lost=-1)


@pytest.mark.parametrize("before", [True, False])
@pytest.mark.parametrize("number", [0, 1])
def test_writing_elements(tmp_path: Path, number: int, before: bool) -> None:
    """The first write is of the array that waits, the second of the large one, which interrupts its own event."""
    def interrupt(writer: Writer) -> None:
        writer._large._file = Interrupted(writer._large._file, "write", number, before)  # type: ignore[assignment]

    run(tmp_path / "r.tgr", "values", interrupt)
    check(tmp_path / "r.tgr", "values", lost=5)


def test_statistics(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    work = Interrupted(summaries, "numbers_of_each", 0, before=False)
    numbers_of_each = work.numbers_of_each
    monkeypatch.setattr(summaries, "numbers_of_each", lambda *arguments: numbers_of_each(*arguments))
    with Recorder(tmp_path / "r.tgr", level="stats") as recorder:
        for id, array in enumerate(ARRAYS):
            leaf(id, array, f"x{id}")
        assert recorder._writer is not None
        with pytest.raises(KeyboardInterrupt) as caught:
            recorder._writer.commit()
        leaf(100, ARRAYS[2] + 1, "y")
    check(tmp_path / "r.tgr", "stats", lost=-1)
    del caught
