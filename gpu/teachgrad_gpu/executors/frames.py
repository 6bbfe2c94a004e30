"""The arrays of a graph while it runs: of a whole program, or of a body in one turn of its loop."""

from __future__ import annotations

from typing import Any

import numpy as np

from teachgrad.graph import is_constant
from teachgrad.op import Vertex, explain

from ..generating.building import CudaBuilding
from ..generating.launches import At


class Frame:
    """Which array has which value of a building."""

    def __init__(self, building: CudaBuilding, arrays: dict[int, Any], constants: dict[int, Any], xp: Any) -> None:
        self.building, self.arrays, self.constants, self.xp = building, arrays, constants, xp
        self.made: dict[int, Any] = {}
        """What the array library has made in memory of its own, by id."""

    def argument(self, x: At | np.generic) -> Any:
        """An argument of a launch."""
        if not isinstance(x, At):
            return x
        array = self.arrays[x.id]
        return array if x.size is None else array.reshape(-1)[x.first:x.first + x.size]

    def value(self, v: Vertex) -> Any:
        """The value of a vertex as an array, now."""
        if is_constant(v):
            return self.constants.get(v.id, v._data)
        if v.id in self.made:
            return self.made[v.id]
        known = self.arrays.get(self.building.place_of(v).id)
        if known is not None:
            return known
        assert v.op is not None
        return v.op.forward(self.xp, self.value(v.inputs[0]), **v.attrs)

    def by_library(self, v: Vertex) -> None:
        """Compute a value that there is no kernel for, with the array library."""
        assert v.op is not None
        try:
            result = v.op.forward(self.xp, *[self.value(x) for x in v.inputs], **v.attrs)
        except (ValueError, TypeError, IndexError, ArithmeticError) as error:
            raise explain(v.op, v.inputs, v.attrs, error, self.building.graph.where(v)) from error
        if v.id in self.arrays:
            self.arrays[v.id][...] = result
        else:
            self.made[v.id] = result if type(result) is tuple else self.xp.asarray(result)
