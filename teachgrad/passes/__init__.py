"""Passes turn a graph into a better one that means the same. A level is a list of passes.

| level | promise |
| --- | --- |
| O0 replay | the recorded calls, in order |
| O1 exact | only rewrites that keep every bit |
| O3 fast | ops are taken apart, put into loops together, and compiled; last bits may differ |
"""

from __future__ import annotations

from ..errors import TeachgradError
from ..graph import Graph
from .exact import O0, O1, Pass
from .fast import O3
from .rewriting import Rewrite

LEVELS: dict[str, tuple[Pass, ...]] = {"O0": O0, "O1": O1, "O3": O3}


def optimize(graph: Graph, level: str) -> tuple[list[tuple[str, Graph]], list[Rewrite]]:
    """The graph after each pass of a level, by name, the first being the recorded one; and the log of rewrites."""
    if level not in LEVELS:
        raise TeachgradError(f"there is no level {level!r}; here are {', '.join(LEVELS)}")
    moments = [("recorded", graph)]
    log: list[Rewrite] = []
    for step in LEVELS[level]:
        moments.append((step.__name__, step(moments[-1][1], log)))
    return moments, log
