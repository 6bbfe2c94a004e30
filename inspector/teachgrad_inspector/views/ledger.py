"""The accumulation of a gradient, edge by edge."""

from __future__ import annotations

from bisect import bisect
from dataclasses import dataclass

import numpy as np

from teachgrad.recording import Moment, Row

from ..session import Session
from .arrays import inside
from .options import Options

NORM_LIMIT = 1 << 22


@dataclass(frozen=True, slots=True)
class Entry:
    """One contribution to a gradient. Numbers are those of one element, or of a scalar; None where not known (yet)."""

    moment: str
    source: str
    target: str
    edge: int
    contribution: float | None
    before: float | None
    after: float | None
    norm: float | None
    """Of an array, the Euclidean norm of the contribution."""
    total_norm: float | None
    """Of an array, that of the running sum after it."""
    current: bool
    future: bool


@dataclass(frozen=True, slots=True)
class Ledger:
    """All contributions to the gradient of a value in this training step."""

    name: str
    element: tuple[int, ...]
    entries: tuple[Entry, ...]
    total: float | None
    """The running sum at this moment."""
    assigned: float | None
    """What would be left if contributions replaced each other instead of adding up."""
    hidden: bool


def view_ledger(
    session: Session, moment: Moment, vertex: int, options: Options, element: tuple[int, ...] | None = None
) -> Ledger | None:
    """The ledger of a vertex, or None if no gradient flows into it here."""
    step = session.step(moment)
    rows = [step.rows[i] for i in sorted((*step.seeds.get(vertex, ()), *step.into.get(vertex, ())))]
    if not rows:
        return None
    entries: list[Entry] = []
    total: float | None = 0.0
    running: float | None = 0.0
    assigned = None
    starts = sorted(start for places in step.seeds.values() for start in places)
    passes = [bisect(starts, row.row) for row in rows]
    for row, this, before in zip(rows, passes, [passes[0], *passes], strict=False):
        if this != before and row.kind == "edge":  # another backward pass has a sum of its own
            running = 0.0
        future = row.row > moment.row
        hidden = future or (options.hiding and row.row == moment.row)
        part = _element(session, row.part, element)
        after = _element(session, row.value, element)
        entries.append(Entry(
            str(row.moment),
            _source(session, row),
            session.name(vertex, row.step), row.edge if row.edge is not None else -1,
            None if hidden else part, None if hidden else running, None if hidden else after,
            None if hidden else _norm(session, row.part),
            None if hidden else _norm(session, row.value),
            row.row == moment.row, future,
        ))  # fmt: skip
        running = after
        if not hidden:
            total, assigned = after, part
    shown = [entry for entry in entries if not entry.future]
    return Ledger(
        session.name(vertex, moment.step),
        element or (),
        tuple(entries),
        total if shown else None,
        assigned if len(shown) > 1 else None,
        options.hiding,
    )


def _source(session: Session, row: Row) -> str:
    """Where a contribution comes from; nothing for the start of a backward pass."""
    if row.kind == "deposit":
        return "before"
    return session.name(row.source, row.step) if row.source is not None else ""


def _element(session: Session, number: int | None, element: tuple[int, ...] | None) -> float | None:
    """One element of an array, if it was recorded; of an array of one element, that."""
    info = session.info(number)
    if info is None or not info.has_values:
        return None
    if info.size == 1:
        return session.scalar(number)
    values = session.array(number)
    if element is None or values is None or not inside(element, values):
        return None
    return float(values[element].real)


def _norm(session: Session, number: int | None) -> float | None:
    info = session.info(number)
    if info is None or info.size == 1 or info.size > NORM_LIMIT:
        return None
    values = session.array(number)
    return None if values is None else float(np.linalg.norm(values.astype(np.float64)))


def rows_into(session: Session, moment: Moment, vertex: int) -> list[Row]:
    """The rows in which gradient flows into a vertex."""
    step = session.step(moment)
    return [step.rows[i] for i in step.into.get(vertex, ())]
