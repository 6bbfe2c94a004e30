"""Paired timing: contestants take turns in one process, and only ratios from the same round are compared.

A machine's speed drifts, by its clock and by its other users, and a drift hits neighbours in time alike. So each round
times every contestant once, in an order that rotates, and the figure for A over B is the median over rounds of A's time
divided by B's.
"""

from __future__ import annotations

import gc
import math
import statistics
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from time import process_time


@dataclass(frozen=True, slots=True)
class Effort:
    """How long to measure: samples last about `sample_s`, and rounds go on until every ratio is known to
    `precision`, or `budget_s` is spent, within the limits on the number of rounds."""

    sample_s: float = 0.02
    warm_up_s: float = 0.3
    budget_s: float = 8.0
    precision: float = 0.01
    min_rounds: int = 11
    max_rounds: int = 151


EFFORTS = {
    "full": Effort(),
    "quick": Effort(sample_s=0.005, warm_up_s=0.05, budget_s=1.0, precision=0.05, min_rounds=5, max_rounds=31),
}


@dataclass(frozen=True, slots=True)
class Estimate:
    """A median, and the ends of its 95 % confidence interval."""

    value: float
    low: float
    high: float

    @classmethod
    def of(cls, values: list[float]) -> Estimate:
        """The median, with the distribution-free interval from order statistics: ranks n/2 -+ 1.96 sqrt(n)/2."""
        ranked, n = sorted(values), len(values)
        low = max(0, math.floor(n / 2 - 0.98 * math.sqrt(n)))
        high = min(n - 1, math.ceil(n / 2 + 0.98 * math.sqrt(n)) - 1)
        return cls(statistics.median(ranked), ranked[low], ranked[high])

    def as_list(self) -> list[float]:
        return [self.value, self.low, self.high]


@dataclass(frozen=True, slots=True)
class Timings:
    """Seconds per call of every contestant, round by round."""

    seconds: Mapping[str, list[float]]

    @property
    def rounds(self) -> int:
        return len(next(iter(self.seconds.values())))

    def median(self, name: str) -> float:
        return statistics.median(self.seconds[name])

    def ratio(self, name: str, base: str) -> Estimate:
        return Estimate.of([a / b for a, b in zip(self.seconds[name], self.seconds[base], strict=True)])


def paired(
    calls: Mapping[str, Callable[[], object]], effort: Effort, clock: Callable[[], float] = process_time
) -> Timings:
    """Time `calls` in turns. The first one is the base whose ratios decide when the figures are good enough.

    The clock counts the processor time of all threads of this process. On one core that is the time on the wall, less
    what other programs took of the core.

    The garbage collector runs as in any program, since making garbage is part of a step's cost. But what is left over
    is collected before each sample, outside the clock, and what the libraries keep alive is hidden from it
    (`gc.freeze`), so that nobody pays for a neighbour's objects.
    """
    repeats = {name: _warm_up(call, effort, clock) for name, call in calls.items()}
    names = list(calls)
    base = names[0]
    seconds: dict[str, list[float]] = {name: [] for name in names}
    gc.collect()
    gc.freeze()
    try:
        started = clock()
        for turn in range(effort.max_rounds):
            for k in range(len(names)):
                name = names[(turn + k) % len(names)]
                gc.collect()
                calls[name]()  # the caches are the last one's; this call makes them its own
                seconds[name].append(_sample(calls[name], repeats[name], clock))
            timings = Timings(seconds)
            spent = clock() - started
            if turn + 1 >= effort.min_rounds and _settled(timings, base, effort.precision):
                break
            if spent > effort.budget_s and turn + 1 >= min(5, effort.min_rounds):
                break
    finally:
        gc.unfreeze()
    return timings


def _warm_up(call: Callable[[], object], effort: Effort, clock: Callable[[], float]) -> int:
    """Call until caches, allocators and branch predictors have settled; then say how many calls make one sample."""
    times: list[float] = []
    started = clock()
    while len(times) < 3 or (clock() - started < effort.warm_up_s and len(times) < 10_000):
        times.append(_sample(call, 1, clock))
    return max(1, math.ceil(effort.sample_s / max(statistics.median(times), 1e-9)))


def _sample(call: Callable[[], object], repeats: int, clock: Callable[[], float]) -> float:
    started = clock()
    for _ in range(repeats):
        call()
    return (clock() - started) / repeats


def _settled(timings: Timings, base: str, precision: float) -> bool:
    others = [timings.ratio(name, base) for name in timings.seconds if name != base]
    return all(ratio.high - ratio.low <= 2 * precision * ratio.value for ratio in others)
