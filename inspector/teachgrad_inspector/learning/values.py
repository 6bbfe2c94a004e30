"""Misconceptions about what an op computes, and about updates, and the numbers that they lead to."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from teachgrad.recording import Moment, Row

from ..session import Session
from .suspects import Suspect, at, computed, inputs_of, mirrored, quietly


def value_suspects(session: Session, row: Row, element: tuple[int, ...]) -> Iterator[Suspect]:
    """What may go wrong in computing one element of the result of an op."""
    result, inputs = session.array(row.value), inputs_of(session, row)
    value = at(result, element)
    if value is None or inputs is None or result is None:
        return
    yield from _of_products(row, inputs, element)
    yield from _of_reductions(session, row, inputs, element, value, result)
    if len(inputs) == 2:
        turned = at(computed(session, row, inputs[::-1]), element)
        if turned is not None:
            yield Suspect("swapped", turned, "the operands are the other way round")
    if len(element) > 1 and (mirror := at(result, mirrored(element))) is not None:
        yield Suspect("transpose", mirror, "that is the element at the other side of the diagonal: row and column are "
                      "exchanged")  # fmt: skip
    for name, x in zip(session.names(row), inputs, strict=True):
        if x.shape == result.shape and (same := at(x, element)) is not None:
            yield Suspect("unchanged", same, f"that is {name} as it went in: {row.op} has still to be applied")
    yield Suspect("sign", -value, "look at the sign")


def _of_products(row: Row, inputs: list[np.ndarray], element: tuple[int, ...]) -> Iterator[Suspect]:
    """Products of matrices: one term of the sum, elementwise, a transpose or the bias forgotten."""
    if row.op not in ("matmul", "linear") or any(x.ndim != 2 for x in inputs[:2]) or len(element) != 2:
        return
    x, y = (item.astype(np.float64) for item in inputs[:2])
    right = y if row.op == "matmul" else y.T
    r, c = element
    with quietly():
        terms = x[r] * right[:, c]
        bias = float(inputs[2][c]) if len(inputs) > 2 and inputs[2].ndim == 1 else 0.0
        total = float(terms.sum())
        if bias:
            yield Suspect("bias", total, "the bias is missing")
        if x.shape == right.shape:
            yield Suspect("elementwise", float(x[r, c] * right[r, c]) + bias, "that multiplies element by element: a "
                          "product of matrices takes a row times a column, and adds up")  # fmt: skip
        if right.shape[0] == right.shape[1]:
            yield Suspect("transpose", float(x[r] @ right.T[:, c]) + bias, "a transpose too many, or one too few: it "
                          "is the row of the left with the column of the right matrix")  # fmt: skip
        if len(terms) > 1:
            for term in dict.fromkeys(terms[:4096].tolist()):
                yield Suspect("not summed", term + bias, f"that is one term of a sum of {len(terms)}")
            yield Suspect("mean", total / len(terms) + bias, "that is the mean of the products: they are added up")


def _of_reductions(
    session: Session, row: Row, inputs: list[np.ndarray], element: tuple[int, ...], value: float, result: np.ndarray
) -> Iterator[Suspect]:
    """The mean instead of the sum, the sum instead of the mean, and the wrong axis."""
    settings = session.attrs(row)
    x = inputs[0]
    count = x.size // max(1, result.size)
    if settings.get("reduction") in ("mean", "sum"):
        count = x.shape[0] if x.ndim else 1
    if count > 1:
        if row.op == "mean" or settings.get("reduction") == "mean":
            yield Suspect("mean", value * count, f"that is the sum of {count}: a mean is that divided by {count}")
        elif row.op == "sum" or settings.get("reduction") == "sum":
            yield Suspect("mean", value / count, f"that is the mean of {count}: a sum is not divided")
    axis = settings.get("axis")
    single = axis[0] if isinstance(axis, tuple) and len(axis) == 1 else axis
    if isinstance(single, int) and not isinstance(single, bool):
        for other in range(x.ndim):
            if other != single % max(1, x.ndim):
                changed = (other,) if isinstance(axis, tuple) else other
                wrong = at(computed(session, row, inputs, axis=changed), element)
                if wrong is not None:
                    yield Suspect("axis", wrong, f"that goes along axis {other}: it is along axis {single}")


def update_suspects(session: Session, row: Row, element: tuple[int, ...]) -> Iterator[Suspect]:
    """What may go wrong in `w -= rate · w.grad`."""
    step = session.run.step(row.step)
    old = session.value_of(row.vertex, Moment(row.step, row.row - 1, "upd"))
    before, after = at(session.array(old), element), at(session.array(row.value), element)
    if before is None or after is None:
        return
    change = after - before
    name = session.name(row.vertex, row.step)
    yield Suspect("uphill", before - change, "that goes uphill: the gradient points to where the loss grows, so the "
                  "step is against it")  # fmt: skip
    yield Suspect("change alone", change, f"that is the change: it is added to what {name} was")
    yield Suspect("unchanged", before, f"that is {name} before the update")
    rows = [*step.into.get(row.vertex, ()), *step.seeds.get(row.vertex, ())]
    last = max((number for number in rows if number < row.row), default=None)
    gradient = at(session.array(step.rows[last].value), element) if last is not None else None
    if gradient is not None:
        yield Suspect("rate", before - gradient, "that takes the whole gradient: the learning rate scales it")
        yield Suspect("rate", before + gradient, "that adds the whole gradient: a step is against it, and scaled by "
                      "the learning rate")  # fmt: skip
