"""The marking of exercises: what counts as right, which hint a wrong answer earns, and what is printed."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from teachgrad_lessons import open_lesson
from teachgrad_lessons.check import Exercise, Hint, Lesson, Probe, Question, Slip, hints_from, mark, raises
from teachgrad_lessons.compare import Answer, Bound, Close, Order, Raised


def lesson(*probes: Probe, questions: tuple[Question, ...] = ()) -> Lesson:
    hints = tuple(Hint(id, (f"{id} where", f"{id} why", f"{id} how")) for id in ("general", "half", "sign"))
    return Lesson("A lesson", [Exercise("double", "Double it", "general", probes)], hints, questions)


DOUBLE = Probe("3", lambda f: f(3.0), 6.0, (Slip("half", 1.5), Slip("sign", -6.0)))


@pytest.mark.parametrize(
    ("expectation", "right", "wrong", "words"),
    [
        (Close(2.0), 2.0 + 1e-9, 2.1, "the result should be 2, yours is 2.1"),
        (Close(2.0), np.float32(2), "2", "yours is '2'"),
        (Close(2.0), np.array(2.0), float("nan"), "yours is nan"),
        (Close(1e300), 1e300, float("inf"), "yours is inf"),
        (Close(np.ones((4, 1))), np.ones((4, 1)), np.ones(4), "shape (4, 1), yours has shape (4,)"),
        (Close(np.ones(3)), [1, 1, 1], [1, 2, 1], "[1] should be 1, yours is 2"),
        (Close(np.ones(2)), [1, 1], [[1], [1, 2]], "should be an array of shape (2,)"),
        (Close({"a.grad": 4.0}), {"a.grad": 4.0, "more": 1}, {"a.grad": 6.0}, "a.grad should be 4, yours is 6"),
        (Close({"a.grad": 4.0}), {"a.grad": 4}, {}, "has no 'a.grad'"),
        (Close({"a.grad": 4.0}), {"a.grad": 4}, None, "has no 'a.grad'"),
        (Close([1.0, 2.0]), (1.0, 2.0), [1.0], "should have 2 parts"),
        (Close([1.0, 2.0]), [1, 2], [1.0, 3.0], "part 1 of the result should be 2"),
        (Close(True), np.bool_(True), 1, "should be True"),
        (Close("add"), "add", "mul", "should be 'add', yours is 'mul'"),
        (Close(None), None, 0, "should be None"),
        (Close(1.0), 1.0, Raised("KeyError", "'x'", " (in f)"), "your code raised KeyError: 'x' (in f)"),
        (Answer("Relu"), " relu ", "tanh", "not this one"),
        (Answer(0.2217), 0.22171, 0.2005, "not this one"),
        (Answer((4, 4)), (4, 4), (4, 1), "not this one"),
        (Answer("C"), "c", 3, "not this one"),
        (Bound(0.9, 1.0), 0.95, 0.8, "at least 0.9, yours is 0.8"),
        (Bound(high=6), 6, 7, "at most 6, yours is 7"),
        (Bound(0, 1), np.float64(1), float("nan"), "at least 0"),
        (Bound(0, 1), 1, True, "should be a number"),
        (Order("abc", [("a", "b"), ("a", "c")]), ["a", "c", "b"], ["b", "a", "c"], "a should come before b"),
        (Order("ab", [("a", "b")]), ("a", "b"), ["a"], "b should appear once, it appears 0 times"),
        (Order("ab", [("a", "b")]), ["a", "b"], ["a", "b", "b"], "it appears 2 times"),
        (Order("ab", []), ["b", "a"], ["a", "b", "z"], "z does not belong"),
        (Order("ab", []), ["b", "a"], None, "should be a list"),
    ],
)
def test_expectations(expectation: Any, right: Any, wrong: Any, words: str) -> None:
    assert expectation.difference(right) == ""
    assert words in expectation.difference(wrong)


def test_an_answer_never_gives_itself_away() -> None:
    assert "relu" not in Answer("relu").difference("tanh")
    assert "4" not in Answer(4.0).difference(3.0)


@pytest.mark.parametrize("expectation", [Answer("x"), Bound(0, 1), Order("a", []), Close("x")])
def test_an_exception_is_a_miss_for_every_expectation(expectation: Any) -> None:
    assert "TypeError" in expectation.difference(Raised("TypeError", "no", ""))


def test_a_right_answer_earns_its_points(capsys: pytest.CaptureFixture[str]) -> None:
    record = lesson(DOUBLE)
    record.check("double", lambda x: 2 * x)
    assert (record.points, record.out_of) == (1, 1)
    assert capsys.readouterr().out == "Double it: 1 of 1 points\n  pass  3\n"


@pytest.mark.parametrize(("factor", "hint"), [(0.5, "half"), (-2.0, "sign"), (7.0, "general")])
def test_a_wrong_answer_earns_the_hint_of_its_misconception(factor: float, hint: str) -> None:
    assert mark(lesson(DOUBLE).exercises[0], [lambda x: factor * x]).hint == hint


def test_partial_credit_and_the_first_recognised_slip() -> None:
    probes = (DOUBLE, Probe("0", lambda f: f(0.0), 0.0, points=2))
    result = mark(lesson(*probes).exercises[0], [lambda x: -2.0 * x])
    assert (result.points, result.hint) == (2, "sign")


def test_hints_grow_stronger_and_stay_at_the_strongest(capsys: pytest.CaptureFixture[str]) -> None:
    record = lesson(DOUBLE)
    record.hint()
    record.check("double", lambda x: -2 * x)
    for _ in range(3):
        record.hint()
    lines = [line.strip() for line in capsys.readouterr().out.splitlines() if "Hint" in line or "There is no" in line]
    assert lines == [
        "There is no hint to open: nothing has been marked wrong yet.",
        "Hint 1 of 3 (sign): sign where",
        "Hint 2 of 3 (sign): sign why",
        "Hint 3 of 3 (sign): sign how",
        "Hint 3 of 3 (sign): sign how",
    ]


def test_unwritten_work_scores_nothing_and_gets_no_hint() -> None:
    def todo(x: float) -> float:
        raise NotImplementedError

    result = mark(lesson(DOUBLE).exercises[0], [todo])
    assert (result.points, result.hint, result.lines) == (0, "", ("todo  3: not written yet",))


@pytest.mark.parametrize("blank", [..., {"A": "right", "B": ...}, (1, ...), [...]])
def test_three_dots_are_no_answer(blank: Any, capsys: pytest.CaptureFixture[str]) -> None:
    record = lesson(Probe("anything", lambda work: work, Bound()))
    record.check("double", blank)
    assert record.points == 0
    assert "Not answered yet." in capsys.readouterr().out


def test_an_exception_names_the_learners_line() -> None:
    def mine(x: float) -> float:
        return x / 0

    result = mark(lesson(DOUBLE).exercises[0], [mine])
    assert result.lines == (
        "MISS  3: your code raised ZeroDivisionError: float division by zero (in mine: return x / 0)",
    )
    assert raises("ZeroDivisionError")(Raised("ZeroDivisionError", "", ""))
    assert not raises("ZeroDivisionError")(6.0)


def test_warnings_of_the_learners_code_stay_off_stderr(capfd: pytest.CaptureFixture[str]) -> None:
    def noisy(x: float) -> float:
        warnings.warn("noise", stacklevel=1)
        return float(2 * x + 0 * np.log(np.array(0.0) + 1) + np.array([1.0])[0] * 0)

    assert mark(lesson(DOUBLE).exercises[0], [noisy]).points == 1
    assert capfd.readouterr().err == ""


def test_marking_again_replaces_the_mark() -> None:
    record = lesson(DOUBLE)
    record.check("double", lambda x: 2 * x)
    record.check("double", lambda x: x)
    assert record.points == 0


def test_predictions(capsys: pytest.CaptureFixture[str]) -> None:
    record = lesson(DOUBLE, questions=(Question("q", (Slip("half", Answer(1.5)),)),))
    record.predict("q", ...)
    record.reveal("q", 6.0)
    record.predict("q", 1.5)
    record.reveal("q", 6.0)
    record.predict("q", 6)
    record.reveal("q", 6.0)
    out = capsys.readouterr().out.splitlines()
    assert out[0].startswith("Write your prediction in place of the three dots")
    assert out[1].startswith("No prediction yet.")
    assert out[2:5] == [
        "Noted: 1.5. Now run on and see.",
        "You predicted 1.5. It is 6.",
        "  Hint 1 of 3 (half): half where",
    ]
    assert out[-1] == "You predicted 6, and so it is."
    assert record.points == 0


def test_the_score(capsys: pytest.CaptureFixture[str]) -> None:
    record = lesson(DOUBLE)
    record.score()
    record.check("double", lambda x: 2 * x)
    capsys.readouterr()
    record.score()
    assert capsys.readouterr().out == "A lesson\n  Double it    1 of 1\nScore: 1 of 1 points\n"


def test_misspelled_names_say_what_there_is() -> None:
    with pytest.raises(ValueError, match="no exercise 'doubel' in this lesson; there are: double"):
        lesson(DOUBLE).check("doubel", None)
    with pytest.raises(ValueError, match="two digits"):
        open_lesson("4")


def test_hints_come_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "hints.toml"
    path.write_text('[assign]\nwhere = "a"\nwhy = "b"\nhow = "c"\n', encoding="utf-8")
    assert hints_from(path) == (Hint("assign", ("a", "b", "c")),)
