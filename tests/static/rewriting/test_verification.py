"""Twelve planted bugs, each found by `verify=True`, which names the culprit; and silence on what is healthy.

A wrong C snippet is a wrong kernel of an executor; here a broken NumPy executor stands for it, since what is compared
is any program with the interpreter.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import teachgrad as tg
from teachgrad import compiled, observe, passes, verification
from teachgrad.errors import VerificationError
from teachgrad.executors import numpy as numpy_executor
from teachgrad.op import REGISTRY, Op
from teachgrad.ops.elementwise import add, exp, sqrt, subtract, tanh
from teachgrad.ops.elementwise_op import Binary, Unary
from teachgrad.passes.rewriting import rewrite
from teachgrad.signature import Fit
from tests.op_samples import SAMPLES, Sample
from tests.test_ops import loss_of, results

X = np.linspace(-1.0, 2.0, 12).reshape(3, 4)


@pytest.fixture(autouse=True)
def known_ops() -> Iterator[None]:
    """Ops that a test makes are gone after it."""
    before = set(REGISTRY)
    yield
    for name in set(REGISTRY) - before:
        del REGISTRY[name]


def found(f: Callable[..., Any], *arrays: Any, level: str = "O2", requires_grad: bool = False) -> str:
    """What verification says of a function."""
    xs = [tg.tensor(a, dtype="float64", requires_grad=requires_grad) for a in arrays]
    tg.static(f, level=level)(*xs)  # without verification nobody notices
    with pytest.raises(VerificationError) as caught:
        tg.static(f, level=level, verify=True)(*xs)
    return str(caught.value)


def planted(forward: Callable[..., Any], **more: Any) -> Op:
    """An op of one input with this forward computation."""
    body = {"forward": forward, "name": "planted", "floating": True, "differentiable": False, "writes_out": False,
            "__doc__": "z = planted", **more}
    op: Op = type("Planted", (Unary,), body)()
    return op


# ---- the kit ---------------------------------------------------------------------------------------------------------

def test_wrong_rewrite(monkeypatch: pytest.MonkeyPatch) -> None:
    def tanh_is_exp(v: Any) -> Any:
        return exp(v.inputs[0]) if v.op is tanh else None

    def wrong(graph: Any, log: Any) -> Any:
        return rewrite(graph, "wrong", [tanh_is_exp], log)

    monkeypatch.setitem(passes.LEVELS, "O2", (wrong,))
    said = found(lambda x: tg.tanh(x), X)
    assert "tanh_is_exp (test_verification.py:" in said
    assert "of tanh at test_verification.py:" in said


def test_kernel_that_writes_its_input() -> None:
    def forward(self: Any, xp: Any, x: Any) -> Any:
        x[...] = x * 1.0 + 1e-3
        return x * 2.0

    op = planted(forward)
    assert "planted at test_verification.py:" in (said := found(lambda x: op(x * 1.5), X))
    assert "writes into its input 0" in said


def test_undeclared_view() -> None:
    op = planted(lambda self, xp, x: x[...])
    assert "shares memory with an input" in found(lambda x: op(x * 1.5), X)


def test_wrong_kernel_of_an_executor(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stands for the wrong C snippet."""
    class Broken(numpy_executor.Writer):
        def function(self, op: Op, v: Any, name: str) -> str:
            return super().function(subtract if op is add else op, v, name)

    monkeypatch.setattr(numpy_executor, "Writer", Broken)
    said = found(lambda x: tg.exp(x) + tg.tanh(x), X)
    assert "its add at test_verification.py:" in said


def test_order_dependent_reduction() -> None:
    def forward(self: Any, xp: Any, x: Any) -> Any:
        in_memory = x.ravel(order="K")
        return np.full(x.shape, (in_memory * np.arange(in_memory.size)).sum())

    op = planted(forward)
    assert "inputs lie transposed" in found(lambda x: op(x * 1.5), X)


def test_dtype_that_depends_on_the_layout() -> None:
    def forward(self: Any, xp: Any, x: Any) -> Any:
        return x.astype(np.int32 if x.flags.c_contiguous else np.int64)

    op = planted(forward, result=np.dtype(np.int32))
    assert "inputs lie transposed" in found(lambda x: op(x * 1.5), X)


def test_uninitialised_result() -> None:
    def forward(self: Any, xp: Any, x: Any) -> Any:
        z = xp.empty(x.shape, x.dtype)
        np.exp(x[:-1], out=z[:-1])
        return z

    op = planted(forward)
    with pytest.raises(VerificationError, match=r"planted .* (never wrote|another result)"):
        tg.static(lambda x: op(x * 1.5), verify=True)(tg.tensor(X))


def test_uninitialised_out() -> None:
    def forward(self: Any, xp: Any, x: Any, out: Any = None) -> Any:
        if out is None:
            return np.exp(x)
        np.exp(x[:-1], out=out[:-1])
        return out

    op = planted(forward, writes_out=True)
    with pytest.raises(VerificationError, match=r"planted .* leaves some as it was"):
        tg.static(lambda x: op(x * 1.5) * 1.0, verify=True)(tg.tensor(X))


def test_stride_off_by_one() -> None:
    def forward(self: Any, xp: Any, x: Any) -> Any:
        flat = np.lib.stride_tricks.as_strided(x, (x.size,), (x.itemsize,))  # as if there were no gaps
        return np.exp(flat.reshape(x.shape))

    op = planted(forward)
    said = found(lambda x: op(x * 1.5), np.linspace(0, 1, 6))
    assert "inputs lie with gaps" in said


def test_buffer_reused_early(monkeypatch: pytest.MonkeyPatch) -> None:
    right = compiled.plan_memory

    def early(graph: Any, mode: str) -> Any:
        plan = right(graph, mode)
        return replace(plan, slots={i: replace(slot, offset=0) for i, slot in plan.slots.items()})

    def f(x: Any) -> Any:
        a, b = tg.exp(x), tg.tanh(x)
        return (a * b) @ (a - b).T

    monkeypatch.setattr(compiled, "plan_memory", early)
    said = found(f, X)
    assert "the memory plan is wrong: tanh at test_verification.py:" in said
    assert "is written over exp at" in said


def test_wrong_vjp() -> None:
    def vjp(self: Any, g: Any, z: Any, x: Any) -> Any:
        return (g * (z * z),)

    op = planted(lambda self, xp, x: np.exp(x), differentiable=True, vjp=vjp)
    assert "planted at test_verification.py:" in (said := found(lambda x: op(x * 1.5), X))
    assert "its gradient rule gives" in said


def test_wrong_broadcast_reduction() -> None:
    class PlantedSum(Binary):
        r"""z = x + y"""

        ufunc = "add"

        def vjp(self, g: Any, z: Any, x: Any, y: Any) -> Any:
            return g, g.sum(1)  # y was repeated along axis 0

    op = PlantedSum()
    assert "planted_sum at test_verification.py:" in (said := found(lambda x, y: op(x, y), X[:, :3], X[0, :3]))
    assert "its gradient rule gives" in said


def test_stale_cache_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Fit, "holds", lambda self, leaves: True)
    factor = 2.0
    f = tg.static(lambda x: tg.exp(x) * factor, verify=True)
    f(tg.tensor(X))
    factor = 3.0
    with pytest.raises(VerificationError, match=r"stale: it has multiply at test_verification.py:"):
        f(tg.tensor(X))


@pytest.mark.parametrize("loop", [
    lambda body, x: tg.scan(lambda c, row: (body(c) + row, c), x[0], x),
    lambda body, x: tg.cond(x.sum() > 1e3, lambda a: a + 1, body, x),
    lambda body, x: tg.while_loop(lambda c: c.sum() > 1e3, body, x, max_steps=3),
])
def test_a_body_is_stale_if_what_is_in_it_has_changed(loop: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Fit, "holds", lambda self, leaves: True)
    factor = 2.0
    f = tg.static(lambda x: loop(lambda c: tg.tanh(c) * factor, x), verify=True)
    for _ in range(2):
        f(tg.tensor(X))
    factor = 3.0
    with pytest.raises(VerificationError, match=r"stale: it has \w+ at test_verification.py:"):
        f(tg.tensor(X))


def test_op_that_is_not_deterministic() -> None:
    rng = np.random.default_rng(0)
    op = planted(lambda self, xp, x: x + rng.standard_normal(x.shape))
    assert "another result on the same inputs" in found(lambda x: op(x * 1.5), X)


# ---- what is healthy -------------------------------------------------------------------------------------------------

def silent(sample: Sample, dtype: str, level: str = "O2") -> None:
    """Verify a sample with its gradient. Raises if anything is found."""
    arrays = [a.astype(dtype) if a.dtype.kind == "f" else a for a in sample.inputs]
    xs = [tg.tensor(a, requires_grad=sample.order > 0 and a.dtype.kind == "f") for a in arrays]

    def step(*xs: Any) -> Any:
        answer = sample.call(*xs)
        loss = loss_of(answer) if sample.order else None
        wrt = [x for x in xs if x.requires_grad]
        gradients = tg.grad(loss, wrt, allow_unused=True) if loss is not None else []
        return [*results(answer), *(g for g in gradients if g is not None)]

    try:
        with np.errstate(all="ignore"):
            tg.static(step, level=level, executor="numpy", verify=True)(*xs)
    except tg.TraceError:
        pass


@pytest.mark.parametrize("sample", SAMPLES[::9], ids=str)
def test_silent_on_healthy_ops(sample: Sample) -> None:
    silent(sample, "float64")


@pytest.mark.slow
@pytest.mark.parametrize(("dtype", "level"), [("float32", "O2"), ("float64", "O2"), ("float32", "O3")])
def test_silent_on_all_healthy_ops(dtype: str, level: str) -> None:
    for sample in SAMPLES:
        silent(sample, dtype, level)


def test_silent_where_ops_are_taken_apart() -> None:
    """At O3 a norm is made of sums that are taken in another order."""
    samples = [s for s in SAMPLES if any(word in s.name for word in ("layer_norm", "batch_norm", "cross_entropy"))]
    assert len(samples) > 3
    for sample in samples:
        silent(sample, "float32", "O3")


def step_of_adam(bias: Any, w: Any) -> Callable[..., Any]:
    """A step whose gradient for a bias is nothing but rounding: softmax does not notice what all scores have more."""
    optimizer = tg.optim.Adam([bias, w], lr=1e-2)

    def step(x: Any) -> Any:
        loss = (tg.nn.functional.softmax(x @ w + bias, axis=-1) ** 2).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    return step


def verify_adam() -> None:
    rng = np.random.default_rng(0)
    w = tg.tensor(rng.normal(size=(6, 5)).astype("f4"), requires_grad=True)
    bias = tg.tensor(np.float32(0.1), requires_grad=True)
    x = tg.tensor(rng.normal(size=(40, 6)).astype("f4"))
    tg.static(step_of_adam(bias, w), level="O3", executor="c", verify=True)(x)


def test_silent_on_a_step_that_makes_much_of_rounding(monkeypatch: pytest.MonkeyPatch) -> None:
    verify_adam()
    monkeypatch.setattr(verification, "spreads", lambda graph, leaves, values: {v.id: 0.0 for v in graph.order})
    with pytest.raises(VerificationError, match="the program is wrong"):  # so it is a step that needs them
        verify_adam()


def test_not_silent_on_a_wrong_op_in_such_a_step(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(type(sqrt), "c", "sqrt({x}) + 0.01f")
    with pytest.raises(VerificationError, match="its sqrt at"):
        verify_adam()


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize("row", [0, 2, -1])
def test_silent_on_a_row_of_an_embedding_that_gets_no_gradient(row: int, order: int) -> None:
    places = tg.tensor([0, 2, 2, 4])

    def gradient(table: Any) -> Any:
        z = (tg.tanh(tg.nn.functional.embedding(places, table, padding_idx=row)) ** 2).sum()
        for _ in range(order):
            z = tg.grad(z, table, create_graph=True).sum()
        return z

    table = tg.tensor(np.random.default_rng(0).normal(size=(5, 3)), requires_grad=True)
    assert tg.static(gradient, verify=True)(table).item() == gradient(table).item()


def test_errors_of_rewrites_are_written_down() -> None:
    x = tg.placeholder((5,), "float64", "x")
    f = tg.function([x], tg.log(1 + x), level="O2", verify=True)
    assert [entry.error for entry in f.rewrites] == [None]
    f(np.full(5, 1e-3))
    (entry,) = f.rewrites
    assert 0.0 < entry.error < 1e-15
    assert "log_of_one_plus" in str(entry)
    assert "error" in str(entry)


def test_later_calls_compare_the_traces() -> None:
    f = tg.static(lambda x: tg.exp(x) * 2.0, verify=True)
    for _ in range(3):
        f(tg.tensor(X))
    assert f.trace.calls == 3




def test_nobody_watching_sees_the_checks() -> None:
    seen: list[Any] = []
    f = tg.static(lambda x: tg.log(1 + x), level="O2", verify=True)
    with observe.watching(seen.append):
        f(tg.tensor(X + 2))
    ops = [event.op for event in seen if isinstance(event, observe.Forward)]
    assert ops == ["log1p"]
    before = len(seen)
    with observe.watching(seen.append):
        assert f.trace.near_misses == []
    assert len(seen) == before


def test_check_mode_allows_for_rounding_where_algebra_may_change_last_bits() -> None:
    x = tg.tensor(np.linspace(0.01, 0.9, 200))
    f = tg.static(lambda x: tg.log(1.0 + x) + x * x / x, level="O2")
    with tg.mode("check"):
        y = f(x)
    assert [entry.rule for entry in f.trace.rewrites]
    np.testing.assert_allclose(y.numpy(), np.log1p(x.numpy()) + x.numpy(), rtol=1e-13)

    wrong = tg.static(lambda x: tg.log(1.0 + x), level="O2")
    with tg.mode("check"), pytest.raises(tg.TraceError, match="TG-S14"):
        wrong(tg.tensor([1e-20]))  # the algebra gives 1e-20 where plain Python gives 0
