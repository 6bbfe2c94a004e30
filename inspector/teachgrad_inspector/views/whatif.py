"""What if one number had been another: what the gradient predicts, and what running on from there gives."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

import numpy as np

from teachgrad.errors import RecordingError
from teachgrad.recording import Moment, Row

from .. import formulas
from ..conditions import latest
from ..numbers import shape
from ..replay import CannotReplay, Replay
from ..session import Session
from .arrays import inside
from .options import Edit, Options

POINTS = 4
"""So many points of the curve to either side."""
SHOWN = 40
_EDIT = re.compile(r"^(?P<name>[^=]+?)\s*(?:\[(?P<index>[\d,\s]*)\])?\s*=\s*(?P<value>[^=]+)$")


@dataclass(frozen=True, slots=True)
class Change:
    """A value that depends on the changed one: a number, or of an array the norm and that of the difference."""

    name: str
    what: str
    moment: str
    before: float
    after: float
    difference: float
    array: bool


@dataclass(frozen=True, slots=True)
class Point:
    """A change of the number, and how the goal changes: by its gradient, and really."""

    shift: float
    predicted: float | None
    actual: float


@dataclass(frozen=True, slots=True)
class WhatIf:
    """The answer. `note` says why there is none. All numbers are computed in float64."""

    name: str
    element: tuple[int, ...]
    step: int
    before: float | None
    after: float | None
    goal: str
    goal_before: float | None
    goal_after: float | None
    gradient: float | None
    predicted: float | None
    """gradient · change: what the tangent says."""
    actual: float | None
    curve: tuple[Point, ...]
    changes: tuple[Change, ...]
    more: int
    """How many more values change."""
    note: str


def edit_of(session: Session, text: str, moment: Moment) -> Edit:
    """The change that a text such as `W1[0,3] = 0.5` means in the training step of a moment.

    Raises `RecordingError` if it means none.
    """
    match = _EDIT.match(text.strip())
    if match is None:
        raise RecordingError(f"{text.strip()!r} is no change; write something like a = 2.01 or W1[0,3] = 0.5")
    name = match["name"].strip().strip("`")
    try:
        value = float(match["value"])
    except ValueError:
        raise RecordingError(f"{match['value'].strip()!r} is not a number") from None
    row = _named(session, name, moment)
    element = tuple(int(i) for i in match["index"].split(",")) if (match["index"] or "").strip() else ()
    values = session.array(session.value_of(row.vertex, _end(session, moment.step)))
    if values is None:
        raise RecordingError(f"the elements of {name} were not recorded (level {session.run.level})")
    if not element and values.size == 1:
        element = (0,) * values.ndim
    if not inside(element, values):
        example = f"{name}[{','.join('0' * values.ndim)}]"
        raise RecordingError(f"{name} has the shape {shape(values.shape)}; say which element, as in {example}")
    return Edit(row.vertex, element, value)


def _named(session: Session, name: str, moment: Moment) -> Row:
    """The row of the value that a name stands for in a training step."""
    if name.endswith(".grad"):
        raise RecordingError(f"{name} is a gradient; change a value, and see what becomes of the goal")
    row = latest(session, name, moment) or latest(session, name, _end(session, moment.step))
    if row is None:
        session.run.resolve(name, moment)  # a name that is nowhere is told with those that are near
        raise RecordingError(f"{name} is not computed in t{moment.step}")
    return row


def _end(session: Session, step: int) -> Moment:
    return Moment(step, len(session.run.step(step).rows) - 1, "bwd")


def view_what_if(session: Session, moment: Moment, options: Options) -> WhatIf:
    """What becomes of a training step if one number is another."""
    edit, step, goal = options.edit, moment.step, session.goal(moment)
    if edit is None:
        return _nothing("", (), step, goal, "nothing is changed: press x, and say what to change")
    name = session.name(edit.vertex, step)
    if options.hiding:  # the change of the goal would give the gradient away
        return _nothing(name, edit.element, step, goal, "hidden as long as the gradient is to be predicted; r reveals")
    found: WhatIf = session.kept(lambda: _answer(session, step, goal, name, edit), *_key(session, step, edit))
    return found


def left_to_run(session: Session, moment: Moment, options: Options) -> int:
    """About how many rows' worth of work the answer is."""
    edit, step = options.edit, moment.step
    if edit is None or options.hiding or session.has_kept(*_key(session, step, edit)):
        return 0
    return session.weight(step) * (2 * POINTS + 3)


def _key(session: Session, step: int, edit: Edit) -> tuple[str, int, int, Edit]:
    return "what if", step, session.run.length(step), edit


def _answer(session: Session, step: int, goal: str, name: str, edit: Edit) -> WhatIf:
    try:
        replay = Replay(session, step, edit.vertex, edit.element)
        before = replay.number
        shift = edit.value - before
        with np.errstate(all="ignore"):
            base, values = replay.run(0.0)
            changed, others = replay.run(shift)
            gradient = session.finished_gradient(edit.vertex, step, edit.element)
            curve = tuple(
                Point(moved := shift * k / POINTS, None if gradient is None else gradient * moved,
                      replay.run(moved)[0] - base)
                for k in range(-POINTS, POINTS + 1)
            )  # fmt: skip
    except CannotReplay as reason:
        return _nothing(name, edit.element, step, goal, str(reason))
    rows = [row for row in replay.program if not isinstance(others[row.vertex], tuple)]
    changes = tuple(_change(session, row, values[row.vertex], others[row.vertex]) for row in rows[:SHOWN])
    return WhatIf(
        name, edit.element, step, before, edit.value, goal, base, changed, gradient,
        None if gradient is None else gradient * shift, changed - base, curve, changes, max(0, len(rows) - SHOWN), "",
    )  # fmt: skip


def _nothing(name: str, element: tuple[int, ...], step: int, goal: str, note: str) -> WhatIf:
    return WhatIf(name, element, step, None, None, goal, None, None, None, None, None, (), (), 0, note)


def _change(session: Session, row: Row, before: np.ndarray, after: np.ndarray) -> Change:
    name = session.name(row.vertex, row.step)
    what = formulas.expression(row.op or "op", session.names(row), session.attrs(row))
    moment = str(row.moment)
    if np.size(after) == 1:
        x, y = float(np.reshape(before, -1)[0]), float(np.reshape(after, -1)[0])
        return Change(name, what, moment, x, y, y - x, False)
    return Change(name, what, moment, _norm(before), _norm(after), _norm(after - before), True)


def _norm(x: np.ndarray) -> float:
    flat = np.abs(x).reshape(-1).astype(np.float64)
    return math.sqrt(float(flat @ flat))
