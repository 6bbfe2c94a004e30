"""Level O2 as a whole: the table of forms that overflow, their gradients, what is logged, and rules that fight."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import teachgrad as tg
from teachgrad import passes
from teachgrad.errors import TeachgradError
from teachgrad.nn import functional as F
from teachgrad.ops.activations import sigmoid
from teachgrad.ops.elementwise import add, exp, multiply, subtract
from teachgrad.ops.softmax import softmax
from teachgrad.passes import RULES
from teachgrad.passes.algebra import to_fixpoint
from teachgrad.passes.report import table
from teachgrad.passes.rewriting import rewrite
from teachgrad.passes.rules import EXACT, rule

INF, NAN = np.inf, np.nan


def run(f: Callable[..., Any], level: str, *arrays: Any) -> Any:
    """A function of tensors in float64 at a level."""
    with np.errstate(all="ignore"):
        return tg.static(f, level=level)(*(tg.tensor(a, dtype="float64") for a in arrays)).numpy()


def kernels(f: Any) -> int:
    return f.trace.costs[-1].kernels


TABLE = [
    ("log(1 + x)", lambda x: tg.log(1 + x), [1e-20], [0.0], [1e-20]),
    ("exp(x) - 1", lambda x: tg.exp(x) - 1, [1e-20], [0.0], [1e-20]),
    ("log(softmax(x))", lambda x: tg.log(softmax(x)), [1000, 0], [0, -INF], [0, -1000]),
    ("log(sum(exp(x)))", lambda x: tg.log(tg.sum(tg.exp(x))), [1000, 0], INF, 1000),
    ("log(sigmoid(x))", lambda x: tg.log(sigmoid(x)), [-800], [-INF], [-800]),
    ("exp(x)/(1 + exp(x))", lambda x: tg.exp(x) / (1 + tg.exp(x)), [800], [NAN], [1]),
]


@pytest.mark.parametrize(("name", "f", "x", "exact", "stable"), TABLE, ids=[row[0] for row in TABLE])
def test_the_table(name: str, f: Any, x: Any, exact: Any, stable: Any) -> None:
    for level, want in (("O0", exact), ("O1", exact), ("O2", stable)):
        assert np.array_equal(run(f, level, x), np.array(want, "f8"), equal_nan=True), level


def test_a_factor_that_cancels() -> None:
    """x*y/x: no kernel at all, y also at x = 0, and the log says that the domain grew there."""
    arrays = [0.0, 2.0], [5.0, 3.0]
    assert np.array_equal(run(lambda x, y: x * y / x, "O1", *arrays), [NAN, 3.0], equal_nan=True)
    f = tg.static(lambda x, y: x * y / x, level="O2")
    assert f(*(tg.tensor(a) for a in arrays)).numpy().tolist() == [5.0, 3.0]
    assert kernels(f) == 0
    (entry,) = f.trace.rewrites
    assert (entry.rule, entry.change.kernels) == ("factors_that_cancel", -2)
    assert "grows at x = 0" in entry.domain
    assert entry.where.file == __file__


# ---- gradients -------------------------------------------------------------------------------------------------------

HARD = np.array([[1000.0, 0.0, -1000.0], [0.3, -0.2, 0.9], [30.0, -40.0, 2.0]])
SMALL = np.array([[1e-20, 1e-9, 0.3], [-0.2, 0.9, 2.0], [-1e-12, 5.0, 0.1]])
T = np.array([2, 0, 1])
Q = np.array([[0.2, 0.3, 0.5], [1.0, 0.0, 0.0], [0.0, 0.5, 0.5]])


def torch_of(name: str) -> Callable[..., Any]:
    import torch

    nn = torch.nn.functional
    return {
        "log1p": torch.log1p, "expm1": torch.expm1, "softplus": lambda x: torch.logaddexp(x, 0 * x),
        "log_softmax": lambda x: torch.log_softmax(x, -1), "log_softmax_0": lambda x: torch.log_softmax(x, 0),
        "logsumexp": lambda x: torch.logsumexp(x, -1), "logsumexp_all": lambda x: torch.logsumexp(x, (0, 1)),
        "logsigmoid": nn.logsigmoid, "sigmoid": torch.sigmoid, "log_minus": lambda x: nn.logsigmoid(-x),
        "logaddexp": lambda x: torch.logaddexp(x, 2 * x[:1]), "softmax": lambda x: torch.softmax(x, -1),
        "cross_entropy": lambda x: nn.cross_entropy(x, torch.tensor(T)),
        "first": lambda x: -torch.log_softmax(x, -1)[0, 1],
        "soft": lambda x: nn.cross_entropy(x, torch.tensor(Q)),
        "bce": lambda x: nn.binary_cross_entropy_with_logits(x, torch.tensor(Q)),
    }[name]


WRITTEN: list[tuple[str, str, Callable[[Any], Any], Any]] = [
    ("log(1 + x)", "log1p", lambda x: tg.log(1 + x), SMALL),
    ("log(x + ones)", "log1p", lambda x: tg.log(x + tg.ones((3, 1), dtype=x.dtype)), SMALL),
    ("exp(x) - 1", "expm1", lambda x: tg.exp(x) - 1, SMALL),
    ("log softmax", "log_softmax", lambda x: tg.log(softmax(x)), HARD),
    ("log softmax over axis 0", "log_softmax_0", lambda x: tg.log(softmax(x, 0)), HARD),
    ("log of a quotient", "log_softmax", lambda x: tg.log(tg.exp(x) / tg.exp(x).sum(-1, keepdims=True)), HARD),
    ("log of a quotient over axis 0", "log_softmax_0", lambda x: tg.log(tg.exp(x) / tg.exp(x).sum(0)), HARD),
    ("a quotient", "softmax", lambda x: tg.exp(x) / tg.exp(x).sum(-1)[:, None], HARD),
    ("log-sum-exp", "logsumexp", lambda x: tg.log(tg.exp(x).sum(-1)), HARD),
    ("log-sum-exp, axes kept", "logsumexp", lambda x: tg.log(tg.exp(x).sum(-1, keepdims=True)).reshape(3), HARD),
    ("log-sum-exp of all", "logsumexp_all", lambda x: tg.log(tg.exp(x).sum()), HARD),
    ("log sigmoid", "logsigmoid", lambda x: tg.log(sigmoid(x)), HARD),
    ("log(1/(1 + exp(-x)))", "logsigmoid", lambda x: tg.log(1 / (1 + tg.exp(-x))), HARD),
    ("exp(x)/(1 + exp(x))", "sigmoid", lambda x: tg.exp(x) / (1 + tg.exp(x)), HARD),
    ("1/(1 + exp(-x))", "sigmoid", lambda x: 1 / (1 + tg.exp(-x)), HARD),
    ("log(1 + exp(x))", "softplus", lambda x: tg.log(1 + tg.exp(x)), HARD),
    ("log(1 - sigmoid(x))", "log_minus", lambda x: tg.log(1 - sigmoid(x)), HARD),
    ("log(exp(x) + exp(y))", "logaddexp", lambda x: tg.log(tg.exp(x) + tg.exp(2 * x[:1])), HARD),
    ("nll of log softmax", "cross_entropy", lambda x: F.nll_loss(tg.log(softmax(x)), tg.tensor(T)), HARD),
    ("nll of log of a quotient", "cross_entropy",
     lambda x: F.nll_loss(tg.log(tg.exp(x) / tg.exp(x).sum(1, keepdims=True)), tg.tensor(T)), HARD),
    ("picked log softmax", "cross_entropy", lambda x: -tg.log(softmax(x))[tg.arange(3), tg.tensor(T)].mean(), HARD),
    ("one row picked by numbers", "first",
     lambda x: -tg.log(tg.exp(x) / tg.exp(x).sum(-1, keepdims=True))[0, 1], HARD),
    ("one-hot", "cross_entropy",
     lambda x: -(F.one_hot(tg.tensor(T), 3) * tg.log(softmax(x))).sum(-1).mean(), HARD),
    ("soft targets", "soft", lambda x: -(tg.tensor(Q, dtype=x.dtype) * tg.log(softmax(x))).sum() / 3, HARD),
    ("binary cross-entropy", "bce",
     lambda x: -(tg.tensor(Q) * tg.log(sigmoid(x)) + (1 - tg.tensor(Q)) * tg.log(1 - sigmoid(x))).mean(), HARD),
]


@pytest.mark.oracles("torch")
@pytest.mark.parametrize(("name", "stable", "f", "x"), WRITTEN, ids=[row[0] for row in WRITTEN])
@pytest.mark.parametrize("tame", [False, True], ids=["hard", "tame"])
def test_value_and_gradient_traced_together(name: str, stable: str, f: Any, x: Any, tame: bool) -> None:
    """Both as torch has them in its stable form, at the points where the textbook's form overflows."""
    import torch

    if tame:
        x = np.random.default_rng(1).uniform(-0.9, 3.0, (3, 3))

    def both(x: Any) -> Any:
        y = f(x)
        weights = tg.tensor(np.cos(np.arange(y.size)).reshape(y.shape))
        return y, tg.grad((y * weights).sum(), x)

    step = tg.static(both, level="O2")
    with np.errstate(all="ignore"):
        y, g = step(tg.tensor(x, requires_grad=True))
    u = torch.tensor(x, requires_grad=True)
    want = torch_of(stable)(u)
    (want * torch.cos(torch.arange(want.numel(), dtype=torch.float64)).reshape(want.shape)).sum().backward()
    for got, expected in ((y.numpy(), want.detach().numpy()), (g.numpy(), u.grad.numpy())):
        assert np.abs(got - expected).max() <= 1e-12 * max(1.0, np.abs(expected).max()), str(step.graph)


# ---- seeing through --------------------------------------------------------------------------------------------------

def ops_of(f: Any, *arrays: Any, dtype: str = "float64") -> list[str]:
    """The ops of a function at O2."""
    step = tg.static(f, level="O2")
    with np.errstate(all="ignore"):
        step(*(tg.tensor(a, dtype=dtype) for a in arrays))
    return [v.op.name for v in step.graph.order]


X = np.arange(12.0).reshape(3, 4) / 6 - 1


@pytest.mark.parametrize(("f", "ops"), [
    (lambda x: tg.log(tg.broadcast_to(tg.tensor(1.0, dtype=x.dtype), (3, 4)) + x), ["log1p"]),
    (lambda x: tg.log(tg.ones((3, 4), dtype=x.dtype) + x), ["log1p"]),
    (lambda x: tg.log(1.0 - x), ["negative", "log1p"]),
    (lambda x: tg.log(softmax(x).reshape(12)), ["log_softmax", "reshape"]),
    (lambda x: tg.negative(-x), []),
    (lambda x: (x + 0.0) * 1.0 / 1.0, []),
    (lambda x: x.T.T.reshape(12).reshape(3, 4), []),
    (lambda x: (x * 3.0).sum() * 2.0, ["sum", "multiply"]),
    (lambda x: tg.broadcast_to(x, (5, 3, 4)).sum(0) / 5.0, []),
    (lambda x: tg.exp(tg.broadcast_to(x[:, :1], (3, 4))), ["get_item", "exp", "broadcast_to"]),
    (lambda x: (x * x).sum(), ["reshape", "matmul"]),
    (lambda x: (x[:, :, None] * x.T[None]).sum(1), ["permute_dims", "matmul"]),
    (lambda x: x ** 3 / x ** 2, []),
    (lambda x: x.sum(0, keepdims=True).sum(), ["sum"]),
    (lambda x: tg.exp(x) * tg.exp(-x), []),
    (lambda x: tg.sqrt(tg.square(x)), ["abs"]),
])
def test_what_remains(f: Any, ops: list[str]) -> None:
    assert ops_of(f, X) == ops


@pytest.mark.parametrize("f", [
    lambda x, t: F.nll_loss(tg.log(softmax(x)), t),
    lambda x, t: F.nll_loss(tg.log(tg.exp(x) / tg.exp(x).sum(-1, keepdims=True)), t),
    lambda x, t: -(F.one_hot(t, 4) * tg.log(softmax(x))).sum(-1).mean(),
])
def test_softmax_cross_entropy_is_one_op_and_so_is_its_gradient(f: Any) -> None:
    def step(x: Any, t: Any) -> Any:
        loss = f(x, t)
        return loss, tg.grad(loss, x)

    step = tg.static(step, level="O2")
    step(tg.tensor(X, requires_grad=True), tg.tensor([0, 1, 3]))
    ops = [v.op.name for v in step.graph.order if not v.op.view]
    assert ops.count("cross_entropy") == 1
    assert "log" not in ops
    assert "exp" not in ops


def test_values_that_are_used_elsewhere_are_not_made_twice() -> None:
    """exp(x) is needed anyway: softmax would compute it a second time, one kernel more in all, and no more."""
    def f(x: Any) -> Any:
        e = tg.exp(x)
        return e / e.sum(-1, keepdims=True), e

    step = tg.static(f, level="O2")
    step(tg.tensor(X))
    assert sorted(v.op.name for v in step.graph.order) == ["exp", "softmax"]

    def g(x: Any, y: Any) -> Any:
        z = (x + y) * (x - y)
        return 2.0 * z, 3.0 * (2.0 * z), (z + x) - x

    step = tg.static(g, level="O2")
    step(tg.tensor(X), tg.tensor(X))
    assert [v.op.name for v in step.graph.order].count("subtract") == 1
    assert kernels(step) == 5


def test_a_replacement_that_costs_more_is_a_near_miss() -> None:
    def f(x: Any, y: Any) -> Any:
        a, b = x * y, x * tg.exp(y)
        return a + b, a, b

    step = tg.static(f, level="O2")
    step(tg.tensor(X), tg.tensor(X))
    assert [v.op.name for v in step.graph.order] == ["multiply", "exp", "multiply", "add"]
    assert any(m.rule == "like_terms" and "used elsewhere" in m.reason for m in step.trace.near_misses)


# ---- the log ---------------------------------------------------------------------------------------------------------

def test_the_log_says_what_why_where_and_what_it_is_worth() -> None:
    step = tg.static(lambda x: tg.log(tg.exp(x).sum(-1)), level="O2")
    step(tg.tensor(X, dtype="float64"))
    (entry,) = step.trace.rewrites
    assert (entry.pass_name, entry.rule, entry.before.op.name, entry.after.op.name) == \
        ("stabilise", "log_sum_exp", "log", "logsumexp")
    assert entry.rule_where == RULES["log_sum_exp"].where
    assert entry.where.file == __file__
    assert (entry.change.vertices, entry.change.kernels) == (-2, -2)
    x, e, s = 12 * 8, 12 * 8, 3 * 8
    assert entry.change.bytes == (x + s) - (x + e) - (e + s) - (s + s)
    assert entry.error is None
    first, *_, last = step.trace.costs
    assert (first.name, first.vertices, first.kernels) == ("recorded", 3, 3)
    assert (last.vertices, last.kernels, last.peak_bytes) == (1, 1, 0)
    assert first.peak_bytes > 0
    assert len(table(step.trace.moments).splitlines()) == len(step.trace.moments) + 1


def test_near_misses_say_why() -> None:
    step = tg.static(lambda x: softmax(x - x.max(0, keepdims=True)), level="O2")
    step(tg.tensor(X))
    (miss,) = [m for m in step.trace.near_misses if m.rule == "shift_of_softmax"]
    assert "axis 1" in miss.reason
    assert miss.where.file == __file__
    assert "shift_of_softmax not at softmax" in str(miss)


def test_functions_have_the_log_too() -> None:
    x = tg.placeholder((3,), "float64", "x")
    f = tg.function([x], tg.log(1 + x), level="O2")
    assert [entry.rule for entry in f.rewrites] == ["log_of_one_plus"]
    assert f.costs[-1].kernels == 1
    assert f.near_misses == []
    assert f(np.full(3, 1e-20)).numpy().tolist() == [1e-20] * 3


# ---- rules that fight ------------------------------------------------------------------------------------------------

@pytest.fixture
def undeclared() -> Any:
    """Rules that a test declares are gone after it."""
    before = set(RULES)
    yield
    for name in set(RULES) - before:
        del RULES[name]


def graph_of(f: Any) -> Any:
    x = tg.placeholder((3,), "float64", "x")
    y = tg.placeholder((3,), "float64", "y")
    return tg.function([x, y], f(x, y), level="O0").graph


def test_rules_that_fight_over_a_vertex_are_named(undeclared: Any) -> None:
    @rule(add, cost="", bound=EXACT, source="")
    def one_way(v: Any) -> Any:
        """x + y = y + x"""
        return add(v.inputs[1], v.inputs[0]) if v.inputs[0].id < v.inputs[1].id else None

    @rule(add, cost="", bound=EXACT, source="")
    def other_way(v: Any) -> Any:
        """y + x = x + y"""
        return add(v.inputs[1], v.inputs[0]) if v.inputs[0].id > v.inputs[1].id else None

    with pytest.raises(TeachgradError, match=r"circles at add \(test_level.py:\d+\): \w+_way \(.*\) and \w+_way"):
        rewrite(graph_of(lambda x, y: x + y), "fight", [one_way, other_way], [])


def test_rules_that_fight_over_rounds_are_named(undeclared: Any) -> None:
    @rule(multiply, cost="", bound=EXACT, source="", grows=1)
    def spread(v: Any) -> Any:
        """x y = x y + 0·x"""
        return subtract(exp(v.inputs[0]), v.inputs[1])

    @rule(subtract, cost="", bound=EXACT, source="", grows=1)
    def gather(v: Any) -> Any:
        """x y + 0·x = x y"""
        return multiply(v.inputs[0].inputs[0], v.inputs[1]) if v.inputs[0].op is exp else None

    with pytest.raises(TeachgradError, match=r"at .*test_level.py:\d+.*(spread.*gather|gather.*spread)"):
        to_fixpoint(graph_of(lambda x, y: x * y), "fight", [spread, gather], [])


def test_a_rule_must_keep_shape_and_say_what_it_is(undeclared: Any) -> None:
    @rule(multiply, cost="", bound=EXACT, source="")
    def shrinks(v: Any) -> Any:
        """x y = x"""
        return v.inputs[0][:1]

    with pytest.raises(TeachgradError, match=r"rule shrinks \(test_level.py:\d+\) replaced multiply"):
        rewrite(graph_of(lambda x, y: x * y), "wrong", [shrinks], [])
    with pytest.raises(TeachgradError, match="already a rule"):
        rule(multiply, cost="", bound=EXACT, source="")(shrinks.function)
    with pytest.raises(TeachgradError, match="no statement"):
        rule(multiply, cost="", bound=EXACT, source="")(lambda v: None)


def test_a_level_is_a_fixpoint() -> None:
    """The passes of O2 find nothing to do in what they have made."""
    for name, f in [(row[0], row[1]) for row in TABLE] + [(row[0], row[2]) for row in WRITTEN]:
        step = tg.static(lambda x, f=f: tg.grad(f(x).sum(), x), level="O2")
        with np.errstate(all="ignore"):
            step(tg.tensor(SMALL, dtype="float64", requires_grad=True))
        _, log = passes.optimize(step.graph, "O2")
        assert [entry.rule for entry in log] == [], name




def test_what_died_and_is_wanted_again_is_computed_again() -> None:
    """A rule of an exact pass may answer with an earlier vertex that nobody needed any more."""
    def f(x: Any) -> Any:
        y = tg.exp(x)
        for _ in range(6):
            y = y.permute_dims(0)
        return y[:, None] + x

    for level in passes.LEVELS:
        x = tg.tensor([1.0, 2.0])
        assert np.allclose(tg.static(f, level=level, verify=True)(x).numpy(), f(x).numpy(), rtol=1e-6, atol=0), level
