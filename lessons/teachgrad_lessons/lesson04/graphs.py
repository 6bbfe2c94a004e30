"""Small graphs to try a learner's tape on, made of the learner's own nodes.

Each builder takes the learner's ``Node`` class and fills in values and local derivatives itself, so a slip in the
learner's ``add`` or ``mul`` does not spoil the marks of their ``backward``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

Graph = dict[str, Any]
"""The nodes of a graph by name; the last one is its root."""


class TooManyVisits(Exception):
    """A traversal looked at nodes far more often than there are nodes."""


def watched(node_class: type, budget: int) -> type:
    """``node_class``, but reading ``.inputs`` more than ``budget`` times in all raises ``TooManyVisits``.

    An endless or exponential traversal then ends at once, with a reason.
    """
    reads = 0

    def get(self: Any) -> Any:
        nonlocal reads
        reads += 1
        if reads > budget:
            raise TooManyVisits(f"nodes were looked at more than {budget:,} times")
        return self._inputs

    def put(self: Any, inputs: Any) -> None:
        self._inputs = inputs

    return type("Node", (node_class,), {"inputs": property(get, put)})


class Builder:
    """Makes the nodes of one graph and names them."""

    def __init__(self, node_class: type) -> None:
        self._node_class = node_class
        self.graph: Graph = {}

    def leaf(self, name: str, value: Any) -> Any:
        return self._keep(name, self._node_class(value, name=name))

    def add(self, name: str, x: Any, y: Any) -> Any:
        return self._keep(name, self._node_class(x.value + y.value, "add", (x, y), (1.0, 1.0), name=name))

    def mul(self, name: str, x: Any, y: Any) -> Any:
        return self._keep(name, self._node_class(x.value * y.value, "mul", (x, y), (y.value, x.value), name=name))

    def tanh(self, name: str, x: Any) -> Any:
        value = np.tanh(x.value)
        return self._keep(name, self._node_class(value, "tanh", (x,), (1.0 - value**2,), name=name))

    def _keep(self, name: str, node: Any) -> Any:
        self.graph[name] = node
        return node


def root(graph: Graph) -> Any:
    return next(reversed(graph.values()))


def edges(graph: Graph) -> list[tuple[str, str]]:
    """(consumer, input) for every edge, by name."""
    return [(node.name, x.name) for node in graph.values() for x in node.inputs]


def leaves(graph: Graph) -> Graph:
    return {name: node for name, node in graph.items() if node.op == "leaf"}


def chain(node_class: type) -> Graph:
    """L = tanh(a * w + b): no value is used twice. With a=0.5, w=2, b=-0.2, dL/da = 2 (1 - tanh(0.8)^2)."""
    build = Builder(node_class)
    a, w, b = build.leaf("a", 0.5), build.leaf("w", 2.0), build.leaf("b", -0.2)
    build.tanh("L", build.add("z", build.mul("p", a, w), b))
    return build.graph


CHAIN_SLOPE = 1 - float(np.tanh(0.8)) ** 2
"""The local derivative of tanh in ``chain``, where z = 0.5 * 2 - 0.2."""


def demo(node_class: type) -> Graph:
    """The inspector's demo: e = a*b, d = e + a, L = d*f with a=2, b=-3, f=-2."""
    build = Builder(node_class)
    a, b, f = build.leaf("a", 2.0), build.leaf("b", -3.0), build.leaf("f", -2.0)
    build.mul("L", build.add("d", build.mul("e", a, b), a), f)
    return build.graph


DEMO_GRADIENTS = {"a": 4.0, "b": -4.0, "f": -4.0}
"""f (b + 1), f a and a b + a."""


def ladder(node_class: type, rungs: int) -> Graph:
    """y_k = y_{k-1} + y_{k-1}: ``rungs`` diamonds in a row, so dy_n/dy_0 = 2^n."""
    build = Builder(node_class)
    y = build.leaf("y0", 1.0)
    for k in range(1, rungs + 1):
        y = build.add(f"y{k}", y, y)
    return build.graph


def shortcut(node_class: type, long_way_first: bool) -> Graph:
    """L = b + c with b = 3a and c = 5b: the node b feeds both L and c, so dL/da = 3 + 15 = 18."""
    build = Builder(node_class)
    a = build.leaf("a", 2.0)
    b = build.mul("b", a, build.leaf("three", 3.0))
    c = build.mul("c", b, build.leaf("five", 5.0))
    build.add("L", *((c, b) if long_way_first else (b, c)))
    return build.graph


def long_chain(node_class: type, length: int) -> Graph:
    """y = x + 1 + 1 + ... : deeper than Python lets a function call itself."""
    build = Builder(node_class)
    y = build.leaf("x", 0.0)
    one = build.leaf("one", 1.0)
    for k in range(length):
        y = build.add(f"y{k}", y, one)
    return build.graph


def reachable(root: Any) -> list[Any]:
    """Every node that ``root`` depends on, itself included, in no particular order."""
    found, stack = {id(root): root}, [root]
    while stack:
        for x in stack.pop().inputs:
            if id(x) not in found:
                found[id(x)] = x
                stack.append(x)
    return list(found.values())


# Three orders that learners have proposed and that fail somewhere. Exercises compare a learner's result with them.


def recurse_on_totals(root: Any) -> None:
    """Pass on the running total, then do the same for every input: shares that came earlier are sent again."""
    root.grad = 1.0

    def visit(node: Any) -> None:
        for x, slope in zip(node.inputs, node.slopes, strict=True):
            x.grad = x.grad + node.grad * slope
        for x in node.inputs:
            visit(x)

    visit(root)


def first_sight_order(root: Any) -> list[Any]:
    """Depth first, each node when it is first met."""
    order: list[Any] = []

    def visit(node: Any) -> None:
        if any(node is other for other in order):
            return
        order.append(node)
        for x in node.inputs:
            visit(x)

    visit(root)
    return order


def breadth_first_order(root: Any) -> list[Any]:
    """Level by level, each node when it is first met."""
    order, seen = [root], {id(root)}
    for node in order:
        for x in node.inputs:
            if id(x) not in seen:
                seen.add(id(x))
                order.append(x)
    return order


def push_along(order: list[Any]) -> None:
    """One share along every edge, nodes taken in the given order."""
    order[0].grad = 1.0
    for node in order:
        for x, slope in zip(node.inputs, node.slopes, strict=True):
            x.grad = x.grad + node.grad * slope


def names(nodes: Any) -> list[str]:
    return [node.name for node in nodes]


def gradients(graph: Graph) -> dict[str, Any]:
    return {name: node.grad for name, node in graph.items()}


def slope_by_nudging(f: Callable[[float], float], x: float, h: float = 1e-5) -> float:
    r"""The central difference $(f(x+h) - f(x-h)) / 2h$, whose error shrinks like $h^2$."""
    return (f(x + h) - f(x - h)) / (2 * h)
