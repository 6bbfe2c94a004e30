"""The Tape screen: every event in order, the lanes of living values, and the value under the cursor."""

from __future__ import annotations

from dataclasses import dataclass

from teachgrad.errors import counted
from teachgrad.recording import Moment, Row, Step

from .. import formulas
from ..lanes import Item, Lanes, Picture
from ..numbers import number, signed
from ..session import Session
from .arrays import ArrayView, view_array
from .ledger import Ledger, view_ledger
from .narrate import narrate
from .options import Options
from .source import SourceView, view_source
from .watches import Watch, view_watches

SUMMARY_LIMIT = 1 << 18
"""Larger arrays are not read only to be summed up in one line of the tape."""
HIDDEN = "?"
PREDICT = "predict it: a answers, r gives up"


@dataclass(frozen=True, slots=True)
class TapeLine:
    """One line: a row, a folded module, or (with `phase` alone) the beginning of a phase."""

    phase: str
    moment: str = ""
    row: int = -1
    kind: str = ""
    label: str = ""
    what: str = ""
    shape: tuple[int, ...] | None = None
    value: str = ""
    chips: tuple[str, ...] = ()
    place: str = ""
    fold: str | None = None
    count: int = 1
    cursor: bool = False
    future: bool = False
    trouble: str = ""
    stop: bool = False
    """Whether a breakpoint stands here."""
    spot: bool = False
    """Whether a tour points at it."""
    picture: Picture | None = None


@dataclass(frozen=True, slots=True)
class RailView:
    """Parked values of a module."""

    scope: str
    count: int
    nbytes: int


@dataclass(frozen=True, slots=True)
class Strip:
    """A piece of the tape."""

    lines: tuple[TapeLine, ...]
    width: int
    """How many lanes the whole training step takes."""
    rails: tuple[RailView, ...]
    kept: str = ""
    """Which part of the rows is shown, if not all are."""


@dataclass(frozen=True, slots=True)
class Pane:
    """A value or a gradient, with a title and, where there is nothing, the reason."""

    title: str
    array: ArrayView | None
    note: str


@dataclass(frozen=True, slots=True)
class TapeView:
    """The Tape screen at a moment."""

    moment: str
    strip: Strip
    value: Pane
    gradient: Pane
    ledger: Ledger | None
    source: SourceView | None
    narration: str
    watches: tuple[Watch, ...] = ()


def view_tape(session: Session, moment: Moment, options: Options, lines: int) -> TapeView:
    """The Tape screen at a moment, with so many lines of tape around the cursor."""
    row = session.row(moment)
    vertex_name = session.name(row.vertex, moment.step)
    return TapeView(
        moment=str(moment),
        strip=view_strip(session, moment, options, lines),
        value=view_value(session, moment, options),
        gradient=_gradient(session, moment, row, vertex_name, options),
        ledger=view_ledger(session, moment, row.vertex, options),
        source=view_source(session, row, moment),
        narration=narrate(session, moment, options) if options.narration else "",
        watches=view_watches(session, moment, options),
    )


def view_value(session: Session, moment: Moment, options: Options) -> Pane:
    """The value that a row is about, as it was at the moment."""
    row = session.row(moment)
    vertex = row.vertex
    value = session.value_of(vertex, moment)
    if session.hides(row) and not row.of_gradient:
        return Pane(f"value  {session.name(vertex, moment.step)}", None, PREDICT)
    return Pane(
        f"value  {session.name(vertex, moment.step)}",
        view_array(session, value, options.numbers),
        "" if value is not None else "not recorded",
    )


def view_strip(session: Session, moment: Moment, options: Options, lines: int) -> Strip:
    """So many lines of the tape around a moment."""
    lanes = session.lanes(moment.step, options.folded, options.keep)
    return Strip(
        _window(session, moment, options, lanes, lanes.item_of(moment.row), lines),
        lanes.width,
        tuple(_rail(session, moment, rail.scope, rail.vertices) for rail in lanes.rails),
        session.told_kept(moment.step, options.keep),
    )


def _window(
    session: Session, moment: Moment, options: Options, lanes: Lanes, cursor: int, height: int
) -> tuple[TapeLine, ...]:
    """The lines around the cursor, which stands in the middle wherever the ends of the tape allow it."""
    start, stop = max(0, cursor - height), min(len(lanes), cursor + height)
    if not session.knows_the_future:
        stop = cursor + 1
    plan: list[int | str] = []
    for index in range(start, stop):
        phase = lanes.items[index].phase
        if index == 0 or lanes.items[index - 1].phase != phase:
            plan.append(phase)
        plan.append(index)
    place = plan.index(cursor)
    top = max(0, min(place - height // 2, len(plan) - height))
    shown = plan[top : top + height]
    numbers = [index for index in shown if isinstance(index, int)]
    pictures = lanes.pictures(numbers[0], numbers[-1] + 1)
    step = session.step(moment)
    return tuple(
        TapeLine(phase=entry)
        if isinstance(entry, str)
        else _line(session, moment, options, step, lanes.items[entry], pictures[entry - numbers[0]], entry == cursor)
        for entry in shown
    )


def _line(
    session: Session, moment: Moment, options: Options, step: Step, item: Item, picture: Picture, cursor: bool
) -> TapeLine:
    row = step.rows[moment.row if cursor else item.first]
    here = Moment(step.number, row.row, row.phase)
    if item.fold is not None:
        last = step.rows[min(item.last, len(step.rows) - 1)]
        count = item.count if last.row == item.last else last.row - item.first + 1
        what = counted(count, "row")
        if item.phase == "bwd":
            what = counted(count, "gradient")
        info = session.info(last.value)
        return TapeLine(
            item.phase,
            str(here),
            item.first,
            "fold",
            item.fold,
            what,
            info.shape if info else None,
            fold=item.fold,
            count=count,
            cursor=cursor,
            future=item.first > moment.row,
            picture=picture,
        )
    future = row.row > moment.row
    hidden = session.hides(row) or (options.predict and row.of_gradient and (future or (cursor and options.hiding)))
    info = session.info(row.value)
    site = session.site(row, here)
    value, trouble = ("", "") if future else _summary(session, row)
    return TapeLine(
        phase=row.phase, moment=str(here), row=row.row, kind=row.kind, label=_label(session, row),
        what=what_of(session, row, step), shape=info.shape if info else None,
        value=HIDDEN if hidden else value, chips=_chips(session, row, step),
        place=f"{site.file.replace(chr(92), '/').rpartition('/')[2]}:{site.line}" if site else "",
        cursor=cursor, future=future, trouble="" if hidden else trouble, picture=picture,
        stop=any(item.matches(session, step, row) for item in options.stops),
        spot=bool(options.spotlight) and _label(session, row) == options.spotlight,
    )  # fmt: skip


def _label(session: Session, row: Row) -> str:
    name = session.name(row.vertex, row.step)
    return f"{name}.grad" if row.of_gradient else name


def what_of(session: Session, row: Row, step: Step) -> str:
    """What happens in a row, in a few characters."""
    if row.kind == "leaf":
        return "parameter" if row.parameter else "leaf" if row.requires_grad else "constant"
    if row.kind == "op":
        return formulas.expression(row.op or "op", session.names(row), session.attrs(row))
    if row.kind == "seed":
        return "backward starts"
    if row.kind == "deposit":
        return "+= what it held before"
    if row.kind == "update":
        return "updated"
    made = step.made.get(row.source or 0)
    source = session.name(row.source or 0, row.step)
    if made is None or step.rows[made].kind != "op":
        return f"⟵ {source}"
    op = step.rows[made]
    return f"+= {formulas.contribution(op.op or 'op', row.edge or 0, session.names(op), source)}"


def _summary(session: Session, row: Row) -> tuple[str, str]:
    """The value of a row in a few characters, and what is wrong with it."""
    info = session.info(row.value)
    if info is None:
        return "", ""
    if info.size == 1 and (value := session.scalar(row.value)) is not None:
        trouble = "" if abs(value) < float("inf") else str(value)
        delta = session.scalar(row.delta) if row.kind in ("edge", "deposit") else None
        return (number(value) if delta is None or delta == value else f"{signed(delta)} → {number(value)}"), trouble
    if info.statistics is None and info.size > SUMMARY_LIMIT:
        return "", ""
    statistics = session.statistics(row.value)
    if statistics is None:
        return "", ""
    trouble = "nan" if statistics.nans else "inf" if statistics.infs else ""
    if statistics.mean is None or statistics.std is None:
        return "", trouble
    negligible = 0 < abs(statistics.mean) < statistics.std / 1000
    return f"{'≈0' if negligible else number(statistics.mean, 2)} ± {number(statistics.std, 2)}", trouble


def _chips(session: Session, row: Row, step: Step) -> tuple[str, ...]:
    """The inputs of an op that have no row in this training step: parameters from earlier on."""
    if row.kind != "op":
        return ()
    return tuple(session.name(vertex, row.step) for vertex in row.inputs if vertex not in step.made)


def _rail(session: Session, moment: Moment, scope: str, vertices: tuple[int, ...]) -> RailView:
    step = session.step(moment)
    total = 0
    there = [vertex for vertex in vertices if vertex in step.made]
    for vertex in there:
        info = session.info(step.rows[step.made[vertex]].value)
        total += info.nbytes if info is not None else 0
    return RailView(scope, len(there), total)


def _gradient(session: Session, moment: Moment, row: Row, name: str, options: Options) -> Pane:
    """The gradient of the value under the cursor as it stands now, or when it will come."""
    title = f"gradient  ∂{session.goal(moment)}/∂{name}"
    if row.of_gradient and (options.hiding or session.hides(row)):
        return Pane(title, None, PREDICT)
    now = session.gradient_row(row.vertex, moment)
    if now is not None:
        return Pane(title, view_array(session, now.value, options.numbers), "" if now.value is not None else "not kept")
    later = session.next_gradient_row(row.vertex, moment)
    if later is not None:
        rows = later.row - moment.row
        return Pane(
            title,
            None,
            f"not computed yet: {counted(rows, 'row')} from here, "
            f"at {later.moment}",
        )
    return Pane(title, None, "no gradient flows here" if session.is_over(moment) else "none until now")
