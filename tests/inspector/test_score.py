"""Score files: written in order, never trusted, marked from the recording."""

from __future__ import annotations

import json
import os
import re
import resource
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import teachgrad as tg
from teachgrad.recording import Moment, Reader, Recorder
from teachgrad_inspector.commands import score as command
from teachgrad_inspector.demos import write_demo
from teachgrad_inspector.learning.marking import counted, mark, settled
from teachgrad_inspector.learning.questions import Question, asks
from teachgrad_inspector.learning.score import (
    MAX_ANSWERS,
    Answer,
    Score,
    ScoreError,
    append,
    default_path,
    fingerprint,
    now,
    read,
)
from teachgrad_inspector.session import Session

from .runs import make

Open = Callable[..., Session]
A = Moment(0, 12, "bwd")


def answer(text: str | None, moment: Moment = A, kind: str = "value", furthest: Moment | None = None) -> Answer:
    return Answer(Question(moment, kind), text, "", furthest or moment, now())


def run_command(*arguments: str) -> int:
    from argparse import ArgumentParser

    parser = ArgumentParser()
    command.add_arguments(parser)
    return command.main(parser.parse_args(arguments))


def marks_of(session: Session, *answers: Answer) -> list[tuple[str, float]]:
    score = Score(fingerprint(session.run), "micrograd", list(answers))
    return [(item.state, item.mark) for item in mark(session, score).questions]


def test_marks(session: Open) -> None:
    micrograd = session("micrograd")
    assert marks_of(micrograd, answer("4")) == [("right", 1.0)]
    assert marks_of(micrograd, answer("6"), answer("4")) == [("right", 0.5)]
    assert marks_of(micrograd, answer("6"), answer("5"), answer("4.0")) == [("right", 1 / 3)]
    assert marks_of(micrograd, answer("6")) == [("open", 0.0)]
    assert marks_of(micrograd, answer("6"), answer(None), answer("4")) == [("given up", 0.0)]
    later = Moment(0, 12, "bwd")
    early = Moment(0, 9, "bwd")
    assert marks_of(micrograd, answer("-2", early, furthest=later)) == [("seen before", 0.0)]
    assert marks_of(micrograd, answer("-2", early), answer("4")) == [("right", 1.0), ("right", 1.0)]


def test_hints_are_computed_anew(session: Open) -> None:
    micrograd = session("micrograd")
    lie = replace(answer("6"), hint="sign")
    marks = mark(micrograd, Score(fingerprint(micrograd.run), "", [lie]))
    assert marks.questions[0].tries[0].hint == "overwritten"
    assert (marks.right, marks.answers) == (0, 1)
    assert marks.questions[0].solution == ""  # still open: not given away
    assert mark(micrograd, Score(fingerprint(micrograd.run), "", [lie]), (), True).questions[0].solution == "4"


def test_wanted_questions_count_unanswered(session: Open) -> None:
    micrograd = session("micrograd")
    wanted = asks(micrograd, A) + asks(micrograd, Moment(0, 2, "fwd"))
    score = Score(fingerprint(micrograd.run), "", [answer("4"), answer("8", Moment(0, 5, "fwd"))])
    marks = mark(micrograd, score, wanted)
    assert [(item.moment, item.state) for item in marks.questions] == [
        ("t0/bwd/12", "right"), ("t0/fwd/2", "not answered")]  # fmt: skip
    assert (marks.share, marks.marks) == (0.5, 1.0)


@pytest.mark.parametrize("bad", [
    answer("4", Moment(7, 12, "bwd")), answer("4", Moment(0, 99, "bwd")), answer("4", Moment(0, 12, "fwd")),
    answer("4", Moment(0, 0, "fwd")), answer("4,4", kind="shape"), answer("four"),
    Answer(Question(A, "value", (3, 3)), "4", "", A, ""),
])  # fmt: skip
def test_what_the_recording_does_not_ask(bad: Answer, session: Open) -> None:
    micrograd = session("micrograd")
    with pytest.raises(ScoreError):
        mark(micrograd, Score(fingerprint(micrograd.run), "", [bad]))


def test_a_file_grows_answer_by_answer(tmp_path: Path, session: Open) -> None:
    micrograd = session("micrograd")
    digest, path = fingerprint(micrograd.run), tmp_path / "my.score.json"
    for text in ("6", "4", None):
        append(path, "micrograd", digest, answer(text))
    score = read(path)
    assert [item.text for item in score.answers] == ["6", "4", None]
    assert score.answers[0].question == Question(A, "value")
    assert settled(micrograd, score) == {(0, 12, "value")}
    assert counted(micrograd, score) == (1, 2)
    assert os.listdir(tmp_path) == ["micrograd.tgr", "my.score.json"] or sorted(os.listdir(tmp_path)) == [
        "micrograd.tgr", "my.score.json"]  # fmt: skip
    assert "right" not in path.read_text()  # no verdicts
    with pytest.raises(ScoreError, match="another recording"):
        append(path, "other", "0" * 64, answer("4"))
    with pytest.raises(ScoreError, match="cannot be written"):
        append(tmp_path / "nowhere" / "x.json", "", digest, answer("4"))


def test_the_fingerprint_is_of_the_content(tmp_path: Path) -> None:
    def digest(path: Path) -> str:
        with Reader(path) as run:
            return fingerprint(run)

    folders = [tmp_path / name for name in "ab"]
    for folder in folders:
        folder.mkdir()
        write_demo("micrograd", folder / "run.tgr")
        tg.tensor(1.0) * 2  # vertices get other numbers
    assert digest(folders[0] / "run.tgr") == digest(folders[1] / "run.tgr")
    assert (folders[0] / "run.tgr").read_bytes() != (folders[1] / "run.tgr").read_bytes()

    def program(value: float) -> str:
        path = tmp_path / f"{value}.tgr"
        with Recorder(path, level="values"):
            x = tg.tensor(value, requires_grad=True, name="x")
            (x * x).backward()
        return digest(path)

    assert program(2.0) != program(np.nextafter(2.0, 3.0, dtype=np.float32))


GOOD: dict[str, Any] = {
    "format": "teachgrad score", "version": 1, "recording": {"title": "x", "sha256": "0" * 64},
    "answers": [{"moment": "t0/bwd/12", "kind": "value", "element": [], "answer": "4", "furthest": "t0/bwd/12"}],
}  # fmt: skip


def changed(**changes: Any) -> str:
    return json.dumps({**GOOD, **changes})


def item(**changes: Any) -> str:
    return changed(answers=[{**GOOD["answers"][0], **changes}])


@pytest.mark.parametrize("text", [
    "", "[]", "{}", "null", "[" * 100_000, '{"a": ' * 50_000, "NaN", changed(format="other"), changed(version=2),
    changed(version=[1]), changed(recording=None), changed(recording={"title": 1, "sha256": "0" * 64}),
    changed(recording={"title": "x", "sha256": "../../etc"}), changed(answers={}), changed(answers=[1]),
    changed(answers=GOOD["answers"] * (MAX_ANSWERS + 1)), item(moment="t0/bwd"), item(moment=12),
    item(moment="t" + "9" * 500), item(kind="code"), item(kind=["value"]), item(element="[3]"), item(element=[1.5]),
    item(element=[True]), item(element=[-1]), item(element=[1 << 70]), item(element=[0] * 65), item(answer=4),
    item(answer="9" * 101), item(furthest=None), item(hint=3), item(time="x" * 101), changed(answers=[{}]),
    '{"format": "teachgrad score", "version": ' + "9" * 5000 + "}",
])  # fmt: skip
def test_hostile_files(text: str, tmp_path: Path) -> None:
    path = tmp_path / "bad.json"
    path.write_text(text)
    with pytest.raises(ScoreError) as caught:
        read(path)
    assert len(str(caught.value).replace(str(path), "")) < 200
    assert "\x1b" not in str(caught.value)


def test_a_huge_file_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "huge.json"
    with path.open("wb") as file:
        file.truncate(8 << 30)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(ScoreError, match="larger than 4 MB"):
        read(path)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 64 << 10


def test_names_are_fit_for_a_terminal(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_text(changed(recording={"title": "\x1b]0;pwned\x07", "sha256": "0" * 64}))
    assert read(path).title == "\\x1b]0;pwned\\x07"


def test_where_it_is_kept() -> None:
    assert default_path(Path("f"), "runs/a b.tgr", "abcdef0123") == Path("f/runs-a-b-abcdef01.score.json")
    assert default_path(Path("f"), "../..", "abcdef0123") == Path("f/recording-abcdef01.score.json")


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recording, path = make("micrograd", tmp_path), tmp_path / "s.json"
    with Reader(recording) as run:
        digest = fingerprint(run)
    append(path, "micrograd", digest, answer("6"))
    append(path, "micrograd", digest, answer("4"))
    assert run_command(str(path), "--recording", str(recording)) == 0
    out = capsys.readouterr().out
    assert re.search(r"answers right\s+1/2", out)
    assert re.search(r"marks\s+0.5 of 1\s+\(50%\)", out)
    assert "overwritten" in out
    assert run_command(str(path), "--recording", str(recording), "--at-least", "60%") == 1
    capsys.readouterr()
    assert run_command(str(path), "--recording", str(recording), "--print", "json") == 0
    data = json.loads(capsys.readouterr().out)
    assert (data["right"], data["answers"], data["marks"], data["share"]) == (1, 2, 0.5, 0.5)
    assert run_command(str(path), "--demo", "mlp") == 2
    assert "another recording" in capsys.readouterr().err
    assert run_command(str(path)) == 2
    assert run_command(str(tmp_path / "none.json"), "--recording", str(recording)) == 2
    assert run_command(str(path), "--recording", str(tmp_path / "none.tgr")) == 2
    assert "Traceback" not in capsys.readouterr().err
    with pytest.raises(SystemExit):
        run_command(str(path), "--demo", "mlp", "--at-least", "200")
