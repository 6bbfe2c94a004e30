"""What docs/tutorial/cuda-kernels.md shows is what the commands print; widths are as docs/reference/devices.md says."""

from __future__ import annotations

import re
from argparse import ArgumentParser
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest

from teachgrad.errors import ShapeError
from teachgrad_gpu import emulator, timing
from teachgrad_gpu.commands import cuda
from teachgrad_gpu.compiling import compilers
from teachgrad_gpu.emulator import building
from teachgrad_gpu.kernels import FOLDER, catalogue

pytestmark = pytest.mark.skipif(building.command() is None, reason="no C++ compiler")

PAGE = (Path(__file__).parents[3] / "docs" / "tutorial" / "cuda-kernels.md").read_text("utf-8")


def console(command: str) -> str:
    found = re.search(rf"```text\n\$ teachgrad cuda {command}\n(.*?)\n```", PAGE, re.DOTALL)
    assert found
    return found[1]


def run(*words: str) -> None:
    parser = ArgumentParser()
    cuda.add_arguments(parser)
    assert cuda.main(parser.parse_args(list(words))) == 0


def test_the_ladder_on_the_page(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timing, "find_spec", lambda name: None)
    run("ladder", "transpose")
    assert capsys.readouterr().out.rstrip() == console("ladder transpose")


@pytest.mark.skipif(not compilers(), reason="neither NVRTC nor nvcc is installed")
def test_the_table_of_registers_on_the_page(capsys: pytest.CaptureFixture[str]) -> None:
    """Registers depend on the version of the compiler; names, shared memory and threads do not."""
    run("compile", str(FOLDER / "transpose.cu"), "--arch", "sm_90")
    lines, shown = capsys.readouterr().out.splitlines(), console("compile transpose.cu --arch sm_90").splitlines()
    assert lines[1] == shown[1]
    kept = [[word for i, word in enumerate(line.split()) if i != 2] for line in lines[2:]]
    assert kept == [[word for i, word in enumerate(line.split()) if i != 2] for line in shown[2:]]


def test_the_launch_on_the_page(capsys: pytest.CaptureFixture[str]) -> None:
    found = re.search(r"```py\n(.*?)```\n\n```text\n(.*?)```", PAGE, re.DOTALL)
    assert found
    try:
        exec(found[1], {})
    finally:
        emulator.stop()
    assert capsys.readouterr().out == found[2]


def test_the_page_names_every_file_and_counts_the_kernels() -> None:
    for file in FOLDER.glob("*.cu"):
        assert f"| `{file.name}` |" in PAGE
    assert f"{len(catalogue)} kernels" in PAGE


def test_the_widths_of_attention_are_as_the_page_says() -> None:
    page = (Path(__file__).parents[3] / "docs" / "reference" / "devices.md").read_text("utf-8")
    found = re.search(r"at most (\d+) numbers, for the gradient (\d+); of float64 (\d+) and (\d+)", page)
    assert found
    forward, backward = catalogue["attention_tiled"], catalogue["attention_backward_dots"]
    pairs = zip((forward, backward) * 2, ("float32",) * 2 + ("float64",) * 2, map(int, found.groups()), strict=True)
    for kernel, dtype, widest in pairs:
        for width in (widest, widest + 1):
            x, sums = np.empty((1, 1, width), dtype), np.empty((1, 1), dtype)
            given = (x, x, x, x, sums) if kernel is forward else (x, x, sums)
            with nullcontext() if width == widest else pytest.raises(ShapeError, match="shared memory"):
                kernel.plan(*given)
