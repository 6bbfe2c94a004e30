"""Where the time goes: per op, layer, line and kernel, with bytes, operations and the roofline of the machine.

    with tg.profile() as p:
        step(x, t)
    print(p.table(by="layer"))

Nothing is installed outside of such a block. In it, dynamic mode times each op, on a device from when that has
nothing to do until it has nothing to do again; a static function runs a twin of its program that looks at the clock
after every kernel.
"""

from __future__ import annotations

import json
from functools import cached_property
from os import PathLike
from pathlib import Path
from time import perf_counter
from typing import Any, Self

from .. import observe
from ..drawing.model import picture_of
from ..errors import TeachgradError
from ..op import state
from .chrome import events
from .machine import Machine, machine
from .memory import Memory, of_dynamic, of_static
from .meter import Meter
from .runs import KEYS, Run
from .table import Roofline, Row, Table, rows_of


class Profile:
    """Measures the computations of this thread inside a `with` block. Made by `tg.profile()`.

    `runs` has every kernel that ran, once for each time; the other methods sum them up. A profile cannot be taken while
    a `Recorder` listens, for it would time that.
    """

    def __init__(self) -> None:
        self._meter: Meter | None = None
        self._start = self._end = 0.0

    def __enter__(self) -> Self:
        if self._meter is not None:
            raise TeachgradError("this profile has been taken; make another one with tg.profile()")
        if state.now.meter is not None or observe.sink is not None:
            raise TeachgradError("a profile cannot be taken inside another one, or while a Recorder listens: it would "
                                 "time that as well.\nWay out: take one after the other.")
        self._meter = Meter()
        state.now.meter, observe.sink = self._meter, self._meter.event
        self._start = perf_counter()
        return self

    def __exit__(self, *exception: object) -> None:
        self._end = perf_counter()
        state.now.meter = observe.sink = None

    @property
    def meter(self) -> Meter:
        """What was measured."""
        if self._meter is None or not self._end:
            raise TeachgradError("this profile has not been taken: put `with tg.profile() as p:` around what to "
                                 "measure, and ask after the block")
        return self._meter

    @property
    def seconds(self) -> float:
        """How long the block took."""
        return self._end - self._start

    @cached_property
    def runs(self) -> list[Run]:
        """Every kernel that ran, in order."""
        return self.meter.all_runs()

    def table(self, by: str = "op") -> Table:
        """Time, bytes and operations by "op", "layer", "kernel", "line" or "phase": to print, or as `rows`.

        Bytes are those of the inputs and results, each counted once a run. `roof %` is the time at the roofline over
        the time taken; small values that stay in a cache can do better than 100.
        """
        if by not in KEYS:
            raise TeachgradError(f"a profile has no table by {by!r}; it has them by {', '.join(KEYS)}")
        measuring = min(self.meter.overhead, self.seconds)
        kernels = sum(run.seconds for run in self.runs)
        rows = rows_of(self.runs, KEYS[by], machine, self.seconds)
        return Table(by, rows, kernels, max(0.0, self.seconds - kernels - measuring), measuring)

    def roofline(self) -> Roofline:
        """For each kernel, whether memory or arithmetic bounds it, and how near it comes to what its device can do."""
        machines = {name: machine(name) for name in dict.fromkeys(run.device for run in self.runs) or ("cpu",)}
        return Roofline(machines, rows_of(self.runs, KEYS["kernel"], machine, self.seconds))

    def memory(self) -> Memory:
        """The most memory that values took at once, and which values those were.

        Of dynamic mode, from when the results of ops were made and given back; of static functions, from the plan.
        Where both ran, the larger of the two.
        """
        meter = self.meter
        answers = [of_static(compiled.graph, picture_of(compiled), twin) for compiled, twin in meter.programs.values()]
        if meter.memory or not answers:
            answers.append(of_dynamic(meter.dynamic_runs(), meter.memory))
        return max(answers, key=lambda memory: memory.peak)

    def chrome(self, path: str | PathLike[str]) -> None:
        """Write a Chrome trace: phases, modules and kernels on one track, for any viewer of such traces."""
        trace: dict[str, Any] = {"traceEvents": events(self.runs, self._start), "displayTimeUnit": "ms"}
        Path(path).write_text(json.dumps(trace), encoding="utf-8")

    def __str__(self) -> str:
        return str(self.table())


def profile() -> Profile:
    """Measure what a block computes: `with tg.profile() as p:`, and then `p.table()`, `p.memory()`, `p.chrome(path)`.

    >>> x = tg.ones((64, 64))
    >>> with tg.profile() as p:
    ...     y = (x @ x).sum()
    >>> [(row.name, row.calls, row.flops) for row in sorted(p.table().rows, key=lambda row: row.name)]
    [('matmul', 1, 524288), ('sum', 1, 4096)]
    """
    return Profile()


__all__ = ["Machine", "Memory", "Profile", "Roofline", "Row", "Run", "Table", "machine", "profile"]
