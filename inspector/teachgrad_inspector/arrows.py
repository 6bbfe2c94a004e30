"""What the arrow keys do, screen by screen: they move within what is shown, where steps move in time."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from teachgrad.recording import Moment

from . import navigation
from .session import Session
from .views.chain import element_of
from .views.compare import chosen_pair
from .views.doctor import chosen_finding
from .views.explain import chosen_line as chosen_line_of_tree
from .views.explain import view_explain
from .views.kernels import PANES as KERNEL_PANES
from .views.kernels import view_kernels
from .views.map import along, beside
from .views.memory import candidate_line
from .views.options import Options
from .views.passes import moved
from .views.train import chosen_line
from .views.watches import chosen_stop

Item = TypeVar("Item")
Changes = dict[str, Any]
"""What changes: `moment`, or switches of `Options` by name."""


def arrow(session: Session, moment: Moment, options: Options, screen: str, right: int, down: int) -> Changes | None:
    """What an arrow changes on a screen, or None where it is a step in time."""
    how = ARROWS.get(screen)
    return how(session, moment, options, right, down) if how is not None else None


def _chain(session: Session, moment: Moment, options: Options, right: int, down: int) -> Changes | None:
    """An element further."""
    row = session.row(moment)
    element = element_of(session, moment, row, options)
    info = session.info(row.part)
    if not element or info is None:
        return None
    return {"element": navigation.neighbour(element, info.shape, right, down)}


def _map(session: Session, moment: Moment, options: Options, right: int, down: int) -> Changes | None:
    """A box further, or a line of the tree where that has the focus."""
    if options.pane == 1:
        return {"moment": along(session, moment, options, down)} if down else None
    return {"moment": beside(session, moment, options, right, down)}


def _passes(session: Session, moment: Moment, options: Options, right: int, down: int) -> Changes | None:
    """A rule further, or a rewrite."""
    return moved(session, moment, options, "rule" if down else "step", right + down) or None


def _memory(session: Session, moment: Moment, options: Options, right: int, down: int) -> Changes | None:
    """A line of the what-if table further."""
    return {"line": max(0, candidate_line(session, moment, options)[0] + down)} if down else None


def _train(session: Session, moment: Moment, options: Options, right: int, down: int) -> Changes | None:
    """A line of the table further."""
    at = chosen_line(session, moment, options)
    return {"line": max(0, (at or 0) + down) if at is not None else None} if down else None


def _doctor(session: Session, moment: Moment, options: Options, right: int, down: int) -> Changes | None:
    """A finding further."""
    return {"line": max(0, (chosen_finding(session, options) or 0) + down)} if down else None


def _explain(session: Session, moment: Moment, options: Options, right: int, down: int) -> Changes | None:
    """A number further."""
    lines = len(view_explain(session, moment, options).lines)
    return {"line": max(0, min(lines - 1, chosen_line_of_tree(options, lines) + down))} if down else None


def _compare(session: Session, moment: Moment, options: Options, right: int, down: int) -> Changes | None:
    """A pair of rows further."""
    at = chosen_pair(session, moment, options)
    return {"line": max(0, at + down) if at is not None else None} if down else None


def _stops(session: Session, moment: Moment, options: Options, right: int, down: int) -> Changes | None:
    """A stop further."""
    return {"line": max(0, (chosen_stop(options) or 0) + down)} if down else None


def _kernels(session: Session, moment: Moment, options: Options, right: int, down: int) -> Changes | None:
    """A line further in the pane that has the focus."""
    if not down:
        return None
    pane = KERNEL_PANES[options.pane % len(KERNEL_PANES)]
    target, line = _linked(session, moment, options, pane, down)
    return {"moment": target, "line": line}


Arrow = Callable[[Session, Moment, Options, int, int], Changes | None]
ARROWS: Mapping[str, Arrow] = {
    "chain": _chain, "map": _map, "passes": _passes, "memory": _memory, "train": _train, "kernels": _kernels,
    "doctor": _doctor, "explain": _explain, "compare": _compare, "stops": _stops,
}  # fmt: skip


def _linked(session: Session, moment: Moment, options: Options, pane: str, down: int) -> tuple[Moment, int | None]:
    """Where j and k lead: to the next kernel, op or line of the user; or to a line of the program, with what it
    computes. The moment, and the line of the program where that is what was chosen."""
    view = view_kernels(session, moment, options)
    if pane == "code" and view.code and view.language:
        at = next((k for k, line in enumerate(view.code) if line.cursor), 0)
        line = view.code[min(max(0, at + down), len(view.code) - 1)]
        return session.run.resolve(line.moment) if line.moment else moment, line.number
    if pane == "kernels":
        at = next((k for k, kernel in enumerate(view.kernels) if kernel.cursor), 0)
        for kernel in _beyond(view.kernels, at, down):
            if kernel.moment:
                return session.run.resolve(kernel.moment), None
        return moment, None
    if pane == "ops":
        at = next((k for k, op in enumerate(view.ops) if op.cursor), 0)
        for op in _beyond(view.ops, at, down):
            if op.moment:
                return session.run.resolve(op.moment), None
        return moment, None
    return _other_line(session, moment, down), None


def _beyond(items: Sequence[Item], at: int, down: int) -> Sequence[Item]:
    return items[at + 1 :] if down > 0 else items[:at][::-1]


def _other_line(session: Session, moment: Moment, down: int) -> Moment:
    """The next op that comes from another line of the user, or the one before."""
    rows = session.step(moment).rows
    here = session.site(session.row(moment), moment)
    at = moment.row + down
    while 0 <= at < len(rows):
        site = session.site(rows[at], moment)
        if site is not None and (here is None or (site.file, site.line) != (here.file, here.line)):
            return rows[at].moment
        at += down
    return moment
