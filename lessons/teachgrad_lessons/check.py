"""Exercises that mark themselves: observe what the learner's code does, compare, answer with a keyed hint.

Every probe of an exercise has two halves that share nothing but plain data:

- ``observe`` runs the learner's objects and returns numbers, strings, arrays, and tuples, lists and dicts of
  these;
- ``expected`` judges that data, and ``slips`` recognise the misconception behind a particular wrong answer.

Neither half needs the other's objects and nothing is pickled, so a grader can run them in two processes.
"""

from __future__ import annotations

import tomllib
import traceback
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np

from teachgrad_lessons.compare import Close, Expectation, Raised, brief

_HERE = str(Path(__file__).parent)


class _HasId(Protocol):
    @property
    def id(self) -> str: ...


_T = TypeVar("_T", bound=_HasId)


@dataclass(frozen=True)
class Hint:
    """Three levels of help against one misconception: where to look, why it goes wrong, how to mend it."""

    id: str
    levels: tuple[str, str, str]


def hints_from(path: Path) -> tuple[Hint, ...]:
    """The hints of a TOML file: one table for each id, with the texts ``where``, ``why`` and ``how``."""
    tables = tomllib.loads(path.read_text(encoding="utf-8"))
    return tuple(Hint(id, (table["where"], table["why"], table["how"])) for id, table in tables.items())


@dataclass(frozen=True)
class Slip:
    """The answer that a known misconception gives: a value, an expectation, or a test of the observation."""

    hint: str
    answer: Any

    def matches(self, got: Any) -> bool:
        if callable(self.answer):
            return bool(self.answer(got))
        return not isinstance(got, Raised) and not _expectation(self.answer).difference(got)


def raises(*kinds: str) -> Callable[[Any], bool]:
    """A test for ``Slip``: the learner's code raised an exception of one of these names."""
    return lambda got: isinstance(got, Raised) and got.kind in kinds


@dataclass(frozen=True)
class Probe:
    """One thing that an exercise looks at.

    ``observe`` receives whatever the learner passed to ``Lesson.check`` and returns plain data. ``expected`` is an
    ``Expectation``, or a value that the data must be close to.
    """

    name: str
    observe: Callable[..., Any]
    expected: Any
    slips: tuple[Slip, ...] = ()
    points: int = 1


@dataclass(frozen=True)
class Exercise:
    """Probes that are marked together. ``hint`` answers a wrong result that no slip recognises."""

    id: str
    title: str
    hint: str
    probes: tuple[Probe, ...]

    @property
    def points(self) -> int:
        return sum(probe.points for probe in self.probes)


@dataclass(frozen=True)
class Question:
    """A prediction to commit to before the cell that settles it. It earns no points: being surprised is its use."""

    id: str
    slips: tuple[Slip, ...]


@dataclass(frozen=True)
class Result:
    """The latest marking of an exercise: points, one line of text per probe, and the hint that was chosen."""

    points: int
    lines: tuple[str, ...]
    hint: str = ""


@dataclass
class Lesson:
    """The learner's record of one lesson: predictions, latest results, and how far each hint was opened."""

    title: str
    exercises: Sequence[Exercise]
    hints: Sequence[Hint]
    questions: Sequence[Question] = ()
    results: dict[str, Result] = field(default_factory=dict)
    predictions: dict[str, Any] = field(default_factory=dict)
    latest_hint: str = ""
    _opened: dict[str, int] = field(default_factory=dict)

    def check(self, id: str, *work: Any) -> None:
        """Mark exercise ``id`` on what the learner wrote, print the outcome, and remember it."""
        exercise = _named(self.exercises, id, "exercise")
        result = Result(0, ("Not answered yet.",)) if _blank(work) else mark(exercise, work)
        self.results[id] = result
        print(f"{exercise.title}: {result.points} of {exercise.points} points")
        for line in result.lines:
            print("  " + line)
        if result.hint:
            self._offer(result.hint)
            print("  For a stronger hint run  lesson.hint()")

    def hint(self) -> None:
        """Print the next, stronger level of the hint that the latest wrong answer earned."""
        if not self.latest_hint:
            print("There is no hint to open: nothing has been marked wrong yet.")
            return
        level = min(self._opened[self.latest_hint] + 1, 3)
        self._opened[self.latest_hint] = level
        self._print_hint(self.latest_hint, level)

    def predict(self, id: str, value: Any) -> None:
        """Commit to an answer before it is computed."""
        _named(self.questions, id, "question")
        if value is ...:
            print("Write your prediction in place of the three dots, then run this cell again.")
            return
        self.predictions[id] = value
        print(f"Noted: {brief(value)}. Now run on and see.")

    def reveal(self, id: str, value: Any) -> None:
        """Set the computed answer beside the prediction; a prediction that shows a misconception gets its hint."""
        question = _named(self.questions, id, "question")
        if id not in self.predictions:
            print("No prediction yet. Commit to one above before you look: a guess is worth more than a glance.")
            return
        guess = self.predictions[id]
        if not Close(value, rtol=1e-3).difference(guess):
            print(f"You predicted {brief(guess)}, and so it is.")
            return
        print(f"You predicted {brief(guess)}. It is {brief(value)}.")
        for slip in question.slips:
            if slip.matches(guess):
                self._offer(slip.hint)
                return

    @property
    def points(self) -> int:
        return sum(result.points for result in self.results.values())

    @property
    def out_of(self) -> int:
        return sum(exercise.points for exercise in self.exercises)

    def score(self) -> None:
        """Print the points of every exercise and their sum."""
        width = max(len(exercise.title) for exercise in self.exercises)
        print(self.title)
        for exercise in self.exercises:
            result = self.results.get(exercise.id)
            mark = "not run" if result is None else f"{result.points:3} of {exercise.points}"
            print(f"  {exercise.title:{width}}  {mark}")
        print(f"Score: {self.points} of {self.out_of} points")

    def _offer(self, id: str) -> None:
        self.latest_hint = id
        self._opened.setdefault(id, 1)
        self._print_hint(id, 1)

    def _print_hint(self, id: str, level: int) -> None:
        print(f"  Hint {level} of 3 ({id}): {_named(self.hints, id, 'hint').levels[level - 1]}")


def mark(exercise: Exercise, work: Sequence[Any]) -> Result:
    """Observe and judge every probe. The first slip that is recognised, in the order of the probes, picks the hint."""
    points, lines, hint = 0, [], ""
    missed = False
    for probe in exercise.probes:
        got = observe(probe, work)
        if isinstance(got, Raised) and got.kind == "NotImplementedError":
            lines.append(f"todo  {probe.name}: not written yet")
            continue
        difference = _expectation(probe.expected).difference(got)
        if not difference:
            points += probe.points
            lines.append(f"pass  {probe.name}")
            continue
        missed = True
        lines.append(f"MISS  {probe.name}: {difference}")
        hint = hint or next((slip.hint for slip in probe.slips if slip.matches(got)), "")
    return Result(points, tuple(lines), (hint or exercise.hint) if missed else "")


def observe(probe: Probe, work: Sequence[Any]) -> Any:
    """What ``probe`` sees of the learner's work; an exception of theirs becomes an observation, not a crash."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")  # a warning on stderr would cost every point under nbgrader
        try:
            return probe.observe(*work)
        except Exception as error:
            return Raised(type(error).__name__, _first_line(error), _place(error))


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or ["(no message)"])[0]


def _place(error: Exception) -> str:
    """Where the learner's own code stood when it raised, or "" when it was not in their code."""
    frames = traceback.extract_tb(error.__traceback__)
    theirs = [f for f in frames if not f.filename.startswith(_HERE) and "site-packages" not in f.filename]
    if not theirs:
        return ""
    line = f": {theirs[-1].line}" if theirs[-1].line else ""
    return f" (in {theirs[-1].name}{line})"


def _expectation(value: Any) -> Expectation:
    return value if hasattr(value, "difference") else Close(value)


def _blank(work: Any) -> bool:
    """Whether an answer still holds the three dots of the learner's notebook."""
    if isinstance(work, dict):
        return any(_blank(part) for part in work.values())
    if isinstance(work, (tuple, list)):
        return any(_blank(part) for part in work)
    return work is ...


def _named(things: Sequence[_T], id: str, kind: str) -> _T:
    for thing in things:
        if thing.id == id:
            return thing
    raise ValueError(f"There is no {kind} {id!r} in this lesson; there are: {', '.join(t.id for t in things)}.")
