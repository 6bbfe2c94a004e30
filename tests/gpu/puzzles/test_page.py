"""What docs/tutorial/cuda-puzzles.md shows is what the commands print."""

from __future__ import annotations

import re
from argparse import ArgumentParser
from pathlib import Path

import pytest

from teachgrad_gpu.commands import cuda
from teachgrad_gpu.emulator import building
from teachgrad_gpu.puzzles import PUZZLES

PAGE = (Path(__file__).parents[3] / "docs" / "tutorial" / "cuda-puzzles.md").read_text("utf-8")


@pytest.mark.skipif(building.command() is None, reason="no C++ compiler")
def test_the_consoles_on_the_page(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    first_try = re.search(r"```cuda\n(.*?)```", PAGE, re.DOTALL)
    assert first_try
    files = [first_try[1], PUZZLES[8].solution.read_text("utf-8"), None]
    consoles = re.findall(r"```text\n\$ teachgrad cuda (puzzle \d+ --\w+)\n(.*?)\n```", PAGE, re.DOTALL)
    assert len(consoles) == len(files)
    parser = ArgumentParser()
    cuda.add_arguments(parser)
    for text, (words, shown) in zip(files, consoles, strict=True):
        if text is None:
            cuda.main(parser.parse_args(words.split()[:2]))
        else:
            Path("puzzle_9.cu").write_text(text)
        capsys.readouterr()
        cuda.main(parser.parse_args(words.split()))
        assert capsys.readouterr().out.rstrip() == shown


def test_the_page_names_every_puzzle_in_its_place() -> None:
    named = re.findall(r"`(\w+)`", "".join(line.split("|")[2] for line in PAGE.splitlines() if line.startswith("| ")))
    assert named == [puzzle.name for puzzle in PUZZLES]
