"""Where numbers come from: parts that add up, against NumPy and finite differences, down to inputs and samples."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import teachgrad as tg
from teachgrad import nn
from teachgrad.recording import Moment, Reader, Recorder
from teachgrad_inspector.session import Session
from teachgrad_inspector.views.explain import chosen_number, view_explain
from teachgrad_inspector.views.options import Options
from teachgrad_inspector.views.provenance import Origin, number_at, origin

Open = Callable[..., Session]
X, W1 = np.array([[1.0, 2.0], [3.0, 0.0], [0.0, -1.0]]), np.array([[1.0, -1.0], [0.0, 2.0]])
ALL = 1000


def of(session: Session, address: str, element: tuple[int, ...] = ()) -> Origin:
    moment = session.run.resolve(address)
    return origin(session, number_at(session, moment, element), ALL)


def test_a_gradient_is_the_sum_over_samples(session: Open) -> None:
    """dL/dW1[r,c] = Σ_i x[i,r] dL/dz[i,c]: each sample's part."""
    net = session("net")
    g = (np.array([[1.0], [-1.0], [2.0]]) @ np.array([[2.0, 1.0]])) * (X @ W1 > 0)
    for r in range(2):
        for c in range(2):
            found = of(net, "t0/bwd/fc1.weight.grad", (r, c))
            parts = X[:, r] * g[:, c]
            assert found.total == pytest.approx(parts.sum())
            assert found.gross == pytest.approx(np.abs(parts).sum())
            got = {source.number.element: source.part for source in found.sources}
            assert got == {(i, c): pytest.approx(parts[i]) for i in range(3) if parts[i]}
            for source in found.sources:
                i = source.number.element[0]
                assert (source.number.gradient, source.local, source.number.value) == (True, X[i, r], g[i, c])
                assert source.local_name == f"x[{i},{r}]"


def test_contributions_along_several_edges(session: Open) -> None:
    found = of(session("micrograd"), "t0/bwd/12")
    assert [source.part for source in found.sources] == [6.0, -2.0]
    assert (found.total, found.gross, found.exact) == (4.0, 8.0, True)
    first = of(session("micrograd"), "t0/bwd/9")  # before the second contribution
    assert [source.part for source in first.sources] == [-2.0]


def test_several_backward_passes_and_a_gradient_of_before_are_counted_once(tmp_path: Path) -> None:
    w = tg.tensor(3.0, requires_grad=True, dtype="float64", name="w")
    (w * 7).backward()
    with Recorder(tmp_path / "run.tgr", level="values"):
        (w * w).backward()
        (w * 5).backward()
        (w * w * w).backward()
    with Reader(tmp_path / "run.tgr") as run:
        session = Session(run)
        rows = [row for row in run.step(0).rows if row.of_gradient and row.vertex == run.step(0).rows[0].vertex]
        held = [session.scalar(row.value) for row in rows]
        assert held[-1] == 7 + 6 + 5 + 27
        for row, value in zip(rows, held, strict=True):
            found = of(session, f"t0/bwd/{row.row}")
            assert (found.total, found.exact) == (pytest.approx(value), True)
        lines = view_explain(session, run.resolve(f"t0/bwd/{rows[-1].row}"), Options()).lines
        assert lines[0].what.count("what it held before") == 1


def test_a_sum_is_its_terms_and_a_product_counts_for_each_factor(session: Open) -> None:
    net = session("net")
    z = X @ W1
    found = of(net, "t0/fwd/2", (0, 1))
    parts = {source.number.element: source.part for source in found.sources if source.number.vertex != 2}
    assert parts == {(0, k): pytest.approx(X[0, k] * W1[k, 1]) for k in range(2)}
    weights = {source.number.element: source.part for source in found.sources if source.number.vertex == 2}
    assert weights == {(k, 1): pytest.approx(X[0, k] * W1[k, 1]) for k in range(2)}
    assert found.total == pytest.approx(2 * z[0, 1])
    assert not found.exact
    assert of(net, "loss").exact
    assert of(net, "t0/fwd/0", (0, 0)).why == "a leaf: nothing computed it"


@pytest.mark.parametrize("function", [
    lambda x: tg.tanh(x), lambda x: nn.functional.softmax(x, axis=-1), lambda x: x / x.sum(axis=0),
    lambda x: nn.functional.layer_norm(x, (4,)), lambda x: x.mean(axis=0), lambda x: nn.functional.logsumexp(x, axis=1),
    lambda x: tg.permute_dims(x, (1, 0)), lambda x: x[1:],
])  # fmt: skip
def test_derivatives_against_finite_differences(function: Callable[[tg.Tensor], tg.Tensor], tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    values = rng.standard_normal((3, 4))
    with Recorder(tmp_path / "run.tgr", level="values"):
        z = function(tg.tensor(values, requires_grad=True) * 1.0)
    element = tuple(int(i) for i in np.unravel_index(1, z.shape))

    def at(shifted: np.ndarray) -> float:
        return float(function(tg.tensor(shifted)).numpy()[element])

    with Reader(tmp_path / "run.tgr") as run:
        session = Session(run)
        rows = list(run.rows(0))
        start = next(row for row in rows if row.op == "multiply")
        moment = run.at(0, rows[-1].row)
        waiting = [(number_at(session, moment, element), 1.0)]
        slopes = np.zeros_like(values)
        while waiting:  # the chain rule, by hand, from the last number down to those that went in
            number, factor = waiting.pop()
            if number.vertex == start.vertex:
                slopes[number.element] += factor
                continue
            waiting += [(source.number, factor * source.local) for source in origin(session, number, ALL).sources]
    for i in np.ndindex(*values.shape):
        shift = np.zeros_like(values)
        shift[i] = 1e-6
        assert slopes[i] == pytest.approx((at(values + shift) - at(values - shift)) / 2e-6, abs=1e-6)


def test_the_tree_reaches_the_inputs(session: Open) -> None:
    net = session("net")
    moment = net.run.resolve("loss")
    view = view_explain(net, moment, Options())
    assert view.title == "where loss comes from"
    assert view.exact
    assert {"x[1,0]", "fc1.weight[0,0]", "fc2.weight[0,0]"} <= {line.name for line in view.lines}
    assert view.lines[0].depth == 0
    assert all(line.share is not None and 0 <= line.share <= 1 for line in view.lines[1:])
    top = [line for line in view.lines if line.depth == 1]
    assert sum(line.part or 0 for line in top) + 0 == pytest.approx(view.total)
    for place, line in enumerate(view.lines):
        found = chosen_number(net, moment, Options(line=place))
        assert found is not None
        assert str(found) == line.moment
        at = net.run.step(0).rows[found.row]
        assert line.name.startswith(net.run.label(at))


def test_what_is_to_be_predicted_stays_hidden(session: Open) -> None:
    net = session("net")
    moment = net.run.resolve("t0/bwd/fc1.weight.grad")
    assert view_explain(net, moment, Options(predict=True)).lines == ()
    assert view_explain(net, moment, Options(predict=True, revealed=frozenset({"value"}))).lines


def test_without_elements_there_is_nothing_to_explain(session: Open) -> None:
    net = session("net", "stats")
    view = view_explain(net, Moment(0, 2, "fwd"), Options())
    assert "not recorded (level stats)" in view.note
