"""Moving through time: from a moment to the next one that is worth a stop, in either direction.

Every function takes a session, a moment and the folded modules and answers with a moment; at the ends of the recording
it answers with the one it was given. `forward` is True for later, False for earlier.
"""

from __future__ import annotations

from teachgrad.recording import Moment, Row

from .session import Session

SEARCHED_STEPS = 16


def step(session: Session, moment: Moment, folded: frozenset[str], forward: bool) -> Moment:
    """One line of the tape: an event, or all of a folded module."""
    lanes = session.lanes(moment.step, folded)
    item = lanes.item_of(moment.row)
    if forward:
        if item + 1 < len(lanes):
            return _at(session, moment.step, lanes.items[item + 1].first)
        return _at(session, moment.step + 1, 0) if moment.step + 1 < session.run.steps else moment
    if item > 0:
        return _at(session, moment.step, lanes.items[item - 1].first)
    if moment.step == 0:
        return moment
    before = session.lanes(moment.step - 1, folded)
    return _at(session, moment.step - 1, before.items[-1].first)


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


def page(session: Session, moment: Moment, folded: frozenset[str], lines: int) -> Moment:
    """So many lines of the tape further, within the training step."""
    lanes = session.lanes(moment.step, folded)
    item = max(0, min(len(lanes) - 1, lanes.item_of(moment.row) + lines))
    return _at(session, moment.step, lanes.items[item].first)


def search(session: Session, moment: Moment, text: str, forward: bool) -> Moment | None:
    """The next row that has the text in its name, op or module, beginning again at the other end."""
    wanted = text.casefold()
    steps = session.run.steps
    for distance in range(min(steps, SEARCHED_STEPS) + 1):
        number = (moment.step + (distance if forward else -distance)) % steps
        whole = session.run.step(number)
        found = [
            row.row
            for row in whole.rows
            if wanted in whole.label(row).casefold() or wanted in (row.op or "") or wanted in row.scope.casefold()
        ]
        if distance == 0:
            found = [row for row in found if (row > moment.row if forward else row < moment.row)]
        if found:
            return _at(session, number, found[0] if forward else found[-1])
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
    return Moment(step_number, row, session.run.step(step_number).rows[row].phase)
