"""A gradient compared with finite differences."""

from __future__ import annotations

from dataclasses import dataclass

from teachgrad.recording import Moment

from ..replay import CannotReplay, Difference, Replay, best
from ..session import Session
from .arrays import inside


@dataclass(frozen=True, slots=True)
class Check:
    """The comparison for one element. `note` says why there is none."""

    name: str
    goal: str
    element: tuple[int, ...]
    gradient: float | None
    estimate: float | None
    h: float | None
    error: float | None
    agrees: bool
    differences: tuple[Difference, ...]
    note: str


def view_check(session: Session, moment: Moment, vertex: int, element: tuple[int, ...]) -> Check:
    """Compare the finished gradient of a vertex in this training step with finite differences."""
    name, goal = session.name(vertex, moment.step), session.goal(moment)
    end = Moment(moment.step, len(session.step(moment).rows) - 1, "bwd")
    last = session.gradient_row(vertex, end)
    try:
        values = session.array(last.value) if last is not None else None
        if values is None:
            raise CannotReplay("there is no recorded gradient to compare with")
        if not inside(element, values):
            raise CannotReplay(f"there is no element {list(element)}")
        differences = Replay(session, moment.step, vertex, element).differences()
    except CannotReplay as reason:
        return Check(name, goal, element, None, None, None, None, False, (), str(reason))
    chosen = best(differences)
    gradient = session.finished_gradient(vertex, moment.step, element)
    assert gradient is not None
    error = abs(chosen.value - gradient)
    # The gradient carries the rounding of its own type, the difference that of a long computation in float64.
    precision = {2: 1e-2, 4: 1e-4, 8: 1e-6}.get(values.dtype.itemsize, 1e-4)
    agrees = error <= precision * max(abs(gradient), abs(chosen.value)) + 1e-7
    return Check(name, goal, element, gradient, chosen.value, chosen.h, error, agrees, tuple(differences), "")
