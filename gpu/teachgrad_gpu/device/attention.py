"""Attention: products by CuPy's matmul (cuBLAS), and what lies between them in one kernel, in place."""

from __future__ import annotations

from math import prod
from typing import Any

from teachgrad.ops.attention import attention, attention_gradient
from teachgrad.ops.online_attention import online_attention, online_attention_gradient

from .table import computes, fits, launch, launch_first


@computes(attention)
def with_weights(there: Any, q: Any, k: Any, v: Any, *mask: Any, causal: bool) -> Any:
    fits(not mask)
    w = there.xp.matmul(k, q.mT)
    scores = batches(w)[0]
    launch(there, "softmax_columns", scores, scores, causal=causal)
    return turned_times(there.xp, w, v), w


@computes(attention_gradient)
def from_weights(there: Any, u: Any, q: Any, k: Any, v: Any, w: Any) -> Any:
    xp = there.xp
    s = xp.matmul(v, u.mT)
    given, weights = batches(s, w)
    launch(there, "softmax_columns_backward", given, weights, given)
    return turned_times(xp, s, k), xp.matmul(s, q), xp.matmul(w, u)


def turned_times(xp: Any, w: Any, v: Any) -> Any:
    """wᵀ v as (vᵀ w)ᵀ: CuPy copies what is turned in a batch of matrices, and v is smaller than a table of weights."""
    return xp.ascontiguousarray(xp.matmul(v.mT, w).mT)


# ---- without a table of weights --------------------------------------------------------------------------------------

def batches(*arrays: Any) -> list[Any]:
    """Arrays (..., rows, width) with one leading axis."""
    fits(all(a.flags.c_contiguous and a.shape[-1] == arrays[0].shape[-1] for a in arrays))
    return [a.reshape(-1, *a.shape[-2:]) for a in arrays]


@computes(online_attention)
def without_weights(there: Any, q: Any, k: Any, v: Any, *mask: Any, causal: bool) -> Any:
    fits(not mask)
    given = batches(q, k, v)
    z, log_sums = there.xp.empty_like(given[0]), there.xp.empty(given[0].shape[:2], q.dtype)
    launch_first(there, ("attention_vectorised", "attention_tiled"), *given, z, log_sums, causal=causal, scale=1.0)
    return z.reshape(q.shape), log_sums.reshape(q.shape[:-1])


@computes(online_attention_gradient)
def from_log_sums(there: Any, u: Any, q: Any, k: Any, v: Any, z: Any, l: Any, *mask: Any,  # noqa: E741
                  causal: bool) -> Any:
    fits(not mask and bool(l.flags.c_contiguous))
    xp = there.xp
    given, queries, keys, values, answers = batches(u, q, k, v, z)
    log_sums = l.reshape(prod(l.shape[:-1]), l.shape[-1])
    d, gq, gk, gv = xp.empty_like(log_sums), xp.empty_like(queries), xp.empty_like(keys), xp.empty_like(values)
    launch(there, "attention_backward_dots", given, answers, d)
    seen = given, queries, keys, values, log_sums, d
    launch(there, "attention_backward_keys", *seen, gk, gv, causal=causal, scale=1.0)
    launch(there, "attention_backward_queries", *seen, gq, causal=causal, scale=1.0)
    return gq.reshape(q.shape), gk.reshape(k.shape), gv.reshape(v.shape)
