"""What the next rewrite does, asked on Passes once the shapes of the program are known."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from teachgrad_inspector.app.application import Inspector
from teachgrad_inspector.glyphs import UNICODE
from teachgrad_inspector.learning.marking import mark
from teachgrad_inspector.learning.misconceptions import hint_for, suspects
from teachgrad_inspector.learning.questions import AnswerError, Question, asked, asks_of_rewrite, is_right, said
from teachgrad_inspector.learning.score import Answer, Score, ScoreError, fingerprint, now, read
from teachgrad_inspector.screens import document, frame
from teachgrad_inspector.session import Session
from teachgrad_inspector.views.options import Options
from teachgrad_inspector.views.passes import compilation, view_passes

from .test_keys import shown, type_in

Open = Callable[..., Session]


def question(session: Session, stop: int) -> Question:
    (found,) = asks_of_rewrite(session, session.run.resolve("t1/fwd/6"), Options(predict=True, stop=stop))
    return found


def test_the_answer_is_on_the_screen_after_it(session: Open) -> None:
    program = session("program")
    moment = program.run.resolve("t1/fwd/6")
    last = compilation(program, 0).last
    for stop in range(last - 1):
        after = view_passes(program, moment, Options(stop=stop + 1)).now
        assert after is not None
        one = question(program, stop)
        assert said(program, one) == str(after.vertices)
        assert is_right(program, one, str(after.vertices))
        assert not is_right(program, one, str(after.vertices + 1))
        rule = view_passes(program, moment, Options(stop=stop + 1)).rule
        assert rule is not None
        assert rule.rule in asked(program, one)
        for suspect in suspects(program, one):
            hint = hint_for(program, one, repr(suspect.answer))
            assert hint is not None
            assert hint.answer == suspect.answer
        assert hint_for(program, one, "1000") is None
    assert asks_of_rewrite(program, moment, Options(predict=True, stop=last - 1)) == ()  # compiled costs are shown
    assert asks_of_rewrite(session("micrograd"), moment, Options(predict=True)) == ()
    with pytest.raises(AnswerError):
        said(program, Question(program.first, "rewrite", (0, 99)))


def test_the_screen_opens_after_the_first_step(session: Open) -> None:
    program = session("program")
    options = Options(predict=True)
    for address, is_open in (("t0/fwd/6", False), ("t1/fwd/6", True)):
        moment = program.run.resolve(address)
        text = "\n".join(frame(program, moment, "passes", options, 120, 40, UNICODE, ()).text())
        assert ("hidden as long as you predict" in text) != is_open
        assert ("The next rewrite is by the rule" in text) == is_open
        lesson = document(program, moment, "passes", options, 40)["lesson"]
        assert ("The next rewrite" in lesson["question"]) == is_open


def test_marks(session: Open) -> None:
    program = session("program")
    one = question(program, 0)
    answer = Answer(one, said(program, one), "", program.run.resolve("t1/fwd/6"), now())
    (found,) = mark(program, Score(fingerprint(program.run), "", [answer])).questions
    assert (found.state, found.mark) == ("right", 1.0)
    for element in ((0, 99), (7, 1), (0,)):
        bad = Answer(Question(program.first, "rewrite", element), "3", "", program.first, now())
        with pytest.raises(ScoreError):
            mark(program, Score(fingerprint(program.run), "", [bad]))


async def test_by_keys(session: Open) -> None:
    program = session("program")
    app = Inspector(program, "t1/fwd/6", "passes", Options(predict=True), UNICODE, {})
    async with app.run_test(size=(120, 40)) as pilot:
        await app.workers.wait_for_complete()
        for stop, late in ((0, False), (1, True)):
            assert "The next rewrite" in "\n".join(shown(pilot))
            if late:
                await pilot.press("s", "S")
            await pilot.press("a")
            await type_in(pilot, f"answer {said(program, question(program, stop))}")
            assert "right: " in "\n".join(shown(pilot))
            await pilot.press("s")
        await app.workers.wait_for_complete()
    (path,) = Path.cwd().glob("*.score.json")
    score = read(path)
    assert [item.text is None for item in score.answers] == [False, True, False]
    assert [(one.state, one.mark) for one in mark(program, score).questions] == [("right", 1.0), ("given up", 0.0)]
