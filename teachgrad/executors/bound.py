"""What programs do alike that are bound to memory, whatever computes for them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from ..errors import TeachgradError, TraceError, user_site
from ..graph import Graph
from ..interpreter import evaluate
from ..op import Vertex, explain


class Places(Protocol):
    """What a building knows of where values lie; `teachgrad.executors.c.placing` has one."""

    graph: Graph
    views: Any
    direct: dict[int, Vertex]


def busy(graph: Graph) -> TraceError:
    """The error for a program that is called while it runs."""
    return TraceError.at("TG-S11", f"{graph.name} was called again while it ran, from the code of a tg.Function in it",
                         user_site(), "Its memory is in use.", "call the plain function there")


def check_writable(name: str, *arrays: Any) -> None:
    """Refuse before anything is written."""
    for array in arrays:
        if not array.flags.writeable:
            raise TraceError.at(
                "TG-S09", f"{name} overwrites a tensor of shape {array.shape} whose memory is read-only", user_site(),
                "Nothing has been written yet.", "give it memory of its own with copy()")


def write_back(places: Places, commits: Sequence[tuple[Vertex, Vertex]], value: Callable[[Vertex], Any],
               arrays: Mapping[int, Any]) -> None:
    """Write new values over the leaves, all of them after everything is computed.

    One that lies in a leaf, or in what was written straight over one, is saved before any leaf is written.
    """
    leaves = {v.id for v in places.graph.leaves}
    pending = []
    for leaf, new in commits:
        array = value(new)
        base = places.views.base(new).id
        pending.append((leaf, array.copy() if base in leaves or base in places.direct else array))
    for leaf, array in pending:
        arrays[leaf.id][...] = array


def told(graph: Graph, values: dict[int, Any], language: str) -> Exception:
    """What is wrong with these values of the leaves, as NumPy says it: generated code only knows that something is."""
    for v in graph.order:
        assert v.op is not None
        try:
            values[v.id] = evaluate(v, values)
        except (ValueError, TypeError, IndexError, ArithmeticError) as error:
            explained = explain(v.op, v.inputs, v.attrs, error, graph.where(v))
            explained.__cause__ = error
            return explained
    return TeachgradError(f"the generated {language} of {graph.name} refuses values that NumPy takes")


def on_copies(program: Callable[[Sequence[Any], list[Any]], list[Any]], graph: Graph, inputs: Sequence[Any],
              cells: Sequence[Any]) -> tuple[list[Any], list[Any]]:
    """The outputs of a program and the new values of the leaves that it updates, with nothing of ours overwritten."""
    arrays = [array.copy(order="K") for array in inputs], [array.copy(order="K") for array in cells]
    outputs = program(*arrays)
    after = dict(zip([v.id for v in graph.leaves], [*arrays[0], *arrays[1]], strict=True))
    return outputs, [after[leaf.id] for leaf, _ in graph.updates]
