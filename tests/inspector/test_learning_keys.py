"""Predicting and tours by keys, in the application without a terminal."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from contextlib import ExitStack, redirect_stdout
from pathlib import Path

import pytest
from textual.pilot import Pilot

from teachgrad_inspector.app.application import Inspector
from teachgrad_inspector.glyphs import UNICODE
from teachgrad_inspector.learning.score import read
from teachgrad_inspector.learning.tours import load
from teachgrad_inspector.plain.console import Console
from teachgrad_inspector.session import Session
from teachgrad_inspector.views.options import Options

from .test_keys import app_of, running, shown, type_in

Open = Callable[..., Session]


async def settle(pilot: Pilot[int]) -> None:
    """Wait for what is found out in the background."""
    await app_of(pilot).workers.wait_for_complete()
    await pilot.pause()


async def reply(pilot: Pilot[int], text: str) -> None:
    await pilot.press("a")
    await type_in(pilot, f"answer {text}")
    await settle(pilot)


def screen(pilot: Pilot[int]) -> str:
    return "\n".join(shown(pilot))


async def test_a_wrong_answer_then_the_right_one(session: Open) -> None:
    async with running(session("micrograd"), "t0/bwd/a.grad", "chain") as pilot:
        await pilot.press("a")
        assert "p hides what is to be predicted" in shown(pilot)[-1]
        await pilot.press("p")
        await settle(pilot)
        assert "What is a.grad after this contribution?" in screen(pilot)
        await reply(pilot, "6")
        assert "not 6: that is this contribution alone" in screen(pilot)
        assert "=  ?" in screen(pilot)
        assert shown(pilot)[0].endswith("predict 0/1")
        await reply(pilot, "4")
        assert "right: 4" in screen(pilot)
        assert "=  +6" in screen(pilot)
        assert shown(pilot)[0].endswith("predict 1/2")
        await pilot.press("a")
        assert "nothing is asked here" in shown(pilot)[-1]
    (path,) = Path.cwd().glob("micrograd-*.score.json")
    assert [(item.text, item.hint) for item in read(path).answers] == [("6", "overwritten"), ("4", "")]


async def test_what_is_no_answer_does_not_count(session: Open) -> None:
    async with running(session("micrograd"), "t0/bwd/a.grad", "chain") as pilot:
        await pilot.press("p")
        await reply(pilot, "four")
        assert "'four' is not a number" in shown(pilot)[-1]
        await reply(pilot, "")
        await reply(pilot, "123")
        assert "not 123: try again" in screen(pilot)
        assert app_of(pilot).options.tally == (0, 1)


async def test_shape_value_and_order(session: Open) -> None:
    async with running(session("net"), "z", "tape", (100, 30)) as pilot:
        await pilot.press("p")
        assert "What shape has z?" in screen(pilot)
        assert "(3,2)" not in screen(pilot).replace("(3,2)  x", "").split("constant")[-1].split("predict")[0]
        await reply(pilot, "2 x 3")
        assert "that is the transpose" in screen(pilot)
        await reply(pilot, "3,2")
        assert "What is z[" in screen(pilot)
        await pilot.press("colon")
        await type_in(pilot, ":[1,0]")
        assert "What is z[1,0]?" in screen(pilot)
        await reply(pilot, "3")
        assert "right: 3" in screen(pilot)
        await pilot.press("s", "S")
        assert "all answered here" in screen(pilot)
        await pilot.press("colon")
        await type_in(pilot, ":t0/bwd/9")
        await pilot.press("r")
        assert "Which of these can run backward next?" in screen(pilot)
        assert "a  z    b  h    c  fc2.matmul" in screen(pilot)
        await reply(pilot, "z")
        assert "to come from" in screen(pilot) or "none of the choices" in shown(pilot)[-1]


async def test_the_element_moves_with_the_arrows_while_it_is_hidden(session: Open) -> None:
    async with running(session("net"), "t0/bwd/fc1.weight.grad", "chain", (100, 30)) as pilot:
        await pilot.press("p", "r", "l")
        assert "What is fc1.weight.grad[0,1] after this contribution?" in screen(pilot)
        await pilot.press("j")
        assert "What is fc1.weight.grad[1,1] after this contribution?" in screen(pilot)
        for key in ("h", "1"):  # what was said of one answer is not said of another question
            await reply(pilot, "1234")
            assert "not 1234" in screen(pilot)
            await pilot.press(key)
            assert "not 1234" not in screen(pilot)


async def test_giving_up(session: Open) -> None:
    async with running(session("micrograd"), "e") as pilot:
        await pilot.press("r")
        assert "nothing is hidden here" in shown(pilot)[-1]
        await pilot.press("p", "r")
        await settle(pilot)
        assert "it is -6" in screen(pilot)
        assert not app_of(pilot).options.hiding
    (path,) = Path.cwd().glob("*.score.json")
    assert read(path).answers[0].text is None


async def test_going_on_is_remembered(session: Open) -> None:
    """Who looks at what comes next and goes back has seen the answer."""
    async with running(session("micrograd"), "e") as pilot:
        await pilot.press("p", "s", "S")
        await reply(pilot, "-6")
        await pilot.press("p", "p", "s")
        await reply(pilot, "-4")
    (path,) = Path.cwd().glob("*.score.json")
    assert [(str(item.question.moment), str(item.furthest)) for item in read(path).answers] == [
        ("t0/fwd/2", "t0/fwd/3"), ("t0/fwd/3", "t0/fwd/3")]  # fmt: skip


async def test_opening_again_goes_on(session: Open) -> None:
    for expected in (1, 2):
        async with running(session("micrograd"), "t0/bwd/a.grad") as pilot:
            await pilot.press("p")
            await settle(pilot)
            if expected == 2:
                assert app_of(pilot).options.tally == (1, 1)
                assert "?" not in shown(pilot)[12]
                await pilot.press("S")
            await reply(pilot, "4" if expected == 1 else "-4")
            assert app_of(pilot).options.tally == (expected, expected)
    (path,) = Path.cwd().glob("*.score.json")
    assert len(read(path).answers) == 2


async def test_answers_that_wait_are_kept_at_the_end(session: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who quits before it is known which recording this is loses nothing."""
    monkeypatch.setattr(Inspector, "_find_score_behind", lambda app: None)
    app = Inspector(session("micrograd"), "e", "tape", Options(predict=True), UNICODE, {})
    async with app.run_test() as pilot:
        await reply(pilot, "6")
        await reply(pilot, "-6")
    assert list(Path.cwd().glob("*.score.json")) == []
    app.keep_the_rest()
    (path,) = Path.cwd().glob("*.score.json")
    assert [item.text for item in read(path).answers] == ["6", "-6"]


async def test_a_score_file_of_its_own(session: Open) -> None:
    path = Path("mine.json")
    app = Inspector(session("micrograd"), "e", "tape", Options(predict=True), UNICODE, {})
    app.score_path = path
    async with app.run_test() as pilot:
        await settle(pilot)
        await reply(pilot, "6")
    assert json.loads(path.read_text())["answers"][0]["hint"] == "sign"


async def test_a_score_file_that_cannot_be_used_is_left_alone(session: Open) -> None:
    path = Path("mine.json")
    path.write_text("something else")
    app = Inspector(session("micrograd"), "e", "tape", Options(predict=True), UNICODE, {})
    app.score_path = path
    async with app.run_test() as pilot:
        await settle(pilot)
        assert "is not JSON" in shown(pilot)[-1]
        await reply(pilot, "-6")
        assert "right: -6" in screen(pilot)
    assert path.read_text() == "something else"


async def test_conditions_do_not_give_numbers_away(session: Open) -> None:
    async with running(session("net"), "t0/fwd/0") as pilot:
        await pilot.press("p", "w")
        await type_in(pilot, "watch max(h) > 1")
        await pilot.press("c")
        assert "would give numbers away" in shown(pilot)[-1]
        assert app_of(pilot).moment.row == 0
        await pilot.press("colon")
        await type_in(pilot, ":h where max(h) > 1")
        assert "would give numbers away" in shown(pilot)[-1]
        await pilot.press("b", "s")
        await pilot.press("C")  # a breakpoint is no condition
        assert app_of(pilot).moment.row == 0
        await pilot.press("p", "c")
        assert app_of(pilot).moment.row > 0


@pytest.mark.parametrize("name", ["program", "trouble"])
async def test_every_screen_while_predicting(name: str, session: Open) -> None:
    """All screens, stepping on: nothing fails, and nothing of the row is on the status line."""
    async with running(session(name), None, "tape", (100, 30)) as pilot:
        await pilot.press("p")
        for key in ("1", "2", "3", "4", "5", "6", "7", "exclamation_mark", "e", "B"):
            await pilot.press(key, "j", "y")
            assert app_of(pilot).is_running
            assert "predict" in shown(pilot)[0]
        await pilot.press("1")
        await pilot.press(*"sssssss")
        assert app_of(pilot).is_running


@pytest.mark.parametrize("key", ["x", "d"])
async def test_a_question_that_would_give_away_is_not_asked(key: str, session: Open) -> None:
    async with running(session("net"), None, "tape", (100, 30)) as pilot:
        await pilot.press("p", key)
        assert "not as long as you predict: it would tell what is to come" in shown(pilot)[-1]
        assert not app_of(pilot).query_one("#prompt").display
        await pilot.press("s", "p")  # no prompt takes what is typed then
        assert (app_of(pilot).moment.row, app_of(pilot).options.predict) == (1, False)
        await pilot.press(key)
        assert app_of(pilot).query_one("#prompt").display
    said = conversation(session("net"), Options(predict=True), f"{key} t1", "show")
    assert "  not as long as you predict: it would tell what is to come" in said
    assert "2 Chain" in said  # the screen is still the tape


def conversation(session: Session, options: Options, *commands: str, at: str | None = None) -> str:
    said = io.StringIO()
    with ExitStack() as opened, redirect_stdout(said):
        console = Console(session, at, "tape", options, UNICODE, (100, 30), {}, opened)
        console.run(io.StringIO("\n".join(commands) + "\n"))
    return said.getvalue()


def test_predicting_line_by_line(session: Open) -> None:
    text = conversation(session("micrograd"), Options(), "predict", "a 6", "chain", "tell", "p a.grad", "a 4", "tell",
                        at="t0/bwd/a.grad")  # fmt: skip
    before, _, after = text.partition("> a 4")
    assert "What is a.grad after this contribution?" in before
    assert "not 6: that is this contribution alone" in before
    assert "+6" not in before
    assert "total 4" not in before
    assert "right: 4" in after
    assert "running -2 to 4" in after
    (path,) = Path.cwd().glob("*.score.json")
    assert [item.text for item in read(path).answers] == ["6", "4"]
    text = conversation(session("micrograd"), Options(predict=True), "s", "s", "a e", "2", "5", at="t0/bwd/6")
    assert "Which of these can run backward next?" in text or "What is L.grad?" in text
    assert "hidden as long as you predict" in text


def test_a_tour_line_by_line(session: Open) -> None:
    text = conversation(session("micrograd"), Options(tour=load("", "micrograd")), "t", "a -6", "t", "r", "T", "T", "T")
    assert "tour 1/9, A graph of numbers" in text
    assert "tour 2/9, Forward: a product" in text
    assert "right: -6" in text
    assert "it is -4" in text
    assert "this is the first stop" in text


# ---- tours -----------------------------------------------------------------------------------------------------------


async def test_a_tour_is_played(session: Open) -> None:
    app = Inspector(session("micrograd"), None, "tape", Options(tour=load("", "micrograd")), UNICODE, {})
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        assert "1/9  A graph of numbers" in screen(pilot)
        await pilot.press("T")
        assert "this is the first stop" in shown(pilot)[-1]
        await pilot.press("t")
        assert "2/9  Forward: a product" in screen(pilot)
        assert (app.shown, str(app.moment), app.options.predict) == ("chain", "t0/fwd/2", True)
        await reply(pilot, "6")
        assert "look at the sign" in screen(pilot)
        await reply(pilot, "-6")
        assert "right: -6" in screen(pilot)
        await pilot.press("t", "T")
        assert (str(app.moment), app.options.hiding) == ("t0/fwd/2", False)
        await pilot.press("s", "s")
        assert "t and T lead back" in screen(pilot) or "predict" in screen(pilot)
        await pilot.press("t")
        assert str(app.moment) == "t0/fwd/2"
        for _ in range(7):
            await pilot.press("t")
        assert "9/9  Try it" in screen(pilot)
        await pilot.press("t")
        assert "that was the last stop" in shown(pilot)[-1]
        await pilot.press("T", "r", "r")
        assert "a reaches L along two paths" in screen(pilot)


@pytest.mark.parametrize("size", [(40, 10), (40, 12), (60, 20)])
async def test_words_that_do_not_fit_are_read_page_by_page(size: tuple[int, int], session: Open) -> None:
    """Every word of every stop can be read by `t` alone, in order."""
    tour = load("", "micrograd")
    app = Inspector(session("micrograd"), None, "tape", Options(tour=tour), UNICODE, {})
    async with app.run_test(size=size) as pilot:
        await settle(pilot)
        for place, stop in enumerate(tour.stops):
            seen, pages = [], 0
            while True:
                pages += 1
                assert app.options.place == place
                top = next(at for at, line in enumerate(shown(pilot)) if f"{place + 1}/9" in line)
                seen += [word for line in shown(pilot)[top + 1 : -3] for word in line.strip("│ …").split()]
                if not app.unread:
                    break
                await pilot.press("t")
            words, wanted = iter(seen), stop.text if place else f"{tour.text} {stop.text}"
            assert all(word in words for word in wanted.split())
            if pages > 1:
                await pilot.press("T")
                assert (app.options.place, app.unread) == (place, True)
                await pilot.press("t")
            await pilot.press("t")
        assert "that was the last stop" in shown(pilot)[-1]


async def test_a_verdict_is_seen_before_all_words_are_read(session: Open) -> None:
    app = Inspector(session("micrograd"), None, "tape", Options(tour=load("", "micrograd")), UNICODE, {})
    async with app.run_test(size=(40, 10)) as pilot:
        await settle(pilot)
        while app.options.place < 1:
            await pilot.press("t")
        assert app.unread
        await reply(pilot, "-6")
        assert "right: -6" in screen(pilot)


async def test_a_tour_is_recorded_by_keys(session: Open) -> None:
    async with running(session("net"), "t0/bwd/fc1.weight.grad", "chain", (100, 30)) as pilot:
        await pilot.press("t")
        assert "no tour is played" in shown(pilot)[-1]
        await pilot.press("l", "plus")
        await type_in(pilot, "tour: The first weight. Its gradient is a product.")
        assert "stop 1 is in net.tgl" in shown(pilot)[-1]
        assert "1/1  The first weight" in screen(pilot)
        await pilot.press("g", "1", "tab", "p", "s", "s", "plus")
        await type_in(pilot, "tour: What comes out")
    tour = load("net.tgl")
    first, second = tour.stops
    assert (first.title, first.text, first.at, first.screen) == (
        "The first weight", "Its gradient is a product.", "t0/bwd/15", "chain")  # fmt: skip
    assert first.element == (0, 1)
    assert (second.at, second.spotlight, second.questions) == ("t0/fwd/2", "pane value", ("shape", "value"))
    app = Inspector(session("net"), None, "tape", Options(tour=tour), UNICODE, {})
    async with app.run_test(size=(100, 30)) as pilot:
        await pilot.press("t")
        assert "What shape has z?" in screen(pilot)
        assert app.options.pane == 1
