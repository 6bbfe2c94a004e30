"""Passes turn a graph into a better one that means the same. A level is a list of passes.

| level | promise |
| --- | --- |
| O0 replay | the recorded calls, in order |
| O1 exact | only rewrites that keep every bit |
| O2 stable | algebra of real numbers: last bits may change, overflow goes, each rule says its bound |
| O3 fast | the algebra of O2; ops are taken apart, put into loops together, and compiled; last bits may differ |
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from ..control.body import Control
from ..errors import TeachgradError
from ..graph import Graph
from .algebra import O2, PHASES, fight
from .exact import O0, O1, Pass, fold, prune
from .fast import O3
from .inside import inside
from .rewriting import Log, Rewrite
from .rules import RULES, Rule

LEVELS: dict[str, tuple[Pass, ...]] = {"O0": O0, "O1": O1, "O2": O2, "O3": O3}
MOST_ROUNDS = 12
"""So often the phases of algebra follow one another before their rules are taken to fight."""


def optimize(graph: Graph, level: str, log: Log | None = None) -> tuple[list[tuple[str, Graph]], list[Rewrite]]:
    """The graph after each pass of a level, by name, the first being the recorded one; and the log of rewrites.

    The phases of algebra are repeated until a round of them changes nothing. Where a level has some, the bodies of
    loops and branches are rewritten in the same way, at the end.
    """
    if level not in LEVELS:
        raise TeachgradError(f"there is no level {level!r}; here are {', '.join(LEVELS)}")
    moments = [("recorded", graph)]
    log = Log() if log is None else log
    phases = [step for step in LEVELS[level] if step in PHASES]
    for step in LEVELS[level]:
        moments.append((step.__name__, step(moments[-1][1], log)))
        log.ends.append(len(log))
        if phases and step is phases[-1]:
            moments += more_rounds(moments[-1][1], phases, log)
    if phases and any(isinstance(v.op, Control) for v in moments[-1][1].order):
        moments.append(("inside", inside(moments[-1][1], partial(optimize_body, level=level, log=log))))
    return moments, log


def optimize_body(body: Graph, level: str, log: Log) -> Graph:
    """The body of a loop or a branch, by the passes of a level."""
    start = len(log)
    graph = optimize(body, level, log)[0][-1][1]
    log[start:] = [replace(entry, pass_name=f"{entry.pass_name} in {body.name}") for entry in log[start:]]
    return graph


def more_rounds(graph: Graph, phases: Sequence[Pass], log: Log) -> list[tuple[str, Graph]]:
    """The phases over and over, constants computed in between, until they change nothing; the graph after each."""
    moments: list[tuple[str, Graph]] = []
    for _ in range(MOST_ROUNDS):
        start = len(log)
        for step in (fold, *phases):
            before = len(log)
            graph = step(graph, log)
            if len(log) > before:
                moments.append((step.__name__, graph))
                log.ends.append(len(log))
        if len(log) == start:
            return moments
    raise fight(" and ".join(phase.__name__ for phase in phases), log[start:])


__all__ = ["LEVELS", "RULES", "Log", "Pass", "Rewrite", "Rule", "optimize", "prune"]
