"""What is called what, and what may be said of a training step that is not over."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np

import teachgrad as tg
from teachgrad.recording import Reader, Recorder
from teachgrad_inspector.session import Session
from teachgrad_inspector.views.chain import view_chain
from teachgrad_inspector.views.options import Options
from teachgrad_inspector.views.tape import view_tape


def test_a_constant_of_an_earlier_step_is_told_from_those_of_this_one(tmp_path: Path) -> None:
    """A number that a step keeps for the next ones is called by its value in all of them; an array, by its step."""
    w = tg.tensor(np.ones(2, "float32"), requires_grad=True, name="w")
    half = tg.tensor(0.5)
    shift = tg.tensor(np.ones(2, "float32"))
    kept = [half, shift]
    with Recorder(tmp_path / "r.tgr", level="values"):
        for _ in range(2):
            w.grad = None
            (w * w).sum().backward()
            with tg.no_grad():
                for other in [w.grad]:
                    w.copy_(w - kept[1] * other * kept[0])
    with Reader(tmp_path / "r.tgr") as run:
        session = Session(run)
        for step in range(run.steps):
            for row in run.step(step).rows:
                if row.op == "multiply" and len(set(row.inputs)) == 2:
                    assert len(set(session.names(row))) == 2
        last = [session.names(row) for row in run.step(1).rows if row.op == "multiply" and not row.requires_grad]
        assert last[0] == ["input_1 of t0", "input_1"]
        assert last[1][1] == "0.5"


def test_nothing_is_said_never_to_come_while_a_step_goes_on(tmp_path: Path) -> None:
    with Recorder(tmp_path / "r.tgr", level="values") as recorder:
        x = tg.tensor(3.0, requires_grad=True, name="x")
        y = x * x
        with Reader(recorder.path) as growing:
            while growing.steps == 0 or growing.length(0) < 2:  # rows are written a few times a second
                time.sleep(0.02)
                growing.refresh()
            session = Session(growing)
            assert view_tape(session, session.last, Options(), 20).gradient.note == "none until now"
            incoming = view_chain(session, session.last, Options()).incoming
            assert incoming is not None
            assert incoming.origin == "has not come yet"
    del y
    with Reader(tmp_path / "r.tgr") as run:
        session = Session(run)
        incoming = view_chain(session, session.last, Options()).incoming
        assert incoming is not None
        assert incoming.origin == "never comes"
