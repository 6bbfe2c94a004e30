"""The numbers of exported C against those of dynamic mode; what it refuses; what it leaves alone."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import teachgrad as tg
from teachgrad import nn, optim
from tests.export.programs import COMPILERS, Library, Perceptron, classifier, digits, lenet, moons, step_of, tensors

pytestmark = pytest.mark.skipif(not COMPILERS, reason="needs gcc or clang")


def exported(fn: Any, folder: Path, example: Any, train: bool = False, name: str = "program") -> Library:
    paths = tg.export_c(fn, folder / name, example=example, train=train)
    return Library(next(path for path in paths if path.suffix == ".c"))


def test_inference_on_all_digits(tmp_path: Path) -> None:
    x, y = digits()
    tg.seed(1)
    model = Perceptron()
    optimizer = optim.Adam(model.parameters(), lr=0.01)
    step = tg.static(step_of(model, optimizer))
    for _ in range(30):
        step(*tensors((x, y)))
    program = exported(model, tmp_path, tg.tensor(x))
    assert model.training
    assert model.drop.training
    model.eval()
    with tg.no_grad():
        wanted = model(tg.tensor(x)).numpy()
    got = program.run([x], (1797, 10))
    np.testing.assert_allclose(got, wanted, rtol=1e-5, atol=1e-5)
    assert (got.argmax(axis=1) == wanted.argmax(axis=1)).all()
    assert (got.argmax(axis=1) == y).mean() > 0.8


@pytest.mark.slow
def test_lenet_on_all_digits(tmp_path: Path) -> None:
    step, model, batch = lenet(256)
    x, y = digits(flatten=False)
    train = tg.static(step)
    for _ in range(60):
        train(*tensors(batch))
    program = exported(model, tmp_path, tg.tensor(x))
    assert len((tmp_path / "program.c").read_text().splitlines()) <= 600
    with tg.no_grad():
        wanted = model(tg.tensor(x)).numpy()
    got = program.run([x], (1797, 10))
    np.testing.assert_allclose(got, wanted, rtol=1e-4, atol=1e-4)
    assert (got.argmax(axis=1) == wanted.argmax(axis=1)).all()
    assert (got.argmax(axis=1) == y).mean() > 0.7


def recurrent() -> tuple[Any, Any, Any]:
    """A training step of a recurrent network by tg.scan."""
    w = tg.Parameter(np.eye(8, dtype=np.float32) * 0.5, name="w")
    u = tg.Parameter(np.linspace(-0.5, 0.5, 40, dtype=np.float32).reshape(5, 8), name="u")
    optimizer = optim.SGD([w, u], lr=0.1)

    def step(x: Any) -> Any:
        h = tg.scan(lambda h, row: (tg.tanh(row @ u + h @ w), None), tg.zeros((4, 8)), x)[0]
        loss = ((h - 0.5) ** 2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    return step, nn.ParameterList([u, w]), (np.random.default_rng(3).normal(size=(6, 4, 5)).astype(np.float32),)


def slow_lenet() -> tuple[Any, Any, Any]:
    """At a higher rate Adam soon makes whole steps of gradients that are rounding alone."""
    return lenet(lr=0.002)


@pytest.mark.parametrize("make", [moons, classifier, recurrent, pytest.param(slow_lenet, marks=pytest.mark.slow)])
def test_a_training_step(make: Any, tmp_path: Path) -> None:
    step, model, arrays = make()
    program = exported(step, tmp_path, tensors(arrays), train=True)
    for _ in range(30):
        wanted = step(*tensors(arrays)).item()
        assert program.call("step", *arrays, result=ctypes.c_float) == pytest.approx(wanted, rel=1e-5)
    first = next(iter(model.parameters()))
    state = np.frombuffer(program.struct, np.float32, first.size).reshape(first.shape)  # type: ignore[call-overload]
    np.testing.assert_allclose(state, first.numpy(), rtol=1e-4, atol=1e-6)


def test_a_state_can_be_saved_and_loaded(tmp_path: Path) -> None:
    step, _, arrays = classifier()
    program = exported(step, tmp_path, tensors(arrays), train=True)
    for _ in range(3):
        program.call("step", *arrays, result=ctypes.c_float)
    path = str(tmp_path / "later.weights").encode()
    assert program.library.program_save(program.struct, path) == 0
    wanted = program.call("step", *arrays, result=ctypes.c_float)
    assert program.library.program_load(program.struct, path) == 0
    assert program.call("step", *arrays, result=ctypes.c_float) == wanted
    assert program.library.program_save(program.struct, str(tmp_path / "no" / "such").encode()) == 1


def test_damaged_files_of_weights_are_refused(tmp_path: Path) -> None:
    x, _ = digits()
    program = exported(Perceptron(), tmp_path, tg.tensor(x[:5]))
    whole = (tmp_path / "program.weights").read_bytes()

    def answer(content: bytes) -> int:
        (tmp_path / "other").write_bytes(content)
        return int(program.library.program_load(program.struct, str(tmp_path / "other").encode()))

    assert answer(whole) == 0
    assert answer(b"") == answer(b"PK" + whole[2:]) == answer(whole[:5]) == 2
    assert answer(whole[:8] + whole[8:12][::-1] + whole[12:]) == 3
    assert answer(whole[:12] + b"\2" + whole[13:]) == answer(whole[:16] + b"\0" * 8 + whole[24:]) == 4
    assert answer(whole[:10]) == answer(whole[:20]) == answer(whole[:-1]) == answer(whole + b"\0") == 5
    assert program.library.program_load(program.struct, str(tmp_path / "missing").encode()) == 1


def test_what_is_out_of_range_is_refused_and_changes_nothing(tmp_path: Path) -> None:
    step, _, (x, y) = classifier()
    program = exported(step, tmp_path, tensors((x, y)), train=True)
    before = bytes(program.struct)
    assert np.isnan(program.call("step", x, np.where(y == 3, 10, y), result=ctypes.c_float))
    assert bytes(program.struct) == before
    assert not np.isnan(program.call("step", x, y, result=ctypes.c_float))
    assert bytes(program.struct) != before
    table = nn.Embedding(4, 3)
    rows = exported(table, tmp_path, tg.tensor([1, 2]), name="rows")
    assert rows.call("run", np.array([0, 4]), np.empty((2, 3), np.float32)) == 1
    np.testing.assert_array_equal(rows.run([np.array([0, 3])], (2, 3)), table.weight.numpy()[[0, 3]])


def test_results_that_are_views_copies_constants_and_several(tmp_path: Path) -> None:
    table = tg.tensor(np.arange(6, dtype=np.float32).reshape(2, 3))

    def f(x: Any, n: Any) -> Any:
        y = x * 2.0
        return y, y.T, y, tg.tensor([1.5, 2.5]), x.copy(), n + 1, (y > 2.0), table.T + 0.0, y.sum()

    x, n = np.array([[1, 2, 3], [4, 5, 6]], np.float32), np.array([1, 2])
    wanted = [z.numpy() for z in f(tg.tensor(x), tg.tensor(n))]
    program = exported(f, tmp_path, (tg.tensor(x), tg.tensor(n)))
    answers = [np.full(z.shape, 7, z.dtype) for z in wanted]
    assert program.call("run", x, n, *answers) == 0
    for got, right in zip(answers, wanted, strict=True):
        np.testing.assert_array_equal(got, right)


def test_states_that_change_places_and_arguments_that_are_overwritten(tmp_path: Path) -> None:
    a, b = tg.tensor([1.0, 2.0], name="a"), tg.tensor([3.0, 4.0], name="b")

    def swap(x: Any) -> None:
        old = a.copy()
        a.copy_(b)
        b.copy_(old)
        x += a

    program = exported(swap, tmp_path, tg.tensor([0.0, 0.0]), train=True)
    x = np.zeros(2, np.float32)
    assert program.call("step", x) == 0
    np.testing.assert_array_equal(x, [3, 4])
    assert program.call("step", x) == 0
    np.testing.assert_array_equal(x, [4, 6])
    np.testing.assert_array_equal(np.frombuffer(program.struct, np.float32), [1, 2, 3, 4])


def test_threads_share_weights(tmp_path: Path) -> None:
    x, _ = digits()
    program = exported(Perceptron(), tmp_path, tg.tensor(x[:400]))
    wanted = [program.run([x[k:k + 400]], (400, 10)) for k in range(0, 1600, 400)]
    found: dict[int, Any] = {}

    def work(k: int) -> None:
        memory, answer = program.room("memory"), np.empty((400, 10), np.float32)
        rows = x[400 * k:400 * k + 400]
        for _ in range(20):
            program.library.program_run(program.struct, memory, rows.ctypes.data_as(ctypes.c_void_p),
                                        answer.ctypes.data_as(ctypes.c_void_p))
        found[k] = answer

    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for k, right in enumerate(wanted):
        np.testing.assert_array_equal(found[k], right)


@pytest.mark.skipif(shutil.which("nm") is None, reason="needs nm")
def test_there_is_no_state_but_what_the_caller_owns(tmp_path: Path) -> None:
    step, _, arrays = classifier()
    tg.export_c(step, tmp_path / "program", example=tensors(arrays), train=True)
    target = tmp_path / "program.o"
    subprocess.run([COMPILERS[0], "-std=c11", "-O1", "-c", "program.c", "-o", str(target)], check=True, cwd=tmp_path)
    symbols = [line.split() for line in subprocess.run(["nm", str(target)], capture_output=True, text=True,
                                                       check=True).stdout.splitlines()]
    assert not [words for words in symbols if words[-2] in "bBdDC"]
    assert sorted(words[-1] for words in symbols if words[-2] == "T") == [
        "program_load", "program_save", "program_size_of_memory", "program_size_of_state", "program_step"]
    assert not {words[-1] for words in symbols if words[-2] == "U"} & {"malloc", "calloc", "realloc", "cblas_sgemm"}


@pytest.mark.parametrize("names", [("class", "new", "this"), ("weights", "memory", "state"),
                                   ("*/ #error", "a\n#error", "x\\"), ("program_run", "int", "2x"), ("é", "é", "")])
def test_names_that_c_or_the_file_cannot_have(names: tuple[str, ...], tmp_path: Path) -> None:
    first, second, third = (tg.tensor(np.full(3, k, np.float32), name=name) for k, name in enumerate(names))

    def f(x: Any) -> Any:
        y = x * first + second
        y.name = names[0]
        z = y.sum() * third
        z.name = names[1]
        return z

    f.__qualname__ = names[0]
    f.__code__ = f.__code__.replace(co_filename=names[1] or "odd")
    x = np.array([1, 2, 3], np.float32)
    program = exported(f, tmp_path, tg.tensor(x))
    np.testing.assert_array_equal(program.run([x], (3,)), f(tg.tensor(x)).numpy())
