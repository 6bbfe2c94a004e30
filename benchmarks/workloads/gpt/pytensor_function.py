"""The transformer in PyTensor: one symbolic graph, compiled once."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytensor
import pytensor.tensor as pt

from ...workload import Problem, Step
from . import BATCH, CONTEXT, EPSILON, HEAD_WIDTH, HEADS, LAYERS, WIDTH

Weights = dict[str, Any]
MASK = np.triu(np.full((CONTEXT, CONTEXT), -np.inf, np.float32), 1)
f32 = np.float32
C = f32(np.sqrt(2 / np.pi))


def layer_norm(w: Weights, name: str, x: Any) -> Any:
    x = x - x.mean(axis=-1, keepdims=True)
    x = x / pt.sqrt((x**2).mean(axis=-1, keepdims=True) + f32(EPSILON))
    return x * w[f"{name}.weight"] + w[f"{name}.bias"]


def linear(w: Weights, name: str, x: Any) -> Any:
    return x @ w[f"{name}.weight"].T + w[f"{name}.bias"]


def gelu(x: Any) -> Any:
    return f32(0.5) * x * (f32(1) + pt.tanh(C * (x + f32(0.044715) * x * x * x)))


def block(w: Weights, name: str, x: Any) -> Any:
    qkv = linear(w, f"{name}.qkv", layer_norm(w, f"{name}.norm1", x))
    qkv = qkv.reshape((BATCH, CONTEXT, 3, HEADS, HEAD_WIDTH)).transpose(2, 0, 3, 1, 4)
    p = pt.special.softmax(qkv[0] @ qkv[1].swapaxes(2, 3) * f32(HEAD_WIDTH**-0.5) + MASK, axis=3)
    y = (p @ qkv[2]).transpose(0, 2, 1, 3).reshape((BATCH * CONTEXT, WIDTH))
    x = x + linear(w, f"{name}.proj", y)
    return x + linear(w, f"{name}.narrow", gelu(linear(w, f"{name}.widen", layer_norm(w, f"{name}.norm2", x))))


def compiled(problem: Problem) -> Step:
    w = {name: pytensor.shared(weight) for name, weight in problem.weights.items()}
    tokens, targets = pt.lmatrix("tokens"), pt.lmatrix("targets")
    x = (w["tokens.weight"][tokens] + w["positions.weight"]).reshape((BATCH * CONTEXT, WIDTH))
    for i in range(LAYERS):
        x = block(w, f"blocks.{i}", x)
    scores = pt.special.log_softmax(layer_norm(w, "norm", x) @ w["head.weight"].T, axis=1)
    loss = -scores[pt.arange(BATCH * CONTEXT), targets.ravel()].mean()
    shared = list(w.values())
    updates = [(v, v - f32(problem.lr) * g) for v, g in zip(shared, pytensor.grad(loss, shared), strict=True)]
    train = pytensor.function([tokens, targets], loss, updates=updates)
    return lambda: float(train(problem.inputs, problem.targets))
