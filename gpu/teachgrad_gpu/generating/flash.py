"""Attention by the kernels of the catalogue: blocks of queries walk over the keys in tiles of shared memory.

They take heads whose queries, keys and values are equally wide, without a mask. What is copied so that it lies row by
row (keys and values that are parts of one projection, say) has a number for each feature of each key; the attention
itself has as many multiplications as that for each query, so the copy is nothing beside it.
"""

from __future__ import annotations

from teachgrad.errors import ShapeError
from teachgrad.ops.online_attention import online_attention, online_attention_gradient

from ..kernels.attention import padded
from .catalogued import Operand, Way, way_of

LEAST = 1024
"""A head with at least so many scores has tiles; 32 queries and 32 keys fill half of the smallest that are usual."""


def fits(way: Way) -> bool:
    """Whether the kernels are for heads like these."""
    given = way.work.inputs
    q, k, v = given["q"], given["k"], given["v"]
    return "mask" not in given and q.shape[-1] == v.shape[-1] and q.shape[-2] * k.shape[-2] >= LEAST


def heads(way: Way, name: str) -> Operand:
    """An input as (heads of all, rows, width)."""
    return flat(way.rows(name))


def flat(x: Operand) -> Operand:
    """Matrices, as one stack of them."""
    rows, width = x.shape[-2:]
    return x.seen(x.size // (rows * width), rows, width)


@way_of(online_attention)
def forward(way: Way) -> bool:
    """z and l, from the scaled q: attention_vectorised, or attention_tiled where that would be padded too much."""
    if not fits(way):
        return False
    q, k, v = (heads(way, name) for name in "qkv")
    z, log_sums, width = way.result("z", *q.shape), way.result("l", *q.shape[:-1]), q.shape[-1]
    if q.itemsize == 4 and 2 * padded(width, 64) <= 3 * padded(width):
        try:
            way.launch("attention_vectorised", q, k, v, z, log_sums, causal=causal(way), scale=1.0)
            return True
        except ShapeError:  # 64 columns of padding are too many
            pass
    way.launch("attention_tiled", q, k, v, z, log_sums, causal=causal(way), scale=1.0)
    return True


@way_of(online_attention_gradient)
def backward(way: Way) -> bool:
    """dq by blocks of queries, dk and dv by blocks of keys, both from Σ_e u z."""
    if not fits(way):
        return False
    g, q, k, v, z = (heads(way, name) for name in "uqkvz")
    log_sums, dots = way.rows("l").seen(*q.shape[:-1]), way.workspace(*q.shape[:-1])
    results = way.work.results
    way.launch("attention_backward_dots", g, z, dots)
    if "dk" in results or "dv" in results:
        way.launch("attention_backward_keys", g, q, k, v, log_sums, dots, way.result("dk", *k.shape),
                   way.result("dv", *v.shape), causal=causal(way), scale=1.0)
    if "dq" in results:
        way.launch("attention_backward_queries", g, q, k, v, log_sums, dots, way.result("dq", *q.shape),
                   causal=causal(way), scale=1.0)
    return True


def causal(way: Way) -> bool:
    """Whether a query sees no key after it."""
    return bool(way.work.v.attrs["causal"])
