"""A sentence that says what happens in a row."""

from __future__ import annotations

from teachgrad.recording import Moment, Row

from .. import formulas
from ..numbers import number, shape, signed
from ..session import Session
from .options import Options


def narrate(session: Session, moment: Moment, options: Options) -> str:
    """What happens at a moment, in words. Numbers that are to be predicted are left out."""
    row = session.row(moment)
    name = session.name(row.vertex, moment.step)
    if row.kind == "leaf":
        return f"{name} is used for the first time; nothing computed it" + _value(session, row) + "."
    if row.kind == "op":
        text = formulas.expression(row.op or "op", session.names(row), session.attrs(row))
        kept = "" if row.requires_grad else "; no gradient will flow through it"
        return f"{name} is computed as {text}" + _value(session, row) + kept + "."
    if row.kind == "seed":
        return f"The backward pass starts at {name}: its gradient with respect to itself is 1."
    if row.kind == "deposit":
        result = "" if options.hiding else _value(session, row)
        return f"{name}.grad was not cleared: what it still held is added to the gradient of this pass{result}."
    if row.kind == "update":
        return f"{name} is overwritten with its new value" + _value(session, row) + "."
    source = session.name(row.source or 0, moment.step)
    maker = session.maker(row.source or 0, moment)
    how = (
        f" as {formulas.contribution(maker.op or 'op', row.edge or 0, session.names(maker), source)}"
        if maker is not None and maker.kind == "op"
        else ""
    )
    before = [i for i in session.step(moment).into.get(row.vertex, ()) if i < row.row]
    added = "added to what is there" if before else "the first contribution"
    result = "" if options.hiding else _value(session, row)
    return f"Gradient flows from {source} back to {name}{how}; it is {added}{result}."


def _value(session: Session, row: Row) -> str:
    value = session.scalar(row.value)
    if value is not None:
        return f", {number(value)}"
    info = session.info(row.value)
    if session.hides(row) and (info is None or not info.shape):
        return ""
    return f", an array of shape {shape(info.shape)}" if info is not None else ""


def short_note(session: Session, moment: Moment, options: Options) -> str:
    """A few words for the status line: the value, or what was added and what came out."""
    row = session.row(moment)
    value = session.scalar(row.value)
    info = session.info(row.value)
    if session.hides(row) or (options.hiding and row.of_gradient):
        return "predict it: a answers, r gives up"
    if row.kind == "deposit":
        held = session.scalar(row.delta)
        if held is not None and value is not None:
            return f"{signed(held)} from before, now {number(value)}"
        return "with what was there before" + (f"  {shape(info.shape)}" if info is not None else "")
    if row.kind == "edge":
        delta = session.scalar(row.delta)
        source = session.name(row.source or 0, row.step)
        if delta is not None and value is not None:
            return f"{signed(delta)} from {source}, now {number(value)}"
        return f"from {source}" + (f"  {shape(info.shape)}" if info is not None else "")
    if value is not None:
        return number(value)
    return shape(info.shape) if info is not None else ""
