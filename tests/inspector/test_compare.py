"""Two training steps side by side: the same, parted where a fault was planted, and two modes of one program."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import teachgrad as tg
from teachgrad import nn, optim
from teachgrad.cli import main
from teachgrad.recording import Reader, Recorder, RecordingError
from teachgrad_inspector.comparing import compare, first_step_apart
from teachgrad_inspector.session import Session
from teachgrad_inspector.views.compare import other_of, view_compare
from teachgrad_inspector.views.options import Options

Open = Callable[..., Session]
RNG = np.random.default_rng(0)
X, Y = RNG.standard_normal((16, 4)).astype(np.float32), RNG.integers(0, 3, 16)


def train(path: Path, level: str = "values", spoil: Callable[[int, np.ndarray], np.ndarray] | None = None,
          static: bool = False, slope: float = 1.0, depth: int = 1) -> Path:  # fmt: skip
    """Three steps of a small network; `spoil` may change the data of a step, `slope` scales a value on the way."""
    tg.seed(0)
    layers: list[nn.Module] = [nn.Linear(4, 8), nn.ReLU()]
    for _ in range(depth - 1):
        layers += [nn.Linear(8, 8), nn.ReLU()]
    model = nn.Sequential(*layers, nn.Linear(8, 3))
    optimizer = optim.SGD(model.parameters(), lr=0.1)

    def step(x: tg.Tensor, y: tg.Tensor) -> Any:
        optimizer.zero_grad()
        h = model(x)
        loss = nn.functional.cross_entropy(h * slope if slope != 1.0 else h, y)
        loss.backward()
        optimizer.step()
        return loss

    run = tg.static(step) if static else step
    with Recorder(path, level=level):  # type: ignore[arg-type]
        for number in range(3):
            run(tg.tensor(spoil(number, X.copy()) if spoil else X), tg.tensor(Y))
    return path


@pytest.fixture
def opened():  # type: ignore[no-untyped-def]
    with ExitStack() as stack:
        yield lambda path: Session(stack.enter_context(Reader(path)))


def test_the_same_program_twice_is_the_same_bit_for_bit(tmp_path: Path, opened: Any) -> None:
    left, right = opened(train(tmp_path / "a.tgr")), opened(train(tmp_path / "b.tgr"))
    assert first_step_apart(left, right) is None
    found = compare(left, 1, right, 1)
    assert found.parting is None
    assert found.count("same") == len(found.pairs) == left.run.length(1)


def test_they_part_where_the_data_do(tmp_path: Path, opened: Any) -> None:
    def spoil(number: int, x: np.ndarray) -> np.ndarray:
        x[3, 1] += 0.25 if number == 1 else 0.0
        return x

    left, right = opened(train(tmp_path / "a.tgr")), opened(train(tmp_path / "b.tgr", spoil=spoil))
    assert first_step_apart(left, right) == 1
    found = compare(left, 1, right, 1)
    assert found.parting is not None
    assert (found.parting.left.kind, found.parting.difference) == ("leaf", pytest.approx(0.25))  # type: ignore[union-attr]
    assert found.count("parts") == 1  # all else is a consequence
    later = compare(left, 2, right, 2)
    assert later.count("parts") == 0  # in the next step the parameters differ before anything is computed
    assert later.count("differs") > 5


def test_they_part_where_one_op_is_another(tmp_path: Path, opened: Any) -> None:
    left = opened(train(tmp_path / "a.tgr", slope=2.0))
    right = opened(train(tmp_path / "b.tgr", slope=2.0 + 2**-20))
    found = compare(left, 0, right, 0)
    assert found.parting is not None
    assert found.parting.left is not None
    assert found.parting.left.kind == "leaf"  # the constant 2
    deeper = compare(opened(train(tmp_path / "c.tgr", depth=2)), 0, left, 0)
    assert deeper.count("left") > 0
    assert deeper.count("same") > 0


def test_a_difference_in_the_backward_pass_alone(tmp_path: Path, opened: Any) -> None:
    def program(path: Path, factor: float) -> Path:
        w = tg.tensor([1.0, 2.0], requires_grad=True, dtype="float64")
        with Recorder(path, level="values"):
            y = tg.exp(w)
            y.on_grad(lambda g: g * factor)
            y.sum().backward()
        return path

    found = compare(opened(program(tmp_path / "a.tgr", 1.0)), 0, opened(program(tmp_path / "b.tgr", 0.5)), 0)
    assert found.parting is not None
    assert found.parting.left is not None
    assert (found.parting.left.phase, found.parting.left.kind) == ("bwd", "edge")


def test_dynamic_and_static_mode_hold_the_same_numbers(tmp_path: Path, opened: Any) -> None:
    left, right = opened(train(tmp_path / "a.tgr")), opened(train(tmp_path / "b.tgr", static=True))
    found = compare(left, 1, right, 1)
    assert found.count("differs", "parts", "unknown") == 0
    partners = {left.run.label(pair.left) for pair in found.pairs if pair.left is not None and pair.right is not None}
    assert {"loss", "0.weight.grad", "2.weight.grad", "0.bias.grad", "h.grad", "0.weight"} <= partners
    assert any(pair.by_value for pair in found.pairs)


def test_nan_and_kinds_that_do_not_fit(tmp_path: Path, opened: Any) -> None:
    def program(path: Path, values: Any) -> Session:
        with Recorder(path, level="values"):
            tg.abs(tg.tensor(values, requires_grad=True))
        return opened(path)  # type: ignore[no-any-return]

    one = program(tmp_path / "a.tgr", [1.0, np.nan])
    assert compare(one, 0, program(tmp_path / "b.tgr", [1.0, np.nan]), 0).parting is None
    assert np.isnan(compare(one, 0, program(tmp_path / "c.tgr", [1.0, 2.0]), 0).parting.difference)  # type: ignore[union-attr, arg-type]
    other = compare(one, 0, program(tmp_path / "d.tgr", [1.0, 2.0, 3.0]), 0)
    assert other.count("left", "right") == 2


def test_without_elements_equality_is_not_known(tmp_path: Path, opened: Any) -> None:
    left, right = opened(train(tmp_path / "a.tgr", "stats")), opened(train(tmp_path / "b.tgr", "stats"))
    found = compare(left, 0, right, 0)
    assert found.count("unknown") == len(found.pairs)
    assert first_step_apart(left, right) is None


def test_statistics_of_a_recording_with_the_elements_of_another(tmp_path: Path, opened: Any) -> None:
    """Statistics are computed while recording for many arrays at once, or of a sample; of elements by the reader."""

    def program(name: str, level: str, value: float) -> Session:
        x = np.random.default_rng(0).standard_normal((300, 100)).astype(np.float32) + 10.0
        x[7, 7] = value
        with Recorder(tmp_path / name, level=level):  # type: ignore[arg-type]
            w = tg.tensor(x[0] / 7, requires_grad=True)
            (tg.tanh(tg.tensor(x) * w).sum(axis=0) * w).mean().backward()
        return opened(tmp_path / name)  # type: ignore[no-any-return]

    told, other = program("a.tgr", "stats", 1.0), program("b.tgr", "stats", 99.0)
    whole = program("c.tgr", "values", 1.0)
    assert [pair.state for pair in compare(told, 0, whole, 0).pairs] == ["unknown"] * told.run.length(0)
    assert compare(other, 0, whole, 0).count("differs", "parts") > 0
    assert compare(other, 0, told, 0).count("differs", "parts") > 0


def test_two_steps_of_one_recording(session: Open) -> None:
    training = session("training")
    with ExitStack() as stack:
        other = other_of(training, "t3", stack)
        moment = training.run.resolve("t2")
        view = view_compare(training, moment, Options(other=other))
        assert (view.left, view.right) == ("training t2", "training t3")
        assert view.different > 0
        for text, message in (("t99", "no training step"), ("nothing.tgr", "No such file"), ("", "nothing to compare")):
            with pytest.raises(RecordingError, match=message):
                other_of(training, text, stack)
    assert "press d" in view_compare(training, moment, Options()).note


def test_gradients_that_are_to_be_predicted_are_not_given_away(session: Open) -> None:
    training = session("training")
    moment, other = training.run.resolve("t2"), other_of(training, "t3", ExitStack())
    plain = view_compare(training, moment, Options(other=other))
    hiding = view_compare(training, moment, Options(other=other, predict=True))
    assert [line.state for line in hiding.lines] == [line.state for line in plain.lines]
    assert any(line.difference for line in plain.lines if "/bwd/" in line.left)
    for line, known in zip(hiding.lines, plain.lines, strict=True):
        hidden = "/bwd/" in line.left
        assert (line.difference, line.relative) == ((None, None) if hidden else (known.difference, known.relative))


def test_scripts_are_compared(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Where exactly two scripts part: one adds where the other subtracts."""
    for name, sign in (("one", "+"), ("other", "-")):
        lines = "import teachgrad as tg", "a = tg.tensor(2.0, requires_grad=True)", "b = a * a", f"c = b {sign} a"
        (tmp_path / f"{name}.py").write_text("\n".join(lines))
    one, other = str(tmp_path / "one.py"), str(tmp_path / "other.py")
    assert main(["inspect", one, "--compare", one, "--print", "text"]) == 0
    assert "one.py.tgr t0" in capsys.readouterr().out
    for compared in (other, f"{other} t0"):
        assert main(["inspect", one, "--compare", compared, "--print", "json"]) == 1
        view = json.loads(capsys.readouterr().out)["view"]
        assert (view["left"], view["right"]) == ("one.py t0", "other.py.tgr t0")
        parting = view["lines"][view["parting"] - view["first"]]
        assert (view["same"], parting["label"], parting["place"]) == (2, "c", "one.py:4")


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    a, b = train(tmp_path / "a.tgr"), train(tmp_path / "b.tgr")
    c = train(tmp_path / "c.tgr", spoil=lambda number, x: x + (number == 2))
    assert main(["inspect", str(a), "--compare", str(b), "--print", "text"]) == 0
    assert "bit for bit" in capsys.readouterr().out
    assert main(["inspect", str(a), "--compare", str(c), "--print", "json"]) == 1
    data = json.loads(capsys.readouterr().out)
    assert data["moment"].startswith("t2/")
    assert data["view"]["lines"][data["view"]["parting"] - data["view"]["first"]]["state"] == "parts"
    assert main(["inspect", str(a), "--compare", str(tmp_path / "none.tgr"), "--print", "text"]) == 2
