"""Local derivatives of recorded ops, computed afresh in float64."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

import teachgrad as tg
from teachgrad import observe
from teachgrad.op import Op, apply

STEP = 1e-5


def as_float64(value: Any) -> Any:
    """Arrays and dtypes of floating-point numbers in double precision, anything else as it is."""
    if isinstance(value, np.ndarray) and value.dtype.kind == "f":
        return value.astype(np.float64)
    if isinstance(value, np.dtype) and value.kind == "f":
        return np.dtype(np.float64)
    return value


def local_column(
    op: Op, inputs: Sequence[np.ndarray], attrs: Mapping[str, Any], edge: int, element: tuple[int, ...]
) -> np.ndarray | None:
    """∂z/∂x[element] for all elements of the result z at once, x being input number `edge`.

    That is the derivative of z along the direction of this element, which the gradient rule of the op gives exactly
    (as a Jacobian-vector product); if it cannot, a central difference of the forward computation does. None if neither
    works, or if the result is not one array.
    """
    arrays = [as_float64(x) for x in inputs]
    settings = {key: as_float64(value) for key, value in attrs.items()}
    direction = np.zeros_like(arrays[edge])
    if len(element) != direction.ndim or any(i >= n for i, n in zip(element, direction.shape, strict=True)):
        return None
    direction[element] = 1.0
    with observe.watching(None), np.errstate(all="ignore"):
        for way in (_by_rule, _by_difference):
            try:
                column = way(op, arrays, settings, edge, direction)
            except Exception:  # the op may come from a stranger's file, with settings that make no sense
                continue
            if isinstance(column, np.ndarray):
                return column
    return None


def local_row(
    op: Op, inputs: Sequence[np.ndarray], attrs: Mapping[str, Any], element: tuple[int, ...]
) -> list[np.ndarray | None] | None:
    """∂z[element]/∂x for all elements of each input x: the gradient rule of the op, given 1 at this element of z.

    None for inputs that no gradient flows to, and altogether if the op has no rule or more than one result.
    """
    arrays = [as_float64(x) for x in inputs]
    settings = {key: as_float64(value) for key, value in attrs.items()}
    with observe.watching(None), np.errstate(all="ignore"):
        try:
            given = [tg.tensor(x, requires_grad=x.dtype.kind == "f") for x in arrays]
            z = apply(op, tuple(given), settings)
            seed = np.zeros(z.shape)
            seed[element] = 1.0
            wanted = [x for x in given if x.requires_grad]
            found = iter(tg.grad(z, wanted, tg.tensor(seed, dtype=z.dtype), allow_unused=True))
        except Exception:  # the op may come from a stranger's file, with settings that make no sense
            return None
    slopes = [next(found) if x.requires_grad else None for x in given]
    return [None if slope is None else np.asarray(slope.numpy(), dtype=np.float64) for slope in slopes]


def _by_rule(op: Op, arrays: list[Any], attrs: Mapping[str, Any], edge: int, direction: np.ndarray) -> Any:
    constants = [tg.tensor(x) for x in arrays]

    def result(x: Any) -> Any:
        return apply(op, (*constants[:edge], x, *constants[edge + 1 :]), attrs)

    _, tangent = tg.jvp(result, constants[edge], tg.tensor(direction))
    return np.asarray(tangent.numpy(), dtype=np.float64)


def _by_difference(op: Op, arrays: list[Any], attrs: Mapping[str, Any], edge: int, direction: np.ndarray) -> Any:
    def result(shift: float) -> Any:
        moved = [*arrays[:edge], arrays[edge] + shift * direction, *arrays[edge + 1 :]]
        return op.forward(np, *moved, **attrs)

    return (np.asarray(result(STEP)) - np.asarray(result(-STEP))) / (2 * STEP)
