"""The Train screen: what becomes of the loss, of gradients, updates, activations over the training steps."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from teachgrad.recording import Moment

from ..history import ZEROING, Counts, Facts, Key, StepFacts
from ..session import Session
from .options import Options

TARGET = -3.0
"""log10 of an update-to-data ratio that is often healthy: each step changes a parameter by a thousandth."""
HEAT_ROWS = 24


@dataclass(frozen=True, slots=True)
class Curve:
    """A number over training steps: (step, number) where it is known, and what it is at the present step."""

    points: tuple[tuple[int, float], ...]
    now: float | None
    low: tuple[tuple[int, float], ...] = ()
    """The smallest and the largest of the same number of all parameters."""
    high: tuple[tuple[int, float], ...] = ()
    broken: tuple[int, ...] = ()
    """Steps at which it is nan or infinite."""


@dataclass(frozen=True, slots=True)
class TrainLine:
    """A parameter or the output of a layer at the present step."""

    name: str
    what: str
    norm: float | None
    gradient_norm: float | None
    ratio: float | None
    """log10 of ‖update‖ / ‖parameter‖."""
    units: int | None
    stuck: int | None
    stuck_how: str
    """`dead` or `saturated`."""
    flat: float | None
    """The share of elements where the function is flat: zero, or saturated."""
    values: Counts | None
    chosen: bool


@dataclass(frozen=True, slots=True)
class Heat:
    """Histograms over time: for each step counts from the lowest interval to the highest, of equal width."""

    low: float
    high: float
    columns: tuple[tuple[int, tuple[int, ...]], ...]


@dataclass(frozen=True, slots=True)
class TrainView:
    """The Train screen at a moment."""

    moment: str
    step: int
    steps: int
    looked: tuple[int, ...]
    """The steps that were looked at: all, or of a long run every 2nd, 4th, ... ."""
    loss: Curve
    rate: Curve
    total: Curve
    """The norm of the gradient of all parameters together."""
    lines: tuple[TrainLine, ...]
    chosen: str
    gradient: Curve
    """Of the chosen line."""
    ratio: Curve
    values: Heat | None
    gradients: Heat | None
    hidden: bool
    """Whether all that gradients tell is hidden, because they are to be predicted."""
    note: str


def view_train(session: Session, moment: Moment, options: Options) -> TrainView:
    """The Train screen at a moment."""
    history = list(session.history.facts())
    here = session.history.of(moment.step)
    keys = list(here.items)
    at = chosen_line(session, moment, options)
    key = keys[at] if at is not None else None
    parameters = [item for item in keys if not item[0]]

    def of(step: StepFacts) -> Facts | None:
        return step.items.get(key) if key is not None else None

    hidden = options.predict
    empty = Curve((), None)
    return TrainView(
        moment=str(moment),
        step=moment.step,
        steps=session.run.steps,
        looked=tuple(step.step for step in history),
        loss=_curve(history, here, lambda step: step.loss),
        rate=_curve(history, here, lambda step: step.rates[0] if step.rates else None),
        total=empty if hidden else _curve(history, here, lambda step: step.gradient_norm),
        lines=tuple(_line(session, moment, item, here.items[item], item == key, hidden) for item in keys),
        chosen=_name(session, moment, key, here.items[key]) if key is not None else "",
        gradient=empty if hidden else _curve(history, here, lambda step: _gradient(of(step)), parameters, _gradient),
        ratio=empty if hidden else _curve(history, here, lambda step: _ratio(of(step)), parameters, _ratio),
        values=_heat((step.step, facts.values) for step in history if (facts := of(step))),
        gradients=None if hidden else _heat((step.step, facts.gradients) for step in history if (facts := of(step))),
        hidden=hidden,
        note=f"histograms need elements; this is level {session.run.level}" if session.run.level in ("meta", "stats")
        else "",
    )  # fmt: skip


def chosen_line(session: Session, moment: Moment, options: Options) -> int | None:
    """The line that is looked at closely: as chosen, else the one this moment is about, else the first parameter that
    is a matrix."""
    items = session.history.of(moment.step).items
    if not items:
        return None
    if options.line is not None:
        return min(max(0, options.line), len(items) - 1)
    vertex = session.row(moment).vertex
    vertices = [facts.vertex for facts in items.values()]
    if vertex in vertices:
        return vertices.index(vertex)
    for number, key in enumerate(items):
        info = session.info(session.value_of(key[2], moment)) if not key[0] else None
        if info is not None and len(info.shape) > 1:
            return number
    return 0


def _gradient(facts: Facts | None) -> float | None:
    return facts.gradient_norm if facts is not None else None


def _ratio(facts: Facts | None) -> float | None:
    return facts.ratio if facts is not None else None


def _curve(
    history: list[StepFacts],
    here: StepFacts,
    number: Callable[[StepFacts], float | None],
    parameters: Iterable[Key] = (),
    of: Callable[[Facts | None], float | None] | None = None,
) -> Curve:
    """One number over the steps; with `of`, also the range in which it lies for all parameters."""
    found = [(step.step, value) for step in history if (value := number(step)) is not None]
    low, high = [], []
    if of is not None:
        for step in history:
            values = [value for key in parameters if (value := of(step.items.get(key))) is not None]
            values = [value for value in values if math.isfinite(value)]
            if values:
                low.append((step.step, min(values)))
                high.append((step.step, max(values)))
    return Curve(
        tuple((step, value) for step, value in found if math.isfinite(value)), number(here), tuple(low), tuple(high),
        tuple(step for step, value in found if not math.isfinite(value)),
    )  # fmt: skip


def _name(session: Session, moment: Moment, key: Key, facts: Facts) -> str:
    return session.name(facts.vertex, moment.step) if key[0] else key[1] or session.name(facts.vertex, moment.step)


def _line(session: Session, moment: Moment, key: Key, facts: Facts, chosen: bool, hidden: bool) -> TrainLine:
    return TrainLine(
        name=_name(session, moment, key, facts),
        what=key[1] if key[0] else "parameter",
        norm=facts.norm,
        gradient_norm=None if hidden else facts.gradient_norm,
        ratio=None if hidden else facts.ratio,
        units=facts.units,
        stuck=facts.stuck,
        stuck_how="" if facts.flat is None else "dead" if key[1] in ZEROING else "saturated",
        flat=facts.flat,
        values=facts.values,
        chosen=chosen,
    )


def _heat(found: Iterable[tuple[int, Counts | None]]) -> Heat | None:
    """Histograms of several steps, each from its own smallest to its own largest number, on one common scale."""
    columns = [(step, counts) for step, counts in found if counts is not None]
    if not columns:
        return None
    low = min(counts.low for _, counts in columns)
    high = max(counts.high for _, counts in columns)
    return Heat(low, high, tuple((step, _on_scale(counts, low, high)) for step, counts in columns))


def _on_scale(counts: Counts, low: float, high: float) -> tuple[int, ...]:
    """A histogram on another scale: what lies in an interval goes to where the middle of the interval is."""
    rows = [0] * HEAT_ROWS
    width = (counts.high - counts.low) / len(counts.bins)
    for number, count in enumerate(counts.bins):
        middle = counts.low + (number + 0.5) * width
        place = (middle - low) / (high - low) if high > low else 0.5
        rows[min(HEAT_ROWS - 1, int(place * HEAT_ROWS))] += count
    return tuple(rows)
