"""What recording costs by level on the five workloads, and how the inspector behaves with the number of ops.

    python -m benchmarks.costs.inspector            writes benchmarks/INSPECTOR.md

Recorded and unrecorded steps take turns, and of each the fastest of several rounds counts. Their clock counts processor
time, which other programs hardly change; what waits for the disk is not in it. The inspector is the real program on a
terminal of its own (a pty): opened is what shows a status line, a key is painted when the status line names the moment
that it leads to.
"""

from __future__ import annotations

import os
import pty
import re
import select
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import date
from itertools import chain
from pathlib import Path

from teachgrad.recording import LEVELS, Reader, Recorder

from ..machine import describe, last_core
from ..peers import DYNAMIC
from ..workload import Step
from ..workloads import WORKLOADS

ROUNDS, SAMPLE_S = 9, 0.15
OPS = (100, 1_000, 10_000, 100_000)
STEPS = 1_000
KEYS = 40
SIZE = 100, 30
PATIENCE_S = 120.0
TORCHLENS = "14x to 75x"
"""What TorchLens 2.33 publishes for its capture over a plain forward pass (docs/_perf_numbers.md)."""
TARGET = Path(__file__).parents[1] / "INSPECTOR.md"


# ---- recording -------------------------------------------------------------------------------------------------------


def recording() -> Iterator[list[str]]:
    """For each workload: milliseconds of a step, how many times that when it is recorded, what closing a recording of
    the last level takes, and kilobytes of a step."""
    with tempfile.TemporaryDirectory() as folder:
        for name, workload in WORKLOADS.items():
            step = workload.contestants[DYNAMIC](workload.problem())
            best, closing, sizes = _alternating(step, Path(folder))
            times = [f"{best[level] / best['off']:.2f}x" for level in LEVELS]
            times.append(f"{closing[LEVELS[-1]] / best['off']:.2f}x")
            exact = _exact(Path(folder) / "replay.tgr")
            yield [name, f"{best['off'] * 1e3:.2f} ms", *times, *(f"{sizes[level] / 1e3:,.0f} kB" for level in LEVELS),
                   exact]  # fmt: skip


def _alternating(step: Step, folder: Path) -> tuple[dict[str, float], dict[str, float], dict[str, float]]:
    """The fastest seconds of a step, not recorded and by level; its share of closing; and its bytes in the file."""
    step()
    count = max(3, int(SAMPLE_S / _seconds(step, 1)))
    best, closing = (dict.fromkeys(("off", *LEVELS), float("inf")) for _ in range(2))
    sizes = dict.fromkeys(map(str, LEVELS), 0.0)
    for _ in range(ROUNDS):
        best["off"] = min(best["off"], _seconds(step, count))
        for level in LEVELS:
            path = folder / f"{level}.tgr"
            with Recorder(path, level=level):
                best[level] = min(best[level], _seconds(step, count))
                started = time.process_time()
            closing[level] = min(closing[level], (time.process_time() - started) / count)
            sizes[level] = path.stat().st_size / count
    return best, closing, sizes


def _seconds(step: Step, count: int) -> float:
    started = time.process_time()
    for _ in range(count):
        step()
    return (time.process_time() - started) / count


def _exact(path: Path) -> str:
    """Of the arrays of a training step that are to be computed again, how many come out bit for bit."""
    good = all_ = 0
    with Reader(path) as run:
        for row in run.step(run.steps - 1).rows:
            for number in {row.value, row.delta} - {None}:
                if number is not None and run.array(number).marked:
                    all_ += 1
                    good += run.values(number) is not None
    return f"{good} of {all_}"


# ---- the inspector ---------------------------------------------------------------------------------------------------


class Program:
    """The inspector on a terminal of its own."""

    def __init__(self, *arguments: str) -> None:
        self.started = time.perf_counter()
        self.pid, self._terminal = pty.fork()
        if self.pid == 0:
            os.environ.update(TERM="xterm-256color", COLORTERM="truecolor", TEXTUAL_ANIMATIONS="none", LANG="C.UTF-8",
                              COLUMNS=str(SIZE[0]), LINES=str(SIZE[1]))  # fmt: skip
            os.execv(sys.executable, [sys.executable, "-m", "teachgrad", "inspect", *arguments])
        self._seen = b""

    def wait(self, pattern: bytes) -> float:
        """The seconds until something is painted."""
        started = time.perf_counter()
        while not re.search(pattern, self._seen):
            ready, _, _ = select.select([self._terminal], [], [], PATIENCE_S)
            if not ready:
                raise TimeoutError(f"{pattern!r} was not painted")
            self._seen += os.read(self._terminal, 1 << 16)
        self._seen = b""
        return time.perf_counter() - started

    def press(self, keys: str, pattern: bytes) -> float:
        """The seconds from keys to what they paint."""
        self._seen = b""
        os.write(self._terminal, keys.encode())
        return self.wait(pattern)

    @property
    def memory(self) -> float:
        """The most memory that it had, in bytes."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        found = re.search(r"VmHWM:\s+(\d+)", status)
        return int(found[1]) * 1024 if found else float("nan")

    def close(self) -> None:
        """End it."""
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        os.close(self._terminal)


def at(moment: str) -> bytes:
    """What the status line is painted with."""
    return re.escape(moment.encode()) + rb"(?!\d)"


def by_ops() -> Iterator[list[str]]:
    """For each number of ops: seconds to open, milliseconds of keys, megabytes."""
    from teachgrad_inspector.demos import write_demo

    with tempfile.TemporaryDirectory() as folder:
        for ops in OPS:
            path = Path(folder) / f"{ops}.tgr"
            write_demo(f"layered:{ops}", path)
            opened = []
            for _ in range(3):
                program = Program(str(path))
                program.wait(at("t0/fwd/0"))
                opened.append(time.perf_counter() - program.started)
                if len(opened) < 3:
                    program.close()
            last = program.press("G", at(f"t0/fwd/{ops}"))
            back = [program.press("S", at(f"t0/fwd/{ops - 1 - k}")) for k in range(min(KEYS, ops - 1))]
            found = program.press(f"/op_{ops // 2}\r", at(f"t0/fwd/{ops // 2 + 1}"))
            program.press("3", rb"map")
            sliced = program.press("1i", rb"ancestors of")
            yield [f"{ops:,} ops", f"{min(opened):.2f} s", _ms(back), f"{max(back) * 1e3:.0f} ms", _ms([last]),
                   _ms([found]), _ms([sliced]), f"{program.memory / 1e6:.0f} MB"]  # fmt: skip
            program.close()


def by_steps() -> Iterator[list[str]]:
    """The same for many training steps, at each level that has numbers."""
    step = WORKLOADS["moons"].contestants[DYNAMIC](WORKLOADS["moons"].problem())
    with tempfile.TemporaryDirectory() as folder:
        for level in ("values", "replay"):
            path = Path(folder) / f"{level}.tgr"
            with Recorder(path, level=level):
                for _ in range(STEPS):
                    step()
            with Reader(path) as run:
                length, last = run.length(500), run.at(STEPS - 1, run.length(STEPS - 1) - 1)
                rows = sum(run.length(number) for number in range(STEPS))
            program = Program(str(path))
            program.wait(at("t0/fwd/0"))
            opened = time.perf_counter() - program.started
            end = program.press("G", at(str(last)))
            program.press(":t500\r", at("t500/fwd/0"))
            back = [program.press("s", rb"t50\d/\w\w\w/\d+") for _ in range(min(KEYS, length))]
            train = program.press("6", rb"log10")
            yield [f"{STEPS:,} training steps, {rows:,} rows, level {level}", f"{opened:.2f} s", _ms(back),
                   f"{max(back) * 1e3:.0f} ms", _ms([end]), "", f"Train {train:.1f} s",
                   f"{program.memory / 1e6:.0f} MB"]  # fmt: skip
            program.close()


def _ms(seconds: list[float]) -> str:
    return f"{statistics.median(seconds) * 1e3:.0f} ms"


# ---- the page --------------------------------------------------------------------------------------------------------


def table(heads: list[str], rows: Iterator[list[str]]) -> str:
    """Markdown."""
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def page() -> str:
    """The whole page."""
    load = os.getloadavg()[1]
    where = describe(last_core())
    machine = (f"{where['processor']}, {where['cores']} cores, {where['memory_gib']} GiB, {where['system']}, Python "
               f"{where['python']}")  # fmt: skip
    levels = [f"`{level}`" for level in LEVELS]
    parts = [
        "# What looking inside costs",
        f"Measured on {date.today()} by `python -m benchmarks.costs.inspector`, on {machine}. The load of the "
        f"machine was {load:.1f} before: what is slow may be so for others' work.",
        "## Recording, by level",
        "A training step in dynamic mode (forward, backward, update), and how many times as long it takes while it is "
        f"recorded, in processor time, the fastest of {ROUNDS} rounds; then how many times as long as a step it takes, "
        f"for each step, to close a recording of level `{LEVELS[-1]}`; then what a step adds to the file. At level "
        "`replay` a recording keeps only what nothing else tells, and the reader computes the rest: the last column "
        "says how many arrays of a step came out bit for bit.\n\n"
        f"For comparison: TorchLens 2.33 publishes {TORCHLENS} for capturing a forward pass.",
        table(["workload", "step", *levels, f"closing, {levels[-1]}", *(f"{level} a step" for level in levels),
               "computed again"], recording()),
        "## The inspector, by size",
        f"A terminal of {SIZE[0]}x{SIZE[1]}. Goals: open within 3 s, a key within 50 ms (median) and 150 ms, less than "
        "700 MB. *Search* goes to the op in the middle by its name; *slice* keeps its ancestors. The clock is the "
        "wall's, and other programs count.",
        table(["recording", "open", "key, median", "key, slowest", "to the end", "search", "slice", "memory"],
              chain(by_ops(), by_steps())),
    ]
    return "\n\n".join(parts) + "\n"


if __name__ == "__main__":
    TARGET.write_text(page(), encoding="utf-8")
    print(TARGET.read_text(encoding="utf-8"))
