"""Steps of optimizers: how the kernels of optimizers.cu are launched, and what they compute."""

from __future__ import annotations

from typing import Any

import numpy as np

from .kernel import Example, Kernel, Plan, fit, normal, strided, wide


def sgd_plan(p: Any, g: Any, rate: Any) -> Plan:
    fit("sgd", g=(g, p.shape), rate=(rate, ()))
    return Plan(*strided(p.size), {"n": p.size}, flops=2 * p.size, traffic=3 * p.nbytes)


def momentum_plan(p: Any, g: Any, v: Any, rate: Any, *, momentum: float = 0.9, dampening: float = 0.0,
                  decay: float = 0.0, nesterov: bool = False) -> Plan:
    fit("sgd_momentum", g=(g, p.shape), v=(v, p.shape), rate=(rate, ()))
    numbers = {"n": p.size, "momentum": momentum, "dampening": dampening, "decay": decay, "nesterov": int(nesterov)}
    return Plan(*strided(p.size), numbers, flops=8 * p.size, traffic=5 * p.nbytes)


def adam_plan(p: Any, g: Any, m: Any, v: Any, rate: Any, step: Any, *, beta1: float = 0.9, beta2: float = 0.999,
              eps: float = 1e-8, decay: float = 0.0, l2: float = 0.0) -> Plan:
    fit("adam", g=(g, p.shape), m=(m, p.shape), v=(v, p.shape), rate=(rate, ()), step=(step, ()))
    numbers = {"n": p.size, "beta1": beta1, "beta2": beta2, "eps": eps, "decay": decay, "l2": l2}
    return Plan(*strided(p.size), numbers, flops=16 * p.size, traffic=7 * p.nbytes)


def sgd(p: Any, g: Any, rate: Any) -> None:
    p[...] = wide(p) - wide(rate) * g


def momentum(p: Any, g: Any, v: Any, rate: Any, *, momentum: float = 0.9, dampening: float = 0.0, decay: float = 0.0,
             nesterov: bool = False) -> None:
    d = wide(g) + decay * wide(p)
    velocity = momentum * wide(v) + (1 - dampening) * d
    v[...] = velocity
    p[...] = wide(p) - rate * (d + momentum * velocity if nesterov else velocity)


def adam(p: Any, g: Any, m: Any, v: Any, rate: Any, step: Any, *, beta1: float = 0.9, beta2: float = 0.999,
         eps: float = 1e-8, decay: float = 0.0, l2: float = 0.0) -> None:
    d = wide(g) + l2 * wide(p)
    average, square = wide(m) + (1 - beta1) * (d - m), beta2 * wide(v) + (1 - beta2) * d**2
    m[...], v[...] = average, square
    root, size = np.sqrt(square / (1 - beta2 ** int(step))), rate / (1 - beta1 ** int(step))
    p[...] = (1 - rate * decay) * wide(p) - size * average / (root + eps)


def sgd_example(rng: np.random.Generator, dtype: str, n: int) -> Example:
    return Example((normal(rng, dtype, n), normal(rng, dtype, n), np.array(0.1, dtype)))


def momentum_example(rng: np.random.Generator, dtype: str, n: int) -> Example:
    arrays = (*(normal(rng, dtype, n) for _ in range(3)), np.array(0.1, dtype))
    return Example(arrays, {"dampening": 0.1, "decay": 0.01} if n % 2 else {"decay": 0.01, "nesterov": True})


def adam_example(rng: np.random.Generator, dtype: str, n: int) -> Example:
    p, g, m, v = (normal(rng, dtype, n) for _ in range(4))
    arrays = p, g, m, v**2, np.array(0.01, dtype), np.array(3, np.int32)
    return Example(arrays, {"decay": 0.1} if n % 2 else {"l2": 0.1})


SHAPES, LARGE = ((1,), (31,), (33,), (1000,)), (1 << 26,)
KERNELS = (
    Kernel("sgd", "optimizers", sgd_plan, sgd, sgd_example, SHAPES, LARGE, tolerance=16.0),
    Kernel("sgd_momentum", "optimizers", momentum_plan, momentum, momentum_example, SHAPES, LARGE, tolerance=16.0),
    Kernel("adam", "optimizers", adam_plan, adam, adam_example, SHAPES, LARGE, tolerance=16.0),
)
