"""What is done to the gradients or the values of many parameters together."""

from __future__ import annotations

from collections.abc import Iterable
from math import inf
from typing import Any

import teachgrad as tg

from ..errors import GradientError, ShapeError


def clip_grad_norm_(parameters: Any, max_norm: float, norm_type: float = 2.0, error_if_nonfinite: bool = False) -> Any:
    r"""Scale all gradients g together so that their norm is at most `max_norm`:   g ← g min(1, max_norm / (‖g‖ + 1e-6))

    ‖g‖ = (Σ |g_i|^p)^(1/p) over all elements of all gradients, p = `norm_type`, or the largest |g_i| for infinity.
    Returns the norm before, as a tensor. Source: R. Pascanu, T. Mikolov, Y. Bengio, "On the difficulty of training
    recurrent neural networks" (2013), algorithm 1; the 1e-6 is PyTorch's.
    """
    gradients = [p.grad for p in listed(parameters) if p.grad is not None]
    with tg.no_grad():
        total = total_norm(gradients, norm_type)
        if error_if_nonfinite and not tg.isfinite(total):
            raise GradientError(f"the norm of the gradients is {total.item()}, so they cannot be scaled to {max_norm}")
        factor = tg.minimum(max_norm / (total + 1e-6), 1.0)
        for g in gradients:
            g *= tg.astype(factor, g.dtype, copy=False)
    return total


def total_norm(tensors: Iterable[Any], norm_type: float = 2.0) -> Any:
    """The norm of all elements of all tensors, as if they were one vector."""
    tensors = list(tensors)
    if not tensors:
        return tg.zeros(())
    if norm_type == inf:
        return tg.max(tg.stack([tg.max(tg.abs(t)) for t in tensors]))
    if norm_type == 2.0:
        return tg.sqrt(tg.sum(tg.stack([tg.sum(tg.square(t)) for t in tensors])))
    return tg.sum(tg.stack([tg.sum(tg.abs(t) ** norm_type) for t in tensors])) ** (1.0 / norm_type)


def clip_grad_value_(parameters: Any, clip_value: float) -> None:
    """Clip every element of every gradient to ±clip_value."""
    with tg.no_grad():
        for p in listed(parameters):
            if p.grad is not None:
                p.grad.copy_(tg.clip(p.grad, -clip_value, clip_value))


def parameters_to_vector(parameters: Iterable[Any]) -> Any:
    """The elements of all parameters, one after the other, as one vector; gradients flow through."""
    return tg.concat([tg.reshape(p, (-1,)) for p in parameters])


def vector_to_parameters(vector: Any, parameters: Iterable[Any]) -> None:
    """Overwrite parameters with the elements of a vector, such as `parameters_to_vector` makes."""
    parameters = list(parameters)
    needed = sum(p.size for p in parameters)
    if vector.shape != (needed,):
        raise ShapeError(f"these parameters have {needed} elements, and the vector has shape {vector.shape}")
    start = 0
    with tg.no_grad():
        for p in parameters:
            p.copy_(tg.reshape(vector[start : start + p.size], p.shape))
            start += p.size


def listed(parameters: Any) -> list[Any]:
    """One tensor or many, as a list."""
    return [parameters] if isinstance(parameters, tg.Tensor) else list(parameters)
