"""Exported C is clean under every warning and sanitizer, runs by itself, and is called from C++."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import teachgrad as tg
from teachgrad import nn
from tests.export.programs import (
    COMPILERS,
    GPT,
    SANITIZERS,
    LeNet,
    Perceptron,
    build,
    classifier,
    digits,
    gpt,
    lenet,
    moons,
    tensors,
)
from tests.passes import models

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not COMPILERS, reason="needs gcc or clang")]


def odd(x: Any, n: Any) -> Any:
    """Ops of many kinds: integers, booleans, comparisons, whole sums, softmax, and a table."""
    table = tg.tensor(np.linspace(0, 1, 12, dtype=np.float32).reshape(4, 3))
    rows = nn.functional.embedding(n, table)
    y = nn.functional.softmax(x + rows, axis=1)
    return y, y.sum(), (y > 0.3).astype(tg.int32), n * 3 - 1, y.max(axis=0), tg.exp(x).sum(axis=0), y @ y.T


def of_models(name: str) -> tuple[Any, Any, bool]:
    """A training step of a model that the tests of static mode use, with its dropout and running statistics."""
    tg.seed(9)
    training, batch = models.MODELS[name]()
    return training.step, tuple(x.numpy() for x in batch), True


PROGRAMS: dict[str, Callable[[], tuple[Any, Any, bool]]] = {
    "perceptron": lambda: (Perceptron(), digits()[0], False),
    "moons": lambda: (moons()[0], moons()[2], True),
    "classifier": lambda: (classifier()[0], classifier()[2], True),
    "lenet": lambda: (LeNet(), digits(flatten=False)[0][:9], False),
    "lenet_step": lambda: (lenet()[0], lenet()[2], True),
    "gpt": lambda: (GPT(), gpt()[2][0], False),
    "gpt_step": lambda: (gpt()[0], gpt()[2], True),
    **{name: lambda name=name: of_models(name) for name in ("convnet", "residual", "character_model", "bag_of_words")},
    "odd": lambda: (odd, (np.ones((2, 3), np.float32), np.array([1, 3])), False),
}


@pytest.mark.parametrize("compiler", COMPILERS)
@pytest.mark.parametrize("name", PROGRAMS)
def test_clean_and_running_by_itself(name: str, compiler: str, tmp_path: Path) -> None:
    fn, example, train = PROGRAMS[name]()
    arrays = example if isinstance(example, tuple) else (example,)
    paths = tg.export_c(fn, tmp_path / name, example=tensors(arrays), train=train)
    source = next(path for path in paths if path.suffix == ".c")
    assert max(len(line) for line in source.read_text().splitlines() if not line.startswith(("/*", " *"))) <= 130
    build(source, *SANITIZERS, f"-D{name.upper()}_EXAMPLE", compiler=compiler, output="example")
    build(source, "-O3", "-fopenmp-simd", *(["-Wno-pass-failed"] if compiler == "clang" else []), compiler=compiler)
    done = subprocess.run(["./example"], input=b"".join(array.tobytes() for array in arrays), cwd=tmp_path,
                          capture_output=True, check=True, timeout=300, env={"PATH": "/usr/bin:/bin"})
    assert not done.stderr
    model = fn.eval() if isinstance(fn, nn.Module) else fn
    answers = model(*tensors(arrays))
    wanted = np.concatenate([z.numpy().reshape(-1).astype(float)
                             for z in (answers if isinstance(answers, tuple) else (answers,))])
    np.testing.assert_allclose(np.array(done.stdout.split(), float), wanted, rtol=1e-5, atol=1e-5)


MAIN = """
#include <cstdio>
#include <memory>
#include <vector>
#include "perceptron.h"

int main()
{
    auto weights = std::make_unique<perceptron_weights>();
    auto memory = std::make_unique<perceptron_memory>();
    if (perceptron_load(weights.get(), "perceptron.weights")) return 1;
    std::vector<float> x(3 * 64), result(3 * 10);
    for (std::size_t i = 0; i < x.size(); i++) x[i] = static_cast<float>(i % 7) / 7;
    if (perceptron_run(weights.get(), memory.get(), x.data(), result.data())) return 1;
    for (float value : result) std::printf("%.9g\\n", static_cast<double>(value));
}
"""


@pytest.mark.skipif(shutil.which("g++") is None, reason="needs g++")
def test_called_from_cplusplus(tmp_path: Path) -> None:
    model = Perceptron()
    x = (np.arange(192) % 7 / 7).astype(np.float32).reshape(3, 64)
    tg.export_c(model, tmp_path / "perceptron", example=tg.tensor(x))
    (tmp_path / "main.cpp").write_text(MAIN)
    subprocess.run([COMPILERS[0], "-std=c11", "-O2", "-c", "perceptron.c"], check=True, cwd=tmp_path)
    subprocess.run(["g++", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "main.cpp", "perceptron.o", "-o", "main"],
                   check=True, cwd=tmp_path)
    answer = subprocess.run(["./main"], cwd=tmp_path, capture_output=True, check=True, timeout=60).stdout
    np.testing.assert_allclose(np.array(answer.split(), float).reshape(3, 10), model.eval()(tg.tensor(x)).numpy(),
                               rtol=1e-5, atol=1e-6)
