"""Moving through time: from a moment to the next one that is worth a stop, in either direction.

Every function takes a session, a moment and the folded modules and answers with a moment; at the ends of the recording
it answers with the one it was given. `forward` is True for later, False for earlier. Where only a part of the rows is
kept, moves end in it.
"""

from __future__ import annotations

from collections.abc import Callable

from teachgrad.recording import Moment, Row

from .queries import query
from .session import SHORT, Keep, Session


def step(session: Session, moment: Moment, folded: frozenset[str], forward: bool, keep: Keep | None = None) -> Moment:
    """One line of the tape: an event, or all of a folded module."""
    lanes = session.lanes(moment.step, folded, keep)
    item = lanes.item_of(moment.row)
    if forward and item + 1 < len(lanes):
        return _at(session, moment.step, lanes.items[item + 1].first)
    if not forward and item > 0:
        return _at(session, moment.step, lanes.items[item - 1].first)
    number = moment.step + (1 if forward else -1)
    if not 0 <= number < session.run.steps:
        return moment
    length = session.run.length(number)
    if length > SHORT and not session.has_layout(number, folded, keep):  # it has yet to be read, in the background
        return _at(session, number, 0 if forward else length - 1)
    return _at(session, number, session.lanes(number, folded, keep).items[0 if forward else -1].first)


def settled(session: Session, moment: Moment, folded: frozenset[str], forward: bool, keep: Keep | None) -> Moment:
    """The moment itself, if its row is kept; else the next line of the tape that is, or the one before."""
    rows = session.kept_rows(moment.step, keep)
    if rows is None or moment.row in rows:
        return moment
    lanes = session.lanes(moment.step, folded, keep)
    item = lanes.item_of(moment.row)
    if forward and lanes.items[item].first < moment.row and item + 1 < len(lanes):
        item += 1
    return _at(session, moment.step, lanes.items[item].first)


def over(session: Session, moment: Moment, folded: frozenset[str], forward: bool) -> Moment:
    """The same, but modules that would be entered are passed in one stride."""
    lanes = session.lanes(moment.step, folded)
    here = lanes.scopes[moment.row]
    target = step(session, moment, folded, forward)
    if target.step != moment.step:
        return target
    entered = _entered(here, lanes.scopes[target.row])
    if entered is None:
        return target
    rows = session.step(moment).rows
    row, stride = target.row, 1 if forward else -1
    while 0 <= row < len(rows) and within(lanes.scopes[row], entered) and rows[row].phase == target.phase:
        row += stride
    if not 0 <= row < len(rows):
        return _at(session, moment.step, row - stride)
    return _at(session, moment.step, lanes.items[lanes.item_of(row)].first)


def out(session: Session, moment: Moment, folded: frozenset[str], forward: bool) -> Moment:
    """Forward out of the module that is running; backward to where it began."""
    lanes = session.lanes(moment.step, folded)
    rows = session.step(moment).rows
    here = lanes.scopes[moment.row]
    if not here:
        return step(session, moment, folded, forward)
    row, phase = moment.row, rows[moment.row].phase
    stride = 1 if forward else -1
    while (
        0 <= row + stride < len(rows) and within(lanes.scopes[row + stride], here) and rows[row + stride].phase == phase
    ):
        row += stride
    if forward:
        row = min(row + 1, len(rows) - 1)
    elif row == moment.row:
        return step(session, moment, folded, False)
    return _at(session, moment.step, lanes.items[lanes.item_of(row)].first)


def phase(session: Session, moment: Moment, folded: frozenset[str], forward: bool) -> Moment:
    """The start of the next phase, or of this one, or of the one before."""
    rows = session.step(moment).rows
    row = moment.row
    if forward:
        while row < len(rows) and rows[row].phase == moment.phase:
            row += 1
        if row < len(rows):
            return _at(session, moment.step, row)
        return _at(session, moment.step + 1, 0) if moment.step + 1 < session.run.steps else moment
    start = _phase_start(rows, row)
    if start < moment.row:
        return _at(session, moment.step, start)
    if start > 0:
        return _at(session, moment.step, _phase_start(rows, start - 1))
    if moment.step == 0:
        return moment
    before = session.run.step(moment.step - 1).rows
    return _at(session, moment.step - 1, _phase_start(before, len(before) - 1))


def _phase_start(rows: list[Row], row: int) -> int:
    while row > 0 and rows[row - 1].phase == rows[row].phase:
        row -= 1
    return row


def training_step(session: Session, moment: Moment, folded: frozenset[str], forward: bool) -> Moment:
    """The same place in the next training step, or the one before: the row about the same thing, if there is one."""
    return training_steps(session, moment, 1 if forward else -1)


def training_steps(session: Session, moment: Moment, count: int) -> Moment:
    """The same place so many training steps further, as far as there are any."""
    number = max(0, min(session.run.steps - 1, moment.step + count))
    if number == moment.step:
        return moment
    row = session.row(moment)
    label = session.run.label(row)
    target = session.run.step(number)
    same = [i for i in target.about().get(label, ()) if target.rows[i].phase == row.phase]
    if same:
        mine = [
            i for i in session.step(moment).about().get(label, ()) if session.step(moment).rows[i].phase == row.phase
        ]
        return _at(session, number, same[min(mine.index(moment.row) if moment.row in mine else 0, len(same) - 1)])
    return _at(session, number, min(moment.row, len(target.rows) - 1))


def end(session: Session, moment: Moment, folded: frozenset[str], forward: bool) -> Moment:
    """The last moment of the recording, or the first."""
    if not forward:
        return session.first
    last = session.run.steps - 1
    return _at(session, last, session.run.length(last) - 1)


def page(session: Session, moment: Moment, folded: frozenset[str], lines: int, keep: Keep | None = None) -> Moment:
    """So many lines of the tape further, within the training step."""
    lanes = session.lanes(moment.step, folded, keep)
    item = max(0, min(len(lanes) - 1, lanes.item_of(moment.row) + lines))
    return _at(session, moment.step, lanes.items[item].first)


def search(
    session: Session, moment: Moment, text: str, forward: bool, keep: Keep | None = None,
    going: Callable[[int], bool] = lambda step: True,
) -> Moment | None:  # fmt: skip
    """The next row that a query (`queries`) is true of, beginning again at the other end. `going` is told each training
    step that is looked at, and says whether to go on. Raises `QueryError` if the text is no query."""
    wanted = query(text)
    steps = session.run.steps
    for distance in range(steps + 1):
        number = (moment.step + (distance if forward else -distance)) % steps
        if not going(number):
            return None
        whole, rows = session.run.step(number), session.kept_rows(number, keep)
        at, stop, stride = (0, len(whole.rows), 1) if forward else (len(whole.rows) - 1, -1, -1)
        if distance == 0:
            at = moment.row + stride
        for row in range(at, stop, stride):
            if (rows is None or row in rows) and wanted.matches(session, whole, whole.rows[row]):
                return _at(session, number, row)
    return None


def neighbour(element: tuple[int, ...], lengths: tuple[int, ...], right: int, down: int) -> tuple[int, ...]:
    """The element beside, wrapping into the next row at the ends; with one axis, down is right."""
    stride = lengths[-1] if len(lengths) > 1 else 1
    flat = 0
    for i, n in zip(element, lengths, strict=True):
        flat = flat * n + i
    size = 1
    for n in lengths:
        size *= n
    flat = (flat + right + down * stride) % size
    result = []
    for n in reversed(lengths):
        flat, i = divmod(flat, n)
        result.append(i)
    return tuple(reversed(result))


def within(scope: str, module: str) -> bool:
    """Whether a scope is a module or lies inside it."""
    return scope == module or scope.startswith(f"{module}.")


def _entered(here: str, there: str) -> str | None:
    """The outermost module that the step from one scope to another enters."""
    if not there or within(here, there):
        return None
    mine, parts = here.split(".") if here else [], there.split(".")
    common = 0
    while common < min(len(mine), len(parts)) and mine[common] == parts[common]:
        common += 1
    return ".".join(parts[: common + 1])


def _at(session: Session, step_number: int, row: int) -> Moment:
    return session.run.at(step_number, row)
