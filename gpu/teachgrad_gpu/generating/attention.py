"""Attention: a thread for each query, or for each key, which goes through all keys, or all queries.

Sources: M. Milakov and N. Gimelshein, "Online normalizer calculation for softmax" (2018); T. Dao et al.,
"FlashAttention: fast and memory-efficient exact attention with IO-awareness" (2022).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext

from teachgrad.executors.c.views import Views
from teachgrad.op import Op, Vertex
from teachgrad.ops.attention import attention, attention_gradient
from teachgrad.ops.online_attention import online_attention, online_attention_gradient

from .threads import Kernel, Threads, Work

LEAD = "bcdefgh"
"""The names of the leading axes."""
WIDEST = 1024
"""Up to so many features of a head: a thread keeps a row of them."""
NAMES: dict[Op, tuple[tuple[str, ...], tuple[str, ...]]] = {
    attention: (("q", "k", "v", "mask"), ("z", "w")),
    attention_gradient: (("u", "q", "k", "v", "w"), ("dq", "dk", "dv")),
    online_attention: (("q", "k", "v", "mask"), ("z", "l")),
    online_attention_gradient: (("u", "q", "k", "v", "z", "l", "mask"), ("dq", "dk", "dv")),
}
"""What the inputs and the results of the ops are called."""


def can_write(v: Vertex, views: Views) -> bool:
    """Whether there are kernels for a vertex: an attention of floating-point numbers that lie in memory as arrays."""
    if v.op not in NAMES or any(type(x._data) is tuple or x.id not in views.access or not x.size for x in v.inputs):
        return False
    kinds = {x.dtype for x in v.inputs if x.dtype.kind != "b"}
    matrices = [x for name, x in zip(NAMES[v.op][0], v.inputs, strict=False) if name in "qkvu"]
    return (len(kinds) == 1 and kinds.pop().char in "fd" and max(x.shape[-1] for x in matrices) <= WIDEST
            and v.inputs[0].ndim - 2 <= len(LEAD))


def results_of(v: Vertex, items: Sequence[Vertex]) -> dict[str, Vertex]:
    """Those of its results that somebody reads, by name."""
    assert v.op is not None
    return {NAMES[v.op][1][item.attrs["index"]]: item for item in items}


def kernels(v: Vertex, items: Sequence[Vertex], views: Views, name: str, comment: str) -> list[Kernel]:
    """The kernels of an attention, or of the gradient of one, with those of its results that somebody reads."""
    assert v.op is not None
    work = Work(v, views, name, comment, results_of(v, items), NAMES[v.op][0][:len(v.inputs)])
    WRITERS[v.op](Head(work))
    return work.kernels


class Head:
    """What the kernels of an attention have in common."""

    def __init__(self, work: Work) -> None:
        self.work, given = work, work.inputs
        q, k, v = given["q"], given["k"], given["v"]
        self.lead = q.shape[:-2]
        self.batch = list(LEAD[:len(self.lead)])
        self.queries, self.keys, self.features, self.width = q.shape[-2], k.shape[-2], q.shape[-1], v.shape[-1]
        self.causal = bool(work.v.attrs.get("causal"))
        self.f = "f" if q.dtype.itemsize == 4 else ""
        self.kind = "float" if self.f else "double"

    def for_each(self, row: str, suffix: str = "") -> Threads:
        """A kernel with a thread for each query t, or for each key s."""
        k = self.work.threads(suffix)
        k.spread([*self.batch, row], (*self.lead, self.queries if row == "t" else self.keys))
        return k

    def at(self, k: Threads, name: str, *place: str) -> str:
        """An element of an input, of the matrix that the thread works on."""
        return k.load(name, *self.batch, *place)

    def made(self, name: str, row: str, column: str) -> str:
        """The number of an element of a result."""
        x = self.work.results[name]
        return f"{x.shape[-1]} * {self.row(row, x.shape[-2])} + {column}"

    def row(self, row: str, rows: int) -> str:
        """The number of a row among those of all matrices."""
        number = "0"
        for name, n in zip(self.batch, self.lead, strict=True):
            number = name if number == "0" else f"({number} * {n} + {name})"
        return row if number == "0" else f"({rows} * {number} + {row})"

    def keys_seen(self) -> str:
        """The keys that the query t may look at."""
        return f"{self.keys} && s <= t" if self.causal else str(self.keys)

    def score(self, k: Threads) -> None:
        """q kᵀ + mask for the query t and the key s."""
        k.put(f"{self.kind} score = 0;")
        with k.loop("f", self.features) as f:
            k.put(f"score += {self.at(k, 'q', 't', f or '0')} * {self.at(k, 'k', 's', f or '0')};")
        self.mask(k)

    def mask(self, k: Threads) -> None:
        """The mask, added to the score for the query t and the key s."""
        if "mask" in self.work.inputs:
            mask = self.work.inputs["mask"]
            place = [*self.batch, "t", "s"][len(self.batch) + 2 - mask.ndim:]
            element = k.load("mask", *place)
            k.put(f"if (!{element}) score = -INFINITY;" if mask.dtype.kind == "b" else f"score += {element};")

    def dot(self, k: Threads, target: str, x: str, of_x: str, y: str, of_y: str) -> None:
        """A product of two rows of `width` features."""
        k.put(f"{self.kind} {target} = 0;")
        with k.loop("f", self.width) as f:
            k.put(f"{target} += {self.at(k, x, of_x, f or '0')} * {self.at(k, y, of_y, f or '0')};")

    def written(self, k: Threads, name: str, row: str, width: int, value: str) -> None:
        """Write a row of a result."""
        with k.loop("f", width) as f:
            k.put(k.store(self.made(name, row, f or "0"), value.format(f=f or "0"), name))


def forward(head: Head) -> None:
    """z and l = log Σ exp(scores), in one pass: what is summed so far shrinks whenever a larger score comes."""
    k, kind, f = head.for_each("t"), head.kind, head.f
    k.put(f"{kind} top = -INFINITY, total = 0, sums[{head.width}] = {{0}};")
    with k.block(f"for (int64_t s = 0; s < {head.keys_seen()}; s++)"):
        head.score(k)
        k.put(f"const {kind} larger = score > top || score != score ? score : top;",
              f"const {kind} shift = larger == -INFINITY ? 0 : larger;",
              f"const {kind} scale = exp{f}(top - shift), weight = exp{f}(score - shift);",
              "total = total * scale + weight;", "top = larger;")
        with k.loop("f", head.width) as at:
            k.put(f"sums[{at or 0}] = sums[{at or 0}] * scale + weight * {head.at(k, 'v', 's', at or '0')};")
    k.put("if (total == 0) total = 1, top = 0;  // it sees no key")
    if "z" in head.work.results:
        head.written(k, "z", "t", head.width, "sums[{f}] / total")
    if "l" in head.work.results:
        k.put(k.store(head.row("t", head.queries), f"top + log{f}(total)", "l"))


def backward(head: Head) -> None:
    """The gradients, from weights that are made again: w = exp(score - l), s = w (v uᵀ - Σ_e u z)."""
    def weights(k: Threads) -> None:
        head.score(k)
        k.put(f"const {head.kind} weight = exp{head.f}(score - {k.load('l', *head.batch, 't')});")
        head.dot(k, "inner", "u", "t", "z", "t")

    gradients(head, weights)


def gradients(head: Head, weights: Callable[[Threads], None]) -> None:
    """dq for each query; dk and dv for each key. `weights` states `weight` and `inner` for a query and a key."""
    results, kind = head.work.results, head.kind
    if "dq" in results:
        k = head.for_each("t", "_dq")
        k.put(f"{kind} sums[{head.features}] = {{0}};")
        with k.block(f"for (int64_t s = 0; s < {head.keys_seen()}; s++)"):
            weights(k)
            head.dot(k, "slope", "u", "t", "v", "s")
            with k.loop("f", head.features) as f:
                k.put(f"sums[{f or 0}] += weight * (slope - inner) * {head.at(k, 'k', 's', f or '0')};")
        head.written(k, "dq", "t", head.features, "sums[{f}]")
    for name, width in (("dk", head.features), ("dv", head.width)):
        if name in results:
            k = head.for_each("s", f"_{name}")
            k.put(f"{kind} sums[{width}] = {{0}};")
            with k.block(f"for (int64_t t = {'s' if head.causal else '0'}; t < {head.queries}; t++)"):
                weights(k)
                if name == "dk":
                    head.dot(k, "slope", "u", "t", "v", "s")
                factor, other = ("weight * (slope - inner)", "q") if name == "dk" else ("weight", "u")
                with k.loop("f", width) as f:
                    k.put(f"sums[{f or 0}] += {factor} * {head.at(k, other, 't', f or '0')};")
            head.written(k, name, "s", width, "sums[{f}]")


def forward_with_weights(head: Head) -> None:
    """z, and the weights w (..., key, query) as they are."""
    k, kind, f = head.for_each("t"), head.kind, head.f
    k.put(f"{kind} top = -INFINITY, total = 0, sums[{head.width}] = {{0}};")
    with k.block(f"for (int64_t s = 0; s < {head.keys_seen()}; s++)"):
        head.score(k)
        k.put("if (score > top || score != score) top = score;")
    k.put("if (top == -INFINITY) top = 0;")
    with k.block(f"for (int64_t s = 0; s < {head.keys_seen()}; s++)"):
        head.score(k)
        k.put(f"total += exp{f}(score - top);")
    k.put("if (total == 0) total = 1;  // it sees no key")
    with k.block(f"for (int64_t s = 0; s < {head.keys}; s++)"):
        k.put(f"{kind} weight = 0;")
        with k.block("if (s <= t)") if head.causal else nullcontext():
            head.score(k)
            k.put(f"weight = exp{f}(score - top) / total;")
        if "w" in head.work.results:
            k.put(k.store(head.made("w", "s", "t"), "weight", "w"))
        with k.loop("f", head.width) as at:
            k.put(f"sums[{at or 0}] += weight * {head.at(k, 'v', 's', at or '0')};")
    if "z" in head.work.results:
        head.written(k, "z", "t", head.width, "sums[{f}]")


def backward_with_weights(head: Head) -> None:
    """The gradients, from weights that were kept: s = w (a - Σ_keys a w) with a = v uᵀ."""
    def weights(k: Threads) -> None:
        k.put(f"const {head.kind} weight = {head.at(k, 'w', 's', 't')};", f"{head.kind} inner = 0;")
        with k.block(f"for (int64_t other = 0; other < {head.keys}; other++)"):
            head.dot(k, "slope_there", "u", "t", "v", "other")
            k.put(f"inner += slope_there * {head.at(k, 'w', 'other', 't')};")

    gradients(head, weights)


WRITERS: Mapping[Op, Callable[[Head], None]] = {
    attention: forward_with_weights, attention_gradient: backward_with_weights,
    online_attention: forward, online_attention_gradient: backward}
"""What writes the kernels of which op."""
