"""An array as HTML: statistics, and each element as a number or, where there are many, as a cell of a map."""

from __future__ import annotations

import math

import numpy as np

from ..graph import describe
from ..statistics import Statistics, statistics_of
from .svg import escape

NUMBERS = 8
"""Up to so many rows and columns, the elements stand there as numbers."""
ROWS, COLUMNS = 24, 48
"""Of a map; a cell of a larger array is the mean of a block of elements."""
LEVELS = 6
CELL = 8
POSITIVE, NEGATIVE = "#d1603d", "#3d7fc4"
"""Seen on white and on black. Negative cells are smaller besides, so that colour is not needed."""
_SMALL = "font-size:12px;opacity:.75"
_MONO = "font:12px ui-monospace,Menlo,Consolas,monospace"


def heat_map(array: np.ndarray, head: str, note: str) -> str:
    """The array with a heading."""
    title = f"{head} {describe(array)}"
    lines = [f'<div style="{_MONO}"><b>{escape(title)}</b> <span style="opacity:.75">{escape(note)}</span></div>']
    if array.size == 1:
        lines.append(f'<div style="{_MONO}">{number(array.reshape(-1)[0])}</div>')
    elif array.size:
        lines.append(f'<div style="{_SMALL}">{told(statistics_of(array))}</div>')
        matrix = as_matrix(array)
        lines.append(table(matrix) if max(matrix.shape) <= NUMBERS else drawn(matrix, title))
    return f'<div style="margin:4px 0">{"".join(lines)}</div>'


def told(s: Statistics) -> str:
    """Statistics as text."""
    values = ("min", s.minimum), ("max", s.maximum), ("mean", s.mean), ("std", s.std)
    counts = ("zeros", s.zeros), ("nan", s.nans), ("inf", s.infs)
    return ", ".join([*(f"{label} {number(x)}" for label, x in values if x is not None),
                      *(f"{n} {label}" for label, n in counts if n)])


def number(value: float) -> str:
    """A number in four digits."""
    return f"{value:.4g}" if isinstance(value, (float, np.floating)) else str(value)


def as_matrix(array: np.ndarray) -> np.ndarray:
    """The array with two axes: the last one, and all others."""
    return array.reshape(1, -1) if array.ndim < 2 else array.reshape(-1, array.shape[-1])


def table(matrix: np.ndarray) -> str:
    """All elements as numbers, on a ground that says how large they are."""
    scale = largest(matrix)
    rows = []
    for row in matrix:
        cells = "".join(f'<td style="text-align:right;padding:1px 7px;{ground(float(x), scale)}">{number(x)}</td>'
                        for x in row)
        rows.append(f"<tr>{cells}</tr>")
    return f'<table style="border-collapse:collapse;margin:4px 0;{_MONO}">{"".join(rows)}</table>'


def ground(value: float, scale: float) -> str:
    """The background of a number."""
    if not math.isfinite(value):
        return "outline:1px solid currentColor"
    share = round(100 * min(1.0, abs(value) / scale) * 0.45) if scale else 0
    colour = POSITIVE if value > 0 else NEGATIVE
    return f"background:color-mix(in srgb,{colour} {share}%,transparent)"


def largest(values: np.ndarray) -> float:
    """The largest finite magnitude."""
    finite = np.abs(values[np.isfinite(values)].astype(np.float64)) if values.size else values
    return float(finite.max()) if finite.size else 0.0


def drawn(matrix: np.ndarray, title: str) -> str:
    """A map of the elements: a block of them to a cell, darker the larger its mean is."""
    cells, block = blocks(matrix)
    scale = largest(cells)
    rows, columns = cells.shape
    paths: dict[tuple[bool, int], list[str]] = {}
    marks = []
    for y, row in enumerate(cells):
        for x, value in enumerate(row):
            if not math.isfinite(value):
                marks.append(f"M{x * CELL + 1} {y * CELL + 1}l6 6m0-6l-6 6")
            elif level := math.ceil(LEVELS * abs(value) / scale) if scale else 0:
                inset = 0 if value > 0 else 1.5
                side = CELL - 0.5 - 2 * inset
                square = f"M{x * CELL + inset:g} {y * CELL + inset:g}h{side:g}v{side:g}h{-side:g}z"
                paths.setdefault((bool(value > 0), level), []).append(square)
    shapes = "".join(
        f'<path fill="{POSITIVE if up else NEGATIVE}" fill-opacity="{level / LEVELS:.2f}" d="{"".join(squares)}"/>'
        for (up, level), squares in sorted(paths.items()))
    if marks:
        shapes += f'<path fill="none" stroke="currentColor" d="{"".join(marks)}"/>'
    width, height = columns * CELL, rows * CELL
    each = "" if block == (1, 1) else f"; a cell is the mean of {block[0]}×{block[1]} elements"
    legend = f"up to {number(scale)}; full squares are positive, small ones negative{each}"
    return (f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" '
            f'role="img" aria-label="map of {escape(title)}" style="display:block;margin:4px 0;max-width:100%">'
            f'<rect width="{width}" height="{height}" fill="currentColor" fill-opacity=".05"/>{shapes}</svg>'
            f'<div style="{_SMALL}">{legend}</div>')


def blocks(matrix: np.ndarray) -> tuple[np.ndarray, tuple[int, int]]:
    """The means of blocks of elements, at most `ROWS` by `COLUMNS` of them, and how large a block is."""
    rows, columns = matrix.shape
    block = -(-rows // ROWS), -(-columns // COLUMNS)
    padded = np.full((-(-rows // block[0]) * block[0], -(-columns // block[1]) * block[1]), np.nan)
    padded[:rows, :columns] = matrix
    parts = padded.reshape(padded.shape[0] // block[0], block[0], padded.shape[1] // block[1], block[1])
    if block == (1, 1):
        return parts[:, 0, :, 0], block
    inside = np.zeros(padded.shape, bool)
    inside[:rows, :columns] = True
    counts = inside.reshape(parts.shape).sum(axis=(1, 3))
    with np.errstate(all="ignore"):
        return np.where(inside.reshape(parts.shape), parts, 0.0).sum(axis=(1, 3)) / counts, block
