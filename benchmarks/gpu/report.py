"""The table: text for a reader, JSON for a program."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass

from .goals import NOT_RUN, Goal
from .rows import Checked, Failed, Timed
from .steps import Step
from .tests import Tested


@dataclass(frozen=True)
class Results:
    """All that was measured on one machine."""

    machine: Mapping[str, str]
    copy: float
    """Bytes a second of a copy, read and written."""
    checked: Sequence[Checked]
    timed: Sequence[Timed]
    failed: Sequence[Failed]
    steps: Sequence[Step]
    goals: Sequence[Goal]
    tested: Sequence[Tested] = ()
    left: Sequence[str] = ()
    """What there was no time for."""


def as_json(results: Results) -> str:
    return json.dumps(asdict(results), indent=1)


def as_markdown(results: Results) -> str:
    return "\n\n".join([
        f"# Kernels on a GPU\n\n{about(results)}",
        "## Goals\n\n" + table(("goal", "wanted", "measured", ""), map(goal_cells, results.goals)),
        "## Training steps\n\n" + steps(results.steps),
        "## Fast?\n\n" + times(results),
        "## Right?\n\n" + rights(results.checked),
        "## Tests on the device\n\n" + ("\n\n".join(t.said for t in results.tested) or f"{NOT_RUN}."),
        *(["## Left out\n\nThere was no time for: " + ", ".join(results.left) + "."] if results.left else [])]) + "\n"


def about(results: Results) -> str:
    facts = ", ".join(f"{name} {value}" for name, value in results.machine.items())
    return (f"Written by `python -m benchmarks.gpu`: {facts}. In the same run, a copy within the device moves "
            f"{results.copy / 1e9:.0f} GB/s, read and written together.")


def rights(checked: Sequence[Checked]) -> str:
    if not checked:
        return f"{NOT_RUN} yet."
    right = sum(c.right for c in checked)
    return (f"{right} of {len(checked)} kernels and dtypes agree with NumPy on the device, on small and odd sizes.\n\n"
            + table(("kernel", "dtype", "as NumPy", "bits as the emulator's", "apart"), map(check_cells, checked)))


def times(results: Results) -> str:
    head = ("kernel", "shape", "ms", "GB/s", "of copy", "GFLOP/s", "CuPy", "PyTorch", "torch.compile", "as PyTorch",
            "a call")
    failed = "".join(f"\n\n{f.kernel} FAILED: {f.why}" for f in results.failed)
    return ("Times in milliseconds; `of copy` is how fast numbers move, if each moves once, beside a copy. Rows that "
            "begin with \"static\" are CUDA that static mode writes; `a call` is the time of such a function with all "
            "that Python does.\n\n"
            + table(head, map(time_cells, results.timed)) + failed)


def steps(steps: Sequence[Step]) -> str:
    if not steps:
        return f"{NOT_RUN}."
    return table(("step", "ms", "beside", "losses as on the CPU"), map(step_cells, steps))


def goal_cells(goal: Goal) -> tuple[str, ...]:
    return goal.what, goal.wanted, goal.measured, "" if goal.met is None else "met" if goal.met else "MISSED"


def check_cells(c: Checked) -> tuple[str, ...]:
    bits = NOT_RUN if c.same_bits is None else f"{c.same_bits} of {c.results}"
    return c.kernel, c.dtype, "yes" if c.right else f"NO: {c.said}", bits, f"{c.apart:.1e}"


def time_cells(t: Timed) -> tuple[str, ...]:
    others = ("-" if ms is None else f"{ms:.3f}" for ms in (t.cupy, t.torch, t.compiled))
    agrees = "-" if t.agrees is None else "yes" if t.agrees else "NO"
    return (t.kernel, " x ".join(map(str, t.shape)), f"{t.ms:.3f}", f"{t.speed / 1e9:.0f}", f"{100 * t.of_copy:.0f} %",
            f"{t.flops / 1e9:.0f}" if t.flops else "-", *others, agrees, "-" if t.call is None else f"{t.call:.3f}")


def step_cells(s: Step) -> tuple[str, ...]:
    beside = ", ".join([*(f"{name} {ms:.3f}" for name, ms in s.beside.items()),
                        *(f"{name} FAILED: {why}" for name, why in s.missing.items())])
    return s.name, f"{s.ms:.3f}", beside, "yes" if s.same else "NO"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(str(cell).replace("|", "/") for cell in line) + " |" for line in lines)
