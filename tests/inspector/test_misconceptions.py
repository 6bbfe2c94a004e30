"""Hints: each fires for the number that its misconception gives, worked out here by hand, and for no other."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import teachgrad as tg
from teachgrad import nn, optim
from teachgrad.recording import Moment, Reader, Recorder
from teachgrad_inspector.learning.misconceptions import hint_for, suspects
from teachgrad_inspector.learning.questions import Question, agrees, asks, is_right, said, truth
from teachgrad_inspector.session import Session

Open = Callable[..., Session]
X = np.array([[1.0, 2.0], [-3.0, 0.5], [4.0, -1.5]])
W = np.array([[0.5, -1.25], [2.0, 0.75]])
B = np.array([0.25, -0.125])


def record(path: Path, program: Callable[[], object]) -> Session:
    with Recorder(path, level="values"):
        program()
    return Session(Reader(path), "run")


def name_of(session: Session, address: str, answer: str, kind: str = "value",
            element: tuple[int, ...] | None = None) -> str | None:  # fmt: skip
    """The hint for an answer, by name."""
    moment = session.run.resolve(address)
    question = next(item for item in asks(session, moment, element) if item.kind == kind)
    assert not is_right(session, question, answer)
    hint = hint_for(session, question, answer)
    return hint.name if hint is not None else None


def test_the_acceptance_check(session: Open) -> None:
    micrograd = session("micrograd")
    question = asks(micrograd, micrograd.run.resolve("t0/bwd/a.grad"))[0]
    hint = hint_for(micrograd, question, "6")
    assert hint is not None
    assert "not +=" in hint.hint
    assert is_right(micrograd, question, "4")
    assert hint_for(micrograd, question, "4") is None


@pytest.mark.parametrize(("address", "answer", "name"), [
    ("t0/bwd/12", "6", "overwritten"),  # -3 · -2 alone
    ("t0/bwd/12", "-2", "left out"),  # what was there before
    ("t0/bwd/12", "-5", "local alone"),  # -2 + -3, without the incoming gradient
    ("t0/bwd/12", "-8", "sign"),  # -2 - 6
    ("t0/bwd/12", "-6", "swapped"),  # -2 + 2 · -2: a itself instead of b
    ("t0/bwd/12", "17", None),
    ("t0/bwd/11", "6", "swapped"),  # b itself: -3 · -2
    ("t0/bwd/11", "2", "local alone"),
    ("t0/bwd/11", "-2", "incoming alone"),
    ("t0/bwd/11", "4", "sign"),
    ("t0/bwd/6", "8", "value"),
    ("t0/bwd/6", "0", "zero"),
    ("e", "6", "sign"),
    ("e", "2", "unchanged"),
])  # fmt: skip
def test_scalars(address: str, answer: str, name: str | None, session: Open) -> None:
    assert name_of(session("micrograd"), address, answer) == name


@pytest.fixture
def layer(tmp_path: Path) -> Session:
    """z = x w + b, loss = mean(z²): a product, a broadcast and a mean."""

    def program() -> None:
        x = tg.tensor(X, dtype="float64", name="x")
        w = tg.tensor(W, dtype="float64", requires_grad=True, name="w")
        b = tg.tensor(B, dtype="float64", requires_grad=True, name="b")
        p = x @ w
        z = p + b
        loss = (z * z).mean()
        loss.backward()

    return record(tmp_path / "layer.tgr", program)


Z = X @ W + B
G = 2 * Z / 6


@pytest.mark.parametrize(("address", "element", "answer", "name"), [
    ("t0/bwd/b.grad", (1,), G[0, 1], "not summed"),
    ("t0/bwd/b.grad", (1,), G[:, 1].mean(), "mean"),
    ("t0/bwd/b.grad", (1,), 3.0, "local alone"),
    ("t0/bwd/b.grad", (1,), -G[:, 1].sum(), "sign"),
    ("t0/bwd/w.grad", (0, 1), (X.T @ G)[1, 0], "transpose"),
    ("t0/bwd/w.grad", (0, 1), X[2, 0] * G[2, 1], "not summed"),
    ("t0/bwd/w.grad", (0, 1), X[:, 0].sum(), "local alone"),
    ("t0/bwd/w.grad", (0, 1), G[:, 1].sum(), "incoming alone"),
    ("t0/fwd/p", (0, 1), (X @ W.T)[0, 1], "transpose"),
    ("t0/fwd/p", (0, 1), X[0, 0] * W[0, 1], "not summed"),
    ("t0/fwd/z", (0, 1), (X @ W)[0, 1], "unchanged"),
    ("t0/fwd/loss", (), (Z * Z).sum(), "mean"),
])  # fmt: skip
def test_arrays(address: str, element: tuple[int, ...], answer: float, name: str, layer: Session) -> None:
    assert name_of(layer, address, repr(float(answer)), "value", element) == name
    assert name_of(layer, address, f"{answer:.4g}", "value", element) == name  # as it would be shown


@pytest.mark.parametrize(("address", "answer", "name"), [
    ("t0/fwd/p", "2,3", "transpose"), ("t0/fwd/loss", "3,2", "reduction"),
    ("t0/bwd/b.grad", "3,2", "not summed"), ("t0/bwd/b.grad", "1,2", "keepdims"), ("t0/bwd/b.grad", "9,9", None),
])  # fmt: skip
def test_shapes(address: str, answer: str, name: str | None, layer: Session) -> None:
    assert name_of(layer, address, answer, "shape") == name


@pytest.mark.parametrize(("answer", "name"), [
    ("4,1", "aligned left"), ("4", "not repeated"), ("4,4,1", None), ("1,4", None), ("4,1,4", "joined"),
])  # fmt: skip
def test_shapes_of_a_broadcast(answer: str, name: str | None, tmp_path: Path) -> None:
    def program() -> None:
        column = tg.tensor(np.ones((4, 1)), requires_grad=True, name="column")
        row = tg.tensor(np.ones(4), name="row")
        both = column + row
        both.sum().backward()

    opened = record(tmp_path / "broadcast.tgr", program)
    assert name_of(opened, "both", answer, "shape") == name


@pytest.mark.parametrize(("answer", "name"), [("3", "keepdims"), ("1,2", "axis"), ("2", "axis"), ("3,2", "reduction"),
                                              ("()", "reduction")])  # fmt: skip
def test_shapes_of_reductions(answer: str, name: str, tmp_path: Path) -> None:
    def program() -> None:
        x = tg.tensor(X, requires_grad=True, name="x")
        kept = x.sum(axis=1, keepdims=True)
        kept.sum().backward()

    assert name_of(record(tmp_path / "kept.tgr", program), "kept", answer, "shape") == name


def test_updates(tmp_path: Path) -> None:
    def program() -> None:
        w = tg.tensor([2.0], requires_grad=True, dtype="float64", name="w")
        loss = (w * w).sum()
        loss.backward()
        optim.SGD([w], lr=0.1).step()

    opened = record(tmp_path / "update.tgr", program)  # w = 2 - 0.1 · 4 = 1.6
    for answer, name in (("2.4", "uphill"), ("-2", "rate"), ("6", "rate"), ("-0.4", "change alone"),
                         ("2", "unchanged")):  # fmt: skip
        assert name_of(opened, "t0/upd/w", answer) == name


def test_gradient_that_was_not_cleared(tmp_path: Path) -> None:
    w = tg.tensor(2.0, requires_grad=True, name="w")
    (w * 3.0).backward()

    def program() -> None:
        (w * 5.0).backward()

    opened = record(tmp_path / "twice.tgr", program)  # 3 from before, 5 now
    assert name_of(opened, "t0/bwd/w.grad", "5") == "cleared"
    assert name_of(opened, "t0/bwd/w.grad", "3") == "left out"


def test_means_and_losses(tmp_path: Path) -> None:
    def program() -> None:
        scores = tg.tensor(X, requires_grad=True, name="scores")
        loss = nn.functional.cross_entropy(scores, tg.tensor([0, 1, 1]))
        loss.backward()

    opened = record(tmp_path / "loss.tgr", program)
    powers = np.exp(X)
    chances = powers / powers.sum(axis=1, keepdims=True)
    total = -np.log(chances[[0, 1, 2], [0, 1, 1]]).sum()
    assert name_of(opened, "loss", repr(float(total))) == "mean"
    gradient = chances - np.eye(2)[[0, 1, 1]]
    assert name_of(opened, "t0/bwd/scores.grad", repr(float(gradient[2, 0])), "value", (2, 0)) == "mean"
    assert name_of(opened, "loss", "3", "shape") in ("reduction", "not repeated")


def test_the_order(session: Open) -> None:
    micrograd = session("micrograd")
    question = next(item for item in asks(micrograd, micrograd.run.resolve("t0/bwd/8")) if item.kind == "next")
    assert is_right(micrograd, question, "d")
    hint = hint_for(micrograd, question, "e")
    assert hint is not None
    assert (hint.name, "has still to come from d" in hint.hint) == ("not ready", True)


def test_several_ops_may_be_ready(tmp_path: Path) -> None:
    def program() -> None:
        x = tg.tensor(2.0, requires_grad=True, name="x")
        left, right = tg.exp(x), tg.sin(x)
        out = left * right
        out.backward()

    opened = record(tmp_path / "fork.tgr", program)
    moment = next(row.moment for row in opened.run.step(0).rows
                  if any(item.kind == "next" for item in asks(opened, row.moment)) and row.kind == "edge")  # fmt: skip
    question = next(item for item in asks(opened, moment) if item.kind == "next")
    assert len(truth(opened, question)) == 2  # type: ignore[arg-type]
    assert " or " in said(opened, question)


# ---- for any numbers -------------------------------------------------------------------------------------------------

numbers = st.floats(-8, 8, allow_nan=False, width=32).map(lambda x: round(x, 3))


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), dtype=st.sampled_from(["float32", "float64"]))
def test_hints_fire_for_their_own_answers_alone(data: st.DataObject, dtype: str,
                                                tmp_path_factory: pytest.TempPathFactory) -> None:  # fmt: skip
    """The right answer is right in every digit and as it is shown; a wrong one meets a hint exactly if some
    misconception leads to it."""
    values = data.draw(st.lists(numbers, min_size=9, max_size=9))

    def program() -> None:
        a, c = (tg.tensor(np.reshape(values[at : at + 4], (2, 2)), dtype=dtype, requires_grad=True) for at in (0, 4))
        d = tg.tensor(values[8], dtype=dtype, requires_grad=True)
        out = ((a @ c + a) * d).sum()
        out.backward()

    session = record(tmp_path_factory.mktemp("any") / "run.tgr", program)
    wild = data.draw(st.floats(-100, 100, allow_nan=False))
    for row in session.run.step(0).rows:
        for question in asks(session, row.moment):
            if question.kind == "next":
                continue
            assert is_right(session, question, said(session, question))
            assert hint_for(session, question, said(session, question)) is None
            known = list(suspects(session, question))
            for suspect in known:
                text = repr(suspect.answer)
                assert not is_right(session, question, text)
                hint = hint_for(session, question, text)
                assert hint is not None
                if question.kind == "value":
                    assert agrees(float(text), hint.answer)  # type: ignore[arg-type]
                else:
                    assert hint.answer == suspect.answer
            if question.kind == "value" and not is_right(session, question, repr(wild)):
                fires = hint_for(session, question, repr(wild)) is not None
                assert fires == any(agrees(wild, suspect.answer) for suspect in known)  # type: ignore[arg-type]
    session.run.close()


@settings(max_examples=40, deadline=None)
@given(value=st.one_of(st.integers(-(10**9), 10**9).map(float), st.floats(allow_nan=False, width=32)))
def test_what_is_shown_is_right(value: float) -> None:
    from teachgrad_inspector.numbers import number

    shown = float(number(value))
    assert agrees(shown, value)
    assert agrees(shown, value, whole=True) or (abs(value) < 1e6 and value != int(value))


def test_hints_never_hold_the_answer(layer: Session) -> None:
    for row in layer.run.step(0).rows:
        for question in asks(layer, row.moment):
            if question.kind == "value":
                digits = f"{abs(float(truth(layer, question))):.4g}"  # type: ignore[arg-type]
                if len(digits.replace(".", "").lstrip("0")) == 4:
                    assert all(digits not in suspect.hint for suspect in suspects(layer, question))


def test_without_numbers_there_are_no_hints(session: Open) -> None:
    assert list(suspects(session("net", "stats"), Question(Moment(0, 2, "fwd"), "shape")))
    assert [item.kind for item in asks(session("net", "meta"), Moment(0, 15, "bwd"))] == ["shape"]
