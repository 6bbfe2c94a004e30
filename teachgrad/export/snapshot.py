"""What is exported: the graph of a function as it is now, and the values of the tensors that it uses.

A graph for C that stands alone is simpler than one that lives in Python. Every array lies in C order; every result is a
value that some op computes into memory of its own, so that nobody has to make a copy at the end; and each leaf has a
name that C, C++ and the writer of the files can live with.
"""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..creation import tensor
from ..dtypes import C_TYPES
from ..errors import DTypeError, ExecutorError
from ..executors.c.alone import standing_alone
from ..graph import Graph
from ..op import Vertex
from ..passes import optimize
from ..signature import refuse_shared_memory
from ..stand_ins import Source
from ..static import StaticFunction
from ..structure import flatten
from ..trace import Recording

CPLUSPLUS = frozenset((
    "alignas", "alignof", "and", "and_eq", "bitand", "bitor", "catch", "class", "compl", "concept", "const_cast",
    "constexpr", "decltype", "delete", "dynamic_cast", "explicit", "export", "friend", "mutable", "namespace", "new",
    "noexcept", "not", "not_eq", "nullptr", "operator", "or", "or_eq", "private", "protected", "public",
    "reinterpret_cast", "requires", "static_assert", "static_cast", "template", "this", "thread_local", "throw", "try",
    "typeid", "typename", "using", "virtual", "wchar_t", "xor", "xor_eq"))
"""Words that the header cannot use, since C++ reads it too."""
OURS = CPLUSPLUS | {"weights", "state", "memory", "size_of_weights", "size_of_state", "size_of_memory", "run", "step",
                    "load", "save", "init", "stdin", "stdout", "stderr", "NULL"}
"""Those, and names that an export uses itself."""


@dataclass(frozen=True, eq=False)
class Snapshot:
    """A function as a graph that can stand alone."""

    graph: Graph
    values: dict[int, Any]
    """The arrays of its cells, in C order, by id."""


def snapshot(fn: Callable[..., Any], example: Any, train: bool) -> Snapshot:
    """Trace a function or a model on an example of its arguments, and take what it depends on as it is now."""
    plain = fn.fn if isinstance(fn, StaticFunction) else fn
    arguments = tuple([x if isinstance(x, Vertex) or not isinstance(x, np.ndarray) else tensor(x)
                       for x in (example if isinstance(example, tuple) else (example,))])
    static = StaticFunction(plain, "O3", "numpy", "reuse")
    leaves, tree = flatten((arguments, {}))
    with contextlib.nullcontext() if train else evaluating(plain):
        recording = static.recorded(leaves, tree)[0]
    sources = recording.sources
    written = [sources[leaf.id] for leaf, _ in recording.graph.updates]
    refuse_shared_memory(static.name, written, sources.values(), leaves)
    refuse(static.name, recording, train)
    name_inputs(plain, recording, arguments)
    graph = optimize(computed(static.name, recording), "O3")[0][-1][1]
    graph = standing_alone(graph)
    name_results(graph)
    need_numbers(graph)
    values = {v.id: np.ascontiguousarray(sources[v.id].find(leaves)._data).reshape(v.shape) for v in graph.cells}
    return Snapshot(graph, values)


@contextlib.contextmanager
def evaluating(model: Any) -> Iterator[None]:
    """A model, if it is one, in the mode in which it is evaluated."""
    modules = [m for m in model.modules() if m.training] if callable(getattr(model, "modules", None)) else []
    for m in modules:
        m.training = False
    try:
        yield
    finally:
        for m in modules:
            m.training = True


def refuse(name: str, recording: Recording, train: bool) -> None:
    """Refuse what a call does besides computing, where C cannot do it."""
    if recording.graph.updates and not train:
        written = ", ".join(sorted({called(recording.sources[leaf.id]) for leaf, _ in recording.graph.updates}))
        raise ExecutorError(f"{name} overwrites {written}, so it is more than inference.\nWays out: "
                            "export_c(..., train=True) for a step that keeps a state; or model.eval() in the function, "
                            "so that dropout and running statistics are left alone.")
    kept = {id(source.tensor) for source in recording.deposits} | {id(source.tensor) for source, _ in recording.links}
    for source, kind in recording.entry:
        if kind is not None or id(source.tensor) in kept:
            raise ExecutorError(f"{name} adds to the gradient that {called(source)} comes with, and C keeps no "
                                "gradients from one call to the next.\nWay out: call optimizer.zero_grad() in the "
                                "function before backward(), and once before the export.")


def called(source: Source) -> str:
    """A tensor in the middle of a sentence."""
    if source.argument is not None:
        return f"argument {source.argument}"
    assert source.tensor is not None
    return source.tensor.name or f"a tensor of shape {source.tensor.shape}"


def name_inputs(fn: Any, recording: Recording, arguments: Sequence[Any]) -> None:
    """Call the inputs what the parameters of the function are called, where they are those."""
    flat = all(isinstance(x, Vertex) or not isinstance(x, (tuple, list, dict)) for x in arguments)
    parameters = list(inspect.signature(getattr(fn, "forward", fn)).parameters)
    for number, v in enumerate(recording.graph.inputs):
        at = recording.sources[v.id].argument
        v.name = parameters[at] if flat and at is not None and at < len(parameters) else v.name or f"input_{number}"


NOT_COMPUTED = {
    "value": ("a plain number or text", "leave it out of what the function returns, or return tg.tensor(...) of it"),
    "held": ("a tensor that it is given, as it is", "return a copy() of it, or leave it out"),
    "view": ("a view of a tensor that it is given (a transpose, a slice, a reshape)", "return a copy() of it"),
    "gradient": ("a gradient that it leaves behind", "return a copy() of it, or leave it out"),
}
"""What a result can be that C does not compute, by its kind in a recording, and what to return instead."""


def computed(name: str, recording: Recording) -> Graph:
    """The graph of what the function returns and overwrites, gradients that it leaves behind not among it."""
    outputs = []
    for what in recording.results:
        if what[0] == "output":
            outputs.append(recording.graph.outputs[what[1]])
        elif what[0] != "value" or what[1] is not None:
            thing, way = NOT_COMPUTED[what[0]]
            raise ExecutorError(f"{name} returns {thing}, and C can only return what it computes.\nWay out: {way}.")
    return replace(recording.graph, outputs=tuple(outputs), families=(), strides={})


def name_results(graph: Graph) -> None:
    """Give results a name, and no value one that an export uses itself."""
    for number, v in enumerate(graph.outputs):
        v.name = v.name or ("result" if len(graph.outputs) == 1 else f"result_{number}")
    for v in (*graph.leaves, *graph.order):
        if v.name is not None and "".join(c if c.isascii() and c.isalnum() else "_" for c in v.name) in OURS:
            v.name += "_value"


def need_numbers(graph: Graph) -> None:
    """Refuse inputs and results that C has no type for, or that are empty."""
    for v in (*graph.leaves, *graph.outputs):
        if v.size == 0:
            raise DTypeError(f"{v.name} has no elements, and arrays of C have at least one")
        if v.dtype not in C_TYPES:
            raise DTypeError(f"{v.name} is {v.dtype}, for which C has no type.\nWay out: astype(tg.float32)")


__all__ = ["Snapshot", "snapshot"]
