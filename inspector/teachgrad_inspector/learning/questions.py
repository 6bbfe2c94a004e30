"""What a moment asks of somebody who predicts, and whether an answer is right.

    shape    the shape of what an op computes, before it is shown
    value    one element of what is computed here: a value, a gradient, an updated parameter
    next     which op can run backward next
    rewrite  on Passes, how many ops the graph has after the next rewrite

The answers are in the recording, and nowhere else.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from teachgrad.errors import TeachgradError
from teachgrad.recording import Moment, Row

from ..numbers import index, number
from ..numbers import shape as shape_text
from ..session import Session
from ..views.arrays import inside, largest
from ..views.options import Options
from .order import can_run_next, choices
from .rewriting import is_asked, next_rewrite, ops_after, rewrite_asked

SHAPE, VALUE, NEXT, REWRITE = "shape", "value", "next", "rewrite"
KINDS = (SHAPE, VALUE, NEXT, REWRITE)
RELATIVE = 0.01
"""A number is right if it is within so much of the true one."""
DIGITS = 5e-4
"""So much of what is added up is right, too: screens show four digits, and more cannot be asked of who reads them."""
ZERO = 1e-9
"""So much is right in any case: what is left of rounding where the true number is zero."""
TOLERANCE = "right within 1% or four digits; whole numbers exactly"
MAX_ANSWER = 100
GIVEN = ("shape", "dtype")
"""Ops with such a setting are told the shape of their result."""


class AnswerError(TeachgradError):
    """An answer that is no answer: not a number, not a shape, not a letter."""


@dataclass(frozen=True, slots=True, order=True)
class Question:
    """Something to predict. `element` is that of a value; of a rewrite, its program and stop; and () for the rest."""

    moment: Moment
    kind: str
    element: tuple[int, ...] = ()

    @property
    def key(self) -> tuple[int, int, str]:
        """What it is about: a row is shown or hidden as a whole, not by element."""
        return self.moment.step, self.moment.row, self.mark

    @property
    def mark(self) -> str:
        """What stands for it among what is revealed at a moment."""
        return self.kind if self.kind != REWRITE else f"rewrite {' '.join(map(str, self.element))}"


def asks(session: Session, moment: Moment, element: tuple[int, ...] | None = None) -> tuple[Question, ...]:
    """The questions at a moment, in order. Without the elements in the recording, values are not asked for."""
    key = moment.step, moment.row, element if element is not None else moment.element
    found: tuple[Question, ...] = session.kept(lambda: _asks(session, moment, element), "asks", *key)
    return found


def _asks(session: Session, moment: Moment, element: tuple[int, ...] | None) -> tuple[Question, ...]:
    row = session.row(moment)
    here = Moment(moment.step, moment.row, moment.phase)
    found = []
    if _has_unknown_shape(session, row):
        found.append(Question(here, SHAPE))
    chosen = _element(session, row, element if element is not None else moment.element)
    if chosen is not None:
        found.append(Question(here, VALUE, chosen))
    if choices(session, here):
        found.append(Question(here, NEXT))
    return tuple(found)


def asks_of_rewrite(session: Session, moment: Moment, options: Options) -> tuple[Question, ...]:
    """The question about the rewrite after the one that the Passes screen is at."""
    place = next_rewrite(session, moment, options)
    return () if place is None else (Question(session.first, REWRITE, place),)


def _has_unknown_shape(session: Session, row: Row) -> bool:
    """Whether a shape is worth a question: of an op on arrays, and of gradient that undoes a broadcast or a product."""
    info = session.info(row.value)
    if info is None or row.kind not in ("op", "edge"):
        return False
    if row.kind == "edge":
        incoming = session.info(row.incoming)
        return incoming is not None and incoming.shape != info.shape
    if any(name in session.attrs(row) for name in GIVEN):
        return False
    inputs = [session.info(session.value_of(vertex, row.moment)) for vertex in row.inputs]
    return bool(inputs) and any(item is not None and item.shape for item in inputs)


def _element(session: Session, row: Row, wish: tuple[int, ...] | None) -> tuple[int, ...] | None:
    """The element that is asked for: as wished, else the one that is largest, which has most to tell."""
    info = session.info(row.value)
    if row.kind == "leaf" or info is None or info.size == 0 or info.dtype.startswith("complex"):
        return None
    if row.kind == "update" and _was_shown(session, row):
        return None
    values = session.array(row.value)
    if values is None:
        return None
    if wish is not None and inside(wish, values):
        return wish
    part = part_of(session, row)
    return largest((values if part is None else part).astype(np.float64))


def part_of(session: Session, row: Row) -> np.ndarray | None:
    """What a row adds to what was there before: a contribution to a gradient, or the change of an update."""
    values = session.array(row.value)
    if row.kind == "update":
        old = session.array(session.value_of(row.vertex, Moment(row.step, row.row - 1, row.phase)))
        if values is None or old is None or old.shape != values.shape:
            return None
        with np.errstate(all="ignore"):
            return values.astype(np.float64) - old
    part = session.array(row.delta) if row.kind in ("edge", "deposit") else None
    return part if part is not None and values is not None and part.shape == values.shape else None


def _was_shown(session: Session, row: Row) -> bool:
    """Whether a parameter only takes over a value that has been computed before, as in a static program."""
    return any(row.value == earlier.value for earlier in session.run.step(row.step).rows[: row.row])


# ---- the answers -----------------------------------------------------------------------------------------------------


def truth(session: Session, question: Question) -> float | tuple[int, ...] | frozenset[int]:
    """What the recording says: a number, a shape, or the vertices of the ops that can run."""
    if question.kind == REWRITE:
        if not is_asked(session, question.element):
            raise AnswerError(f"there is no rewrite {list(question.element)}")
        return float(ops_after(session, question.element))
    row = session.row(question.moment)
    if question.kind == NEXT:
        return can_run_next(session, question.moment)
    info = session.info(row.value)
    if info is None:
        raise AnswerError(f"the recording does not tell the {question.kind} at {question.moment}")
    if question.kind == SHAPE:
        return info.shape
    return element_of(session.array(row.value), question.element, str(question.moment))


def element_of(values: np.ndarray | None, element: tuple[int, ...], where: str) -> float:
    """An element as a number. Raises `AnswerError` where there is none."""
    if values is None:
        raise AnswerError(f"the numbers at {where} were not recorded")
    if not inside(element, values):
        raise AnswerError(f"there is no element [{','.join(map(str, element))}] at {where}: {shape_text(values.shape)}")
    return float(values[element])


def is_right(session: Session, question: Question, text: str) -> bool:
    """Whether an answer is right. Raises `AnswerError` if it is none."""
    right = truth(session, question)
    if isinstance(right, frozenset):
        return chosen(session, question.moment, text) in right
    if isinstance(right, tuple):
        return read_shape(text) == right
    if question.kind == REWRITE:
        return agrees(read_number(text), right, whole=True)
    row = session.row(question.moment)
    info, part = session.info(row.value), part_of(session, row)
    added = float(part[question.element]) if part is not None else None
    return agrees(read_number(text), right, added, whole=info is not None and info.dtype[0] in "iub")


def agrees(answer: float, value: float, part: float | None = None, whole: bool = False) -> bool:
    """Whether a number is another one, as far as somebody can tell who calculates with four digits. Where `part` was
    added to get there, who leaves it out is not right."""
    if not math.isfinite(value) or not math.isfinite(answer):
        return answer == value or (math.isnan(answer) and math.isnan(value))
    if whole and abs(value) < 1e6:  # larger ones are shown with four digits
        return answer == value
    room, size = RELATIVE * abs(value), abs(value)
    if part is not None and math.isfinite(part):
        room, size = min(room, abs(part) / 4), max(size, abs(part), abs(value - part))
    return abs(answer - value) <= max(room, DIGITS * size, ZERO)


def said(session: Session, question: Question) -> str:
    """The right answer, in words."""
    right = truth(session, question)
    if isinstance(right, frozenset):
        options = choices(session, question.moment)
        return " or ".join(f"{letter} {option.name}" for letter, option in options.items() if option.vertex in right)
    return shape_text(right) if isinstance(right, tuple) else number(right)


def asked(session: Session, question: Question) -> str:
    """The question, in words."""
    if question.kind == REWRITE:
        return rewrite_asked(session, question.element)
    row = session.row(question.moment)
    name = session.name(row.vertex, question.moment.step)
    if question.kind == NEXT:
        return "Which of these can run backward next?"
    label = f"{name}.grad" if row.of_gradient else name
    if question.kind == SHAPE:
        return f"What shape has {label}?"
    target = f"{label}{index(question.element)}"
    if row.kind in ("edge", "deposit"):
        return f"What is {target} after this contribution?"
    return f"What is {target} after the update?" if row.kind == "update" else f"What is {target}?"


# ---- what somebody typed ---------------------------------------------------------------------------------------------

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d{1,4})?", re.ASCII)
_FRACTION = re.compile(r"([+-]?\d+)\s*/\s*(\d+)", re.ASCII)
_WORDS = {"nan": math.nan, "inf": math.inf, "+inf": math.inf, "-inf": -math.inf, "true": 1.0, "false": 0.0}


def read_number(text: str) -> float:
    """A number as people write it: `4`, `-0.5`, `1e-3`, `2/3`, `nan`. Raises `AnswerError`."""
    plain = text.strip().replace("−", "-").replace(" ", "").lower()
    if len(plain) <= MAX_ANSWER:
        if plain in _WORDS:
            return _WORDS[plain]
        if _NUMBER.fullmatch(plain):
            return float(plain)
        if (match := _FRACTION.fullmatch(plain)) and int(match[2]):
            try:
                return float(Fraction(int(match[1]), int(match[2])))
            except OverflowError:
                pass
    raise AnswerError(f"{text[:40]!r} is not a number; write something like 4, -0.5, 1e-3 or 2/3")


def read_shape(text: str) -> tuple[int, ...]:
    """A shape as people write it: `(64,32)`, `64 x 32`, `()`. Raises `AnswerError`."""
    plain = text.strip().strip("()[]").replace("×", ",").replace("x", ",").strip().rstrip(",")
    parts = [part for part in re.split(r"[\s,]+", plain) if part] if plain not in ("scalar", "none") else []
    if len(text) <= MAX_ANSWER and all(part.isascii() and part.isdecimal() and len(part) < 12 for part in parts):
        return tuple(map(int, parts))
    raise AnswerError(f"{text[:40]!r} is not a shape; write something like 64,32, and () for a single number")


def chosen(session: Session, moment: Moment, text: str) -> int:
    """The vertex of a choice, by letter or name. Raises `AnswerError`."""
    options = choices(session, moment)
    plain = text.strip()
    for letter, option in options.items():
        if plain.lower() == letter or plain == option.name:
            return option.vertex
    raise AnswerError(f"{text[:40]!r} is none of the choices: {', '.join(options)}")
