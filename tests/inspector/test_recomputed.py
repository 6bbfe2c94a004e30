"""Recordings of level `replay` on the screens: the same as those of level `values`."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import numpy as np
import pytest

import teachgrad as tg
from teachgrad import nn, optim
from teachgrad.recording import Reader, Recorder
from teachgrad_inspector.glyphs import UNICODE
from teachgrad_inspector.screens import SCREENS, frame
from teachgrad_inspector.session import Session
from teachgrad_inspector.views.options import Options
from tests.inspector.test_keys import app_of, running, shown


def record(path: Path, level: str) -> Path:
    tg.seed(1)
    rng = np.random.default_rng(2)
    net = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 3))
    optimizer = optim.SGD(net.parameters(), lr=0.1)
    x, y = tg.tensor(rng.normal(size=(10, 6)).astype(np.float32)), tg.tensor(rng.integers(0, 3, 10))
    with Recorder(path, level=level):  # type: ignore[arg-type]
        for _ in range(3):
            loss = nn.functional.cross_entropy(net(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return path


@pytest.mark.parametrize("screen", SCREENS)
def test_every_screen_is_the_same(screen: str, tmp_path: Path) -> None:
    paths = [record(tmp_path / f"{level}.tgr", level) for level in ("values", "replay")]
    options = Options(check=True, narration=True, numbers=True)
    with Reader(paths[0]) as whole, Reader(paths[1]) as small:
        for step, row in ((0, 0), (0, 5), (0, 12), (2, 3), (2, 9), (2, 14)):
            texts = []
            for run in (whole, small):
                session = Session(run, "run")
                texts.append(frame(session, run.at(step, row), screen, options, 120, 40, UNICODE, ()).text())
            assert texts[0] == texts[1]


async def test_long_steps_are_computed_in_the_background(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("teachgrad_inspector.app.application.SLOW_ROWS", 10)
    with Reader(record(tmp_path / "r.tgr", "replay")) as run:
        async with running(Session(run), "t2/bwd/9", size=(100, 30)) as pilot:
            await pilot.app.workers.wait_for_complete()
            await pilot.pause()
            assert shown(pilot)[-2].startswith(" t2/bwd/9 ")
            assert app_of(pilot).session.left_to_compute(2) == 0


def test_what_could_not_be_computed_is_said(tmp_path: Path) -> None:
    path = record(tmp_path / "r.tgr", "replay")
    connection = sqlite3.connect(path)
    connection.execute("UPDATE array SET fingerprint = 1 WHERE data IS NULL")
    connection.commit()
    connection.close()
    with Reader(path) as run:
        session = Session(run)
        row = next(row for row in run.step(0).rows if row.kind == "op" and run.array(row.value or 0).size > 1)
        lines = frame(session, row.moment, "tape", Options(), 160, 30, UNICODE, ()).text()
        text = " ".join(line[100:] for line in lines)
        assert "could not be" in text
        assert "min " not in text
