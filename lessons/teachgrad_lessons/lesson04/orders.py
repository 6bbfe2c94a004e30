"""The exercises of sections 3 and 4: each node once, in the right order, and gradients that add up."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from teachgrad_lessons.check import Exercise, Probe, Question, Slip, raises
from teachgrad_lessons.compare import Answer, Bound, Order
from teachgrad_lessons.lesson04 import graphs
from teachgrad_lessons.lesson04.graphs import CHAIN_SLOPE, DEMO_GRADIENTS, Graph

# --- section 3: once each, in the right order ---


def _counterexample(expression: Any, node_class: Any) -> dict[str, Any]:
    """How the two proposals fare on the learner's expression, and what kind of reuse it has."""
    truth = graphs.slope_by_nudging(lambda v: expression(node_class(v)).value, 1.5)

    def fails(backward: Callable[[Any], None]) -> bool:
        a = node_class(1.5)
        backward(expression(a))
        return bool(abs(a.grad - truth) > 1e-3 * (1 + abs(truth)))

    nodes = graphs.reachable(expression(node_class(1.5)))
    uses = [id(x) for node in nodes for x in node.inputs]
    reused = [node for node in nodes if uses.count(id(node)) > 1]
    return {
        "nodes": len(nodes),
        "wrong by recursion": fails(graphs.recurse_on_totals),
        "wrong by first sight": fails(lambda root: graphs.push_along(graphs.first_sight_order(root))),
        "reuse": "inner" if any(node.inputs for node in reused) else "leaf" if reused else "none",
    }


def _nodes(expression: Any, node_class: Any) -> float:
    """The size of a counterexample; infinite when it is none."""
    seen = _counterexample(expression, node_class)
    return seen["nodes"] if seen["wrong by recursion"] and seen["wrong by first sight"] else float("inf")


def _reuse(kind: str) -> Callable[[Any], bool]:
    return lambda got: isinstance(got, dict) and got["reuse"] == kind


COUNTEREXAMPLE = Exercise(
    "counterexample",
    "Exercise 7, the counterexample",
    "operand-order",
    (
        Probe(
            "recursion on totals gets it wrong",
            _counterexample,
            {"wrong by recursion": True},
            (
                Slip("no-reuse", _reuse("none")),
                Slip("leaf-reuse", _reuse("leaf")),
            ),
        ),
        Probe(
            "first sight gets it wrong",
            _counterexample,
            {"wrong by first sight": True},
            (Slip("operand-order", _reuse("inner")),),
        ),
        Probe("and in at most six nodes", _nodes, Bound(high=6), (Slip("too-big", Bound(7, 1e6)),)),
    ),
)

PARSONS_LINES = {
    "A": "            total[x] = total.get(x, 0.0) + pull(node, i, g)",
    "B": "    total = {root: 1.0}",
    "C": "    for node in topological(root):",
    "D": "        g = total[node]",
    "E": "        for i, x in enumerate(node.inputs):",
    "F": "            total[x] = pull(node, i, g)",
    "G": "        node.grad = g",
}


def assemble(order: str) -> Callable[[Any], None]:
    """The backward pass that the lines in this order spell, with a topological order and a pull supplied."""
    body = "\n".join(PARSONS_LINES[letter] for letter in order.replace(" ", "").upper())
    scope: dict[str, Any] = {
        "topological": lambda root: sorted(graphs.reachable(root), key=lambda node: -node.id),
        "pull": lambda node, i, g: g * node.slopes[i],
    }
    exec(f"def backward(root):\n{body}\n", scope)
    backward: Callable[[Any], None] = scope["backward"]
    return backward


def _assembled(build: Callable[[type], Graph]) -> Callable[..., Any]:
    def observe(order: str, node_class: Any) -> dict[str, Any]:
        graph = build(node_class)
        assemble(order)(graphs.root(graph))
        return {f"{name}.grad": node.grad for name, node in graph.items()}

    return observe


PARSONS = Exercise(
    "parsons",
    "Exercise 8, backward in seven lines",
    "parsons",
    (
        Probe("a chain", _assembled(graphs.chain), {"L.grad": 1.0, "p.grad": CHAIN_SLOPE}),
        Probe(
            "a diamond",
            _assembled(graphs.demo),
            {**{f"{name}.grad": g for name, g in DEMO_GRADIENTS.items()}, "e.grad": -2.0, "d.grad": -2.0},
            (Slip("parsons-assign", lambda got: isinstance(got, dict) and got["a.grad"] in (6.0, -2.0)),),
        ),
    ),
)


def _order(build: Callable[[type], Graph]) -> Callable[..., Any]:
    def observe(topological: Any, node_class: Any) -> list[str]:
        graph = build(graphs.watched(node_class, budget=10_000))
        return [node.name for node in topological(graphs.root(graph))]

    return observe


def _length(build: Callable[[type], Graph], budget: int) -> Callable[..., Any]:
    def observe(topological: Any, node_class: Any) -> int:
        graph = build(graphs.watched(node_class, budget))
        return len(list(topological(graphs.root(graph))))

    return observe


class _Bare:
    """A node that only holds what an order depends on: for working out right and wrong orders beforehand."""

    def __init__(self, value: float, op: str = "leaf", inputs: Any = (), slopes: Any = (), name: str = "") -> None:
        self.value, self.op, self.inputs, self.slopes, self.name = value, op, inputs, slopes, name
        self.grad = 0.0


def _order_probe(name: str, build: Callable[[type], Graph]) -> Probe:
    graph = build(_Bare)
    root = graphs.root(graph)
    right = Order(list(graph), graphs.edges(graph))

    def backwards(got: Any) -> bool:
        return isinstance(got, list) and not right.difference(got[::-1])

    def wrong(order: list[str]) -> Callable[[Any], bool]:
        return lambda got: got == order and bool(right.difference(got))

    def twice(got: Any) -> bool:
        return isinstance(got, list) and len(got) > len(set(got))

    return Probe(
        name,
        _order(build),
        right,
        (
            Slip("leaves-first", backwards),
            Slip("listed-twice", twice),
            Slip("level-by-level", wrong(graphs.names(graphs.breadth_first_order(root)))),
            Slip("first-sight", wrong(graphs.names(graphs.first_sight_order(root)))),
            Slip("first-sight", wrong(_last_input_first(root))),
        ),
    )


def _last_input_first(root: Any) -> list[str]:
    """First sight with a stack: the last input is taken first."""
    order: list[Any] = []
    stack = [root]
    while stack:
        node = stack.pop()
        if node not in order:
            order.append(node)
            stack.extend(node.inputs)
    return graphs.names(order)


_COSTS = (Slip("exponential", raises("TooManyVisits")), Slip("recursion", raises("RecursionError")))

TOPOLOGICAL = Exercise(
    "topological",
    "Exercise 9, the order",
    "order-general",
    (
        _order_probe("a chain", graphs.chain),
        _order_probe("b + c, where c is made from b", lambda c: graphs.shortcut(c, long_way_first=False)),
        _order_probe("c + b, where c is made from b", lambda c: graphs.shortcut(c, long_way_first=True)),
        Probe(
            "200 diamonds: 201 nodes, each once",
            _length(lambda c: graphs.ladder(c, 200), 20_000),
            201,
            (
                *_COSTS,
                Slip("listed-twice", Bound(low=202)),
            ),
        ),
        Probe("a chain of 10,000", _length(lambda c: graphs.long_chain(c, 10_000), 200_000), 10_002, _COSTS),
    ),
)


def _backward(build: Callable[[type], Graph], calls: int = 1, budget: int = 10_000) -> Callable[..., Any]:
    def observe(backward: Any, node_class: Any) -> dict[str, Any]:
        graph = build(graphs.watched(node_class, budget))
        for _ in range(calls):
            backward(graphs.root(graph))
        return {f"{name}.grad": node.grad for name, node in graph.items()}

    return observe


def _leaf_grads(times: int, **others: float) -> dict[str, float]:
    return {f"{name}.grad": times * value for name, value in DEMO_GRADIENTS.items()} | others


BACKWARD = Exercise(
    "backward",
    "Exercise 10, backward",
    "backward-general",
    (
        Probe(
            "a value used twice",
            _backward(graphs.demo),
            _leaf_grads(1),
            (Slip("assign", lambda got: isinstance(got, dict) and got["a.grad"] in (6.0, -2.0)),),
        ),
        Probe("b + c, where c is made from b", _backward(lambda c: graphs.shortcut(c, False)), {"a.grad": 18.0}),
        Probe(
            "a second call adds the same again",
            _backward(graphs.demo, calls=2),
            _leaf_grads(2),
            (
                Slip("lost-across-calls", _leaf_grads(1)),
                Slip("stale-totals", {"a.grad": 18.0}),
            ),
        ),
        Probe(
            "200 diamonds: the gradient is 2^200",
            _backward(lambda c: graphs.ladder(c, 200), budget=20_000),
            {"y0.grad": 2.0**200},
            _COSTS,
        ),
        Probe(
            "a chain of 10,000",
            _backward(lambda c: graphs.long_chain(c, 10_000), budget=200_000),
            {"x.grad": 1.0, "one.grad": 10_000.0},
            _COSTS,
        ),
    ),
)

# --- section 4: gradients add up ---


def _zeroed(zero_grad: Any, node_class: Any) -> dict[str, Any]:
    leaves = [node_class(v) for v in (2.0, -3.0, -2.0)]
    for leaf in leaves:
        leaf.grad = 4.0
    zero_grad(leaves)
    return {"gradients": [leaf.grad for leaf in leaves], "values": [leaf.value for leaf in leaves]}


ZERO = Exercise(
    "zero_grad",
    "Exercise 11, zero_grad",
    "zero-general",
    (
        Probe(
            "the gradients are 0",
            _zeroed,
            {"gradients": [0.0, 0.0, 0.0]},
            (
                Slip("zeroes-the-value", {"gradients": [4.0, 4.0, 4.0], "values": [0.0, 0.0, 0.0]}),
                Slip("rebinding", {"gradients": [4.0, 4.0, 4.0]}),
            ),
        ),
        Probe(
            "the gradients are 0 and the values stay",
            _zeroed,
            {"gradients": [0.0, 0.0, 0.0], "values": [2.0, -3.0, -2.0]},
            (Slip("zeroes-the-value", {"values": [0.0, 0.0, 0.0]}),),
        ),
    ),
)


def _loop(name: str, want: str) -> Probe:
    return Probe(f"loop {name}", lambda verdict: verdict[name], Answer(want))


LOOPS = Exercise(
    "loops",
    "Exercise 12, four loops",
    "loops",
    (_loop("P", "right"), _loop("Q", "never moves"), _loop("R", "piles up"), _loop("S", "right")),
)

QUESTIONS = (
    Question("b + c", ()),
    Question("two calls", (Slip("last-call-only", Answer(4.0)),)),
)
