"""Narration: a sentence on every screen, at every moment."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack

import pytest

from teachgrad_inspector.glyphs import ASCII, UNICODE
from teachgrad_inspector.screens import SCREENS, document, frame
from teachgrad_inspector.session import Session
from teachgrad_inspector.stops import stop
from teachgrad_inspector.views.compare import other_of
from teachgrad_inspector.views.options import Edit, Options

Open = Callable[..., Session]


@pytest.mark.parametrize("name", ["micrograd", "net", "training", "program", "trouble"])
@pytest.mark.parametrize("screen", SCREENS)
def test_every_screen_speaks(name: str, screen: str, session: Open) -> None:
    opened = session(name)
    for row in opened.run.step(opened.run.steps - 1).rows:
        options = Options(narration=True)
        line = frame(opened, row.moment, screen, options, 400, 30, UNICODE, ()).text()[-3].strip()
        assert line.endswith("."), (str(row.moment), line)
        assert document(opened, row.moment, screen, options, 30)["narration"] == line
        assert frame(opened, row.moment, screen, options, 80, 24, ASCII, ()).text()[-3].isascii()


def test_what_is_said(session: Open) -> None:
    def line(name: str, address: str, screen: str, options: Options) -> str:
        opened = session(name)
        moment = opened.run.resolve(address)
        return str(document(opened, moment, screen, options.but(narration=True), 30)["narration"])

    assert line("training", "t3", "train", Options()).startswith("Training step 4 of 40: the loss is ")
    assert ", down by " in line("training", "t3", "train", Options())
    assert line("micrograd", "a", "what-if", Options(edit=Edit(1, (), 2.01))) == (
        "If a were 2.01 and not 2, L would change by +0.04; its gradient predicts +0.04.")  # fmt: skip
    assert line("program", "t1/fwd/6", "passes", Options()).endswith("as it was recorded; s does the first rewrite.")
    assert line("program", "t1/fwd/6", "passes", Options(stop=2)).startswith("Rewrite 2 of ")
    assert " are held now; " in line("program", "t1/fwd/6", "memory", Options())
    assert line("trouble", "t0/fwd/2", "doctor", Options()).startswith("Finding 1 of ")
    assert "born forward at t0/fwd/" in line("trouble", "t0/fwd/2", "doctor", Options())
    assert "1 place or condition to stop at." in line("net", "t0", "stops", Options(stops=(stop("op relu"),)))
    training = session("training")
    other = other_of(training, "t3", ExitStack())
    assert " are different." in line("training", "t2", "compare", Options(other=other))


def test_predicting_is_not_spoilt(session: Open) -> None:
    micrograd = session("micrograd")
    for screen in SCREENS:
        moment = micrograd.run.resolve("t0/bwd/a.grad")
        line = document(micrograd, moment, screen, Options(predict=True, narration=True), 30)["narration"]
        assert "4" not in line.replace("t0", "")
        assert "6" not in line
