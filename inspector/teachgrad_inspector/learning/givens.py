"""The numbers that a question about an element of an array is answered with, where they are few.

Numbers of scalars stand on the tape; of arrays it shows only what they are like. All of these are known before.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from teachgrad.recording import Moment, Row

from ..formulas import op_named
from ..numbers import index, number
from ..session import Session
from .gradients import local_part
from .questions import VALUE, Question
from .suspects import inputs_of

MOST = 8
"""So many numbers at most: nobody adds up more by hand."""

KNOWN = ("matmul", "linear", "sum", "mean")
"""Besides elementwise ops, those whose derivative is made of the numbers that are listed."""

Given = tuple[str, float]


def givens(session: Session, question: Question) -> str:
    """`x[0,1] = 2   w[1,0] = -1.25`; nothing where there is nothing to say, or too much."""
    if question.kind != VALUE or question.element == ():
        return ""
    text: str = session.kept(lambda: _givens(session, question), "givens", question)
    return text


def _givens(session: Session, question: Question) -> str:
    row = session.row(question.moment)
    if row.kind == "op":
        found = list(_of_values(session, row, question.element))
    elif row.kind == "edge":
        found = list(_of_gradients(session, row, question.element))
    elif row.kind == "update":
        found = list(_of_updates(session, row, question.element))
    else:
        found = []
    found = [one for one in dict.fromkeys(found) if one[0] != number(one[1])]  # a constant is called what it is
    return "   ".join(f"{name} = {number(value)}" for name, value in found) if 0 < len(found) <= MOST else ""


def _of_values(session: Session, row: Row, element: tuple[int, ...]) -> Iterator[Given]:
    """What the element of the result of an op is computed from."""
    inputs, names, op = inputs_of(session, row), session.names(row), op_named(row.op)
    if inputs is None or op is None:
        return
    if row.op in ("matmul", "linear") and all(x.ndim == 2 for x in inputs[:2]):
        r, c = element
        turned = row.op == "linear"
        for i in range(min(inputs[0].shape[1], MOST + 1)):
            yield _one(names[0], inputs[0], (r, i))
            yield _one(names[1], inputs[1], (c, i) if turned else (i, c))
        if len(inputs) > 2:
            yield _one(names[2], inputs[2], (c,))
        return
    if hasattr(op, "admit"):  # elementwise
        for name, x in zip(names, inputs, strict=True):
            yield _one(name, x, _aligned(element, x.shape))


def _of_gradients(session: Session, row: Row, element: tuple[int, ...]) -> Iterator[Given]:
    """What arrives at the result of the op, and the numbers that its derivative is made of, where it has an effect."""
    made = session.run.step(row.step).made.get(row.source or 0)
    if made is None:
        return
    op = session.run.step(row.step).rows[made]
    known = op_named(op.op)
    if op.op not in KNOWN and not hasattr(known, "admit"):
        return
    found = local_part(session, row, element)
    if found is None:
        return
    gradient, column = found
    inputs, names = inputs_of(session, op) or [], session.names(op)
    before = session.array(row.value), session.array(row.delta)
    if before[0] is not None and before[1] is not None:
        held = float(before[0][element]) - float(before[1][element])
        if abs(held) > 1e-6 * abs(float(before[0][element])):
            yield f"{session.name(row.vertex, row.step)}.grad{index(element)} before", held
    spots = np.argwhere(column) if column.ndim else np.zeros((int(column != 0), 0), int)
    for spot in spots[: MOST + 1]:
        at = tuple(map(int, spot))
        yield _one(f"{session.name(op.vertex, row.step)}.grad", gradient, at)
        if op.op in ("matmul", "linear") and (row.edge or 0) < 2 and len(at) == 2:
            other = 1 - (row.edge or 0)
            r, c = element
            places = {("matmul", 0): (c, at[1]), ("matmul", 1): (at[0], r), ("linear", 0): (at[1], c),
                      ("linear", 1): (at[0], c)}  # fmt: skip
            yield _one(names[other], inputs[other], places[op.op, row.edge or 0])
        elif known is not None and hasattr(known, "admit"):
            for name, x in zip(names, inputs, strict=True):
                yield _one(name, x, _aligned(at, x.shape))


def _of_updates(session: Session, row: Row, element: tuple[int, ...]) -> Iterator[Given]:
    """The parameter, its gradient and the learning rate."""
    step = session.run.step(row.step)
    name = session.name(row.vertex, row.step)
    old = session.array(session.value_of(row.vertex, Moment(row.step, row.row - 1, row.phase)))
    if old is not None:
        yield _one(name, old, element)
    last = max((at for at in step.into.get(row.vertex, ()) if at < row.row), default=None)
    gradient = session.array(step.rows[last].value) if last is not None else None
    if gradient is not None:
        yield _one(f"{name}.grad", gradient, element)
    for earlier in (*session.run.step(0).rows, *step.rows):  # it is a leaf where it is read for the first time
        if earlier.kind == "leaf" and earlier.name == "lr":
            rate = session.scalar(session.value_of(earlier.vertex, row.moment))
            if rate is not None:
                yield "lr", rate


def _one(name: str, values: np.ndarray, element: tuple[int, ...]) -> Given:
    return f"{name}{index(element)}", float(values[element])


def _aligned(element: tuple[int, ...], lengths: tuple[int, ...]) -> tuple[int, ...]:
    """The element of a broadcast operand that goes into this element of the result."""
    return tuple(0 if n == 1 else i for i, n in zip(element[len(element) - len(lengths) :], lengths, strict=True))
