"""The different values in a tensor. How many there are depends on the values: these have no place in a static graph."""

from __future__ import annotations

from typing import Any, NamedTuple

from .. import dtypes
from ..errors import ShapeError
from ..op import Array, Op, Spec, Vertex, apply
from .shape import reshape
from .tuples import unpack


class Unique(Op):
    r"""(first place, which one, how often): for the different values of x in ascending order, the index of the first
    occurrence of each and how many there are; and for each element of x, which of the values it is. nan is never equal.
    """

    differentiable = False

    def infer(self, x: Spec) -> Any:
        raise ShapeError("how many different values there are depends on the values")

    def forward(self, xp: Any, x: Array) -> Any:
        _, first, which, count = xp.unique(x, return_index=True, return_inverse=True, return_counts=True,
                                           equal_nan=False)
        return (first.astype(dtypes.int64, copy=False), which.reshape(x.shape).astype(dtypes.int64, copy=False),
                count.astype(dtypes.int64, copy=False))


unique = Unique()


class UniqueAll(NamedTuple):
    """What `unique_all` gives."""

    values: Any
    indices: Any
    inverse_indices: Any
    counts: Any


class UniqueCounts(NamedTuple):
    """What `unique_counts` gives."""

    values: Any
    counts: Any


class UniqueInverse(NamedTuple):
    """What `unique_inverse` gives."""

    values: Any
    inverse_indices: Any


def unique_all(x: Vertex, /) -> UniqueAll:
    """The different values of x, ascending; where each occurs first, counted in row-major order; which of them each
    element of x is; and how often each occurs. Gradients flow from a value to its first occurrence."""
    first, which, count = unpack(apply(unique, (x,)))
    return UniqueAll(reshape(x, (-1,))[first], first, which, count)


def unique_counts(x: Vertex, /) -> UniqueCounts:
    """The different values of x, ascending, and how often each occurs."""
    found = unique_all(x)
    return UniqueCounts(found.values, found.counts)


def unique_inverse(x: Vertex, /) -> UniqueInverse:
    """The different values of x, ascending, and for each element of x which of them it is: values[inverse] is x."""
    found = unique_all(x)
    return UniqueInverse(found.values, found.inverse_indices)


def unique_values(x: Vertex, /) -> Any:
    """The different values of x, ascending."""
    return unique_all(x).values
