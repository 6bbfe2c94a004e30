"""Scaled dot-product attention as one op, which gives the weights too.

Scores and weights are kept with the keys before the queries, as k qᵀ: the maximum and the sum over the keys then
combine whole rows of memory, which is several times as fast as doing it in each of many short lines.
Source: A. Vaswani et al., "Attention is all you need" (2017).
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from ..op import Array, Op, Spec, Vertex, apply
from .matmul import matmul, matmul_nt, matmul_tn
from .reductions import sum
from .shape import matrix_transpose
from .softmax import softmax_gradient
from .tuples import item, unpack


@lru_cache(maxsize=32)
def future(keys: int, queries: int, dtype: Any) -> Array:
    """What is added to scores (key, query) so that no query sees a key that comes after it: 0 or -infinity."""
    mask = np.where(np.arange(keys)[:, None] > np.arange(queries), -np.inf, 0.0).astype(dtype)
    mask.flags.writeable = False
    return mask


def hidden(xp: Any, s: Array) -> Array:
    """The same for scores (..., key, query), where these are; on another device it is made there, not carried over."""
    keys, queries = s.shape[-2:]
    if xp is np:
        return future(keys, queries, s.dtype)
    return xp.where(xp.arange(keys)[:, None] > xp.arange(queries), s.dtype.type(-np.inf), s.dtype.type(0))


class Attention(Op):
    r"""z = wᵀ v   with w = softmax(k qᵀ + maskᵀ) over the keys:   two results, z (..., T, e) and w (..., S, T)

    The call gives z alone, or both with `weights`.

    q (..., T, d), which is scaled already; k (..., S, d), v (..., S, e), with equal leading axes; mask broadcasts to
    (..., T, S) and is added to the scores, or, if it is of truth values, keeps those where it holds. `causal` hides all
    keys after the query. A query that sees no key at all gets zeros.

    dL/dq = sᵀ k,   dL/dk = s q,   dL/dv = w g,   dL/dmask = sᵀ
    with a = v gᵀ and s = w (a - Σ_keys a w), the gradient at the scores
    """

    derivatives = ("s^T k", "s q", "w g", "s^T")

    def __call__(self, q: Vertex, k: Vertex, v: Vertex, mask: Vertex | None = None, /, *, causal: bool = False,
                 weights: bool = False) -> Any:
        both = apply(self, (q, k, v) if mask is None else (q, k, v, mask), {"causal": causal})
        return unpack(both) if weights else item(both, 0)

    def infer(self, q: Spec, k: Spec, v: Spec, *mask: Spec, causal: bool) -> tuple[Spec, Spec]:
        lead, queries, keys = q.shape[:-2], q.shape[-2], k.shape[-2]
        return Spec((*lead, queries, v.shape[-1]), q.dtype), Spec((*lead, keys, queries), q.dtype)

    def forward(self, xp: Any, q: Array, k: Array, v: Array, *mask: Array, causal: bool) -> tuple[Array, Array]:
        w = xp.matmul(k, q.mT)
        if causal:
            w += hidden(xp, w)
        if mask:
            added = mask[0] if mask[0].dtype.kind == "f" else xp.where(mask[0], w.dtype.type(0), w.dtype.type(-np.inf))
            w += (added if added.ndim > 1 else added[None]).mT
        blind = bool(mask) or not w.shape[-2]  # whether a query may see no key at all
        least = {"initial": np.finfo(w.dtype).min} if blind else {}
        w -= xp.maximum.reduce(w, axis=-2, keepdims=True, **least)
        xp.exp(w, out=w)
        total = xp.add.reduce(w, axis=-2, keepdims=True)
        if blind:
            total[total == 0] = 1
        w *= xp.reciprocal(total, out=total)
        return xp.matmul(w.mT, v), w

    def flops(self, z: Any, q: Any, k: Any, v: Any, *mask: Any, **attrs: Any) -> int:
        """Two products, and five operations a weight for the softmax."""
        return z[1].size * (2 * q.shape[-1] + 2 * v.shape[-1] + 5)

    def vjp(self, g: Any, z: Vertex, q: Vertex, k: Vertex, v: Vertex, *mask: Vertex) -> Any:
        w, along = item(z, 1), {"axis": q.ndim - 2}
        answers: list[Any] = [None] * (3 + len(mask))
        s: Any = None
        if g[0] is not None:
            answers[:3] = unpack(apply(attention_gradient, (g[0], q, k, v, w)))
            if mask and mask[0].requires_grad:
                s = apply(softmax_gradient, (matmul_nt(v, g[0]), w), along)
        if g[1] is not None:
            part = apply(softmax_gradient, (g[1], w), along)
            answers[0], answers[1] = plus(answers[0], matmul_tn(part, k)), plus(answers[1], matmul(part, q))
            s = plus(s, part)
        if mask and mask[0].requires_grad:
            answers[3] = matrix_transpose(s)
        return answers


class AttentionGradient(Op):
    r"""sᵀ k,   s q   and   w u,   with a = v uᵀ and s = w (a - Σ_keys a w): the gradient u of attention, pulled back"""

    def infer(self, u: Spec, q: Spec, k: Spec, v: Spec, w: Spec) -> tuple[Spec, Spec, Spec]:
        return q, k, v

    def forward(self, xp: Any, u: Array, q: Array, k: Array, v: Array, w: Array) -> tuple[Array, Array, Array]:
        s = xp.matmul(v, u.mT)
        s -= xp.einsum("...st,...st->...t", s, w)[..., None, :]
        s *= w
        return xp.matmul(s.mT, k), xp.matmul(s, q), xp.matmul(w, u)

    def flops(self, z: Any, u: Any, q: Any, k: Any, v: Any, w: Any, **attrs: Any) -> int:
        return w.size * (4 * v.shape[-1] + 4 * q.shape[-1] + 4)

    def vjp(self, g: Any, z: Vertex, u: Vertex, q: Vertex, k: Vertex, v: Vertex, w: Vertex) -> Any:
        keys = w.ndim - 2
        along = {"axis": keys}
        a = matmul_nt(v, u)
        s = apply(softmax_gradient, (a, w), along)
        first, second, third = g
        gu = gq = gk = gv = gw = gs = None
        if first is not None:
            gs, gk = matmul_nt(k, first), matmul(s, first)
        if second is not None:
            gs, gq = plus(gs, matmul_nt(second, q)), matmul_tn(s, second)
        if third is not None:
            gw, gu = matmul_nt(third, u), matmul_tn(w, third)
        if gs is not None:
            ga = apply(softmax_gradient, (gs, w), along)
            total, seen = sum(a * w, axis=keys, keepdims=True), sum(gs * w, axis=keys, keepdims=True)
            gw = plus(gw, gs * (a - total) - a * seen)
            gv, gu = matmul(ga, u), plus(gu, matmul_tn(ga, v))
        return gu, gq, gk, gv, gw


def plus(x: Any, y: Any) -> Any:
    """x + y, where x may be missing."""
    return y if x is None else x + y


attention, attention_gradient = Attention(), AttentionGradient()
