"""Random programs through every mode, quickly; and thousands of them beside other libraries, slowly.

`python -m tests.fuzz` does the same for as long as one likes (docs/reference/fuzzing.md).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from teachgrad.op import state
from teachgrad.ops.elementwise import tanh
from tests.fuzz.__main__ import BATCH, check_batch
from tests.fuzz.checking import MANNERS, Check, Tally, writing_c
from tests.fuzz.comparing import Judge
from tests.fuzz.drawing import ROWS, draw
from tests.fuzz.program import Input, Line, Program
from tests.fuzz.running import run_levels, run_ours
from tests.fuzz.shrinking import script, shrunk

QUICK, SLOW = 200, 3000


def unexplained(tally: Tally) -> str:
    return "\n\n".join(script(f.program, f"seed {f.seed}, {f.where}: {f.what}") for f in tally.findings
                       if not f.explained)


@pytest.mark.parametrize("first", range(0, QUICK, BATCH))
def test_random_programs_in_our_own_modes(first: int) -> None:
    """Bits at O0 and O1, bounds at O2, and in every third batch at O3, as for small arrays and as for large ones."""
    tally = Tally()
    seeds = range(first, first + BATCH)
    check = Check(tally, seeds, [draw(seed) for seed in seeds], manner=list(MANNERS)[first // BATCH % 4])
    check.levels(("O0", "O1", "O2", "O3") if first // BATCH % 3 == 0 else ("O0", "O1", "O2"))
    assert not unexplained(tally)
    assert tally.compared["O1"] > 0.9 * BATCH


@pytest.mark.slow
@pytest.mark.oracles("torch", "jax")
@pytest.mark.parametrize("first", range(0, SLOW, 4 * BATCH))
def test_random_programs_beside_other_libraries(first: int) -> None:
    tally = Tally()
    for start in range(first, first + 4 * BATCH, BATCH):
        check_batch(tally, start, BATCH)
    assert not unexplained(tally)
    assert tally.compared["torch"] > 0.8 * 4 * BATCH


def test_every_row_of_the_vocabulary_is_drawn() -> None:
    drawn = {line.row for seed in range(400) for line in draw(seed).lines}
    assert len(set(ROWS) - drawn) <= 3, set(ROWS) - drawn
    assert draw(17) is not draw(17)
    assert draw(17).function("tg") == draw(17).function("tg")


# ---- the judge -------------------------------------------------------------------------------------------------------

def line(target: str, text: str) -> Line:
    return Line("test", (target,), {"tg": f"{target} = {text}"})


X = np.linspace(-1.0, 2.2, 7).astype(np.float32)
CANCELLING = Program({"x0": Input(X, True)}, (line("v0", "(x0 + 100.0) - 100.0"),), ("v0",))
PLAIN = Program({"x0": Input(X, True)}, (line("v0", "tg.tanh(x0)"), line("v1", "v0 * x0")), ("v1",))


def moved(answer: list[np.ndarray | None], number: int, factor: float) -> list[np.ndarray | None]:
    """The answer with one of its numbers changed."""
    return [x if k != number or x is None else x * np.asarray(factor, x.dtype) for k, x in enumerate(answer)]


def test_an_error_beyond_rounding_is_seen_and_rounding_is_not() -> None:
    want = run_ours([PLAIN])[0]
    for number in range(len(want)):
        assert Judge(PLAIN).difference(moved(want, number, 1 + 3e-7), want) is None
        assert Judge(PLAIN).difference(moved(want, number, 1 + 1e-4), want) is not None


def test_what_cancels_may_differ_by_more() -> None:
    """x + 100 - 100 has two digits less than x; its gradient has all of them."""
    want = run_ours([CANCELLING])[0]
    assert Judge(CANCELLING).difference([X, want[1]], want) is None
    assert Judge(CANCELLING).difference([X * 1.01, want[1]], want) is not None
    assert Judge(CANCELLING).difference(moved(want, 1, 1 + 1e-4), want) is not None


def test_at_a_tie_nothing_is_decided() -> None:
    tie = Program({"x0": Input(X)}, (line("v0", "tg.argmax(tg.stack([x0, x0 * 1.0]), axis=0)"),), ("v0",), order=0)
    want = run_ours([tie])[0]
    judge = Judge(tie)
    assert judge.difference([1 - want[0]], want) is None
    assert judge.undecided > 0


def test_a_program_is_made_small() -> None:
    """What fails wherever there is a tanh becomes a tanh of one input, and a script that runs."""
    program = next(p for p in map(draw, range(2000)) if not p.special and p.order == 1 and len(p.lines) > 3 and any(
        "tg.tanh" in line.texts["tg"] and p.inputs.get(next(iter(line.operands), "")) for line in p.lines))

    def fails(p: Program) -> bool:
        return any("tg.tanh" in line.texts["tg"] for line in p.lines)

    small = shrunk(program, fails)
    assert len(small.lines) == 1
    assert len(small.inputs) == 1
    assert "tg.tanh" in script(small)
    exec(compile(script(small, level="O1"), "script", "exec"), {"__name__": "script"})


def test_all_levels_of_one_trace_are_those_of_several() -> None:
    programs = [p for p in map(draw, range(3000, 3012)) if p.lines]
    with writing_c("-O0"):
        together = run_levels(programs, ["O0", "O1", "O2"], calls=2)
        apart = [run_ours(programs, level, calls=2) for level in ("O0", "O1", "O2")]
    for a, b in zip(together, apart, strict=True):
        for x, y in zip((v for row in a for v in row), (v for row in b for v in row), strict=True):
            assert (x is None) == (y is None)
            assert x is None or x.tobytes() == y.tobytes()


@pytest.mark.slow
@pytest.mark.parametrize("level", ["O0", "O1", "O2"])
def test_a_wrong_gradient_is_reported(level: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """If static mode had another rule for tanh than dynamic mode, the check would say so and show a tanh."""
    rule = type(tanh).vjp

    def wrong(self: Any, g: Any, z: Any, x: Any) -> Any:
        (right,) = rule(self, g, z, x)
        return (right if state.now.tracer is None else right * 1.001,)

    monkeypatch.setattr(type(tanh), "vjp", wrong)
    tally = Tally()
    Check(tally, [7], [PLAIN]).levels([level])
    (finding,) = tally.findings
    assert (finding.seed, finding.where, len(finding.program.lines)) == (7, level, 1)
    assert "tg.tanh" in finding.program.function("tg")
