"""The pass of level O3 for attention: where nobody but its gradient looks at the weights, they are not kept."""

from __future__ import annotations

from ..graph import Graph
from ..op import Vertex, apply
from ..ops.attention import attention, attention_gradient
from ..ops.online_attention import online_attention, online_attention_gradient
from ..ops.tuples import Item, item
from .exact import prune
from .rewriting import Rewrite, rewrite
from .rules import Bound, Miss, Rule

STATEMENT = """softmax(q kᵀ) v, and its gradient with weights w, from l = log Σ_keys exp(q kᵀ) alone:
    w = exp(q kᵀ - l),   Σ_keys (v uᵀ) w = Σ_e u z

if nobody else looks at w. It differs by last bits, of the largest term of the sums."""
SOURCE = "M. Milakov and N. Gimelshein (2018); T. Dao et al., FlashAttention (2022)"


def attend(graph: Graph, log: list[Rewrite]) -> Graph:
    """Attention without a table of weights."""
    if all(v.op is not attention for v in graph.order):
        return graph
    unread = weights_not_read(graph)
    answers = iter([v.id in unread for v in graph.order if v.op is attention])
    chosen: dict[int, bool] = {}

    def attention_without_weights(v: Vertex) -> Vertex | Miss | None:
        if v.op is attention:  # the driver asks once for each, in the order of the graph
            chosen[v.id] = next(answers)
            return None
        made = v.inputs[0]
        if made.op is attention_gradient:
            u, q, k, value, w = made.inputs
            made, mask = w.inputs[0], w.inputs[0].inputs[3:]
            if w.op is not item or not chosen.get(made.id):
                return None
            whole = apply(online_attention, made.inputs, made.attrs)
            return item(apply(online_attention_gradient, (u, q, k, value, item(whole, 0), item(whole, 1), *mask),
                              made.attrs), v.attrs["index"])
        if made.op is not attention:
            return None
        if not chosen[made.id]:
            return Miss("the weights are used elsewhere too")
        if v.attrs["index"] == 1:
            return None  # the gradient still needs them, for the moment
        return item(apply(online_attention, made.inputs, made.attrs), 0)

    attention_without_weights.__doc__ = STATEMENT
    code = attention_without_weights.__code__
    rule = Rule(attention_without_weights, (attention, item), cost="one number for each query instead of a table",
                bound=Bound(64, terms=True), source=SOURCE, grows=2, where=f"attend.py:{code.co_firstlineno}")
    return prune(rewrite(graph, "attend", [rule], log), log)


def weights_not_read(graph: Graph) -> set[int]:
    """The ids of the attentions whose weights nobody needs but their gradient."""
    results = {v.id for v in graph.results}
    found = {v.id for v in graph.order if v.op is attention and v.id not in results}
    weights = {v.id: v.inputs[0].id for v in graph.order if isinstance(v.op, Item) and v.attrs["index"] == 1
               and v.inputs[0].op is attention}
    for number, source in weights.items():
        if number in results:
            found.discard(source)
    for v in graph.order:
        for place, x in enumerate(v.inputs):
            if x.op is attention and not isinstance(v.op, Item):
                found.discard(x.id)
            fits = v.op is attention_gradient and place == 4 and all(
                a is b for a, b in zip(v.inputs[1:4], x.inputs[0].inputs[:3], strict=True))
            if x.id in weights and not fits:
                found.discard(weights[x.id])
    return found
