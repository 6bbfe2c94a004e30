"""What watched conditions are worth at a moment, and the Stops screen: all breakpoints and conditions."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np

from teachgrad.recording import Moment

from ..conditions import ConditionError
from ..numbers import number, shape
from ..session import Session
from ..stops import Stop, in_step
from .options import Options

HIDDEN = "?"
MOST_ROWS = 5000
"""In a longer training step the places of a stop are not counted."""


@dataclass(frozen=True, slots=True)
class Watch:
    """A condition and its value; `state` is true, false, unknown, hidden, value or error."""

    text: str
    value: str
    state: str


@dataclass(frozen=True, slots=True)
class StopLine:
    """A breakpoint or a condition, its value now, and where in this training step it stops."""

    watch: Watch
    kind: str
    moments: tuple[str, ...] | None
    """None where it was not looked for."""
    chosen: bool


@dataclass(frozen=True, slots=True)
class StopsView:
    """The Stops screen."""

    lines: tuple[StopLine, ...]
    note: str


def view_watches(session: Session, moment: Moment, options: Options) -> tuple[Watch, ...]:
    """The conditions that are watched, with their values."""
    return tuple(watch(session, moment, options, item) for item in options.stops if item.condition is not None)


def watch(session: Session, moment: Moment, options: Options, item: Stop) -> Watch:
    """A stop with its value at a moment; breakpoints have none."""
    if item.condition is None:
        return Watch(item.text, "", "value")
    row = session.row(moment)
    hiding = session.hides(row) or options.hiding
    label = session.run.label(row)
    if hiding and any(name in ("it", label) or name.endswith(".grad") for name in item.condition.names):
        return Watch(item.text, HIDDEN, "hidden")
    try:
        value = item.condition.at(session, moment)
    except ConditionError as error:
        return Watch(item.text, str(error).removeprefix(f"{item.text}: "), "error")
    if value is None:
        return Watch(item.text, "not there yet", "unknown")
    text, state = said(value)
    return Watch(item.text, text, state)


def said(value: Any) -> tuple[str, str]:
    """A value as text, and what kind it is."""
    if np.size(value) != 1:
        return f"an array of shape {shape(np.shape(value))}", "value"
    single = np.asarray(value).reshape(-1)[0]
    if single.dtype.kind == "b":
        return ("true", "true") if single else ("false", "false")
    return number(single.item()), "value"


def chosen_stop(options: Options) -> int | None:
    """Which stop the Stops screen looks at."""
    return min(options.line or 0, len(options.stops) - 1) if options.stops else None


def view_stops(session: Session, moment: Moment, options: Options) -> StopsView:
    """All stops, with where they stop in this training step."""
    chosen = chosen_stop(options)
    length = session.run.length(moment.step)
    lines = []
    for place, item in enumerate(options.stops):
        moments: tuple[str, ...] | None = None
        value = watch(session, moment, options, item)
        if length <= MOST_ROWS and value.state not in ("error", "hidden"):
            with suppress(ConditionError):  # at some rows it may have many answers, or none
                rows = sorted({row for row, _ in in_step(session, moment.step, (item,))})
                moments = tuple(str(session.run.at(moment.step, row)) for row in rows)
        kind = "condition" if item.condition is not None else "breakpoint"
        lines.append(StopLine(value, kind, moments, place == chosen))
    note = "" if lines else (
        "no stops yet: b sets a breakpoint on the row of the tape, w watches a condition such as norm(W1.grad) > 10. "
        "Until then c and C go to where nan and inf are born."
    )  # fmt: skip
    return StopsView(tuple(lines), note)
