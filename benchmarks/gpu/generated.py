"""CUDA that static mode writes, beside PyTorch: whole functions as a user writes them, at sizes that fill a device.

Inputs and result lie in tensors that the function closes over, so kernels read and write them where they are. What is
timed is what a captured graph replays; `call` adds what a call costs in Python.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

import teachgrad as tg
from teachgrad.nn import functional as F

from .machine import Machine
from .rows import Failed, Timed, in_short, torch_apart

EPS = 1e-5


@dataclass(frozen=True)
class Case:
    """A function in teachgrad and in PyTorch."""

    name: str
    ours: Callable[..., Any]
    torch: Callable[..., Any]
    """Of the module torch and its tensors."""
    large: tuple[int, ...]
    small: tuple[int, ...]
    also: tuple[str, ...] = ()
    """Inputs beside x, which has this shape: "same", a "row" for each column, "labels" for each row."""
    moves: int = 2
    """How often as many bytes as x has must move."""
    result: str = "same"
    """The shape of the result: that of x, that of a "row" of it, or a "number"."""

    @property
    def row(self) -> str:
        """What its row is called."""
        return f"static: {self.name}"


CASES = (
    Case("fused chain", lambda x, y: tg.tanh(x * y + 1.0) * F.sigmoid(x),
         lambda torch, x, y: torch.tanh(x * y + 1.0) * torch.sigmoid(x), (1 << 26,), (4099,), ("same",), 3),
    Case("gelu of x + b", lambda x, b: F.gelu(x + b), lambda torch, x, b: torch.nn.functional.gelu(x + b),
         (16384, 4096), (8, 2052), ("row",)),
    Case("softmax", lambda x: F.softmax(x, -1), lambda torch, x: x.softmax(-1), (16384, 4096), (8, 132)),
    Case("layer norm", lambda x, w, b: F.layer_norm(x, x.shape[-1:], w, b, EPS),
         lambda torch, x, w, b: torch.nn.functional.layer_norm(x, x.shape[-1:], w, b, EPS), (16384, 4096), (8, 132),
         ("row", "row")),
    Case("cross-entropy", F.cross_entropy, lambda torch, x, t: torch.nn.functional.cross_entropy(x, t), (16384, 8192),
         (8, 132), ("labels",), 1, "number"),
    Case("gradient of a bias", lambda g: g.sum(0), lambda torch, g: g.sum(0), (16384, 4096), (200, 33), (), 1, "row"),
    Case("sum of all", lambda x: x.sum(), lambda torch, x: x.sum(), (1 << 26,), (20000,), (), 1, "number"),
)
JUDGED = tuple(case.row for case in CASES if case.name in ("fused chain", "softmax", "layer norm", "cross-entropy"))
"""Those that goals are about."""


def time_generated(machine: Machine, wanted: Callable[[str], bool]) -> Iterator[Timed | Failed]:
    for case in CASES:
        if wanted(case.row):
            try:
                yield time_case(machine, case)
            except Exception as error:  # one that fails shall not hide the others
                yield Failed(case.row, in_short(error))
            machine.free()


def inputs(case: Case, rng: Any, shape: tuple[int, ...]) -> list[Any]:
    """The arrays that a case is given."""
    arrays = [rng.standard_normal(shape, np.float32)]
    for what in case.also:
        if what == "labels":
            arrays.append(rng.integers(0, shape[-1], shape[0]))
        else:
            arrays.append(rng.standard_normal(shape if what == "same" else shape[-1:], np.float32))
    return arrays


def time_case(machine: Machine, case: Case) -> Timed:
    shape = case.small if machine.rehearsal else case.large
    arrays = inputs(case, machine.rng(), shape)
    with machine.place():
        xs = [tg.tensor(a) for a in arrays]
        z = tg.zeros({"same": shape, "row": shape[-1:], "number": ()}[case.result])

    def step() -> None:
        z.copy_(case.ours(*xs))

    run = tg.static(step, level="O3", executor=machine.executor)
    for _ in range(3):  # the second call captures a graph
        run()
    batches = run.trace.program.batches
    ms = machine.milliseconds(lambda: [batch() for batch in batches])
    call = machine.milliseconds(run)
    torch_ms = compiled_ms = agrees = None
    if machine.torch is not None:
        tensors = [machine.tensor(machine.to(a)) for a in arrays]

        def by_torch(*given: Any) -> Any:
            return case.torch(machine.torch, *given)

        found, expected = machine.tensor(machine.to(z.to("cpu").numpy())), by_torch(*tensors)
        agrees = torch_apart(machine.torch, found, expected) < 1e-3
        torch_ms = machine.milliseconds(lambda: by_torch(*tensors))
        fused = machine.compiled(by_torch)
        compiled_ms = machine.milliseconds(lambda: fused(*tensors))
    speed = case.moves * arrays[0].nbytes / (ms / 1e3)
    return Timed(case.row, shape, ms, speed, speed / machine.peaks.copy, 0.0, None, torch_ms, compiled_ms, agrees, call)

