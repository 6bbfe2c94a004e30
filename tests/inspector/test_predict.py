"""Predicting: what is hidden is nowhere to be found, what is asked is answered by the recording."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

import teachgrad as tg
from teachgrad import nn, optim
from teachgrad.cli import main
from teachgrad.recording import Moment, Reader, Recorder, Row
from teachgrad_inspector.commands.printing import rendered
from teachgrad_inspector.glyphs import UNICODE
from teachgrad_inspector.learning.givens import givens
from teachgrad_inspector.learning.order import choices, front
from teachgrad_inspector.learning.past import SHUT, seen
from teachgrad_inspector.learning.questions import (
    KINDS,
    AnswerError,
    Question,
    agrees,
    asks,
    is_right,
    read_number,
    read_shape,
    said,
)
from teachgrad_inspector.plain.telling import tell
from teachgrad_inspector.screens import SCREENS, document, frame
from teachgrad_inspector.session import Session
from teachgrad_inspector.stops import stop
from teachgrad_inspector.views.options import Options

Open = Callable[..., Session]
DIGITS = re.compile(r"\d+(?:\.\d+)?(?:e-?\d+)?")
WATCHES = tuple(map(stop, ("it", "w.grad", "norm(w.grad)", "max(h)", "loss", "mean(v)")))


def _train(path: Path, static: bool) -> Path:
    """Two steps of a small network with odd numbers: a value that is used twice, a broadcast, two products."""
    rng = np.random.default_rng(7)
    w = tg.tensor(rng.normal(size=(3, 5)) * 1.37, requires_grad=True, dtype="float64", name="w")
    v = tg.tensor(rng.normal(size=(5,)) * 0.61, requires_grad=True, dtype="float64", name="v")
    x = tg.tensor(rng.normal(size=(4, 3)), dtype="float64", name="x")
    optimizer = optim.SGD([w, v], lr=0.0371)

    def step(x: tg.Tensor) -> tg.Tensor:
        h = tg.tanh(x @ w + v)
        loss = (h * h * v).mean() + nn.functional.relu(h).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    run = tg.static(step, level="O1") if static else step
    if static:
        run(x)
    with Recorder(path, level="values"):
        for _ in range(2):
            run(x)
    return path


@pytest.fixture(scope="module", params=["dynamic", "static"])
def training(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    path = _train(tmp_path_factory.mktemp("runs") / f"{request.param}.tgr", request.param == "static")
    with Reader(path) as run:
        yield Session(run, request.param)


def _moments(session: Session) -> Iterator[tuple[Moment, Row]]:
    for number in range(session.run.steps):
        for row in session.run.step(number).rows:
            yield row.moment, row


def _arrays(session: Session, row: Row, with_incoming: bool) -> Iterator[np.ndarray]:
    for number in (row.value, row.delta, *((row.incoming,) if with_incoming else ())):
        values = session.array(number)
        if values is not None and values.dtype.kind == "f":
            yield values.astype(np.float64)


def _digits(values: np.ndarray) -> set[str]:
    """The elements as an attentive reader would find them on a screen: at least four digits, so nothing coincides."""
    numbers = [*values.reshape(-1), values.min(), values.max(), values.mean(), values.std(), np.linalg.norm(values)]
    found = {f"{abs(x):.{n}g}" for x in numbers for n in (4, 5, 6, 7)}
    return {text for text in found if len(text.replace(".", "").lstrip("0")) >= 4}


def _hidden(session: Session, moment: Moment) -> tuple[set[str], set[str]]:
    """The digits of what is to be predicted at a moment or comes later; those of what has been seen before."""
    visible: set[str] = set()
    hidden: set[str] = set()
    asked = any(question.kind == "value" for question in asks(session, moment))
    for number in range(moment.step + 1):
        for row in session.run.step(number).rows:
            past = (number, row.row) < (moment.step, moment.row) or row.kind == "leaf"
            present = (number, row.row) == (moment.step, moment.row)
            into = visible if past or (present and not asked) else hidden
            for values in _arrays(session, row, with_incoming=past or present):
                into |= _digits(values)
    here = session.array(session.row(moment).incoming)
    if here is not None:
        visible |= _digits(here)
    return hidden - visible, visible


def _said(session: Session, moment: Moment, screen: str, options: Options) -> str:
    """All that a screen says: drawn, as data, and in sentences."""
    drawn = "\n".join(frame(session, moment, screen, options, 160, 48, UNICODE, ()).text())
    told = "\n".join(tell(session, moment, screen, options))
    return "\n".join([drawn, json.dumps(document(session, moment, screen, options, 48)), told])


def _found(text: str) -> set[str]:
    """Numbers in a text, at every precision from four digits on."""
    found = set()
    for match in DIGITS.findall(text):
        for n in (4, 5, 6, 7):
            if len(match.replace(".", "").lstrip("0")) >= n:
                found.add(f"{abs(float(match)):.{n}g}")
    return found


@pytest.mark.slow
@pytest.mark.parametrize("screen", [name for name in SCREENS if name not in SHUT])
def test_hidden_numbers_are_nowhere(screen: str, training: Session) -> None:
    plain = 0
    for moment, row in _moments(training):
        hidden, _ = _hidden(training, moment)
        for switches in ({}, {"numbers": True, "narration": True, "check": True}):
            options = Options(predict=True, stops=WATCHES, **switches)  # type: ignore[arg-type]
            leaked = _found(_said(training, moment, screen, options)) & hidden
            assert not leaked, (str(moment), row.kind, leaked)
        if screen in ("tape", "chain") and moment.step == 0:
            shown = Options(numbers=True, narration=True)
            plain += bool(_found(_said(training, moment, screen, shown)) & hidden)
    if screen in ("tape", "chain"):
        assert plain > 5  # without predicting, the numbers are there, and this test would find them


@pytest.mark.slow
def test_hidden_numbers_are_in_no_file(training: Session) -> None:
    """Pictures, pages and graphs."""
    moments = [moment for moment, row in _moments(training) if row.kind != "leaf"][::6]
    for moment in moments:
        hidden, _ = _hidden(training, moment)
        for kind in ("svg", "html", "dot"):
            for screen in ("tape", "chain", "map"):
                options = Options(predict=True, numbers=True)
                text = rendered(training, moment, screen, options, (120, 36), UNICODE, kind, None)
                assert isinstance(text, str)
                assert not _found(re.sub(r'="[^"]*"', "", text) if kind != "dot" else text) & hidden


def test_hidden_shapes_are_nowhere(training: Session) -> None:
    """The shape of a result appears on no screen before it is known, if nothing before it had that shape."""
    known: set[str] = set()
    looked = 0
    for moment, row in _moments(training):
        info = training.info(row.value)
        text = f"({','.join(map(str, info.shape))})" if info is not None and len(info.shape) > 1 else ""
        if any(question.kind == "shape" for question in asks(training, moment)) and text and text not in known:
            looked += 1
            for screen in ("tape", "chain", "map", "explain", "train", "stops"):
                said_ = _said(training, moment, screen, Options(predict=True))
                assert text not in said_.replace(" ", "")
                assert json.dumps(list(info.shape)) not in said_ if info is not None else True
        known.add(text)
    assert looked


def test_what_comes_next_is_not_shown(training: Session) -> None:
    for moment, _ in _moments(training):
        view = document(training, moment, "tape", Options(predict=True), 48)["view"]
        rows = [line["row"] for line in view["strip"]["lines"] if line["moment"]]
        assert max(rows) == moment.row


def test_what_is_not_asked_is_not_hidden(session: Open) -> None:
    """Without elements in the recording there is no number to ask for."""
    net = session("net", "stats")
    moment = net.run.resolve("t0/bwd/fc1.weight.grad")
    text = "\n".join(frame(net, moment, "tape", Options(predict=True, revealed=frozenset({"shape"})), 100, 30, UNICODE,
                           ()).text())  # fmt: skip
    assert "predict it" not in text
    assert "nothing to predict here" in text or "all answered here" in text


@pytest.mark.parametrize("screen", SHUT)
def test_screens_about_the_whole_run_are_shut(screen: str, session: Open) -> None:
    opened = session("program")
    moment = opened.run.resolve("t0/fwd/6")
    text = "\n".join(frame(opened, moment, screen, Options(predict=True), 100, 30, UNICODE, ()).text())
    assert "hidden as long as you predict" in text
    assert document(opened, moment, screen, Options(predict=True), 30)["view"].keys() == {"note"}


def test_the_past_is_the_recording_up_to_now(training: Session) -> None:
    """Where everything is settled, the past says what the whole recording says."""
    for moment, row in _moments(training):
        past = seen(training, moment, Options(predict=True, revealed=frozenset(KINDS)))
        assert past.row(moment) == row
        assert past.run.length(moment.step) == moment.row + 1
        assert past.run.label(row) == training.run.label(row)
        for vertex in row.inputs:
            assert past.value_of(vertex, moment) == training.value_of(vertex, moment)


def test_printing_hides_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = _train(tmp_path / "run.tgr", static=False)
    with Reader(path) as run:
        session = Session(run)
        moment = run.resolve("t0/bwd/w.grad")
        hidden, _ = _hidden(session, moment)
    for output in ("text", "json"):
        for screen in ("tape", "chain", "train", "what-if", "compare", "explain"):
            arguments = ["inspect", str(path), "--at", "t0/bwd/w.grad", "--screen", screen, "--print", output]
            main([*arguments, "--predict", "--size", "160x48"])
            assert not _found(capsys.readouterr().out) & hidden
            main([*arguments, "--size", "160x48"])
            assert _found(capsys.readouterr().out) & hidden or screen != "chain"
    assert main(["inspect", str(path), "--predict", "--at", "w.grad where w.grad[0,0] > 0.1", "--print", "text"]) == 2
    assert "would give numbers away" in capsys.readouterr().err


# ---- questions -------------------------------------------------------------------------------------------------------


def test_what_is_asked(session: Open) -> None:
    micrograd = session("micrograd")
    kinds = {row.row: [question.kind for question in asks(micrograd, row.moment)] for row in
             micrograd.run.step(0).rows}  # fmt: skip
    assert kinds[0] == []  # a leaf: nothing computed it
    assert kinds[2] == ["value"]  # a scalar has no shape to think about
    assert kinds[6] == ["value", "next"]
    assert kinds[12] == ["value"]
    net = session("net")
    assert [question.kind for question in asks(net, net.run.resolve("z"))] == ["shape", "value"]
    assert [question.kind for question in asks(net, net.run.resolve("t0/upd/fc1.weight"))] == ["value"]
    assert asks(session("net", "stats"), net.run.resolve("t0/upd/fc1.weight")) == ()


def test_the_right_answer_is_right(training: Session) -> None:
    """As it is shown, and with all its digits."""
    asked = 0
    for moment, row in _moments(training):
        for question in asks(training, moment):
            answer = said(training, question)
            if question.kind == "next":
                for one in answer.split(" or "):
                    assert is_right(training, question, one.split()[0])
                    assert is_right(training, question, one.split()[1])
            else:
                assert is_right(training, question, answer), (str(moment), question, answer)
            if question.kind == "value":
                values = training.array(row.value)
                assert values is not None
                assert is_right(training, question, repr(float(values[question.element])))
                assert is_right(training, question, f"{float(values[question.element]):.4g}")
            asked += 1
    assert asked > 40


def test_ready_ops_against_a_topological_sort(training: Session) -> None:
    """An op is ready when all ops that read its result have run backward; checked by counting from the forward pass."""
    asked = 0
    for moment, _ in _moments(training):
        coming = front(training, moment)
        if coming is None:
            continue
        step = training.step(moment)
        backward = {row.source for row in step.rows if row.kind == "edge"}
        done = {row.source for row in step.rows[: moment.row + 1] if row.kind == "edge"}
        users = {vertex: {step.rows[i].vertex for i in step.readers(vertex)} & backward for vertex in backward
                 if vertex is not None}  # fmt: skip
        ready = {vertex for vertex, needed in users.items() if vertex not in done and needed <= done}
        assert coming.ready == ready
        assert coming.following in ready
        offered = {option.vertex for option in choices(training, moment).values()}
        assert coming.following in offered or len(coming.ready) + len(coming.waiting) == 1
        asked += 1
    assert asked > 5 or not any(row.kind == "edge" for _, row in _moments(training))


@pytest.mark.parametrize(("text", "value"), [
    ("4", 4.0), (" -0.5 ", -0.5), ("+6", 6.0), ("1e-3", 1e-3), ("2/3", 2 / 3), ("-1 / 4", -0.25), (".5", 0.5),
    ("−2", -2.0), ("inf", float("inf")), ("true", 1.0),
])  # fmt: skip
def test_numbers_that_are_read(text: str, value: float) -> None:
    assert read_number(text) == value


@pytest.mark.parametrize("text", ["", "four", "1e99999", "__import__('os')", "1/0", "0x10", "1_000", "9" * 200, "1;2",
                                  "٣", "10**9"])  # fmt: skip
def test_what_is_no_number(text: str) -> None:
    with pytest.raises(AnswerError):
        read_number(text)


@pytest.mark.parametrize(("text", "shape"), [
    ("(64,32)", (64, 32)), ("64 x 32", (64, 32)), ("64×32", (64, 32)), ("[3]", (3,)), ("(3,)", (3,)), ("()", ()),
    ("scalar", ()), ("3, 4, 5", (3, 4, 5)), ("64 32", (64, 32)),
])  # fmt: skip
def test_shapes_that_are_read(text: str, shape: tuple[int, ...]) -> None:
    assert read_shape(text) == shape


@pytest.mark.parametrize("text", ["a,b", "-3,4", "1.5", "9" * 90, "(" * 200])
def test_what_is_no_shape(text: str) -> None:
    with pytest.raises(AnswerError):
        read_shape(text)


def test_how_near_is_right() -> None:
    assert agrees(1.005, 1.0)
    assert not agrees(1.02, 1.0)
    assert agrees(0.0, 1e-17)  # what rounding leaves of a zero
    assert agrees(3.0, 3.0, whole=True)
    assert not agrees(150.0, 151.0, whole=True)
    assert agrees(float("nan"), float("nan"))
    assert not agrees(1.0, 1.004, part=0.004)  # who leaves the contribution out is not right
    assert agrees(1.0041, 1.004, part=0.004)
    assert agrees(0.0015, 0.001, part=1.001)  # nearly cancelled: four digits of what was added tell no more


def test_an_element_that_is_asked_for(session: Open) -> None:
    net = session("net")
    moment = net.run.resolve("t0/bwd/fc1.weight.grad")
    question = next(item for item in asks(net, moment, (1, 0)) if item.kind == "value")
    assert question == Question(moment, "value", (1, 0))
    assert asks(net, moment, (7, 7))[-1].element != (7, 7)
    with pytest.raises(AnswerError, match=r"there is no element \[7,7\]"):
        is_right(net, Question(moment, "value", (7, 7)), "1")


def test_numbers_to_answer_with(training: Session) -> None:
    """What a question lists is enough to answer it, and was known before."""
    answered = 0
    for moment, row in _moments(training):
        question = next((item for item in asks(training, moment) if item.kind == "value"), None)
        if question is None or not (listed := givens(training, question)):
            continue
        given = {name: float(value) for name, value in (one.split(" = ") for one in listed.split("   "))}
        hidden, _ = _hidden(training, moment)
        assert not _found(listed) & hidden
        made = training.step(moment).made.get(row.source or 0) if row.kind == "edge" else None
        op = row.op if made is None else training.step(moment).rows[made].op
        terms = list(given.values())
        if row.kind == "op" and op == "matmul":
            assert is_right(training, question, repr(sum(x * y for x, y in zip(terms[::2], terms[1::2], strict=True))))
            answered += 1
        elif row.kind == "op" and op in ("add", "multiply", "subtract") and len(terms) == 2:
            x, y = terms
            result = {"add": x + y, "multiply": x * y, "subtract": x - y}[op]
            assert is_right(training, question, repr(result)), (str(moment), listed)
            answered += 1
        elif row.kind == "edge" and op == "matmul":
            before = next((value for name, value in given.items() if name.endswith("before")), 0.0)
            terms = [value for name, value in given.items() if not name.endswith("before")]
            total = before + sum(x * y for x, y in zip(terms[::2], terms[1::2], strict=True))
            assert is_right(training, question, repr(total)), (str(moment), listed)
            answered += 1
        elif row.kind == "update":
            old, gradient, rate = terms
            assert is_right(training, question, repr(old - rate * gradient))
            answered += 1
    assert answered >= 4
