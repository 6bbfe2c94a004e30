"""Tours: a teacher's way through a recording, stop by stop, kept in a small text file (`.tgl`).

    ---
    teachgrad tour: 1
    title: Backpropagation by hand
    recording: micrograd
    ---

    Words that stand before the first stop.

    ## Two uses of one value
    at: t0/bwd/a.grad
    screen: chain
    spotlight: pane chain
    question: value
    ask: Why is it a sum?
    answer: Because a is used twice.

    Words about this stop, in Markdown.

A stop is a heading and lines `key: value`, up to the first empty line; what follows is its text. `at` is any address of
a moment. `question` (shape, value or next) is answered by the recording; `ask` and `answer` are the teacher's own. A
spotlight is `pane NAME`, `op NAME` or `element [3,1]`. Nothing in such a file is executed, and all of it is bounded.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from teachgrad.errors import TeachgradError
from teachgrad.recording import Moment
from teachgrad.recording.text import clean

from ..session import Session
from ..stops import resolve
from .questions import NEXT, SHAPE, VALUE, Question, asks

VERSION = "1"
MAX_BYTES = 1 << 18
MAX_STOPS = 200
MAX_TEXT = 8000
MAX_VALUE = 500
FOLDER = Path(__file__).parent.parent / "tours"
SCREENS = ("tape", "chain", "map", "passes", "memory", "train", "kernels", "doctor", "explain", "stops")
KINDS = (SHAPE, VALUE, NEXT)
SPOTLIGHTS = ("pane", "op", "element")
_KEYS = ("at", "screen", "spotlight", "question", "ask", "answer")
_LINE = re.compile(r"([a-z][a-z ]*):\s*(.*)")


class TourError(TeachgradError):
    """A tour that cannot be read, or leads to where the recording has nothing."""


@dataclass(frozen=True, slots=True)
class TourStop:
    """One stop of a tour."""

    title: str
    at: str
    text: str = ""
    screen: str = "tape"
    spotlight: str = ""
    questions: tuple[str, ...] = ()
    """Kinds of questions that the recording answers."""
    ask: str = ""
    answer: str = ""

    def spot(self, kind: str) -> str:
        """What the spotlight of this kind is on, or nothing."""
        found, _, what = self.spotlight.partition(" ")
        return what.strip() if found == kind else ""

    @property
    def element(self) -> tuple[int, ...] | None:
        """The element in the spotlight."""
        numbers = re.findall(r"\d{1,18}", self.spot("element"))
        return tuple(map(int, numbers)) if numbers else None


@dataclass(frozen=True, slots=True)
class Tour:
    """A tour: what it is called, what it is about, and its stops."""

    title: str
    recording: str = ""
    text: str = ""
    stops: tuple[TourStop, ...] = ()

    def but(self, place: int, stop: TourStop) -> Tour:
        """The tour with a stop put in at a place."""
        return replace(self, stops=(*self.stops[:place], stop, *self.stops[place:]))


# ---- reading ---------------------------------------------------------------------------------------------------------


def load(name: str, demo: str | None = None) -> Tour:
    """The tour in a file; of an empty name, the one that comes with a demo. Raises `TourError`."""
    known = {path.stem: path for path in sorted(FOLDER.glob("*.tgl"))}
    path = Path(name) if name else known.get(demo or "")
    if path is None:
        raise TourError(f"name the file of a tour; tours come with the demos {', '.join(known)}")
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise TourError(f"{path} cannot be read: {error.strerror}") from None
    if len(data) > MAX_BYTES:
        raise TourError(f"{path} is larger than {MAX_BYTES >> 10} kB: that is no tour")
    try:
        return parse(data.decode("utf-8"))
    except UnicodeDecodeError:
        raise TourError(f"{path} is not text in UTF-8") from None
    except TourError as error:
        raise TourError(f"{path}: {error}") from None


def parse(text: str) -> Tour:
    """Read a tour. Raises `TourError` with the line that does not fit."""
    lines = text.replace("\r\n", "\n").split("\n")
    if not lines or lines[0].strip() != "---" or "---" not in [line.strip() for line in lines[1:]]:
        raise TourError("line 1: a tour begins with ---, the lines teachgrad tour: 1 and title: ..., and --- again")
    end = next(at for at in range(1, len(lines)) if lines[at].strip() == "---")
    facts = {}
    for at in range(1, end):
        if lines[at].strip():
            match = _LINE.fullmatch(lines[at].strip())
            if match is None:
                raise TourError(f"line {at + 1}: write key: value")
            facts[match[1].strip()] = _value(match[2], at)
    if facts.get("teachgrad tour") != VERSION:
        raise TourError(f"the line `teachgrad tour: {VERSION}` is missing, or this is a tour of another version")
    starts = [at for at in range(end + 1, len(lines)) if lines[at].startswith("## ")]
    if len(starts) > MAX_STOPS:
        raise TourError(f"{len(starts)} stops; at most {MAX_STOPS} are read")
    bounds = [*starts, len(lines)]
    stops = tuple(_stop(lines, start, stop) for start, stop in zip(starts, bounds[1:], strict=False))
    intro = _text(lines[end + 1 : bounds[0]], end + 1)
    return Tour(facts.get("title", "") or "tour", facts.get("recording", ""), intro, stops)


def _value(text: str, at: int) -> str:
    if len(text) > MAX_VALUE:
        raise TourError(f"line {at + 1}: longer than {MAX_VALUE} characters")
    return clean(text.strip())


def _text(lines: list[str], at: int) -> str:
    text = "\n".join(clean(line) for line in lines).strip("\n")
    if len(text) > MAX_TEXT:
        raise TourError(f"line {at + 1}: a text of {len(text)} characters; at most {MAX_TEXT} are read")
    return text


def _stop(lines: list[str], start: int, end: int) -> TourStop:
    title, found, questions, at = _value(lines[start][3:], start), {}, [], start + 1
    while at < end and lines[at].strip():
        match = _LINE.fullmatch(lines[at].strip())
        key = match[1].strip() if match is not None else ""
        if match is None or key not in _KEYS:
            raise TourError(f"line {at + 1}: after a heading come lines such as at: t0/bwd/a.grad, then an empty line; "
                            f"there are {', '.join(_KEYS)}")  # fmt: skip
        value = _value(match[2], at)
        if key == "question":
            if value not in KINDS:
                raise TourError(f"line {at + 1}: there are the questions {', '.join(KINDS)}")
            questions.append(value)
        elif key in found:
            raise TourError(f"line {at + 1}: {key} is said twice")
        else:
            found[key] = value
        at += 1
    if not found.get("at"):
        raise TourError(f"line {start + 1}: the stop does not say where it is: at: t0/bwd/a.grad")
    if found.get("screen", "tape") not in SCREENS:
        raise TourError(f"line {start + 1}: there is no screen {found['screen']!r}; there are {', '.join(SCREENS)}")
    spotlight = found.get("spotlight", "")
    if spotlight and (spotlight.partition(" ")[0] not in SPOTLIGHTS or " " not in spotlight):
        raise TourError(f"line {start + 1}: a spotlight is on pane NAME, op NAME or element [3,1]")
    return TourStop(title, found["at"], _text(lines[at:end], at), found.get("screen", "tape"), spotlight,
                    tuple(questions), found.get("ask", ""), found.get("answer", ""))  # fmt: skip


# ---- writing ---------------------------------------------------------------------------------------------------------


def written(tour: Tour) -> str:
    """A tour as text that `parse` reads."""
    parts = [f"---\nteachgrad tour: {VERSION}\ntitle: {tour.title}\nrecording: {tour.recording}\n---\n"]
    if tour.text:
        parts.append(f"{tour.text}\n")
    for stop in tour.stops:
        lines = [f"## {stop.title}", f"at: {stop.at}", f"screen: {stop.screen}"]
        lines += [f"spotlight: {stop.spotlight}"] if stop.spotlight else []
        lines += [f"question: {kind}" for kind in stop.questions]
        lines += [f"ask: {stop.ask}"] if stop.ask else []
        lines += [f"answer: {stop.answer}"] if stop.answer else []
        parts.append("\n".join(lines) + (f"\n\n{stop.text}" if stop.text else "") + "\n")
    return "\n".join(parts)


def save(path: Path, tour: Tour) -> None:
    """Write a tour into a file. Raises `TourError`."""
    if len(tour.stops) > MAX_STOPS:
        raise TourError(f"a tour has at most {MAX_STOPS} stops")
    try:
        path.write_text(written(tour), encoding="utf-8")
    except OSError as error:
        raise TourError(f"{path} cannot be written: {error.strerror}") from None


# ---- with a recording ------------------------------------------------------------------------------------------------


def arrived(session: Session, tour: Tour, place: int) -> tuple[Moment, dict[str, Any]]:
    """Where a stop is, and which options change there."""
    stop = tour.stops[place]
    moment = resolve(session, stop.at)
    here = Moment(moment.step, moment.row, moment.phase)
    element = stop.element if stop.element is not None else moment.element
    changes = {"place": place, "turned": 0, "visited": here, "element": element}
    return here, changes | {"spotlight": stop.spot("op"), "predict": bool(stop.questions)}


def questions_at(session: Session, stop: TourStop) -> tuple[Question, ...]:
    """The questions of a stop that the recording answers. Raises `TourError` if it does not."""
    moment = resolve(session, stop.at)
    offered = {question.kind: question for question in asks(session, moment, stop.element)}
    for kind in stop.questions:
        if kind not in offered:
            there = ", ".join(offered) or "nothing"
            raise TourError(f"the stop {stop.title!r} asks for {kind}, but at {moment} there is {there} to ask for")
    return tuple(offered[kind] for kind in KINDS if kind in stop.questions)


def given_away(session: Session, tour: Tour) -> list[tuple[int, int]]:
    """Stops that ask for what an earlier one, later in the recording, has shown: (place, place of the earlier one)."""
    found = []
    latest, shown_by = (-1, -1), 0
    for place, stop in enumerate(tour.stops):
        moment = resolve(session, stop.at)
        here = moment.step, moment.row
        if stop.questions and here < latest:
            found.append((place, shown_by))
        if here > latest:
            latest, shown_by = here, place
    return found


def questions_of(session: Session, tour: Tour) -> tuple[Question, ...]:
    """All questions of a tour that the recording answers."""
    return tuple(dict.fromkeys(question for stop in tour.stops for question in questions_at(session, stop)))
