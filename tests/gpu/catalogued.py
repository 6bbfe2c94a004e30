"""Functions whose static CUDA takes kernels of the catalogue, or products of cuBLAS, in every way that there is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import teachgrad as tg
from teachgrad.nn import functional as F
from teachgrad.ops.attention import attention


def normal(dtype: str, *shapes: tuple[int, ...]) -> list[Any]:
    rng = np.random.default_rng(7)
    return [rng.normal(size=shape).astype(dtype) for shape in shapes]


def gradients(function: Callable[..., Any], *xs: Any) -> list[Any]:
    """The result of a function, and what flows back to each of its arguments."""
    z = function(*xs)
    weights = np.random.default_rng(3).normal(size=z.shape).astype(str(z.dtype))
    return [z, *tg.grad((z * tg.tensor(weights, device=z.device)).sum(), list(xs))]


def of_one_projection(x: Any) -> Any:
    """Attention whose queries, keys and values lie among each other."""
    q, k, v = tg.unstack(tg.permute_dims(x.reshape((2, 40, 3, 2, 8)), (2, 0, 3, 1, 4)))
    z = F.scaled_dot_product_attention(q, k, v, is_causal=True)
    return tg.permute_dims(z, (0, 2, 1, 3)).reshape((2, 40, 16))


def with_weights(q: Any, k: Any, v: Any) -> Any:
    """Attention whose weights are read."""
    z, w = attention(q * 0.2, k, v, causal=True, weights=True)
    return z + (w * w).sum(axis=-2)[..., None]


Case = tuple[Callable[..., Any], tuple[tuple[int, ...], ...]]
CASES: dict[str, Case] = {
    "attention": (F.scaled_dot_product_attention, ((2, 33, 64), (2, 40, 64), (2, 40, 64))),
    "attention of one projection": (of_one_projection, ((2, 40, 48),)),
    "attention with a mask": (F.scaled_dot_product_attention, ((3, 40, 24), (3, 50, 24), (3, 50, 32), (40, 50))),
    "attention with its weights": (with_weights, ((2, 40, 48), (2, 50, 48), (2, 50, 40))),
    "products": (lambda a, b, c: c @ b + (a.T @ b.mT.mT)[:, 3:53] @ b[::-1][:50] @ tg.ones((90, 90), device=a.device),
                 ((80, 70), (80, 90), (3, 70, 80))),
    "einsum": (lambda x, y: tg.einsum("bthd,bshd->bhts", x, y), ((2, 40, 3, 32), (2, 45, 3, 32))),
    "einsum in another order": (lambda x, y: tg.einsum("bhts,bshd->bthd", x, y), ((2, 3, 40, 45), (2, 45, 3, 32))),
    "convolution": (lambda x, w, b: F.conv2d(x, w, b, padding=1), ((8, 5, 13, 14), (32, 5, 3, 3), (32,))),
    "convolution in groups": (lambda x, w, b: F.conv2d(x, w, b, stride=2, padding=(0, 2), dilation=(1, 2), groups=2),
                              ((9, 16, 29, 31), (48, 8, 3, 3), (48,))),
    "convolution of 1 x 1": (F.conv2d, ((5, 40, 16, 16), (40, 40, 1, 1))),
    "convolution of lines": (lambda x, w, b: F.conv1d(x, w, b, stride=3), ((8, 12, 407), (32, 12, 5), (32,))),
    "transposed convolution": (lambda x, w: F.conv_transpose2d(x, w, stride=2, padding=1, output_padding=1),
                               ((4, 32, 16, 17), (32, 6, 3, 3))),
}
