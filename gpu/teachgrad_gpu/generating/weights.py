"""Attention as products of matrices with a softmax between them.

    w = softmax(k qᵀ + maskᵀ) over the keys,   z = wᵀ v
    a = v uᵀ,   s = w (a - Σ_keys a w),   dq = sᵀ k,   dk = s q,   dv = w u

So where somebody reads the weights, which are then in memory anyway; and where the tiles of `flash` do not fit (a mask,
heads that are too wide, or values wider than keys) and there is memory for the table as long as the op lasts.
"""

from __future__ import annotations

from teachgrad.ops.attention import attention, attention_gradient
from teachgrad.ops.online_attention import online_attention, online_attention_gradient

from .attention import Head
from .catalogued import Operand, Way, way_of
from .flash import flat
from .matrices import multiply, worth_it
from .threads import Threads

MOST = 1 << 30
"""The most bytes of a table of weights that nobody else wants."""


def fits(way: Way) -> bool:
    """Whether all the products are large enough, and there is memory for the weights."""
    given = way.work.inputs
    q, k, v = given["q"], given["k"], given["v"]
    alone = way.work.v.op in (online_attention, online_attention_gradient)
    if alone and q._data.nbytes // q.shape[-1] * k.shape[-2] > MOST:
        return False
    return all(worth_it(way, q.shape[-2], k.shape[-2], width) and (way.by_library or width >= 16)
               for width in (q.shape[-1], v.shape[-1]))


def for_each_query(way: Way, head: Head, suffix: str, operations: int, **others: Operand) -> Threads:
    """A kernel with a thread for each query t, which goes along a column of the weights: neighbours read neighbours."""
    k = way.threads(suffix, operations, **others)
    k.spread([*head.batch, "t"], (*head.lead, head.queries))
    return k


@way_of(attention)
@way_of(online_attention)
def forward(way: Way) -> bool:
    """w, and z from it."""
    if not fits(way):
        return False
    head = Head(way.work)
    q, keys, v = (flat(way.rows(name)) for name in "qkv")
    count, queries, _ = q.shape
    w = way.result("w", count, head.keys, queries)
    multiply(way, keys, q, w, turn_b=True)
    softmax(for_each_query(way, head, "_softmax", 5 * w.size, w=w), head)
    if "z" in way.work.results:
        multiply(way, w, v, way.result("z", count, queries, head.width), turn_a=True)
    return True


def softmax(k: Threads, head: Head) -> None:
    """The statements of a thread that makes weights of the scores of a query."""
    at, kind, masked = head.made("w", "s", "t"), head.kind, "mask" in head.work.inputs
    k.put(f"{kind} top = -INFINITY, total = 0;")
    with k.block(f"for (int64_t s = 0; s < {head.keys_seen()}; s++)"):
        k.put(f"{kind if masked else f'const {kind}'} score = w[{at}];")
        head.mask(k)
        if masked:
            k.put(k.store(at, "score", "w"))
        k.put("if (score > top || score != score) top = score;")
    k.put("if (top == -INFINITY) top = 0;")
    with k.block(f"for (int64_t s = 0; s < {head.keys_seen()}; s++)"):
        k.put(f"const {kind} weight = exp{head.f}(w[{at}] - top);", "total += weight;", k.store(at, "weight", "w"))
    k.put("if (total == 0) total = 1;  // it sees no key")
    with k.block(f"for (int64_t s = 0; s < {head.keys}; s++)"):
        k.put(k.store(at, f"s <= t ? w[{at}] / total : 0" if head.causal else f"w[{at}] / total", "w"))
    if "l" in head.work.results:
        k.put(k.store(head.row("t", head.queries), f"top + log{head.f}(total)", "l"))


@way_of(attention_gradient)
@way_of(online_attention_gradient)
def backward(way: Way) -> bool:
    """dq and dk from the gradient s at the scores, dv from w, which is there or made again."""
    if not fits(way):
        return False
    head, results = Head(way.work), way.work.results
    wanted = [name for name in ("dq", "dk", "dv") if name in results]
    u, q, keys, v = (flat(way.rows(name)) for name in "uqkv")
    others = {}
    if "w" in way.work.inputs:
        w = flat(way.rows("w"))
    else:
        w = others["w"] = way.workspace(q.shape[0], head.keys, head.queries)
        multiply(way, keys, q, w, turn_b=True)
        again(for_each_query(way, head, "_weights", 2 * w.size, w=w), head)
    if wanted != ["dv"]:
        s = way.workspace(*w.shape)
        multiply(way, v, u, s, turn_b=True)
        slopes(for_each_query(way, head, "_slopes", 4 * w.size, slope=s, **others), head)
        if "dq" in wanted:
            multiply(way, s, keys, way.result("dq", *q.shape), turn_a=True)
        if "dk" in wanted:
            multiply(way, s, q, way.result("dk", *keys.shape))
    if "dv" in wanted:
        multiply(way, w, u, way.result("dv", *v.shape))
    return True


def again(k: Threads, head: Head) -> None:
    """The statements of a thread that makes weights of the scores of a query, with the l that was kept."""
    at = head.made("w", "s", "t")
    k.put(f"const {head.kind} log_sum = {k.load('l', *head.batch, 't')};")
    with k.block(f"for (int64_t s = 0; s < {head.keys}; s++)"):
        k.put(f"{head.kind} score = w[{at}];")
        head.mask(k)
        weight = f"exp{head.f}(score - log_sum)"
        k.put(k.store(at, f"s <= t ? {weight} : 0" if head.causal else weight, "w"))


def slopes(k: Threads, head: Head) -> None:
    """The statements of a thread that makes s of a, for a query."""
    at = head.made("slope", "s", "t")
    w = head.at(k, "w", "s", "t") if "w" in head.work.inputs else f"w[{at}]"
    k.put(f"{head.kind} inner = 0;")
    with k.block(f"for (int64_t s = 0; s < {head.keys}; s++)"):
        k.put(f"inner += slope[{at}] * {w};")
    with k.block(f"for (int64_t s = 0; s < {head.keys}; s++)"):
        k.put(k.store(at, f"{w} * (slope[{at}] - inner)", "slope"))
