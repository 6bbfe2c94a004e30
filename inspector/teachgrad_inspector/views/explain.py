"""The Explain screen: a number, the largest of those it was computed from, theirs, and so on down to the inputs."""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field
from itertools import count

from teachgrad.recording import Moment

from .. import formulas
from ..numbers import index
from ..session import Session
from .chain import element_of
from .options import Options
from .provenance import Number, Origin, Source, adding_up, number_at, origin, place_of

BRANCHES = 4
"""Of each number, so many sources are followed."""
OPENED = 14
"""So many numbers are taken apart: those that count most for the one that is asked about."""
DEEPEST = 12
EDGE = 10
"""A derivative along an edge is as much work as so many rows."""
HIDDEN = "hidden as long as it is to be predicted: a answers, r gives up"
NEGLIGIBLE = 1e-3
"""Sources that count for less than this share of the number that is asked about are not taken apart."""


@dataclass(frozen=True, slots=True)
class Line:
    """A number in the tree. `part` is what it counts for the number above it, and `share` that, of all that counts
    for the number asked about; `local` is the derivative of the one above by it."""

    depth: int
    name: str
    value: float | None
    local: float | None
    local_name: str
    part: float | None
    share: float | None
    what: str
    """How it was computed, or why that is not told."""
    more: int
    """How many smaller sources it has."""
    moment: str
    place: str
    chosen: bool


@dataclass(frozen=True, slots=True)
class ExplainView:
    """The tree as lines; `exact` says whether the parts of the first number add up to it, `total` to what."""

    title: str
    lines: tuple[Line, ...]
    total: float | None
    exact: bool
    note: str


@dataclass(slots=True)
class _Node:
    number: Number
    source: Source | None
    share: float
    depth: int
    origin: Origin | None = None
    below: list[_Node] = field(default_factory=list)


def view_explain(session: Session, moment: Moment, options: Options) -> ExplainView:
    """Where the number under the cursor comes from."""
    row = session.row(moment)
    element = element_of(session, moment, row, options)
    if session.hides(row):
        return ExplainView("explain", (), None, False, HIDDEN)
    if element is None:
        return ExplainView("explain", (), None, False, f"its numbers were not recorded (level {session.run.level})")
    number = number_at(session, moment, element)
    title = f"where {_name(session, number)} comes from"
    if options.hiding and number.gradient:
        return ExplainView(title, (), None, False, HIDDEN)
    root: _Node = session.kept(lambda: _grown(session, number), *_key(session, moment, number))
    nodes = list(_walk(root))
    chosen = chosen_line(options, len(nodes))
    lines = tuple(_line(session, node, place == chosen) for place, node in enumerate(nodes))
    assert root.origin is not None
    return ExplainView(title, lines, root.origin.total if root.origin.sources else None, root.origin.exact, "")


def left_to_explain(session: Session, moment: Moment, options: Options) -> int:
    """About how many rows' worth of work the tree is: for each edge that gradient came along, a derivative."""
    step = session.run.step(moment.step)
    row = step.rows[moment.row]
    element = element_of(session, moment, row, options)
    if element is None:
        return 0
    number = number_at(session, moment, element)
    if session.has_kept(*_key(session, moment, number)):
        return 0
    return EDGE * len(step.into.get(number.vertex, ())) if number.gradient else 0


def _key(session: Session, moment: Moment, number: Number) -> tuple[str, int, Number]:
    return "explain", session.run.length(moment.step), number


def chosen_line(options: Options, lines: int) -> int:
    """Which line of the tree is chosen."""
    return max(0, min(options.line or 0, lines - 1))


def chosen_number(session: Session, moment: Moment, options: Options) -> Moment | None:
    """The moment and element of the chosen line."""
    line = next((line for line in view_explain(session, moment, options).lines if line.chosen), None)
    return session.run.resolve(line.moment) if line is not None else None


def _grown(session: Session, number: Number) -> _Node:
    """The tree below a number: numbers are taken apart, those first that count most."""
    root = _Node(number, None, 1.0, 0)
    order = count()
    waiting = [(-1.0, next(order), root)]
    for _ in range(OPENED):
        if not waiting:
            break
        _, _, node = heapq.heappop(waiting)
        node.origin = origin(session, node.number, BRANCHES)
        for source in node.origin.sources:
            share = node.share * (abs(source.part) / node.origin.gross if node.origin.gross else 0.0)
            below = _Node(source.number, source, share, node.depth + 1)
            node.below.append(below)
            if share >= NEGLIGIBLE and below.depth < DEEPEST:
                heapq.heappush(waiting, (-share, next(order), below))
    return root


def _walk(node: _Node) -> list[_Node]:
    found = [node]
    for below in node.below:
        found += _walk(below)
    return found


def _name(session: Session, number: Number) -> str:
    name = session.name(number.vertex, number.moment.step)
    return f"{name}{'.grad' if number.gradient else ''}{index(number.element)}"


def _line(session: Session, node: _Node, chosen: bool) -> Line:
    number, source = node.number, node.source
    row = place_of(session, number)
    here = Moment(row.step, row.row, row.phase, number.element or None)
    what = node.origin.why or _how(session, number, here) if node.origin is not None else ""
    site = session.site(row, here)
    place = f"{site.file.replace(chr(92), '/').rpartition('/')[2]}:{site.line}" if site else ""
    more = node.origin.count - len(node.below) if node.origin is not None and node.below else 0
    return Line(
        node.depth, _name(session, number), number.value, source.local if source else None,
        source.local_name if source else "", source.part if source else None, node.share if source else None,
        what, max(0, more), str(here), place, chosen,
    )  # fmt: skip


def _how(session: Session, number: Number, here: Moment) -> str:
    """The op that made a value, or the edges that a gradient came along."""
    row = session.row(here)
    if not number.gradient:
        return formulas.expression(row.op or "op", session.names(row), session.attrs(row))
    step = session.run.step(here.step)
    edges = [step.rows[at] for at in step.into.get(number.vertex, ()) if at <= number.moment.row]
    texts = []
    for edge in adding_up(step, edges) if edges else ():
        maker = session.maker(edge.source, here) if edge.source is not None else None
        if maker is not None and maker.kind == "op":
            result = session.name(maker.vertex, here.step)
            texts.append(formulas.contribution(maker.op or "op", edge.edge or 0, session.names(maker), result))
        else:
            texts.append("what it held before")
    return " + ".join(texts[:3]) + (" + …" if len(texts) > 3 else "")
