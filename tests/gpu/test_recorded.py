"""What a recording, and the Kernels screen, say of generated CUDA."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import teachgrad as tg
from teachgrad import nn
from teachgrad.nn import functional as F
from teachgrad.recording import Moment, Reader, Recorder
from teachgrad_gpu import emulator
from teachgrad_gpu.emulator import building
from teachgrad_gpu.executors.calls import say_once
from teachgrad_gpu.kernels import catalogue
from teachgrad_inspector.session import Session
from teachgrad_inspector.views.kernels import KernelsView, view_kernels
from teachgrad_inspector.views.options import Options

pytestmark = pytest.mark.skipif(building.command() is None, reason="no C++ compiler")


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Any:
    path = tmp_path_factory.mktemp("recorded") / "r.tgr"
    model, table = nn.Linear(5, 3), tg.Parameter(np.ones((4, 5), np.float32), name="table")
    optimizer = tg.optim.SGD([table, *model.parameters()], lr=0.1)

    @tg.static(level="O3", executor="emulated")
    def step(i: Any, x: Any) -> Any:
        loss = (model(F.embedding(i, table)) + tg.linalg.inv(x).sum()).tanh().sum()
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


def screens(path: Path, profiled: bool) -> tuple[Any, list[KernelsView]]:
    """A function of several kinds of kernels that was recorded, and its Kernels screen at each row."""
    def several(x: Any) -> Any:
        z = F.scaled_dot_product_attention(x, x[:, :, ::-1], x)
        return (z * z).mean() + tg.linalg.det(z[0, :2, :2])

    step = tg.static(several, level="O3", executor="emulated")
    x = tg.tensor(np.random.default_rng(2).normal(size=(2, 40, 8)).astype(np.float32), name="x")
    with pytest.warns(RuntimeWarning, match="no CUDA kernel for det"):
        step(x)
    if profiled:
        with tg.profile():
            step(x)
    with tg.Recorder(path, level="values"):
        step(x)
    with Reader(path) as run:
        session = Session(run)
        count = len(run.step(0).rows)
        return step, [view_kernels(session, run.resolve(f"t0/fwd/{k}"), Options()) for k in range(count)]


def test_each_launch_is_a_kernel_with_its_lines(tmp_path: Path) -> None:
    say_once.cache_clear()
    step, views = screens(tmp_path / "run.tgr", profiled=True)
    view = views[0]
    assert (view.executor, view.language) == ("emulated", "CUDA")
    launches = [str(s.call.op) if s.call is not None else launch.name
                for s in step.trace.program.building.steps for launch in s.launches or [None]]
    assert [kernel.name for kernel in view.kernels] == launches
    runs = {kernel.name: kernel.runs for kernel in view.kernels}
    assert runs["attention_tiled"] == "CUDA"
    assert runs["det"] == "NumPy"
    assert all(kernel.seconds is not None and kernel.seconds > 0 for kernel in view.kernels)
    assert view.timed == "seconds of the last profile before the recording"
    assert all(kernel.least is None for kernel in view.kernels), "what this machine can do is not what a GPU can do"
    size = 2 * 40 * 8 * 4
    copied = next(kernel for kernel in view.kernels if kernel.name.endswith("_k_in_rows"))
    assert (copied.moved, copied.flops) == (2 * size, 0)

    lines = step.source.split("\n")
    shown = {view.title: view for view in views}
    tiled = shown["CUDA  attention_tiled"]
    marked = [line for line in tiled.code if line.mark]
    assert all(lines[line.number - 1] == line.text for line in tiled.code)
    assert marked[0].text.startswith("// Tiled, with the online softmax")
    fused = next(view for title, view in shown.items() if title.startswith("CUDA  k1_"))
    assert any(line.mark == "op" and "// test_recorded.py:" in line.text for line in fused.code)
    assert "NumPy computes this" in shown


def test_without_a_profile_it_says_how_to_get_one(tmp_path: Path) -> None:
    say_once.cache_clear()
    _, views = screens(tmp_path / "run.tgr", profiled=False)
    assert views[0].timed.startswith("no seconds of CUDA")
    assert [kernel.name for kernel in views[0].kernels if kernel.seconds is not None] in ([], ["det"])


def test_rows_outside_of_the_program_are_calls_of_numpy_and_a_view_of_a_view_leads_to_a_kernel(tmp_path: Path) -> None:
    times = tg.static(lambda x, y: x.reshape(3, 2).permute_dims((1, 0)) * y, level="O3", executor="emulated")
    x, y = (tg.tensor(np.arange(6, dtype=np.float32).reshape(shape)) for shape in (6, (2, 3)))
    times(x, y)
    with tg.Recorder(tmp_path / "run.tgr", level="values"):
        times(x + 1.0, y)
    with Reader(tmp_path / "run.tgr") as run:
        session, rows = Session(run), run.step(0).rows
        views = {row.op: view_kernels(session, row.moment, Options()) for row in rows if row.kind == "op"}
    outside = views["add"]
    assert (outside.function, outside.count, outside.note) == ("", 1, "this row is not part of the program")
    assert [kernel.runs for kernel in outside.kernels] == ["NumPy"]
    for op in ("reshape", "permute_dims", "multiply"):
        assert [kernel.name for kernel in views[op].kernels if kernel.cursor] == ["k1_multiply"], op
        assert views[op].title == "CUDA  k1_multiply"
