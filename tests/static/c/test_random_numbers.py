"""Random numbers that generated C draws have the very bits of dynamic mode, in every step."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import teachgrad as tg
from teachgrad import nn
from teachgrad.executors.c import compiler

pytestmark = pytest.mark.skipif(compiler() is None, reason="needs a C compiler")
SHAPES = [(1,), (7,), (8,), (3, 5, 11), (40, 1000)]


@pytest.mark.parametrize("draw", [
    lambda shape: tg.random.bernoulli(0.3, shape, dtype="bool", name="b"),
    lambda shape: tg.random.bernoulli(1.0, shape, dtype="float32", name="b"),
    lambda shape: tg.random.bernoulli(0.0, shape, dtype="int64", name="b"),
    lambda shape: tg.random.uniform(shape, low=0.0, high=1.0, dtype="float32", name="u"),
    lambda shape: tg.random.uniform(shape, low=-0.3, high=1.7, dtype="float32", name="u"),
    lambda shape: tg.random.uniform(shape, low=0.0, high=0.7, dtype="float64", name="u"),
    lambda shape: tg.random.uniform(shape, low=-1.0, high=2.0, dtype="float64", name="u"),
])
def test_the_bits_are_those_of_dynamic_mode(draw: Any) -> None:
    def run() -> Any:
        return [draw(shape) for shape in SHAPES]

    tg.seed(11)
    wanted = [[z.numpy().tobytes() for z in run()] for _ in range(3)]
    tg.seed(11)
    step = tg.static(run, level="O3")
    assert [[z.numpy().tobytes() for z in step()] for _ in range(3)] == wanted


def test_a_step_with_dropout_and_its_accuracy_is_one_function() -> None:
    model = nn.Sequential(nn.Linear(6, 40), nn.Dropout(0.4), nn.Linear(40, 5))

    def run(x: Any, labels: Any) -> Any:
        z = model(x)
        loss = nn.functional.cross_entropy(z, labels)
        return loss, (tg.argmax(z, axis=1) == labels).sum(), *tg.grad(loss, list(model.parameters()))

    rng = np.random.default_rng(0)
    x, labels = tg.tensor(rng.normal(size=(12, 6)).astype(np.float32)), tg.tensor(rng.integers(0, 5, 12))
    tg.seed(3)
    wanted = [run(x, labels) for _ in range(3)]
    tg.seed(3)
    step = tg.static(run, level="O3")
    for some in wanted:
        for got, want in zip(step(x, labels), some, strict=True):
            np.testing.assert_allclose(got.numpy(), want.numpy(), rtol=1e-4, atol=1e-6)
    assert "numpy:" not in tg.source(step)


def test_a_step_that_draws_leaves_python(tmp_path: Path) -> None:
    """The state of a draw holds numbers that need all of their 64 bits."""
    model = nn.Sequential(nn.Linear(6, 8), nn.Dropout(0.4), nn.Linear(8, 5))

    def train(x: Any, labels: Any) -> Any:
        return nn.functional.cross_entropy(model(x), labels)

    example = (tg.ones((3, 6)), tg.zeros((3,), dtype=tg.int64))
    source = next(f for f in tg.export_c(train, tmp_path / "drop", example=example, train=True) if f.suffix == ".c")
    how = compiler()
    assert how is not None
    done = subprocess.run([*how.command, "-std=c11", "-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Werror", "-c",
                           str(source), "-o", str(tmp_path / "drop.o")], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("op", [tg.argmax, tg.argmin])
@pytest.mark.parametrize("dtype", ["float32", "float64", "int64", "uint8", "bool"])
def test_the_first_extreme_element_along_any_axis(op: Any, dtype: str) -> None:
    rng = np.random.default_rng(0)
    x = rng.integers(0, 4, (3, 5, 4)).astype(dtype)
    if dtype.startswith("f"):
        x[rng.uniform(size=x.shape) < 0.1] = np.nan
        x[0, 0] = -np.inf

    def run(x: Any) -> Any:
        return op(x), op(x, axis=0), op(x, axis=1), op(x, axis=-1), op(tg.permute_dims(x, (2, 0, 1)), axis=1)

    step = tg.static(run, level="O3")
    for got, want in zip(step(tg.tensor(x)), run(tg.tensor(x)), strict=True):
        np.testing.assert_array_equal(got.numpy(), want.numpy())
    assert "numpy:" not in tg.source(step)
