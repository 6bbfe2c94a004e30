"""What is to be reached on a large GPU, and what was."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from .generated import JUDGED
from .rows import COMPILED, Timed
from .steps import GRAPHED, Step

NOISE = 1.02
"""Two times that are this close count as equal; the table says so."""
NOT_RUN = "NOT RUN"
FIRST = (*COMPILED, "transpose_padded", "matmul_vectorised", "matmul_tensor", "attention_vectorised")
"""The kernels that goals are about: they are timed first."""


@dataclass(frozen=True)
class Goal:
    """One line of the table."""

    what: str
    wanted: str
    measured: str
    """The figure, or NOT RUN and why."""
    met: bool | None


def goals(timed: Mapping[str, Timed], steps: Mapping[str, Step]) -> list[Goal]:
    """All goals; those without measurements are NOT RUN."""
    judged = (*JUDGED, *COMPILED)
    lines = [of_copy(timed, name, 85) for name in judged]
    lines += [ratio(timed, name, "compiled", "torch.compile", NOISE) for name in judged]
    lines.append(of_copy(timed, "transpose_padded", 80))
    lines.append(ratio(timed, "matmul_vectorised", "torch", "cuBLAS float32 (by PyTorch, TF32 off)", 1 / 0.6))
    lines.append(ratio(timed, "matmul_tensor", "torch", "cuBLAS half precision (by PyTorch)", 1 / 0.5))
    lines.append(ratio(timed, "attention_vectorised", "torch", "PyTorch's attention", 2.0))
    lines += [step_ratio(steps, "mlp, captured", "torch eager", 0.7),
              step_ratio(steps, "mlp, captured", GRAPHED, NOISE),
              step_ratio(steps, "gpt, captured", "torch eager", NOISE)]
    return lines


def at_most(most: float) -> str:
    return f"not behind (up to {most} x is noise)" if most == NOISE else f"at most {most:.2f} x"


def of_copy(timed: Mapping[str, Timed], name: str, percent: int) -> Goal:
    found = timed.get(name)
    what, wanted = f"{name}: speed of memory", f"at least {percent} % of a copy"
    if found is None:
        return Goal(what, wanted, NOT_RUN, None)
    return Goal(what, wanted, f"{100 * found.of_copy:.0f} %", 100 * found.of_copy >= percent)


def ratio(timed: Mapping[str, Timed], name: str, against: str, called: str, most: float) -> Goal:
    found = timed.get(name)
    theirs = getattr(found, against) if found else None
    what, wanted = f"{name}: time beside {called}", at_most(most)
    if found is None or theirs is None:
        return Goal(what, wanted, NOT_RUN, None)
    return Goal(what, wanted, f"{found.ms / theirs:.2f} x", found.ms / theirs <= most)


def step_ratio(steps: Mapping[str, Step], name: str, against: str, most: float) -> Goal:
    what, wanted = f"a training step, {name}: time beside {against}", at_most(most)
    step = steps.get(name)
    theirs = step.beside.get(against) if step else None
    if step is None or theirs is None:
        return Goal(what, wanted, NOT_RUN, None)
    return Goal(what, wanted, f"{step.ms / theirs:.2f} x", step.ms / theirs <= most)
