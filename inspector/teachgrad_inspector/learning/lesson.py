"""The pane at the bottom: the words of a tour, the question that is to be answered, and what became of an answer."""

from __future__ import annotations

from dataclasses import dataclass

from teachgrad.recording import Moment

from ..session import Session
from ..views.options import Options
from .givens import givens
from .order import choices
from .past import is_shut
from .questions import NEXT, REWRITE, TOLERANCE, VALUE, Question, asked, asks, asks_of_rewrite, said
from .tours import Tour, TourStop

NOTHING = "nothing to predict here: s goes on"
SHAPES = "write it as 64,32; () is a single number"
COUNTED = "a whole number"
LETTERS = "answer with a letter; every op that is ready is right"


@dataclass(frozen=True, slots=True)
class LessonView:
    """What the pane says. `place` is the stop of the tour, as `3/9`; `spotlight` where to look."""

    title: str
    place: str
    spotlight: str
    text: str
    question: str
    given: str
    """Numbers to answer it with."""
    choices: tuple[str, ...]
    """As `a  relu`: the letter and the name."""
    how: str
    verdict: str
    right: bool
    """Whether the verdict is that the answer is right."""
    solution: str
    """The teacher's own answer, once it is revealed."""


def view_lesson(session: Session, moment: Moment, options: Options, screen: str) -> LessonView | None:
    """The pane at a moment, or None where neither a tour is played nor anything predicted. `session` is the whole one:
    of it only what the question says is shown."""
    tour = options.tour
    assert tour is None or isinstance(tour, Tour)
    if tour is None and not options.predict:
        return None
    stop = stop_of(options, moment)
    question = question_of(session, moment, options, screen)
    solution = stop.answer if stop is not None and "answer" in options.revealed else ""
    words, how = "", ""
    if question is not None:
        words = asked(session, question)
        how = {NEXT: LETTERS, VALUE: TOLERANCE, REWRITE: COUNTED}.get(question.kind, SHAPES)
    elif stop is not None and stop.ask and not solution:
        words, how = stop.ask, "think, then r shows the answer" if stop.answer else ""
    elif options.predict and not options.verdict and (stop is None or stop.questions):
        words = NOTHING if not _asked_here(session, moment, options, screen) else "all answered here: s goes on"
    if tour is not None and stop is None and question is None:
        how = "t and T lead back to the tour"
    listed = choices(session, moment) if question is not None and question.kind == NEXT else {}
    return LessonView(
        title=stop.title if stop is not None else "predict" if options.predict else tour.title if tour else "",
        place=f"{options.place + 1}/{len(tour.stops)}" if tour is not None and tour.stops else "",
        spotlight=f"look at {stop.spotlight}" if stop is not None and stop.spotlight else "",
        text=words_of(tour, options.place) if tour is not None and stop is not None else "",
        question=words, given=givens(session, question) if question is not None else "",
        choices=tuple(f"{letter}  {option.name}" for letter, option in listed.items()), how=how,
        verdict=options.verdict, right=options.verdict.startswith("right"), solution=solution,
    )  # fmt: skip


def stop_of(options: Options, moment: Moment) -> TourStop | None:
    """The stop of the tour that is played, where somebody is there."""
    tour = options.tour
    if not isinstance(tour, Tour) or not 0 <= options.place < len(tour.stops) or options.visited is None:
        return None
    if (options.visited.step, options.visited.row) != (moment.step, moment.row):
        return None
    return tour.stops[options.place]


def words_of(tour: Tour, place: int) -> str:
    """The words of a stop; before those of the first stand the words about the whole tour."""
    text = tour.stops[place].text
    return f"{tour.text}\n\n{text}".strip() if place == 0 else text


def _asked_here(session: Session, moment: Moment, options: Options, screen: str) -> tuple[Question, ...]:
    """All questions of a screen at a moment."""
    if screen == "passes" and not is_shut(screen, moment, options):
        return asks_of_rewrite(session, moment, options)
    return asks(session, moment, options.element)


def open_questions(session: Session, moment: Moment, options: Options, screen: str) -> tuple[Question, ...]:
    """The questions at a moment that are neither answered nor given up; of a tour, those that its stop asks."""
    if not options.predict:
        return ()
    stop = stop_of(options, moment)
    found = _asked_here(session, moment, options, screen)
    if stop is not None and stop.questions:
        found = tuple(question for question in found if question.kind in stop.questions)
    return tuple(question for question in found if question.mark not in options.revealed)


def question_of(session: Session, moment: Moment, options: Options, screen: str) -> Question | None:
    """The question that is to be answered now."""
    waiting = open_questions(session, moment, options, screen)
    return waiting[0] if waiting else None


def solved(session: Session, question: Question) -> str:
    """What is said of a question that was given up."""
    return f"it is {said(session, question)}"
