"""Kernel traces: what is written is read, and nothing in a file is believed."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from teachgrad.errors import RecordingError
from teachgrad.recording import kernel_trace
from teachgrad.recording.kernel_trace import (
    EVENT,
    MAGIC,
    KernelTrace,
    TracedArray,
    TracedFinding,
    is_trace,
    read_trace,
    write_trace,
)

ROWS = [(0, 0, 0, 4, 2, 0, 0, 0, 4, b"\0\0\x80?".ljust(16)), (1, 3, 1, 4, 2, 1, 1, 0, 8, b"".ljust(16)),
        (1, 3, 4, 0, 3, 2, -1, 0, 0, b"".ljust(16))]  # fmt: skip
TRACE = KernelTrace(
    "k", ("one", "two", "three"), (2, 1, 1), (2, 2, 1),
    (TracedArray("a", "global", "float32", 4, (4,)), TracedArray("s", "shared", "", 4, ())),
    (TracedFinding("race", "both", 2, 3, 0, 0, 0, 1, 0, 4), TracedFinding("deadlock", "", 0, 0, 0, 0, -1, -1, -1, 0)),
    np.array(ROWS, EVENT), 7)  # fmt: skip


def written(tmp_path: Path) -> tuple[dict[str, Any], bytes]:
    write_trace(tmp_path / "x", TRACE)
    header, _, body = (tmp_path / "x").read_bytes()[len(MAGIC):].partition(b"\n")
    return json.loads(header), body


def put(path: Path, header: object, body: bytes) -> Path:
    path.write_bytes(MAGIC + json.dumps(header).encode() + b"\n" + body)
    return path


def test_what_is_written_is_read(tmp_path: Path) -> None:
    write_trace(tmp_path / "x", TRACE)
    assert is_trace(tmp_path / "x")
    found = read_trace(tmp_path / "x")
    assert (found.events == TRACE.events).all()
    for name in ("kernel", "source", "grid", "block", "arrays", "findings", "dropped"):
        assert getattr(found, name) == getattr(TRACE, name)


def test_other_files_are_none(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("SQLite format 3")
    for path in (tmp_path / "x", tmp_path / "nothing", tmp_path):
        assert not is_trace(path)
        with pytest.raises(RecordingError):
            read_trace(path)
    with pytest.raises(RecordingError, match="cannot be written"):
        write_trace(tmp_path / "no" / "x", TRACE)


def test_text_is_made_fit_to_be_shown(tmp_path: Path) -> None:
    header, body = written(tmp_path)
    header["kernel"] = "k\x1b[2J"
    header["source"] = "a\tb\x07\nc\u202ed\ne"
    header["arrays"][0]["name"] = "\x9b31m"
    found = read_trace(put(tmp_path / "x", header, body))
    shown = [found.kernel, *found.source, found.arrays[0].name]
    assert all(text.isprintable() and "\u202e" not in text for text in shown)


Edit = Callable[[dict[str, Any]], object]
HOSTILE: dict[str, Edit] = {
    "no kernel": lambda h: h.pop("kernel"),
    "kernel of numbers": lambda h: h.update(kernel=[1]),
    "many events": lambda h: h.update(events=10**9),
    "fewer events": lambda h: h.update(events=2),
    "true events": lambda h: h.update(events=True),
    "grid of none": lambda h: h.update(grid=[0, 1, 1]),
    "grid of much": lambda h: h.update(grid=[2**31, 2**31, 2]),
    "grid of two": lambda h: h.update(grid=[1, 1]),
    "block of much": lambda h: h.update(block=[1024, 1024, 1]),
    "block of halves": lambda h: h.update(block=[1.5, 1, 1]),
    "too few threads": lambda h: h.update(block=[2, 1, 1]),
    "too few blocks": lambda h: h.update(grid=[1, 1, 1]),
    "too few lines": lambda h: h.update(source="one"),
    "too few arrays": lambda h: h.update(arrays=h["arrays"][:1]),
    "no arrays": lambda h: h.update(arrays=[]),
    "many arrays": lambda h: h.update(arrays=h["arrays"] * 1000),
    "arrays of text": lambda h: h.update(arrays="ab"),
    "array of objects": lambda h: h["arrays"][0].update(dtype="O"),
    "array of pickles": lambda h: h["arrays"][0].update(dtype={"names": ["x"]}),
    "array of another size": lambda h: h["arrays"][0].update(itemsize=8),
    "array of nothing": lambda h: h["arrays"][1].update(itemsize=0),
    "array nowhere": lambda h: h["arrays"][0].update(space="disk"),
    "shape of much": lambda h: h["arrays"][0].update(shape=[2**40, 2**40]),
    "shape of many": lambda h: h["arrays"][0].update(shape=[1] * 100),
    "shape too small": lambda h: h["arrays"][0].update(shape=[1]),
    "negative shape": lambda h: h["arrays"][0].update(shape=[-4]),
    "finding elsewhere": lambda h: h["findings"][0].update(array=5),
    "finding of text": lambda h: h["findings"][0].update(line="2"),
    "many findings": lambda h: h.update(findings=h["findings"] * 1000),
    "dropped nan": lambda h: h.update(dropped=float("nan")),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_header_that_cannot_be_is_refused(name: str, tmp_path: Path) -> None:
    header, body = written(tmp_path)
    HOSTILE[name](header)
    with pytest.raises(RecordingError, match="kernel trace is damaged"):
        read_trace(put(tmp_path / "x", header, body))


@pytest.mark.parametrize(("field", "value"), [("kind", 200), ("block", 2), ("thread", 4), ("line", 4), ("array", -1),
                                              ("array", 2), ("offset", -4), ("offset", 16), ("size", 0)])  # fmt: skip
def test_events_that_cannot_be_are_refused(field: str, value: int, tmp_path: Path) -> None:
    header, _ = written(tmp_path)
    events = TRACE.events.copy()
    events[field][0] = value
    with pytest.raises(RecordingError, match="kernel trace is damaged"):
        read_trace(put(tmp_path / "x", header, events.tobytes()))


NO_JSON = [b"", b"\n", b"{", b"[]\n", b"[" * 100_000 + b"\n", b'{"a": ' * 50_000 + b"\n", b"\xff\n"]


@pytest.mark.parametrize("text", NO_JSON, ids=range(len(NO_JSON)))
def test_a_header_that_is_no_json_is_refused(text: bytes, tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(MAGIC + text)
    with pytest.raises(RecordingError, match="damaged"):
        read_trace(tmp_path / "x")


def test_a_header_without_an_end_is_not_read_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernel_trace, "MOST_HEADER", 1000)
    (tmp_path / "x").write_bytes(MAGIC + b" " * 1001)
    with pytest.raises(RecordingError, match="does not end"):
        read_trace(tmp_path / "x")


@given(st.data())
def test_any_damage_is_refused_or_harmless(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    path = tmp_path_factory.getbasetemp() / f"damaged-{os.getpid()}"
    write_trace(path, TRACE)
    raw = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        raw[data.draw(st.integers(len(MAGIC), len(raw) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(raw[:data.draw(st.integers(len(MAGIC), len(raw)))])
    try:
        found = read_trace(path)
    except RecordingError:
        return
    assert len(found.events) == len(TRACE.events)
