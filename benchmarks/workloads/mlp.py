"""mlp: a 784-256-128-10 perceptron with ReLU and softmax cross-entropy, batch 64. Measures matrix products."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..workload import Problem, Step, Workload, linear_weights, transposed


def problem() -> Problem:
    rng = np.random.default_rng(0)
    images = rng.uniform(size=(64, 784)).astype(np.float32)
    labels = rng.integers(0, 10, 64)
    weights = {
        **linear_weights(rng, "0", 256, 784),
        **linear_weights(rng, "2", 128, 256),
        **linear_weights(rng, "4", 10, 128),
    }
    return Problem(images, labels, weights, lr=0.1)


mlp = Workload(
    "mlp",
    "MLP 784-256-128-10 ReLU, batch 64",
    problem,
    absent={"micrograd": "a scalar engine: moons only"},
)


@mlp.by("numpy")
def numpy_by_hand(problem: Problem) -> Step:
    x, labels, lr = problem.inputs, problem.targets, np.float32(problem.lr)
    w1, b1, w2, b2, w3, b3 = weights = transposed(problem.weights)
    dw1, db1, dw2, db2, dw3, db3 = gradients = [np.empty_like(w) for w in weights]
    n = len(x)
    rows = np.arange(n)
    h1, g1 = np.empty((2, n, 256), np.float32)
    h2, g2 = np.empty((2, n, 128), np.float32)
    z = np.empty((n, 10), np.float32)

    def step() -> float:
        np.matmul(x, w1, out=h1)
        np.add(h1, b1, out=h1)
        np.maximum(h1, 0, out=h1)
        np.matmul(h1, w2, out=h2)
        np.add(h2, b2, out=h2)
        np.maximum(h2, 0, out=h2)
        np.matmul(h2, w3, out=z)
        np.add(z, b3, out=z)
        np.subtract(z, z.max(axis=1, keepdims=True), out=z)
        score = z[rows, labels]
        np.exp(z, out=z)
        total = z.sum(axis=1, keepdims=True)
        loss = float(np.log(total).sum() - score.sum()) / n

        np.divide(z, total, out=z)
        z[rows, labels] -= 1
        np.divide(z, n, out=z)
        np.matmul(h2.T, z, out=dw3)
        np.sum(z, axis=0, out=db3)
        np.matmul(z, w3.T, out=g2)
        np.multiply(g2, h2 > 0, out=g2)
        np.matmul(h1.T, g2, out=dw2)
        np.sum(g2, axis=0, out=db2)
        np.matmul(g2, w2.T, out=g1)
        np.multiply(g1, h1 > 0, out=g1)
        np.matmul(x.T, g1, out=dw1)
        np.sum(g1, axis=0, out=db1)

        for weight, gradient in zip(weights, gradients, strict=True):
            np.multiply(gradient, lr, out=gradient)
            np.subtract(weight, gradient, out=weight)
        return loss

    return step


def teachgrad_step(problem: Problem, level: str | None, executor: str | None = None) -> Step:
    import teachgrad as tg
    from teachgrad import nn, optim
    from teachgrad.nn import functional as F

    model = nn.Sequential(nn.Linear(784, 256), nn.ReLU(), nn.Linear(256, 128), nn.ReLU(), nn.Linear(128, 10))
    model.load_state_dict(problem.weights)
    optimizer = optim.SGD(model.parameters(), lr=problem.lr)
    x, labels = tg.tensor(problem.inputs), tg.tensor(problem.targets)

    def train(x: tg.Tensor, labels: tg.Tensor) -> tg.Tensor:
        loss = F.cross_entropy(model(x), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    run = tg.static(train, level=level, executor=executor) if level else train
    return lambda: run(x, labels).item()


@mlp.by("teachgrad")
def teachgrad_dynamic(problem: Problem) -> Step:
    return teachgrad_step(problem, level=None)


@mlp.by("teachgrad-static")
def teachgrad_static(problem: Problem) -> Step:
    return teachgrad_step(problem, level="O1")


@mlp.by("teachgrad-c")
def teachgrad_generated_c(problem: Problem) -> Step:
    return teachgrad_step(problem, level="O3")


def in_torch(problem: Problem, compile: Callable[..., Any]) -> tuple[Callable[[], Any], Any]:
    """The loss of the batch, whose model goes through `compile`, and the optimizer."""
    import torch
    from torch import nn

    model = nn.Sequential(nn.Linear(784, 256), nn.ReLU(), nn.Linear(256, 128), nn.ReLU(), nn.Linear(128, 10))
    model.load_state_dict({name: torch.tensor(weight) for name, weight in problem.weights.items()})
    x, labels = torch.tensor(problem.inputs), torch.tensor(problem.targets)
    forward = compile(model)
    return lambda: nn.functional.cross_entropy(forward(x), labels), torch.optim.SGD(model.parameters(), lr=problem.lr)


def _pytorch(problem: Problem, compiled: bool) -> Step:
    import torch

    loss_of, optimizer = in_torch(problem, torch.compile if compiled else lambda model: model)

    def step() -> float:
        loss = loss_of()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return float(loss.item())

    return step


@mlp.by("torch")
def pytorch(problem: Problem) -> Step:
    return _pytorch(problem, compiled=False)


@mlp.by("torch-compile")
def pytorch_compiled(problem: Problem) -> Step:
    return _pytorch(problem, compiled=True)


@mlp.by("jax")
def jax_jit(problem: Problem) -> Step:
    import jax
    import jax.numpy as jnp

    def loss(weights: list[Any], x: Any, labels: Any) -> Any:
        w1, b1, w2, b2, w3, b3 = weights
        h = jax.nn.relu(x @ w1 + b1)
        h = jax.nn.relu(h @ w2 + b2)
        scores = jax.nn.log_softmax(h @ w3 + b3)
        return -jnp.mean(jnp.take_along_axis(scores, labels[:, None], axis=1))

    def update(weights: list[Any], x: Any, labels: Any) -> tuple[Any, list[Any]]:
        value, gradients = jax.value_and_grad(loss)(weights, x, labels)
        return value, [w - problem.lr * g for w, g in zip(weights, gradients, strict=True)]

    train = jax.jit(update, donate_argnums=0)
    x, labels = jnp.array(problem.inputs), jnp.array(problem.targets)
    weights = [jnp.array(weight) for weight in transposed(problem.weights)]

    def step() -> float:
        nonlocal weights
        value, weights = train(weights, x, labels)
        return float(value)

    return step


@mlp.by("pytensor")
def pytensor_function(problem: Problem) -> Step:
    import pytensor
    import pytensor.tensor as pt

    weights = [pytensor.shared(weight) for weight in transposed(problem.weights)]
    w1, b1, w2, b2, w3, b3 = weights
    x, labels = pt.fmatrix("x"), pt.lvector("labels")
    h = pt.maximum(x @ w1 + b1, 0)
    h = pt.maximum(h @ w2 + b2, 0)
    scores = pt.special.log_softmax(h @ w3 + b3, axis=1)
    loss = -scores[pt.arange(labels.shape[0]), labels].mean()
    lr = np.float32(problem.lr)
    updates = [(w, w - lr * g) for w, g in zip(weights, pytensor.grad(loss, weights), strict=True)]
    train = pytensor.function([x, labels], loss, updates=updates)
    return lambda: float(train(problem.inputs, problem.targets))


@mlp.by("autograd")
def hips_autograd(problem: Problem) -> Step:
    import autograd.numpy as anp
    from autograd import value_and_grad
    from autograd.scipy.special import logsumexp

    rows = np.arange(len(problem.inputs))

    def loss(weights: list[Any], x: Any, labels: Any) -> Any:
        w1, b1, w2, b2, w3, b3 = weights
        h = anp.maximum(anp.dot(x, w1) + b1, 0)
        h = anp.maximum(anp.dot(h, w2) + b2, 0)
        scores = anp.dot(h, w3) + b3
        return anp.mean(logsumexp(scores, axis=1) - scores[rows, labels])

    weights = transposed(problem.weights)
    gradient = value_and_grad(loss)

    def step() -> float:
        value, gradients = gradient(weights, problem.inputs, problem.targets)
        for w, g in zip(weights, gradients, strict=True):
            w -= problem.lr * g
        return float(value)

    return step


@mlp.by("mygrad")
def my_grad(problem: Problem) -> Step:
    import mygrad as mg
    from mygrad.nnet.losses import softmax_crossentropy

    weights = [mg.tensor(weight) for weight in transposed(problem.weights)]
    w1, b1, w2, b2, w3, b3 = weights

    def step() -> float:
        h = mg.nnet.relu(problem.inputs @ w1 + b1)
        h = mg.nnet.relu(h @ w2 + b2)
        loss = softmax_crossentropy(h @ w3 + b3, problem.targets)
        loss.backward()
        for w in weights:
            w.data -= problem.lr * w.grad
        return loss.item()

    return step


def _tinygrad(problem: Problem, jit: bool) -> Step:
    from tinygrad import Context, Tensor, TinyJit, nn

    weights = [Tensor(weight) for weight in transposed(problem.weights)]
    optimizer = nn.optim.SGD(weights, lr=problem.lr)
    x, labels = Tensor(problem.inputs), Tensor(problem.targets)

    def train(x: Any, labels: Any) -> Any:
        w1, b1, w2, b2, w3, b3 = weights
        with Context(TRAINING=1):
            h = x.linear(w1, b1).relu().linear(w2, b2).relu()
            loss = h.linear(w3, b3).sparse_categorical_crossentropy(labels)
            optimizer.zero_grad()
            loss.backward()
            return loss.realize(*optimizer.schedule_step())

    run = TinyJit(train) if jit else train
    return lambda: run(x, labels).item()


@mlp.by("tinygrad")
def tinygrad_eager(problem: Problem) -> Step:
    return _tinygrad(problem, jit=False)


@mlp.by("tinygrad-jit")
def tinygrad_jit(problem: Problem) -> Step:
    return _tinygrad(problem, jit=True)
