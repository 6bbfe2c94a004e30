"""`teachgrad demo`: the main job, in both modes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from teachgrad.cli import main
from teachgrad.recording import Reader


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
