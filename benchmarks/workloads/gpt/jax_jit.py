"""The transformer in JAX, the whole step under jax.jit."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from ...workload import Problem, Step
from . import CONTEXT, EPSILON, HEADS, LAYERS, WIDTH

Weights = dict[str, Any]


def layer_norm(w: Weights, name: str, x: Any) -> Any:
    mean, variance = jnp.mean(x, axis=-1, keepdims=True), jnp.var(x, axis=-1, keepdims=True)
    return (x - mean) * jax.lax.rsqrt(variance + EPSILON) * w[f"{name}.weight"] + w[f"{name}.bias"]


def linear(w: Weights, name: str, x: Any) -> Any:
    return x @ w[f"{name}.weight"].T + w[f"{name}.bias"]


def block(w: Weights, name: str, x: Any) -> Any:
    n, t, _ = x.shape
    qkv = linear(w, f"{name}.qkv", layer_norm(w, f"{name}.norm1", x))
    q, k, v = jnp.moveaxis(qkv.reshape(n, t, 3, HEADS, -1), 2, 0)
    y = jax.nn.dot_product_attention(q, k, v, is_causal=True).reshape(n, t, WIDTH)
    x = x + linear(w, f"{name}.proj", y)
    h = jax.nn.gelu(linear(w, f"{name}.widen", layer_norm(w, f"{name}.norm2", x)), approximate=True)
    return x + linear(w, f"{name}.narrow", h)


def loss(w: Weights, tokens: Any, targets: Any) -> Any:
    x = w["tokens.weight"][tokens] + w["positions.weight"][:CONTEXT]
    for i in range(LAYERS):
        x = block(w, f"blocks.{i}", x)
    scores = jax.nn.log_softmax(layer_norm(w, "norm", x) @ w["head.weight"].T)
    return -jnp.mean(jnp.take_along_axis(scores, targets[..., None], axis=-1))


def jitted(problem: Problem) -> Step:
    def update(w: Weights, tokens: Any, targets: Any) -> tuple[Any, Weights]:
        value, gradients = jax.value_and_grad(loss)(w, tokens, targets)
        return value, jax.tree.map(lambda weight, g: weight - problem.lr * g, w, gradients)

    train = jax.jit(update, donate_argnums=0)
    weights = {name: jnp.array(weight) for name, weight in problem.weights.items()}
    tokens, targets = jnp.array(problem.inputs), jnp.array(problem.targets)

    def step() -> float:
        nonlocal weights
        value, weights = train(weights, tokens, targets)
        return float(value)

    return step
