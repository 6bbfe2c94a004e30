"""Attention that keeps one number for each query in place of a row of weights, for level O3.

The weights w = exp(scores - l) are made again wherever they are needed, from l, the logarithm of the sum over the keys.
Generated C never has more of them than a few keys of a few queries; here, where NumPy does it, they come and go whole.
Sources: M. Milakov and N. Gimelshein, "Online normalizer calculation for softmax" (2018); T. Dao et al.,
"FlashAttention: fast and memory-efficient exact attention with IO-awareness" (2022).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..op import Array, Op, Spec
from .attention import attention, hidden


def scores(xp: Any, q: Array, k: Array, mask: tuple[Array, ...], causal: bool) -> Array:
    """k qᵀ + maskᵀ (..., S, T), -infinity where a query may not look."""
    s = xp.matmul(k, q.mT)
    if causal:
        s += hidden(xp, s)
    if mask:
        added = mask[0] if mask[0].dtype.kind == "f" else xp.where(mask[0], s.dtype.type(0), s.dtype.type(-np.inf))
        s += (added if added.ndim > 1 else added[None]).mT
    return s


class OnlineAttention(Op):
    r"""z = softmax(q kᵀ + mask) v   and   l = log Σ_keys exp(q kᵀ + mask):   (..., T, e) and (..., T)

    As `attention`, which see, but for the second result. l is 0 for a query that sees no key.
    """

    differentiable = False

    def infer(self, q: Spec, k: Spec, v: Spec, *mask: Spec, causal: bool) -> tuple[Spec, Spec]:
        return Spec((*q.shape[:-1], v.shape[-1]), q.dtype), Spec(q.shape[:-1], q.dtype)

    def forward(self, xp: Any, q: Array, k: Array, v: Array, *mask: Array, causal: bool) -> tuple[Array, Array]:
        s = scores(xp, q, k, mask, causal)
        blind = bool(mask) or not k.shape[-2]  # whether a query may see no key at all
        top = xp.maximum.reduce(s, axis=-2, keepdims=True, **({"initial": np.finfo(s.dtype).min} if blind else {}))
        s -= top
        xp.exp(s, out=s)
        total = xp.add.reduce(s, axis=-2, keepdims=True)
        if blind:
            top[total == 0], total[total == 0] = 0, 1
        z = xp.matmul(s.mT, v) / total.mT
        return z, (top + xp.log(total)).reshape(q.shape[:-1])

    def flops(self, z: Any, q: Any, k: Any, v: Any, *mask: Any, **attrs: Any) -> int:
        return attention.flops((z[0], Spec((*q.shape[:-2], k.shape[-2], q.shape[-2]), q.dtype)), q, k, v)


class OnlineAttentionGradient(Op):
    r"""sᵀ k,   s q   and   w u,   with w = exp(k qᵀ + maskᵀ - l), s = w (v uᵀ - Σ_e u z): the gradient u, pulled back

    z and l are the results of `online_attention`; Σ_e u z is what Σ_keys (v uᵀ) w is, without the weights.
    """

    differentiable = False

    def infer(self, u: Spec, q: Spec, k: Spec, v: Spec, z: Spec, l: Spec, *mask: Spec,  # noqa: E741
              causal: bool) -> tuple[Spec, Spec, Spec]:
        return q, k, v

    def forward(self, xp: Any, u: Array, q: Array, k: Array, v: Array, z: Array, l: Array, *mask: Array,  # noqa: E741
                causal: bool) -> tuple[Array, Array, Array]:
        w = scores(xp, q, k, mask, causal)
        w -= l[..., None, :]
        xp.exp(w, out=w)
        s = xp.matmul(v, u.mT)
        s -= xp.einsum("...te,...te->...t", u, z)[..., None, :]
        s *= w
        return xp.matmul(s.mT, k), xp.matmul(s, q), xp.matmul(w, u)

    def flops(self, z: Any, u: Any, q: Any, k: Any, v: Any, *others: Any, **attrs: Any) -> int:
        weights: int = u.size // u.shape[-1] * k.shape[-2]
        return weights * (4 * v.shape[-1] + 6 * q.shape[-1] + 4)


online_attention, online_attention_gradient = OnlineAttention(), OnlineAttentionGradient()
