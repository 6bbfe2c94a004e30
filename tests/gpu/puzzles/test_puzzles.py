"""The puzzles: fresh ones fail and say so, solutions pass, and each known mistake meets its own hint."""

from __future__ import annotations

import importlib.util
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from teachgrad_gpu import emulator
from teachgrad_gpu.compiling import compile_cuda, compilers
from teachgrad_gpu.emulator import building
from teachgrad_gpu.puzzles import PUZZLES, Puzzle, check
from teachgrad_gpu.puzzles.folder import handed_out
from teachgrad_gpu.puzzles.hints import COMMON
from teachgrad_gpu.puzzles.puzzle import SOLUTIONS

_spec = importlib.util.spec_from_file_location("puzzle_bank", Path(__file__).with_name("bank.py"))
assert _spec is not None
assert _spec.loader is not None
bank = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(bank)

pytestmark = pytest.mark.skipif(building.command() is None, reason="no C++ compiler")
BRIEF = ("guard", "reverse", "warp_sum", "coalesce")
"""A few for the fast tests: a result, a finding, a shuffle and a cost."""


@pytest.fixture(autouse=True, scope="module")
def _end_the_worker() -> Iterator[None]:
    yield
    emulator.stop()


def puzzles(*brief: str) -> list[object]:
    return [pytest.param(p, id=p.name, marks=() if p.name in (brief or BRIEF) else pytest.mark.slow) for p in PUZZLES]


@pytest.mark.parametrize("puzzle", puzzles())
def test_as_handed_out_it_is_not_solved_and_says_what_to_do(puzzle: Puzzle) -> None:
    verdict = check(puzzle, handed_out(1, puzzle))
    assert not verdict.passed
    assert verdict.hint is not None
    assert verdict.hint.key == "untouched"
    assert verdict.messages
    assert "does not compile" not in verdict.messages[0]
    assert verdict.events is not None


@pytest.mark.parametrize("puzzle", puzzles())
def test_the_solution_solves_it(puzzle: Puzzle) -> None:
    verdict = check(puzzle, puzzle.solution.read_text("utf-8"))
    assert verdict.passed, verdict.messages
    assert verdict.events is not None
    assert not verdict.findings


@pytest.mark.parametrize("puzzle", puzzles("guard", "reverse"))
def test_each_mistake_meets_its_own_hint(puzzle: Puzzle) -> None:
    solution = puzzle.solution.read_text("utf-8")
    for key, changes in bank.BANK[puzzle.name]:
        verdict = check(puzzle, bank.mistaken(solution, changes))
        assert not verdict.passed, key
        assert verdict.hint is not None, (key, verdict.messages)
        assert verdict.hint.key == key, verdict.messages


def test_every_hint_of_a_puzzle_is_provoked() -> None:
    for puzzle in PUZZLES:
        provoked = {key for key, _ in bank.BANK[puzzle.name]}
        assert {hint.key for hint in puzzle.hints} <= provoked
        assert provoked <= {hint.key for hint in (*puzzle.hints, *COMMON)}
        assert len(bank.BANK[puzzle.name]) >= 2
    assert set(bank.BANK) == {puzzle.name for puzzle in PUZZLES}


def test_there_are_enough_and_all_have_names_and_solutions_of_their_own() -> None:
    assert len(PUZZLES) >= 14
    for of in (lambda p: p.name, lambda p: p.title, lambda p: p.kernel):
        assert max(Counter(map(of, PUZZLES)).values()) == 1
    assert {path.stem for path in SOLUTIONS.glob("*.cu")} == {p.name for p in PUZZLES}


def test_cases_have_odd_sizes_and_arrays_that_hold_no_answer() -> None:
    for puzzle in PUZZLES:
        cases = puzzle.cases()
        assert len(cases) >= 2
        for case in cases:
            assert set(case.expected) == {"out"}
            assert next(iter(case.arguments)) != "out"


@pytest.mark.slow
@pytest.mark.skipif(not compilers(), reason="neither NVRTC nor nvcc is installed")
@pytest.mark.parametrize("compiler", compilers())
def test_a_compiler_for_gpus_takes_every_solution(compiler: str) -> None:
    texts = {p.name: p.solution.read_text("utf-8").replace('extern "C" ', "") for p in PUZZLES}
    together = "".join(f"namespace {name} {{\n{text}\n}}\n" for name, text in texts.items())
    assert len(compile_cuda(together, "sm_80", compiler=compiler).resources) == len(PUZZLES)
