"""The Chain screen: the chain rule at one op with the numbers put in, and the gradient that it adds to."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from teachgrad.recording import Moment, Row

from .. import formulas
from ..numbers import bracketed, number, shape
from ..session import Session
from .arrays import ArrayView, inside, largest, view_array
from .check import Check, view_check
from .ledger import Ledger, view_ledger
from .narrate import narrate
from .options import Options
from .paths import Paths, view_paths
from .source import SourceView, view_source
from .tape import Strip, view_strip
from .terms import Sum, view_sum

NEARBY = 11
"""Lines of tape to fill a Chain screen with, where there is room."""


@dataclass(frozen=True, slots=True)
class Rule:
    """A local derivative: `∂e/∂a = b`."""

    left: str
    right: str


@dataclass(frozen=True, slots=True)
class Incoming:
    """The gradient that arrives at the result of the op."""

    symbol: str
    value: float | None
    shape: tuple[int, ...]
    origin: str
    known: bool


@dataclass(frozen=True, slots=True)
class Product:
    """The chain rule for one input. Numbers are None where they are arrays, not recorded, hidden, or still to come."""

    left: str
    symbols: tuple[str, str]
    incoming: float | None
    local: float | None
    result: float | None
    formula: str
    """Of arrays, how the contribution is computed: `xᵀ @ z.grad`."""
    shape: tuple[int, ...]
    moment: str
    current: bool
    future: bool


@dataclass(frozen=True, slots=True)
class ChainView:
    """The Chain screen at a moment. What does not apply to the kind of row is None or empty."""

    moment: str
    kind: str
    subject: str
    title: str
    place: str
    forward: str
    headline: str
    shapes: str
    broadcast: str
    rules: tuple[Rule, ...]
    incoming: Incoming | None
    products: tuple[Product, ...]
    element: tuple[int, ...] | None
    sum: Sum | None
    ledger: Ledger | None
    paths: Paths | None
    check: Check | None
    checkable: bool
    """Whether finite differences can be asked for."""
    contribution: ArrayView | None
    arriving: ArrayView | None
    source: SourceView | None
    strip: Strip
    """The tape around the moment."""
    facts: tuple[str, ...]
    hidden: bool
    narration: str


def view_chain(session: Session, moment: Moment, options: Options) -> ChainView:
    """The Chain screen at a moment: of gradient along an edge, the op it comes out of; of an op, that op."""
    row = session.row(moment)
    op = _op_of(session, row, moment)
    hidden = session.hides(row) or (options.hiding and row.of_gradient)
    element = element_of(session, moment, row, options)
    if hidden and element is None and (known := session.info(row.part)) is not None and not known.shape:
        element = ()
    site = session.site(row, moment)
    scalar = element == ()
    show = element is not None and row.kind == "edge" and op is not None and not scalar and not hidden
    ledger = view_ledger(session, moment, row.vertex, options, element)
    begun = session.gradient_row(row.vertex, moment) is not None
    complete = session.is_complete(row.vertex, moment) and not options.hiding  # else a check would give it away
    checked = row.kind in ("edge", "leaf") and element is not None and complete
    name = session.name(row.vertex, moment.step)
    return ChainView(
        moment=str(moment), kind=row.kind, subject=_subject(row, name), title=_title(session, row, op, name),
        place=f"{site.file.replace(chr(92), '/').rpartition('/')[2]}:{site.line}" if site else "",
        forward=_forward(session, op) if op is not None else "",
        headline=(formulas.headline(op.op or "") or "") if op is not None else "",
        shapes=_shapes(session, op) if op is not None else "",
        broadcast=_broadcast(session, row, op) if op is not None else "",
        rules=_rules(session, op) if op is not None else (),
        incoming=_incoming(session, moment, op, hidden) if op is not None else None,
        products=_products(session, moment, row, op, options) if op is not None else (),
        element=element, sum=view_sum(session, row, op, element or ()) if show and op is not None else None,
        strip=view_strip(session, moment, options, NEARBY), ledger=ledger,
        paths=view_paths(session, moment, row.vertex) if scalar and begun and complete else None,
        check=view_check(session, moment, row.vertex, element or ()) if options.check and checked else None,
        checkable=row.kind == "edge" and complete and not hidden,
        contribution=None if hidden else view_array(session, row.part, options.numbers),
        arriving=None if hidden else view_array(session, row.incoming, options.numbers),
        source=view_source(session, row, moment), facts=_facts(session, moment, row, element), hidden=hidden,
        narration=narrate(session, moment, options) if options.narration else "",
    )  # fmt: skip


def _op_of(session: Session, row: Row, moment: Moment) -> Row | None:
    """The op that a row is about."""
    if row.kind == "op":
        return row
    vertex = row.source if row.kind == "edge" else row.vertex
    maker = session.maker(vertex or 0, moment)
    return maker if maker is not None and maker.kind == "op" else None


def element_of(session: Session, moment: Moment, row: Row, options: Options) -> tuple[int, ...] | None:
    """The element to look at: the one asked for, else the largest contribution. () for a scalar, None for nothing."""
    info = session.info(row.part)
    if info is None or not info.has_values or info.size == 0:
        return None
    values = session.array(row.part)
    if values is None:
        return None
    for wish in (options.element, moment.element):
        if wish is not None and inside(wish, values):
            return wish
    return largest(values)


def _subject(row: Row, name: str) -> str:
    if row.kind == "seed":
        return f"the backward pass starts at {name}"
    if row.kind in ("edge", "deposit"):
        return f"contribution to {name}.grad"
    return {"leaf": "the leaf", "op": "the op that makes", "update": "update of"}[row.kind] + f" {name}"


def _title(session: Session, row: Row, op: Row | None, name: str) -> str:
    if row.kind == "update":
        return f"update of {name}"
    if row.kind == "deposit":
        return f"what {name}.grad held before this backward pass"
    if op is None:
        return f"{name} is a leaf: no op made it"
    equation = f"{session.name(op.vertex, op.step)} = {_expression(session, op)}"
    return {"op": "forward of ", "edge": "backward of "}.get(row.kind, "") + equation


def _expression(session: Session, op: Row) -> str:
    return formulas.expression(op.op or "op", session.names(op), session.attrs(op))


def _forward(session: Session, op: Row) -> str:
    """`e = a · b = (2) · (-3) = -6`; of arrays, only the formula."""
    text = f"{session.name(op.vertex, op.step)} = {_expression(session, op)}"
    here = op.moment
    values = [session.scalar(session.value_of(vertex, here)) for vertex in op.inputs]
    result = session.scalar(op.value)
    if result is None or any(value is None for value in values):
        return text
    filled = formulas.expression(
        op.op or "op", [bracketed(value) for value in values if value is not None], session.attrs(op)
    )
    return f"{text} = {filled} = {number(result)}"


def _shapes(session: Session, op: Row) -> str:
    """`(64,32) @ (32,10) → (64,10)`; nothing for scalars."""
    here = op.moment
    infos = [session.info(session.value_of(vertex, here)) for vertex in op.inputs]
    result = session.info(op.value)
    known = [info for info in (*infos, result) if info is not None]
    if result is None or len(known) <= len(infos) or all(info.size == 1 for info in known):
        return ""
    joint = " @ " if op.op == "matmul" else "  "
    return joint.join(shape(info.shape) for info in infos if info is not None) + f" → {shape(result.shape)}"


def _broadcast(session: Session, row: Row, op: Row) -> str:
    """What undoing a broadcast means for this edge."""
    if row.kind != "edge" or op.op in ("matmul", "linear"):
        return ""
    target, result = session.info(row.delta), session.info(op.value)
    if target is None or result is None or target.shape == result.shape:
        return ""
    known = formulas.op_named(op.op)
    if known is None or not hasattr(known, "admit"):  # an elementwise op
        return ""
    extra = len(result.shape) - len(target.shape)
    axes = [*range(extra), *(extra + i for i, n in enumerate(target.shape) if n == 1 and result.shape[extra + i] != 1)]
    if not axes:
        return ""
    which = f"axis {axes[0]}" if len(axes) == 1 else f"axes {', '.join(map(str, axes))}"
    name = session.name(row.vertex, row.step)
    return (
        f"{name} {shape(target.shape)} was repeated along {which} to {shape(result.shape)}: "
        f"its gradient is the sum over {which}"
    )


def _rules(session: Session, op: Row) -> tuple[Rule, ...]:
    names, result = session.names(op), session.name(op.vertex, op.step)
    rules = []
    for edge, name in enumerate(names):
        right = formulas.derivative(op.op or "", edge, names, result)
        if right is not None:
            rules.append(Rule(f"∂{result}/∂{name}", right))
    return tuple(rules)


def _incoming(session: Session, moment: Moment, op: Row, hidden: bool) -> Incoming | None:
    """The gradient at the result of the op, as far as it is known at this moment."""
    if not op.requires_grad:
        return None
    step = session.step(moment)
    name = session.name(op.vertex, op.step)
    symbol = f"∂{session.goal(moment)}/∂{name}"
    now = session.gradient_row(op.vertex, moment)
    info = session.info(op.value)
    lengths = info.shape if info is not None else ()
    users = [step.rows[i] for i in step.readers(op.vertex) if step.rows[i].requires_grad]
    if now is None:
        later = session.next_gradient_row(op.vertex, moment)
        never = "never comes" if session.is_over(moment) else "has not come yet"
        origin = f"comes at {later.moment}" if later is not None else never
        return Incoming(symbol, None, lengths, origin, False)
    if now.kind == "seed":
        return Incoming(symbol, session.scalar(now.value), lengths, "the start of the backward pass", True)
    origins = [f"{session.name(user.vertex, op.step)} = {_expression(session, user)}" for user in users[:2]]
    origin = "from  " + ",  ".join(origins) + (f" and {len(users) - 2} more" if len(users) > 2 else "")
    value = None if hidden and op.vertex == session.row(moment).vertex else session.scalar(now.value)
    return Incoming(symbol, value, lengths, f"{origin}  (×{len(users)})", True)


def _products(session: Session, moment: Moment, row: Row, op: Row, options: Options) -> tuple[Product, ...]:
    """The chain rule for each input that gradient flows to."""
    step = session.step(moment)
    result, goal = session.name(op.vertex, op.step), session.goal(moment)
    names = session.names(op)
    products = []
    rows = [step.rows[i] for i in step.out_of.get(op.vertex, ())]
    for edge_row in sorted(rows, key=lambda item: (item.edge or 0, item.row)):
        edge = edge_row.edge or 0
        name = names[edge] if edge < len(names) else session.name(edge_row.vertex, op.step)
        future = edge_row.row > moment.row
        current = edge_row.row == row.row
        info = session.info(edge_row.delta)
        incoming, contribution, local = session.scalar(edge_row.incoming), session.scalar(edge_row.delta), None
        if incoming is not None and contribution is not None and not future:
            terms = view_sum(session, edge_row, op, _zeros(session, edge_row))
            local = terms.terms[0].local if terms is not None and terms.terms else 0.0 if terms is not None else None
        hidden = future or (current and options.hiding)
        products.append(Product(
            f"∂{goal}/∂{name}", (f"∂{goal}/∂{result}", f"∂{result}/∂{name}"), None if future else incoming,
            None if hidden else local, None if hidden else contribution,
            "" if info is None or info.size == 1 else formulas.contribution(op.op or "op", edge, names, result),
            info.shape if info is not None else (),
            str(edge_row.moment), current, future,
        ))  # fmt: skip
    return tuple(products)


def _zeros(session: Session, row: Row) -> tuple[int, ...]:
    info = session.info(row.delta)
    return (0,) * len(info.shape) if info is not None else ()


def _facts(session: Session, moment: Moment, row: Row, element: tuple[int, ...] | None) -> tuple[str, ...]:
    """For an update: the old value, the new one, and how the change compares with the gradient."""
    if row.kind != "update" or element is None:
        return ()
    name = session.name(row.vertex, moment.step)
    before = session.array(session.value_of(row.vertex, Moment(moment.step, row.row - 1, "upd")))
    after = session.array(row.value)
    if before is None or after is None or before.shape != after.shape:
        return ()
    place = "" if element == () else "[" + ",".join(map(str, element)) + "]"
    change = float(after[element]) - float(before[element])
    facts = [
        f"before   {name}{place} = {number(before[element], 7)}",
        f"after    {name}{place} = {number(after[element], 7)}",
        f"change   {number(change, 5)}",
    ]
    last = session.gradient_row(row.vertex, moment)
    gradient = session.array(last.value) if last is not None else None
    if gradient is not None and gradient.shape == after.shape and float(gradient[element]):
        facts.append(
            f"change / gradient = {number(change / float(gradient[element]), 5)}"
            f"   (plain gradient descent: minus the learning rate)"
        )
    size, norm = float(np.linalg.norm(after - before)), float(np.linalg.norm(before))
    if norm:
        facts.append(
            f"‖change‖ / ‖{name}‖ = {number(size / norm, 3)}   (log10 {number(np.log10(size / norm), 2)})"
            if size
            else "nothing changed"
        )
    return tuple(facts)
