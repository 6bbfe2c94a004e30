"""The user's source around the line that a row comes from."""

from __future__ import annotations

from dataclasses import dataclass

from teachgrad.recording import Moment, Row, Site

from ..session import Session

AROUND = 12


@dataclass(frozen=True, slots=True)
class SourceView:
    """Lines of a file; `first` and `last` are the columns of the expression in the line `line`."""

    file: str
    function: str
    line: int
    first: int
    last: int
    lines: tuple[tuple[int, str], ...]


def view_source(session: Session, row: Row, moment: Moment) -> SourceView | None:
    """The source of a row, or None if it has none."""
    return _around(session, session.site(row, moment))


def source_around(session: Session, site: int | None) -> SourceView | None:
    """The source around a place, by its number in the recording."""
    return _around(session, session.run.site(site))


def _around(session: Session, site: Site | None) -> SourceView | None:
    if site is None:
        return None
    text = session.run.source(site.file)
    lines = tuple(
        (number, text[number - 1])
        for number in range(max(1, site.line - AROUND), site.line + AROUND + 1)
        if number <= len(text)
    )
    if not lines:
        lines = ((site.line, site.text),)
    return SourceView(site.file, site.function, site.line, site.first, site.last, lines)
