"""When two vertices of a graph are equal: the same op on the same inputs with the same settings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..graph import is_constant
from ..op import Op, Spec, Vertex


def key_of(op: Op, inputs: Sequence[Vertex], attrs: Mapping[str, Any]) -> Any:
    """What an equal vertex has too. None if there is no equal one: the op is not pure."""
    if not op.pure:
        return None
    settings = tuple(sorted((k, frozen(a)) for k, a in attrs.items())) if attrs else ()
    return op.name, tuple([identity(x) for x in inputs]), settings


def identity(x: Vertex) -> Any:
    """What makes a vertex the same as another: itself, or for small constants the bytes."""
    if is_constant(x) and x._data.nbytes <= 64:
        return x._data.dtype.str, x._data.shape, x._data.strides, x._data.tobytes()
    return x.id


def frozen(value: Any) -> Any:
    """A setting as a hashable value that also tells apart what `==` does not (1, 1.0 and True; slices)."""
    if isinstance(value, slice):
        return "slice", value.start, value.stop, value.step
    if isinstance(value, (tuple, list)):
        return tuple(frozen(item) for item in value)
    if isinstance(value, Spec):
        return "Spec", repr(value)
    plain = isinstance(value, (int, float, str, bytes, type(None)))
    return type(value).__name__, value if plain else id(value)
