"""chain: minimise sum(tanh(a x + b) sigmoid(x)) over 1e6 numbers x. Measures elementwise work and memory traffic."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..workload import Problem, Step, Workload

A, B = 1.5, -0.5


def problem() -> Problem:
    rng = np.random.default_rng(0)
    nothing = np.empty(0, np.float32)
    return Problem(nothing, nothing, {"x": rng.normal(size=1_000_000).astype(np.float32)}, lr=0.1)


chain = Workload(
    "chain",
    "sum(tanh(x*a+b)*sigmoid(x)) of 1e6 numbers",
    problem,
    absent={"micrograd": "a scalar engine: moons only"},
)


@chain.by("numpy")
def numpy_by_hand(problem: Problem) -> Step:
    x, lr = problem.weights["x"].copy(), np.float32(problem.lr)
    t, s, g = (np.empty_like(x) for _ in range(3))

    def step() -> float:
        np.multiply(x, A, out=t)
        np.add(t, B, out=t)
        np.tanh(t, out=t)
        np.negative(x, out=s)
        np.exp(s, out=s)
        np.add(s, 1, out=s)
        np.reciprocal(s, out=s)
        loss = float(t @ s)

        # d/dx = a (1 - t^2) s + t s (1 - s) = s (a (1 - t^2) + t (1 - s)) = s (a + t (1 - s - a t))
        np.multiply(t, -A, out=g)
        np.subtract(g, s, out=g)
        np.add(g, 1, out=g)
        np.multiply(g, t, out=g)
        np.add(g, A, out=g)
        np.multiply(g, s, out=g)
        np.multiply(g, lr, out=g)
        np.subtract(x, g, out=x)
        return loss

    return step


def _teachgrad(problem: Problem, level: str | None) -> Step:
    import teachgrad as tg
    from teachgrad import optim
    from teachgrad.nn import functional as F

    x = tg.Parameter(problem.weights["x"])
    optimizer = optim.SGD([x], lr=problem.lr)

    def train() -> tg.Tensor:
        loss = tg.sum(tg.tanh(x * A + B) * F.sigmoid(x))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    run = tg.static(train, level=level) if level else train
    return lambda: run().item()


@chain.by("teachgrad")
def teachgrad_dynamic(problem: Problem) -> Step:
    return _teachgrad(problem, level=None)


@chain.by("teachgrad-static")
def teachgrad_static(problem: Problem) -> Step:
    return _teachgrad(problem, level="O1")


@chain.by("teachgrad-c")
def teachgrad_generated_c(problem: Problem) -> Step:
    return _teachgrad(problem, level="O3")


def _pytorch(problem: Problem, compiled: bool) -> Step:
    import torch

    def f(x: torch.Tensor) -> torch.Tensor:
        return (torch.tanh(x * A + B) * torch.sigmoid(x)).sum()

    x = torch.tensor(problem.weights["x"], requires_grad=True)
    optimizer = torch.optim.SGD([x], lr=problem.lr)
    objective = torch.compile(f) if compiled else f

    def step() -> float:
        loss = objective(x)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.item()

    return step


@chain.by("torch")
def pytorch(problem: Problem) -> Step:
    return _pytorch(problem, compiled=False)


@chain.by("torch-compile")
def pytorch_compiled(problem: Problem) -> Step:
    return _pytorch(problem, compiled=True)


@chain.by("jax")
def jax_jit(problem: Problem) -> Step:
    import jax
    import jax.numpy as jnp

    def loss(x: Any) -> Any:
        return jnp.sum(jnp.tanh(x * A + B) * jax.nn.sigmoid(x))

    def update(x: Any) -> tuple[Any, Any]:
        value, gradient = jax.value_and_grad(loss)(x)
        return value, x - problem.lr * gradient

    train = jax.jit(update, donate_argnums=0)
    x = jnp.array(problem.weights["x"])

    def step() -> float:
        nonlocal x
        value, x = train(x)
        return float(value)

    return step


@chain.by("pytensor")
def pytensor_function(problem: Problem) -> Step:
    import pytensor
    import pytensor.tensor as pt

    x = pytensor.shared(problem.weights["x"])
    loss = (pt.tanh(x * np.float32(A) + np.float32(B)) * pt.sigmoid(x)).sum()
    train = pytensor.function([], loss, updates=[(x, x - np.float32(problem.lr) * pytensor.grad(loss, x))])
    return lambda: float(train())


@chain.by("autograd")
def hips_autograd(problem: Problem) -> Step:
    import autograd.numpy as anp
    from autograd import value_and_grad

    def loss(x: Any) -> Any:
        return anp.sum(anp.tanh(x * A + B) / (1 + anp.exp(-x)))

    x = problem.weights["x"].copy()
    gradient = value_and_grad(loss)

    def step() -> float:
        nonlocal x
        value, g = gradient(x)
        x -= problem.lr * g
        return float(value)

    return step


@chain.by("mygrad")
def my_grad(problem: Problem) -> Step:
    import mygrad as mg

    x = mg.tensor(problem.weights["x"])
    a, b = np.float32(A), np.float32(B)  # a Python float would make float64 of everything

    def step() -> float:
        loss = mg.sum(mg.tanh(x * a + b) * mg.nnet.sigmoid(x))
        loss.backward()
        x.data -= problem.lr * x.grad
        return loss.item()

    return step


def _tinygrad(problem: Problem, jit: bool) -> Step:
    from tinygrad import Context, Tensor, TinyJit, nn

    x = Tensor(problem.weights["x"])
    optimizer = nn.optim.SGD([x], lr=problem.lr)

    def train() -> Any:
        with Context(TRAINING=1):
            loss = ((x * A + B).tanh() * x.sigmoid()).sum()
            optimizer.zero_grad()
            loss.backward()
            return loss.realize(*optimizer.schedule_step())

    run = TinyJit(train) if jit else train
    return lambda: run().item()


@chain.by("tinygrad")
def tinygrad_eager(problem: Problem) -> Step:
    return _tinygrad(problem, jit=False)


@chain.by("tinygrad-jit")
def tinygrad_jit(problem: Problem) -> Step:
    return _tinygrad(problem, jit=True)
