"""Marks for a score file, computed from the recording alone: what the file says of itself counts for nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from teachgrad.errors import RecordingError
from teachgrad.recording import Moment

from ..session import Session
from .misconceptions import hint_for
from .questions import REWRITE, AnswerError, Question, asked, asks, is_right, said
from .rewriting import is_asked
from .score import Answer, Score, ScoreError, fingerprint

OPEN = ("open", "not answered")


@dataclass(frozen=True, slots=True)
class Try:
    """One answer and what it is worth."""

    answer: str | None
    right: bool
    hint: str


@dataclass(frozen=True, slots=True)
class Mark:
    """A question, what was answered, and the mark: 1 for the first answer, 1/2 for the second, and so on. What was
    given up, or answered after it had been shown, gets 0."""

    moment: str
    kind: str
    element: tuple[int, ...]
    question: str
    solution: str
    tries: tuple[Try, ...]
    state: str
    """`right`, `open`, `given up`, `seen before` or `not answered`."""
    mark: float


@dataclass(frozen=True, slots=True)
class Marks:
    """All questions of a score."""

    title: str
    questions: tuple[Mark, ...]
    right: int
    """How many answers are right, of `answers`."""
    answers: int
    marks: float

    @property
    def share(self) -> float:
        """The part of all marks that was reached."""
        return self.marks / len(self.questions) if self.questions else 0.0


def mark(session: Session, score: Score, wanted: Sequence[Question] = (), solutions: bool = False) -> Marks:
    """Mark a score against its recording. `wanted` are questions that have to be answered; without them all that were
    asked count. What is still open is not given away, unless `solutions` says so. Raises `ScoreError` if score and
    recording do not belong together."""
    if fingerprint(session.run) != score.sha256:
        raise ScoreError(f"the score is about another recording than {session.title}: their contents differ")
    groups: dict[tuple[int, int, str], list[Answer]] = {}
    for answer in score.answers:
        groups.setdefault(answer.question.key, []).append(answer)
    keys = {question.key: question for question in wanted}
    found = [_mark(session, groups[key]) for key in groups if not wanted or key in keys]
    found += [_missing(session, question) for key, question in keys.items() if key not in groups]
    if not solutions:
        found = [replace(one, solution="") if one.state in OPEN else one for one in found]
    tries = [item for one in found for item in one.tries if item.answer is not None]
    return Marks(score.title, tuple(found), sum(item.right for item in tries), len(tries),
                 sum(one.mark for one in found))  # fmt: skip


def settled(session: Session, score: Score) -> frozenset[tuple[int, int, str]]:
    """The questions that are over, answered or given up: they need not be hidden any more."""
    done = set()
    for answer in score.answers:
        try:
            if answer.text is None or is_right(session, answer.question, answer.text):
                done.add(answer.question.key)
        except (AnswerError, RecordingError):
            continue
    return frozenset(done)


def counted(session: Session, score: Score) -> tuple[int, int]:
    """How many answers are right, and how many were given."""
    verdicts = []
    for answer in score.answers:
        if answer.text is not None:
            try:
                verdicts.append(is_right(session, answer.question, answer.text))
            except (AnswerError, RecordingError):
                verdicts.append(False)
    return sum(verdicts), len(verdicts)


def _mark(session: Session, answers: list[Answer]) -> Mark:
    question = _checked(session, answers[0].question)
    tries: list[Try] = []
    state, worth = "open", 0.0
    for answer in answers:
        one = _checked(session, answer.question)
        if answer.text is None:
            tries.append(Try(None, False, ""))
            state = "given up"
            break
        try:
            right = is_right(session, one, answer.text)
            hint = None if right else hint_for(session, one, answer.text)
        except AnswerError as error:
            raise ScoreError(f"{question.moment}: {error}") from None
        tries.append(Try(answer.text, right, hint.name if hint is not None else ""))
        if right:
            late = question.kind != REWRITE and (
                answer.furthest.step, answer.furthest.row) > (question.moment.step, question.moment.row)
            state, worth, question = ("seen before", 0.0, one) if late else ("right", 1 / len(tries), one)
            break
    return Mark(str(question.moment), question.kind, question.element, asked(session, question),
                said(session, question), tuple(tries), state, worth)  # fmt: skip


def _missing(session: Session, question: Question) -> Mark:
    question = _checked(session, question)
    return Mark(str(question.moment), question.kind, question.element, asked(session, question),
                said(session, question), (), "not answered", 0.0)  # fmt: skip


def _checked(session: Session, question: Question) -> Question:
    """A question that the recording does ask. Raises `ScoreError` for any other."""
    moment = question.moment
    if question.kind == REWRITE:
        if not is_asked(session, question.element) or moment != session.first:
            raise ScoreError(f"{session.title} does not ask for the rewrite {list(question.element)}")
        return question
    try:
        found = session.run.at(moment.step, moment.row)
    except RecordingError as error:
        raise ScoreError(f"there is no {moment} in {session.title}: {error}") from None
    if found.phase != moment.phase:
        raise ScoreError(f"there is no {moment} in {session.title}: that row is {found}")
    here = Moment(moment.step, moment.row, moment.phase)
    offered = asks(session, here, question.element)
    if question not in offered:
        kinds = ", ".join(item.kind for item in offered) or "nothing"
        raise ScoreError(f"{moment} does not ask for {question.kind} {list(question.element)}; it asks for {kinds}")
    return question
