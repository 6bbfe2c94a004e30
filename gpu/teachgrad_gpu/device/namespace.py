"""CuPy as the array library of ops: its functions, and in NumPy's spelling what it has under another one.

Ops are written for NumPy and for whatever has its functions. CuPy has nearly all of them; the few that it lacks, or
that take other arguments there, are here.
"""

from __future__ import annotations

from typing import Any

import numpy as np


class Namespace:
    """The functions of CuPy (or of what stands in for it in tests), as ops call them."""

    def __init__(self, base: Any) -> None:
        self.base = base
        self.add, self.maximum, self.minimum = Add(base), Largest(base, "maximum"), Largest(base, "minimum")

    def __getattr__(self, name: str) -> Any:
        found = getattr(self.base, name)
        setattr(self, name, found)
        return found

    def vecdot(self, x: Any, y: Any) -> Any:
        """Σ x y over the last axis."""
        return self.base.einsum("...i,...i->...", x, y)

    def sort(self, x: Any, axis: int = -1, kind: Any = None) -> Any:
        """x in order; CuPy has no kind of sorting but the stable one."""
        return self.base.sort(x, axis=axis, kind="stable")

    def argsort(self, x: Any, axis: int = -1, kind: Any = None) -> Any:
        """The indices that sort x."""
        return self.base.argsort(x, axis=axis, kind="stable")


class Function:
    """One of CuPy's elementwise functions, whose other uses are spelled otherwise there."""

    def __init__(self, base: Any, name: str) -> None:
        self.base, self.function = base, getattr(base, name)

    def __call__(self, *arrays: Any, **settings: Any) -> Any:
        return self.function(*arrays, **settings)


class Add(Function):
    """Addition, sums, and adding to places."""

    def __init__(self, base: Any) -> None:
        super().__init__(base, "add")

    def reduce(self, x: Any, axis: Any = 0, dtype: Any = None, keepdims: bool = False, out: Any = None) -> Any:
        """Σ x over the axes. Truth values and small integers stay of their type unless `dtype` says otherwise."""
        return self.base.sum(x, axis=axis, dtype=dtype or x.dtype, keepdims=keepdims, out=out)

    def accumulate(self, x: Any, axis: int = 0, dtype: Any = None, out: Any = None) -> Any:
        return self.base.cumsum(x, axis=axis, dtype=dtype or x.dtype, out=out)

    def reduceat(self, x: Any, starts: Any, axis: int = 0) -> Any:
        """The sums of the parts of x that begin at `starts`."""
        return self.function.reduceat(x, starts, axis=axis)

    def at(self, z: Any, index: Any, x: Any) -> None:
        """z[index] += x, every occurrence counted."""
        if z.dtype == np.int64:  # sums of both kinds of integers have the same bits, and CuPy adds this one
            z = z.view(np.uint64)
            x = x.astype(np.int64).view(np.uint64) if hasattr(x, "view") else np.uint64(x)
        self.function.at(z, index, x)


class Largest(Function):
    """The larger or smaller of two, and of many."""

    def __init__(self, base: Any, name: str) -> None:
        super().__init__(base, name)
        self.of_many = base.max if name == "maximum" else base.min

    def reduce(self, x: Any, axis: Any = 0, keepdims: bool = False, out: Any = None, initial: Any = None) -> Any:
        """The extreme x over the axes; `initial`, if given, takes part."""
        if initial is None:
            return self.of_many(x, axis=axis, keepdims=keepdims, out=out)
        axes = axis if isinstance(axis, tuple) else (axis,)
        if any(x.shape[a] == 0 for a in axes):
            shape = [1 if a in axes or a - x.ndim in axes else n for a, n in enumerate(x.shape)]
            z = self.base.full(shape, initial, dtype=x.dtype)
            return z if keepdims else self.base.squeeze(z, axis=axis)
        return self.function(self.of_many(x, axis=axis, keepdims=keepdims), x.dtype.type(initial), out=out)
