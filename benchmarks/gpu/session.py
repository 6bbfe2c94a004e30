"""A run of the whole benchmark: what goals are about comes first, and the table is written anew after each row."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from teachgrad_gpu.kernels import catalogue

from . import training  # noqa: F401  (it enters its steps)
from .generated import time_generated
from .goals import FIRST, goals
from .machine import Machine
from .report import Results, as_json, as_markdown
from .rows import Checked, Failed, Timed, check_all, time_all
from .steps import STEPS, Step
from .tests import Tested, run_tests

Row = Checked | Timed | Failed | Step | Tested
Part = tuple[str, Callable[[], Iterator[Row]]]


@dataclass
class Session:
    """What was measured so far, and where it is written."""

    machine: Machine
    folder: Path
    wanted: Callable[[str], bool]
    """Whether a kernel is asked for, by its name."""
    with_steps: bool = True
    with_tests: bool = True
    minutes: float | None = None
    """After so many no further row is begun."""
    end: float | None = None
    """When these are over, once it runs."""
    rows: list[Row] = field(default_factory=list)
    left: list[str] = field(default_factory=list)

    def parts(self) -> list[Part]:
        """What there is to do, in order."""
        def first(name: str) -> bool:
            return self.wanted(name) and name in FIRST

        def others(name: str) -> bool:
            return self.wanted(name) and name not in FIRST

        steps: list[Part] = [("training steps", lambda: (s for make in STEPS for s in make(self.machine)))]
        tests: list[Part] = [("tests on the device", lambda: iter([run_tests(self.seconds_left)]))]
        return [("static functions", lambda: time_generated(self.machine, self.wanted)),
                ("times of the kernels that goals are about", lambda: time_all(self.machine, first)),
                *(steps if self.with_steps else []),
                ("results of kernels", lambda: check_all(self.machine, self.wanted)),
                *(tests if self.with_tests else []),
                (f"times of the other {len(catalogue) - len(FIRST)} kernels", lambda: time_all(self.machine, others))]

    def run(self) -> None:
        """Measure all that there is time for."""
        self.end = None if self.minutes is None else time.monotonic() + 60 * self.minutes
        for name, rows in self.parts():
            if self.seconds_left == 0:
                self.left.append(name)
                continue
            for row in rows():
                print(said(row), flush=True)
                self.rows.append(row)
                self.write()
                if self.seconds_left == 0:
                    self.left.append(f"the rest of the {name}")
                    break
        self.write()

    @property
    def seconds_left(self) -> float | None:
        """For how long there may be something begun; None: for ever."""
        return None if self.end is None else max(0.0, self.end - time.monotonic())

    def results(self) -> Results:
        """All of it, with the goals that it meets or misses."""
        timed = [r for r in self.rows if isinstance(r, Timed)]
        steps = [r for r in self.rows if isinstance(r, Step)]
        measured = not self.machine.rehearsal
        reached = goals({t.kernel: t for t in timed if measured}, {s.name: s for s in steps if measured})
        return Results(self.machine.describe(), self.machine.peaks.copy,
                       [r for r in self.rows if isinstance(r, Checked)], timed,
                       [r for r in self.rows if isinstance(r, Failed)], steps, reached,
                       [r for r in self.rows if isinstance(r, Tested)], self.left)

    def write(self) -> None:
        """Write the table and its figures."""
        self.folder.mkdir(parents=True, exist_ok=True)
        results = self.results()
        (self.folder / "RESULTS.md").write_text(as_markdown(results), encoding="utf-8")
        (self.folder / "results.json").write_text(as_json(results), encoding="utf-8")

    @property
    def right(self) -> bool:
        """Whether nothing is wrong and nothing has failed."""
        results = self.results()
        return (all(c.right for c in results.checked) and all(t.agrees is not False for t in results.timed)
                and not results.failed and all(s.same for s in results.steps)
                and all(t.right for t in results.tested))


def said(row: Row) -> str:
    """A row as one line."""
    if isinstance(row, Checked):
        return f"{row.kernel:<30}{row.dtype:<9}{'right' if row.right else 'WRONG: ' + row.said}"
    if isinstance(row, Failed):
        return f"{row.kernel:<30}FAILED: {row.why}"
    if isinstance(row, Tested):
        return f"tests on the device: {row.said}"
    if isinstance(row, Step):
        return f"step {row.name:<25}{row.ms:10.3f} ms, losses {'as' if row.same else 'NOT AS'} on the CPU"
    return f"{row.kernel:<30}{row.ms:10.3f} ms {100 * row.of_copy:6.0f} % of a copy"
