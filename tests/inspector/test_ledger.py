"""The ledger of a gradient when an earlier backward pass has left something in `.grad`."""

from __future__ import annotations

from pathlib import Path

import pytest

import teachgrad as tg
from teachgrad.recording import Reader, Recorder
from teachgrad_inspector.session import Session
from teachgrad_inspector.views.chain import view_chain
from teachgrad_inspector.views.ledger import view_ledger
from teachgrad_inspector.views.narrate import narrate
from teachgrad_inspector.views.options import Options
from teachgrad_inspector.views.tape import view_tape


def test_what_was_left_is_an_entry_of_its_own(tmp_path: Path) -> None:
    w = tg.tensor(3.0, requires_grad=True)
    with Recorder(tmp_path / "run.tgr", level="values"):
        (w * w).backward()
        (w * 5).backward()
    assert w.grad is not None
    assert w.grad.item() == pytest.approx(11.0)
    with Reader(tmp_path / "run.tgr") as run:
        session = Session(run)
        moment = run.resolve("last")
        row = session.row(moment)
        assert row.kind == "deposit"
        ledger = view_ledger(session, moment, row.vertex, Options())
        assert ledger is not None
        assert (ledger.entries[-1].source, ledger.entries[-1].current) == ("before", True)
        assert ledger.total == 11.0
        sums = [(entry.before, entry.contribution, entry.after) for entry in ledger.entries]
        assert sums == [(0.0, 3.0, 3.0), (3.0, 3.0, 6.0), (0.0, 5.0, 5.0), (5.0, 6.0, 11.0)]
        view = view_tape(session, moment, Options(), 20)
        line = next(line for line in view.strip.lines if line.cursor)
        assert (line.label, line.what, line.value) == ("w.grad", "+= what it held before", "+6 → 11")
        assert narrate(session, moment, Options()) == (
            "w.grad was not cleared: what it still held is added to the gradient of this pass, 11."
        )
        chain = view_chain(session, moment, Options())
        assert chain.title == "what w.grad held before this backward pass"
        assert chain.subject == "contribution to w.grad"
