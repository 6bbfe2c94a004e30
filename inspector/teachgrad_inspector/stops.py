"""Where `continue` stops: at breakpoints, and where conditions become true, forwards and backwards in time.

    norm(W1.grad) > 10      a condition: stops where it becomes true; its value is shown beside the tape
    at W1.grad              each row about W1.grad
    op relu                 each call of an op, and each gradient that flows out of one
    line train.py:14        each row that comes from a line of source

Without any stop of one's own, the births of nan and inf are the stops. A condition is true from where it becomes true
until where it no longer is, so going back from the end leads to where it began.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from teachgrad.recording import Moment, RecordingError, Row, Step

from .conditions import Condition, ConditionError, read
from .session import Session


@dataclass(frozen=True, slots=True)
class Stop:
    """A breakpoint or a watched condition. Of `condition`, `label`, `op` and `line` one is set."""

    text: str
    condition: Condition | None = None
    label: str = ""
    op: str = ""
    line: tuple[str, int] | None = None

    def matches(self, session: Session, step: Step, row: Row) -> bool:
        """Whether a breakpoint stands at a row."""
        if self.label:
            return step.label(row) == self.label
        if self.op:
            made = step.made.get(row.source) if row.kind == "edge" and row.source is not None else None
            return self.op == (step.rows[made].op if made is not None else row.op)
        site = session.site(row, Moment(step.number, row.row, row.phase)) if self.line else None
        if site is None or self.line is None:
            return False
        file = site.file.replace("\\", "/")
        return site.line == self.line[1] and (file == self.line[0] or file.endswith(f"/{self.line[0]}"))


def stop(text: str) -> Stop:
    """The stop that a text means. Raises `ConditionError` if it means none."""
    text = text.strip()
    word, _, rest = text.partition(" ")
    rest = rest.strip()
    if rest and word == "at":
        return Stop(text, label=rest.strip("`"))
    if rest and word == "op":
        return Stop(text, op=rest)
    if rest and word == "line":
        file, _, line = rest.rpartition(":")
        if not file or not line.isdecimal() or len(line) > 9:
            raise ConditionError(f"{text!r} names no line; write something like line train.py:14")
        return Stop(text, line=(file.replace("\\", "/"), int(line)))
    if not text:
        raise ConditionError("an empty condition; write something like norm(W1.grad) > 10")
    return Stop(text, read(text))


def find(session: Session, moment: Moment, stops: Sequence[Stop], forward: bool,
         going: Callable[[int], bool] = lambda step: True) -> tuple[Moment, str] | None:  # fmt: skip
    """The next moment to stop at, and why; None if there is none. `going` is told each training step that is looked at,
    and says whether to go on."""
    stride = 1 if forward else -1
    number = moment.step
    while 0 <= number < session.run.steps and going(number):
        found = sorted(in_step(session, number, stops))
        if number == moment.step:
            found = [item for item in found if (item[0] > moment.row if forward else item[0] < moment.row)]
        if found:
            row, why = found[0] if forward else found[-1]
            return session.run.at(number, row), why
        number += stride
    return None


def in_step(session: Session, number: int, stops: Sequence[Stop]) -> Iterator[tuple[int, str]]:
    """The rows of a training step to stop at, and why."""
    step = session.run.step(number)
    conditions = [item for item in stops if item.condition is not None]
    breakpoints = [item for item in stops if item.condition is None]
    for row in step.rows if breakpoints else ():
        for item in breakpoints:
            if item.matches(session, step, row):
                yield row.row, item.text
    for item in conditions:
        assert item.condition is not None
        yield from ((row, f"{item.text} becomes true") for row in becomes_true(session, step, item.condition))
    if not stops:
        yield from ((row, f"{what} is born here") for row, what in births(session, step))


def becomes_true(session: Session, step: Step, condition: Condition) -> Iterator[int]:
    """The rows at which a condition is true that was not true before."""
    before = _before(session, step, condition)
    for row in _touching(step, condition):
        now = condition.holds(session, Moment(step.number, row, step.rows[row].phase))
        if now and not before:
            yield row
        before = now


def _before(session: Session, step: Step, condition: Condition) -> bool:
    """Whether a condition is true before the first row of a training step."""
    if "it" in condition.names and step.number:
        before = session.run.step(step.number - 1).rows[-1]
        return condition.holds(session, before.moment)
    if not condition.names and step.number:
        return condition.holds(session, Moment(step.number - 1, 0, "fwd"))
    return condition.holds(session, Moment(step.number, -1, "fwd"))


def _touching(step: Step, condition: Condition) -> list[int]:
    """The rows at which the answer may change."""
    if "it" in condition.names or not condition.names:
        return [row.row for row in step.rows]
    return sorted({row for name in condition.names for row in step.about().get(name, ())})


def resolve(session: Session, text: str, here: Moment | None = None) -> Moment:
    """The moment of an address: one of the recording's own, `nan` or `inf` for where the first one is born, or
    `W1 where max(abs(W1)) > 10`, from `here` on, and `last W1 where …`, before the end."""
    text = text.strip().removeprefix(":").strip()
    start = here if here is not None else session.first
    if text in ("nan", "inf"):
        for number in range(session.run.steps):
            for row, what in births(session, session.run.step(number)):
                if what == text:
                    return session.run.at(number, row)
        raise RecordingError(f"no {text} is born in this recording")
    name, where, condition = text.partition(" where ")
    if not where:
        return session.run.resolve(text, here)
    backwards = name.startswith("last ")
    label, wanted = name.removeprefix("last ").strip(), read(condition)
    numbers = range(start.step, session.run.steps)
    for number in reversed(range(session.run.steps)) if backwards else numbers:
        step = session.run.step(number)
        rows = [row for row in step.about().get(label, ()) if backwards or number > start.step or row >= start.row]
        for row in reversed(rows) if backwards else rows:
            moment = session.run.at(number, row)
            if wanted.holds(session, moment):
                return moment
    session.run.resolve(label, here)  # a name that is nowhere is told with those that are near
    where = "" if backwards or here is None else " from here on"
    raise RecordingError(f"{wanted.text} is never true at {label}{where}")


# ---- births of nan and inf -------------------------------------------------------------------------------------------


def births(session: Session, step: Step) -> Iterator[tuple[int, str]]:
    """The rows in which nan or inf appears though nothing that went into them had any: (row, "nan" or "inf").

    An op has given birth if its result has a nan, or an inf, and none of its inputs has either. The backward pass of an
    op has, if the contribution has one, and neither the incoming gradient nor the op's inputs and result have.
    """
    for row in step.rows:
        what = bad(session, row.part)
        if what and not any(bad(session, number) for number in _went_in(session, step, row)):
            if row.kind == "leaf" and (what == "inf" or row.value is None):
                continue  # a constant such as the -inf of a mask is meant
            if row.kind in ("update", "deposit"):
                continue  # what made the new value has been seen
            yield row.row, what


def _went_in(session: Session, step: Step, row: Row) -> Iterator[int | None]:
    """The arrays that a row was computed from."""
    if row.kind == "op":
        yield from (session.value_of(vertex, Moment(step.number, row.row, row.phase)) for vertex in row.inputs)
    elif row.kind == "edge":
        yield row.incoming
        made = step.made.get(row.source or 0)
        if made is not None:
            maker = step.rows[made]
            yield maker.value
            yield from _went_in(session, step, maker)


def bad(session: Session, number: int | None) -> str:
    """What is wrong with an array: nan, inf, or nothing that is known."""
    known = session.statistics(number)
    if known is None:
        return ""
    return "nan" if known.nans else "inf" if known.infs else ""
