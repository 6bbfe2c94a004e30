"""The numbers on the screens: checked against arithmetic done here, and against each other."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

import teachgrad as tg
from teachgrad import nn
from teachgrad.recording import Moment, Reader, Recorder, Row
from teachgrad_inspector import formulas
from teachgrad_inspector.numbers import nbytes, number, percent, shape, signed
from teachgrad_inspector.session import Session
from teachgrad_inspector.views.arrays import blocks, view_array
from teachgrad_inspector.views.chain import view_chain
from teachgrad_inspector.views.check import view_check
from teachgrad_inspector.views.options import Options
from teachgrad_inspector.views.paths import view_paths
from teachgrad_inspector.views.plain import to_json
from teachgrad_inspector.views.tape import view_tape
from teachgrad_inspector.views.terms import view_sum

PLAIN = Options()


@pytest.fixture
def recorded(tmp_path: Path) -> Iterator[Callable[[Callable[[], object]], Session]]:
    """Records what a function computes and opens it."""
    opened: list[Reader] = []

    def record(program: Callable[[], object]) -> Session:
        with Recorder(tmp_path / f"{len(opened)}.tgr", level="values"):
            program()
        opened.append(Reader(tmp_path / f"{len(opened)}.tgr"))
        return Session(opened[-1])

    yield record
    for run in opened:
        run.close()


def edges(session: Session) -> list[tuple[Row, Row]]:
    """All rows in which gradient flows, with the op that it flows out of."""
    found = []
    for step in range(session.run.steps):
        for row in session.run.step(step).rows:
            if row.kind == "edge":
                maker = session.maker(row.source or 0, Moment(step, row.row, row.phase))
                assert maker is not None
                found.append((row, maker))
    return found


# ---- the smallest graph ----------------------------------------------------------------------------------------------


def test_the_chain_rule_with_numbers(session: Callable[..., Session]) -> None:
    micrograd = session("micrograd")
    view = view_chain(micrograd, micrograd.run.resolve("t0/bwd/a.grad"), PLAIN)
    assert view.forward == "e = a · b = (2) · (-3) = -6"
    assert [(rule.left, rule.right) for rule in view.rules] == [("∂e/∂a", "b"), ("∂e/∂b", "a")]
    assert [(p.left, p.incoming, p.local, p.result, p.current) for p in view.products] == [
        ("∂L/∂a", -2.0, -3.0, 6.0, True), ("∂L/∂b", -2.0, 2.0, -4.0, False)]  # fmt: skip
    assert view.incoming is not None
    assert (view.incoming.symbol, view.incoming.value) == ("∂L/∂e", -2.0)
    assert view.ledger is not None
    assert [(e.contribution, e.before, e.after) for e in view.ledger.entries] == [(-2.0, 0.0, -2.0), (6.0, -2.0, 4.0)]
    assert (view.ledger.total, view.ledger.assigned) == (4.0, 6.0)


def test_all_paths(session: Callable[..., Session]) -> None:
    micrograd = session("micrograd")
    paths = view_paths(micrograd, micrograd.run.resolve("a"), 1)
    assert paths is not None
    assert {path.names: path.factors for path in paths.paths} == {
        ("a", "e", "d", "L"): (-3.0, 1.0, -2.0), ("a", "d", "L"): (1.0, -2.0)}  # fmt: skip
    assert paths.total == 4.0


def test_finite_differences_of_the_smallest_graph(session: Callable[..., Session]) -> None:
    micrograd = session("micrograd")
    end = micrograd.run.resolve("last")
    for vertex, gradient in ((1, 4.0), (2, -4.0), (5, -4.0), (3, -2.0), (4, -2.0)):
        check = view_check(micrograd, end, vertex, ())
        assert check.note == ""
        assert check.gradient == gradient
        assert check.estimate == pytest.approx(gradient, abs=1e-6)
        assert check.agrees


def test_a_wrong_gradient_is_found_out(tmp_path: Path) -> None:
    from teachgrad import observe
    from tests.recording.runs import edge, leaf, op, scalar, send

    with Recorder(tmp_path / "r.tgr", level="values"):
        leaf(1, 3.0, "x")
        op(2, "square", (1,), 9.0)
        send(observe.Seed(2, scalar(1.0)))
        send(observe.Backward(2, "square", scalar(1.0)))
        edge(2, 1, 0, 3.0, 3.0)  # 2x is 6
    with Reader(tmp_path / "r.tgr") as run:
        check = view_check(Session(run), run.resolve("last"), 1, ())
    assert check.estimate == pytest.approx(6.0)
    assert not check.agrees


def test_nothing_of_the_future_is_shown(session: Callable[..., Session]) -> None:
    micrograd = session("micrograd")
    view = view_tape(micrograd, micrograd.run.resolve("t0/bwd/9"), PLAIN, 30)
    values = {line.moment: line.value for line in view.strip.lines if line.moment}
    assert values["t0/bwd/9"] == "-2"
    assert all(values[f"t0/bwd/{row}"] == "" for row in (10, 11, 12))
    assert view.ledger is not None
    assert view.ledger.entries[1].contribution is None
    assert view.gradient.array is not None
    assert view.gradient.array.value == -2.0


def test_predict_hides_the_answer_everywhere(session: Callable[..., Session]) -> None:
    net = session("net")
    moment = net.run.resolve("t0/bwd/fc1.weight.grad")
    row = net.row(moment)
    answer = net.array(row.value)
    assert answer is not None
    hidden = Options(predict=True, check=True, narration=True)
    shown = Options(predict=True, revealed=frozenset({"value"}))
    for view in (view_chain, lambda *args: view_tape(*args, 30)):
        text, open_ = json.loads(to_json(view(net, moment, hidden))), json.loads(to_json(view(net, moment, shown)))
        norm = float(np.linalg.norm(answer))
        assert not _holds(text, norm)
        assert _holds(open_, norm)
        assert not any(_holds(text, value) for value in (0.75, 2.947456530637899))  # its mean, its standard deviation


def _holds(data: object, value: float) -> bool:
    if isinstance(data, dict):
        return any(_holds(item, value) for item in data.values())
    if isinstance(data, list):
        return any(_holds(item, value) for item in data)
    return isinstance(data, (int, float)) and not isinstance(data, bool) and abs(data - value) < 1e-9


# ---- tensors ---------------------------------------------------------------------------------------------------------


def test_a_contracted_sum(session: Callable[..., Session]) -> None:
    net = session("net")
    moment = net.run.resolve("t0/bwd/fc1.weight.grad[0,1]")
    view = view_chain(net, moment, PLAIN)
    assert view.sum is not None
    assert view.sum.formula == "fc1.weight.grad[0,1] = Σᵢ x[i,0] · z.grad[i,1]"
    x = np.array([[1.0, 2.0], [3.0, 0.0], [0.0, -1.0]])
    gradient = net.array(net.row(moment).incoming)
    assert gradient is not None
    products = sorted((x[:, 0] * gradient[:, 1]), key=abs, reverse=True)
    assert [term.product for term in view.sum.terms] == [p for p in products if p]
    assert view.sum.total == (x.T @ gradient)[0, 1] == view.sum.recorded
    assert view.shapes == "(3,2) @ (2,2) → (3,2)"


def _programs() -> dict[str, Callable[[], object]]:
    def tensor(*lengths: int, seed: int = 0) -> tg.Tensor:
        values = np.random.default_rng(seed).normal(size=lengths) * 0.7 + 0.4
        return tg.tensor(values, requires_grad=True)

    def weighted(y: tg.Tensor) -> None:
        w = tg.tensor(np.random.default_rng(9).normal(size=y.shape))
        tg.sum(y * w).backward()

    return {
        "matmul": lambda: weighted(tensor(4, 3) @ tensor(3, 5, seed=1)),
        "matmul of a batch": lambda: weighted(tensor(2, 4, 3) @ tensor(3, 5, seed=1)),
        "matmul of vectors": lambda: weighted(tensor(4, 3) @ tensor(3, seed=1)),
        "linear": lambda: weighted(nn.functional.linear(tensor(4, 3), tensor(5, 3, seed=1), tensor(5, seed=2))),
        "linear without bias": lambda: weighted(nn.functional.linear(tensor(4, 3), tensor(5, 3, seed=1))),
        "linear of a batch": lambda: weighted(nn.functional.linear(tensor(2, 4, 3), tensor(5, 3, seed=1))),
        "broadcasting": lambda: weighted(tensor(4, 3) * tensor(3, seed=1) + tensor(4, 1, seed=2) / tensor(seed=3)),
        "functions": lambda: weighted(tg.exp(tg.tanh(tensor(3, 2))) - tg.log(tg.exp(tensor(3, 2, seed=1)))),
        "reductions": lambda: weighted(tg.mean(tensor(4, 3), axis=0) + tg.max(tensor(4, 3, seed=1), axis=0)),
        "shapes": lambda: weighted(tg.reshape(tensor(4, 3), (2, 6)) @ tg.permute_dims(tensor(5, 6, seed=1), (1, 0))),
        "indexing": lambda: weighted(tensor(6, 3)[1:5:2] * tensor(6, 3, seed=1)[[0, 0]]),
        "where": lambda: weighted(tg.where(tensor(4) > 0.5, tensor(4, seed=1), tensor(4, seed=2))),
        "cross entropy": lambda: nn.functional.cross_entropy(tensor(4, 3), tg.tensor([0, 2, 1, 1])).backward(),
        "reuse": lambda: weighted((lambda x: x * x + tg.tanh(x) @ x)(tensor(3, 3))),
        "two backward passes": lambda: [weighted(tensor(2, 2, seed=i)) for i in range(2)],
        "integers and casts": lambda: weighted(tg.astype(tensor(3), tg.float32) * tg.tensor(np.arange(3, dtype="f4"))),
    }


@pytest.mark.parametrize("name", list(_programs()))
def test_every_contribution_is_the_sum_that_is_shown(
    name: str, recorded: Callable[[Callable[[], object]], Session]
) -> None:
    session = recorded(_programs()[name])
    flows = edges(session)
    assert flows
    for row, op in flows:
        contribution = session.array(row.delta)
        assert contribution is not None
        for flat in {0, contribution.size // 2, contribution.size - 1}:
            element = tuple(int(i) for i in np.unravel_index(flat, contribution.shape))
            result = view_sum(session, row, op, element)
            assert result is not None, op.op
            assert result.total == pytest.approx(float(contribution[element]), rel=1e-6, abs=1e-7)
            assert result.recorded == float(contribution[element])
            assert sum(term.product for term in result.terms) == pytest.approx(result.total) or result.count > 5
            for term in result.terms:
                assert term.product == pytest.approx(term.gradient * term.local)


@pytest.mark.parametrize("name", list(_programs()))
def test_finite_differences_agree_with_every_gradient(
    name: str, recorded: Callable[[Callable[[], object]], Session]
) -> None:
    session = recorded(_programs()[name])
    for row, _ in edges(session):
        contribution = session.array(row.delta)
        assert contribution is not None
        element = tuple(int(i) for i in np.unravel_index(contribution.size // 2, contribution.shape))
        check = view_check(session, row.moment, row.vertex, element)
        assert check.note == ""
        assert check.agrees, check


def test_finite_differences_show_truncation_and_rounding(recorded: Callable[[Callable[[], object]], Session]) -> None:
    session = recorded(lambda: tg.exp(tg.tensor(1.0, dtype=tg.float64, requires_grad=True)).backward())
    row, _ = edges(session)[0]
    check = view_check(session, row.moment, row.vertex, ())
    errors = [abs(item.value - np.e) for item in check.differences]
    assert errors[0] > errors[1] > errors[2] > errors[3]  # h² rules: 1e-1 to 1e-4
    assert errors[0] / errors[1] == pytest.approx(100, rel=0.1)
    assert errors[-1] > min(errors)  # and rounding in the end
    assert check.error is not None
    assert check.error < 1e-9


def test_the_mlp_demo_holds_together(tmp_path: Path) -> None:
    from teachgrad_inspector.demos import write_demo

    write_demo("mlp", tmp_path / "mlp.tgr")
    with Reader(tmp_path / "mlp.tgr") as run:
        session = Session(run)
        assert run.steps == 5
        names = [run.label(row) for row in run.rows(0)]
        assert [name for name in names if name.endswith(".grad")] == [
            "loss.grad", "logits.grad", "fc2.bias.grad", "fc2.weight.grad", "h.grad", "z.grad", "fc1.bias.grad",
            "fc1.weight.grad"]  # fmt: skip
        assert {"x", "y", "z", "h", "logits", "loss", "fc1.weight"} <= set(names)
        for address in ("t4/bwd/fc1.weight.grad", "t4/bwd/fc2.bias.grad", "t2/bwd/h.grad"):
            moment = run.resolve(address)
            view = view_chain(session, moment, Options(check=True))
            assert view.check is not None
            assert view.check.agrees
            assert view.sum is not None
            assert view.sum.total == pytest.approx(view.sum.recorded or 0, rel=1e-4)
        update = view_chain(session, run.resolve("t1/upd/fc1.weight"), PLAIN)
        assert any(fact.startswith("change / gradient = -0.5 ") for fact in update.facts)


def test_levels_without_values_say_so(session: Callable[..., Session]) -> None:
    net = session("net", "stats")
    moment = net.run.resolve("t0/bwd/fc1.weight.grad")
    view = view_chain(net, moment, Options(check=True))
    assert view.sum is None
    assert view.contribution is not None
    assert view.contribution.statistics is not None
    assert "level stats" in view.contribution.note
    check = view_check(net, moment, net.row(moment).vertex, (0, 0))
    assert "no recorded gradient" in check.note


# ---- words and numbers -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("op", "edge", "text"), [
    ("multiply", 0, "b"), ("divide", 1, "-z/b"), ("power", 0, "b·a^(b - 1)"), ("square", 0, "2·a"),
    ("tanh", 0, "1 - z²"),    ("matmul", 1, "aᵀ"), ("linear", 1, "a"), ("no such op", 0, None),
])  # fmt: skip
def test_local_derivatives_in_the_names_at_hand(op: str, edge: int, text: str | None) -> None:
    names = ["a", "b", "c"][: {"square": 1, "tanh": 1, "linear": 3}.get(op, 2)]
    assert formulas.derivative(op, edge, names, "z") == text


@pytest.mark.parametrize(("op", "names", "text"), [
    ("multiply", ["a", "b"], "a · b"), ("matmul", ["x", "W"], "x @ W"), ("linear", ["x", "W", "b"], "x @ Wᵀ + b"),
    ("linear", ["x", "W"], "x @ Wᵀ"), ("tanh", ["x"], "tanh(x)"), ("unheard_of", ["x"], "unheard_of(x, axis=1)"),
])  # fmt: skip
def test_forward_expressions(op: str, names: list[str], text: str) -> None:
    assert formulas.expression(op, names, {"axis": 1} if op == "unheard_of" else {}) == text


def test_numbers_as_text() -> None:
    assert [number(x) for x in (-6.0, 0.34657, 1.23e-5, float("nan"), 1e9, -0.0, 123456.0, True)] == [
        "-6", "0.3466", "1.23e-5", "nan", "1e+9", "0", "123456", "True"]  # fmt: skip
    assert [signed(x) for x in (6, -2, 0, float("inf"))] == ["+6", "-2", "0", "+inf"]
    assert [shape(x) for x in ((), (3,), (2, 3))] == ["()", "(3,)", "(2,3)"]
    assert [nbytes(x) for x in (96, 8192, 1_400_000, 5 * 10**12)] == ["96 B", "8.2 kB", "1.4 MB", "5000.0 GB"]
    assert [percent(x) for x in (0.47, 0.003, 0.0, 1.0)] == ["47%", "0.3%", "0%", "100%"]


def test_blocks_are_means() -> None:
    matrix = np.arange(35.0).reshape(5, 7)
    result = blocks(matrix, 2, 3)
    assert result.shape == (3, 3)
    assert result[0, 0] == matrix[:2, :3].mean()
    assert result[2, 2] == matrix[4:, 6:].mean()
    assert blocks(matrix, 1, 1) is matrix


def test_a_histogram_counts_every_element(recorded: Callable[[Callable[[], object]], Session]) -> None:
    values = np.random.default_rng(0).normal(size=(40, 50))
    session = recorded(lambda: tg.exp(tg.tensor(values, requires_grad=True)))
    view = view_array(session, session.run.step(0).rows[0].value)
    assert view is not None
    assert view.histogram is not None
    assert sum(view.histogram.counts) == values.size
    expected, _ = np.histogram(values, 64, (values.min(), values.max()))
    assert view.histogram.counts == tuple(expected)
    assert view.grid is not None
    assert view.grid.cells[3][4] == values[3, 4]
