"""An array in a pane: its statistics, a histogram, a heat map, or the numbers themselves."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from teachgrad.recording import Statistics

from ..session import Session

BINS = 64
HEAT_ROWS, HEAT_COLUMNS = 64, 128
NUMBER_ROWS, NUMBER_COLUMNS = 64, 32
HISTOGRAM_LIMIT = 1 << 22
"""Arrays with more elements are thinned out before they are counted into bins."""


@dataclass(frozen=True, slots=True)
class Histogram:
    """How many elements lie in each of the equal intervals from `low` to `high`."""

    low: float
    high: float
    counts: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Grid:
    """An array as a matrix, each cell the mean of a block of elements.

    `rows` and `columns` are the lengths of the matrix; a cell stands for `row_block` by `column_block` elements.
    """

    rows: int
    columns: int
    row_block: int
    column_block: int
    cells: tuple[tuple[float, ...], ...]
    scale: float
    """The largest magnitude of a cell."""


@dataclass(frozen=True, slots=True)
class ArrayView:
    """What is known of an array."""

    dtype: str
    shape: tuple[int, ...]
    nbytes: int
    statistics: Statistics | None
    value: float | None
    """Of an array of one element, its value."""
    histogram: Histogram | None
    grid: Grid | None
    numbers: tuple[tuple[float, ...], ...] | None
    """The first rows and columns, if they are wanted as numbers."""
    note: str = ""
    """Why there is not more."""


def view_array(session: Session, number: int | None, numbers: bool = False) -> ArrayView | None:
    """What there is to show of an array."""
    info = session.info(number)
    if info is None:
        return None
    values = session.array(number)
    statistics = session.statistics(number)
    note = "" if values is not None else session.why_not(number)
    if values is None or values.size == 0:
        return ArrayView(info.dtype, info.shape, info.nbytes, statistics, None, None, None, None, note)
    real = np.abs(values) if values.dtype.kind == "c" else values
    one = float(real.reshape(-1)[0]) if values.size == 1 else None
    matrix = as_matrix(real)
    return ArrayView(
        info.dtype, info.shape, info.nbytes, statistics, one,
        None if one is not None else _histogram(real),
        None if one is not None else _grid(matrix),
        tuple(tuple(map(float, row[:NUMBER_COLUMNS])) for row in matrix[:NUMBER_ROWS]) if numbers else None,
        note,
    )  # fmt: skip


def as_matrix(values: np.ndarray) -> np.ndarray:
    """The array as a matrix: all axes but the last together are the rows."""
    return values.reshape(-1, values.shape[-1]) if values.ndim > 1 else values.reshape(1, -1)


def _histogram(values: np.ndarray) -> Histogram | None:
    flat = values.reshape(-1)
    flat = flat[:: max(1, flat.size // HISTOGRAM_LIMIT)].astype(np.float64)
    flat = flat[np.isfinite(flat)]
    if not flat.size:
        return None
    low, high = float(flat.min()), float(flat.max())
    if not math.isfinite(high - low) or low == high:
        return Histogram(low, high, (flat.size,))
    counts, _ = np.histogram(flat, BINS, (low, high))
    return Histogram(low, high, tuple(map(int, counts)))


def _grid(matrix: np.ndarray) -> Grid:
    rows, columns = matrix.shape
    row_block = -(-rows // HEAT_ROWS)
    column_block = -(-columns // HEAT_COLUMNS)
    cells = blocks(matrix.astype(np.float64), row_block, column_block)
    finite = np.abs(cells[np.isfinite(cells)])
    return Grid(
        rows,
        columns,
        row_block,
        column_block,
        tuple(tuple(map(float, row)) for row in cells),
        float(finite.max()) if finite.size else 0.0,
    )


def blocks(matrix: np.ndarray, row_block: int, column_block: int) -> np.ndarray:
    """The means of blocks of a matrix; blocks at the edges may be smaller."""
    rows, columns = matrix.shape
    if row_block == column_block == 1:
        return matrix
    with np.errstate(all="ignore"):
        sums = np.add.reduceat(
            np.add.reduceat(matrix, np.arange(0, rows, row_block), axis=0), np.arange(0, columns, column_block), axis=1
        )
    heights = np.diff([*range(0, rows, row_block), rows])
    widths = np.diff([*range(0, columns, column_block), columns])
    return sums / np.outer(heights, widths)


# ---- one element -----------------------------------------------------------------------------------------------------


def inside(element: tuple[int, ...], values: np.ndarray) -> bool:
    """Whether an array has such an element."""
    return len(element) == values.ndim and all(0 <= i < n for i, n in zip(element, values.shape, strict=True))


def largest(values: np.ndarray) -> tuple[int, ...]:
    """The element of largest magnitude, nan aside; the first where no element is finite."""
    magnitude = np.abs(values).reshape(-1)
    at = int(np.nanargmax(magnitude)) if np.isfinite(magnitude).any() else 0
    return tuple(int(i) for i in np.unravel_index(at, values.shape))
