"""Reverse mode itself: order, accumulation, lifetime, depth, higher order, modes. Numbers are closed forms."""

from __future__ import annotations

import gc
import threading
import tracemalloc
from math import cos, sin
from typing import Any

import numpy as np
import pytest

import teachgrad as tg


def leaf(value: Any, dtype: Any = "float64") -> tg.Tensor:
    return tg.tensor(np.asarray(value, dtype), requires_grad=True)


def test_square_plus_itself() -> None:
    x = leaf(3.0)
    (x * x + x).backward()
    assert x.grad.item() == 7.0


def test_micrograd() -> None:
    a, b, f = (tg.tensor(value, requires_grad=True) for value in (2.0, -3.0, -2.0))
    e = a * b
    loss = (e + a) * f
    loss.backward()
    assert (loss.item(), a.grad.item(), b.grad.item(), f.grad.item()) == (8.0, 4.0, -4.0, -4.0)


def test_two_hundred_doublings() -> None:
    x = leaf(1.0)
    y = x
    for _ in range(200):
        y = y + y
    y.backward()
    assert x.grad.item() == 2.0**200


def test_a_chain_of_100000_ops() -> None:
    x = leaf(1.0)
    y = x
    for _ in range(100_000):
        y = y + 1.0
    y.backward()
    assert y.item() == 100_001.0
    assert x.grad.item() == 1.0
    del y


def test_gradients_add_up_and_can_be_forgotten() -> None:
    x = leaf([1.0, 2.0])
    (x * 3).sum().backward()
    (x * 4).sum().backward()
    assert x.grad.numpy().tolist() == [7.0, 7.0]
    x.grad = None
    assert x.grad is None


def test_no_two_leaves_share_the_memory_of_a_gradient() -> None:
    x, y, z = leaf([1.0, 2.0]), leaf([3.0, 4.0]), leaf([[1.0, 2.0]])
    (x + y + z.reshape((2,))).backward(np.array([1.0, 1.0]))
    x.grad *= 10
    assert y.grad.numpy().tolist() == [1.0, 1.0]
    assert z.grad.numpy().tolist() == [[1.0, 1.0]]


def test_the_seed_is_not_taken() -> None:
    x, seed = leaf([1.0, 2.0]), tg.tensor(np.array([1.0, 1.0]))
    (x + 0.0).backward(seed)
    x.grad *= 5
    assert seed.numpy().tolist() == [1.0, 1.0]


def test_second_backward_says_what_to_do() -> None:
    x = leaf(2.0)
    y = x * x
    y.backward()
    with pytest.raises(tg.GradientError, match=r"freed.*test_autodiff|test_autodiff.*freed") as caught:
        y.backward()
    assert "retain_graph=True" in str(caught.value)


def test_a_freed_part_of_a_graph_is_refused_when_only_some_gradients_are_asked_for() -> None:
    w = tg.tensor([1.0, 2.0], requires_grad=True)
    part = (w * w).sum()
    tg.grad(part, w)
    with pytest.raises(tg.GradientError, match="freed"):
        tg.grad(part + w.sum(), w)


def test_grad_leaves_the_history_of_its_inputs_alone() -> None:
    w = tg.tensor([1.0, 2.0], requires_grad=True)
    x = w * 3.0
    g = tg.grad((x * x).sum(), x)
    (x * g).sum().backward()
    assert w.grad is not None
    np.testing.assert_allclose(w.grad.numpy(), 3.0 * g.numpy())


def test_retained_graph() -> None:
    x = leaf(2.0)
    y = x * x
    y.backward(retain_graph=True)
    y.backward()
    assert x.grad.item() == 8.0


def test_derivatives_of_sine() -> None:
    x = leaf(1.3)
    d = tg.sin(x)
    expected = [cos(1.3), -sin(1.3), -cos(1.3), sin(1.3), cos(1.3), -sin(1.3)]
    for want in expected:
        d = tg.grad(d, x, create_graph=True)
        assert d.item() == pytest.approx(want, abs=1e-15)


def test_grad_leaves_grad_alone() -> None:
    x, y = leaf(2.0), leaf(5.0)
    gx, gy = tg.grad(x * x * y, [x, y])
    assert (gx.item(), gy.item(), x.grad, y.grad) == (20.0, 4.0, None, None)


def test_grad_with_respect_to_something_on_the_way() -> None:
    x = leaf(2.0)
    h = x * 3
    assert tg.grad(h * h, h).item() == 12.0


def test_unreached_input() -> None:
    x, z = leaf(2.0), leaf(1.0)
    z.name = "z"
    with pytest.raises(tg.GradientError, match="input z"):
        tg.grad(x * x, [x, z])
    x, z = leaf(2.0), leaf(1.0)
    assert tg.grad(x * x, [x, z], allow_unused=True)[1] is None


def test_seed_needed_for_more_than_a_number() -> None:
    with pytest.raises(tg.GradientError, match=r"sum\(\)\.backward"):
        (leaf([1.0, 2.0]) * 2).backward()


def test_broadcasting_is_undone() -> None:
    x, b, s = leaf(np.ones((4, 3))), leaf(np.ones((3,))), leaf(2.0)
    column = leaf(np.ones((4, 1)))
    ((x + b) * s * column).sum().backward()
    assert b.grad.numpy().tolist() == [8.0] * 3
    assert s.grad.item() == 24.0
    assert column.grad.numpy().tolist() == [[12.0]] * 4


def test_vjp_and_jvp_agree() -> None:
    rng = np.random.default_rng(0)
    matrix = tg.tensor(rng.standard_normal((3, 4)))

    def f(x: tg.Tensor) -> tg.Tensor:
        return tg.tanh(matrix @ x) * tg.exp(matrix @ (x * x) * 0.1)

    x, t, u = (tg.tensor(rng.standard_normal(n)) for n in (4, 4, 3))
    y, pull = tg.vjp(f, x)
    value, tangent = tg.jvp(f, (x,), (t,))
    np.testing.assert_array_equal(y.numpy(), value.numpy())
    assert abs((u * tangent).sum().item() - (pull(u) * t).sum().item()) < 1e-12


def test_hessian_runs_its_function_once() -> None:
    """Random numbers in it are the same in every row, so that the matrix is symmetric."""
    calls = []

    def f(v: Any) -> Any:
        calls.append(v)
        return ((v * tg.random.normal((3,), dtype=tg.float64)).sum()) ** 2

    h = tg.hessian(f)(tg.tensor(np.arange(3.0))).numpy()
    assert len(calls) == 1
    np.testing.assert_array_equal(h, h.T)
    assert np.linalg.matrix_rank(h) == 1
    assert tg.hessian(lambda v: v.sum())(tg.zeros((0, 2))).shape == (0, 2, 0, 2)
    with pytest.raises(tg.DTypeError, match="takes a tensor, not float"):
        tg.hessian(f)(3.0)


def test_what_does_not_depend_on_an_input_has_derivative_zero_where_values_are_infinite() -> None:
    x = tg.tensor([np.inf, np.nan])
    assert tg.hessian(lambda v: v.sum())(x).numpy().tolist() == [[0.0, 0.0], [0.0, 0.0]]
    assert tg.hvp(lambda v: v.sum(), x, x)[1].numpy().tolist() == [0.0, 0.0]
    assert tg.jvp(lambda v: tg.tensor([np.inf]), x, x)[1].numpy().tolist() == [0.0]


def test_hessian_of_a_quadratic_form() -> None:
    rng = np.random.default_rng(1)
    a = rng.standard_normal((4, 4))
    x = tg.tensor(rng.standard_normal(4))
    h = tg.hessian(lambda v: v @ (tg.tensor(a) @ v))(x)
    np.testing.assert_allclose(h.numpy(), a + a.T, rtol=1e-13)
    v = tg.tensor(rng.standard_normal(4))
    _, product = tg.hvp(lambda w: w @ (tg.tensor(a) @ w), x, v)
    np.testing.assert_allclose(product.numpy(), (a + a.T) @ v.numpy(), rtol=1e-13)


def test_gradient_penalty() -> None:
    x, w = leaf([0.3, -0.7]), leaf([2.0, 3.0])
    slope = tg.grad((tg.tanh(x * w)).sum(), x, create_graph=True)
    (slope * slope).sum().backward()
    xs, ws = np.array([0.3, -0.7]), np.array([2.0, 3.0])
    t = np.tanh(xs * ws)
    s = ws * (1 - t * t)
    np.testing.assert_allclose(w.grad.numpy(), 2 * s * ((1 - t * t) - 2 * ws * xs * t * (1 - t * t)), rtol=1e-12)


def test_hooks_see_and_change_gradients() -> None:
    x = leaf([1.0, 2.0])
    seen: list[Any] = []
    h = x * 3
    remove = h.on_grad(lambda g: seen.append(g.numpy().tolist()))
    h.on_grad(lambda g: g * 10)
    (h * h).sum().backward()
    assert seen == [[6.0, 12.0]]
    assert x.grad.numpy().tolist() == [180.0, 360.0]
    remove()


def test_no_grad_makes_no_history_and_is_per_thread() -> None:
    x = leaf(2.0)
    with tg.no_grad():
        other: list[bool] = []
        thread = threading.Thread(target=lambda: other.append((x * x).requires_grad))
        thread.start()
        thread.join()
        assert not (x * x).requires_grad
    assert other == [True]


def test_inference_results_cannot_be_trained_on() -> None:
    w = leaf([1.0, 2.0])
    with tg.inference():
        y = w * 2
    with pytest.raises(tg.GradientError, match="inference"):
        (y * w).sum()


def test_memory_is_freed_without_the_garbage_collector() -> None:
    def step() -> None:
        x = leaf(np.ones(100))
        y = x
        for _ in range(8):
            y = tg.tanh(y * 1.5) + y[:1]
        y.sum().backward()

    gc.disable()
    try:
        tracemalloc.start()
        for _ in range(500):  # Python keeps some freed objects for reuse; let it have them first
            step()
        before = tracemalloc.get_traced_memory()[0]
        for _ in range(1000):
            step()
        growth = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
        gc.enable()
    assert growth < 64 * 1024


def test_errors_name_the_op_the_shapes_and_the_line() -> None:
    with pytest.raises(tg.ShapeError, match=r"matmul.*\[2, 3\].*\[2, 3\]") as caught:
        tg.tensor(np.ones((2, 3))) @ tg.tensor(np.ones((2, 3)))
    assert "test_autodiff.py" in str(caught.value)


def test_python_numbers_take_the_dtype_of_the_tensor() -> None:
    x = tg.tensor(np.ones(2, np.float32))
    assert (x * 2.5).dtype == np.float32
    assert (x * np.float64(2.5)).dtype == np.float32
    assert (tg.tensor([1, 2]) * 2.5).dtype == np.float32
    assert (tg.tensor([1, 2]) * x).dtype == np.float32


@pytest.mark.oracles
def test_wgan_gradient_penalty_training_against_torch() -> None:
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(2)
    first, second = rng.standard_normal((2, 8)), rng.standard_normal((8, 1))
    data = rng.standard_normal((20, 16, 2))

    def losses(lib: Any, make: Any) -> list[float]:
        w1, w2 = make(first), make(second)
        answer = []
        for batch in data:
            x = make(batch)
            score = lib.tanh(x @ w1) @ w2
            kind = lib.autograd.grad if lib is torch else lib.grad
            slope = kind(score.sum(), [x], create_graph=True)[0]
            loss = score.mean() + 10.0 * ((((slope * slope).sum(1) + 1e-12) ** 0.5 - 1.0) ** 2).mean()
            g1, g2 = kind(loss, [w1, w2])
            w1, w2 = make(np.asarray((w1 - 0.01 * g1).detach())), make(np.asarray((w2 - 0.01 * g2).detach()))
            answer.append(loss.item())
        return answer

    mine = losses(tg, lambda a: tg.tensor(a, requires_grad=True))
    theirs = losses(torch, lambda a: torch.tensor(a, requires_grad=True))
    np.testing.assert_allclose(mine, theirs, rtol=1e-9)


def test_a_place_whose_source_cannot_be_read_is_shown_without_an_underline() -> None:
    with pytest.raises(tg.ShapeError) as caught:
        exec(compile("x + y", "<nowhere>", "exec"), {"x": tg.ones(2), "y": tg.ones(3)})
    assert str(caught.value).splitlines()[-1] == "  <nowhere>:1"


@pytest.mark.parametrize("data", [[1.0, 2.0], 3.0, 3])
def test_the_class_says_how_tensors_are_made(data: Any) -> None:
    with pytest.raises(TypeError, match=r"tg\.tensor\(data\)"):
        tg.Tensor(data)
