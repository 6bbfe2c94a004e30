"""Attention."""

from __future__ import annotations

import math
from typing import Any

from ...errors import SettingError, ShapeError
from ...ops.attention import attention
from ...ops.joining import broadcast_shapes
from ...ops.matmul import matmul_tn
from ...ops.shape import astype, broadcast_to
from .dropout import dropout


def scaled_dot_product_attention(query: Any, key: Any, value: Any, attn_mask: Any = None, dropout_p: float = 0.0,
                                 is_causal: bool = False, scale: float | None = None) -> Any:
    """softmax(q kᵀ · scale + mask) v,   the softmax over the keys

    q (..., T, d), k (..., S, d), v (..., S, e), and the answer (..., T, e). scale is 1/√d unless given. attn_mask
    broadcasts to (..., T, S): numbers that are added to the scores, or truth values, True where a query may look.
    is_causal hides from query t the keys after t. dropout_p is always applied: give 0 outside of training.
    A query that sees no key gets zeros (where a formula would give nan).
    Source: A. Vaswani et al., "Attention is all you need" (2017).
    """
    if is_causal and attn_mask is not None:
        raise SettingError("scaled_dot_product_attention takes attn_mask or is_causal, not both")
    flat = min(query.ndim, key.ndim, value.ndim) < 2
    if flat or query.shape[-1] != key.shape[-1] or key.shape[-2] != value.shape[-2]:
        raise ShapeError(f"scaled_dot_product_attention: query {query.shape}, key {key.shape} and value {value.shape} "
                         "do not fit: they must be (..., T, d), (..., S, d) and (..., S, e)")
    q = query * (1.0 / math.sqrt(query.shape[-1]) if scale is None else float(scale))
    if attn_mask is not None and attn_mask.dtype.kind != "b":
        attn_mask = astype(attn_mask, q.dtype, copy=False)
    lead = broadcast_shapes(query.shape[:-2], key.shape[:-2], value.shape[:-2])
    q, key, value = (broadcast_to(x, (*lead, *x.shape[-2:])) for x in (q, key, value))
    if dropout_p == 0.0:
        return attention(q, key, value, attn_mask, causal=is_causal)
    _, weights = attention(q, key, value, attn_mask, causal=is_causal, weights=True)
    return matmul_tn(dropout(weights, dropout_p), value)
