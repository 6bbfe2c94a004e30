"""Running the recorded forward computation again, with one element changed: finite differences on a recording.

For a small h, (L(x+h) - L(x-h)) / 2h is the derivative of L by x up to an error of the order h², and h cannot be too
small either, since the difference of two nearly equal numbers loses digits. Several step sizes show both. The ops run
in float64 on the recorded values; only what depends on the changed element is computed again.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from teachgrad.recording import Moment, Row
from teachgrad.recording.schema import WITH_ELEMENTS

from .calculus import as_float64
from .formulas import op_named
from .session import Session

STEPS = (1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6, 1e-7, 1e-8)


class CannotReplay(Exception):
    """The recording does not hold what is needed; the message says what."""


@dataclass(frozen=True, slots=True)
class Difference:
    """A central difference with step size `h`."""

    h: float
    value: float


class Replay:
    """The forward computation of one training step, to be run with one element of a vertex changed."""

    def __init__(self, session: Session, step: int, vertex: int, element: tuple[int, ...]) -> None:
        self._session = session
        self._step = session.run.step(step)
        self._vertex = vertex
        self._element = element
        self._seeds = self._find_seeds()
        self.program = self._find_program()
        """The ops that are run again, in order."""
        self._values: dict[tuple[int, int], Any] = {}

    def differences(self) -> list[Difference]:
        """Central differences with falling step sizes."""
        found = []
        with np.errstate(all="ignore"):
            for h in STEPS:
                high, low = self.run(h)[0], self.run(-h)[0]
                found.append(Difference(h, (high - low) / (2 * h)))
        return found

    def _find_seeds(self) -> list[Row]:
        rows = [self._step.rows[i] for places in self._step.seeds.values() for i in places]
        if not rows:
            raise CannotReplay("no backward pass starts in this training step")
        return rows

    def _find_program(self) -> list[Row]:
        """The ops between the vertex and what is differentiated, in order."""
        wanted = {row.vertex for row in self._seeds}
        ops = [row for row in self._step.rows if row.kind == "op"]
        for row in reversed(ops):
            if row.vertex in wanted:
                wanted.update(row.inputs)
        touched = {self._vertex}
        program = []
        for row in ops:
            if row.vertex in wanted and not touched.isdisjoint(row.inputs):
                touched.add(row.vertex)
                program.append(row)
        if touched.isdisjoint(row.vertex for row in self._seeds):
            raise CannotReplay("what is differentiated does not depend on it")
        return program

    @property
    def number(self) -> float:
        """The element as it was recorded."""
        return float(self._start()[self._element])

    def _start(self) -> Any:
        """The recorded value of the vertex, as the first op that reads it saw it."""
        base = self._base(self._vertex, self.program[0].row if self.program else self._seeds[0].row)
        if base.dtype.kind != "f":
            raise CannotReplay("it is not made of floating-point numbers")
        within = len(self._element) == base.ndim and all(
            i < length for i, length in zip(self._element, base.shape, strict=True))
        if not within:  # it may have another shape in another training step
            raise CannotReplay(f"there is no element {list(self._element)} in the shape {base.shape}")
        return base

    def run(self, shift: float) -> tuple[float, dict[int, Any]]:
        """Σ seed · value over the places where the backward pass starts, with the element shifted; and the values of
        all that depends on it."""
        base = self._start().copy()
        base[self._element] += shift
        changed: dict[int, Any] = {self._vertex: base}
        for row in self.program:
            op = op_named(row.op)
            if op is None:
                raise CannotReplay(f"this teachgrad has no op {row.op!r}")
            inputs = [changed[v] if v in changed else self._base(v, row.row) for v in row.inputs]
            attrs = {key: as_float64(value) for key, value in self._session.attrs(row).items()}
            try:
                changed[row.vertex] = op.forward(np, *inputs, **attrs)
            except Exception as error:  # settings that were only recorded as text, a file that lies
                raise CannotReplay(f"{row.op} cannot be run again: {error}") from None
        objective = sum(
            float(np.sum(self._base(seed.value, -1) * changed[seed.vertex]))
            for seed in self._seeds
            if seed.vertex in changed
        )
        return objective, changed

    def _base(self, which: int | None, row: int) -> Any:
        """The recorded value of a vertex as the op in `row` saw it; with row -1, an array by its number."""
        key = (which or 0, row)
        if key not in self._values:
            number = which if row < 0 else self._session.value_of(which or 0, Moment(self._step.number, row, "fwd"))
            values = self._session.array(number)
            if values is None:
                level = self._session.run.level
                had = "then less was recorded" if level in WITH_ELEMENTS else f"this one has {level}"
                raise CannotReplay(f"that needs a recording of level values; {had}")
            self._values[key] = as_float64(values)
        return self._values[key]


def best(differences: list[Difference]) -> Difference:
    """The largest step whose difference hardly changes when it shrinks: neither truncated nor rounded much."""
    changes = [(abs(a.value - b.value), b) for a, b in pairwise(differences) if np.isfinite(b.value)]
    least = min((change for change, _ in changes), default=0.0)
    return next((item for change, item in changes if change <= max(10 * least, 1e-7 * abs(item.value))), differences[0])
