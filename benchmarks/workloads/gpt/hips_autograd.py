"""The transformer in HIPS autograd: NumPy's own functions, traced anew at every step."""

from __future__ import annotations

from typing import Any

import autograd.numpy as np
from autograd import value_and_grad
from autograd.scipy.special import logsumexp

from ...workload import Problem, Step
from . import BATCH, CONTEXT, EPSILON, HEAD_WIDTH, HEADS, LAYERS, WIDTH

Weights = dict[str, Any]
MASK = np.triu(np.full((CONTEXT, CONTEXT), -np.inf, np.float32), 1)
C = float(np.sqrt(2 / np.pi))


def layer_norm(w: Weights, name: str, x: Any) -> Any:
    x = x - np.mean(x, axis=-1, keepdims=True)
    x = x / np.sqrt(np.mean(x**2, axis=-1, keepdims=True) + EPSILON)
    return x * w[f"{name}.weight"] + w[f"{name}.bias"]


def linear(w: Weights, name: str, x: Any) -> Any:
    return np.dot(x, w[f"{name}.weight"].T) + w[f"{name}.bias"]


def gelu(x: Any) -> Any:
    return 0.5 * x * (1 + np.tanh(C * (x + 0.044715 * x * x * x)))


def block(w: Weights, name: str, x: Any) -> Any:
    qkv = linear(w, f"{name}.qkv", layer_norm(w, f"{name}.norm1", x))
    qkv = np.transpose(np.reshape(qkv, (BATCH, CONTEXT, 3, HEADS, HEAD_WIDTH)), (2, 0, 3, 1, 4))
    scores = np.matmul(qkv[0], np.swapaxes(qkv[1], 2, 3)) * HEAD_WIDTH**-0.5 + MASK
    p = np.exp(scores - logsumexp(scores, axis=3, keepdims=True))
    y = np.reshape(np.transpose(np.matmul(p, qkv[2]), (0, 2, 1, 3)), (BATCH * CONTEXT, WIDTH))
    x = x + linear(w, f"{name}.proj", y)
    return x + linear(w, f"{name}.narrow", gelu(linear(w, f"{name}.widen", layer_norm(w, f"{name}.norm2", x))))


def loss(w: Weights, tokens: Any, targets: Any) -> Any:
    x = np.reshape(w["tokens.weight"][tokens] + w["positions.weight"], (BATCH * CONTEXT, WIDTH))
    for i in range(LAYERS):
        x = block(w, f"blocks.{i}", x)
    scores = np.dot(layer_norm(w, "norm", x), w["head.weight"].T)
    return np.mean(logsumexp(scores, axis=1) - scores[np.arange(len(scores)), np.ravel(targets)])


def traced(problem: Problem) -> Step:
    weights = {name: weight.copy() for name, weight in problem.weights.items()}
    gradient = value_and_grad(loss)

    def step() -> float:
        value, gradients = gradient(weights, problem.inputs, problem.targets)
        for name, g in gradients.items():
            weights[name] -= problem.lr * g
        return float(value)

    return step
