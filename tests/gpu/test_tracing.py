"""From the emulator to the inspector: what was recorded arrives, and costs what the emulator counted."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from argparse import ArgumentParser
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from teachgrad.cli import main as teachgrad
from teachgrad.recording.kernel_trace import KINDS, KernelTrace, read_trace, write_trace
from teachgrad_gpu.commands import cuda
from teachgrad_gpu.emulator import EmulatorError, RawKernel, building
from teachgrad_gpu.puzzles import PUZZLES
from teachgrad_gpu.puzzles.checking import launch
from teachgrad_gpu.tracing import trace_of
from teachgrad_inspector.stepping.costs import sectors, wavefronts
from teachgrad_inspector.stepping.walk import walk

pytestmark = pytest.mark.skipif(building.command() is None, reason="no C++ compiler")
PAGE = (Path(__file__).parents[2] / "docs" / "tutorial" / "cuda-steps.md").read_text("utf-8")
SOURCE = """\
// launch: turn<<<2, 8>>>(out = float32[16], a = float32[16]:arange)
extern "C" __global__ void turn(float* out, const float* a)
{
    __shared__ float s[8];
    int t = threadIdx.x;
    s[t] = a[blockIdx.x * 8 + t];
    __syncthreads();
    out[blockIdx.x * 8 + t] = s[7 - t];
}
"""


def recorded(name: str) -> tuple[RawKernel, KernelTrace]:
    puzzle = next(puzzle for puzzle in PUZZLES if puzzle.name == name)
    kernel = RawKernel(puzzle.solution.read_text("utf-8"), puzzle.kernel, record=True)
    case = puzzle.cases()[0]
    launch(kernel, case)
    return kernel, trace_of(kernel, case.grid, case.block)


@pytest.mark.parametrize("name", ["reverse", pytest.param("coalesce", marks=pytest.mark.slow),
                                  pytest.param("scan", marks=pytest.mark.slow),
                                  pytest.param("matmul", marks=pytest.mark.slow)])  # fmt: skip
def test_steps_side_by_side_cost_what_the_emulator_counts(name: str, tmp_path: Path) -> None:
    kernel, trace = recorded(name)
    write_trace(tmp_path / "x.trace", trace)
    trace = read_trace(tmp_path / "x.trace")
    steps = walk(trace, 0)
    assert steps.together
    requests: Counter[tuple[int, str, str]] = Counter()
    paid: Counter[tuple[int, str, str]] = Counter()
    for number in range(1, len(steps) + 1):
        rows = trace.events[steps.step(number)]
        kind = KINDS[rows["kind"][0]]
        if kind in ("read", "write"):
            space = trace.arrays[rows["array"][0]].space
            key = (int(rows["line"][0]), space, "load" if kind == "read" else "store")
            requests[key] += 1
            paid[key] += (sectors if space == "global" else wavefronts)(rows)
    counted = {(c.line, c.space, c.operation): c for c in kernel.counters if c.space != "code"}
    assert requests == {key: c.requests for key, c in counted.items()}
    assert paid == {key: c.transactions for key, c in counted.items()}


def test_what_arrives_is_what_was_recorded() -> None:
    kernel = RawKernel(SOURCE, "turn", record=True)
    out = np.zeros(16, np.float32)
    with pytest.raises(EmulatorError):
        trace_of(kernel, (2,), (8,))
    kernel((2,), (8,), (out, np.arange(16, dtype=np.float32)))
    trace = trace_of(kernel, (2,), (8,))
    assert kernel.events is not None
    assert len(trace.events) == len(kernel.events)
    for row, event in zip(trace.events, kernel.events, strict=True):
        assert KINDS[row["kind"]] == event.kind
        assert (row["block"], row["thread"], row["line"] or None) == (event.block, event.thread, event.line)
        if event.index is not None:
            array = trace.arrays[row["array"]]
            assert (array.name, array.space, row["offset"]) == (event.array, event.space, event.address)
            assert np.frombuffer(row["value"].tobytes()[:4], array.dtype)[0] == event.value
    assert (trace.kernel, trace.grid, trace.block) == ("turn", (2, 1, 1), (8, 1, 1))


def run(*words: str) -> int:
    parser = ArgumentParser()
    cuda.add_arguments(parser)
    return cuda.main(parser.parse_args(list(words)))


def test_a_race_of_a_file_can_be_looked_at(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source, trace = tmp_path / "turn.cu", tmp_path / "turn.trace"
    source.write_text(SOURCE.replace("    __syncthreads();\n", ""))
    assert run("step", str(source), "-o", str(trace)) == 0
    assert str(trace) in capsys.readouterr().out
    call = [sys.executable, "-m", "teachgrad", "inspect", str(trace), "--at", "race", "--print", "json"]
    told = json.loads(subprocess.run(call, capture_output=True, text=True, check=True).stdout)
    assert [lane["thread"] for lane in told["lanes"] if lane["racing"]] == [3, 4]
    assert told["sentence"].startswith("line 7: thread 3 reads s[4]: ")
    assert not told["together"]


def test_without_output_the_inspector_shows_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "turn.cu").write_text(SOURCE)
    assert run("step", str(tmp_path / "turn.cu")) == 0
    assert "block 0 has not begun" in capsys.readouterr().out


def test_a_puzzle_gives_its_trace(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "mine.cu"
    file.write_text(next(p for p in PUZZLES if p.name == "reverse").solution.read_text("utf-8"))
    assert run("puzzle", "9", "--picture", str(file), "--trace", str(tmp_path / "x.trace")) == 0
    assert read_trace(tmp_path / "x.trace").kernel == "reverse"
    capsys.readouterr()


def test_the_consoles_of_the_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
                                  capsys: pytest.CaptureFixture[str]) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    source = re.search(r"```cuda\n(.*?)```", PAGE, re.DOTALL)
    assert source
    Path("turn.cu").write_text(source[1])
    Path("race.cu").write_text(source[1].replace("    __syncthreads();\n", ""))
    shown = re.findall(r"```text\n(.*?)```", PAGE, re.DOTALL)
    assert len(shown) == 2
    for console in shown:
        for part in console.split("$ teachgrad ")[1:]:
            words, _, said = part.partition("\n")
            assert teachgrad(words.split()) == 0
            assert capsys.readouterr().out == said


@pytest.mark.parametrize("words", [("no.cu",), ("turn.cu", "--kernel", "other"), ("turn.cu", "--most", "0"),
                                   ("turn.cu", "-o", "no/such/folder/x.trace")])  # fmt: skip
def test_what_cannot_be_stepped_through_is_told(words: tuple[str, ...], tmp_path: Path,
                                                monkeypatch: pytest.MonkeyPatch,
                                                capsys: pytest.CaptureFixture[str]) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    Path("turn.cu").write_text(SOURCE)
    assert run("step", *words) == 2
    assert capsys.readouterr().err.startswith("teachgrad cuda step: ")
