"""Initialisers: each fills a tensor in place with numbers from `tg.random`, and returns it.

Layers initialise themselves as PyTorch's do; call these to choose otherwise:

    nn.init.kaiming_normal_(layer.weight)
    model.apply(lambda m: nn.init.zeros_(m.bias) if isinstance(m, nn.Linear) else None)

A weight of shape (out, in, k, ...) has fan_in = in · k · ... and fan_out = out · k · ...
"""

from __future__ import annotations

from math import prod, sqrt
from typing import Any

import numpy as np

import teachgrad as tg

from ..errors import SettingError, ShapeError

GAINS = {"linear": 1.0, "conv1d": 1.0, "conv2d": 1.0, "sigmoid": 1.0, "tanh": 5 / 3, "relu": sqrt(2.0), "selu": 0.75}


def calculate_gain(nonlinearity: str, param: float = 0.01) -> float:
    """The factor by which weights before a nonlinearity are scaled so that the variance stays what it is.

    `param` is the negative slope of "leaky_relu". Source: PyTorch's table.
    """
    if nonlinearity == "leaky_relu":
        return sqrt(2.0 / (1.0 + param**2))
    if nonlinearity not in GAINS:
        raise SettingError(f"no gain is known for {nonlinearity!r}; there are {', '.join(GAINS)} and leaky_relu")
    return GAINS[nonlinearity]


def fans(tensor: Any) -> tuple[int, int]:
    """fan_in and fan_out of a weight: how many inputs an output has, and how many outputs an input."""
    if tensor.ndim < 2:
        raise ShapeError(f"fan_in and fan_out need a weight with at least two axes, not shape {tensor.shape}")
    window = prod(tensor.shape[2:])
    return tensor.shape[1] * window, tensor.shape[0] * window


def uniform_(tensor: Any, a: float = 0.0, b: float = 1.0) -> Any:
    """Numbers between a and b, each as likely as another."""
    return _fill(tensor, tg.random.uniform(tensor.shape, low=a, high=b, dtype=tensor.dtype))


def normal_(tensor: Any, mean: float = 0.0, std: float = 1.0) -> Any:
    """Numbers of the normal distribution N(mean, std²)."""
    return _fill(tensor, tg.random.normal(tensor.shape, mean=mean, std=std, dtype=tensor.dtype))


def trunc_normal_(tensor: Any, mean: float = 0.0, std: float = 1.0, a: float = -2.0, b: float = 2.0) -> Any:
    """Numbers of the normal distribution N(mean, std²), those outside of a ... b left out.

    By rejection: x is drawn evenly between the bounds and kept with a probability of the density at x over the
    largest density there. The part more than 8 std beyond the most likely place is never reached.
    """
    peak = min(max(mean, a), b)
    low, high = max(a, peak - 8.0 * std), min(b, peak + 8.0 * std)
    values = np.empty(tensor.size)
    waiting = np.arange(tensor.size)
    while waiting.size:
        x = on_cpu(tg.random.uniform(waiting.shape, low=low, high=high, dtype=tg.float64))
        chance = np.exp(((peak - mean) ** 2 - (x - mean) ** 2) / (2.0 * std**2))
        kept = on_cpu(tg.random.uniform(waiting.shape, dtype=tg.float64)) < chance
        values[waiting[kept]] = x[kept]
        waiting = waiting[~kept]
    return _fill(tensor, values.reshape(tensor.shape))


def constant_(tensor: Any, value: float) -> Any:
    """One number everywhere."""
    return _fill(tensor, value)


def ones_(tensor: Any) -> Any:
    """1 everywhere."""
    return _fill(tensor, 1.0)


def zeros_(tensor: Any) -> Any:
    """0 everywhere."""
    return _fill(tensor, 0.0)


def eye_(tensor: Any) -> Any:
    """The identity matrix, or the part of it that a matrix of this shape has."""
    if tensor.ndim != 2:
        raise ShapeError(f"the identity is a matrix; this tensor has shape {tensor.shape}")
    return _fill(tensor, np.eye(*tensor.shape))


def xavier_uniform_(tensor: Any, gain: float = 1.0) -> Any:
    """Evenly between ±gain √(6 / (fan_in + fan_out)).

    Source: X. Glorot, Y. Bengio, "Understanding the difficulty of training deep feedforward neural networks" (2010).
    """
    bound = gain * sqrt(6.0 / sum(fans(tensor)))
    return uniform_(tensor, -bound, bound)


def xavier_normal_(tensor: Any, gain: float = 1.0) -> Any:
    """Normal with std gain √(2 / (fan_in + fan_out)). Source: as `xavier_uniform_`."""
    return normal_(tensor, 0.0, gain * sqrt(2.0 / sum(fans(tensor))))


def kaiming_uniform_(tensor: Any, a: float = 0.0, mode: str = "fan_in", nonlinearity: str = "leaky_relu") -> Any:
    """Evenly between ±gain √(3 / fan), with the gain of the nonlinearity (`a` is the slope of leaky_relu).

    Source: K. He, X. Zhang, S. Ren, J. Sun, "Delving deep into rectifiers" (2015), equation 14.
    """
    bound = sqrt(3.0) * _kaiming_std(tensor, a, mode, nonlinearity)
    return uniform_(tensor, -bound, bound)


def kaiming_normal_(tensor: Any, a: float = 0.0, mode: str = "fan_in", nonlinearity: str = "leaky_relu") -> Any:
    """Normal with std gain / √fan. Source: as `kaiming_uniform_`."""
    return normal_(tensor, 0.0, _kaiming_std(tensor, a, mode, nonlinearity))


def _kaiming_std(tensor: Any, a: float, mode: str, nonlinearity: str) -> float:
    if mode not in ("fan_in", "fan_out"):
        raise SettingError(f'the mode is "fan_in" or "fan_out", not {mode!r}')
    return calculate_gain(nonlinearity, a) / sqrt(fans(tensor)[mode == "fan_out"])


def orthogonal_(tensor: Any, gain: float = 1.0) -> Any:
    """A random orthogonal matrix times gain; axes after the first are taken as one. WᵀW = gain² or WWᵀ = gain².

    Source: A. Saxe, J. McClelland, S. Ganguli, "Exact solutions to the nonlinear dynamics of learning in deep linear
    neural networks" (2014); the signs make it uniform: F. Mezzadri, "How to generate random matrices from the
    classical compact groups" (2007).
    """
    if tensor.ndim < 2:
        raise ShapeError(f"orthogonal_ needs at least two axes, not shape {tensor.shape}")
    rows, columns = tensor.shape[0], prod(tensor.shape[1:])
    q, r = np.linalg.qr(on_cpu(tg.random.normal((max(rows, columns), min(rows, columns)), dtype=tg.float64)))
    q = q * np.sign(np.diag(r))
    return _fill(tensor, gain * (q if rows >= columns else q.T).reshape(tensor.shape))


def on_cpu(x: Any) -> Any:
    """The values of a draw, wherever new tensors are made."""
    return x.to("cpu").numpy()


def _fill(tensor: Any, values: Any) -> Any:
    with tg.no_grad():
        return tensor.copy_(values.to(tensor.device) if isinstance(values, tg.Tensor) else values)
