"""Where a number comes from: what each of the elements that it was computed from has to do with it.

Of a value z, an element x counts as much as z would change, to first order, if x grew by all of itself: x · ∂z/∂x.
Where z is a sum, those are its terms; where it is a product, each factor counts for all of it. Of a gradient, the parts
are the products of the chain rule, incoming gradient times local derivative, which add up to it up to rounding.
"""

from __future__ import annotations

from bisect import bisect
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from teachgrad.recording import Moment, Row, Step

from ..calculus import local_row
from ..formulas import op_named
from ..session import Session
from .arrays import inside
from .terms import Sum, view_sum

LARGEST = 1 << 20
"""Ops on arrays of more elements are not taken apart: it would take seconds."""

Element = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Number:
    """An element of a value, or of the gradient of one, at a moment."""

    vertex: int
    element: Element
    gradient: bool
    moment: Moment
    value: float | None


@dataclass(frozen=True, slots=True)
class Source:
    """One of the numbers that another comes from: `part` is what it counts, `local` the derivative, with the
    name of the number that it is, if it is one."""

    number: Number
    local: float
    local_name: str
    part: float


@dataclass(frozen=True, slots=True)
class Origin:
    """What a number was made by, and of what: the largest parts first.

    `count` parts are not zero, `total` is their sum, `gross` that without signs. `why` says where it comes from if not
    from other numbers, or why that is not known.
    """

    row: Row | None
    sources: tuple[Source, ...]
    count: int
    total: float
    gross: float
    exact: bool
    """Whether the parts add up to the number."""
    why: str


def number_at(session: Session, moment: Moment, element: Element) -> Number:
    """The number that a moment is about: an element of its value, or of its gradient."""
    row = session.row(moment)
    values = session.array(row.value)
    value = float(values[element]) if values is not None and inside(element, values) else None
    return Number(row.vertex, element, row.of_gradient, moment, value)


def origin(session: Session, number: Number, most: int) -> Origin:
    """Where a number comes from, with at most so many of its sources."""
    if number.gradient:
        return _of_gradient(session, number, most)
    return _of_value(session, number, most)


def place_of(session: Session, number: Number) -> Row:
    """The row that is about a number: where it was made, or last added to."""
    step = session.run.step(number.moment.step)
    if number.gradient:
        places = (*step.seeds.get(number.vertex, ()), *step.into.get(number.vertex, ()))
    else:
        made = [step.made[number.vertex]] if number.vertex in step.made else []
        places = (*made, *step.updates.get(number.vertex, ()))
    before = [at for at in places if at <= number.moment.row]
    return step.rows[max(before)] if before else step.rows[max(0, number.moment.row)]


def _unknown(row: Row | None, why: str) -> Origin:
    return Origin(row, (), 0, 0.0, 0.0, False, why)


# ---- values ----------------------------------------------------------------------------------------------------------


def _of_value(session: Session, number: Number, most: int) -> Origin:
    step = session.run.step(number.moment.step)
    updates = [step.rows[at] for at in step.updates.get(number.vertex, ()) if at <= number.moment.row]
    if updates:
        return _unknown(updates[-1], "written by an update of this training step")
    row = session.maker(number.vertex, number.moment)
    if row is None or row.kind == "leaf":
        return _unknown(row, "a leaf: nothing computed it" if row is not None else "from an earlier training step")
    here = row.moment
    arrays = [session.array(session.value_of(vertex, here)) for vertex in row.inputs]
    op = op_named(row.op)
    if op is None or any(x is None for x in arrays):
        return _unknown(row, f"what {row.op} was given was not recorded (level {session.run.level})")
    inputs = [x for x in arrays if x is not None]
    if sum(x.size for x in inputs) > LARGEST:
        return _unknown(row, f"{row.op} has too many elements to be taken apart here")
    slopes = local_row(op, inputs, session.attrs(row), number.element)
    if slopes is None:
        return _unknown(row, f"{row.op} has no derivative to go by")
    found = list(_parts(row, inputs, slopes))
    total = float(sum(part.sum() for _, _, _, part in found))
    gross = float(sum(np.abs(part).sum() for _, _, _, part in found))
    sources: list[Source] = []
    for vertex, values, slope, part in found:
        flat = np.abs(part).reshape(-1)
        for at in np.argsort(-flat, kind="stable")[:most]:
            if flat[at] > 0 or (part.size == 1 and slope.reshape(-1)[at]):
                element = tuple(int(i) for i in np.unravel_index(int(at), part.shape))
                given = Number(vertex, element, False, _made_at(session, vertex, here), float(values[element]))
                sources.append(Source(given, float(slope[element]), "", float(part[element])))
    sources.sort(key=lambda source: -abs(source.part))
    count = int(sum(np.count_nonzero(part) for _, _, _, part in found))
    value = number.value if number.value is not None else float("nan")
    exact = bool(np.isclose(total, value, rtol=1e-4, atol=1e-7 * max(1.0, abs(value))))
    return Origin(row, tuple(sources[:most]), count, total, gross, exact, "")


def _parts(
    row: Row, inputs: list[np.ndarray], slopes: list[np.ndarray | None]
) -> Iterator[tuple[int, np.ndarray, np.ndarray, np.ndarray]]:
    """(vertex, values, derivatives, parts) of each input that has derivatives."""
    for vertex, values, slope in zip(row.inputs, inputs, slopes, strict=True):
        if slope is not None and values.dtype.kind == "f":
            yield vertex, values, slope, slope * values.astype(np.float64)


def _made_at(session: Session, vertex: int, here: Moment) -> Moment:
    """Where a value that an op reads came to be, as far as it was in the same training step; else where it is read."""
    step = session.run.step(here.step)
    places = [at for at in step.updates.get(vertex, ()) if at <= here.row]
    at = places[-1] if places else step.made.get(vertex)
    return here if at is None else Moment(here.step, at, step.rows[at].phase)


# ---- gradients -------------------------------------------------------------------------------------------------------


def _of_gradient(session: Session, number: Number, most: int) -> Origin:
    step = session.run.step(number.moment.step)
    rows = [step.rows[at] for at in (*step.seeds.get(number.vertex, ()), *step.into.get(number.vertex, ()))
            if at <= number.moment.row]  # fmt: skip
    rows.sort(key=lambda row: row.row)
    seeds = [row for row in rows if row.kind == "seed"]
    if not rows or (seeds and len(rows) == 1):
        why = "the backward pass starts here" if seeds else "no gradient came here"
        return _unknown(rows[0] if rows else None, why)
    sources: list[Source] = []
    total, gross, count = 0.0, 0.0, 0
    for row in adding_up(step, rows):
        if row.kind != "edge":
            kept = session.array(row.part)
            left = float(kept[number.element]) if kept is not None and inside(number.element, kept) else 0.0
            total, gross = total + left, gross + abs(left)
            continue
        found = _along(session, row, number.element, most)
        if found is None:
            return _unknown(row, "what the op was given was not recorded, or it has no derivative to go by")
        parts, result = found
        sources += parts
        total, gross, count = total + result.total, gross + result.gross, count + result.count
    sources.sort(key=lambda source: -abs(source.part))
    return Origin(rows[-1], tuple(sources[:most]), count, total, gross, True, "")


def adding_up(step: Step, rows: list[Row]) -> list[Row]:
    """Of the rows about a gradient those whose parts add up to it after the last one.

    Each backward pass has a sum of its own; a deposit adds that to what `.grad` held before. Where earlier passes of
    this training step have edges here, what it held is their sum and counts with them.
    """
    starts = sorted(start for places in step.seeds.values() for start in places)
    starts = [start for start in starts if start - 1 not in starts]  # one pass may start in several places
    passes = [bisect(starts, row.row) for row in rows]
    if rows[-1].kind != "deposit":
        return [row for row, which in zip(rows, passes, strict=True) if which == passes[-1]]
    return [row for row, which in zip(rows, passes, strict=True) if row.kind != "deposit" or which == passes[0]]


def _along(session: Session, row: Row, element: Element, most: int) -> tuple[list[Source], Sum] | None:
    """The products of the chain rule along one edge: the largest as sources, and the sum of all."""
    source = row.source or 0
    here = row.moment
    maker = session.maker(source, here)
    if maker is None or maker.kind != "op":
        return None
    result = view_sum(session, row, maker, element, most)
    if result is None:
        return None
    before = Moment(row.step, row.row - 1, row.phase)
    found = [
        Source(Number(source, term.spot, True, before, term.gradient), term.local,
               "" if term.local_name.startswith("∂") else term.local_name, term.product)
        for term in result.terms
    ]  # fmt: skip
    return found, result
