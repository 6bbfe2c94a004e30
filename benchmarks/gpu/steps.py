"""Training steps on the device: the place where they are entered (`training.py` has some).

A module registers a function of the machine, which yields a `Step` for each workload that it can run:

    @steps
    def lenet(machine):
        yield Step("lenet", ms, {"teachgrad on the CPU": ..., "torch eager": ...}, same=True)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from .machine import Machine
from .rows import Failed

GRAPHED = "torch.compile, one CUDA graph"
"""What PyTorch at its fastest is called: forward, backward and update compiled, and captured as a whole."""


@dataclass(frozen=True)
class Step:
    """A training step of teachgrad on the device, in milliseconds."""

    name: str
    ms: float
    beside: Mapping[str, float]
    """Others' times for the same step."""
    same: bool
    """Whether the losses of the first steps agree with those on the CPU."""
    missing: Mapping[str, str] = field(default_factory=dict)
    """Others that failed, and why."""


Maker = Callable[[Machine], Iterator[Step | Failed]]
STEPS: list[Maker] = []


def steps(maker: Maker) -> Maker:
    """Enter a function into the benchmark."""
    STEPS.append(maker)
    return maker
