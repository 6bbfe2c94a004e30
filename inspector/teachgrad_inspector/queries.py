"""What to search for and to filter by: words, and fields that say where a word is to be found.

    relu                       the name, the op or the module has it in it
    op:exp  op:*_gradient      the op; of a gradient the one that it flows out of
    module:blocks.0            in this module or inside it
    name:W1.grad               what the row is about
    dtype:float16              the type of the elements
    shape:(32,*)  shape:()     the shape; * is any length, ... any lengths
    line:net.py:14             the file, the line or both that the row comes from
    phase:bwd  kind:update     the phase; leaf, op, seed, edge, deposit or update

In words after a colon * is any text and ? any character. Several terms with spaces between must all be true.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from teachgrad.errors import TeachgradError
from teachgrad.recording import Row, Step

from .session import Session

LONGEST = 1000
"""Characters of a query, at most."""


class QueryError(TeachgradError):
    """A query that cannot be read."""


@dataclass(frozen=True, slots=True)
class Term:
    """A word, and the field in which it is looked for; "" for name, op and module together."""

    field: str
    word: str


@dataclass(frozen=True, slots=True)
class Query:
    """Terms, all of which must be true of a row."""

    text: str
    terms: tuple[Term, ...]

    @property
    def title(self) -> str:
        """What the filter is called."""
        return f"filter {self.text}"

    def matches(self, session: Session, step: Step, row: Row) -> bool:
        """Whether all terms are true of a row."""
        return all(FIELDS[term.field](session, step, row, term.word) for term in self.terms)

    def rows(self, session: Session, number: int) -> frozenset[int] | None:
        """The rows of a training step that it is true of; None where it is true of none."""
        step = session.run.step(number)
        return frozenset(row.row for row in step.rows if self.matches(session, step, row)) or None


def query(text: str) -> Query:
    """The query that a text means. Raises `QueryError` if a field is unknown or empty."""
    if len(text) > LONGEST:
        raise QueryError(f"a query has at most {LONGEST} characters")
    terms = []
    for word in text.split():
        field, colon, rest = word.partition(":")
        if not colon:
            terms.append(Term("", word.casefold()))
        elif field not in FIELDS or not field:
            raise QueryError(f"there is no field {field!r}; there are {', '.join(name for name in FIELDS if name)}")
        elif not rest:
            raise QueryError(f"what is looked for stands right after the colon, as in {field}:this")
        else:
            terms.append(Term(field, rest))
    if not terms:
        raise QueryError("nothing to look for; write something like relu, op:exp or shape:(32,*)")
    return Query(" ".join(text.split()), tuple(terms))


# ---- fields ----------------------------------------------------------------------------------------------------------


def _op_row(step: Step, row: Row) -> Row:
    """The op that a gradient flows out of; else the row itself."""
    made = step.made.get(row.source) if row.kind == "edge" and row.source is not None else None
    return step.rows[made] if made is not None else row


def _anywhere(session: Session, step: Step, row: Row, word: str) -> bool:
    return word in step.label(row).casefold() or word in (row.op or "") or word in row.scope.casefold()


def _op(session: Session, step: Step, row: Row, word: str) -> bool:
    return _fits(word, _op_row(step, row).op or "")


def _module(session: Session, step: Step, row: Row, word: str) -> bool:
    scope = _op_row(step, row).scope
    parts = scope.split(".") if scope else []
    return any(_fits(word, ".".join(parts[:count])) for count in range(1, len(parts) + 1))


def _name(session: Session, step: Step, row: Row, word: str) -> bool:
    return _fits(word, step.label(row))


def _dtype(session: Session, step: Step, row: Row, word: str) -> bool:
    info = session.info(row.value)
    return info is not None and _fits(word, info.dtype)


def _shape(session: Session, step: Step, row: Row, word: str) -> bool:
    info = session.info(row.value)
    return info is not None and _same_shape([part for part in word.strip("()").split(",") if part], info.shape)


def _line(session: Session, step: Step, row: Row, word: str) -> bool:
    site = session.site(row, row.moment)
    if site is None:
        return False
    file, _, line = word.rpartition(":")
    if not file and not line.isdecimal():
        file, line = line, ""
    path = site.file.replace("\\", "/")
    fits = not file or _fits(file, path) or _fits(file, path.rpartition("/")[2])
    return fits and (not line or line == str(site.line))


def _phase(session: Session, step: Step, row: Row, word: str) -> bool:
    return row.phase == word


def _kind(session: Session, step: Step, row: Row, word: str) -> bool:
    return row.kind == word


FIELDS: dict[str, Callable[[Session, Step, Row, str], bool]] = {
    "": _anywhere, "op": _op, "module": _module, "name": _name, "dtype": _dtype, "shape": _shape, "line": _line,
    "phase": _phase, "kind": _kind,
}  # fmt: skip


def _fits(pattern: str, text: str) -> bool:
    """Whether a text is as a pattern says, in which * is any text and ? any character.

    >>> _fits("*_gradient", "relu_gradient"), _fits("exp", "expm1")
    (True, False)
    """
    if "*" not in pattern and "?" not in pattern:
        return pattern == text
    parts = (".*" if char == "*" else "." if char == "?" else re.escape(char) for char in re.sub(r"\*+", "*", pattern))
    return re.fullmatch("".join(parts), text) is not None


def _same_shape(pattern: list[str], shape: tuple[int, ...]) -> bool:
    """Whether a shape is as a pattern says.

    >>> _same_shape(["...", "8"], (4, 2, 8)), _same_shape(["*", "8"], (4, 2, 8))
    (True, False)
    """
    if "..." in pattern:
        at = pattern.index("...")
        head, tail = pattern[:at], pattern[at + 1 :]
        return len(shape) >= len(head) + len(tail) and (
            _same_shape(head, shape[: len(head)]) and _same_shape(tail, shape[len(shape) - len(tail) :]))
    return len(pattern) == len(shape) and all(
        part.strip() in ("*", str(length)) for part, length in zip(pattern, shape, strict=True))
