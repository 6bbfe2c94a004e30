"""Functions that are hard for a static graph: each gives the bits of dynamic mode, or a TraceError with its code.

The number of silent differences must be zero (card F3).
"""

from __future__ import annotations

import random
import re
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import teachgrad as tg

RATE = 2.0
HISTORY: list[Any] = []
SETTINGS = {"scale": 3.0}
TABLE = np.array([1.0, 2.0, 3.0])


class Config:
    rate = 1.0


class Net(tg.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc = tg.nn.Linear(3, 3)
        self.norm = tg.nn.BatchNorm1d(3)
        self.drop = tg.nn.Dropout(0.5)
        self.alpha = 2.0

    def forward(self, x: Any) -> Any:
        return self.drop(self.norm(self.fc(x))) * self.alpha


def x_of(seed: int, sign: float = 1.0) -> tg.Tensor:
    positive = np.abs(np.random.default_rng(seed).standard_normal((4, 3))) + 0.1
    return tg.tensor(positive * sign, requires_grad=True)


def bits(value: Any) -> Any:
    if isinstance(value, tg.Tensor):
        return value.numpy().tobytes(), value.shape, str(value.dtype)
    if isinstance(value, (list, tuple)):
        return [bits(v) for v in value]
    if isinstance(value, dict):
        return {k: bits(v) for k, v in value.items()}
    return value


def data_dependent_if(x: Any) -> Any:
    return x * 2 if x.sum() > 0 else x * 3


def data_dependent_while(x: Any) -> Any:
    while x.sum() < 100:
        x = x * 2
    return x


def early_return(x: Any) -> Any:
    if bool(x[0, 0] > 5):
        return x
    return -x


def item(x: Any) -> Any:
    return x * x.sum().item()


def as_float(x: Any) -> Any:
    return x * float(x.max())


def as_numpy(x: Any) -> Any:
    return x * np.asarray(x)[0]


def in_f_string(x: Any) -> Any:
    return x if f"{x.sum()}" else -x


def swallowed(x: Any) -> Any:
    try:
        factor = x.sum().item()
    except Exception:
        factor = 1.0
    return x * factor


def printed(x: Any) -> Any:
    print("hello")
    return x * 1


def appended(x: Any) -> Any:
    HISTORY.append(1)
    return x * 1


def numpy_random(x: Any) -> Any:
    return x * np.random.rand()  # noqa: NPY002  (the legacy generator is what this is about)


def python_random(x: Any) -> Any:
    return x * random.random()


def clock(x: Any) -> Any:
    return x * (time.perf_counter() > 0)


def value_shape(x: Any) -> Any:
    return x[x > 0]


def generator_returned(x: Any) -> Any:
    return (row for row in x)


REFUSED: dict[str, tuple[Callable[..., Any], str]] = {
    f.__name__: (f, code) for f, code in (
        (data_dependent_if, "TG-S01"), (data_dependent_while, "TG-S01"), (early_return, "TG-S01"), (item, "TG-S01"),
        (as_float, "TG-S01"), (as_numpy, "TG-S01"), (in_f_string, "TG-S"), (swallowed, "TG-S01"), (printed, "TG-S05"),
        (appended, "TG-S05"), (numpy_random, "TG-S06"), (python_random, "TG-S06"), (clock, "TG-S06"),
        (value_shape, "TG-S04"), (generator_returned, "TG-S08"))}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str) -> None:
    function, code = REFUSED[name]
    with pytest.raises(tg.TraceError) as caught:
        tg.static(function)(x_of(0))
    assert caught.value.code.startswith(code), caught.value


@pytest.mark.parametrize("name", [n for n, (_, code) in REFUSED.items() if code == "TG-S01"])
def test_refusals_name_the_line_and_the_ways_out(name: str) -> None:
    function, _ = REFUSED[name]
    with pytest.raises(tg.TraceError) as caught:
        tg.static(function)(x_of(0))
    text = str(caught.value)
    first = function.__code__.co_firstlineno
    lines = [int(line) for line in re.findall(r"test_promises\.py:(\d+)", text)]
    assert any(first < line <= first + 6 for line in lines), text
    assert "Ways out" in text


def recursion(x: Any) -> Any:
    return x if x.shape[0] == 1 else recursion(x[: x.shape[0] // 2]) * 2


def comprehension(x: Any) -> Any:
    return tg.stack([row * k for k, row in enumerate(x)])


def generator(x: Any) -> Any:
    rows = (row * 2 for row in x)
    return tg.stack(list(rows))


def dictionary(x: Any) -> Any:
    return {"b": x * 2, "a": (x.sum(), 5)}


def in_place(x: Any) -> Any:
    a = x * 1
    a[0] = 7
    v = a[1:3]
    v *= x[0]
    a += 1
    return a, v


def gradient(x: Any) -> Any:
    y = (tg.tanh(x) * x).sum()
    (g,) = tg.grad(y, [x], create_graph=True)
    return y, g, tg.grad((g * g).sum(), x)


def nothing_recorded(x: Any) -> Any:
    with tg.no_grad():
        y = x * 3
    return y * x, x.detach() * 2


def same_object(x: Any) -> Any:
    return x, x * 1


def branches_on_shape(x: Any) -> Any:
    return x * 2 if x.shape[0] > 3 else x * 3


def both_sides(x: Any) -> Any:
    return tg.where(x > 1, x * 2, x * 3)


ALLOWED = {f.__name__: f for f in (recursion, comprehension, generator, dictionary, in_place, gradient,
                                   nothing_recorded, same_object, branches_on_shape, both_sides)}


@pytest.mark.parametrize("level", ["O0", "O1"])
@pytest.mark.parametrize("name", ALLOWED)
def test_allowed(name: str, level: str) -> None:
    function = ALLOWED[name]
    step = tg.static(function, level=level)
    for seed in range(4):
        for sign in (1.0, -1.0):
            assert bits(step(x_of(seed, sign))) == bits(function(x_of(seed, sign)))
    with tg.mode("check"):
        step(x_of(1))
    with tg.mode("dynamic"):
        assert bits(step(x_of(1))) == bits(function(x_of(1)))


def test_what_changes_outside_is_seen() -> None:
    global RATE
    step = tg.static(lambda x: x * RATE * SETTINGS["scale"] * tg.tensor(TABLE))
    try:
        for value in (2.0, 5.0):
            RATE = value
            SETTINGS["scale"] = value + 1
            TABLE[0] = value
            assert bits(step(x_of(0))) == bits(x_of(0) * RATE * SETTINGS["scale"] * tg.tensor(TABLE))
    finally:
        RATE, SETTINGS["scale"], TABLE[0] = 2.0, 3.0, 1.0


def test_an_attribute_that_shadows_the_class_is_seen() -> None:
    config = Config()
    step = tg.static(lambda x: x * config.rate)
    assert bits(step(x_of(0))) == bits(x_of(0) * 1.0)
    config.rate = 9.0
    assert bits(step(x_of(0))) == bits(x_of(0) * 9.0)


def test_closures_and_defaults_are_seen() -> None:
    factor = 2.0

    def scaled(x: Any, offset: float = 1.0) -> Any:
        return x * factor + offset

    step = tg.static(scaled)
    assert bits(step(x_of(0))) == bits(scaled(x_of(0)))
    factor = 3.0
    assert bits(step(x_of(0))) == bits(scaled(x_of(0)))
    assert bits(step(x_of(0), offset=4.0)) == bits(scaled(x_of(0), offset=4.0))


def test_shape_and_dtype_trace_again() -> None:
    step = tg.static(lambda x: (x * 2).sum(axis=0))
    for array in (np.ones((2, 3)), np.ones((5, 3)), np.ones((2, 3), np.float32)):
        assert bits(step(tg.tensor(array))) == bits((tg.tensor(array) * 2).sum(axis=0))
    assert step.count == 3


def test_too_many_shapes_are_refused() -> None:
    step = tg.static(lambda x: x * 2)
    def call_with_many_lengths() -> None:
        for n in range(1, 30):
            step(tg.tensor(np.ones(n)))

    with pytest.raises(tg.TraceError, match="TG-S03"):
        call_with_many_lengths()


def trained(static: bool, steps: int = 6) -> list[Any]:
    tg.seed(3)
    net = Net()
    optimizer = tg.optim.Adam(net.parameters(), lr=0.01)

    def step(x: Any, y: Any) -> Any:
        optimizer.zero_grad()
        loss = ((net(x) - y) ** 2).mean()
        loss.backward()
        optimizer.step()
        return loss

    run = tg.static(step) if static else step
    rng = np.random.default_rng(0)
    seen = []
    for number in range(steps):
        if number == 3:
            optimizer.lr = 0.005
        if number == 4:
            net.alpha = 1.5
        if number == 5:
            net.eval()
        x, y = (tg.tensor(rng.standard_normal((4, 3)).astype(np.float32)) for _ in range(2))
        seen.append(bits(run(x, y)))
    return [*seen, {k: bits(v) for k, v in net.state_dict().items()}, [bits(p.grad) for p in net.parameters()]]


def test_a_network_with_dropout_and_batch_norm_trains_alike() -> None:
    """Dropout, running statistics, Adam, a new learning rate, a changed attribute, and eval()."""
    assert trained(static=True) == trained(static=False)


def test_freezing_a_parameter_is_seen() -> None:
    def run(static: bool) -> Any:
        w = tg.Parameter(np.ones(3))

        def step() -> Any:
            w.grad = None
            loss = (w * w).sum()
            if loss.requires_grad:
                loss.backward()
                with tg.no_grad():
                    w.sub_(w.grad, alpha=0.1)
            return loss

        call = tg.static(step) if static else step
        call()
        w.requires_grad = False
        call()
        return bits(w)

    assert run(True) == run(False)


@pytest.mark.parametrize("level", ["O0", "O1"])
def test_a_loss_outside_reaches_every_parameter(level: str) -> None:
    tg.seed(0)
    net = tg.nn.Sequential(tg.nn.Linear(3, 4), tg.nn.ReLU(), tg.nn.Linear(4, 2))
    forward = tg.static(lambda x: net(x), level=level)
    x = tg.tensor(x_of(0).numpy().astype(np.float32))
    forward(x).sum().backward()
    got = [bits(p.grad) for p in net.parameters()]
    net.zero_grad()
    net(x).sum().backward()
    assert got == [bits(p.grad) for p in net.parameters()]


def test_hooks_act() -> None:
    w = tg.Parameter(np.ones(3))
    w.on_grad(lambda g: g * 10)

    @tg.static
    def step() -> Any:
        w.grad = None
        loss = (w * 2).sum()
        loss.backward()
        return loss

    step()
    assert w.grad.numpy().tolist() == [20.0] * 3


def test_grad_mode_is_part_of_the_signature() -> None:
    w = tg.Parameter(np.ones(3))
    step = tg.static(lambda x: x * w)
    x = tg.tensor(np.ones(3))
    with tg.no_grad():
        assert not step(x).requires_grad
    assert step(x).requires_grad
    with tg.no_grad():
        assert not step(x).requires_grad


def test_a_failing_step_changes_nothing() -> None:
    w = tg.Parameter(np.ones((2, 2)))

    @tg.static
    def step(a: Any) -> Any:
        with tg.no_grad():
            w.mul_(2.0)
        return tg.linalg.inv(a)

    step(tg.tensor(np.eye(2)))
    before = bits(w)
    with pytest.raises(Exception, match=r"[Ss]ingular"):
        step(tg.tensor(np.zeros((2, 2))))
    assert bits(w) == before


@pytest.mark.parametrize("level", ["O0", "O1"])
def test_errors_in_a_replay_are_those_of_dynamic_mode(level: str) -> None:
    def inverse(a: Any, index: Any) -> Any:
        b = tg.linalg.inv(a)
        return tg.take(b * 2.0, index, axis=0)

    step = tg.static(inverse, level=level)
    good, last = tg.tensor(np.eye(2)), tg.tensor(np.array([1]))
    step(good, last)
    for a, index, line in ((good * 0.0, last, 1), (good, last + 5, 2)):
        with pytest.raises(Exception) as plain:
            inverse(a, index)
        with pytest.raises(type(plain.value)) as replayed:
            step(a, index)
        assert str(replayed.value).split(":")[-1] == str(plain.value).split(":")[-1]
        assert f"test_promises.py:{inverse.__code__.co_firstlineno + line} " in str(replayed.value)
    assert bits(step(good, last)) == bits(inverse(good, last))


def test_check_mode_names_what_is_not_the_same_every_time() -> None:
    counter = iter(range(100))

    class Drifting(tg.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            return x + next(counter)

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            return g

    step = tg.static(lambda x: Drifting.apply(x) * 2)
    with tg.mode("check"), pytest.raises(tg.TraceError):
        step(x_of(0))
