"""What the memory accesses of a kernel cost, by line: warps' requests, and the transactions that they take."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

WASTEFUL = 0.5
"""The efficiency from which on a report calls an access by its bad name."""


@dataclass(frozen=True)
class Counter:
    """The accesses of one line of one sort, summed over all warps.

    A request is what the lanes of a warp do together. Global memory answers it in sectors of 32 bytes; shared memory
    in wavefronts, one for each different word that the busiest of its 32 banks must deliver. Accesses of 8 or 16 bytes
    are answered to as many lanes at once as want 128 bytes; loads to twice as many, if all lanes want the same by pairs
    of neighbours, or of those two apart. `ideal` is how many would do for the bytes that were asked for. A line with a
    branch has only requests and lanes.
    """

    line: int | None
    space: str
    """"global", "shared" or "code"."""
    operation: str
    """"load", "store", "atomic" or "run"."""
    requests: int
    lanes: int
    """Lanes that took part, summed over the requests."""
    bytes: int
    transactions: int
    """Sectors in global memory, wavefronts in shared memory."""
    ideal: int
    partial: int
    """Requests in which not all lanes of the warp took part."""

    @property
    def unit(self) -> str:
        """What a transaction is."""
        return {"global": "sectors", "shared": "wavefronts"}.get(self.space, "runs")

    @property
    def per_request(self) -> float:
        """Transactions per request."""
        return self.transactions / self.requests if self.requests else 0.0

    @property
    def ideal_per_request(self) -> float:
        """The transactions per request that would do."""
        return self.ideal / self.requests if self.requests else 0.0

    @property
    def efficiency(self) -> float:
        """Ideal transactions over those made: 1.0 is coalesced, or free of bank conflicts."""
        return self.ideal / self.transactions if self.transactions else 1.0

    @property
    def bank_conflicts(self) -> int:
        """Wavefronts beyond the ideal."""
        return self.transactions - self.ideal if self.space == "shared" else 0

    @property
    def active(self) -> float:
        """Lanes that took part in a request, on average."""
        return self.lanes / self.requests if self.requests else 0.0


def merged(rows: Iterable[tuple[int | None, int, int, int, tuple[int, ...]]]) -> tuple[Counter, ...]:
    """Counters by line from those by instruction: (line, kind, shared, code, numbers).

    The accesses of a line that are alike are added up. Of the stretches of code of a line, the one that runs most
    counts.
    """
    totals: dict[tuple[int | None, str, str], list[int]] = {}
    stretches: dict[int | None, list[tuple[int, ...]]] = defaultdict(list)
    for line, kind, shared, code, numbers in rows:
        if code:
            stretches[line].append(numbers)
            continue
        operation = "atomic" if kind & 2 else "store" if kind & 1 else "load"
        total = totals.setdefault((line, "shared" if shared else "global", operation), [0] * len(numbers))
        for position, number in enumerate(numbers):
            total[position] += number
    for line, several in stretches.items():
        busiest = max(several, key=_partial_runs)
        totals[line, "code", "run"] = list(busiest)
    found = [Counter(*key, *numbers) for key, numbers in totals.items()]
    order = {"code": 0, "global": 1, "shared": 2}
    return tuple(sorted(found, key=lambda c: (c.line or 0, order[c.space], c.operation)))


def _partial_runs(numbers: tuple[int, ...]) -> tuple[int, int]:
    return numbers[5], numbers[0]


def table(counters: Iterable[Counter], text: list[str]) -> list[str]:
    """The counters as lines of text, below the line of source that they belong to."""
    rows: list[str] = []
    shown: int | None = -1
    for c in counters:
        if c.space == "code" and (not c.partial or c.line is None):
            continue
        if c.line != shown:
            shown = c.line
            source = text[c.line - 1].strip() if c.line and c.line <= len(text) else "(not a line of yours)"
            rows.append(f"  {c.line or '':>4} | {source}")
        rows.append("       " + told(c))
    return rows


def told(c: Counter) -> str:
    """A counter in words."""
    if c.space == "code":
        return f"branch         {c.requests} runs by warps, {c.active:.1f} lanes active on average"
    requests = f"{c.requests} request{'s' if c.requests != 1 else ''}"
    name = "bank conflicts" if c.space == "shared" else "not coalesced"
    bad = f", {name}" if c.efficiency <= WASTEFUL else ""
    each = f"{c.per_request:.2f} {c.unit} each (ideal {c.ideal_per_request:.2f})"
    return f"{c.space} {c.operation:<7} {requests}, {each}{bad}"
