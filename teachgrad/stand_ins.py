"""Stand-ins: what represents a tensor from outside while a function is traced.

A stand-in has the shape, the dtype and the flags of the tensor, and no value. Like every tensor it can be overwritten,
and its `.grad` can be read and written; it notes what was done to it, so that the graph can do the same.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

from .op import Shape, Spec, Vertex
from .sizes import is_open
from .tensor import Tensor


@dataclass(frozen=True)
class Source:
    """Where a leaf of a graph comes from in a call: an argument, a tensor from outside, or the gradient of one."""

    argument: int | None = None
    """The number of the argument, among all flattened ones."""
    tensor: Vertex | None = None
    gradient: bool = False

    def owner(self, leaves: Sequence[Any]) -> Any:
        """The tensor, or that whose gradient it is."""
        return leaves[self.argument] if self.argument is not None else self.tensor

    def find(self, leaves: Sequence[Any]) -> Any:
        """The tensor itself."""
        owner = self.owner(leaves)
        return owner._grad if self.gradient else owner


@dataclass(frozen=True)
class Facts:
    """What is true of a tensor from outside when it is first met."""

    requires_grad: bool
    hooks: tuple[Any, ...]
    contiguous: bool


class StandIn(Tensor):
    """Stands in a trace for a tensor from outside. Notices whether the gradient it comes with is used."""

    __slots__ = ("entry_gradient", "facts", "kept", "present", "reads_gradient", "real", "source", "touched")

    entry_gradient: Callable[[StandIn], Vertex | None]
    """Finds the gradient that the tensor comes with."""
    facts: Facts
    present: StandIn
    """The stand-in as it is now; this one may be what it was before an overwrite."""
    real: Vertex
    source: Source | None
    """None for a constant that the function makes itself."""
    kept: Any
    """The gradient, once it was touched."""
    touched: bool
    """Whether `.grad` was read or written so far."""
    reads_gradient: bool
    """Whether `.grad` was read before it was written: then the call depends on it."""

    @property
    def _grad(self) -> Any:
        me = self.present
        if not me.touched:
            me.touched = me.reads_gradient = True
            me.kept = me.entry_gradient(me)
        return me.kept

    @_grad.setter
    def _grad(self, value: Any) -> None:
        self.present.touched = True
        self.present.kept = value

    def earlier_self(self) -> Vertex:
        old = StandIn.__new__(StandIn)
        for slot in Vertex.__slots__:
            if slot != "_grad":
                setattr(old, slot, getattr(self, slot))
        for slot in ("entry_gradient", "facts", "present", "real", "source"):
            setattr(old, slot, getattr(self, slot))
        return old


def stand_in(x: Vertex, source: Source | None, entry_gradient: Callable[[StandIn], Vertex | None],
             shape: Shape | None = None) -> StandIn:
    """A vertex with the spec of `x` and no value; `shape` is given where sizes of it are left open."""
    s = StandIn.__new__(StandIn)
    s.present, s.real, s.source, s.entry_gradient = s, x, source, entry_gradient
    s.facts = Facts(x.requires_grad, x.hooks, x._data.flags.c_contiguous)
    s.kept, s.touched, s.reads_gradient = None, True, False
    Vertex.__init__(s, Spec(x.shape if shape is None else shape, x.dtype), x.requires_grad, x.name)
    s.touched = False
    s.site, s.hooks = x.site, x.hooks
    return s


def called(s: Vertex) -> str:
    """A tensor in the middle of a sentence."""
    return s.name or f"a tensor of shape {s.shape}"


def twin(x: Vertex, shape: Shape) -> Vertex:
    """What a function is given in place of an argument of which sizes are left open: all of `x` but its value."""
    y = type(x).__new__(type(x))
    for slot in Vertex.__slots__:
        setattr(y, slot, getattr(x, slot))
    y._data = Spec(shape, x.dtype)
    return y


def kind_of_gradient(g: Any) -> tuple[Any, ...] | None:
    """What a trace depends on in a gradient that a tensor comes with."""
    return None if g is None else (g._data.shape, g._data.dtype, g._data.strides, g.requires_grad, g.hooks)


def kind_of_entry(s: StandIn) -> tuple[Any, ...] | None:
    """What a trace depends on in the gradient that the tensor behind `s` comes with; its sizes are those of `s`."""
    kind = kind_of_gradient(s.real._grad)
    if kind is None or not has_open_gradient(s):
        return kind
    strides = [kind[1].itemsize * prod(s.shape[axis + 1:]) for axis in range(s.ndim)]
    return s.shape, kind[1], tuple(strides), *kind[3:]


def has_open_gradient(s: StandIn) -> bool:
    """Whether sizes are left open in the gradient that the tensor behind `s` comes with."""
    return is_open(s.shape) and bool(s.real._grad._data.flags.c_contiguous)  # type: ignore[union-attr]


def is_entry_gradient(s: StandIn) -> bool:
    """Whether the gradient of `s` is still the tensor that it came with, perhaps overwritten."""
    g = s.kept
    return isinstance(g, StandIn) and g.source is not None and g.source.gradient and g.real is s.real._grad


def source_of(s: StandIn) -> Source:
    """The source of a stand-in for a tensor from outside."""
    assert s.source is not None
    return s.source


def original(s: Vertex) -> Vertex:
    """A stand-in as it was before any overwrite."""
    while s.past is not None:
        s = s.past
    return s


__all__ = [
    "Facts",
    "Source",
    "StandIn",
    "called",
    "has_open_gradient",
    "is_entry_gradient",
    "kind_of_entry",
    "kind_of_gradient",
    "original",
    "source_of",
    "stand_in",
    "twin",
]
