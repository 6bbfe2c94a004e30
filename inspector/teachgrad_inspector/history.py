"""A training over its steps: loss, learning rate, and for each parameter and each layer what its numbers are like.

Looking at every array of a long run would take as long as the run. So the work is bounded: of a long run every 2nd,
4th, 8th, ... step is looked at, such that rows and elements stay below a budget, and what was found is kept. A run that
is still growing only adds to it.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from teachgrad.recording import Moment, Reader, RecordingError, Row

POINTS, FEWEST = 128, 12
"""So many steps are looked at, at most and at least."""
WORK = 1 << 24
"""About so many elements are read for them; a row counts as `ROW` of them."""
ROW = 64
ITEMS = 96
"""Of a step with more parameters and layers, the first are looked at."""
BINS = 64
SAMPLE = 1 << 16
"""Of larger arrays, so many elements at even distances are counted into bins."""
SATURATED = 0.97
"""A bounded function within 3 % of its limits lets hardly any gradient through."""
BOUNDED = {"tanh": (-1.0, 1.0), "sigmoid": (0.0, 1.0), "hardsigmoid": (0.0, 1.0), "hardtanh": (-1.0, 1.0)}
ZEROING = frozenset({"relu", "relu6"})
"""Functions that are flat where they are zero: a unit that is zero for every sample learns nothing."""

Key = tuple[str, str, int]
"""A parameter as ("", name, vertex); a layer as (module, op, how often both came before in the step)."""


@dataclass(frozen=True, slots=True)
class Counts:
    """How many of the finite elements lie in each of the equal intervals from `low` to `high`."""

    low: float
    high: float
    bins: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Facts:
    """A parameter or the output of a layer in one training step. What the recording does not tell is None.

    `norm` is ‖x‖ before the update, `gradient_norm` that of the gradient, `change` is ‖Δx‖ of the update. A unit is one
    place of the feature axis; `stuck` are those that are zero, or saturated, for every sample of the step.
    """

    vertex: int
    norm: float | None
    gradient_norm: float | None
    change: float | None
    values: Counts | None
    gradients: Counts | None
    units: int | None = None
    stuck: int | None = None
    flat: float | None = None
    """The share of elements that are zero, or saturated."""

    @property
    def ratio(self) -> float | None:
        """log10 ‖Δx‖/‖x‖, the update-to-data ratio."""
        if not self.change or not self.norm or not math.isfinite(self.change / self.norm):
            return None
        return math.log10(self.change / self.norm)


@dataclass(frozen=True, slots=True)
class StepFacts:
    """What there is to know of one training step."""

    step: int
    loss: float | None
    rates: tuple[float, ...]
    items: dict[Key, Facts]

    @property
    def gradient_norm(self) -> float | None:
        """The norm of the gradients of all parameters together."""
        norms = [facts.gradient_norm for key, facts in self.items.items() if not key[0] and facts.gradient_norm]
        return math.hypot(*norms) if norms else None


class History:
    """Facts of training steps, found when they are asked for and kept."""

    def __init__(self, run: Reader) -> None:
        self.run = run
        self._facts: dict[int, StepFacts] = {}
        self._rates: dict[int, None] = {}
        """Vertices that hold learning rates, as they turn up."""
        self._points = 0
        self._cost = 0
        """Elements and rows of the first step."""
        self._norms: dict[int, float | None] = {}

    def steps(self) -> list[int]:
        """The steps to look at: all of them, or every 2nd, 4th, ... ."""
        if not self._points:
            rows = list(self.run.rows(0))
            numbers = {number for row in rows for number in (row.value, row.delta) if number is not None}
            self._cost = ROW * len(rows) + sum(self.run.array(number).size for number in numbers)
            self._points = max(FEWEST, min(POINTS, WORK // max(1, self._cost)))
        stride = 1
        while self.run.steps > stride * self._points:
            stride *= 2
        return list(range(0, self.run.steps, stride))

    def left(self) -> int:
        """How much work is left to do for them, in rows."""
        steps = [step for step in self.steps() if step not in self._facts and self._is_final(step)]
        return len(steps) * self._cost // ROW

    def _is_final(self, step: int) -> bool:
        """Whether a step will stay as it is: the last one may still be growing."""
        return step + 1 < self.run.steps or self.run.trouble is None

    def facts(self) -> Iterator[StepFacts]:
        """The facts of the steps to look at."""
        return (self.of(step) for step in self.steps())

    def of(self, step: int) -> StepFacts:
        """The facts of one step."""
        found = self._facts.get(step)
        if found is None:
            try:
                found = self._look(step)
            except RecordingError:  # damaged: nothing is known of this step
                found = StepFacts(step, None, (), {})
            if self._is_final(step):
                self._facts[step] = found
        return found

    # ---- looking at one step -----------------------------------------------------------------------------------------

    def _look(self, step: int) -> StepFacts:
        rows = list(self.run.rows(step))
        made = {row.vertex: row for row in rows if row.kind in ("leaf", "op")}
        gradients = {row.vertex: row.value for row in rows if row.of_gradient}
        updates = {row.vertex: row for row in rows if row.kind == "update"}
        self._rates |= {row.vertex: None for row in rows if row.name == "lr" and row.kind in ("leaf", "update")}
        last = max((row.row for row in updates.values() if self._is_parameter(row.vertex)), default=len(rows) - 1)
        items: dict[Key, Facts] = {}
        for vertex in self._parameters(rows):
            gradient = gradients.get(vertex, _direction(self.run, rows, made, vertex))
            items["", self._name(vertex), vertex] = self._parameter(step, vertex, updates.get(vertex), gradient)
        for key, row in _layers(rows):
            if len(items) < ITEMS:
                items[key] = self._layer(row, gradients.get(row.vertex))
        return StepFacts(step, self._loss(rows, made), self._rates_at(step, last), items)

    def _is_parameter(self, vertex: int) -> bool:
        leaf = self.run.leaf(vertex)
        return leaf is not None and leaf.requires_grad

    def _name(self, vertex: int) -> str:
        leaf = self.run.leaf(vertex)
        return leaf.name or "" if leaf is not None else ""

    def _parameters(self, rows: list[Row]) -> list[int]:
        """The leaves that a step reads or changes and that take part in gradients, in order."""
        read = dict.fromkeys(vertex for row in rows if row.kind == "op" for vertex in row.inputs)
        changed = dict.fromkeys(row.vertex for row in rows if row.kind == "update")
        return [vertex for vertex in read | changed if self._is_parameter(vertex)][:ITEMS]

    def _parameter(self, step: int, vertex: int, update: Row | None, gradient: int | None) -> Facts:
        before = self.run.value_at(vertex, Moment(step, update.row - 1 if update is not None else 1 << 60, "fwd"))
        change = None
        old = self._values(before)
        if update is not None and old is not None:
            new = self._values(update.value)
            change = None if new is None or new.shape != old.shape else norm_of(new.astype(np.float64) - old)
        return Facts(vertex, self.norm(before), self.norm(gradient), change, self._counts(before),
                     self._counts(gradient))  # fmt: skip

    def _layer(self, row: Row, gradient: int | None) -> Facts:
        units, stuck, flat = self._stuck(row)
        return Facts(row.vertex, self.norm(row.value), self.norm(gradient), None, self._counts(row.value),
                     self._counts(gradient), units, stuck, flat)  # fmt: skip

    def _stuck(self, row: Row) -> tuple[int | None, int | None, float | None]:
        """Units, how many of them are stuck, and the share of elements in which the function is flat."""
        if row.op not in ZEROING and row.op not in BOUNDED:
            return None, None, None
        values = self._values(row.value)
        if values is None:
            statistics = self.run.statistics(row.value) if row.value is not None and row.op in ZEROING else None
            return None, None, None if statistics is None else statistics.zeros / max(1, statistics.counted)
        return stuck_units(values, row.op or "")

    def _loss(self, rows: list[Row], made: dict[int, Row]) -> float | None:
        """The number that the step differentiates."""
        for row in map(made.get, objectives(rows)):
            if row is not None and (value := self._number(row.value)) is not None:
                return value
        return None

    def _rates_at(self, step: int, row: int) -> tuple[float, ...]:
        """The learning rates that a step used, without repetitions. Optimizers keep one number in several dtypes: the
        most precise ones count."""
        found: list[tuple[str, float]] = []
        for vertex in self._rates:
            number = self.run.value_at(vertex, Moment(step, row, "upd"))
            if number is not None and (value := self._number(number)) is not None:
                found.append((self.run.array(number).dtype, value))
        finest = max((dtype for dtype, _ in found), default="", key=lambda dtype: int(dtype.removeprefix("float") or 0))
        return tuple(dict.fromkeys(value for dtype, value in found if dtype == finest))

    # ---- numbers of arrays -------------------------------------------------------------------------------------------

    def _values(self, number: int | None) -> np.ndarray | None:
        values = None if number is None else self.run.values(number)
        return np.abs(values) if values is not None and values.dtype.kind == "c" else values

    def _number(self, number: int | None) -> float | None:
        """The value of an array of one element; where only statistics were kept, those tell it too."""
        if number is None or self.run.array(number).size != 1:
            return None
        values = self._values(number)
        if values is not None:
            return float(values.reshape(-1)[0])
        statistics = self.run.statistics(number)
        if statistics is None:
            return None
        return math.nan if statistics.nans else math.inf if statistics.infs else statistics.minimum

    def norm(self, number: int | None) -> float | None:
        """‖x‖, from the elements or from statistics: ‖x‖² = n (mean² + std²)."""
        if number is None:
            return None
        if number not in self._norms:
            if len(self._norms) > 1 << 16:
                self._norms.clear()
            self._norms[number] = self._find_norm(number)
        return self._norms[number]

    def _find_norm(self, number: int) -> float | None:
        values = self._values(number)
        if values is not None:
            return norm_of(values)
        statistics = self.run.statistics(number)
        if statistics is None or statistics.mean is None or statistics.std is None:
            return None
        return math.sqrt(self.run.array(number).size * (statistics.mean**2 + statistics.std**2))

    def _counts(self, number: int | None) -> Counts | None:
        values = self._values(number)
        return None if values is None else counts_of(values)


def norm_of(values: np.ndarray) -> float:
    """‖x‖ = √Σx², in float64."""
    flat = values.reshape(-1).astype(np.float64)
    with np.errstate(all="ignore"):
        return float(np.sqrt(flat.dot(flat)))


def counts_of(values: np.ndarray) -> Counts | None:
    """The histogram of an array, from its smallest finite element to its largest."""
    flat = values.reshape(-1)
    flat = flat[:: max(1, flat.size // SAMPLE)].astype(np.float64)
    flat = flat[np.isfinite(flat)]
    if not flat.size:
        return None
    low, high = float(flat.min()), float(flat.max())
    if low == high or not math.isfinite(high - low):
        return Counts(low, high, (flat.size,))
    return Counts(low, high, tuple(map(int, np.histogram(flat, BINS, (low, high))[0])))


def stuck_units(values: np.ndarray, op: str) -> tuple[int, int, float]:
    """Units, how many of them are zero or saturated for every sample, and the share of elements that are.

    The feature axis is the last one, or of images (N, C, H, W) the second.
    """
    if op in ZEROING:
        flat = values == 0
    else:
        low, high = BOUNDED[op]
        flat = np.abs(values - (low + high) / 2) > SATURATED * (high - low) / 2
    axis = 1 if flat.ndim == 4 else flat.ndim - 1
    units = flat.all(axis=tuple(i for i in range(flat.ndim) if i != axis))
    return units.size, int(np.count_nonzero(units)), float(flat.mean()) if flat.size else 0.0


def objectives(rows: Sequence[Row]) -> list[int]:
    """The vertices that a step may be said to differentiate: where its backward pass starts; in a static program, whose
    gradients are ops among others, what takes part in gradients and of which nothing more is made, the last first."""
    seeds = [row.vertex for row in rows if row.kind == "seed"]
    if not seeds and any(row.kind == "update" for row in rows):
        read = {vertex for row in rows if row.kind == "op" and row.requires_grad for vertex in row.inputs}
        tracked = (row.vertex for row in reversed(rows) if row.kind == "op" and row.requires_grad)
        seeds = [vertex for vertex in tracked if vertex not in read]
    return seeds


def _layers(rows: list[Row]) -> Iterator[tuple[Key, Row]]:
    """The outputs of modules, and of the functions whose units can get stuck."""
    seen: Counter[tuple[str, str]] = Counter()
    ops = [row for row in rows if row.kind == "op" and row.phase == "fwd"]
    for row, after in zip(ops, [*ops[1:], None], strict=False):  # there may be no op yet
        name = row.scope, row.op or ""
        seen[name] += 1
        leaves = row.scope and (after is None or after.scope != row.scope)
        if leaves or row.op in ZEROING or row.op in BOUNDED:
            yield (row.scope or ".", name[1], seen[name]), row


def _direction(run: Reader, rows: list[Row], made: dict[int, Row], vertex: int) -> int | None:
    """In a static program the gradient of a parameter is the value that the first op of the optimizer reads beside the
    parameter, or beside what it keeps for it: `sgd_update(w, g, lr)`, which may have become `w - g * lr`, or
    `average_update(w.exp_avg, g, ...)`."""
    leaf = run.leaf(vertex)
    name = leaf.name if leaf is not None else None

    def called(vertex: int) -> str:
        leaf = run.leaf(vertex)
        return leaf.name or "" if leaf is not None else ""

    for row in rows:
        if row.kind != "op" or len(row.inputs) < 2:
            continue
        first, gradient = row.inputs[0], made.get(row.inputs[1])
        if (row.op or "").endswith("_update"):
            if first != vertex and not (name and called(first).startswith(f"{name}.")):
                continue
        elif row.op != "subtract" or first != vertex or gradient is None or gradient.op != "multiply":
            continue
        else:
            gradient = next((made[v] for v in gradient.inputs if v in made and called(v) != "lr"), None)
        if gradient is not None and gradient.kind == "op":
            return gradient.value
    return None
