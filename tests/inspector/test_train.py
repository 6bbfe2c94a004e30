"""What the Train screen says of a training: checked against the same training computed here."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import teachgrad as tg
from teachgrad import nn, optim
from teachgrad.recording import Reader, Recorder
from teachgrad_inspector.canvas import Canvas
from teachgrad_inspector.glyphs import ASCII, UNICODE
from teachgrad_inspector.history import BINS, POINTS, History, counts_of, norm_of, stuck_units
from teachgrad_inspector.render.plots import draw_curve, draw_heat
from teachgrad_inspector.session import Session
from teachgrad_inspector.views.options import Options
from teachgrad_inspector.views.plain import to_json
from teachgrad_inspector.views.train import Curve, Heat, view_train

from .runs import make

PLAIN = Options()
Open = Callable[..., Session]


def descend(steps: int) -> list[dict[str, Any]]:
    """The training of `runs.training`, once more, and what it looks like at each step."""
    x = np.array([[1.0, 0.5], [0.25, 1.0], [0.5, 0.75], [1.0, 1.0]])
    y = np.array([[1.0, 0.5, 0.0], [0.5, 1.0, 0.0], [0.75, 0.75, 0.0], [1.5, 1.25, 0.0]])
    w = np.array([[0.125, 0.5, -1.0], [0.25, 0.125, -0.5]])
    seen = []
    for step in range(steps):
        rate = 0.25 / 2 ** (step // 10)
        h = np.where(x @ w > 0, x @ w, 0)
        g = x.T @ np.where(h > 0, h - y, 0)
        seen.append({
            "loss": 0.5 * np.linalg.norm(h - y) ** 2, "rate": rate, "w": w, "h": h, "g": g,
            "ratio": np.log10(np.linalg.norm(rate * g) / np.linalg.norm(w)),
        })  # fmt: skip
        w = w - rate * g
    return seen


def test_curves_over_the_steps(session: Open) -> None:
    run, expected = session("training"), descend(40)
    view = view_train(run, run.run.resolve("t12/upd/fc.weight"), PLAIN)
    assert view.looked == tuple(range(40))
    for curve, name in ((view.loss, "loss"), (view.rate, "rate"), (view.ratio, "ratio")):
        assert [step for step, _ in curve.points] == list(range(40))
        assert np.allclose([value for _, value in curve.points], [step[name] for step in expected], rtol=1e-12)
        assert curve.now == pytest.approx(expected[12][name], rel=1e-12)
    norms = [np.linalg.norm(step["g"]) for step in expected]
    assert np.allclose([value for _, value in view.total.points], norms, rtol=1e-12)


def test_each_line_at_the_present_step(session: Open) -> None:
    run, here = session("training"), descend(13)[12]
    weight, layer, unit = view_train(run, run.run.resolve("t12"), PLAIN).lines
    assert (weight.name, weight.what) == ("fc.weight", "parameter")
    assert weight.norm == pytest.approx(np.linalg.norm(here["w"]))
    assert weight.gradient_norm == pytest.approx(np.linalg.norm(here["g"]))
    assert weight.ratio == pytest.approx(here["ratio"])
    assert (layer.what, unit.what) == ("matmul", "relu")
    assert (unit.units, unit.stuck, unit.stuck_how) == (3, int((here["h"] == 0).all(axis=0).sum()), "dead")
    assert unit.stuck == 1
    assert unit.flat == np.mean(here["h"] == 0)
    assert unit.norm == pytest.approx(np.linalg.norm(here["h"]))


def test_histograms_over_time_count_every_element(session: Open) -> None:
    run = session("training")
    view = view_train(run, run.run.resolve("t12"), Options(line=2))
    expected = [step["h"] for step in descend(40)]
    assert view.values is not None
    assert view.chosen == "h"
    assert (view.values.low, view.values.high) == (0.0, pytest.approx(max(h.max() for h in expected)))
    for (step, counts), h in zip(view.values.columns, expected, strict=True):
        assert sum(counts) == h.size, step
        assert counts[0] >= (h == 0).sum() > 0
        rows = np.minimum(h / view.values.high * len(counts), len(counts) - 1).astype(int)
        mean = np.dot(counts, np.arange(len(counts))) / h.size  # a bin is moved as a whole: never by more than a row
        assert abs(mean - rows.mean()) <= 1.0
    assert view.gradients is not None
    assert all(sum(counts) == 12 for _, counts in view.gradients.columns)


@pytest.mark.parametrize("values", [np.array([1.0, 2.0, 5.0]), np.arange(1000.0) ** 2, np.array([np.nan, 1.0, 3.0])])
def test_counts_are_those_of_numpy(values: np.ndarray) -> None:
    counts = counts_of(values)
    finite = values[np.isfinite(values)]
    assert counts is not None
    assert counts.bins == tuple(np.histogram(finite, BINS)[0])
    assert (counts.low, counts.high) == (finite.min(), finite.max())


def test_norms_are_those_of_numpy_in_every_dtype() -> None:
    rng = np.random.default_rng(0)
    for dtype in ("float16", "float32", "float64"):
        values = (300 * rng.standard_normal((20, 30))).astype(dtype)
        assert norm_of(values) == pytest.approx(np.linalg.norm(values.astype(np.float64)))


def test_stuck_units() -> None:
    tanh = np.array([[0.99, -0.99, 0.5], [-0.98, 0.2, 0.1]])
    assert stuck_units(tanh, "tanh") == (3, 1, 0.5)
    sigmoid = np.array([[0.001, 0.5], [0.999, 0.99], [0.0, 1.0]])
    assert stuck_units(sigmoid, "sigmoid") == (2, 1, pytest.approx(5 / 6))
    images = np.zeros((2, 3, 4, 4))
    images[1, 2, 3, 3] = 1.0
    assert stuck_units(images, "relu") == (3, 2, pytest.approx(95 / 96))


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc1 = nn.Linear(5, 4)
        self.fc2 = nn.Linear(4, 2)

    def forward(self, x: tg.Tensor) -> tg.Tensor:
        result: tg.Tensor = self.fc2(self.fc1(x).tanh())
        return result


@pytest.mark.parametrize("kind", [optim.SGD, optim.Adam])
@pytest.mark.parametrize("static", [False, True])
def test_a_real_training_in_both_modes(kind: Any, static: bool, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    net, seen = Net(), []
    for p in net.parameters():
        p.data = tg.tensor(rng.standard_normal(p.shape).astype(np.float32))
    optimizer = kind(net.parameters(), lr=0.05)

    def train(x: tg.Tensor, y: tg.Tensor) -> tg.Tensor:
        loss = nn.functional.mse_loss(net(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    run = tg.static(train) if static else train
    batches = [(tg.tensor(rng.standard_normal((8, 5)).astype(np.float32)), tg.ones((8, 2))) for _ in range(4)]
    if static:
        run(*batches[0])
    with Recorder(tmp_path / "r.tgr", level="values"):
        for x, y in batches:
            before = {name: p.numpy(copy=True).astype(float) for name, p in net.named_parameters()}
            hidden = np.tanh(x.numpy() @ before["fc1.weight"].T + before["fc1.bias"])
            error = hidden @ before["fc2.weight"].T + before["fc2.bias"] - 1
            loss = float(run(x, y).item())
            after = {name: p.numpy(copy=True).astype(float) for name, p in net.named_parameters()}
            gradient = 2 * error.T @ hidden / error.size
            seen.append((loss, np.mean(error**2), before, after, gradient, hidden))
    with Reader(tmp_path / "r.tgr") as reader:
        history = History(reader)
        for facts, (loss, mean, before, after, gradient, hidden) in zip(history.facts(), seen, strict=True):
            items = {key[1]: item for key, item in facts.items.items() if not key[0]}
            assert items.keys() == before.keys()
            assert facts.loss == pytest.approx(loss)
            assert facts.loss == pytest.approx(mean, rel=1e-5)
            assert facts.rates == pytest.approx((0.05,), rel=1e-7)  # in float32, where a program needs no better
            for name, item in items.items():
                old, change = np.linalg.norm(before[name]), np.linalg.norm(after[name] - before[name])
                assert item.norm == pytest.approx(old, rel=1e-6)
                assert item.ratio == pytest.approx(np.log10(change / old), rel=1e-6)
            assert items["fc2.weight"].gradient_norm == pytest.approx(np.linalg.norm(gradient), rel=1e-4)
            tanh = next(item for key, item in facts.items.items() if key[1] == "tanh")
            assert tanh.flat == pytest.approx(np.mean(np.abs(hidden) > 0.97), abs=1e-6)


def test_statistics_tell_norms_too(session: Open) -> None:
    whole, less = session("training"), session("training", "stats")
    for a, b in zip(whole.history.facts(), less.history.facts(), strict=True):
        assert b.loss == pytest.approx(a.loss)
        assert b.rates == a.rates
        for x, y in zip(a.items.values(), b.items.values(), strict=True):
            assert y.norm == pytest.approx(x.norm)
            assert y.gradient_norm == pytest.approx(x.gradient_norm)
            assert (y.change, y.values) == (None, None)
            assert y.flat == x.flat
    view = view_train(less, less.run.resolve("t3"), PLAIN)
    assert "level stats" in view.note
    empty = session("training", "meta")
    assert view_train(empty, empty.run.resolve("t3"), PLAIN).loss.points == ()


def test_work_is_bounded_and_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from . import runs

    monkeypatch.setitem(runs.MAKERS, "training", lambda: runs.training(1000))
    looked = []
    look = History._look
    monkeypatch.setattr(History, "_look", lambda self, step: looked.append(step) or look(self, step))
    with Reader(make("training", tmp_path)) as reader:
        run = Session(reader)
        for moment in ("t0", "t1", "t500", "t999", "t500"):
            view = view_train(run, reader.resolve(moment), PLAIN)
        assert view.looked == tuple(range(0, 1000, 8))
        assert len(view.looked) <= POINTS
        assert len(looked) == len(set(looked)) == len(view.looked) + 3  # and t1, t500, t999, which were asked for
        assert run.history.left() == 0


def test_a_recording_that_is_still_growing(tmp_path: Path) -> None:
    path = make("training", tmp_path)
    with sqlite3.connect(path) as connection:
        connection.execute("DELETE FROM about WHERE key = 'finished'")
    connection.close()
    with Reader(path) as reader:
        history = History(reader)
        assert history.left() > 0
        list(history.facts())
        assert history.left() == 0  # the last step is never done with, and nobody waits for it
        assert history.of(39) is not history.of(39)
        assert history.of(38) is history.of(38)


def test_a_damaged_step_is_left_out(tmp_path: Path) -> None:
    path = make("training", tmp_path)
    with Reader(path) as reader:
        number = next(row.value for row in reader.rows(7) if row.op == "relu")
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE array SET data = zeroblob(length(data)) WHERE id = ?", (number,))
    connection.close()
    with Reader(path) as reader:
        view = view_train(Session(reader), reader.resolve("t3"), PLAIN)
        assert [step for step, _ in view.loss.points] == [step for step in range(40) if step != 7]


def test_gradients_that_are_to_be_predicted_do_not_show(session: Open) -> None:
    run = session("training")
    moment = run.run.resolve("t3")
    open_, hidden = (view_train(run, moment, Options(predict=predict)) for predict in (False, True))
    assert open_.lines[0].gradient_norm is not None
    text = to_json(hidden)
    for number in (open_.lines[0].gradient_norm, open_.lines[0].ratio, open_.total.now, open_.gradient.points[0][1]):
        assert repr(number) not in text
    assert hidden.gradients is None


def test_a_curve_goes_through_its_points() -> None:
    canvas = Canvas(50, 10, ASCII)
    draw_curve(canvas, 0, 0, 48, 10, Curve(((0, 0.0), (39, 9.0)), 0.0), (0, 39), 20)
    lines = canvas.text()
    assert (lines[9][8], lines[0][47]) == ("*", "*")
    assert (lines[0].split()[0], lines[9].split()[0]) == ("9", "0")
    assert all(line[8 + round(20 / 39 * 39)] in "|*" for line in lines)
    canvas = Canvas(50, 10, UNICODE)
    draw_curve(canvas, 0, 0, 48, 10, Curve(((0, 0.0), (39, 9.0)), 0.0), (0, 39), 20)
    assert canvas.text()[9][8] in "⣀⡠⡀"


def test_the_line_at_minus_three_is_always_to_be_seen() -> None:
    for values in ((-2.0, -1.0), (-5.0, -4.0), (-3.0, -3.0)):
        canvas = Canvas(40, 6, ASCII)
        draw_curve(canvas, 0, 0, 40, 6, Curve(tuple(enumerate(values)), None), (0, 1), 0, -3.0)
        assert any(line.split()[0] == "-3" for line in canvas.text() if line)
    broken = Canvas(40, 6, ASCII)
    draw_curve(broken, 0, 0, 40, 6, Curve(((0, 1.0), (1, 2.0)), None, broken=(3,)), (0, 3), 0)
    assert "X" in broken.text()[0]


def test_a_heat_map_is_dark_where_most_numbers_are() -> None:
    canvas = Canvas(20, 4, ASCII)
    draw_heat(canvas, 0, 0, 20, 4, Heat(0.0, 1.0, ((0, (1, 0, 0, 0)), (1, (0, 0, 1, 4)))), (0, 1), 0)
    lines = canvas.text()
    assert (lines[3][9], lines[0][-1]) == ("@", "@")
    assert lines[1][-1] == "+"  # √(1/4) of the scale
    assert not {*lines[2][9:]} & {*ASCII.heat}
