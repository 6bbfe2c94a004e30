"""What fusion puts together: groups of ops that share a nest of loops, and where in it each op is computed.

A group has a space, the lengths of its loops. Each of its ops is computed at a place: for every axis, the loop that
runs along it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from ...dtypes import C_TYPES
from ...op import Spec, Vertex
from ...ops.elementwise_op import Elementwise
from ...ops.shape import Astype, Copy

Place = tuple[int | None, ...]
"""For each axis of a value the loop that runs along it, or None where it does not vary."""
TILE = 1024
"""A sum along memory is made of parts of so many terms, if there are at least two."""

@dataclass(eq=False)
class Group:
    """Vertices that are computed together.

    `kind`: "loops"; "scalar", a single number; "product", of matrices; "attention", and the items that are its
    results; "body", C of the op's own; "numpy", a call.
    """

    kind: str
    members: list[Vertex]
    space: tuple[int, ...] = ()
    places: dict[int, Place] = field(default_factory=dict)
    """The place of the value of each member, by id."""
    points: dict[int, Place] = field(default_factory=dict)
    """The place where each member is computed: for a reduction, that of its input."""
    inner: frozenset[int] | None = None
    """The loops that are inner ones; not yet decided while no reduction needs them to be."""
    needs: set[Group] = field(default_factory=set)
    """The groups that must be done before."""

    @property
    def loops(self) -> frozenset[int]:
        return frozenset(range(len(self.space)))

    @property
    def outer(self) -> frozenset[int]:
        return self.loops - (self.inner if self.inner is not None else self.loops)

    def summed(self, v: Vertex) -> frozenset[int]:
        """The loops that a reduction runs over."""
        return varying(self.points[v.id]) - varying(self.places[v.id])

    def known_inside(self, v: Vertex) -> bool:
        """Whether the value of a member can be used while the loops of its group still run."""
        if not is_reduction(v) or not self.summed(v):
            return True
        return self.inner is not None and not self.summed(v) & self.outer


def varying(place: Place) -> frozenset[int]:
    """The loops along which something varies."""
    return frozenset(loop for loop in place if loop is not None)


def speakable(v: Vertex) -> bool:
    """Whether the types of a vertex and its inputs have C names, and there is something to compute."""
    return (type(v._data) is Spec and v._data.size > 0 and v.dtype in C_TYPES
            and all(type(x._data) is not tuple and x.size and x.dtype in C_TYPES for x in v.inputs))


def is_elementwise(v: Vertex) -> bool:
    """Whether a vertex is a C expression of elements of its inputs."""
    op = v.op
    if not speakable(v):
        return False
    if isinstance(op, Elementwise):
        kind = v.inputs[op.operands.index("x")].dtype.kind
        return kind in op.c_whole or (bool(op.c) and kind in op.c_kinds and (not op.may_fail or bool(op.c_fails)))
    if isinstance(op, Astype):
        # what NumPy makes of 1e30 as a short or unsigned integer depends on how its own loops were compiled
        return v.inputs[0].dtype.kind != "f" or v.dtype.kind in "fb" or v.dtype in (np.int32, np.int64)
    return isinstance(op, Copy)


def is_reduction(v: Vertex) -> bool:
    """Whether a vertex is a running result over elements of its input."""
    start = getattr(v.op, "c_start", "")
    return bool(start) and speakable(v) and v.dtype.kind in ("f" if "INFINITY" in start else "iuf")


def is_single(v: Vertex) -> bool:
    """Whether a vertex is one number, and made of such."""
    return v.size == 1 and all(x.size == 1 for x in v.inputs)


def member_fits(group: Group, v: Vertex, inner: frozenset[int] | None) -> bool:
    """Whether a member of a group can stay as it is with these inner loops."""
    level = varying(group.points[v.id])
    summed = group.summed(v)
    if inner is None:
        return True
    if level != group.loops and level != group.loops - inner:
        return False
    return not summed & inner or inner <= summed


def point_shape(v: Vertex) -> tuple[int, ...]:
    """The shape over which a vertex is computed: that of its result, or of the input of a reduction."""
    return v.inputs[0].shape if is_reduction(v) else v.shape


def fit(shape: tuple[int, ...], pins: Sequence[tuple[Place, int]], space: tuple[int, ...]) -> Place | None:
    """A loop for each axis of a shape, such that the inputs that are pinned to loops already stay where they are."""
    point: list[int | None] = [None] * len(shape)
    for place, ndim in pins:
        for axis, loop in enumerate(place):
            at = axis + len(shape) - ndim
            if loop is not None:
                if point[at] not in (None, loop) or shape[at] != space[loop]:
                    return None
                point[at] = loop
    taken = {loop for loop in point if loop is not None}
    if len(taken) < sum(loop is not None for loop in point):
        return None  # x + xᵀ: two axes along one loop
    free = [loop for loop in range(len(space)) if loop not in taken]
    for at, n in enumerate(shape):
        if n != 1 and point[at] is None:
            match = next((loop for loop in free if space[loop] == n), None)
            if match is None:
                return None
            if any(other is not None and other > match for other in point[:at]) and not pins:
                return None
            free.remove(match)
            point[at] = match
    return tuple(point)


def reduced_place(v: Vertex, point: Place) -> tuple[Place, frozenset[int]]:
    """Where the result of a reduction is that is computed at `point`, and the loops that it sums over."""
    x = v.inputs[0]
    axes = v.attrs.get("axis")
    if axes is None:  # sum_to
        extra = x.ndim - v.ndim
        axes = (*range(extra), *(extra + a for a, n in enumerate(v.shape) if n == 1))
    kept = [loop for axis, loop in enumerate(point) if axis not in axes and x.shape[axis] != 1]
    summed = frozenset(loop for axis, loop in enumerate(point) if axis in axes and loop is not None)
    return tuple(None if n == 1 else kept.pop(0) for n in v.shape), summed
