"""Running to breakpoints and to where conditions become true, in both directions, and to the births of nan and inf."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import teachgrad as tg
from teachgrad.recording import Reader, Recorder, RecordingError
from teachgrad_inspector.conditions import ConditionError
from teachgrad_inspector.session import Session
from teachgrad_inspector.stops import births, find, in_step, resolve, stop
from teachgrad_inspector.views.options import Options
from teachgrad_inspector.views.watches import view_stops

Open = Callable[..., Session]


def walk(session: Session, texts: list[str], start: str, forward: bool) -> list[str]:
    """All places where it stops, one after the other."""
    stops, moment, seen = tuple(map(stop, texts)), session.run.resolve(start), []
    while (found := find(session, moment, stops, forward)) is not None:
        moment = found[0]
        seen.append(str(moment))
    return seen


CASES = [
    (["at fc1.weight.grad"], ["t0/bwd/15", "t1/bwd/13"]),
    (["op relu"], ["t0/fwd/3", "t0/bwd/14", "t1/fwd/2", "t1/bwd/12"]),
    (["line net.py:3"], ["t0/fwd/2", "t0/bwd/15", "t1/fwd/1", "t1/bwd/13"]),
    (["line other.py:3"], []),
    (["t == 1"], ["t1/fwd/0"]),
    (["any(isnan(h))"], []),
    (["at z", "at h"], ["t0/fwd/2", "t0/fwd/3", "t1/fwd/1", "t1/fwd/2"]),
]


@pytest.mark.parametrize(("texts", "places"), CASES)
def test_stops(texts: list[str], places: list[str], session: Open) -> None:
    net = session("net")
    assert walk(net, texts, "t0/fwd/0", True) == places
    assert walk(net, texts, "last", False) == places[::-1]


def test_a_condition_stops_where_it_becomes_true_and_nowhere_else(session: Open) -> None:
    """Against looking at every row of the recording."""
    training = session("training")
    for text in ("fc.weight[0,0] > 0.3", "norm(fc.weight.grad) < 0.5", "max(h) > 1.2 and t < 9", "any(it == 0)"):
        expected, before = [], False
        condition = stop(text).condition
        assert condition is not None
        for number in range(training.run.steps):
            for row in range(training.run.length(number)):
                moment = training.run.at(number, row)
                now = condition.holds(training, moment)
                if now and not before:
                    expected.append(str(moment))
                before = now
        got = [str(training.run.at(n, row)) for n in range(training.run.steps)
               for row, _ in sorted(in_step(training, n, (stop(text),)))]  # fmt: skip
        assert got == expected, text
        assert walk(training, [text], "last", False) == [place for place in expected[::-1] if place != "last"]


@pytest.fixture
def record(tmp_path: Path):  # type: ignore[no-untyped-def]
    """Records what a function does."""
    opened: list[Reader] = []

    def run(function: Callable[[], object], level: str = "values") -> Session:
        path = tmp_path / f"{len(opened)}.tgr"
        with np.errstate(all="ignore"), Recorder(path, level=level):  # type: ignore[arg-type]
            function()
        opened.append(Reader(path))
        return Session(opened[-1])

    yield run
    for reader in opened:
        reader.close()


def born(session: Session) -> list[tuple[str, str | None, str]]:
    found = []
    for number in range(session.run.steps):
        step = session.run.step(number)
        for row, what in births(session, step):
            at = step.rows[row]
            op = at.op if at.kind != "edge" else step.rows[step.made[at.source or 0]].op
            found.append((at.phase, op, what))
    return found


def test_nan_that_is_born_forward(record: Callable[..., Session]) -> None:
    """PyTorch's anomaly mode blames the second sqrt, in the backward pass (pytorch/pytorch#160016)."""

    def program() -> None:
        x = tg.tensor([1.0, 3.0], requires_grad=True)
        y = tg.sqrt(x - 2)
        y = tg.sqrt(y)
        y.sum().backward()

    for level in ("values", "stats"):
        assert born(record(program, level)) == [("fwd", "sqrt", "nan")]

    def logarithm() -> None:
        x = tg.tensor([1.0], requires_grad=True)
        tg.log(-x).sum().backward()

    assert born(record(logarithm)) == [("fwd", "log", "nan")]


def test_inf_that_is_born_backward(record: Callable[..., Session]) -> None:
    def program() -> None:
        x = tg.tensor([4.0, 0.0], requires_grad=True)
        y = tg.sqrt(x)
        (y * 3).sum().backward()

    assert born(record(program)) == [("bwd", "sqrt", "inf")]


def test_masks_of_minus_infinity_are_meant(record: Callable[..., Session]) -> None:
    def program() -> None:
        x = tg.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
        mask = tg.tensor([[True, False], [True, True]])
        scores = tg.where(mask, x, tg.tensor(-np.inf))
        tg.nn.functional.softmax(scores, axis=-1)[0, 0].backward()

    assert born(record(program)) == []


def test_addresses_with_conditions(session: Open) -> None:
    training = session("training")
    w, rows = [], []  # the weight where it is read, step by step
    for number in range(training.run.steps):
        for row in training.run.step(number).about().get("fc.weight", ()):
            moment = training.run.at(number, row)
            values = training.array(training.value_of(training.row(moment).vertex, moment))
            assert values is not None
            w.append(float(values[0, 0]))
            rows.append(str(moment))
    middle = sorted(w)[len(w) // 2]
    above = [place for place, value in zip(rows, w, strict=True) if value > middle]
    assert str(resolve(training, f":fc.weight where fc.weight[0,0] > {middle!r}")) == above[0]
    assert str(resolve(training, f"last fc.weight where fc.weight[0,0] > {middle!r}")) == above[-1]
    here = training.run.resolve("t20")
    assert resolve(training, "fc.weight where t > 1", here).step == 20
    trouble = session("trouble")
    assert str(resolve(trouble, "nan")) == str(resolve(trouble, ":nan"))
    with pytest.raises(RecordingError, match=r"never true at fc\.weight"):
        resolve(training, "fc.weight where fc.weight[0,0] > 1000")
    with pytest.raises(RecordingError, match=r"no row about 'fc\.wieght'.*did you mean"):
        resolve(training, "fc.wieght where t > 1")
    with pytest.raises(RecordingError, match="no nan is born"):
        resolve(training, "nan")


@pytest.mark.parametrize("text", ["", "line train.py", "line :x", "at", "op relu +"])
def test_stops_that_are_none(text: str) -> None:
    if text == "op relu +":
        assert stop(text).op == "relu +"
        return
    if text == "at":
        assert stop(text).condition is not None  # a value may be called so
        return
    with pytest.raises(ConditionError):
        stop(text)


def test_a_condition_with_many_answers_at_some_rows(session: Open) -> None:
    """`it` is one number at the loss, and an array elsewhere: where it stops is not told, and nothing fails."""
    net = session("net")
    view = view_stops(net, net.run.resolve("loss"), Options(stops=(stop("it"),)))
    assert [(line.watch.state, line.moments) for line in view.lines] == [("value", None)]
