"""What is held in memory, against lists that were written by hand, and against the plan itself."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import teachgrad as tg
from teachgrad import nn, optim
from teachgrad.recording import Reader, Recorder, RecordingError
from teachgrad_inspector.glyphs import UNICODE
from teachgrad_inspector.holding import Lives, dynamic, idle, planned, recomputed
from teachgrad_inspector.screens import frame
from teachgrad_inspector.session import Session
from teachgrad_inspector.views.options import Options

Open = Callable[..., Session]


def test_the_plan_of_a_program(session: Open) -> None:
    run = session("program").run
    held = planned(run, run.step(1))
    assert held is not None
    assert held.arena == 576
    found = [(span.vertex, span.offset, span.first, span.last, span.own, span.over) for span in held.spans]
    assert found == [
        (4, 0, 0, 1, False, None), (5, 0, 1, 7, False, 4), (6, 256, 2, 3, False, None), (7, 576, 3, 10, True, None),
        (9, 256, 4, 6, False, None), (10, 320, 5, 7, False, None), (11, 584, 6, 10, True, None),
        (12, 320, 7, 8, False, 10), (13, 712, 8, 10, True, None),
    ]  # fmt: skip
    # h lies over z, and relu_gradient over matmul_nt: in the row where that happens, the bytes count once.
    assert held.live.tolist() == [256, 256, 320, 328, 328, 584, 712, 648, 520, 264, 264]
    assert (held.peak, held.peak_row) == (712, 6)


def test_dynamic_mode_keeps_the_tape_and_passes_gradients_on(session: Open) -> None:
    run = session("net").run
    held = dynamic(run, run.step(0))
    spans = {(run.name(span.vertex, 0), span.kind): (span.first, span.last) for span in held.spans}
    last = run.length(0) - 1
    pulled = max(row.row for row in run.rows(0) if row.phase == "bwd")
    assert all(spans[name, "value"][1] == pulled for name in ("z", "h", "loss"))
    assert spans["z", "gradient"] == (14, 15)  # it comes, and is used for the gradient of fc1.weight
    assert spans["fc1.weight", "gradient"] == (15, last)
    assert held.peak == held.live.max()


def test_a_view_of_a_value_keeps_it(tmp_path: Path) -> None:
    f = tg.static(lambda x: (x * 2.0).reshape((4,)) + 1.0)
    with Recorder(tmp_path / "r.tgr", level="meta"):
        f(tg.tensor(np.ones((2, 2), np.float32)))
    with Reader(tmp_path / "r.tgr") as run:
        step = run.step(0)
        lives = Lives(step)
        rows = {row.op: row for row in step.rows}
        assert lives.base[rows["reshape"].vertex] == rows["multiply"].vertex
        readers = [step.rows[row].op for row in lives.readers[rows["multiply"].vertex]]
        assert readers == ["reshape", "add"]


@pytest.mark.parametrize("plan", ["off", "inplace", "reuse", "best"])
def test_what_is_recorded_is_the_plan(plan: str, tmp_path: Path) -> None:
    """Offsets, births and deaths of a real program, against the plan that it was made from."""
    tg.seed(0)
    model = nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 3))
    optimizer = optim.SGD(model.parameters(), lr=0.1, momentum=0.9)

    @tg.static(plan=plan)
    def train(x: tg.Tensor) -> tg.Tensor:
        loss = (model(x) ** 2).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    x = tg.tensor(np.random.default_rng(0).normal(size=(5, 6)).astype(np.float32))
    train(x)
    with Recorder(tmp_path / "r.tgr", level="meta"):
        train(x)
        train(x)
    with Reader(tmp_path / "r.tgr") as run:
        step = run.step(1)
        held = planned(run, step)
        assert held is not None
        order = [v.id for v in train.graph.order]
        made = {row.vertex: row.row for row in step.rows if row.kind == "op"}
        inside = {span.vertex: span for span in held.spans if not span.own}
        assert inside.keys() <= train.plan.slots.keys()
        for vertex, span in inside.items():
            slot = train.plan.slots[vertex]
            assert (span.offset, span.bytes, span.first) == (slot.offset, slot.bytes, made[vertex])
            assert span.over == slot.in_place_of
            if slot.dies < len(order):
                assert span.last == made[order[slot.dies]]


def test_recomputing_splits_a_life_and_keeps_what_it_needs(session: Open) -> None:
    run = session("deep").run
    step = run.step(0)
    held, lives = dynamic(run, step), Lives(step)
    spans = {span.vertex: span for span in held.spans if span.kind == "value"}
    middle = 10
    before, after = idle(spans[middle], lives.readers[middle]) or (0, 0)
    assert before == step.made[middle + 1]
    assert step.rows[after].source == middle + 1
    alone = recomputed(run, step, held, lives, frozenset([middle]))
    assert (alone.peak, alone.flops, alone.longer) == (held.peak, 1, ())  # where it is needed again, it is there again
    # Every fifth value kept, as checkpoints: the others are computed once more each, a stretch at a time.
    between = frozenset(vertex for vertex in range(2, 25) if vertex % 5)
    few = recomputed(run, step, held, lives, between)
    assert (few.flops, few.longer) == (19, ())
    assert few.peak < held.peak / 2
    assert recomputed(run, step, held, lives, frozenset()).peak == held.peak


@pytest.mark.parametrize(("row", "vertex", "bytes", "place"), [
    (3, 4, 1 << 60, 0), (3, 4, 8, 1 << 60), (1 << 40, 4, 8, 0), (-1, 4, 8, 0), (3, 4, -8, 0), (3, -4, 8, 0),
])  # fmt: skip
def test_memory_of_nonsense(row: int, vertex: int, bytes: int, place: int, session: Open) -> None:
    run = session("program").run
    with sqlite3.connect(run.path) as connection:
        values = (1, row, vertex, bytes, place)
        connection.execute("INSERT INTO memory (step, row, vertex, bytes, place) VALUES (?, ?, ?, ?, ?)", values)
    connection.close()
    opened = Session(run)
    with pytest.raises(RecordingError, match="memory that was taken in step 1 is damaged"):
        planned(run, run.step(1))
    lines = frame(opened, run.resolve("t1/fwd/3"), "memory", Options(), 80, 24, UNICODE, ()).text()
    assert "memory that was taken in step 1 is damaged" in lines[2]
