"""A level that changes while a training goes on."""

from __future__ import annotations

from itertools import permutations
from pathlib import Path

import numpy as np
import pytest

import teachgrad as tg
from teachgrad.recording import Reader, Recorder
from teachgrad.recording.recorder import Level
from teachgrad.recording.schema import LEVELS

STEPS = 5


def train(path: Path, levels: tuple[Level, ...]) -> list[np.ndarray]:
    """Each step at the next level; what the parameter was in each step."""
    w = tg.tensor(np.linspace(-1, 1, 6, dtype="f4").reshape(3, 2), requires_grad=True, name="w")
    before = []
    with Recorder(path, level=levels[0]) as recorder:
        for number in range(STEPS):
            recorder._sink.set_level(levels[number % len(levels)])
            before.append(w.numpy().copy())
            h = tg.tensor(np.full((2, 3), (number + 1) / 6, "f4")) @ w
            loss = (tg.tanh(h) ** 2).sum()
            w.grad = None
            loss.backward()
            with tg.no_grad():
                w.copy_(w - 0.1 * w.grad)
    return before


@pytest.mark.parametrize("levels", [*permutations(LEVELS, 2), *permutations(LEVELS, 3)])
def test_what_is_kept_is_right_and_there_where_it_is_read(levels: tuple[Level, ...], tmp_path: Path) -> None:
    before = train(tmp_path / "r.tgr", levels)
    with Reader(tmp_path / "r.tgr") as run:
        assert run.steps == STEPS
        assert run.level == max(levels, key=LEVELS.index)
        assert run.recomputes == ("replay" in levels)
        for number in range(STEPS):
            step = run.step(number)
            product = next(row for row in step.rows if row.op == "matmul")
            x, w = product.inputs
            assert step.rows[step.made[x]].kind == "leaf"
            stored = run.value_at(w, product.moment)
            values = run.values(stored) if stored is not None else None
            level = levels[number % len(levels)]
            if values is not None:
                assert values.tobytes() == before[number].tobytes()
            else:
                assert level in ("meta", "stats")
            assert sum(row.kind == "leaf" and row.vertex == w for row in step.rows) <= 1


@pytest.mark.parametrize("before", ["meta", "stats", "values"])
@pytest.mark.parametrize("late", [False, True])
def test_nothing_is_out_of_reach_once_the_level_is_replay(before: Level, late: bool, tmp_path: Path) -> None:
    """Also in the step in which it changes, in whose leaves there may be no elements: what is recorded from then on is
    kept, or follows from what is. `late`: it changes between forward and backward."""
    w = tg.tensor(np.linspace(-1, 1, 6, dtype="f4").reshape(3, 2), requires_grad=True, name="w")
    x = tg.tensor(np.ones((2, 3), "f4"))
    again = 0
    with Recorder(tmp_path / "r.tgr", level=before) as recorder:
        for number in range(3):
            h = tg.tanh(x @ w)
            if number == 1 and not late:
                recorder._sink.set_level("replay")
                first = recorder._writer._arrays + 1
            loss = (h * h * w.sum()).sum()
            if number == 1 and late:
                recorder._sink.set_level("replay")
                first = recorder._writer._arrays + 1
            w.grad = None
            loss.backward()
            with tg.no_grad():
                w.copy_(w - 0.1 * w.grad)
    with Reader(tmp_path / "r.tgr") as run:
        for row in (*run.step(1).rows, *run.step(2).rows):
            for array in (row.value, row.delta):
                if array is not None and array >= first:
                    assert run.values(array) is not None, (row, run.why_not(array))
                    again += run.array(array).marked
    assert again
