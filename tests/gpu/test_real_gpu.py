"""On a real GPU: static programs against the CPU. Skipped where there is none."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

import teachgrad as tg
from tests.export import programs
from tests.gpu.catalogued import CASES, gradients, normal
from tests.gpu.test_control import gradient_of_while, on_gpu
from tests.gpu.test_device import remade
from tests.gpu.test_emulated_samples import CHOSEN, all_of
from tests.static.c.test_control import lstm, recurrent, sequence
from tests.static.c.test_samples import close

pytestmark = pytest.mark.gpu


@pytest.mark.parametrize("start", range(0, len(CHOSEN), 50))
def test_samples(start: int) -> None:
    part = CHOSEN[start:start + 50]

    def inputs(place: str) -> list[list[Any]]:
        return [[tg.tensor(a, requires_grad=s.order > 0 and a.dtype.kind == "f", device=place) for a in s.inputs]
                for s in part]

    expected = all_of(part)(*inputs("cpu"))
    step = tg.static(all_of(part), level="O3", executor="cupy")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        for _ in range(3):  # launched, captured, replayed
            answers = step(*inputs("gpu"))
    for got, want in zip(answers, expected, strict=True):
        for g, e in zip(got, want, strict=True):
            close(g.to("cpu").numpy(), e.numpy())


@pytest.mark.parametrize("name", ["lenet", "gpt"])
def test_training(name: str) -> None:
    make = programs.lenet if name == "lenet" else programs.gpt
    step, _, batch = make()
    want = [step(*programs.tensors(batch)).item() for _ in range(8)]
    step, model, batch = make()
    model.to("gpu")
    with tg.device("gpu"):
        step = tg.static(remade(step, model), level="O3", executor="cupy")
        inside = [tg.tensor(a) for a in batch]
        got = [step(*inside).item() for _ in range(8)]
    np.testing.assert_allclose(got, want, rtol=1e-3)
    assert step.trace.program.batches[0].graph is not None, "the step was captured as a CUDA graph"


@pytest.mark.parametrize("mode", ["dynamic", "static"])
def test_draws(mode: str) -> None:
    """The bits of the CPU; those of normal numbers as long as no function but sums and products makes them."""
    def draw(place: Any) -> list[Any]:
        return [tg.random.uniform((999,), low=-3.0, high=0.7, device=place),
                tg.random.bernoulli(0.3, (99,), device=place),
                tg.random.integers(-5, 2**40, (999,), device=place),
                tg.random.integers(77, shape=(9, 99), device=place),
                tg.random.normal((1_000_000,), device=place),
                tg.random.normal((300_000,), dtype=tg.float64, device=place)]

    for seed in (3, 4, 5):
        tg.seed(seed)
        want = draw("cpu")
        tg.seed(seed)
        if mode == "dynamic":
            got = draw("gpu")
        else:
            with tg.device("gpu"):
                got = tg.static(lambda: draw(None), level="O3", executor="cupy")()
        for z, x in zip(got, want, strict=True):
            assert z.device == "gpu"
            z, x = z.to("cpu").numpy(), x.numpy()
            near = np.abs(x) < 3.6541 if x.size > 10_000 else np.full(x.shape, True)
            assert z[near].tobytes() == x[near].tobytes()
            np.testing.assert_allclose(z[~near], x[~near], rtol=4 * np.finfo(x.dtype).eps if x.dtype.kind == "f" else 0)


@pytest.mark.parametrize("function", [recurrent, lstm])
def test_a_scan_is_captured_whole(function: Any) -> None:
    want = function(*sequence(50))
    step, arguments = tg.static(function, level="O3", executor="cupy"), on_gpu(sequence(50))
    for _ in range(3):
        for got, expected in zip(step(*arguments), want, strict=True):
            close(got.to("cpu").numpy(), expected.numpy())
    (batch,) = step.trace.program.batches
    assert batch.graph is not None


@pytest.mark.parametrize("start", [0.5, 30.0, 100.0])
def test_while_loops(start: float) -> None:
    arguments = [tg.tensor(x, requires_grad=True) for x in ([start, 1.0], [1.5, 1.2])]
    want = tg.static(gradient_of_while, level="O1")(*arguments)
    step, there = tg.static(gradient_of_while, level="O3", executor="cupy"), on_gpu(arguments)
    for _ in range(3):
        for got, expected in zip(step(*there), want, strict=True):
            got = got.to("cpu").numpy()
            close(got, expected.numpy())
            assert (np.signbit(got) == np.signbit(expected.numpy())).all()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", CASES)
def test_what_the_library_and_the_catalogue_compute(name: str, dtype: str) -> None:
    function, shapes = CASES[name]
    xs = [tg.tensor(a, requires_grad=True) for a in normal(dtype, *shapes)]
    want = gradients(function, *xs)
    step = tg.static(lambda *given: gradients(function, *given), level="O3", executor="cupy")
    inside = [tg.tensor(x.numpy(), requires_grad=True, device="gpu") for x in xs]
    for _ in range(3):  # launched, captured, replayed
        answers = step(*inside)
    tolerance = 1e-4 if dtype == "float32" else 1e-11
    for z, expected in zip(answers, want, strict=True):
        largest = np.abs(expected.numpy()).max()
        np.testing.assert_allclose(z.to("cpu").numpy(), expected.numpy(), rtol=tolerance, atol=tolerance * largest)
    assert all(batch.graph is not None for batch in step.trace.program.batches)
