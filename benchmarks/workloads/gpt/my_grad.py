"""The transformer in MyGrad. Constants are float32: a Python float would make float64 of everything."""

from __future__ import annotations

from typing import Any

import mygrad as mg
import numpy as np
from mygrad.nnet import softmax
from mygrad.nnet.losses import softmax_crossentropy

from ...workload import Problem, Step
from . import BATCH, CONTEXT, EPSILON, HEAD_WIDTH, HEADS, LAYERS, WIDTH

Weights = dict[str, Any]
MASK = np.triu(np.full((CONTEXT, CONTEXT), -np.inf, np.float32), 1)
f32 = np.float32
C = f32(np.sqrt(2 / np.pi))


def layer_norm(w: Weights, name: str, x: Any) -> Any:
    x = x - x.mean(axis=-1, keepdims=True)
    x = x / mg.sqrt((x**2).mean(axis=-1, keepdims=True) + f32(EPSILON))
    return x * w[f"{name}.weight"] + w[f"{name}.bias"]


def linear(w: Weights, name: str, x: Any) -> Any:
    return x @ w[f"{name}.weight"].T + w[f"{name}.bias"]


def gelu(x: Any) -> Any:
    return f32(0.5) * x * (f32(1) + mg.tanh(C * (x + f32(0.044715) * x * x * x)))


def block(w: Weights, name: str, x: Any) -> Any:
    qkv = linear(w, f"{name}.qkv", layer_norm(w, f"{name}.norm1", x))
    q, k, v = qkv.reshape(BATCH, CONTEXT, 3, HEADS, HEAD_WIDTH).transpose(2, 0, 3, 1, 4)
    p = softmax(q @ k.swapaxes(2, 3) * f32(HEAD_WIDTH**-0.5) + MASK, axis=3)
    y = (p @ v).transpose(0, 2, 1, 3).reshape(BATCH * CONTEXT, WIDTH)
    x = x + linear(w, f"{name}.proj", y)
    return x + linear(w, f"{name}.narrow", gelu(linear(w, f"{name}.widen", layer_norm(w, f"{name}.norm2", x))))


def taped(problem: Problem) -> Step:
    w = {name: mg.tensor(weight) for name, weight in problem.weights.items()}
    targets = problem.targets.ravel()

    def step() -> float:
        x = (w["tokens.weight"][problem.inputs] + w["positions.weight"]).reshape(BATCH * CONTEXT, WIDTH)
        for i in range(LAYERS):
            x = block(w, f"blocks.{i}", x)
        loss = softmax_crossentropy(layer_norm(w, "norm", x) @ w["head.weight"].T, targets)
        loss.backward()
        for weight in w.values():
            weight.data -= problem.lr * weight.grad
        return loss.item()

    return step
