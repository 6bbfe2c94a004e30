"""What puzzles limit: measures of the accesses of a launch."""

from __future__ import annotations

from collections.abc import Callable

from .puzzle import Bound, Case, Counter

Measure = Callable[[tuple[Counter, ...], Case], float]


def elements(space: str, *operations: str) -> Measure:
    """Elements that were touched in a memory, counted by thread."""

    def measure(counters: tuple[Counter, ...], case: Case) -> float:
        return float(sum(c.lanes for c in counters if c.space == space and c.operation in operations))

    return measure


def sectors_per_request(counters: tuple[Counter, ...], case: Case) -> float:
    """Sectors of 32 bytes that a warp's request to global memory takes, on average."""
    asked = [c for c in counters if c.space == "global"]
    requests = sum(c.requests for c in asked)
    return sum(c.transactions for c in asked) / requests if requests else 0.0


def bank_conflicts(counters: tuple[Counter, ...], case: Case) -> float:
    """Turns of shared memory beyond those that would do."""
    return float(sum(c.bank_conflicts for c in counters))


ONCE = Bound("once", "elements written, counted by thread", elements("global", "store"),
             lambda case: case.expected["out"].size)  # fmt: skip
"""No element is written twice. (Two threads that write the same number are in nobody's way, but one works in vain.)"""
