"""Why a static function traces again: what of a call none of its traces fits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .compiled import Family
from .dims import Opened
from .errors import place
from .graph import describe
from .guards import Guard
from .op import Vertex
from .signature import difference, signature
from .structure import Tree


def explain(families: dict[Any, list[Family]], name: str, leaves: Sequence[Any], tree: Tree, opened: Opened) -> str:
    """What a call with these arguments would run, and for each trace that it does not fit, why not."""
    key = signature(leaves, tree, opened.shapes)
    sizes = ", ".join(f"{size} = {n}" for size, n in opened.sizes.items())
    call = f"{name}({', '.join(describe(x._data) if isinstance(x, Vertex) else repr(x) for x in leaves)})"
    lines = []
    number = 0
    for known, members in families.items():
        for family in members:
            number += 1
            reasons = misfits(family, leaves, opened) if known == key else [difference([known, key])]
            if not reasons:
                there = tuple(opened.sizes.values()) in family.traces
                what = f" for {sizes}" + ("" if there else ", for which it makes a program") if sizes else ""
                return f"{call} runs trace {number}{what}"
            lines += [f"  trace {number}: {reason}" for reason in reasons]
    return "\n".join([f"{call} is traced" + (" again" if lines else ": it is the first call"), *lines])


def misfits(family: Family, leaves: Sequence[Any], opened: Opened) -> list[str]:
    """Why arguments of the right signature do not fit what was traced."""
    values = ", ".join(f"{size} is {n}" for size, n in opened.sizes.items())
    reasons = [f"it is good where {condition}; here {values}" for condition in family.sizes.broken(opened.sizes)]
    fit = family.latest.fit
    reasons += [f"{guard.what.rstrip(',')} is not what it was{told(guard)}"
                for guard in (*fit.guards, *fit.counted.guards) if not guard.holds()]
    if not reasons and not family.fits(opened.sizes, leaves):
        reasons.append("an argument is, or has as its gradient, another tensor than it had")
    return reasons


def told(guard: Guard) -> str:
    """The code that depends on a guard."""
    return f" ({place(guard.where)})" if guard.where is not None else ""


__all__ = ["explain", "misfits"]
