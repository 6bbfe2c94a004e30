"""Generated C on more than one core: the same bits, safe in forked children, and one core unless more are asked for."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import teachgrad as tg
from teachgrad import nn, optim, threads
from teachgrad.executors.c.compiler import cache_dir, compiled, compiler, has_openmp
from teachgrad.executors.c.team import Team, blas_threads
from teachgrad.nn import functional as F
from tests.export.programs import step_of
from tests.static.c.standalone import alone, built

HOW = compiler()
needs_openmp = pytest.mark.skipif(HOW is None or not has_openmp(HOW, str(cache_dir())), reason="needs OpenMP")
ROOT = Path(__file__).parents[3]


@pytest.fixture(autouse=True)
def nothing_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test begins with no number of threads."""
    monkeypatch.delenv(threads.VARIABLE, raising=False)
    monkeypatch.setattr(threads, "_asked", None)


def trained(count: int | None) -> tuple[list[float], list[Any], str]:
    """Losses of a few steps of a model whose loops are long enough to be divided, its weights, and the program."""
    tg.seed(3)
    model = nn.Sequential(nn.Linear(96, 512), nn.LayerNorm(512), nn.GELU(), nn.Linear(512, 200))
    optimizer = optim.AdamW(model.parameters(), lr=1e-3)
    step = tg.static(step_of(model, optimizer), level="O3", threads=count)
    rng = np.random.default_rng(0)
    x, t = tg.tensor(rng.normal(size=(256, 96)).astype(np.float32)), tg.tensor(rng.integers(0, 200, 256))
    losses = [step(x, t).item() for _ in range(4)]
    return losses, [p.numpy() for p in model.parameters()], tg.source(step)


@needs_openmp
def test_loops_are_divided_and_give_the_same_bits_in_every_run() -> None:
    losses, weights, source = trained(2)
    assert source.count("#pragma omp parallel for") > 5
    assert "int threads = 2;" in source
    again = trained(2)
    assert again[0] == losses
    for p, q in zip(weights, again[1], strict=True):
        assert np.array_equal(p, q)


SUMS: dict[str, tuple[tuple[int, ...], Any]] = {
    "of all": ((100_000,), lambda x: (x * 2.0).sum()),
    "of a matrix that is turned": ((300, 400), lambda x: (x.mT + tg.ones((400, 300))).sum()),
    "of columns": ((700, 90), lambda x: (x * x).sum(axis=0)),
    "of rows": ((700, 90), lambda x: (x * x).sum(axis=1)),
    "of long rows": ((3, 40_000), lambda x: (x * x).sum(axis=1)),
    "of the middle axis": ((20, 60, 90), lambda x: (x * x).sum(axis=1)),
    "of the outer axes": ((20, 60, 90), lambda x: (x * x).sum(axis=(0, 1))),
    "of both ends": ((20, 60, 90), lambda x: (x * x).sum(axis=(0, 2))),
    "largest of columns": ((700, 90), lambda x: tg.max(x * x, axis=0)),
    "least of all": ((700, 90), lambda x: tg.min(tg.exp(x) - x)),
    "of integers": ((700, 90), lambda x: tg.astype(x > 0, tg.int64).sum(axis=0)),
    "softmax and its sums": ((600, 80), lambda x: F.softmax(x, axis=1).sum(axis=0)),
    "rows and columns": ((600, 80), lambda x: tg.sum((x - x.mean(axis=1, keepdims=True)) * x, axis=0)),
    "nan in between": ((700, 90), lambda x: tg.max(tg.log(x), axis=0)),
}


@needs_openmp
def test_sums_have_the_same_bits_for_any_number_of_threads() -> None:
    rng = np.random.default_rng(0)
    inputs = [tg.tensor(rng.normal(size=shape).astype(np.float32)) for shape, _ in SUMS.values()]

    def every(*inputs: Any) -> list[Any]:
        return [function(x) for x, (_, function) in zip(inputs, SUMS.values(), strict=True)]

    runs = []
    for count in (None, 2, 3, 64):
        f = tg.static(every, level="O3", threads=count)
        runs.append([z.numpy() for z in f(*inputs)])
        assert tg.source(f).count("#pragma omp parallel") >= (0 if count is None else len(SUMS))
    with np.errstate(invalid="ignore"):
        right = [z.numpy() for z in every(*inputs)]
    for number, which in enumerate(SUMS):
        assert len({run[number].tobytes() for run in runs}) == 1, which
        np.testing.assert_allclose(runs[0][number], right[number], rtol=2e-5, atol=2e-4, err_msg=which)


def test_sums_of_columns_are_made_of_parts() -> None:
    """Added one after the other, 200,000 numbers of single precision would lose three digits."""
    if HOW is None:
        pytest.skip("needs a C compiler")
    x = np.random.default_rng(0).uniform(size=(200_000, 3)).astype(np.float32)
    f = tg.static(lambda x: (x * 1.0 + 0.0).sum(axis=0), level="O3")
    right = x.sum(axis=0, dtype=np.float64)
    assert np.abs(f(tg.tensor(x)).numpy() / right - 1).max() < 2e-6


@needs_openmp
def test_one_core_and_several_agree() -> None:
    one, *_ = trained(None)
    for count in (1, 2, 3, 7):
        np.testing.assert_allclose(trained(count)[0], one, rtol=1e-6)


def test_one_core_unless_more_are_asked_for() -> None:
    for count in (None, 1):
        assert "parallel" not in trained(count)[2]


@needs_openmp
def test_where_the_number_comes_from(monkeypatch: pytest.MonkeyPatch) -> None:
    assert tg.get_num_threads() == 1
    monkeypatch.setenv(threads.VARIABLE, "3")
    assert tg.get_num_threads() == 3
    assert "int threads = 3;" in trained(None)[2]
    tg.set_num_threads(2)
    assert tg.get_num_threads() == 2
    assert "int threads = 2;" in trained(None)[2]
    assert "int threads = 4;" in trained(4)[2]


@pytest.mark.parametrize("wrong", [0, -1, 1.5, True, "2"])
def test_numbers_that_are_none(wrong: Any) -> None:
    with pytest.raises(tg.TeachgradError, match="integer from 1 on"):
        tg.set_num_threads(wrong)
    with pytest.raises(tg.TeachgradError, match="integer from 1 on"):
        tg.static(abs, level="O3", threads=wrong)


def test_a_variable_that_is_no_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(threads.VARIABLE, "all")
    with pytest.raises(tg.TeachgradError, match="TEACHGRAD_NUM_THREADS is 'all'"):
        tg.get_num_threads()


def test_threads_are_refused_where_numpy_runs() -> None:
    with pytest.raises(tg.TeachgradError, match='give level="O3"'):
        tg.static(abs, threads=2)


@needs_openmp
def test_short_loops_are_left_to_one_thread() -> None:
    f = tg.static(lambda x: tg.exp(x) * 2.0, level="O3", threads=2)
    f(tg.ones((50,)))
    assert "parallel" not in tg.source(f)
    f(tg.ones((50_000,)))
    assert "parallel" in tg.source(f)


@needs_openmp
def test_blas_keeps_to_the_number_and_gets_its_own_back() -> None:
    found = blas_threads()
    if found is None:
        pytest.skip("NumPy's BLAS is not OpenBLAS")
    tell, put = found
    before = tell()
    try:
        put(2)
        seen: list[int] = []
        f = tg.static(lambda x: x @ x, level="O3", threads=2)
        x = tg.tensor(np.random.default_rng(0).normal(size=(300, 300)))
        np.testing.assert_allclose(f(x).numpy(), x.numpy() @ x.numpy(), rtol=1e-12, atol=1e-12)
        program = f.trace.program
        (step,) = program.steps

        def watched(pointer: int) -> Any:
            seen.append(tell())
            return step(pointer)

        program.steps = [watched]
        f(x)
        assert seen == [1]  # each of our threads calls it
        assert tell() == 2
    finally:
        put(before)


FORK = """
import multiprocessing, os, sys
import numpy as np, teachgrad as tg
x = tg.tensor(np.random.default_rng(0).normal(size=(400, 500)))
f = tg.static(lambda x: (tg.exp(x) * 2.0 + x) @ x.mT, level="O3", threads=2)
before = f(x).numpy()
assert "parallel" in tg.source(f)

def child(answers):
    again = f(x).numpy()                                   # the program of the parent
    g = tg.static(lambda x: tg.tanh(x) * 3.0, level="O3", threads=2)
    new = g(x).numpy()                                     # one that is made in the child
    assert "parallel" in tg.source(g)
    answers.put(bool((again == before).all() and np.allclose(new, np.tanh(x.numpy()) * 3)))

context = multiprocessing.get_context(sys.argv[1])
answers = context.Queue()
process = context.Process(target=child, args=(answers,))
process.start()
print(answers.get(timeout=60))
process.join()
assert (f(x).numpy() == before).all()
"""


@needs_openmp
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_does_not_wait_for_threads_that_it_has_not() -> None:
    done = subprocess.run([sys.executable, "-c", FORK, "fork"], capture_output=True, text=True, timeout=120, cwd=ROOT,
                          check=False)
    assert done.stdout == "True\n", done.stderr


def test_a_compiler_without_openmp_is_named_once(monkeypatch: pytest.MonkeyPatch) -> None:
    if HOW is None:
        pytest.skip("needs a C compiler")
    c = tg.c
    monkeypatch.setattr(c, "has_openmp", lambda how, folder: False)
    c.say_once.cache_clear()
    with pytest.warns(RuntimeWarning, match="no OpenMP.*Generated C runs on one core"):
        losses, _, source = trained(2)
    assert "parallel" not in source
    assert losses == trained(1)[0]
    c.say_once.cache_clear()


@needs_openmp
def test_divided_loops_have_no_warnings(tmp_path: Path) -> None:
    assert HOW is not None
    compiled(HOW, trained(2)[2], tmp_path, ("-fopenmp", "-Wall", "-Wextra", "-Werror"))


def test_lines_of_ops_with_loops_of_their_own() -> None:
    text = "#pragma omp parallel for collapse(2)\nfor (;;)\n    #pragma omp simd\n    for (;;) x;\n"
    assert Team(2).settled(text, 10).startswith("for (;;)\n    #pragma omp simd")
    assert Team(2).settled(text, 1e6).startswith("#pragma omp parallel for num_threads(threads) collapse(2)\nfor")


def step_with_every_kind_of_loop() -> Any:
    """Attention, sums over rows, columns and all, updates in place: all that is divided among threads but BLAS."""
    scale, shift = tg.Parameter(np.ones(64, np.float32)), tg.Parameter(np.zeros(64, np.float32))
    optimizer = optim.SGD([scale, shift], lr=0.1)

    def train(q: Any, k: Any, v: Any, t: Any) -> Any:
        z = F.scaled_dot_product_attention(q * scale, k + shift, v, is_causal=True)
        z = F.layer_norm(z, (64,), scale, shift)
        loss = F.cross_entropy(z.reshape(512, 64), t) + (z * z).sum() * 1e-3
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    step = tg.static(train, level="O3", threads=3)
    step(*[tg.ones((8, 64, 64))] * 3, tg.zeros((512,), dtype=tg.int64))
    return step


@needs_openmp
@pytest.mark.slow
def test_divided_loops_under_the_sanitizers(tmp_path: Path) -> None:
    flags = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-fopenmp")
    program = built(tmp_path, {"step.c": alone(step_with_every_kind_of_loop())}, flags, flags)
    done = subprocess.run([str(program)], capture_output=True, text=True, check=False,
                          env={**os.environ, "ASAN_OPTIONS": "detect_leaks=0"})
    assert done.returncode == 0, done.stderr


@needs_openmp
@pytest.mark.slow
def test_divided_loops_have_no_races(tmp_path: Path) -> None:
    """Under the thread sanitizer, which is shown a planted race first: chunks that share one line of sums."""
    if HOW is None or "clang" in HOW.version:
        pytest.skip("the pool of threads speaks GCC's OpenMP")
    right = alone(step_with_every_kind_of_loop())
    assert right.count("#pragma omp parallel for") > 5
    wrong, planted = re.subn(r"(_chunk = \w+_parts)\[chunk\];", r"\1[0];", right, count=1)
    assert planted
    for text, clean in ((wrong, False), (right, True)):
        sources = {"step.c": text, "pool.c": (Path(__file__).parent / "pool.c").read_text()}
        program = built(tmp_path, sources, ("-fsanitize=thread", "-fopenmp"), ("-fsanitize=thread", "-lpthread"))
        call = [str(program)]
        done = subprocess.run(call, capture_output=True, text=True, check=False)
        if "unexpected memory mapping" in done.stderr:  # it knows less random places of memory than new kernels have
            done = subprocess.run(["setarch", "-R", *call], capture_output=True, text=True, check=False)
            if "unexpected memory mapping" in done.stderr:
                pytest.skip("the thread sanitizer does not run on this kernel")
        assert (done.returncode == 0 and "data race" not in done.stderr) is clean, done.stderr[:2000]
