"""The puzzles, a file each: the task, where it begins, the launches that check it, and hints for common mistakes."""

from __future__ import annotations

from ..puzzle import Puzzle
from . import (
    add_ten,
    axis_sum,
    banks,
    blocks,
    broadcast,
    coalesce,
    dot,
    guard,
    histogram,
    map_one,
    map_two,
    matmul,
    pool,
    race,
    reverse,
    scan,
    softmax,
    strided,
    warp_sum,
    zip_two,
)

PUZZLES: tuple[Puzzle, ...] = tuple(module.PUZZLE for module in (
    add_ten, map_one, zip_two, guard, map_two, broadcast, blocks, strided, reverse, pool, dot, warp_sum, scan, axis_sum,
    coalesce, banks, matmul, histogram, softmax, race))  # fmt: skip
"""In the order in which they build on one another; they are numbered from 1."""
