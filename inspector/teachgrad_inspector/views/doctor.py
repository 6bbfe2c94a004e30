"""The Doctor screen: what is wrong with a training, where it began, what to do about it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from teachgrad.recording import Moment

from ..doctor import Finding, Report, examine
from ..session import Session
from .options import Options
from .source import SourceView, view_source


@dataclass(frozen=True, slots=True)
class DoctorView:
    """The findings, the one that is looked at, and its source."""

    findings: tuple[Finding, ...]
    chosen: int | None
    source: SourceView | None
    looked: int
    steps: int
    skipped: tuple[str, ...]


def report(session: Session) -> Report:
    """The report about a recording, made once for each length of it."""
    found: Report = session.kept(lambda: examine(session), *_key(session))
    return found


def look_for_troubles(session: Session, going: Callable[[], bool]) -> None:
    """Make the report beforehand, as long as `going` says so."""
    found = examine(session, going)
    if found is not None:
        session.kept(lambda: found, *_key(session))


def left_to_examine(session: Session) -> int:
    """About how many rows are to be read for it."""
    if session.has_kept(*_key(session)):
        return 0
    return session.run.steps * session.run.length(0)


def _key(session: Session) -> tuple[str, int]:
    return "doctor", session.run.steps


def chosen_finding(session: Session, options: Options) -> int | None:
    """Which finding the Doctor screen looks at."""
    count = len(report(session).findings)
    return min(options.line or 0, count - 1) if count else None


def view_doctor(session: Session, options: Options) -> DoctorView:
    """The Doctor screen. Which moment it is does not matter: the whole recording is examined."""
    found = report(session)
    chosen = chosen_finding(session, options)
    source = None
    if chosen is not None:
        moment: Moment = session.run.resolve(found.findings[chosen].moment)
        source = view_source(session, session.row(moment), moment)
    findings = tuple(_hidden(finding) if options.hiding else finding for finding in found.findings)
    return DoctorView(findings, chosen, source, found.looked, found.steps, found.skipped)


def _hidden(finding: Finding) -> Finding:
    """A finding without its numbers."""
    return replace(finding, what="its numbers are hidden as long as they are to be predicted")
