"""Things with a seeded fault, for the learner to find: ops, backward passes, and a network."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np


def suspects(node_class: type) -> dict[str, Callable[[Any], Any]]:
    """Five ops of one input. One stores a wrong local derivative."""

    def op(name: str, value: Callable[[float], float], slope: Callable[[float, float], float]) -> Callable[[Any], Any]:
        def make(x: Any) -> Any:
            z = value(x.value)
            return node_class(z, name, (x,), (slope(x.value, z),))

        return make

    return {
        "exp": op("exp", math.exp, lambda x, z: z),
        "log": op("log", math.log, lambda x, z: 1 / x),
        "sqrt": op("sqrt", math.sqrt, lambda x, z: 0.5 / z),
        "sigmoid": op("sigmoid", lambda x: 1 / (1 + math.exp(-x)), lambda x, z: z * (1 - x)),
        "square": op("square", lambda x: x * x, lambda x, z: 2 * x),
    }


def _by_paths(keep: Callable[[Any, Any], Any], pick: Callable[[int], int]) -> Callable[[Any], None]:
    def backward(root: Any) -> None:
        stack = [(root, 1.0)]
        while stack:
            node, g = stack.pop()
            node.grad = keep(node.grad, g)
            shares = [(x, g * node.slopes[pick(i)]) for i, x in enumerate(node.inputs)]
            stack.extend(reversed(shares))  # the first input is taken first

    return backward


GHOSTS: dict[str, Callable[[Any], None]] = {
    "A": _by_paths(lambda old, new: old + new, lambda i: 0),
    "B": _by_paths(lambda old, new: new, lambda i: i),
    "C": _by_paths(lambda old, new: old + new, lambda i: i),
}
"""Three backward passes that follow every path: the first slope for all inputs; overwriting; and a right one."""


def haunted_errors() -> dict[str, float]:
    """The relative error of each gradient of sum(tanh(relu(x W1 + b1) W2 + b2)) when one op's slope is spoiled."""
    rng = np.random.default_rng(4)
    x, w1, b1 = rng.normal(size=(6, 5)), rng.normal(size=(5, 4)), rng.normal(size=4)
    w2, b2 = rng.normal(size=(4, 3)), rng.normal(size=3)

    def gradients(slope_below_zero: float) -> dict[str, np.ndarray]:
        z = x @ w1 + b1
        h = np.maximum(z, 0)
        g = 1 - np.tanh(h @ w2 + b2) ** 2
        dh = g @ w2.T
        dz = dh * np.where(z > 0, 1.0, slope_below_zero)
        return {"b2": g.sum(0), "W2": h.T @ g, "h": dh, "z": dz, "b1": dz.sum(0), "W1": x.T @ dz}

    right, wrong = gradients(0.0), gradients(0.3)
    return {name: float(np.abs(wrong[name] - right[name]).max() / np.abs(right[name]).max()) for name in right}
