"""Predicting and tours: questions are answered, answers kept, stops visited and recorded."""

from __future__ import annotations

from pathlib import Path

from teachgrad.errors import TeachgradError
from teachgrad.recording import Moment, Reader

from ..learning.lesson import open_questions, question_of, solved, stop_of
from ..learning.marking import counted, settled
from ..learning.misconceptions import hint_for
from ..learning.past import is_shut
from ..learning.questions import REWRITE, AnswerError, Question, is_right, said
from ..learning.score import Answer, Score, append, default_path, fingerprint, now, read
from ..learning.tours import Tour, TourStop, arrived, save
from ..screens import SCREENS
from .acting import Acting


class Learning(Acting):
    """The part of the application that asks."""

    score_path: Path | None = None
    """Where answers are kept, if somebody said so; else a file in the present folder, named after the recording."""
    tour_path: Path | None = None
    """Where a tour is recorded."""
    _digest: str = ""
    _over: frozenset[tuple[int, int, str]] = frozenset()
    """The questions that are answered or given up."""
    _waiting: tuple[Answer, ...] = ()
    """Answers that could not be kept yet: which recording they are about is still being found out."""
    _furthest: Moment | None = None
    """The latest moment that was shown since something was first to be predicted."""
    _furthest_stop: int = 0
    """The latest rewrite of a program that was shown on Passes since then."""
    _trouble: str = ""
    """Why answers are not kept."""
    unread: bool = False
    """Whether the words of a stop go on where there was no room for them."""

    def keep_in(self, score: str | None, tour: str | None) -> None:
        """Keep answers in a file, and the stops of a tour."""
        self.score_path = Path(score) if score else None
        self.tour_path = Path(tour) if tour else None

    def over_at(self, moment: Moment) -> frozenset[str]:
        return frozenset(mark for step, row, mark in self._over
                         if (step, row) == (moment.step, moment.row) or mark.startswith(REWRITE))  # fmt: skip

    def note_shown(self) -> None:
        """Remember how far somebody has seen who predicts; where nothing is hidden, the present is seen too."""
        if self.options.predict and self._furthest is None:
            self._furthest = self.moment
            self._find_score()
        if self._furthest is not None:
            here = self.moment
            if not self.options.predict:
                here = Moment(here.step, here.row + 1, here.phase)
            self._furthest = max(self._furthest, here, key=lambda moment: (moment.step, moment.row))
            if self.shown == "passes" and not is_shut(self.shown, self.moment, self.options):
                self._furthest_stop = max(self._furthest_stop, self.options.stop)

    # ---- answers -----------------------------------------------------------------------------------------------------

    def action_answer(self) -> None:
        if question_of(self.session, self.moment, self.options, self.shown) is None:
            why = "nothing is asked here" if self.options.predict else "p hides what is to be predicted, a answers"
            self._refuse(why)
        else:
            self._ask("answer ")

    def reply(self, text: str) -> None:
        """Judge an answer, keep it, and say what became of it."""
        question = question_of(self.session, self.moment, self.options, self.shown)
        if question is None:
            return
        try:
            hint = hint_for(self.session, question, text)
            words = said(self.session, question)
            right = is_right(self.session, question, text)
        except AnswerError as error:
            self._set(message=str(error))
            return
        text = text.strip()
        if right:
            self._settle(question, f"right: {words}")
        elif hint is not None:
            self._set(verdict=f"not {text}: {hint.hint}")
        else:
            self._set(verdict=f"not {text}: try again, or r gives up")
        if question.kind == REWRITE and question.element[1] <= self._furthest_stop:
            self._keep(Answer(question, None, "", self._seen_until(), now()))  # it had been shown
        self._keep(Answer(question, text, hint.name if hint is not None else "", self._seen_until(), now()))
        tally = self.options.tally
        self._set(verdict=self.options.verdict, tally=(tally[0] + right, tally[1] + 1), message=self._trouble)

    def action_reveal(self) -> None:
        """Give up the question that is asked, or show the teacher's own answer."""
        question = question_of(self.session, self.moment, self.options, self.shown)
        stop = stop_of(self.options, self.moment)
        if question is not None:
            self._settle(question, solved(self.session, question))
            self._keep(Answer(question, None, "", self._seen_until(), now()))
            if self._trouble:
                self._set(verdict=self.options.verdict, message=self._trouble)
        elif stop is not None and stop.answer:
            self._set(revealed=self.options.revealed | {"answer"})
        else:
            self._set(message="nothing is hidden here")

    def _settle(self, question: Question, verdict: str) -> None:
        self._over |= {question.key}
        self._set(revealed=self.options.revealed | {question.mark}, verdict=verdict)

    def _seen_until(self) -> Moment:
        return self._furthest if self._furthest is not None else self.moment

    # ---- the score file ----------------------------------------------------------------------------------------------

    def _find_score(self) -> None:
        """Find out which recording this is, which takes as long as reading it, and go on with `_found_score`."""
        self._found_score(*self._fingerprint())

    def _fingerprint(self) -> tuple[str, str]:
        """The fingerprint of the recording, or nothing and why there is none."""
        try:
            with Reader(self.session.run.path) as run:
                if run.trouble:
                    return "", f"answers are not kept: {run.trouble}"
                return fingerprint(run), ""
        except TeachgradError as error:
            return "", f"answers are not kept: {error}"

    def _found_score(self, digest: str, trouble: str = "") -> None:
        """Go on with what has been answered before."""
        self._digest, self._trouble = digest, trouble
        if trouble:
            self._set(message=trouble)
            return
        if self.score_path is None:
            self.score_path = default_path(Path.cwd(), self.session.title, digest)
        score = Score(digest)
        try:
            if self.score_path.exists():
                score = read(self.score_path)
                if score.sha256 != digest:
                    raise TeachgradError(f"{self.score_path} is about another recording: answers are not kept")
        except TeachgradError as error:
            self._digest, self._trouble = "", str(error)
            self._set(message=self._trouble)
            return
        self._over |= settled(self.session, score)
        latest = [item.furthest for item in score.answers] + [self._seen_until()]
        self._furthest = max(latest, key=lambda moment: (moment.step, moment.row))
        right, given = counted(self.session, score)
        tally = self.options.tally
        self._set(message=self._message, revealed=self.options.revealed | self.over_at(self.moment),
                  verdict=self.options.verdict, tally=(tally[0] + right, tally[1] + given))  # fmt: skip
        self._write()

    def keep_the_rest(self) -> None:
        """At the end, write down answers that have waited until now."""
        if self._waiting and not self._trouble:
            self._digest, self._trouble = self._fingerprint()
            if self.score_path is None:
                self.score_path = default_path(Path.cwd(), self.session.title, self._digest)
            if self._digest:
                self._write()

    def _keep(self, answer: Answer) -> None:
        self._waiting = (*self._waiting, answer)
        if self._digest:
            self._write()

    def _write(self) -> None:
        """Write down the answers that wait for it."""
        waiting, self._waiting = self._waiting, ()
        for answer in waiting:
            try:
                assert self.score_path is not None
                append(self.score_path, self.session.title, self._digest, answer)
            except TeachgradError as error:
                self._trouble = str(error)

    # ---- tours -------------------------------------------------------------------------------------------------------

    def action_tour(self, direction: int) -> None:
        """The rest of the words, then the next stop of the tour; or the one before; back to this one, if somebody has
        left it."""
        tour = self.options.tour
        if not isinstance(tour, Tour) or not tour.stops:
            self._set(message="no tour is played: teachgrad inspect FILE --tour TOUR.tgl, or + records one")
            return
        away = self.options.visited is not None and stop_of(self.options, self.moment) is None
        if not away and (self.unread if direction > 0 else self.options.turned):
            self._set(turned=self.options.turned + direction)
            return
        place = self.options.place + (0 if away or self.options.visited is None else direction)
        if not 0 <= place < len(tour.stops):
            self._set(message="that was the last stop" if direction > 0 else "this is the first stop")
            return
        self.visit(place)

    def visit(self, place: int) -> None:
        """Go to a stop of the tour."""
        stop: TourStop = self.options.tour.stops[place]
        try:
            moment, changes = arrived(self.session, self.options.tour, place)
        except TeachgradError as error:
            self._set(place=place, message=f"stop {place + 1}: {error}")
            return
        panes = SCREENS[stop.screen].panes
        pane = panes.index(stop.spot("pane")) if stop.spot("pane") in panes else 0
        changes |= {"pane": pane, "zoom": False, "revealed": self.over_at(moment), "verdict": ""}
        self._set(moment, screen=stop.screen, **changes)

    def action_record_stop(self) -> None:
        self._ask("tour: ")

    def record_stop(self, text: str) -> None:
        """Add what is on the screen to the tour, with a line of text."""
        path = self.tour_path
        if path is None:
            stem = self.session.title.removesuffix(".tgr").removesuffix(".py")
            path = Path.cwd() / f"{stem}.tgl"
        tour = self.options.tour if isinstance(self.options.tour, Tour) else Tour(self.session.title,
                                                                                  self.session.title)  # fmt: skip
        title, _, rest = text.strip().partition(". ")
        kinds = tuple(item.kind for item in open_questions(self.session, self.moment, self.options, self.shown))
        stop = TourStop(title.rstrip("."), str(self.moment), rest.strip(), self.shown, self._spotlight(), kinds)
        place = self.options.place + 1 if tour.stops else 0
        longer = tour.but(place, stop)
        try:
            save(path, longer)
        except TeachgradError as error:
            self._set(message=str(error))
            return
        here = Moment(self.moment.step, self.moment.row, self.moment.phase)
        self._set(tour=longer, place=place, visited=here, message=f"stop {place + 1} is in {path.name}")

    def _spotlight(self) -> str:
        """Where somebody looks who records a stop: at an element, or at a pane."""
        if self.options.element is not None:
            return f"element [{','.join(map(str, self.options.element))}]" if self.options.element else ""
        panes = SCREENS[self.shown].panes
        return f"pane {panes[self.options.pane % len(panes)]}" if self.options.pane else ""
