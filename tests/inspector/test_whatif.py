"""What if a number were another: predicted by the gradient, computed by running on, checked against running it here."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import teachgrad as tg
from teachgrad.cli import main
from teachgrad.errors import RecordingError
from teachgrad.recording import Reader, Recorder
from teachgrad_inspector.session import Session
from teachgrad_inspector.views.options import Options
from teachgrad_inspector.views.whatif import WhatIf, edit_of, view_what_if

from .runs import make

Open = Callable[..., Session]


def ask(session: Session, text: str, at: str = "t0") -> WhatIf:
    moment = session.run.resolve(at)
    return view_what_if(session, moment, Options(edit=edit_of(session, text, moment)))


def loss_of(w1: np.ndarray) -> float:
    """The loss of the first step of `runs.net`."""
    x, t = np.array([[1.0, 2.0], [3.0, 0.0], [0.0, -1.0]]), np.array([[1.0], [-1.0], [2.0]])
    return float((np.maximum(x @ w1, 0) @ np.array([[2.0], [1.0]]) * t).sum())


def test_against_the_program_itself(session: Open) -> None:
    net = session("net")
    w1 = np.array([[1.0, -1.0], [0.0, 2.0]])
    for element, value in (((0, 0), 1.5), ((0, 1), 0.25), ((1, 1), -3.0)):
        other = w1.copy()
        other[element] = value
        view = ask(net, f"fc1.weight[{element[0]},{element[1]}] = {value}")
        assert view.before == w1[element]
        assert view.goal_before == pytest.approx(loss_of(w1))
        assert view.goal_after == pytest.approx(loss_of(other))
        assert view.actual == pytest.approx(loss_of(other) - loss_of(w1))
        for point in view.curve:
            moved = w1.copy()
            moved[element] += point.shift
            assert point.actual == pytest.approx(loss_of(moved) - loss_of(w1))
        h = 1e-6
        plus, minus = w1.copy(), w1.copy()
        plus[element] += h
        minus[element] -= h
        assert view.gradient == pytest.approx((loss_of(plus) - loss_of(minus)) / (2 * h))
        assert view.predicted == pytest.approx(view.gradient * (value - w1[element]))
    assert [change.name for change in view.changes] == ["z", "h", "fc2.matmul", "multiply_1", "loss"]


def test_a_value_on_the_way_may_be_changed(session: Open) -> None:
    view = ask(session("micrograd"), "e = -5")
    assert (view.before, view.goal_before, view.goal_after, view.gradient) == (-6.0, 8.0, 6.0, -2.0)
    assert [change.name for change in view.changes] == ["d", "L"]


def test_through_an_op_with_several_results(tmp_path: Path) -> None:
    w = tg.tensor(0.5, requires_grad=True, dtype="float64", name="w")
    xs = np.array([1.0, -2.0, 0.25])

    def cell(h: tg.Tensor, x: tg.Tensor) -> tuple[tg.Tensor, tg.Tensor]:
        h = tg.tanh(h * w + x)
        return h, h

    def loss_of_w(number: float) -> float:
        h, total = 0.0, 0.0
        for x in xs:
            h = float(np.tanh(h * number + x))
            total += h
        return total

    with Recorder(tmp_path / "run.tgr", level="values"):
        _, hs = tg.scan(cell, tg.tensor(0.0, dtype="float64"), tg.tensor(xs))
        hs.sum().backward()
    with Reader(tmp_path / "run.tgr") as run:
        view = ask(Session(run), "w = 0.75")
        assert view.goal_before == pytest.approx(loss_of_w(0.5))
        assert view.goal_after == pytest.approx(loss_of_w(0.75))
        assert view.changes[-1].after == pytest.approx(loss_of_w(0.75))


def test_what_earlier_passes_left_does_not_count(tmp_path: Path) -> None:
    w = tg.tensor(3.0, requires_grad=True, dtype="float64")
    with Recorder(tmp_path / "run.tgr", level="values"):
        (w * w).backward()
        (w * 5).backward()
    with Reader(tmp_path / "run.tgr") as run:
        view = ask(Session(run), "w = 3.5")
        assert view.gradient == 11.0  # both passes are of this step
        assert view.goal_before == pytest.approx(9 + 15)
        assert view.goal_after == pytest.approx(3.5**2 + 5 * 3.5)


@pytest.mark.parametrize(("text", "message"), [
    ("a", "is no change"), ("a = b", "'b' is not a number"), ("a == 2", "is no change"), ("= 2", "is no change"),
    ("fc1.weight = 1", r"shape \(2,2\); say which element, as in fc1.weight\[0,0\]"), ("x9 = 1", "no row about"),
    ("fc1.weight[0] = 1", "say which"), ("fc1.weight[7,7] = 1", "say which"),
    ("fc1.weight.grad[0,0] = 1", "is a gradient"),
])  # fmt: skip
def test_what_cannot_be_changed(text: str, message: str, session: Open) -> None:
    net = session("net")
    with pytest.raises(RecordingError, match=message):
        edit_of(net, text, net.run.resolve("t0"))


def test_reasons_why_there_is_no_answer(session: Open) -> None:
    with pytest.raises(RecordingError, match="level stats"):
        ask(session("net", "stats"), "fc1.weight[0,0] = 1")
    view = view_what_if(session("net"), session("net").first, Options())
    assert "press x" in view.note


def test_the_command_and_an_untouched_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = make("micrograd", tmp_path)
    before = path.read_bytes()
    assert main(["inspect", str(path), "--what-if", "a=2.01", "--print", "json"]) == 0
    view = json.loads(capsys.readouterr().out)["view"]
    assert view["predicted"] == pytest.approx(0.04)
    assert view["actual"] == pytest.approx(0.04)
    assert path.read_bytes() == before
    assert main(["inspect", str(path), "--what-if", "a=x", "--print", "json"]) == 2
    assert "not a number" in capsys.readouterr().err
    assert main(["inspect", str(path), "--what-if", "a=nan", "--print", "text"]) == 0
    assert "not linear" not in capsys.readouterr().out
