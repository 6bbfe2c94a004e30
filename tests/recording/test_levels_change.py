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
