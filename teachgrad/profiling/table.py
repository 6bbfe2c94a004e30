"""Tables of what took how long, and how near that is to what the machine can do."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from .machine import Machine
from .runs import Run

MOST_ROWS = 30


@dataclass(frozen=True)
class Row:
    """All runs of one kind."""

    name: str
    calls: int
    seconds: float
    share: float
    """Of the time of the whole profile."""
    read: int
    written: int
    flops: int
    bound: str
    """`memory` or `arithmetic`: what would bound most of it at the roofline."""
    roofline: float
    """The time at the roofline over the time it took: 1 is as fast as can be, more means that caches helped."""

    @property
    def intensity(self) -> float:
        """Operations for each byte that is read or written."""
        moved = self.read + self.written
        return self.flops / moved if moved else 0.0


def rows_of(runs: Sequence[Run], key: Callable[[Run], str], machine: Callable[[str], Machine],
            total: float) -> list[Row]:
    """The runs grouped by a key, those that took longest first. `machine` says what a device can do."""
    groups: dict[str, list[Run]] = {}
    for run in runs:
        groups.setdefault(key(run), []).append(run)
    rows = []
    for name, group in groups.items():
        seconds = sum(run.seconds for run in group)
        least = {"memory": 0.0, "arithmetic": 0.0}
        for run in group:
            there = machine(run.device)
            least[there.bound(run)] += there.least(run)
        rows.append(Row(
            name, len(group), seconds, seconds / total if total else 0.0, sum(run.read for run in group),
            sum(run.written for run in group), sum(run.flops for run in group), max(least, key=least.__getitem__),
            sum(least.values()) / seconds if seconds else 0.0))
    return sorted(rows, key=lambda row: (-row.seconds, row.name))


@dataclass(frozen=True)
class Table:
    """Rows, and the time that no kernel accounts for."""

    by: str
    rows: list[Row]
    kernels: float
    """Seconds in kernels."""
    outside: float
    """Seconds outside of kernels: Python, bookkeeping, and the user's own code."""
    measuring: float
    """Seconds that the profile itself took."""

    @property
    def total(self) -> float:
        """Seconds of the whole block."""
        return self.kernels + self.outside + self.measuring

    def __str__(self) -> str:
        shown = self.rows[:MOST_ROWS]
        width = max([len(self.by), len("Python and bookkeeping"), *(len(row.name) for row in shown)])
        lines = [f"{self.by:<{width}} {'calls':>7} {'ms':>9} {'%':>5} {'read':>8} {'written':>8} {'flops':>8} "
                 f"{'flop/B':>6} {'roof %':>6}  bound"]
        lines += [f"{row.name:<{width}} {row.calls:>7} {1e3 * row.seconds:>9.3f} {100 * row.share:>5.1f} "
                  f"{short(row.read):>8} {short(row.written):>8} {short(row.flops):>8} {row.intensity:>6.2f} "
                  f"{100 * row.roofline:>6.1f}  {row.bound}" for row in shown]
        if len(shown) < len(self.rows):
            rest = self.rows[MOST_ROWS:]
            lines.append(f"{f'{len(rest)} more':<{width}} {sum(row.calls for row in rest):>7} "
                         f"{1e3 * sum(row.seconds for row in rest):>9.3f} {100 * sum(row.share for row in rest):>5.1f}")
        for name, seconds in (("kernels", self.kernels), ("Python and bookkeeping", self.outside),
                              ("the profile itself", self.measuring), ("total", self.total)):
            share = 100 * seconds / self.total if self.total else 0.0
            lines.append(f"{name:<{width}} {'':>7} {1e3 * seconds:>9.3f} {share:>5.1f}")
        return "\n".join(lines)


@dataclass(frozen=True)
class Roofline:
    """What the devices that ran can do, and how near each kernel comes to it."""

    machines: Mapping[str, Machine]
    """By the name of the device."""
    rows: list[Row]

    @property
    def machine(self) -> Machine:
        """The first of them: the only one, if all ran on one device."""
        return next(iter(self.machines.values()))

    def __str__(self) -> str:
        shown = self.rows[:MOST_ROWS]
        width = max([len("kernel"), *(len(row.name) for row in shown)])
        lines = [*(f"{'this machine' if name == 'cpu' else name} {machine}" for name, machine in self.machines.items()),
                 f"{'kernel':<{width}} {'ms':>9} {'flop/B':>7} {'Gflop/s':>8} {'GB/s':>7} {'of roof':>8}  bound by"]
        for row in shown:
            moved = row.read + row.written
            lines.append(
                f"{row.name:<{width}} {1e3 * row.seconds:>9.3f} {row.intensity:>7.2f} "
                f"{row.flops / row.seconds / 1e9 if row.seconds else 0:>8.2f} "
                f"{moved / row.seconds / 1e9 if row.seconds else 0:>7.2f} {100 * row.roofline:>7.1f}%  {row.bound}")
        return "\n".join(lines)


def short(number: float) -> str:
    """A large number in few characters: 12.3k, 4.56M."""
    for unit in ("", "k", "M", "G", "T"):
        if number < 1000 or unit == "T":
            return f"{number:.3g}{unit}" if unit else f"{number:.0f}"
        number /= 1000
    raise AssertionError
