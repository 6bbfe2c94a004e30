"""What arrays have in common that a recording does not tell apart before it looks at their elements."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy import ndarray

from .schema import DTYPE_NAMES, DTYPES


class Kind(NamedTuple):
    """The dtype and the shape of an array as the file has them; its size; and whether its elements are in memory as
    they are in the file, little-endian."""

    dtype: str
    shape: str
    nbytes: int
    as_stored: bool

    def stored(self, array: np.ndarray) -> np.ndarray:
        """An array of this kind as it is in the file: little-endian, in C order."""
        return np.asarray(array, DTYPES[self.dtype], order="C")


_known: dict[tuple[Any, ...], Kind] = {}
MOST_KNOWN = 4096


def kind_of(array: Any) -> Kind | None:
    """The kind of an array, or None of what cannot be recorded. Asked of every array."""
    if type(array) is not ndarray:
        return None
    key = (array.dtype, array.shape)
    kind = _known.get(key)
    if kind is None and array.dtype in DTYPE_NAMES:
        name = DTYPE_NAMES[array.dtype]
        if len(_known) >= MOST_KNOWN:
            _known.clear()
        shape = ",".join(map(str, array.shape))
        kind = _known[key] = Kind(name, shape, math.prod(array.shape) * array.itemsize, array.dtype == DTYPES[name])
    return kind
