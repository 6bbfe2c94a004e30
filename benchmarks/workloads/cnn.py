"""cnn: a network like LeNet-5 on 28x28 images, batch 32. Measures convolution and pooling.

Twice convolution 5x5, max pooling 2x2 and ReLU (pooling first: the result is the same, and ReLU has a quarter to do),
then three linear layers.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..workload import Array, Problem, Step, Workload, linear_weights


def problem() -> Problem:
    rng = np.random.default_rng(0)
    images = rng.uniform(size=(32, 1, 28, 28)).astype(np.float32)
    labels = rng.integers(0, 10, 32)
    weights = {
        **_conv_weights(rng, "0", 6, 1),
        **_conv_weights(rng, "3", 16, 6),
        **linear_weights(rng, "7", 120, 400),
        **linear_weights(rng, "9", 84, 120),
        **linear_weights(rng, "11", 10, 84),
    }
    return Problem(images, labels, weights, lr=0.1)


def _conv_weights(rng: np.random.Generator, prefix: str, out: int, channels: int) -> dict[str, Array]:
    flat = linear_weights(rng, prefix, out, channels * 25)
    return {**flat, f"{prefix}.weight": flat[f"{prefix}.weight"].reshape(out, channels, 5, 5)}


cnn = Workload(
    "cnn",
    "LeNet-5-like on 1x28x28, batch 32",
    problem,
    absent={
        "micrograd": "a scalar engine: moons only",
        "pytensor": "has no convolution over several channels",
    },
)


@cnn.by("numpy")
def numpy_by_hand(problem: Problem) -> Step:
    """Activations are `(channel, row, column, image)`: with the images innermost every copy below moves long runs."""
    images, labels, lr = problem.inputs, problem.targets, np.float32(problem.lr)
    weights = [weight.copy() for weight in problem.weights.values()]
    k1, c1, k2, c2, w3, b3, w4, b4, w5, b5 = (w.reshape(len(w), -1) for w in weights)
    n = len(images)
    every = np.arange(n)
    padded = np.zeros((1, 32, 32, n), np.float32)
    cols1, a1, p1, da1 = _conv_buffers(1, 6, 28, n)
    cols2, a2, p2, da2 = _conv_buffers(6, 16, 10, n)
    dcols2 = np.empty_like(cols2)

    def step() -> float:
        padded[0, 2:-2, 2:-2] = images[:, 0].transpose(1, 2, 0)
        _convolve(padded, k1, c1, cols1, a1)
        _pool(a1, p1)
        np.maximum(p1, 0, out=p1)
        _convolve(p1, k2, c2, cols2, a2)
        _pool(a2, p2)
        np.maximum(p2, 0, out=p2)
        h2 = p2.reshape(400, n)
        h3 = w3 @ h2
        h3 += b3
        np.maximum(h3, 0, out=h3)
        h4 = w4 @ h3
        h4 += b4
        np.maximum(h4, 0, out=h4)
        z = w5 @ h4
        z += b5
        z -= z.max(axis=0)
        score = z[labels, every]
        np.exp(z, out=z)
        total = z.sum(axis=0)
        loss = float(np.log(total).sum() - score.sum()) / n

        z /= total
        z[labels, every] -= 1
        z /= n
        g4 = w5.T @ z
        g4 *= h4 > 0
        g3 = w4.T @ g4
        g3 *= h3 > 0
        g2 = w3.T @ g3
        g2 *= h2 > 0
        _pool_gradient(a2, p2, g2.reshape(p2.shape), da2)
        flat2 = da2.reshape(16, -1)
        np.matmul(k2.T, flat2, out=dcols2.reshape(150, -1))
        g1 = np.zeros_like(p1)
        for i in range(5):
            for j in range(5):
                g1[:, i : i + 10, j : j + 10] += dcols2[:, i, j]
        g1 *= p1 > 0
        _pool_gradient(a1, p1, g1, da1)
        flat1 = da1.reshape(6, -1)

        for weight, gradient in (
            (k1, flat1 @ cols1.reshape(25, -1).T),
            (c1, flat1.sum(axis=1, keepdims=True)),
            (k2, flat2 @ cols2.reshape(150, -1).T),
            (c2, flat2.sum(axis=1, keepdims=True)),
            (w3, g3 @ h2.T),
            (b3, g3.sum(axis=1, keepdims=True)),
            (w4, g4 @ h3.T),
            (b4, g4.sum(axis=1, keepdims=True)),
            (w5, z @ h4.T),
            (b5, z.sum(axis=1, keepdims=True)),
        ):
            gradient *= lr
            weight -= gradient
        return loss

    return step


def _conv_buffers(channels: int, out: int, size: int, n: int) -> tuple[Array, Array, Array, Array]:
    """Columns of a 5x5 convolution, its output, the pooled output, and the gradient at the output."""
    cols = np.empty((channels, 5, 5, size, size, n), np.float32)
    output, gradient = np.empty((2, out, size, size, n), np.float32)
    return cols, output, np.empty((out, size // 2, size // 2, n), np.float32), gradient


def _convolve(x: Array, kernel: Array, bias: Array, cols: Array, out: Array) -> None:
    size = out.shape[1]
    for i in range(5):
        for j in range(5):
            cols[:, i, j] = x[:, i : i + size, j : j + size]
    flat = out.reshape(len(out), -1)
    np.matmul(kernel, cols.reshape(kernel.shape[1], -1), out=flat)
    np.add(flat, bias, out=flat)


def _pool(x: Array, out: Array) -> None:
    np.maximum(x[:, ::2, ::2], x[:, ::2, 1::2], out=out)
    np.maximum(out, x[:, 1::2, ::2], out=out)
    np.maximum(out, x[:, 1::2, 1::2], out=out)


def _pool_gradient(x: Array, pooled: Array, g: Array, out: Array) -> None:
    """The gradient goes where the maximum came from. `pooled` is after ReLU: where that cut, `g` is zero anyway."""
    for i in range(2):
        for j in range(2):
            np.multiply(g, x[:, i::2, j::2] == pooled, out=out[:, i::2, j::2])


def teachgrad_step(problem: Problem, level: str | None, executor: str | None = None) -> Step:
    import teachgrad as tg
    from teachgrad import nn, optim
    from teachgrad.nn import functional as F

    model = nn.Sequential(
        *(nn.Conv2d(1, 6, 5, padding=2), nn.MaxPool2d(2), nn.ReLU()),
        *(nn.Conv2d(6, 16, 5), nn.MaxPool2d(2), nn.ReLU()),
        *(nn.Flatten(), nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10)),
    )
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


@cnn.by("teachgrad")
def teachgrad_dynamic(problem: Problem) -> Step:
    return teachgrad_step(problem, level=None)


@cnn.by("teachgrad-static")
def teachgrad_static(problem: Problem) -> Step:
    return teachgrad_step(problem, level="O1")


@cnn.by("teachgrad-c")
def teachgrad_generated_c(problem: Problem) -> Step:
    return teachgrad_step(problem, level="O3")


def in_torch(problem: Problem, compile: Callable[..., Any]) -> tuple[Callable[[], Any], Any]:
    """The loss of the batch, whose model goes through `compile`, and the optimizer."""
    import torch
    from torch import nn

    model = nn.Sequential(
        *(nn.Conv2d(1, 6, 5, padding=2), nn.MaxPool2d(2), nn.ReLU()),
        *(nn.Conv2d(6, 16, 5), nn.MaxPool2d(2), nn.ReLU()),
        *(nn.Flatten(), nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10)),
    )
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


@cnn.by("torch")
def pytorch(problem: Problem) -> Step:
    return _pytorch(problem, compiled=False)


@cnn.by("torch-compile")
def pytorch_compiled(problem: Problem) -> Step:
    return _pytorch(problem, compiled=True)


@cnn.by("jax")
def jax_jit(problem: Problem) -> Step:
    import jax
    import jax.numpy as jnp
    from jax import lax

    def conv_pool(x: Any, kernel: Any, bias: Any, padding: int) -> Any:
        x = lax.conv_general_dilated(x, kernel, (1, 1), [(padding, padding)] * 2)
        x = lax.reduce_window(x + bias[:, None, None], -jnp.inf, lax.max, (1, 1, 2, 2), (1, 1, 2, 2), "VALID")
        return jax.nn.relu(x)

    def loss(weights: list[Any], x: Any, labels: Any) -> Any:
        k1, c1, k2, c2, w3, b3, w4, b4, w5, b5 = weights
        h = conv_pool(conv_pool(x, k1, c1, 2), k2, c2, 0).reshape(len(x), 400)
        h = jax.nn.relu(h @ w3.T + b3)
        h = jax.nn.relu(h @ w4.T + b4)
        scores = jax.nn.log_softmax(h @ w5.T + b5)
        return -jnp.mean(jnp.take_along_axis(scores, labels[:, None], axis=1))

    def update(weights: list[Any], x: Any, labels: Any) -> tuple[Any, list[Any]]:
        value, gradients = jax.value_and_grad(loss)(weights, x, labels)
        return value, [w - problem.lr * g for w, g in zip(weights, gradients, strict=True)]

    train = jax.jit(update, donate_argnums=0)
    x, labels = jnp.array(problem.inputs), jnp.array(problem.targets)
    weights = [jnp.array(weight) for weight in problem.weights.values()]

    def step() -> float:
        nonlocal weights
        value, weights = train(weights, x, labels)
        return float(value)

    return step


@cnn.by("autograd")
def hips_autograd(problem: Problem) -> Step:
    import autograd.numpy as anp
    from autograd import value_and_grad
    from autograd.scipy.signal import convolve
    from autograd.scipy.special import logsumexp

    rows = np.arange(len(problem.inputs))

    def conv_pool(x: Any, kernel: Any, bias: Any) -> Any:
        x = convolve(x, kernel, axes=([2, 3], [2, 3]), dot_axes=([1], [1]), mode="valid") + bias[:, None, None]
        n, channels, height, width = x.shape
        x = anp.reshape(x, (n, channels, height // 2, 2, width // 2, 2))
        return anp.maximum(anp.max(anp.max(x, axis=3), axis=4), 0)

    def loss(weights: list[Any], x: Any, labels: Any) -> Any:
        k1, c1, k2, c2, w3, b3, w4, b4, w5, b5 = weights
        x = np.pad(x, [(0, 0), (0, 0), (2, 2), (2, 2)])
        h = anp.reshape(conv_pool(conv_pool(x, k1, c1), k2, c2), (len(x), 400))
        h = anp.maximum(anp.dot(h, w3.T) + b3, 0)
        h = anp.maximum(anp.dot(h, w4.T) + b4, 0)
        scores = anp.dot(h, w5.T) + b5
        return anp.mean(logsumexp(scores, axis=1) - scores[rows, labels])

    # `convolve` turns its kernel round, as signal processing has it; turned round beforehand it is the same network
    weights = [w[:, :, ::-1, ::-1].copy() if w.ndim == 4 else w.copy() for w in problem.weights.values()]
    gradient = value_and_grad(loss)

    def step() -> float:
        value, gradients = gradient(weights, problem.inputs, problem.targets)
        for w, g in zip(weights, gradients, strict=True):
            w -= problem.lr * g
        return float(value)

    return step


@cnn.by("mygrad")
def my_grad(problem: Problem) -> Step:
    import mygrad as mg
    from mygrad.nnet.layers import conv_nd, max_pool
    from mygrad.nnet.losses import softmax_crossentropy

    weights = [mg.tensor(weight) for weight in problem.weights.values()]
    k1, c1, k2, c2, w3, b3, w4, b4, w5, b5 = weights

    def conv_pool(x: Any, kernel: Any, bias: Any, padding: int) -> Any:
        x = conv_nd(x, kernel, stride=1, padding=padding) + bias[:, None, None]
        return mg.nnet.relu(max_pool(x, (2, 2), 2))

    def step() -> float:
        h = conv_pool(conv_pool(problem.inputs, k1, c1, 2), k2, c2, 0).reshape(len(problem.inputs), 400)
        h = mg.nnet.relu(h @ w3.T + b3)
        h = mg.nnet.relu(h @ w4.T + b4)
        loss = softmax_crossentropy(h @ w5.T + b5, problem.targets)
        loss.backward()
        for w in weights:
            w.data -= problem.lr * w.grad
        return loss.item()

    return step


def _tinygrad(problem: Problem, jit: bool) -> Step:
    from tinygrad import Context, Tensor, TinyJit, nn

    weights = [Tensor(weight) for weight in problem.weights.values()]
    optimizer = nn.optim.SGD(weights, lr=problem.lr)
    x, labels = Tensor(problem.inputs), Tensor(problem.targets)

    def train(x: Any, labels: Any) -> Any:
        k1, c1, k2, c2, w3, b3, w4, b4, w5, b5 = weights
        with Context(TRAINING=1):
            h = x.conv2d(k1, c1, padding=2).max_pool2d(2).relu()
            h = h.conv2d(k2, c2).max_pool2d(2).relu().flatten(1)
            h = h.linear(w3.T, b3).relu().linear(w4.T, b4).relu()
            loss = h.linear(w5.T, b5).sparse_categorical_crossentropy(labels)
            optimizer.zero_grad()
            loss.backward()
            return loss.realize(*optimizer.schedule_step())

    run = TinyJit(train) if jit else train
    return lambda: run(x, labels).item()


@cnn.by("tinygrad")
def tinygrad_eager(problem: Problem) -> Step:
    return _tinygrad(problem, jit=False)


@cnn.by("tinygrad-jit")
def tinygrad_jit(problem: Problem) -> Step:
    return _tinygrad(problem, jit=True)
