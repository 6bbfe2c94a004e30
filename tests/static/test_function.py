"""Graphs built by hand (cards T1 and T2): `tg.placeholder`, `tg.state`, `tg.function`, updates, givens, trial."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import teachgrad as tg
from teachgrad.graph import names
from tests.static.expressions import SHAPES, Teachgrad, arrays, expression

STEPS = 10
"""Values of a random expression, besides those that add it all up."""


# ---- values ----------------------------------------------------------------------------------------------------------

def placeholders() -> list[Any]:
    return [tg.placeholder(shape, tg.float64, f"x{number}") for number, shape in enumerate(SHAPES)]


@pytest.mark.parametrize("seeds", [range(60), pytest.param(range(60, 500), marks=pytest.mark.slow)], ids=str)
@pytest.mark.parametrize("level", ["O0", "O1"])
def test_500_random_expressions_have_the_bits_of_dynamic_mode(level: str, seeds: range) -> None:
    for seed in seeds:
        leaves = [tg.tensor(array, requires_grad=True) for array in arrays(seed)]
        value = expression(Teachgrad(), seed, leaves, STEPS)
        want = [value, *tg.grad(value, leaves)]
        inputs = placeholders()
        z = expression(Teachgrad(), seed, inputs, STEPS)
        f = tg.function(inputs, [z, *tg.grad(z, inputs)], level=level)
        got = f(*arrays(seed))
        assert [x.numpy().tobytes() for x in got] == [x.numpy().tobytes() for x in want], f"expression {seed}"


class PyTensor:
    """How expressions are written there."""

    def __init__(self) -> None:
        import pytensor.tensor

        self.pt = pytensor.tensor

    def call(self, name: str, *xs: Any) -> Any:
        return getattr(self.pt, name)(*xs)

    def reduce(self, x: Any, how: str, axis: int, keep: bool) -> Any:
        return getattr(self.pt, how)(x, axis=axis, keepdims=keep)

    def concat(self, xs: list[Any], axis: int) -> Any:
        return self.pt.concatenate(xs, axis=axis)

    def turn(self, x: Any, axes: tuple[int, ...]) -> Any:
        return x.dimshuffle(*axes)

    def reshape(self, x: Any, shape: tuple[int, ...]) -> Any:
        return x.reshape(shape)


@pytest.mark.slow
@pytest.mark.oracles("pytensor")
def test_random_expressions_agree_with_pytensor() -> None:
    import pytensor
    from pytensor.compile.mode import Mode

    library = PyTensor()
    for seed in range(60):
        inputs = placeholders()
        f = tg.function(inputs, expression(Teachgrad(), seed, inputs, STEPS))
        theirs = [library.pt.tensor(dtype="float64", shape=shape) for shape in SHAPES]
        g = pytensor.function(theirs, expression(library, seed, theirs, STEPS), mode=Mode("py", "fast_compile"))
        np.testing.assert_allclose(f(*arrays(seed)).numpy(), g(*arrays(seed)), rtol=1e-12, err_msg=f"{seed}")


def test_outputs_are_trees_and_every_call_gives_tensors_of_its_own() -> None:
    x = tg.placeholder((3,), tg.float64, "x")
    f = tg.function([x], {"twice": x * 2, "both": (x, [x.sum()])})
    first, second = f([1.0, 2.0, 3.0]), f(tg.tensor([4.0, 5.0, 6.0], dtype="float64"))
    assert first["twice"].numpy().tolist() == [2.0, 4.0, 6.0]
    assert first["both"][1][0].item() == 6.0
    assert second["both"][0].numpy().tolist() == [4.0, 5.0, 6.0]


def test_the_plan_and_the_program_can_be_read() -> None:
    x = tg.placeholder((1000,), tg.float64, "x")
    f = tg.function([x], tg.sum(tg.exp(tg.tanh(x))), name="soft")
    f(np.zeros(1000))
    assert "arena 8000 bytes; without sharing 16000" in f.plan.table()
    assert str(f.graph).startswith("soft(x: float64[1000])")
    assert "tanh_(x" in f.source


# ---- what cannot be --------------------------------------------------------------------------------------------------

def missing_input(x: Any, y: Any) -> None:
    tg.function([x], x + y.sum())


def unused_input(x: Any, y: Any) -> None:
    tg.function([x, y], x * 2)


def wrong_rank(x: Any, y: Any) -> None:
    tg.function([x, y], x * y.sum())(np.ones(3), np.ones((2, 3)))


def wrong_length(x: Any, y: Any) -> None:
    tg.function([x, y], x * y.sum())(np.ones(3), np.ones(7))


def wrong_number_of_arguments(x: Any, y: Any) -> None:
    tg.function([x, y], x * y.sum(), name="product")(np.ones(3))


def real_numbers_for_integers(x: Any, y: Any) -> None:
    index = tg.placeholder((2,), tg.int64, "second")
    tg.function([x, index], tg.take(x, index, axis=0))(np.ones(3), np.ones(2))


def input_twice(x: Any, y: Any) -> None:
    tg.function([y, y], y * 2)


def input_that_is_no_placeholder(x: Any, y: Any) -> None:
    second = tg.tensor([1.0, 2.0])
    second.name = "second"
    tg.function([second], second * 2)


def output_that_is_no_tensor(x: Any, y: Any) -> None:
    tg.function([y], 3.0, name="second")


@pytest.mark.parametrize("build", [missing_input, unused_input, wrong_rank, wrong_length, wrong_number_of_arguments,
                                   real_numbers_for_integers, input_twice, input_that_is_no_placeholder,
                                   output_that_is_no_tensor])
def test_mistakes_name_the_variable(build: Callable[[Any, Any], None]) -> None:
    x, y = tg.placeholder((3,), tg.float64, "first"), tg.placeholder((4,), tg.float64, "second")
    with pytest.raises(tg.TeachgradError, match="second"):
        build(x, y)


def test_names_in_a_graph_are_numbered_in_order_and_never_twice() -> None:
    x = tg.placeholder((2,), tg.float64, "multiply_3")
    y = x
    for _ in range(4):
        y = y * x
    graph = tg.function([x], y, level="O0").graph
    assert [names(graph)[v.id] for v in graph.order] == ["multiply", "multiply_2", "multiply_4", "multiply_5"]


def unknown_length(x: Any, y: Any) -> None:
    tg.placeholder((None, 3))


def givens_by_name(x: Any, y: Any) -> None:
    tg.function([y], y * 2, givens={"second": y})


@pytest.mark.parametrize(("build", "message"), [(unknown_length, r"known, not \(None, 3\).*tg.static"),
                                                (givens_by_name, "'second' is no tensor.*placeholder itself")])
def test_mistakes_of_kind_say_what_to_write(build: Callable[[Any, Any], None], message: str) -> None:
    with pytest.raises(tg.TeachgradError, match=message):
        build(tg.placeholder((3,), tg.float64, "first"), tg.placeholder((4,), tg.float64, "second"))


def test_mistakes_name_the_line_of_the_placeholder() -> None:
    y = tg.placeholder((4,), tg.float64, "y")
    with pytest.raises(tg.TraceError, match=r"(?s)TG-S08.* y, made at test_function\.py:\d+.*add it to the inputs"):
        tg.function([], y * 2)


# ---- states and updates ----------------------------------------------------------------------------------------------

def data(steps: int) -> list[Any]:
    rng = np.random.default_rng(4)
    return [(rng.normal(size=(8, 3)), rng.normal(size=(8, 2))) for _ in range(steps)]


FIRST = [np.random.default_rng(k).normal(size=shape) * 0.5 for k, shape in enumerate([(3, 5), (5,), (5, 2), (2,)])]
LR, MOMENTUM = 0.05, 0.9


def loss_of(lib: Any, ws: Any, x: Any, t: Any) -> Any:
    return ((lib.tanh(x @ ws[0] + ws[1]) @ ws[2] + ws[3] - t) ** 2).mean()


def trained_by_updates(steps: int) -> list[Any]:
    """Losses and final weights of SGD with momentum, as updates of states."""
    x, t = tg.placeholder((8, 3), tg.float64, "x"), tg.placeholder((8, 2), tg.float64, "t")
    ws = [tg.state(w) for w in FIRST]
    vs = [tg.state(np.zeros_like(w)) for w in FIRST]
    loss = loss_of(tg, ws, x, t)
    new = [MOMENTUM * v + g for v, g in zip(vs, tg.grad(loss, ws), strict=True)]
    step = tg.function([x, t], loss, updates={**dict(zip(vs, new, strict=True)),
                                              **{w: w - LR * v for w, v in zip(ws, new, strict=True)}})
    return [*(step(*batch).item() for batch in data(steps)), *(w.value for w in ws)]


@pytest.mark.oracles
def test_100_steps_by_updates_agree_with_torch() -> None:
    import torch

    ws = [torch.tensor(w, requires_grad=True) for w in FIRST]
    optimizer = torch.optim.SGD(ws, lr=LR, momentum=MOMENTUM)
    losses = []
    for x, t in data(100):
        optimizer.zero_grad()
        loss = loss_of(torch, ws, torch.tensor(x), torch.tensor(t))
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    for mine, theirs in zip(trained_by_updates(100), [*losses, *(w.detach().numpy() for w in ws)], strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-10, atol=1e-12)


@pytest.mark.slow
@pytest.mark.oracles("pytensor")
def test_100_steps_by_updates_agree_with_pytensor() -> None:
    import pytensor
    import pytensor.tensor as pt
    from pytensor.compile.mode import Mode

    x, t = pt.matrix(dtype="float64"), pt.matrix(dtype="float64")
    ws, vs = [pytensor.shared(w) for w in FIRST], [pytensor.shared(np.zeros_like(w)) for w in FIRST]
    loss = loss_of(pt, ws, x, t)
    new = [MOMENTUM * v + g for v, g in zip(vs, pytensor.grad(loss, ws), strict=True)]
    step = pytensor.function([x, t], loss, mode=Mode("py", "fast_compile"), updates=[
        *zip(vs, new, strict=True), *((w, w - LR * v) for w, v in zip(ws, new, strict=True))])
    theirs = [*(float(step(*batch)) for batch in data(100)), *(w.get_value() for w in ws)]
    for mine, other in zip(trained_by_updates(100), theirs, strict=True):
        np.testing.assert_allclose(mine, other, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("level", ["O0", "O1"])
def test_updates_read_the_old_values(level: str) -> None:
    a, b, c = (tg.state([float(k), 10.0 * k], name="abc"[k - 1]) for k in (1, 2, 3))
    f = tg.function([], [a + b, c], updates={a: b, b: c * 2 + a, c: a}, level=level)
    total, before = f()
    assert (total.numpy().tolist(), before.numpy().tolist()) == ([3.0, 30.0], [3.0, 30.0])
    assert [x.value.tolist() for x in (a, b, c)] == [[2.0, 20.0], [7.0, 70.0], [1.0, 10.0]]


def test_a_state_can_be_read_and_written_between_calls() -> None:
    w = tg.state(np.zeros(3), name="w")
    step = tg.function([], w * 2, updates={w: w + 1})
    step()
    value = w.value
    value[:] = 100.0  # a copy
    assert step().numpy().tolist() == [2.0] * 3
    w.value = [5, 6, 7]
    assert step().numpy().tolist() == [10.0, 12.0, 14.0]
    assert w.value.tolist() == [6.0, 7.0, 8.0]
    with pytest.raises(tg.ShapeError, match=r"state w .*\(3,\).*\(2,\)"):
        w.value = [1.0, 2.0]


def test_a_state_is_read_like_any_tensor() -> None:
    w = tg.state([1.5], name="w")
    step = tg.function([], [], updates={w: w + 1})
    step()
    assert (w.numpy().tolist(), w.item(), float(w), np.asarray(w).tolist()) == ([2.5], 2.5, 2.5, [2.5])
    for twin in (copy.deepcopy(w), pickle.loads(pickle.dumps(w))):
        assert (twin.value.tolist(), twin.dtype, twin.name) == ([2.5], w.dtype, "w")
        twin.value = [9.0]
        assert w.item() == 2.5
        assert tg.function([], twin * 2)().item() == 18.0


def test_an_update_that_fails_changes_nothing() -> None:
    """The failure comes last, when every other new value is there."""
    a, b = tg.state(np.eye(2), name="a"), tg.state(np.ones(2), name="b")
    x = tg.placeholder((2, 2), tg.float64, "x")
    f = tg.function([x], b.sum(), updates={b: b * 3.0 + 1.0, a: tg.linalg.inv(x + a * 0.0)})
    f(np.eye(2) * 2)
    before = a.value.tobytes(), b.value.tobytes()
    for _ in range(2):
        with pytest.raises(tg.MatrixError, match=r"(?s)^inv.*Singular.*test_function\.py:\d+ .*tg.linalg.inv\(x"):
            f(np.zeros((2, 2)))
        assert (a.value.tobytes(), b.value.tobytes()) == before
    f(np.eye(2))
    assert (a.value.tobytes(), b.value.tobytes()) != before


def test_a_trial_commits_nothing() -> None:
    w, n = tg.state([1.0, 2.0], name="w"), tg.state(0, name="n")
    x = tg.placeholder((2,), tg.float32, "x")
    step = tg.function([x], (w * x).sum(), updates={w: w - x, n: n + 1})
    loss, new = step.trial([3.0, 4.0])
    assert loss.item() == 11.0
    assert {name: value.tolist() for name, value in new.items()} == {"w": [-2.0, -2.0], "n": 1}
    assert (w.value.tolist(), n.value) == ([1.0, 2.0], 0)
    assert step([3.0, 4.0]).item() == 11.0
    assert (w.value.tolist(), n.value) == ([-2.0, -2.0], 1)


def test_states_are_given_memory_of_their_own() -> None:
    array = np.zeros(3)
    a, b = tg.state(array, name="a"), tg.state(array, name="b")
    tg.function([], [], updates={a: a + 1, b: b - 1})()
    assert (a.value.tolist(), b.value.tolist(), array.tolist()) == ([1.0] * 3, [-1.0] * 3, [0.0] * 3)


def test_new_values_take_the_dtype_and_the_shape_of_the_state() -> None:
    w, n = tg.state(np.zeros((2, 3), np.float32), name="w"), tg.state(np.array(0), name="n")
    row = tg.placeholder((3,), tg.float64, "row")
    tg.function([row], [], updates={w: row, n: 7})([1.0, 2.0, 3.0])
    assert (w.value.dtype, w.value.tolist(), n.value) == (np.float32, [[1.0, 2.0, 3.0]] * 2, 7)
    with pytest.raises(tg.ShapeError, match="update of w has shape"):
        tg.function([], [], updates={w: tg.tensor(np.zeros((4, 2, 3)))})
    with pytest.raises(tg.DTypeError, match="update of n is float"):
        tg.function([row], [], updates={n: row.sum()})


# ---- givens ----------------------------------------------------------------------------------------------------------

def test_givens_replace_what_stands_in_an_expression() -> None:
    x, z = tg.placeholder((2,), tg.float64, "x"), tg.placeholder((2,), tg.float64, "z")
    inner = x * x
    y = tg.exp(inner) + x
    f = tg.function([z], y, givens={x: 2 * z})
    value = np.array([0.5, -1.0])
    np.testing.assert_array_equal(f(value).numpy(), np.exp((2 * value) * (2 * value)) + 2 * value)
    g = tg.function([x], y, givens={inner: 0.0})
    np.testing.assert_array_equal(g(value).numpy(), 1.0 + value)
    swapped = tg.function([x, z], x - z, givens={x: z, z: x})  # what is put in is not searched again
    assert swapped([1.0, 1.0], [3.0, 3.0]).numpy().tolist() == [2.0, 2.0]


def test_givens_reach_updates_and_gradients() -> None:
    x, w = tg.placeholder((2,), tg.float64, "x"), tg.state(np.array([1.0, 2.0]), name="w")
    loss = (w * w * x).sum()
    f = tg.function([], loss, updates={w: w - tg.grad(loss, w)}, givens={x: np.array([0.5, 0.25])})
    assert f().item() == 1.5
    assert w.value.tolist() == [0.0, 1.0]


def test_givens_of_another_shape_are_refused() -> None:
    x, z = tg.placeholder((2,), tg.float64, "x"), tg.placeholder((3,), tg.float64, "z")
    with pytest.raises(tg.ShapeError, match=r"replaces x of float64\[2\] by float64\[3\]"):
        tg.function([z], x * 2, givens={x: z})
