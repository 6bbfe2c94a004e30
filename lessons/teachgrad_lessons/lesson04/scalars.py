"""The exercises of sections 1 and 2: a value that remembers, and the backward pass that follows every path."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from teachgrad_lessons.check import Exercise, Probe, Question, Slip
from teachgrad_lessons.compare import Answer, Bound
from teachgrad_lessons.lesson04 import graphs
from teachgrad_lessons.lesson04.graphs import CHAIN_SLOPE, DEMO_GRADIENTS, Graph

# --- section 1: a value that remembers ---


def _fields(node_class: Any) -> dict[str, Any]:
    a = node_class(2.0, name="a")
    e = node_class(6.0, "mul", [a, a], [2.0, 2.0])
    return {
        "value": e.value,
        "op": e.op,
        "how many inputs": len(e.inputs),
        "input 0 is a": e.inputs[0] is a,
        "slopes": tuple(e.slopes),
        "name": a.name,
        "op of a": a.op,
        "inputs of a": tuple(a.inputs),
        "grad": e.grad,
        "visits": e.visits,
    }


def _ids_rise(node_class: Any) -> list[bool]:
    ids = [node_class(0.0).id for _ in range(3)]
    return [ids[0] < ids[1], ids[1] < ids[2]]


NODE = Exercise(
    "node",
    "Exercise 1, Node",
    "node-fields",
    (
        Probe(
            "a node keeps what it is given",
            _fields,
            {
                "value": 6.0,
                "op": "mul",
                "how many inputs": 2,
                "input 0 is a": True,
                "slopes": (2.0, 2.0),
                "name": "a",
                "op of a": "leaf",
                "inputs of a": (),
                "grad": 0.0,
                "visits": 0,
            },
        ),
        Probe(
            "each node gets a larger id than the one before",
            _ids_rise,
            [True, True],
            (Slip("shared-id", [False, False]),),
        ),
    ),
)


def _op(which: int, *values: float) -> Callable[..., Any]:
    def observe(*work: Any) -> dict[str, Any]:
        *ops, node_class = work
        x = [node_class(v) for v in values]
        z = ops[which](*x)
        mine = all(a is b for a, b in zip(z.inputs, x, strict=True))
        return {"value": z.value, "slopes": tuple(z.slopes), "op": z.op, "inputs are the nodes given": mine}

    return observe


def _op_is(op: str, value: float, *slopes: float) -> dict[str, Any]:
    return {"value": value, "slopes": slopes, "op": op, "inputs are the nodes given": True}


OPS = Exercise(
    "ops",
    "Exercise 2, add, mul, tanh",
    "ops-general",
    (
        Probe(
            "add(2, -3)",
            _op(0, 2.0, -3.0),
            _op_is("add", -1.0, 1.0, 1.0),
            (
                Slip("add-values", _op_is("add", -1.0, 2.0, -3.0)),
                Slip("add-values", _op_is("add", -1.0, -3.0, 2.0)),
            ),
        ),
        Probe(
            "mul(2, -3)",
            _op(1, 2.0, -3.0),
            _op_is("mul", -6.0, -3.0, 2.0),
            (Slip("mul-own-factor", _op_is("mul", -6.0, 2.0, -3.0)),),
        ),
        Probe(
            "tanh(0.8)",
            _op(2, 0.8),
            _op_is("tanh", math.tanh(0.8), CHAIN_SLOPE),
            (Slip("tanh-input", _op_is("tanh", math.tanh(0.8), 1 - 0.8**2)),),
        ),
    ),
)


def _true_sigmoid_slope() -> float:
    s = 1 / (1 + math.exp(-0.7))
    return s * (1 - s)


SUSPECT = Exercise(
    "suspect",
    "Exercise 3, the op that lies",
    "suspect",
    (
        Probe("which op", lambda name, slope: name, Answer("sigmoid")),
        Probe(
            "its true slope at 0.7",
            lambda name, slope: slope,
            Answer(_true_sigmoid_slope()),
            (Slip("believed-the-claim", Answer(0.3 / (1 + math.exp(-0.7)))),),
        ),
    ),
)

# --- section 2: follow every path ---


def _paths(build: Callable[[type], Graph], keep: Callable[[Graph], dict[str, Any]]) -> Callable[..., Any]:
    def observe(backward_paths: Any, node_class: Any) -> dict[str, Any]:
        graph = build(graphs.watched(node_class, budget=10_000))
        backward_paths(graphs.root(graph))
        return keep(graph)

    return observe


def _leaf_gradients(graph: Graph) -> dict[str, Any]:
    return {f"{name}.grad": node.grad for name, node in graphs.leaves(graph).items()}


def _all_visits(graph: Graph) -> dict[str, Any]:
    return {"visits in all": sum(node.visits for node in graph.values())}


def _ladder_counts(graph: Graph) -> dict[str, Any]:
    return {"y0.grad": graph["y0"].grad, **_all_visits(graph)}


DEMO_EXPECTED = {f"{name}.grad": value for name, value in DEMO_GRADIENTS.items()}
CHAIN_EXPECTED = {"a.grad": 2.0 * CHAIN_SLOPE, "w.grad": 0.5 * CHAIN_SLOPE, "b.grad": CHAIN_SLOPE}

PATHS = Exercise(
    "paths",
    "Exercise 4, follow every path",
    "paths-general",
    (
        Probe(
            "a chain",
            _paths(graphs.chain, _leaf_gradients),
            CHAIN_EXPECTED,
            (Slip("no-slope", {"a.grad": 1.0, "w.grad": 1.0, "b.grad": 1.0}),),
        ),
        Probe(
            "a value used twice",
            _paths(graphs.demo, _leaf_gradients),
            DEMO_EXPECTED,
            (
                Slip("assign", {**DEMO_EXPECTED, "a.grad": -2.0}),
                Slip("assign", {**DEMO_EXPECTED, "a.grad": 6.0}),
            ),
        ),
        Probe(
            "a ladder of five diamonds, visits counted",
            _paths(lambda c: graphs.ladder(c, 5), _ladder_counts),
            {"y0.grad": 32.0, "visits in all": 63},
            (
                Slip("no-count", {"y0.grad": 32.0, "visits in all": 0}),
                Slip("passes-total", lambda got: isinstance(got, dict) and got["y0.grad"] > 32),
            ),
        ),
    ),
)

VISITS = Exercise(
    "visits",
    "Exercise 5, the bill",
    "counts-nodes",
    (
        Probe(
            "n = 0, 1, 2, 5, 20",
            lambda f: [f(n) for n in (0, 1, 2, 5, 20)],
            [1, 3, 7, 63, 2_097_151],
            (
                Slip("counts-last", [1, 2, 4, 32, 1_048_576]),
                Slip("counts-nodes", [1, 2, 3, 6, 21]),
                Slip("counts-nodes", [1, 3, 5, 11, 41]),
            ),
        ),
    ),
)


def _ghost(letter: str, want: str, *slips: Slip) -> Probe:
    return Probe(f"backward {letter}", lambda verdict: verdict[letter], Answer(want), slips)


GHOSTS = Exercise(
    "ghosts",
    "Exercise 6, three strangers",
    "ghost-innocent",
    (
        _ghost("A", "first slope for all", Slip("ghost-symmetric", Answer("right"))),
        _ghost("B", "overwrites", Slip("ghost-reuse", Answer("right"))),
        _ghost("C", "right"),
    ),
)

QUESTIONS = (
    Question("dL/da", (Slip("assign", Answer(6.0)), Slip("assign", Answer(-2.0)))),
    Question("a.grad with =", ()),
    Question("visits", (Slip("counts-nodes", Bound(0, 100)), Slip("counts-last", Bound(1_000_000, 1_100_000)))),
)
