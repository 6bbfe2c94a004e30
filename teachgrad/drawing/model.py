"""What there is to draw: any graph, at any moment of its compilation, as numbered nodes and nothing else.

A `Picture` knows no layout and no format. Text, DOT, SVG and HTML are all made from it, so they agree on names, on
what is an edge (one for each operand) and on order. Numbers come from the graph alone, not from the ids of a process:
the same program gives the same picture.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ..compiled import Trace
from ..control.body import Body
from ..errors import TeachgradError, locate
from ..graph import Graph, describe, is_constant
from ..op import Overwritten, Spec, Vertex
from ..passes.plan import Plan, Slot
from ..static import StaticFunction
from ..symbolic import Function, State

INPUT, PARAMETER, CONSTANT, OP = "input", "parameter", "constant", "op"
FORWARD, BACKWARD, UPDATE = "forward", "backward", "update"


@dataclass(frozen=True)
class Node:
    """A value: a leaf, or what an op makes of other values."""

    key: int
    """Its number in the picture."""
    kind: str
    """`input`, `parameter` (whatever outlives the call), `constant` or `op`."""
    name: str
    op: str
    inputs: tuple[int, ...]
    spec: str
    settings: str
    where: str
    """The user's line, as `train.py:12`."""
    scope: str
    """The path of the module that ran it."""
    phase: str
    vertex: Vertex = field(compare=False)

    @property
    def shape(self) -> str:
        """The shape as people write it: `5×16`; with the dtype, unless that is float32."""
        data = shape_of(self.vertex)
        if type(data) is not Spec:
            return self.spec
        size = "×".join(map(str, data.shape)) or "scalar"
        return size if data.dtype == np.float32 else f"{data.dtype} {size}"


@dataclass(frozen=True)
class Picture:
    """A graph at one moment. Nodes stand in the order in which their values come about."""

    name: str
    nodes: tuple[Node, ...]
    outputs: tuple[int, ...]
    updates: tuple[tuple[int, int], ...] = ()
    """Which leaf takes which value at the end."""
    slots: Mapping[int, Slot] = field(default_factory=dict)
    """The planned memory of nodes, by key."""
    keys: Mapping[int, int] = field(default_factory=dict)
    """The nodes of vertices, by id."""

    @property
    def readers(self) -> dict[int, list[int]]:
        """Which nodes read each node, one entry an operand."""
        found: dict[int, list[int]] = {node.key: [] for node in self.nodes}
        for node in self.nodes:
            for key in node.inputs:
                found[key].append(node.key)
        return found


    @property
    def bodies(self) -> list[Picture]:
        """The graphs inside loops and branches, each once."""
        found = {id(value): value for node in self.nodes for value in node.vertex.attrs.values()
                 if isinstance(value, Body)}
        return [picture_of(body) for body in found.values()]


def shape_of(v: Vertex) -> Any:
    """The spec of a vertex, of whatever kind it is; a tuple of them for several results."""
    if type(v) is Overwritten:
        return v.spec
    if type(v._data) is tuple:
        return tuple(Spec(x.shape, x.dtype) for x in v._data)
    return Spec(v.shape, v.dtype)


def picture_of(thing: Any, moment: str | int = -1) -> Picture:
    """The picture of a tensor with its history, an expression, a graph, or a compiled function at a moment."""
    if isinstance(thing, Picture):
        return thing
    source = compiled(thing)
    if source is None:
        return of_graph(as_graph(thing), Plan(), frozenset())
    _, graph = at_moment(source.moments, moment)
    plan = source.plan if graph is source.graph else Plan()
    quiet = source.recording.quiet if isinstance(source, Trace) else frozenset[int]()
    return of_graph(graph, plan, quiet, thing.input_names if isinstance(thing, StaticFunction) else ())


def moments_of(thing: Any) -> list[tuple[str, Picture]]:
    """The pictures of all moments of compilation, by name; of what is not compiled, the only one."""
    source = compiled(thing)
    if source is None:
        picture = picture_of(thing)
        return [(picture.name, picture)]
    return [(name, picture_of(thing, number)) for number, (name, _) in enumerate(source.moments)]


def compiled(thing: Any) -> Trace | Function | None:
    """What holds the moments of a compiled function, or None if `thing` is not one."""
    if isinstance(thing, StaticFunction):
        return thing.trace
    return thing if isinstance(thing, (Trace, Function)) else None


def at_moment(moments: Sequence[tuple[str, Graph]], moment: str | int) -> tuple[str, Graph]:
    """The moment of that name (the last one, where a pass ran more than once) or number."""
    if isinstance(moment, int):
        if -len(moments) <= moment < len(moments):
            return moments[moment]
    else:
        for name, graph in reversed(moments):
            if name == moment:
                return name, graph
    raise TeachgradError(f"there is no moment {moment!r}; here are 0 to {len(moments) - 1}: "
                         f"{', '.join(name for name, _ in moments)}")


def as_graph(thing: Any) -> Graph:
    """A graph as it is, or the history of tensors as one."""
    if isinstance(thing, (Graph, Body)):
        return thing if isinstance(thing, Graph) else thing.graph
    roots = thing if isinstance(thing, (list, tuple)) else [thing]
    if len(roots) == 2 and isinstance(roots[0], str) and isinstance(roots[1], Graph):
        return roots[1]
    if not roots or not all(isinstance(x, Vertex) for x in roots):
        raise TeachgradError(
            f"a {type(thing).__name__} has no graph to show.\nWays out: show a tensor that was computed, as in "
            "tg.show(model(x)); a static function that has run; a Graph, or one of f.trace.moments.")
    return history(roots)


def as_read(x: Vertex, reader: Vertex) -> Vertex:
    """`x` as it was when `reader` was made from it: an overwritten tensor leaves its past behind."""
    while x.id > reader.id and x.past is not None:
        x = x.past
    return x


def history(roots: Sequence[Vertex]) -> Graph:
    """All that tensors were made from, as a graph. What a backward pass has freed is not there any more."""
    found: dict[int, Vertex] = {}
    stack = list(roots)
    while stack:
        v = stack.pop()
        if v.id not in found:
            found[v.id] = v
            stack += [as_read(x, v) for x in v.inputs]
    order = [found[i] for i in sorted(found)]
    leaves = [v for v in order if v.op is None]
    cells = [v for v in leaves if isinstance(v, State) or v.result_type is not type(v)]
    kept = {v.id for v in cells}
    inputs = [v for v in leaves if v.id not in kept and not is_number(v)]
    name = next((v.name for v in roots if v.name), None) or str(roots[0].op or "tensor")
    return Graph(name, tuple(inputs), tuple(cells), tuple(roots), (), tuple(v for v in order if v.op is not None))


def is_number(v: Vertex) -> bool:
    """Whether a leaf is a number that was written in the code."""
    return (v.op is None and type(v) is not Overwritten and isinstance(v._data, np.ndarray) and not v._data.ndim
            and not v._data.flags.writeable and not v.requires_grad)


def of_graph(graph: Graph, plan: Plan, quiet: Iterable[int], inputs: Sequence[str] = ()) -> Picture:
    """The nodes of a graph, numbered: inputs, parameters, then ops, each constant before the first op to read it.

    `inputs` are names for inputs that have none.
    """
    quiet = set(quiet)
    keys: dict[int, int] = {}
    nodes: list[Node] = []
    names = Names()

    def add(v: Vertex, kind: str, name: str) -> None:
        inputs = tuple(keys[as_read(x, v).id] for x in v.inputs) if kind == OP else ()
        keys[v.id] = len(nodes)
        where = locate(v.site)
        late = any(nodes[k].phase != FORWARD for k in inputs)
        phase = BACKWARD if graph.source(v) in quiet else UPDATE if late else FORWARD
        nodes.append(Node(
            keys[v.id], kind, name, str(v.op) if v.op is not None else "", inputs, describe(shape_of(v)),
            ", ".join(f"{key}={setting(value)}" for key, value in v.attrs.items()), str(where) if where else "",
            graph.scopes.get(graph.source(v), ""), phase if kind == OP else FORWARD, v))

    for number, v in enumerate(graph.inputs):
        add(v, INPUT, names.give(v.name or (inputs[number] if number < len(inputs) else f"input{number}")))
    for v in graph.cells:
        add(v, PARAMETER, names.give(v.name or "cell"))
    for v in graph.order:
        for x in v.inputs:
            x = as_read(x, v)
            if x.id not in keys:
                add(x, CONSTANT, constant_name(x, names))
        add(v, OP, names.give(v.name or str(v.op)))
    for v in graph.results:
        if v.id not in keys:
            add(v, CONSTANT, constant_name(v, names))
    updates = tuple((keys[leaf.id], keys[new.id]) for leaf, new in graph.updates)
    outputs = tuple(keys[v.id] for v in graph.outputs)
    return Picture(
        graph.name, tuple(phased(nodes, {new for _, new in updates})), outputs, updates,
        {keys[i]: slot for i, slot in plan.slots.items() if i in keys}, keys)


def phased(nodes: Sequence[Node], news: set[int]) -> list[Node]:
    """The nodes, with what is there for nothing but the update moved to that phase."""
    if all(node.phase == FORWARD for node in nodes):
        return list(nodes)
    used: dict[int, set[str]] = {node.key: set() if node.key not in news else {UPDATE} for node in nodes}
    answer = list(nodes)
    for node in reversed(nodes):
        if node.kind == OP and node.phase == FORWARD and used[node.key] == {UPDATE}:
            answer[node.key] = replace(node, phase=UPDATE)
        for key in node.inputs:
            used[key].add(answer[node.key].phase)
    return answer


class Names:
    """Gives names, each once: what is taken gets a number."""

    def __init__(self) -> None:
        self.counts: dict[str, int] = {}

    def give(self, wish: str) -> str:
        wish = wish or "value"
        count = self.counts[wish] = self.counts.get(wish, 0) + 1
        if count == 1:
            return wish
        name = f"{wish}_{count}"
        return name if name not in self.counts else self.give(name)


def constant_name(v: Vertex, names: Names) -> str:
    """A constant of one element is called by its value."""
    if is_constant(v) and v._data.size == 1:
        return f"{v._data.item():.6g}" if v._data.dtype.kind == "f" else repr(v._data.item())
    return names.give(v.name or "constant")


def setting(value: Any) -> str:
    """The value of a setting, short: arrays as their dtype and shape."""
    if isinstance(value, np.ndarray):
        return describe(value)
    if isinstance(value, slice):
        bounds = ["" if bound is None else str(bound) for bound in (value.start, value.stop, value.step)]
        return ":".join(bounds if bounds[2] else bounds[:2])
    if isinstance(value, tuple) and any(isinstance(part, (slice, np.ndarray)) or part is ... for part in value):
        return f"[{', '.join('...' if part is ... else setting(part) for part in value)}]"
    text = repr(value)
    if " at 0x" in text:  # an object without a name of its own; its address differs from run to run
        text = getattr(value, "__qualname__", type(value).__name__)
    return text if len(text) <= 60 else text[:57] + "..."


__all__ = ["BACKWARD", "CONSTANT", "FORWARD", "INPUT", "OP", "PARAMETER", "UPDATE", "Node", "Picture",
           "moments_of", "picture_of"]
