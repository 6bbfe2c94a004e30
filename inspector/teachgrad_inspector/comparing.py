"""Two training steps side by side, of one recording or of two: where they part, and which op parted first.

Rows are matched in order, those that are about the same thing in the same way. Where two recordings hold the same
numbers under other ops, as dynamic and static mode of one program do, what is left over is matched by value, bit for
bit. A row **parts** if its numbers differ although everything that went into it is the same on both sides; the others
that differ are only its consequences.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from teachgrad.recording import Row, Statistics, Step

from .matching import GivenUp, matches
from .session import Session

ASKED = 256
"""So many rows are compared between two looks at whether anybody still wants to know."""


@dataclass(frozen=True, slots=True)
class Pair:
    """A row of one side with that of the other; one of them may be missing.

    `state` is `same`, `differs`, `parts` (differs, while its inputs are the same), `unknown` where numbers were not
    recorded, or `left` and `right` for rows that only one side has. `by_value` says that only the numbers told that
    they belong together.
    """

    left: Row | None
    right: Row | None
    state: str
    difference: float | None = None
    """The largest absolute difference; nan where one side has nan and the other has not."""
    relative: float | None = None
    """That, divided by the largest magnitude on either side."""
    by_value: bool = False


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two training steps, matched."""

    pairs: tuple[Pair, ...]

    @property
    def parting(self) -> Pair | None:
        """The first row at which they part; if none is known to, the first that differs or that one side lacks."""
        for states in (("parts",), ("differs",), ("left", "right")):
            for pair in self.pairs:
                if pair.state in states:
                    return pair
        return None

    def count(self, *states: str) -> int:
        """How many rows have one of these states."""
        return sum(pair.state in states for pair in self.pairs)


def compare(left: Session, left_step: int, right: Session, right_step: int,
            going: Callable[[], bool] = lambda: True) -> Comparison:  # fmt: skip
    """Match two training steps and compare their numbers. Raises `GivenUp` when `going` says so."""
    one, other = left.run.step(left_step), right.run.step(right_step)
    pairs: list[Pair] = []
    same: dict[int, bool] = {}
    """Of vertices on the left that have a partner: whether their numbers are the same, as far as they go."""
    for here, there in _matched(left, one, right, other, going):
        if len(pairs) % ASKED == 0 and not going():
            raise GivenUp
        if here is None or there is None:
            pairs.append(Pair(here, there, "left" if there is None else "right"))
            continue
        for vertex, partner in zip(here.inputs, there.inputs, strict=True):
            if vertex << 1 not in same:  # from an earlier training step
                before = left.value_of(vertex, here.moment), right.value_of(partner, there.moment)
                same[vertex << 1] = _difference(left, before[0], right, before[1])[0] is not False
        equal, difference, relative = _difference(left, here.value, right, there.value)
        if equal is None:
            state = "unknown"
        elif equal:
            state = "same"
        else:
            state = "differs" if _differs_before(one, here, same) else "parts"
        if here.kind in ("leaf", "op", "update"):
            same[here.vertex << 1] = state == "same"
        else:
            same[here.vertex << 1 | 1] = state == "same"
        pairs.append(Pair(here, there, state, difference, relative))
    return Comparison(tuple(_by_value(left, right, pairs)))


def first_step_apart(left: Session, right: Session) -> int | None:
    """The first training step whose rows or numbers are not all the same in two recordings; None if all are."""
    steps = max(left.run.steps, right.run.steps)
    for number in range(min(left.run.steps, right.run.steps)):
        if compare(left, number, right, number).count("same", "unknown") < max(
            len(left.run.step(number).rows), len(right.run.step(number).rows)
        ):
            return number
    return None if left.run.steps == right.run.steps else steps - 1


# ---- matching --------------------------------------------------------------------------------------------------------


def _matched(
    left: Session, one: Step, right: Session, other: Step, going: Callable[[], bool]
) -> Iterator[tuple[Row | None, Row | None]]:
    """The rows of both sides in order, those that belong together in one pair."""
    here = [_about(left, one, row) for row in one.rows]
    there = [_about(right, other, row) for row in other.rows]
    a = b = 0
    for i, j in matches(here, there, going):
        yield from ((row, None) for row in one.rows[a:i])
        yield from ((None, row) for row in other.rows[b:j])
        yield one.rows[i], other.rows[j]
        a, b = i + 1, j + 1
    yield from ((row, None) for row in one.rows[a:])
    yield from ((None, row) for row in other.rows[b:])


def _about(session: Session, step: Step, row: Row) -> tuple[Any, ...]:
    """What a row does, whatever its numbers are; of a nameless leaf, the shape tells which it is."""
    made = step.made.get(row.source) if row.source is not None else None
    source = step.rows[made].op if made is not None else None
    name: Any = row.name if row.kind in ("leaf", "update") else None
    if name is None and row.kind == "leaf" and (info := session.info(row.value)) is not None:
        name = info.shape, info.dtype
    return row.phase, row.kind, row.op, row.scope, row.edge, source, name, len(row.inputs)


def _differs_before(step: Step, row: Row, same: dict[int, bool]) -> bool:
    """Whether anything that went into a row is known to differ."""
    if row.kind == "leaf":
        return False
    if row.kind == "op":
        return any(not same.get(vertex << 1, True) for vertex in row.inputs)
    if row.kind == "update":  # of what an optimizer did, only its ops tell
        return not all(same.values())
    source = row.source or 0
    made = step.made.get(source)
    values = (source, *step.rows[made].inputs) if made is not None else (row.vertex,)
    gradients = (source, row.vertex)
    return any(not same.get(vertex << 1, True) for vertex in values) or any(
        not same.get(vertex << 1 | 1, True) for vertex in gradients
    )


def _difference(left: Session, one: int | None, right: Session, other: int | None) -> tuple[bool | None, Any, Any]:
    """Whether two arrays are the same bit for bit, by how much they differ at most, and that in proportion."""
    a, b = left.info(one), right.info(other)
    if a is None or b is None:
        return (None if a is b else False), None, None
    if (a.shape, a.dtype) != (b.shape, b.dtype):
        return False, None, None
    x, y = left.array(one), right.array(other)
    if x is None or y is None:
        told = _tell_apart(left.statistics(one), right.statistics(other), alike=x is None and y is None)
        return (False if told else None), None, None
    if x.tobytes() == y.tobytes():
        return True, 0.0, 0.0
    if x.dtype.kind not in "fiub":
        return False, None, None
    with np.errstate(all="ignore"):
        first, second = np.atleast_1d(x).astype(np.float64), np.atleast_1d(y).astype(np.float64)
        apart = np.abs(first - second)
        apart[(first == second) | (np.isnan(first) & np.isnan(second))] = 0.0
        widest = float(apart.max()) if apart.size else 0.0
        largest = float(max(np.nanmax(np.abs(first), initial=0.0), np.nanmax(np.abs(second), initial=0.0)))
    return False, widest, widest / largest if largest else None


def _tell_apart(one: Statistics | None, other: Statistics | None, alike: bool) -> bool:
    """Whether statistics tell that two arrays differ. Equal ones do not tell that all elements are the same.

    `alike`: both were computed while recording. Else one is of a sample and the other not, or their means of the same
    elements may differ in the last digits, by the order in which they were added; then only what is exact counts.
    """
    if one is None or other is None:
        return False
    if alike:
        return one != other
    limits = (one.minimum, one.maximum, one.nans, one.infs) != (other.minimum, other.maximum, other.nans, other.infs)
    return limits or (one.counted == other.counted and one.zeros != other.zeros)


def _by_value(left: Session, right: Session, pairs: list[Pair]) -> list[Pair]:
    """Match what is left over by value: the same numbers under another op, or in another place. A single number must be
    the only one of its value."""
    waiting: dict[tuple[Any, ...], list[int]] = {}
    scalars = Counter(_bits(left, pair.left) for pair in pairs if pair.state == "left")
    for place, pair in enumerate(pairs):
        key = _bits(right, pair.right) if pair.state == "right" and pair.right is not None else None
        if key is not None:
            waiting.setdefault(key, []).append(place)
    gone: set[int] = set()
    answer = list(pairs)
    for place, pair in enumerate(pairs):
        key = _bits(left, pair.left) if pair.state == "left" and pair.left is not None else None
        if key is None or not waiting.get(key):
            continue
        if key[0] in ((), (1,)) and (scalars[key] > 1 or len(waiting[key]) > 1):
            continue
        partner = waiting[key].pop(0)
        gone.add(partner)
        answer[place] = Pair(pair.left, pairs[partner].right, "same", 0.0, 0.0, True)
    return [pair for place, pair in enumerate(answer) if place not in gone]


def _bits(session: Session, row: Row | None) -> tuple[Any, ...] | None:
    """What an array holds, to look for the same in the other recording."""
    values = session.array(row.value) if row is not None else None
    if values is None or not values.size:
        return None
    return values.shape, values.dtype.str, values.tobytes()
