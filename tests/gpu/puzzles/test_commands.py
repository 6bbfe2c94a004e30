"""`teachgrad cuda puzzle`: the list, the file, the verdict, the picture; and files that are no good."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ElementTree
from argparse import ArgumentParser
from pathlib import Path

import pytest

from teachgrad_gpu.commands import cuda
from teachgrad_gpu.emulator import building
from teachgrad_gpu.puzzles import PUZZLES

needs_compiler = pytest.mark.skipif(building.command() is None, reason="no C++ compiler")
NUMBERS = {puzzle.name: number for number, puzzle in enumerate(PUZZLES, 1)}


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    parser = ArgumentParser()
    cuda.add_arguments(parser)
    status = cuda.main(parser.parse_args(["puzzle", *words]))
    out, err = capsys.readouterr()
    return status, out, err


def solution(name: str) -> str:
    return PUZZLES[NUMBERS[name] - 1].solution.read_text("utf-8")


def test_the_task_comes_with_a_file_that_is_never_overwritten(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = run(capsys, "4")
    assert status == 0
    assert "puzzle_4.cu is ready" in out
    assert max(map(len, out.splitlines())) < 80
    assert "TODO" in Path("puzzle_4.cu").read_text()
    Path("puzzle_4.cu").write_text("mine")
    status, out, _ = run(capsys, "guard")
    assert status == 0
    assert "was there already" in out
    assert Path("puzzle_4.cu").read_text() == "mine"
    assert json.loads(run(capsys, "4", "--json")[1])["written"] is False


@needs_compiler
def test_a_way_through_a_puzzle(capsys: pytest.CaptureFixture[str]) -> None:
    def states() -> str:
        return json.loads(run(capsys, "--json")[1])[NUMBERS["guard"] - 1]["state"]

    assert states() == "new"
    run(capsys, "4")
    assert states() == "begun"
    status, out, _ = run(capsys, "4", "--check")
    assert status == 1
    assert "Hint: This is the puzzle as it was handed out" in out
    assert "01234|5" in out  # who goes past the end, and where that is
    assert max(map(len, out.splitlines())) < 80
    assert states() == "tried"
    mine = Path("puzzle_4.cu")
    mine.write_text(solution("guard").replace("i < n", "i <= n"))
    status, out, _ = run(capsys, "4", "--check", "--json")
    told = json.loads(out)
    assert status == 1
    assert told["hint"]["key"] == "off-by-one"
    assert told["findings"][0]["line"] == 5
    mine.write_text(solution("guard"))
    status, out, _ = run(capsys, "4", "--check", "--svg", "p.svg")
    assert status == 0
    assert "solved" in out
    assert "Hint" not in out
    assert states() == "solved"
    squares = ElementTree.parse("p.svg").getroot().findall(".//{http://www.w3.org/2000/svg}rect")
    assert len(squares) == 1 + 5 + 5  # the ground, a, out
    mine.write_text(solution("guard") + "\n")
    assert states() == "changed"
    run(capsys, "4", "--check", "nothing.cu")
    assert "1 of" not in run(capsys)[1]


@needs_compiler
def test_the_picture_is_that_of_the_learners_own_run(capsys: pytest.CaptureFixture[str]) -> None:
    Path("mine.cu").write_text(solution("reverse").replace("    __syncthreads();\n", "\n"))
    status, out, _ = run(capsys, "9", "--picture", "mine.cu")
    assert status == 0
    lines = out.splitlines()
    assert "   8 write  piece[0..7]       01234567" in lines
    assert "  11 read   piece[0..7]       76543210" in lines
    assert not any("__syncthreads" in line for line in lines)
    marks = [line.index("^") for line in lines if line.strip().startswith("race")]
    assert len(marks) == 2
    assert marks[0] == marks[1] == len("   8 write  piece[0..7]       ") + 4
    Path("mine.cu").write_text(solution("reverse"))
    assert "__syncthreads()----" in run(capsys, "9", "--picture", "mine.cu")[1]


@needs_compiler
def test_a_picture_or_a_trace_is_written_without_a_verdict(capsys: pytest.CaptureFixture[str]) -> None:
    Path("puzzle_9.cu").write_text(solution("reverse"))
    status, out, _ = run(capsys, "9", "--svg", "p.svg", "--trace", "x.trace")
    assert status == 0
    assert out == run(capsys, "9", "--picture")[1]
    assert {file.name for file in Path().iterdir()} == {"puzzle_9.cu", "p.svg", "x.trace"}


@needs_compiler
@pytest.mark.parametrize(("text", "said"), [
    ('extern "C" __global__ void guard(const float* a, float* out, int n) { this is no CUDA }', "mine.cu:1:"),
    ('extern "C" __global__ void guard(float* a) { a[0] = 1; }', "takes 1 parameters"),
    ('extern "C" __global__ void guard(const float* a, float* out, int n) { asm("nop;"); }', "inline PTX"),
    ('extern "C" __global__ void other(const float* a, float* out, int n) {}', "there are: other"),
], ids=["syntax", "parameters", "refused", "name"])  # fmt: skip
def test_what_cannot_be_launched_is_told(text: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path("mine.cu").write_text(text)
    status, out, _ = run(capsys, "4", "--check", "mine.cu")
    assert status == 1
    assert said in " ".join(out.split())


@needs_compiler
@pytest.mark.slow
def test_a_kernel_that_crashes_or_never_ends_is_given_up(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("teachgrad_gpu.puzzles.checking.SECONDS", 0.5)
    head = 'extern "C" __global__ void guard(const float* a, float* out, int n) { '
    Path("mine.cu").write_text(head + "volatile int i = 0; while (i >= 0) i = 1; }")
    status, out, _ = run(capsys, "4", "--check", "mine.cu")
    assert status == 1
    assert "does not end" in " ".join(out.split())
    Path("mine.cu").write_text(head + "int* p = (int*)16; *p = n; }")
    status, out, _ = run(capsys, "4", "--check", "mine.cu")
    assert status == 1
    Path("mine.cu").write_text(solution("guard"))
    assert run(capsys, "4", "--check", "mine.cu")[0] == 0


@pytest.mark.parametrize("words", [("99",), ("nothing",), ("4", "--check"), ("4", "--check", "no/such.cu"),
                                   ("4", "--picture", "."), ("4", "--svg", "p.svg"), ("--check",),
                                   ("--trace", "x.trace"), ("4", "--check", "a.cu", "--picture", "b.cu")])  # fmt: skip
def test_nothing_to_check(words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    status, out, err = run(capsys, *words)
    assert status == 2
    assert not out
    assert err.startswith("teachgrad cuda puzzle: ")
    assert err.count("\n") == 1
    assert words[1:] != ("--check",) or "puzzle_4.cu is not there; `teachgrad cuda puzzle 4` writes it" in err
    assert words[2:] != ("no/such.cu",) or "no/such.cu: No such file" in err


@pytest.mark.parametrize("text", ["", "[]", "{", '{"guard": 3}', '{"guard": {"solved": []}}', "[" * 100_000])
def test_a_score_that_is_none_counts_as_empty(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path("puzzles.score.json").write_text(text)
    status, out, _ = run(capsys)
    assert status == 0
    assert "0 of 20 solved" in out
