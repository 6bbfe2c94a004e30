"""The score file: what was asked and answered, in order, and of which recording. No verdicts: they are computed.

It is JSON:

    {"format": "teachgrad score", "version": 1,
     "recording": {"title": "micrograd", "sha256": "…"},
     "answers": [{"time": "2026-01-31T09:00:00Z", "moment": "t0/bwd/12", "kind": "value", "element": [],
                  "answer": "6", "hint": "overwritten", "furthest": "t0/bwd/12"}]}

An answer that is null was given up. `furthest` is the latest moment that had been shown by then: what lies before it
was no longer hidden. `hint` is the hint that was shown; a grader computes it anew.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import tempfile
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

from teachgrad.errors import TeachgradError
from teachgrad.recording import PHASES, Moment, Reader
from teachgrad.recording.text import clean

from .questions import KINDS, MAX_ANSWER, Question

FORMAT, VERSION = "teachgrad score", 1
MAX_BYTES = 4 << 20
MAX_ANSWERS = 10_000
MAX_NDIM = 64
_MOMENT = re.compile(rf"t(\d{{1,18}})/({'|'.join(PHASES)})/(\d{{1,18}})", re.ASCII)
_TIME = "%Y-%m-%dT%H:%M:%SZ"


class ScoreError(TeachgradError):
    """A score file that cannot be read, or belongs to another recording."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer to a question, or None where it was given up."""

    question: Question
    text: str | None
    hint: str
    furthest: Moment
    time: str


@dataclass(slots=True)
class Score:
    """All answers about one recording, in order."""

    sha256: str
    title: str = ""
    answers: list[Answer] = field(default_factory=list)


def now() -> str:
    """The time, as it stands in score files."""
    return datetime.now(UTC).strftime(_TIME)


# ---- which recording -------------------------------------------------------------------------------------------------


def fingerprint(run: Reader) -> str:
    """SHA-256 over what happened: rows, names, settings and numbers. Two runs that computed the same have the same one,
    whenever and wherever they ran. Vertices are numbered in the order in which they appear."""
    digest = sha256(f"{FORMAT} {VERSION}\n".encode())
    order: dict[int, int] = {}
    arrays: dict[int, bytes] = {}

    def vertex(number: int | None) -> int:
        return -1 if number is None else order.setdefault(number, len(order))

    def array(number: int | None) -> bytes:
        if number is None:
            return b"-"
        found = arrays.get(number)
        if found is None:
            info, values = run.array(number), run.values(number)
            content = b"" if values is None else sha256(values.tobytes()).digest()
            found = arrays[number] = f"{info.dtype} {info.shape} ".encode() + content
        return found

    for step in range(run.steps):
        for row in run.rows(step):
            said = (row.step, row.row, row.phase, row.kind, vertex(row.vertex), vertex(row.source), row.edge, row.op,
                    row.name, row.scope, tuple(map(vertex, row.inputs)), row.requires_grad, row.parameter)  # fmt: skip
            digest.update(repr(said).encode("utf-8", "backslashreplace"))
            for number in (row.value, row.delta, row.incoming):
                digest.update(array(number))
    return digest.hexdigest()


def default_path(folder: Path, title: str, digest: str) -> Path:
    """Where a score is kept unless somebody says otherwise: named after the recording and its content."""
    stem = re.sub(r"[^A-Za-z0-9_-]+", "-", title.removesuffix(".tgr").removesuffix(".py")).strip("-") or "recording"
    return folder / f"{stem[:60]}-{digest[:8]}.score.json"


# ---- reading ---------------------------------------------------------------------------------------------------------


def read(path: Path) -> Score:
    """A score file. Nothing in it is trusted: what does not fit raises `ScoreError`."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise ScoreError(f"{path} cannot be read: {error.strerror}") from None
    if len(data) > MAX_BYTES:
        raise ScoreError(f"{path} is larger than {MAX_BYTES >> 20} MB: that is no score file")
    try:
        content = json.loads(data.decode("utf-8"), parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise ScoreError(f"{path} is not JSON: {clean(str(error))[:100]}") from None
    return _score(content, str(path))


def _no_constant(text: str) -> None:
    raise ValueError(f"{text} is not JSON")


def _score(content: Any, path: str) -> Score:
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise ScoreError(f"{path} is not a score file of teachgrad")
    if content.get("version") != VERSION:
        version = clean(str(content.get("version")))[:20]
        raise ScoreError(f"{path} has version {version}; this teachgrad reads {VERSION}")
    recording, answers = content.get("recording"), content.get("answers")
    if not isinstance(recording, dict) or not isinstance(answers, list):
        raise ScoreError(f"{path} lacks its recording or its answers")
    digest, title = recording.get("sha256"), recording.get("title")
    if not isinstance(digest, str) or not re.fullmatch(r"[0-9a-f]{64}", digest) or not isinstance(title, str):
        raise ScoreError(f"{path} does not say which recording it is about")
    if len(answers) > MAX_ANSWERS:
        raise ScoreError(f"{path} has {len(answers)} answers; at most {MAX_ANSWERS} are read")
    return Score(digest, clean(title[:200]), [_answer(item, f"{path}: answer {at + 1}") for at, item in
                                             enumerate(answers)])  # fmt: skip


def _answer(item: Any, where: str) -> Answer:
    if not isinstance(item, dict):
        raise ScoreError(f"{where} is not an object")
    kind, element, text = item.get("kind"), item.get("element"), item.get("answer")
    if kind not in KINDS:
        raise ScoreError(f"{where} is of no known kind; there are {', '.join(KINDS)}")
    if not isinstance(element, list) or len(element) > MAX_NDIM:
        raise ScoreError(f"{where} has no element")
    if any(type(i) is not int or not 0 <= i < 1 << 60 for i in element):
        raise ScoreError(f"{where} has an element that is none")
    if text is not None and (not isinstance(text, str) or len(text) > MAX_ANSWER):
        raise ScoreError(f"{where} is neither a text of up to {MAX_ANSWER} characters nor null")
    hint = item.get("hint", "")
    time = item.get("time", "")
    if not isinstance(hint, str) or not isinstance(time, str) or max(len(hint), len(time)) > MAX_ANSWER:
        raise ScoreError(f"{where} has a hint or a time that is no short text")
    question = Question(_moment(item.get("moment"), where), kind, tuple(element))
    return Answer(question, text, clean(hint), _moment(item.get("furthest"), where), clean(time))


def _moment(text: Any, where: str) -> Moment:
    match = _MOMENT.fullmatch(text) if isinstance(text, str) and len(text) <= MAX_ANSWER else None
    if match is None:
        raise ScoreError(f"{where} has no moment such as t0/bwd/12")
    return Moment(int(match[1]), int(match[3]), match[2])  # type: ignore[arg-type]


# ---- writing ---------------------------------------------------------------------------------------------------------


def append(path: Path, title: str, digest: str, answer: Answer) -> Score:
    """Add an answer to a score file, which is made if there is none. What somebody else added meanwhile stays; a file
    that is cut off in the middle cannot come about. Raises `ScoreError`."""
    score = read(path) if path.exists() else Score(digest, title)
    if score.sha256 != digest:
        raise ScoreError(f"{path} is about another recording ({score.title or 'unnamed'})")
    if len(score.answers) >= MAX_ANSWERS:
        raise ScoreError(f"{path} is full: it holds {MAX_ANSWERS} answers")
    score.answers.append(answer)
    text = json.dumps(_content(score), indent=1, ensure_ascii=False)
    try:
        with tempfile.NamedTemporaryFile("w", dir=path.parent, prefix=f".{path.name}.", delete=False,
                                         encoding="utf-8") as file:  # fmt: skip
            temporary = file.name
            file.write(text + "\n")
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except OSError as error:
        with contextlib.suppress(OSError, UnboundLocalError):
            os.unlink(temporary)
        raise ScoreError(f"{path} cannot be written: {error.strerror}") from None
    return score


def _content(score: Score) -> dict[str, Any]:
    return {
        "format": FORMAT, "version": VERSION,
        "recording": {"title": score.title, "sha256": score.sha256},
        "answers": [
            {
                "time": answer.time, "moment": str(answer.question.moment), "kind": answer.question.kind,
                "element": list(answer.question.element), "answer": answer.text, "hint": answer.hint,
                "furthest": str(answer.furthest),
            }
            for answer in score.answers
        ],
    }  # fmt: skip
