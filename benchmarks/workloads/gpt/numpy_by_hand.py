"""The transformer's step in NumPy, with gradients by hand and every large array allocated once."""

from __future__ import annotations

import numpy as np

from ...workload import Array, Labels, Problem, Step
from . import BATCH, CONTEXT, EPSILON, HEAD_WIDTH, HEADS, LAYERS, VOCABULARY, WIDTH

ROWS = BATCH * CONTEXT


def empty(*shape: int) -> Array:
    return np.empty(shape, np.float32)


class Layer:
    """Weights and their gradients. `forward` keeps what `backward` needs; `backward` takes the gradient at the output
    to the one at the input."""

    def __init__(self, problem: Problem, name: str) -> None:
        self.weights = [w.copy() for key, w in problem.weights.items() if key.rpartition(".")[0] == name]
        self.gradients = [np.empty_like(w) for w in self.weights]

    def update(self, lr: np.float32) -> None:
        for weight, gradient in zip(self.weights, self.gradients, strict=True):
            np.multiply(gradient, lr, out=gradient)
            np.subtract(weight, gradient, out=weight)


class Linear(Layer):
    def __init__(self, problem: Problem, name: str) -> None:
        super().__init__(problem, name)
        out, width = self.weights[0].shape
        self.y, self.dx = empty(ROWS, out), empty(ROWS, width)

    def forward(self, x: Array) -> Array:
        self.x = x
        np.matmul(x, self.weights[0].T, out=self.y)
        if len(self.weights) == 2:
            np.add(self.y, self.weights[1], out=self.y)
        return self.y

    def backward(self, g: Array) -> Array:
        np.matmul(g.T, self.x, out=self.gradients[0])
        if len(self.weights) == 2:
            np.sum(g, axis=0, out=self.gradients[1])
        return np.matmul(g, self.weights[0], out=self.dx)


class LayerNorm(Layer):
    """With y = (x - mean) / deviation and upstream h = g * weight: dx = (h - mean(h) - y mean(h y)) / deviation."""

    def __init__(self, problem: Problem, name: str) -> None:
        super().__init__(problem, name)
        self.y, self.out, self.dx, self.scratch = (empty(ROWS, WIDTH) for _ in range(4))

    def forward(self, x: Array) -> Array:
        weight, bias = self.weights
        np.subtract(x, x.mean(axis=1, keepdims=True), out=self.y)
        variance = np.einsum("ij,ij->i", self.y, self.y)[:, None] / np.float32(WIDTH)
        self.scale = 1 / np.sqrt(variance + np.float32(EPSILON))
        np.multiply(self.y, self.scale, out=self.y)
        np.multiply(self.y, weight, out=self.out)
        return np.add(self.out, bias, out=self.out)

    def backward(self, g: Array) -> Array:
        np.einsum("ij,ij->j", g, self.y, out=self.gradients[0])
        np.sum(g, axis=0, out=self.gradients[1])
        h = np.multiply(g, self.weights[0], out=self.dx)
        along = np.einsum("ij,ij->i", h, self.y)[:, None] / np.float32(WIDTH)
        np.subtract(h, h.mean(axis=1, keepdims=True), out=h)
        np.subtract(h, np.multiply(self.y, along, out=self.scratch), out=h)
        return np.multiply(h, self.scale, out=h)


class Gelu:
    """y = x (1 + tanh(u)) / 2 with u = c (x + 0.044715 x^3), c = sqrt(2/pi)."""

    def __init__(self) -> None:
        self.t, self.y, self.dx = (empty(ROWS, 4 * WIDTH) for _ in range(3))
        self.c = np.float32(np.sqrt(2 / np.pi))

    def forward(self, x: Array) -> Array:
        self.x, t = x, self.t
        np.multiply(x, x, out=t)
        np.multiply(t, self.c * np.float32(0.044715), out=t)
        np.add(t, self.c, out=t)
        np.multiply(t, x, out=t)
        np.tanh(t, out=t)
        np.add(t, 1, out=self.y)
        np.multiply(self.y, x, out=self.y)
        return np.multiply(self.y, np.float32(0.5), out=self.y)

    def backward(self, g: Array) -> Array:
        """dy/dx = (1 + t) / 2 + x (1 - t^2) du/dx / 2, and du/dx = c (1 + 3 * 0.044715 x^2)."""
        x, t, d, y = self.x, self.t, self.dx, self.y
        np.multiply(x, x, out=d)
        np.multiply(d, self.c * np.float32(3 * 0.044715), out=d)
        np.add(d, self.c, out=d)
        np.multiply(d, x, out=d)
        np.subtract(1, t, out=y)
        np.multiply(d, y, out=d)
        np.add(d, 1, out=d)
        np.add(t, 1, out=t)
        np.multiply(d, t, out=d)
        np.multiply(d, g, out=d)
        return np.multiply(d, np.float32(0.5), out=d)


class Attention:
    """y = softmax(q k^T / sqrt(d) + mask) v for each head; q, k and v lie side by side in the rows of the input."""

    def __init__(self) -> None:
        self.p, self.dp = empty(BATCH, HEADS, CONTEXT, CONTEXT), empty(BATCH, HEADS, CONTEXT, CONTEXT)
        self.y, self.dx = empty(ROWS, WIDTH), empty(ROWS, 3 * WIDTH)
        self.mask = np.triu(np.full((CONTEXT, CONTEXT), -np.inf, np.float32), 1)
        self.scale = np.float32(HEAD_WIDTH**-0.5)

    @staticmethod
    def heads(rows: Array) -> Array:
        """Rows `(ROWS, parts * WIDTH)` seen as `(parts, batch, head, position, HEAD_WIDTH)`."""
        return rows.reshape(BATCH, CONTEXT, -1, HEADS, HEAD_WIDTH).transpose(2, 0, 3, 1, 4)

    def forward(self, x: Array) -> Array:
        q, k, v = self.qkv = self.heads(x)
        p = np.matmul(q, k.swapaxes(2, 3), out=self.p)
        np.multiply(p, self.scale, out=p)
        np.add(p, self.mask, out=p)
        np.subtract(p, p.max(axis=3, keepdims=True), out=p)
        np.exp(p, out=p)
        np.divide(p, p.sum(axis=3, keepdims=True), out=p)
        np.matmul(p, v, out=self.heads(self.y)[0])
        return self.y

    def backward(self, g: Array) -> Array:
        (q, k, v), (dq, dk, dv) = self.qkv, self.heads(self.dx)
        (gh,), p = self.heads(g), self.p
        np.matmul(p.swapaxes(2, 3), gh, out=dv)
        s = np.matmul(gh, v.swapaxes(2, 3), out=self.dp)
        np.subtract(s, np.einsum("bhij,bhij->bhi", s, p)[..., None], out=s)
        np.multiply(s, p, out=s)
        np.multiply(s, self.scale, out=s)
        np.matmul(s, k, out=dq)
        np.matmul(s.swapaxes(2, 3), q, out=dk)
        return self.dx


class Block:
    def __init__(self, problem: Problem, name: str) -> None:
        norm1, qkv, proj = (
            LayerNorm(problem, f"{name}.norm1"),
            Linear(problem, f"{name}.qkv"),
            Linear(problem, f"{name}.proj"),
        )
        norm2, widen, narrow = (
            LayerNorm(problem, f"{name}.norm2"),
            Linear(problem, f"{name}.widen"),
            Linear(problem, f"{name}.narrow"),
        )
        self.layers: list[Layer] = [norm1, qkv, proj, norm2, widen, narrow]
        self.branches = ((norm1, qkv, Attention(), proj), (norm2, widen, Gelu(), narrow))

    def forward(self, x: Array) -> None:
        """Add both branches to `x`, in place: no layer keeps the residual stream itself."""
        for branch in self.branches:
            y = x
            for layer in branch:
                y = layer.forward(y)
            np.add(x, y, out=x)

    def backward(self, g: Array) -> None:
        for branch in reversed(self.branches):
            d = g
            for layer in reversed(branch):
                d = layer.backward(d)
            np.add(g, d, out=g)


def by_hand(problem: Problem) -> Step:
    tokens, targets = problem.inputs.ravel(), problem.targets.ravel()
    embedding, positions = Layer(problem, "tokens"), Layer(problem, "positions")
    blocks = [Block(problem, f"blocks.{i}") for i in range(LAYERS)]
    norm, head = LayerNorm(problem, "norm"), Linear(problem, "head")
    layers = [embedding, positions, *(layer for block in blocks for layer in block.layers), norm, head]
    x, lr = empty(ROWS, WIDTH), np.float32(problem.lr)

    def step() -> float:
        np.take(embedding.weights[0], tokens, axis=0, out=x, mode="clip")
        by_position = x.reshape(BATCH, CONTEXT, WIDTH)
        np.add(by_position, positions.weights[0], out=by_position)
        for block in blocks:
            block.forward(x)
        loss, g = cross_entropy(head.forward(norm.forward(x)), targets)

        g = norm.backward(head.backward(g))
        for block in reversed(blocks):
            block.backward(g)
        chosen = (tokens == np.arange(VOCABULARY)[:, None]).astype(np.float32)
        np.matmul(chosen, g, out=embedding.gradients[0])
        np.sum(g.reshape(BATCH, CONTEXT, WIDTH), axis=0, out=positions.gradients[0])
        for layer in layers:
            layer.update(lr)
        return loss

    return step


def cross_entropy(z: Array, targets: Labels) -> tuple[float, Array]:
    """The mean of -log softmax(z)[target], and its gradient at `z`, written over `z`."""
    every, n = np.arange(len(z)), len(z)
    np.subtract(z, z.max(axis=1, keepdims=True), out=z)
    score = z[every, targets]
    np.exp(z, out=z)
    total = z.sum(axis=1, keepdims=True)
    loss = float(np.log(total).sum() - score.sum()) / n
    np.divide(z, total, out=z)
    z[every, targets] -= 1
    return loss, np.divide(z, np.float32(n), out=z)
