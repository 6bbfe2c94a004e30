"""Misconceptions about a contribution to a gradient, and the numbers that they lead to."""

from __future__ import annotations

from collections.abc import Iterator
from math import prod

import numpy as np

from teachgrad.recording import Row

from ..calculus import local_column
from ..formulas import op_named
from ..numbers import shape
from ..session import Session
from .suspects import LARGE, Suspect, at, inputs_of, mirrored, quietly

TERMS = 4096
"""Of longer sums not every term is looked at."""
NOTHING = 1e-6


def gradient_suspects(session: Session, row: Row, element: tuple[int, ...]) -> Iterator[Suspect]:
    """What may go wrong in `x.grad += incoming · local derivative`."""
    made = session.run.step(row.step).made.get(row.source or 0)
    after, delta = at(session.array(row.value), element), at(session.array(row.delta), element)
    if after is None or delta is None or made is None:
        return
    op = session.run.step(row.step).rows[made]
    name, source = session.name(row.vertex, row.step), session.name(op.vertex, row.step)
    before = after - delta
    if abs(before) <= NOTHING * max(abs(after), abs(delta)):
        before = 0.0
    if before:
        yield Suspect("overwritten", delta, f"that is this contribution alone, as if it were = and not +=: {name}.grad "
                      "already holds what came along another edge, and contributions add up")  # fmt: skip
        yield Suspect("left out", before, f"that is what {name}.grad was before: add what comes from {source}")
    for what, part, hint in _parts(session, row, op, element, delta, name, source):
        yield Suspect(what, before + part, hint)
        if before:
            yield Suspect(what, part, f"{hint}; and what {name}.grad held before is missing, += and not =")
    yield Suspect("sign", before - delta, "look at the sign of the contribution")
    if before:
        yield Suspect("sign", -after, "look at the sign")


def _parts(
    session: Session, row: Row, op: Row, element: tuple[int, ...], delta: float, name: str, source: str
) -> Iterator[tuple[str, float, str]]:
    """Wrong contributions."""
    yield from _turned(session, row, op, element, name, source)
    yield from _of_the_other(session, row, op, element, name, source)
    yield from _factors(session, row, op, delta)
    found = local_part(session, row, element)
    if found is None:
        return
    gradient, column = found
    reached = column != 0
    g, local = gradient[reached].astype(np.float64), column[reached]
    many = len(local) > 1
    alone = "the local derivatives alone, added up" if many else "the local derivative alone"
    yield ("local alone", float(local.sum()), f"that is {alone}: by the chain rule it is multiplied by the incoming "
           f"gradient, that of {source}")  # fmt: skip
    yield ("incoming alone", float(g.sum()),
           f"that is the incoming gradient, that of {source}, alone: it is multiplied by the local derivative "
           f"∂{source}/∂{name}")  # fmt: skip
    if many:
        yield "mean", delta / len(local), f"that is the mean of {len(local)} terms: gradients are added, not averaged"
        why = _why_summed(session, row, op, name, source)
        for term in dict.fromkeys((g * local)[:TERMS].tolist()):
            yield "not summed", term, f"that is one term of a sum of {len(local)}: {why}"
        largest, spread = float((g * local).max()), f"of the {len(local)} terms only the largest"
        yield "not summed", largest, f"that is {spread}: {why}"


def local_part(session: Session, row: Row, element: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray] | None:
    """The incoming gradient of an edge, and ∂z/∂x[element] for all elements of the result z; None where they are not
    known."""
    step = session.run.step(row.step)
    op = step.rows[step.made[row.source or 0]]
    known, inputs, gradient = op_named(op.op), inputs_of(session, op), session.array(row.incoming)
    edge = row.edge or 0
    if known is None or inputs is None or edge >= len(inputs) or gradient is None or gradient.size > LARGE:
        return None
    column = local_column(known, inputs, session.attrs(op), edge, element)
    return (gradient, column) if column is not None and column.shape == gradient.shape else None


def _why_summed(session: Session, row: Row, op: Row, name: str, source: str) -> str:
    target, result = session.info(row.delta), session.info(op.value)
    if target is not None and result is not None and op.op not in ("matmul", "linear"):
        return (f"{name} {shape(target.shape)} was repeated to {shape(result.shape)}, so its gradient is the sum over "
                "the axes along which it was")  # fmt: skip
    return f"{name} takes part in several elements of {source}, and each sends gradient back"


def _turned(
    session: Session, row: Row, op: Row, element: tuple[int, ...], name: str, source: str
) -> Iterator[tuple[str, float, str]]:
    """A transpose that was forgotten: the element at the other side of the diagonal, or a product that only fits
    because a matrix is square."""
    delta = session.array(row.delta)
    hint = "a transpose is missing: look at the shapes of the product that gives this gradient"
    if delta is not None and len(element) > 1 and (other := at(delta, mirrored(element))) is not None:
        yield "transpose", other, f"that is the element at the other side of the diagonal: {hint}"
    gradient, inputs = session.array(row.incoming), inputs_of(session, op)
    if op.op not in ("matmul", "linear") or gradient is None or inputs is None or gradient.ndim != 2:
        return
    x, y = inputs[0], inputs[1]
    if op.op == "matmul":
        pairs = {0: (gradient, y), 1: (x, gradient)}  # instead of g yᵀ and xᵀ g
    else:
        pairs = {0: (gradient, y.T), 1: (gradient, x)}  # instead of g W and gᵀ x
    left, right = pairs.get(row.edge or 0, (None, None))
    if left is None or right is None or left.ndim != 2 or right.ndim != 2 or left.shape[1] != right.shape[0]:
        return
    if element[0] >= left.shape[0] or element[1] >= right.shape[1]:
        return
    with quietly():
        wrong = float(left[element[0]].astype(np.float64) @ right[:, element[1]].astype(np.float64))
    yield "transpose", wrong, hint


def _of_the_other(
    session: Session, row: Row, op: Row, element: tuple[int, ...], name: str, source: str
) -> Iterator[tuple[str, float, str]]:
    """What flows to the other operand instead."""
    step = session.run.step(row.step)
    for number in step.out_of.get(op.vertex, ()):
        other = step.rows[number]
        part = at(session.array(other.delta), element) if other.edge != row.edge else None
        if part is not None:
            neighbour = session.name(other.vertex, row.step)
            yield ("swapped", part, f"that is what flows to {neighbour}: the local derivative is ∂{source}/∂{name}, "
                   "so look again at which operand it is")  # fmt: skip
    inputs = inputs_of(session, op)
    gradient = at(session.array(row.incoming), element)
    if op.op == "multiply" and inputs is not None and len(inputs) == 2 and gradient is not None:
        mine = at(inputs[row.edge or 0], element) if (row.edge or 0) < 2 else None
        if mine is not None:
            yield ("swapped", mine * gradient, f"the derivative of a product for {name} is the other factor, not "
                   f"{name} itself")  # fmt: skip


def _factors(session: Session, row: Row, op: Row, delta: float) -> Iterator[tuple[str, float, str]]:
    """The factor 1/n of a mean that was forgotten, or put where there is none."""
    target, result = session.info(row.delta), session.info(op.value)
    if target is None or result is None:
        return
    settings = session.attrs(op)
    count = target.size // max(1, result.size)
    if settings.get("reduction") in ("mean", "sum"):
        count = target.shape[0] if target.shape else 1
    if count <= 1:
        return
    if op.op == "mean" or settings.get("reduction") == "mean":
        for n in {count, prod(target.shape)}:
            yield "mean", delta * n, f"{op.op} is a mean: a factor 1/{n} is missing"
    elif op.op == "sum" or settings.get("reduction") == "sum":
        yield "mean", delta / count, f"{op.op} adds up: there is no factor 1/{count}, that would be a mean"
