"""The Memory screen: where values lie, for how long and why; what dynamic mode would hold; what recomputing saves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice

from teachgrad.recording import Moment, Row

from ..holding import DYNAMIC, PLAN, Holding, Lives, Recomputed, Span, dynamic, flops_of, idle, planned, recomputed
from ..session import Session
from .options import Options
from .source import SourceView, view_source

MAX_BLOCKS = 400
"""So many values are drawn: those that take the most room for the longest time, and those of the moment."""
MAX_HELD = 100
POINTS = 512
"""So many heights a curve has, at most."""
COUNTED = 20_000
"""Of a training step with more rows, flops are not added up."""
CANDIDATES = 12
"""For so many values it is predicted what recomputing them would bring."""


@dataclass(frozen=True, slots=True)
class Block:
    """A value in memory. `first` and `last` are rows."""

    name: str
    bytes: int
    offset: int
    first: int
    last: int
    moment: str
    own: bool
    """Whether it has memory of its own, outside the arena."""
    over: str
    """The value that it is written over."""
    alive: bool
    cursor: bool


@dataclass(frozen=True, slots=True)
class Held:
    """A value that is in memory at the moment, and why."""

    name: str
    bytes: int
    offset: int | None
    """In the arena; None for memory of its own."""
    why: str
    last: int
    """The last row at which it is needed."""
    moment: str
    """Where it was made."""
    cursor: bool


@dataclass(frozen=True, slots=True)
class Total:
    """Bytes held over the rows, in one way: `plan` or `dynamic`."""

    mode: str
    live: tuple[tuple[int, int], ...]
    """Rows and bytes; of a long training step the most of each stretch."""
    peak: int
    moment: str
    """Where the peak is."""
    name: str
    """What is computed there."""
    place: str
    """The user's line."""
    now: int


@dataclass(frozen=True, slots=True)
class Candidate:
    """A value that could be computed again: the predicted peak, and the flops that it costs."""

    name: str
    vertex: int
    bytes: int
    peak: int
    flops: int
    longer: int
    """How many values are kept longer for it."""
    chosen: bool
    cursor: bool


@dataclass(frozen=True, slots=True)
class WhatIf:
    """What becomes of the peak if the chosen values are computed again."""

    before: int
    peak: int
    flops: int
    step_flops: int
    """Of the whole training step, or 0 where that is not known."""
    moment: str
    candidates: tuple[Candidate, ...]


@dataclass(frozen=True, slots=True)
class MemoryView:
    """The Memory screen at a moment."""

    moment: str
    row: int
    rows: int
    mode: str
    """What the map shows: `plan` or `dynamic`."""
    arena: int
    """Bytes of the arena, 0 where there is none."""
    extent: int
    """Bytes up to the highest block."""
    blocks: tuple[Block, ...]
    left_out: int
    """How many small blocks are not among them."""
    totals: tuple[Total, ...]
    held: tuple[Held, ...]
    held_count: int
    what_if: WhatIf
    source: SourceView | None
    note: str


def view_memory(session: Session, moment: Moment, options: Options) -> MemoryView:
    """The Memory screen at a moment."""
    holdings = holdings_of(session, moment)
    mode = PLAN if PLAN in holdings and not options.dynamic else DYNAMIC
    here = holdings[mode]
    row = session.row(moment)
    about = row.source if row.kind == "edge" and row.source is not None else row.vertex
    shown = {id(span): span for span in (*here.by_size[:MAX_BLOCKS], *here.at(moment.row)[:MAX_HELD])}
    blocks = sorted(shown.values(), key=lambda span: (span.first, span.offset))
    held = here.at(moment.row)
    return MemoryView(
        moment=str(moment),
        row=moment.row,
        rows=here.rows,
        mode=mode,
        arena=here.arena,
        extent=here.extent,
        blocks=tuple(_block(session, moment, here, span, about) for span in blocks),
        left_out=len(here.spans) - len(blocks),
        totals=tuple(_total(session, moment, name, holding) for name, holding in holdings.items()),
        held=tuple(_held(session, moment, here, span, about) for span in held[:MAX_HELD]),
        held_count=len(held),
        what_if=_what_if(session, moment, options, mode, here),
        source=view_source(session, row, moment),
        note="" if PLAN in holdings else "no static program ran in this step: a plan comes with tg.static",
    )  # fmt: skip


def holdings_of(session: Session, moment: Moment) -> dict[str, Holding]:
    """What the training step holds, by mode; without the plan where no static program ran."""
    step = session.step(moment)

    def work_out() -> dict[str, Holding]:
        plan = planned(session.run, step)
        return ({} if plan is None else {PLAN: plan}) | {DYNAMIC: dynamic(session.run, step)}

    found: dict[str, Holding] = session.kept(work_out, "holdings", step.number, len(step.rows))
    return found


def left_to_hold(session: Session, moment: Moment) -> int:
    """How many rows are to be looked at before there is anything to see."""
    rows = session.run.length(moment.step)
    return 0 if session.has_kept("idling", moment.step, rows, PLAN) or session.has_kept(
        "idling", moment.step, rows, DYNAMIC) else rows  # fmt: skip


def hold(session: Session, moment: Moment, going: Callable[[], bool]) -> None:
    """Work out beforehand what the screen shows, as long as `going` says so."""
    for mode, holding in holdings_of(session, moment).items():
        if going():
            candidates_of(session, moment, mode, holding)


def lives_of(session: Session, moment: Moment) -> Lives:
    """Who reads what in the training step."""
    step = session.step(moment)
    found: Lives = session.kept(lambda: Lives(step), "lives", step.number, len(step.rows))
    return found


def _name(session: Session, moment: Moment, span: Span) -> str:
    return session.name(span.vertex, moment.step) + (".grad" if span.kind == "gradient" else "")


def _at(session: Session, moment: Moment, row: int) -> str:
    """The address of a row of the training step."""
    rows = session.step(moment).rows
    row = min(row, len(rows) - 1)
    return str(Moment(moment.step, row, rows[row].phase))


def _block(session: Session, moment: Moment, holding: Holding, span: Span, about: int) -> Block:
    """A span as it is drawn: what is written over ends where that happens."""
    last = holding.end(span)
    return Block(
        _name(session, moment, span), span.bytes, span.offset, span.first, last,
        _at(session, moment, span.first), span.own,
        "" if span.over is None else session.name(span.over, moment.step),
        span.first <= moment.row <= span.last, span.vertex == about and span.first <= moment.row <= span.last,
    )  # fmt: skip


def _total(session: Session, moment: Moment, mode: str, holding: Holding) -> Total:
    rows = session.step(moment).rows
    if not rows:
        return Total(mode, (), 0, "", "", "", 0)
    row = rows[holding.peak_row]
    site = session.site(row, moment)
    place = f"{site.file.replace(chr(92), '/').rpartition('/')[2]}:{site.line}" if site is not None else ""
    return Total(mode, holding.heights(POINTS), holding.peak, _at(session, moment, holding.peak_row),
                 session.run.label(row), place, int(holding.live[moment.row]))  # fmt: skip


def _held(session: Session, moment: Moment, holding: Holding, span: Span, about: int) -> Held:
    return Held(
        _name(session, moment, span), span.bytes, None if span.own or not holding.arena else span.offset,
        _why(session, moment, holding, span), span.last, _at(session, moment, span.first), span.vertex == about,
    )  # fmt: skip


def _why(session: Session, moment: Moment, holding: Holding, span: Span) -> str:
    """Why a value is in memory at the moment."""
    if span.over is not None and span.first == moment.row:
        return f"written over {session.name(span.over, moment.step)}"
    if span.first == moment.row:
        return "made here"
    if span.kind == "gradient":
        return "the program hands it out" if span.stays else "to be passed on"
    rows = session.step(moment).rows
    readers = [row for row in lives_of(session, moment).readers.get(span.vertex, ()) if moment.row <= row <= span.last]
    if not readers:
        return "handed out" if span.stays else "on the tape until the backward pass ends"
    last = rows[readers[-1]]
    reader = session.run.label(last) if last.kind == "op" else f"the backward of {_source(session, last)}"
    saved = rows[span.first].requires_grad and (last.kind != "op" or not last.requires_grad)
    return f"{'saved for' if saved else 'read by'} {reader} (row {last.row})"


def _source(session: Session, row: Row) -> str:
    return session.name(row.source or 0, row.step)


# ---- what if ---------------------------------------------------------------------------------------------------------


def candidates_of(session: Session, moment: Moment, mode: str, holding: Holding) -> list[tuple[Span, Recomputed]]:
    """The values that may be computed again, each with what it brings alone; what brings most comes first."""
    step, lives = session.step(moment), lives_of(session, moment)

    def work_out() -> list[tuple[Span, Recomputed]]:
        values = (span for span in holding.by_size if span.kind == "value" and not span.stays)
        first = list(islice((span for span in values if idle(span, lives.readers.get(span.vertex, ()))), CANDIDATES))
        found = [(span, recomputed(session.run, step, holding, lives, frozenset([span.vertex]))) for span in first]
        return sorted(found, key=lambda item: (item[1].peak, item[1].flops))

    answer: list[tuple[Span, Recomputed]] = session.kept(work_out, "idling", step.number, len(step.rows), mode)
    return answer


def candidate_line(session: Session, moment: Moment, options: Options) -> tuple[int, int | None]:
    """The chosen line of the what-if table, and its vertex; 0 and None if there are none."""
    holdings = holdings_of(session, moment)
    mode = PLAN if PLAN in holdings and not options.dynamic else DYNAMIC
    found = candidates_of(session, moment, mode, holdings[mode])
    line = min(max(0, options.line or 0), max(0, len(found) - 1))
    return line, found[line][0].vertex if found else None


def _what_if(session: Session, moment: Moment, options: Options, mode: str, holding: Holding) -> WhatIf:
    step, lives = session.step(moment), lives_of(session, moment)
    found = candidates_of(session, moment, mode, holding)
    line = min(max(0, options.line or 0), max(0, len(found) - 1))
    together = session.kept(
        lambda: recomputed(session.run, step, holding, lives, options.dropped),
        "recomputed", step.number, len(step.rows), mode, options.dropped,
    )  # fmt: skip
    total = session.kept(
        lambda: sum(flops_of(session.run, step, row) or 0 for row in step.rows[:COUNTED] if row.kind == "op"),
        "flops", step.number, len(step.rows),
    )  # fmt: skip
    return WhatIf(
        holding.peak, together.peak, together.flops,
        total if len(step.rows) <= COUNTED else 0, _at(session, moment, together.row) if holding.rows else "",
        tuple(
            Candidate(_name(session, moment, span), span.vertex, span.bytes, alone.peak, alone.flops,
                      len(alone.longer), span.vertex in options.dropped, number == line)
            for number, (span, alone) in enumerate(found)
        ),
    )  # fmt: skip
