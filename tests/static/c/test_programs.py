"""Whole training steps as generated C: right numbers, errors as in dynamic mode, nothing written when a call fails."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import teachgrad as tg
from teachgrad import nn, optim
from teachgrad.checking import alike
from teachgrad.executors.c import compiler
from teachgrad.nn import functional as F
from tests.export.programs import step_of

pytestmark = pytest.mark.skipif(compiler() is None, reason="needs a C compiler")


def perceptron() -> Any:
    return nn.Sequential(nn.Linear(6, 16), nn.Tanh(), nn.LayerNorm(16), nn.Linear(16, 12), nn.GELU(), nn.Linear(12, 4))


def convolutional() -> Any:
    return nn.Sequential(nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
                         nn.Linear(12, 4))


class Transformer(nn.Module):
    """Tokens, causal attention, layer norms."""

    def __init__(self) -> None:
        super().__init__()
        self.tokens, self.norm = nn.Embedding(9, 8), nn.LayerNorm(8)
        self.attention, self.head = nn.MultiheadAttention(8, 2), nn.Linear(8, 4)

    def forward(self, x: Any) -> Any:
        h = self.tokens(x)
        n = self.norm(h)
        return self.head((h + self.attention(n, n, n)[0]).mean(axis=1))


def batch(kind: str) -> tuple[Any, Any]:
    rng = np.random.default_rng(3)
    inputs = {"perceptron": rng.normal(size=(10, 6)).astype(np.float32),
              "convolutional": rng.normal(size=(10, 1, 6, 6)).astype(np.float32),
              "transformer": rng.integers(0, 9, (10, 5))}[kind]
    return tg.tensor(inputs), tg.tensor(rng.integers(0, 4, 10))


MODELS: dict[str, Callable[[], Any]] = {"perceptron": perceptron, "convolutional": convolutional,
                                        "transformer": Transformer}
OPTIMIZERS: dict[str, Callable[[Any], Any]] = {
    "sgd": lambda ps: optim.SGD(ps, lr=0.1),
    "momentum": lambda ps: optim.SGD(ps, lr=0.05, momentum=0.9, nesterov=True, weight_decay=0.01),
    "dampened": lambda ps: optim.SGD(ps, lr=0.05, momentum=0.9, dampening=0.2),
    "adam": lambda ps: optim.Adam(ps, lr=0.01),
    "adamw": lambda ps: optim.AdamW(ps, lr=0.01, amsgrad=True),
    "rmsprop": lambda ps: optim.RMSprop(ps, lr=0.01, centered=True),
    "adagrad": lambda ps: optim.Adagrad(ps, lr=0.05, lr_decay=0.1),
    "adadelta": lambda ps: optim.Adadelta(ps, lr=0.5),
}


def trained(model: Any, optimizer: Any, x: Any, t: Any, level: str | None) -> tuple[list[float], dict[str, Any]]:
    """Losses over five steps, and the state of the model after them."""
    step = step_of(model, optimizer)
    if level:
        step = tg.static(step, level=level)
    losses = [step(x, t).item() for _ in range(5)]
    return losses, {name: value.numpy(copy=True) for name, value in model.state_dict().items()}


@pytest.mark.parametrize(("kind", "how"), [
    *((kind, "momentum") for kind in MODELS), ("perceptron", "adam"),
    *(pytest.param("perceptron", how, marks=pytest.mark.slow) for how in OPTIMIZERS
      if how not in ("momentum", "adam"))])
def test_training(kind: str, how: str) -> None:
    """Adam would blow up gradients that are nothing but rounding, such as that of a bias before batch norm."""
    tg.seed(5)
    model = MODELS[kind]()
    twin = copy.deepcopy(model)
    x, t = batch(kind)
    got = trained(model, OPTIMIZERS[how](model.parameters()), x, t, "O3")
    want = trained(twin, OPTIMIZERS[how](twin.parameters()), x, t, None)
    np.testing.assert_allclose(got[0], want[0], rtol=1e-4)
    for name, value in want[1].items():
        np.testing.assert_allclose(got[1][name], value, rtol=1e-3, atol=2e-4, err_msg=name)


def test_a_perceptron_is_one_c_function() -> None:
    model = nn.Sequential(nn.Linear(2, 16), nn.Tanh(), nn.Linear(16, 1))
    step = tg.static(step_of(model, optim.SGD(model.parameters(), lr=0.1), F.mse_loss), level="O3")
    step(tg.ones((4, 2)), tg.ones((4, 1)))
    assert "numpy:" not in tg.source(step)
    assert tg.source(step).count("int run(void **p)") == 1


def test_targets_out_of_range_are_refused_and_nothing_is_written() -> None:
    model = perceptron()
    x, t = batch("perceptron")
    step = tg.static(step_of(model, optim.Adam(model.parameters(), lr=0.01)), level="O3")
    step(x, t)
    before = {name: value.numpy(copy=True) for name, value in model.state_dict().items()}
    for wrong in (4, -1, 1 << 40):
        labels = t.numpy(copy=True)
        labels[3] = wrong
        with pytest.raises(IndexError, match=rf"^cross_entropy: target {wrong} is not one of the 4"):
            step(x, tg.tensor(labels))
    for name, value in model.state_dict().items():
        assert value.numpy().tobytes() == before[name].tobytes()
    step(x, t)


def test_rows_out_of_range_are_refused() -> None:
    table = tg.Parameter(np.eye(3))
    take = tg.static(lambda i: F.embedding(i, table) * 2.0, level="O3")
    assert take(tg.tensor([2, 0])).numpy().tolist() == [[0, 0, 2], [2, 0, 0]]
    with pytest.raises(IndexError, match="row 3 is not one of the 3"):
        take(tg.tensor([0, 3]))


@pytest.mark.parametrize("dtype", ["int64", "int8", "uint64", "uint8"])
def test_one_hot_in_c(dtype: str) -> None:
    step = tg.static(lambda t: tg.nn.functional.one_hot(t, 3) * 2, level="O3")
    given = np.array([[0, 2], [1, 1]], dtype)
    assert np.array_equal(step(tg.tensor(given)).numpy(), 2 * np.eye(3, dtype=np.int64)[given.astype(int)])
    assert all(segment.is_c for segment in step.trace.program.building.segments)
    for wrong in (3, np.iinfo(dtype).max, *([-1] if dtype.startswith("int") else [])):
        with pytest.raises(IndexError, match=f"class {wrong} is not one of the 3"):
            step(tg.tensor(np.array([[0, wrong], [1, 1]], dtype)))


def test_spreads_in_c() -> None:
    x = np.random.default_rng(0).standard_normal((5, 700)).astype(np.float32) + 1000
    step = tg.static(lambda x: (tg.var(x, axis=1), tg.std(x, axis=0, correction=1, keepdims=True)), level="O3")
    found = [z.numpy() for z in step(tg.tensor(x))]
    assert all(segment.is_c for segment in step.trace.program.building.segments)
    wide = x.astype(np.float64)
    np.testing.assert_allclose(found[0], wide.var(axis=1), rtol=1e-4)
    np.testing.assert_allclose(found[1], wide.std(axis=0, ddof=1, keepdims=True), rtol=1e-3)


def test_ignored_targets_count_for_nothing() -> None:
    x = tg.tensor(np.random.default_rng(1).normal(size=(6, 4)), requires_grad=True)
    t = tg.tensor([0, -100, 3, 2, -100, 1])
    for reduction in ("mean", "sum", "none"):
        def run(x: Any, t: Any, reduction: str = reduction) -> Any:
            loss = F.cross_entropy(x, t, reduction=reduction)
            return loss, tg.grad(loss.sum(), [x])[0]

        for got, want in zip(tg.static(run, level="O3")(x, t), run(x, t), strict=True):
            np.testing.assert_allclose(got.detach().numpy(), want.detach().numpy(), rtol=1e-12, atol=1e-14)


def test_outputs_that_are_kept_stay_as_they_are() -> None:
    """Arrays are handed out again only when nobody holds them."""
    double = tg.static(lambda x: x * 2.0, level="O3")
    kept = [double(tg.full((3,), float(number))) for number in range(8)]
    views = [double(tg.full((3,), float(number))).numpy()[1:] for number in range(8)]
    assert [x.numpy().tolist() for x in kept] == [[2.0 * number] * 3 for number in range(8)]
    assert [x.tolist() for x in views] == [[2.0 * number] * 2 for number in range(8)]


def test_a_long_sum_is_as_good_as_numpys() -> None:
    x = np.random.default_rng(0).uniform(size=1_000_000).astype(np.float32)
    got = tg.static(lambda x: x.sum(), level="O3")(tg.tensor(x)).item()
    assert abs(got / x.sum(dtype=np.float64) - 1) < 1e-6


@pytest.mark.parametrize("axis", [0, 1, 2, (0, 1), (1, 2), (0, 2), (0, 1, 2)])
@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1), (1, 2, 0)])
def test_reductions_of_turned_arrays(axis: Any, order: tuple[int, ...]) -> None:
    x = tg.tensor(np.random.default_rng(2).normal(size=(3, 4, 5)))

    def run(x: Any) -> Any:
        y = tg.tanh(x.permute_dims(*order)) + 1.0
        e = tg.exp(y - y.max(axis=axis, keepdims=True))
        return e / e.sum(axis=axis, keepdims=True), y.sum(axis=axis), (y * y).mean(axis=axis), y.min(axis=axis)

    for got, want in zip(tg.static(run, level="O3")(x), run(x), strict=True):
        np.testing.assert_allclose(got.numpy(), want.numpy(), rtol=1e-12)


def test_a_reshape_that_copies_is_a_kernel() -> None:
    """Also where it reshapes a view of an input that lies in an order of its own, and one of another reshape."""
    x = tg.tensor(np.asfortranarray(np.random.default_rng(5).normal(size=(4, 6, 5))))

    def run(x: Any) -> tuple[Any, ...]:
        y = (x * 2.0).mT.reshape((4, 30))
        twice = x[:, ::2].reshape((12, 5)).mT.reshape((-1,))
        return y, x.reshape((-1,)) + 1.0, twice, x.mT.reshape((10, 12))[1:].sum()

    step = tg.static(run, level="O3")
    for got, want in zip(step(x), run(x), strict=True):
        np.testing.assert_allclose(got.numpy(), want.numpy(), rtol=1e-15)
    assert "numpy:" not in tg.source(step)


def test_the_c_executor_can_be_asked_for_at_exact_levels() -> None:
    x = tg.tensor(np.random.default_rng(4).normal(size=(7, 5)))
    for level in ("O0", "O1"):
        step = tg.static(lambda x: F.softmax(x, axis=1) @ x.mT * 3.0, level=level, executor="c")
        np.testing.assert_allclose(step(x).numpy(), (F.softmax(x, axis=1) @ x.mT * 3.0).numpy(), rtol=1e-12)


def test_check_mode_asks_for_no_more_than_the_level_promises() -> None:
    x = tg.tensor(np.random.default_rng(6).normal(size=(50, 7)).astype(np.float32))

    def run(x: Any) -> Any:
        return F.softmax(tg.tanh(x) @ x.mT, axis=1)

    step = tg.static(run, level="O3")
    with tg.mode("check"):
        step(x)
    assert alike(np.array([1.0, np.nan, np.inf]), np.array([1.0 + 1e-13, np.nan, np.inf]))
    assert not alike(np.array([1.0, 2.0]), np.array([1.0, 2.0 + 1e-9]))


def test_states_of_placeholders() -> None:
    x, total = tg.placeholder((3,), name="x"), tg.state(np.zeros(3), name="total")
    add = tg.function([x], (total * 2.0).sum(), updates={total: total + x}, level="O3")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert [add(tg.ones((3,), dtype=tg.float64)).item() for _ in range(3)] == [0.0, 6.0, 12.0]


UPDATES: dict[str, Callable[[Any, Any], dict[Any, Any]]] = {
    "each from the other": lambda p, q: {p: q * 3.0, q: p * 5.0},
    "exchanged": lambda p, q: {p: q, q: p},
    "from a turned self": lambda p, q: {p: p.mT @ q * 0.1 + p.mT, q: tg.exp(q - q.max(axis=0, keepdims=True)) + p.mT},
    "from rows of itself": lambda p, q: {p: p / p.sum(axis=1, keepdims=True) + p[0], q: q * q.sum() - p.sum(axis=0)},
}


@pytest.mark.parametrize("which", UPDATES)
def test_states_that_are_written_where_they_lie(which: str) -> None:
    """A new value goes straight over the old one only when nobody needs the old one any more."""
    seen = {}
    for level in ("O1", "O3"):
        p = tg.state(np.arange(1.0, 10.0).reshape(3, 3), name="p")
        q = tg.state(np.arange(2.0, 11.0).reshape(3, 3) / 4, name="q")
        step = tg.function([], [p, q.mT, (p * q).sum()], updates=UPDATES[which](p, q), level=level)
        seen[level] = [x.numpy(copy=True) for _ in range(3) for x in step()]
    for got, want in zip(seen["O3"], seen["O1"], strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-10)


def repeated(times: int, change: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def run(x: Any) -> Any:
        for _ in range(times):
            x = change(x)
        return x * 2.0

    return run


@pytest.mark.parametrize(("shape", "times", "change"), [
    ((), 1200, lambda x: x * 0.999 + 0.1), ((1,), 60, lambda x: x * 0.5 + x * 0.25),
    ((3, 4), 1200, lambda x: x[::-1])], ids=["chain", "doubled", "views"])
def test_long_chains(shape: tuple[int, ...], times: int, change: Callable[[Any], Any]) -> None:
    """Of single numbers, each of which was once computed by its readers; and of views."""
    run = repeated(times, change)
    step = tg.static(lambda x: run(tg.exp(x)), level="O3")
    x = tg.full(shape, 0.25, dtype=tg.float64)
    np.testing.assert_allclose(step(x).numpy(), run(tg.exp(x)).numpy(), rtol=1e-12)


@pytest.mark.parametrize("run", [
    lambda x, y: tg.exp(x) * y, lambda x, y: (tg.exp(x) * y).sum(axis=(0, 3, 11)), lambda x, y: x @ y + 1.0])
def test_more_axes_than_there_are_names_for_loops(run: Callable[[Any, Any], Any]) -> None:
    rng = np.random.default_rng(0)
    order = rng.permutation(12).tolist()
    x, y = (tg.tensor(rng.normal(size=(2,) * 12)) for _ in range(2))
    turned = tg.permute_dims(y, order)
    step = tg.static(lambda x, y: run(x, tg.permute_dims(y, order)), level="O3")
    np.testing.assert_allclose(step(x, y).numpy(), run(x, turned).numpy(), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("dtype", ["uint8", "uint64", "int8"])
def test_targets_whose_type_has_no_such_number_as_is_ignored(dtype: str) -> None:
    """-100 is not in uint8, nor 200 in int8: nothing is ignored then, at any level and in second derivatives."""
    ignored = 200 if dtype == "int8" else -100
    t = tg.tensor([0, 2, 1], dtype=dtype)

    def run(x: Any) -> Any:
        (g,) = tg.grad(F.cross_entropy(x, t, ignore_index=ignored), [x], create_graph=True)
        return tg.grad((g * g).sum(), [x])

    x = tg.tensor(np.random.default_rng(0).normal(size=(3, 4)), requires_grad=True)
    (want,), (got,) = run(x), tg.static(run, level="O3")(x)
    np.testing.assert_allclose(got.numpy(), want.numpy(), rtol=1e-11)


def test_a_new_state_that_is_read_by_a_later_kernel() -> None:
    """The C did not know the new state by its name, was refused, and NumPy ran instead."""
    def run(w: Any, v: Any) -> Any:
        old = w * 1.0
        w *= 2.0
        v += w[0]
        w += v
        return old + w

    states = [[tg.tensor(np.arange(12.0).reshape(3, 4)), tg.tensor(np.arange(4.0))] for _ in range(2)]
    step = tg.static(lambda: run(*states[1]), level="O3")
    for _ in range(2):
        np.testing.assert_allclose(step().numpy(), run(*states[0]).numpy(), rtol=1e-12)
    for got, want in zip(states[1], states[0], strict=True):
        np.testing.assert_allclose(got.numpy(), want.numpy(), rtol=1e-12)
    assert type(step.trace.program).__name__ == "CProgram"


def test_a_state_that_becomes_another_one_is_not_overwritten_before() -> None:
    a, b = (tg.tensor(np.arange(5.0) + k) for k in range(2))

    def step(x: Any) -> Any:
        first = a * x
        a.copy_(b)
        b.copy_(a * first)
        return x + 1.0

    tg.static(step, level="O3")(tg.ones(5, dtype="float64"))
    assert a.numpy().tolist() == [1.0, 2.0, 3.0, 4.0, 5.0]
    assert b.numpy().tolist() == [0.0, 2.0, 6.0, 12.0, 20.0]


@pytest.mark.slow
def test_rows_of_a_table_of_more_than_two_thousand_million_numbers() -> None:
    """The place of an element has 64 bits, also where indices have 32: it once wrapped, and the call crashed."""
    table = tg.zeros((66_000, 33_000), dtype=tg.int8)
    take = tg.static(lambda indices: F.embedding(indices, table), level="O3")
    assert not take(tg.tensor([65_999], dtype=tg.int32)).numpy().any()


def test_a_sum_of_one_number() -> None:
    step = tg.static(lambda x: (tg.linalg.inv(x.reshape((1, 1)).sum(axis=0, keepdims=True)), x.sum(axis=0)), level="O3")
    inverse, total = step(tg.tensor([4.0]))
    assert (inverse.item(), total.item()) == (0.25, 4.0)


def test_memory_that_became_read_only_is_not_written() -> None:
    w = tg.Parameter(np.ones(3))

    def train(x: Any) -> Any:
        with tg.no_grad():
            w[...] = w - x
        return w.sum()

    step = tg.static(train, level="O3")
    step(tg.ones((3,), dtype=tg.float64))
    w._data.flags.writeable = False
    with pytest.raises(tg.TraceError, match="TG-S09"):
        step(tg.ones((3,), dtype=tg.float64))
    assert w.numpy().tolist() == [0, 0, 0]
    w._data.flags.writeable = True
    assert step(tg.ones((3,), dtype=tg.float64)).item() == -3
