"""moons: a 2-16-16-1 perceptron with tanh, least squares on 100 points of two moons. Measures the cost of an op."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..workload import Problem, Step, Workload, linear_weights, transposed


def problem() -> Problem:
    rng = np.random.default_rng(0)
    angle = rng.uniform(0, np.pi, 50)
    upper = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    points = np.concatenate([upper, [1.0, 0.5] - upper]) + rng.normal(scale=0.1, size=(100, 2))
    labels = np.repeat([1.0, -1.0], 50)[:, None]
    weights = {**linear_weights(rng, "0", 16, 2), **linear_weights(rng, "2", 16, 16), **linear_weights(rng, "4", 1, 16)}
    return Problem(points.astype(np.float32), labels.astype(np.float32), weights, lr=0.1)


moons = Workload("moons", "MLP 2-16-16-1 tanh, 100 points", problem)


@moons.by("numpy")
def numpy_by_hand(problem: Problem) -> Step:
    x, t, lr = problem.inputs, problem.targets, np.float32(problem.lr)
    w1, b1, w2, b2, w3, b3 = transposed(problem.weights)
    n = len(x)
    h1, g1 = np.empty((2, n, 16), np.float32)
    h2, g2 = np.empty((2, n, 16), np.float32)
    out = np.empty((n, 1), np.float32)
    to_gradient = np.float32(2 / n)

    def step() -> float:
        np.matmul(x, w1, out=h1)
        np.add(h1, b1, out=h1)
        np.tanh(h1, out=h1)
        np.matmul(h1, w2, out=h2)
        np.add(h2, b2, out=h2)
        np.tanh(h2, out=h2)
        np.matmul(h2, w3, out=out)
        np.add(out, b3, out=out)
        np.subtract(out, t, out=out)
        error = out.ravel()
        loss = float(error @ error) / n

        np.multiply(out, to_gradient, out=out)
        np.matmul(out, w3.T, out=g2)
        dw3, db3 = h2.T @ out, out.sum(axis=0)
        np.multiply(h2, h2, out=h2)
        np.subtract(1, h2, out=h2)
        np.multiply(g2, h2, out=g2)
        np.matmul(g2, w2.T, out=g1)
        dw2, db2 = h1.T @ g2, g2.sum(axis=0)
        np.multiply(h1, h1, out=h1)
        np.subtract(1, h1, out=h1)
        np.multiply(g1, h1, out=g1)
        dw1, db1 = x.T @ g1, g1.sum(axis=0)

        for weight, gradient in ((w1, dw1), (b1, db1), (w2, dw2), (b2, db2), (w3, dw3), (b3, db3)):
            np.multiply(gradient, lr, out=gradient)
            np.subtract(weight, gradient, out=weight)
        return loss

    return step


def _teachgrad(problem: Problem, level: str | None) -> Step:
    import teachgrad as tg
    from teachgrad import nn, optim
    from teachgrad.nn import functional as F

    model = nn.Sequential(nn.Linear(2, 16), nn.Tanh(), nn.Linear(16, 16), nn.Tanh(), nn.Linear(16, 1))
    model.load_state_dict(problem.weights)
    optimizer = optim.SGD(model.parameters(), lr=problem.lr)
    x, t = tg.tensor(problem.inputs), tg.tensor(problem.targets)

    def train(x: tg.Tensor, t: tg.Tensor) -> tg.Tensor:
        loss = F.mse_loss(model(x), t)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    run = tg.static(train, level=level) if level else train
    return lambda: run(x, t).item()


@moons.by("teachgrad")
def teachgrad_dynamic(problem: Problem) -> Step:
    return _teachgrad(problem, level=None)


@moons.by("teachgrad-static")
def teachgrad_static(problem: Problem) -> Step:
    return _teachgrad(problem, level="O1")


@moons.by("teachgrad-c")
def teachgrad_generated_c(problem: Problem) -> Step:
    return _teachgrad(problem, level="O3")


def _pytorch(problem: Problem, compiled: bool) -> Step:
    import torch
    from torch import nn

    model = nn.Sequential(nn.Linear(2, 16), nn.Tanh(), nn.Linear(16, 16), nn.Tanh(), nn.Linear(16, 1))
    model.load_state_dict({name: torch.tensor(weight) for name, weight in problem.weights.items()})
    optimizer = torch.optim.SGD(model.parameters(), lr=problem.lr)
    x, t = torch.tensor(problem.inputs), torch.tensor(problem.targets)
    forward = torch.compile(model) if compiled else model

    def step() -> float:
        loss = nn.functional.mse_loss(forward(x), t)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.item()

    return step


@moons.by("torch")
def pytorch(problem: Problem) -> Step:
    return _pytorch(problem, compiled=False)


@moons.by("torch-compile")
def pytorch_compiled(problem: Problem) -> Step:
    return _pytorch(problem, compiled=True)


@moons.by("jax")
def jax_jit(problem: Problem) -> Step:
    import jax
    import jax.numpy as jnp

    def loss(weights: list[Any], x: Any, t: Any) -> Any:
        w1, b1, w2, b2, w3, b3 = weights
        h = jnp.tanh(x @ w1 + b1)
        h = jnp.tanh(h @ w2 + b2)
        return jnp.mean((h @ w3 + b3 - t) ** 2)

    @jax.jit
    def update(weights: list[Any], x: Any, t: Any) -> tuple[Any, list[Any]]:
        value, gradients = jax.value_and_grad(loss)(weights, x, t)
        return value, [w - problem.lr * g for w, g in zip(weights, gradients, strict=True)]

    x, t = jnp.array(problem.inputs), jnp.array(problem.targets)
    weights = [jnp.array(weight) for weight in transposed(problem.weights)]

    def step() -> float:
        nonlocal weights
        value, weights = update(weights, x, t)
        return float(value)

    return step


@moons.by("pytensor")
def pytensor_function(problem: Problem) -> Step:
    import pytensor
    import pytensor.tensor as pt

    weights = [pytensor.shared(weight) for weight in transposed(problem.weights)]
    w1, b1, w2, b2, w3, b3 = weights
    x, t = pt.fmatrix("x"), pt.fmatrix("t")
    h = pt.tanh(x @ w1 + b1)
    h = pt.tanh(h @ w2 + b2)
    loss = ((h @ w3 + b3 - t) ** 2).mean()
    lr = np.float32(problem.lr)
    updates = [(w, w - lr * g) for w, g in zip(weights, pytensor.grad(loss, weights), strict=True)]
    train = pytensor.function([x, t], loss, updates=updates)
    return lambda: float(train(problem.inputs, problem.targets))


@moons.by("autograd")
def hips_autograd(problem: Problem) -> Step:
    import autograd.numpy as anp
    from autograd import value_and_grad

    def loss(weights: list[Any], x: Any, t: Any) -> Any:
        w1, b1, w2, b2, w3, b3 = weights
        h = anp.tanh(anp.dot(x, w1) + b1)
        h = anp.tanh(anp.dot(h, w2) + b2)
        return anp.mean((anp.dot(h, w3) + b3 - t) ** 2)

    weights = transposed(problem.weights)
    gradient = value_and_grad(loss)

    def step() -> float:
        value, gradients = gradient(weights, problem.inputs, problem.targets)
        for w, g in zip(weights, gradients, strict=True):
            w -= problem.lr * g
        return float(value)

    return step


@moons.by("mygrad")
def my_grad(problem: Problem) -> Step:
    import mygrad as mg

    weights = [mg.tensor(weight) for weight in transposed(problem.weights)]
    w1, b1, w2, b2, w3, b3 = weights

    def step() -> float:
        h = mg.tanh(problem.inputs @ w1 + b1)
        h = mg.tanh(h @ w2 + b2)
        loss = ((h @ w3 + b3 - problem.targets) ** 2).mean()
        loss.backward()
        for w in weights:
            w.data -= problem.lr * w.grad
        return loss.item()

    return step


@moons.by("micrograd")
def micrograd(problem: Problem) -> Step:
    from micrograd.engine import Value
    from micrograd.nn import MLP

    def tanh(x: Any) -> Any:
        """An op of one's own, as the author of micrograd adds it in his lecture: the package has only ReLU."""
        out = Value(np.tanh(x.data), (x,), "tanh")

        def backward() -> None:
            x.grad += (1 - out.data**2) * out.grad

        out._backward = backward
        return out

    class TanhMLP(MLP):
        def __call__(self, x: Any) -> Any:
            for layer in self.layers[:-1]:
                x = [tanh(neuron(x)) for neuron in layer.neurons]
            return self.layers[-1](x)

    model = TanhMLP(2, [16, 16, 1])
    for layer, (weight, bias) in zip(model.layers, _pairs(problem), strict=True):
        for neuron, row, b in zip(layer.neurons, weight.tolist(), bias.tolist(), strict=True):
            neuron.nonlin = False
            neuron.w = [Value(w) for w in row]
            neuron.b = Value(b)
    points, targets = problem.inputs.tolist(), problem.targets.ravel().tolist()

    def step() -> float:
        loss = sum((model(point) - t) ** 2 for point, t in zip(points, targets, strict=True)) * (1 / len(points))
        model.zero_grad()
        loss.backward()
        for p in model.parameters():
            p.data -= problem.lr * p.grad
        return float(loss.data)

    return step


def _pairs(problem: Problem) -> list[tuple[np.ndarray, np.ndarray]]:
    arrays = list(problem.weights.values())
    return list(zip(arrays[::2], arrays[1::2], strict=True))


def _tinygrad(problem: Problem, jit: bool) -> Step:
    from tinygrad import Context, Tensor, TinyJit, nn

    layers = [nn.Linear(2, 16), nn.Linear(16, 16), nn.Linear(16, 1)]
    for layer, (weight, bias) in zip(layers, _pairs(problem), strict=True):
        layer.weight, layer.bias = Tensor(weight), Tensor(bias)
    optimizer = nn.optim.SGD(nn.state.get_parameters(layers), lr=problem.lr)
    x, t = Tensor(problem.inputs), Tensor(problem.targets)

    def train(x: Any, t: Any) -> Any:
        with Context(TRAINING=1):
            h = layers[1](layers[0](x).tanh()).tanh()
            loss = (layers[2](h) - t).square().mean()
            optimizer.zero_grad()
            loss.backward()
            return loss.realize(*optimizer.schedule_step())

    run = TinyJit(train) if jit else train
    return lambda: run(x, t).item()


@moons.by("tinygrad")
def tinygrad_eager(problem: Problem) -> Step:
    return _tinygrad(problem, jit=False)


@moons.by("tinygrad-jit")
def tinygrad_jit(problem: Problem) -> Step:
    return _tinygrad(problem, jit=True)
