"""The passes of level O2: rules that hold for real numbers, phase by phase, each to a fixpoint, and all to a fixpoint.

They may change last bits, and they give numbers where the textbook's form overflows; each rule says by how much and
where. Phases as in Theano: canonicalise, stabilise, specialise.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..errors import TeachgradError
from ..graph import Graph
from . import canonical, crossentropy, moves, ratios, special, stable
from .exact import Pass, fold, forget_unchanged, lower, merge, prune, updates_last
from .rewriting import Rewrite, rewrite
from .rules import Rule, rules_of

MOST_SWEEPS = 40
"""So often the rules of a phase walk through a graph before they are taken to fight."""
CANONICAL = rules_of(moves, canonical)
STABLE = rules_of(ratios, stable, crossentropy)
SPECIAL = rules_of(special)


def to_fixpoint(graph: Graph, name: str, rules: Sequence[Rule], log: list[Rewrite]) -> Graph:
    """Walk through the graph with the rules until none has anything to say any more."""
    fired: list[Rewrite] = []
    for _ in range(MOST_SWEEPS):
        before = len(log)
        graph = rewrite(graph, name, rules, log)
        if len(log) == before:
            return graph
        fired = log[before:]
    raise fight(name, [*log[before - len(fired):before], *fired])


def fight(name: str, fired: Sequence[Rewrite]) -> TeachgradError:
    """The error for rules that undo each other without end: those that fired at the same lines at the end."""
    last = fired[-1]
    same = [entry for entry in fired if entry.where == last.where and entry.rule != last.rule]
    other = same[-1] if same else last
    return TeachgradError(f"{name} does not come to an end at {last.before.op} ({last.where}): the rules {other.rule} "
                          f"({other.rule_where}) and {last.rule} ({last.rule_where}) undo each other")


def canonicalise(graph: Graph, log: list[Rewrite]) -> Graph:
    """Bring what means the same to the same form."""
    return to_fixpoint(graph, "canonicalise", CANONICAL, log)


def stabilise(graph: Graph, log: list[Rewrite]) -> Graph:
    """Replace forms that overflow or lose digits."""
    return to_fixpoint(graph, "stabilise", STABLE, log)


def specialise(graph: Graph, log: list[Rewrite]) -> Graph:
    """Take cheaper ops for what is left."""
    return to_fixpoint(graph, "specialise", SPECIAL, log)


PHASES: tuple[Pass, ...] = (canonicalise, stabilise, specialise)
O2: tuple[Pass, ...] = (merge, fold, merge, *PHASES, lower, merge, fold, merge, forget_unchanged, prune, updates_last)
