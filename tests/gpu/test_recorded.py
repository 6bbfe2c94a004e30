"""What a recording, and the Kernels screen, say of generated CUDA."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import teachgrad as tg
from teachgrad import nn
from teachgrad.recording import Moment, Reader, Recorder
from teachgrad_gpu import emulator
from teachgrad_gpu.emulator import building
from teachgrad_gpu.kernels import catalogue
from teachgrad_inspector.session import Session
from teachgrad_inspector.views.kernels import view_kernels
from teachgrad_inspector.views.options import Options

pytestmark = pytest.mark.skipif(building.command() is None, reason="no C++ compiler")


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Any:
    path = tmp_path_factory.mktemp("recorded") / "r.tgr"
    model, table = nn.Linear(5, 3), tg.Parameter(np.ones((4, 5), np.float32), name="table")
    optimizer = tg.optim.SGD([table, *model.parameters()], lr=0.1)

    @tg.static(level="O3", executor="emulated")
    def step(i: Any, x: Any) -> Any:
        loss = (model(nn.functional.embedding(i, table)) + tg.linalg.inv(x).sum()).tanh().sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    with Recorder(path, level="meta"), warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # there is no kernel for inv
        for _ in range(2):
            step(tg.tensor([0, 2, 2]), tg.tensor(np.eye(2, dtype=np.float32)))
    emulator.stop()
    with Reader(path) as run:
        yield run


def test_pieces_are_kernels_with_their_lines(recording: Any) -> None:
    account = recording.program(0)
    assert (account.executor, account.language) == ("emulated", "CUDA")
    lines = account.source.split("\n")
    for piece in account.pieces:
        text = "\n".join(lines[max(0, piece.first - 1) : piece.last])
        if piece.runs == "CUDA":
            assert f"{piece.name}(" in text
            assert text.startswith("/*")
            assert text.endswith("}")
            assert piece.nodes
    assert {piece.runs for piece in account.pieces} == {"CUDA", "NumPy"}
    assert [piece.name for piece in account.pieces if piece.runs == "NumPy"] == ["inv"]
    covered = [number for p in account.pieces if p.first for number in range(p.first, p.last + 1)]
    assert {n for n, line in enumerate(lines, 1) if "__global__" in line} <= set(covered)
    assert len(covered) == len(set(covered))


def test_the_screen_shows_the_kernel_of_an_op(recording: Any) -> None:
    session = Session(recording)
    rows = session.step(Moment(1, 0, "fwd")).rows
    at = next(row for row in rows if row.kind == "op" and row.op == "tanh")
    view = view_kernels(session, Moment(1, at.row, at.phase), Options())
    assert (view.executor, view.language) == ("emulated", "CUDA")
    assert view.title.startswith("CUDA  k")
    assert any("tanhf(" in line.text and line.mark == "op" for line in view.code)
    assert view.timed.startswith("no seconds of CUDA")


def test_a_loop_without_kernels_is_recorded_too(tmp_path: Path) -> None:
    def inverted(x: Any) -> Any:
        return tg.scan(lambda carry, _: (tg.linalg.inv(carry), None), x, length=2)[0]

    step = tg.static(inverted, level="O3", executor="emulated")
    with Recorder(tmp_path / "r.tgr", level="meta"), warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # there is no kernel for inv
        assert step(tg.tensor([[4.0]])).item() == 4.0
    with Reader(tmp_path / "r.tgr") as run:
        (piece,) = run.program(0).pieces
    assert (piece.name, piece.runs, piece.first) == ("scan", "NumPy", 0)


def test_a_loop_within_a_loop_has_the_lines_of_both(tmp_path: Path) -> None:
    def inner(x: Any) -> Any:
        return tg.scan(lambda carry, _: (carry * 2.0, None), x, length=2)[0]

    step = tg.static(lambda x: tg.scan(lambda carry, _: (inner(carry).tanh(), None), x, length=2)[0],
                     level="O3", executor="emulated")
    with Recorder(tmp_path / "r.tgr", level="meta"):
        step(tg.ones((3, 4)))
    with Reader(tmp_path / "r.tgr") as run:
        account = run.program(0)
    (piece,) = account.pieces
    lines = account.source.split("\n")
    assert [number for number, line in enumerate(lines, 1) if "__global__" in line and not (
        piece.first <= number <= piece.last)] == []


def test_kernels_of_the_catalogue_have_their_lines_too(tmp_path: Path) -> None:
    product = tg.static(lambda x, y: (x @ y).exp(), level="O3", executor="emulated")
    with Recorder(tmp_path / "r.tgr", level="meta"):
        product(tg.zeros((64, 128)), tg.ones((128, 96)))
    with Reader(tmp_path / "r.tgr") as run:
        account = run.program(0)
    assert "2 ops in 1 kernel and 1 of the catalogue, written by teachgrad" in account.source.splitlines()[0]
    taken, ours = account.pieces
    assert (taken.runs, ours.runs) == ("CUDA", "CUDA")
    assert taken.name in catalogue
    text = "\n".join(account.source.split("\n")[taken.first - 1 : taken.last])
    assert f"{taken.name}(" in text
    assert text in catalogue[taken.name].source
    assert text.startswith("//")
    assert text.endswith("}")
