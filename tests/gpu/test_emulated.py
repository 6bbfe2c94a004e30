"""Whole training steps as CUDA on the emulated device: right numbers, promises kept, and a source that can be read."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import teachgrad as tg
from teachgrad import nn, optim
from teachgrad.nn import functional as F
from teachgrad_gpu.emulator.building import compiler
from teachgrad_gpu.executors.calls import say_once
from teachgrad_gpu.executors.emulated import Emulated
from tests.export import programs

pytestmark = pytest.mark.skipif(compiler() is None, reason="needs a C++ compiler")

STEPS = {"lenet": lambda: programs.lenet(6), "gpt": programs.gpt, "moons": programs.moons,
         "classifier": programs.classifier}


def trained(make: Any, **how: Any) -> tuple[list[float], dict[str, Any], Any]:
    """The losses of four steps, the state of the model after them, and the step."""
    step, model, batch = make()
    step = tg.static(step, **how) if how else step
    losses = [step(*programs.tensors(batch)).item() for _ in range(4)]
    return losses, {name: x.numpy(copy=True) for name, x in model.state_dict().items()}, step


@pytest.mark.parametrize("name", [pytest.param(n, marks=[pytest.mark.slow] if n != "gpt" else []) for n in STEPS])
def test_training_agrees_with_dynamic_mode(name: str) -> None:
    losses, state, _ = trained(STEPS[name])
    got, after, step = trained(STEPS[name], level="O3", executor="emulated")
    np.testing.assert_allclose(got, losses, rtol=1e-5)
    for key, value in state.items():
        got = after[key]
        if key.endswith("qkv.bias"):  # the gradient of the bias of keys is nothing but rounding, which Adam scales up
            got, value = np.delete(got, np.s_[16:32]), np.delete(value, np.s_[16:32])
        np.testing.assert_allclose(got, value, rtol=2e-4, atol=2e-4 * np.abs(value).max(), err_msg=key)
    assert not step.trace.program.building.without_kernel, "every op of these models has a kernel"
    assert "__global__ void k1_" in step.source


@pytest.mark.slow
@pytest.mark.parametrize("name", ["gpt", "lenet"])
def test_no_race_and_no_access_out_of_bounds(name: str, monkeypatch: Any) -> None:
    """The emulator's checks find nothing wrong with any kernel of a training step."""
    monkeypatch.setattr(Emulated, "check", True)
    losses, _, step = trained(STEPS[name], level="O3", executor="emulated")
    launcher = step.trace.program.launcher
    assert launcher.findings == []
    assert len(losses) == 4


OPTIMIZERS = {
    "momentum": lambda ps: optim.SGD(ps, lr=0.05, momentum=0.9, nesterov=True, weight_decay=0.01),
    "adamw": lambda ps: optim.AdamW(ps, lr=0.01, amsgrad=True),
    "rmsprop": lambda ps: optim.RMSprop(ps, lr=0.01, centered=True),
    "adagrad": lambda ps: optim.Adagrad(ps, lr=0.05, lr_decay=0.1),
    "adadelta": lambda ps: optim.Adadelta(ps, lr=0.5),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_optimizers(name: str) -> None:
    def make() -> Any:
        tg.seed(1)
        model = nn.Sequential(nn.Linear(6, 16), nn.Tanh(), nn.LayerNorm(16), nn.Linear(16, 4))
        rng = np.random.default_rng(3)
        batch = rng.normal(size=(10, 6)).astype(np.float32), rng.integers(0, 4, 10)
        return programs.step_of(model, OPTIMIZERS[name](model.parameters())), model, batch

    losses, state, _ = trained(make)
    got, after, _ = trained(make, level="O3", executor="emulated")
    np.testing.assert_allclose(got, losses, rtol=1e-5)
    for key, value in state.items():
        np.testing.assert_allclose(after[key], value, rtol=1e-4, atol=1e-5 * np.abs(value).max(), err_msg=key)


def test_random_numbers_have_the_bits_of_the_cpu() -> None:
    def draw(x: Any) -> Any:
        return (F.dropout(x, 0.3), tg.random.uniform((5, 3), low=-1.0, high=2.0),
                tg.random.uniform((7,), dtype=tg.float64), tg.random.bernoulli(0.4, (9,)),
                tg.random.normal((3000,)), tg.random.normal((5, 7), mean=2.0, std=0.5, dtype=tg.float64),
                tg.random.normal(()), tg.random.integers(-3, 2**31 - 2, (90,)),
                tg.random.integers(0, 2**64, (4,), dtype=tg.uint64),
                tg.random.integers(256, shape=(3, 5), dtype=tg.uint8),
                tg.random.permutation(700), tg.random.permutation(x))

    x = tg.ones((6, 7))
    tg.seed(5)
    expected = [[z.numpy(copy=True) for z in draw(x)] for _ in range(3)]
    tg.seed(5)
    step = tg.static(draw, level="O3", executor="emulated")
    for want in expected:
        for got, z in zip(step(x), want, strict=True):
            assert got.numpy().tobytes() == z.tobytes()
    assert not step.trace.program.building.without_kernel


def test_a_wrong_class_is_refused_as_in_dynamic_mode_and_nothing_is_written() -> None:
    tg.seed(0)
    model = nn.Linear(3, 4)
    optimizer = optim.SGD(model.parameters(), lr=0.1)
    step = tg.static(programs.step_of(model, optimizer), level="O3", executor="emulated")
    x = tg.tensor(np.eye(3, dtype=np.float32))
    step(x, tg.tensor([0, 1, 2]))
    before = [p.numpy(copy=True) for p in model.parameters()]
    for _ in range(2):
        with pytest.raises(IndexError, match="target 7 is not one of the 4"):
            step(x, tg.tensor([0, 7, 2]))
        for p, value in zip(model.parameters(), before, strict=True):
            assert p.numpy().tobytes() == value.tobytes()
    step(x, tg.tensor([0, 1, 2]))
    assert model.weight.numpy().tobytes() != before[0].tobytes(), "what was refused is forgotten"


@pytest.mark.parametrize("fails", [False, True])
def test_new_values_are_written_over_old_ones_at_the_end(fails: bool) -> None:
    """By one kernel, where nobody needs an old one for a new one; else one after the other, as they are saved."""
    def run(executor: str, swap: bool) -> list[Any]:
        a, b, c = (tg.tensor(np.arange(5.0) + k) for k in range(3))
        table = tg.tensor(np.eye(5), name="table")

        def f(x: Any, k: Any) -> Any:
            z = (F.embedding(k, table) * x if fails else x * 2.0) + c
            first, second = a * z, b + z
            c.copy_(second[::1] * 2.0)
            a.copy_(b if swap else second)
            b.copy_(a * first if swap else first)
            return z + a, second

        step = tg.static(f, level="O3", executor=executor)
        answers = [z.numpy(copy=True) for k in (0, 3) for z in step(tg.tensor(np.ones(5)), tg.tensor(k))]
        if executor == "emulated":
            assert ("write_back" in step.source) == (not swap)
            assert (not step.trace.program.commits) == (not swap)
            if fails:
                before = [x.numpy(copy=True) for x in (a, b, c)]
                with pytest.raises(IndexError):
                    step(tg.tensor(np.ones(5)), tg.tensor(9))
                for x, value in zip((a, b, c), before, strict=True):
                    assert x.numpy().tobytes() == value.tobytes()
        return [*answers, *(x.numpy(copy=True) for x in (a, b, c))]

    for swap in (False, True):
        for got, want in zip(run("emulated", swap), run("numpy", swap), strict=True):
            np.testing.assert_allclose(got, want, rtol=1e-12)


def test_states_with_the_names_of_ops() -> None:
    """Which no word of a kernel may be."""
    states = {name: tg.tensor([0.0], name=name) for name in ("all", "i", "element", "failed", "blockIdx", "at")}

    def step(x: Any) -> Any:
        made = [(state, state + x.sum() * k) for k, state in enumerate(states.values())]
        for state, new in made:
            state.copy_(new)
        return tg.all(x > 0.0), [new for _, new in made]

    fast = tg.static(step, level="O3", executor="emulated")
    assert fast(tg.ones((3,)))[0].item()
    assert [state.item() for state in states.values()] == [0.0, 3.0, 6.0, 9.0, 12.0, 15.0]
    assert "write_back" in fast.source


def test_an_old_value_that_is_returned() -> None:
    """As it was before the new one was written over it."""
    state = tg.tensor([1.0, 2.0, 3.0])

    def step(x: Any) -> Any:
        before, view = state.copy(), state[1:].copy()
        y = state * x
        state.copy_(y)
        return before, view, y

    fast = tg.static(step, level="O3", executor="emulated")
    for start in (1.0, 2.0):
        before, view, y = (z.numpy().tolist() for z in fast(tg.full((3,), 2.0)))
        assert before == [start, 2.0 * start, 3.0 * start]
        assert view == before[1:]
        assert y == state.numpy().tolist() == [2.0 * z for z in before]


def test_what_was_returned_stays_as_it_is() -> None:
    step = tg.static(lambda x: (x * 2.0, (x + 1.0).T), level="O3", executor="emulated")
    first = step(tg.tensor([[1.0, 2.0], [3.0, 4.0]]))
    step(tg.tensor([[5.0, 6.0], [7.0, 8.0]]))
    assert first[0].numpy().tolist() == [[2.0, 4.0], [6.0, 8.0]]
    assert first[1].numpy().tolist() == [[2.0, 4.0], [3.0, 5.0]]


def test_what_has_no_kernel_is_said() -> None:
    step = tg.static(lambda x: tg.linalg.inv(x) @ x, level="O3", executor="emulated")
    say_once.cache_clear()
    with pytest.warns(RuntimeWarning, match="no CUDA kernel for inv"):
        z = step(tg.tensor(np.diag([2.0, 4.0])))
    np.testing.assert_allclose(z.numpy(), np.eye(2), atol=1e-12)
    assert "inv = inv(input0) by the array library" in tg.source(step)


def test_sums_of_rows_columns_and_everything() -> None:
    """One thread, a warp or a block for each sum, over axes wherever they lie."""
    shapes = [(3, 5), (40, 6), (6, 40), (5, 1500), (1500, 5), (2, 3, 700), (300, 4, 3), (70, 70), (2, 20000)]
    rng = np.random.default_rng(0)
    arrays = [rng.normal(size=shape) for shape in shapes]

    def sums(*xs: Any) -> Any:
        answers = []
        for x in xs:
            for axis in (*range(x.ndim), None):
                answers += [(x * x).sum(axis), x.max(axis), (x - x.mean(axis, keepdims=True)).exp().sum(axis)]
        return answers

    xs = [tg.tensor(a) for a in arrays]
    step = tg.static(sums, level="O3", executor="emulated")
    for got, want in zip(step(*xs), sums(*xs), strict=True):
        np.testing.assert_allclose(got.numpy(), want.numpy(), rtol=1e-11)
    assert "sum_of_warp_double" in step.source
    assert "sum_of_block_double" in step.source
    assert "greatest_of_block_double" in step.source


@pytest.mark.parametrize("most", [1 << 28, 0], ids=["in order", "in any order"])
def test_rows_of_a_table(most: int, monkeypatch: Any) -> None:
    monkeypatch.setattr("teachgrad_gpu.generating.classes.MOST", most)

    def gradient(table: Any, places: Any) -> Any:
        return tg.grad((F.embedding(places, table, padding_idx=2) ** 3.0).sum(), table)

    rng = np.random.default_rng(2)
    values, places = rng.normal(size=(7, 5)), rng.integers(0, 7, (4, 9))
    arguments = tg.tensor(values, requires_grad=True), tg.tensor(places)
    step = tg.static(gradient, level="O3", executor="emulated")
    np.testing.assert_allclose(step(*arguments).numpy(), gradient(*arguments).numpy(), rtol=1e-12)
    assert ("atomicAdd" in step.source) == (most == 0)


def test_the_source_is_one_that_a_person_can_read() -> None:
    tg.seed(0)
    model = nn.Sequential(nn.Linear(3, 4), nn.Softmax(-1))
    step = tg.static(lambda x: model(x), level="O3", executor="emulated")
    step(tg.ones((2, 3)))
    source = tg.source(step)
    assert "k1_0_matmul_of_v0_weight(" in source, "kernels and parameters have the names of modules and variables"
    assert "exp(subtract)" in source, "the maths stands above the kernel"
    assert "test_emulated.py:" in source, "and so does the user's line"
