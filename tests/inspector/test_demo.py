"""`teachgrad demo`: the main job, in both modes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from teachgrad.cli import main
from teachgrad.recording import Reader
from teachgrad_inspector.demos import write_demo
from teachgrad_inspector.session import Session


def test_the_demo(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "demo.tgr"
    assert main(["demo", "--epochs", "4", "--record", str(path)]) == 0
    out = capsys.readouterr().out
    assert "All 88 losses agree bit for bit between dynamic and static mode." in out
    accuracy = re.search(r"Accuracy on the test digits: ([\d.]+) %", out)
    assert accuracy is not None
    assert float(accuracy[1]) > 80
    assert "backward of logits = h @ fc2.weightᵀ + fc2.bias" in out
    assert "sum of 64 terms" in out
    with Reader(path) as run:
        assert run.steps == 5
        assert run.level == "values"
        assert run.trouble is None


def test_the_demo_of_a_static_program(tmp_path: Path) -> None:
    """Its passes can be stepped through, its kernels have lines and seconds, and its losses fall."""
    write_demo("static_mlp", tmp_path / "demo.tgr")
    with Reader(tmp_path / "demo.tgr") as run:
        account = run.program(0)
        assert account.rewrites
        assert all(rewriting.trouble == "" for rewriting in account.rewrites)
        assert account.machine is not None
        assert all(piece.seconds is not None for piece in account.pieces if piece.first)
        losses = [facts.loss for facts in Session(run).history.facts()]
        assert len(losses) == 5
        assert losses[-1] is not None
        assert losses[-1] < (losses[0] or 0)
