"""Guard mode (card F3): Python decides by values in a static function; the bits of dynamic mode on every path."""

from __future__ import annotations

import pickle
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import teachgrad as tg
from teachgrad import nn, observe, optim
from teachgrad.nn import functional as F
from tests.core.test_random_programs import Teachgrad, inputs, run
from tests.static.outcomes import T, bits, outcome, parts_of, plainly
from tests.static.test_hard_functions import HARD


def guarded(**settings: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    return lambda function: tg.static(function, on_python="guard", **settings)


def checked(function: Callable[..., Any]) -> Callable[..., Any]:
    step = tg.static(function, on_python="guard")

    def run(*args: Any, **kwargs: Any) -> Any:
        with tg.mode("check"):
            return step(*args, **kwargs)

    return run


WAYS = {"O0": guarded(level="O0"), "O1": guarded(), "O1 off": guarded(plan="off"),
        "O1 again": guarded(recompute=lambda v: True), "check": checked}
BY_VALUES = ("TG-S01", "TG-S04")
"""The codes of what guard mode is for."""


# ---- the table of hard functions -------------------------------------------------------------------------------------

@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", HARD)
def test_hard_functions_are_never_silently_different(name: str, way: str) -> None:
    scenario, code = HARD[name]
    want = outcome(scenario, plainly)
    if code is None or code in BY_VALUES:
        assert outcome(scenario, WAYS[way]) == want
        return
    with pytest.raises(tg.TraceError) as caught:
        outcome(scenario, WAYS[way])
    assert parts_of(caught.value)["code"] == code


# ---- paths -----------------------------------------------------------------------------------------------------------

def by_loss(seed: int, level: int = 3) -> Any:
    """A step of training that does other things with a large loss, and reads it as a number."""
    tg.seed(seed)
    model = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Tanh(), nn.Dropout(0.3), nn.Linear(8, 3))
    optimizer = optim.Adam(model.parameters(), lr=0.05)

    def step(x: Any, t: Any) -> Any:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), t)
        if loss > 1.0:
            loss = loss * 2.0
        loss.backward()
        norm = sum((p.grad * p.grad).sum() for p in model.parameters())
        if norm > 0.5:
            with tg.no_grad():
                for p in model.parameters():
                    p.grad *= 0.5 / norm
        optimizer.step()
        return loss

    return model, step


@pytest.mark.parametrize("way", WAYS)
def test_training_steps_that_branch(way: str) -> None:
    def losses(make: Callable[..., Any]) -> list[Any]:
        model, step = by_loss(0)
        step = make(step)
        rng = np.random.default_rng(0)
        seen = []
        for _ in range(25):
            x = tg.tensor(rng.normal(size=(16, 4)).astype(np.float32) * float(rng.integers(1, 4)))
            t = tg.tensor(rng.integers(0, 3, 16))
            seen.append(step(x, t).numpy().tobytes())
            seen += [value.numpy().tobytes() for value in model.state_dict().values()]
            seen += [p.grad.numpy().tobytes() for p in model.parameters()]
        return seen

    assert losses(WAYS[way]) == losses(plainly)


def test_each_path_is_traced_once_and_told() -> None:
    def f(x: Any) -> Any:
        h = tg.tanh(x)
        if h.sum() > 0:
            return h * 2.0
        while h.sum() < -0.6:
            h = h * 0.5
        return h

    g = tg.static(f, on_python="guard")
    values = [1.0, -0.4, 2.0, -9.0, -9.0, 3.0]
    for value in values:
        x = tg.tensor([value, value])
        assert g(x).numpy().tobytes() == f(x).numpy().tobytes()
    text = g.summary()
    assert g.count == 3 == text.count("ops, arena") + text.count("op, arena")
    assert re.search(r"f goes the way of True at test_paths.py:\d+$", g.explain(x))
    assert re.search(r"once more: what is asked at test_paths.py:\d+ has a new answer$", g.explain(x * -0.01))
    assert g.count == 3
    lines = [line.strip() for line in text.splitlines()]
    assert lines[0].endswith("f: 3 traces, 6 calls")
    assert lines[1] == "(float32[2])"
    assert lines[2].startswith("test_paths.py:")
    assert lines[2].endswith("if h.sum() > 0:")
    assert lines[3] == "True: 3 calls"
    assert "False: 3 calls" in lines
    assert sum(line.endswith("while h.sum() < -0.6:") for line in lines) == 3


def test_what_a_stage_has_computed_is_not_computed_again() -> None:
    ran = []

    class Square(tg.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            ran.append(1)
            ctx.save(x)
            return x * x

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            return 2.0 * ctx.saved[0] * g

    @tg.static(on_python="guard")
    def f(x: Any) -> Any:
        y = Square.apply(x)
        if y.sum() > 3.0:
            y = y * 2.0
        if y.sum() > 9.0:
            y = y * 3.0
        loss = y.sum()
        loss.backward()
        return loss

    x = tg.tensor([1.0, 2.0], requires_grad=True)
    f(x)
    f(x)  # now with a gradient to add to
    ran.clear()
    for _ in range(3):
        f(x)
    assert len(ran) == 3
    assert [v.op.name for v in f.graph.order].count("Square") == 0


def test_too_many_paths_are_refused_with_the_line() -> None:
    @tg.static(on_python="guard")
    def f(x: Any) -> Any:
        return x * float(x.sum())  # here

    for k in range(16):
        f(tg.tensor([float(k), 1.0]))
    with pytest.raises(tg.TraceError) as caught:
        f(tg.tensor([99.0, 1.0]))
    found = parts_of(caught.value)
    assert found["code"] == "TG-S02"
    assert "float(x.sum())" in found["text"]
    assert f(tg.tensor([3.0, 1.0])).numpy().tolist() == [12.0, 4.0]


def test_a_global_that_changes_makes_new_paths_and_old_ones_come_back() -> None:
    scale = 2.0

    def f(x: Any) -> Any:
        return x * scale if x.sum() > 0 else x - scale

    g = tg.static(f, on_python="guard")
    for scale in (2.0, 3.0, 2.0, 3.0):  # noqa: B007
        for sign in (1.0, -1.0):
            assert g(tg.tensor([sign])).item() == f(tg.tensor([sign])).item()
    assert g.count == 4


def test_random_numbers_are_the_same_on_all_paths() -> None:
    def f(x: Any) -> Any:
        noise = tg.random.normal((3,))
        if noise.sum() > 0:
            return x + noise + tg.random.uniform((3,))
        return x - noise

    def drawn(g: Any) -> Any:
        tg.seed(4)
        return [bits(g(tg.zeros(3))) for _ in range(12)]

    assert drawn(tg.static(f, on_python="guard")) == drawn(f)


def test_a_failed_call_loses_nothing() -> None:
    w, seen = tg.Parameter([1.0, 2.0]), tg.zeros(())

    @tg.static(on_python="guard")
    def f(x: Any) -> Any:
        with tg.no_grad():
            seen.__iadd__(1.0)
            w.__imul__(2.0)
        if x.sum() > 0:
            raise KeyError("too large")
        return tg.linalg.inv(x.reshape((1, 1))) * w

    f(tg.tensor([-1.0]))
    before = w.numpy().tolist(), seen.item()
    with pytest.raises(KeyError):
        f(tg.tensor([1.0]))
    with pytest.raises(tg.MatrixError):
        f(tg.tensor([0.0]))
    assert (w.numpy().tolist(), seen.item()) == before == ([2.0, 4.0], 1.0)


def test_gradients_from_outside_go_through_the_path() -> None:
    def f(x: Any) -> Any:
        y = x[x > 0]
        return (y * y).sum() if y.sum() > 2.0 else y.sum()

    g = tg.static(f, on_python="guard")
    for value in (0.5, 3.0, -1.0, 4.0, 0.25):
        x, z = (tg.tensor([value, 1.0, -2.0], requires_grad=True) for _ in range(2))
        f(x).backward()
        g(z).backward()
        assert x.grad.numpy().tobytes() == z.grad.numpy().tobytes()


def test_a_value_handed_out_as_an_array_may_not_be_overwritten() -> None:
    @tg.static(on_python="guard")
    def f(x: Any) -> Any:
        y = x * 2.0
        array = y.numpy()
        y += 1.0
        return y * float(array[0])

    with pytest.raises(tg.TraceError, match=r"\[TG-S09\].*reads a tensor as NumPy"):
        f(T(3))


def test_nothing_can_be_written_into_what_is_read() -> None:
    @tg.static(on_python="guard")
    def f(x: Any) -> Any:
        x.numpy()[0] = 1.0
        return x

    with pytest.raises(ValueError, match="read-only"):
        f(T(3))


def test_methods_settings_and_copies() -> None:
    class Model:
        @tg.static(on_python="guard")
        def f(self, x: Any) -> Any:
            return x * 2.0 if x.sum() > 0 else x

    assert Model().f(tg.tensor([3.0])).item() == 6.0
    with pytest.raises(tg.TeachgradError, match="there is no on_python"):
        tg.static(lambda x: x, on_python="maybe")
    with pytest.raises(tg.TeachgradError, match="do not go together"):
        tg.static(lambda x: x, on_python="guard", verify=True)
    again = pickle.loads(pickle.dumps(halved))
    assert again(tg.tensor([3.0])).item() == 1.5


@tg.static(on_python="guard")
def halved(x: Any) -> Any:
    return x / 2.0 if x.sum() > 0 else x


def test_generated_c_on_each_path() -> None:
    def f(x: Any) -> Any:
        h = tg.exp(x) + tg.tanh(x)
        if h.sum() > 4.0:
            h = h * tg.sin(h)
        return (h * h).sum(axis=0), x[h > 0.5]

    g = tg.static(f, level="O3", on_python="guard")
    for seed in range(8):
        x = T(4, 3, seed=seed)
        for a, b in zip(g(x), f(x), strict=True):
            np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-5)


def test_a_recorder_sees_the_whole_path() -> None:
    seen = []

    def by_exp(x: Any) -> Any:
        h = tg.exp(x)
        return tg.tanh(h) if h.sum() > 0 else h

    f = tg.static(by_exp, on_python="guard")
    f(T(3))
    assert [v.op.name for v in f.graph.order] == ["tanh"]
    with observe.watching(seen.append):
        f(T(3))
    assert [event.op for event in seen if isinstance(event, observe.Forward)] == ["exp", "tanh"]
    assert f.trace.calls == 2


def test_random_programs_that_branch() -> None:
    """Random programs, whose loss decides what becomes of it; three steps each."""
    def trained(seed: int, make: Callable[..., Any]) -> list[Any]:
        library, leaves = Teachgrad(), [tg.Parameter(array) for array in inputs(seed, np.float64)]

        def step() -> Any:
            for leaf in leaves:
                leaf.grad = None
            loss = run(library, seed, leaves)
            if tg.abs(loss) > 1.0:
                loss = loss / tg.abs(loss)
            elif loss < 0:
                loss = loss * loss
            loss.backward()
            with tg.no_grad():
                for leaf in leaves:
                    if leaf.grad is not None and tg.abs(leaf.grad).sum() > 0.01:
                        leaf -= 0.1 * leaf.grad
            return loss

        call, seen = make(step), []
        for _ in range(3):
            seen += [bits(call()), *[bits(leaf) for leaf in leaves], *[bits(leaf.grad) for leaf in leaves]]
        return seen

    compared, refused = 0, set()
    for seed in range(60):
        want = trained(seed, plainly)
        try:
            got = trained(seed, guarded())
        except tg.TraceError as error:
            refused.add(error.code)
            continue
        assert got == want, seed
        compared += 1
    assert compared >= 40
    assert refused.isdisjoint(BY_VALUES)
