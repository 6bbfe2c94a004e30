"""Every op through every check: forward, shape rule, gradients of first and second order, static levels, PyTorch."""

from __future__ import annotations

import ast
from typing import Any

import numpy as np
import pytest

import teachgrad as tg
import tests.arrays.samples  # noqa: F401  (adds its rows to the table)
from teachgrad import observe
from teachgrad.op import REGISTRY, Spec
from teachgrad.static import StaticFunction
from tests.op_samples import SAMPLES, Sample

IDS = [str(s) for s in SAMPLES]


def tensors(sample: Sample, requires_grad: bool = False) -> list[tg.Tensor]:
    return [tg.tensor(a, requires_grad=requires_grad and a.dtype.kind == "f") for a in sample.inputs]


def results(answer: Any) -> list[tg.Tensor]:
    return list(answer) if isinstance(answer, (tuple, list)) else [answer]


def loss_of(answer: Any) -> Any:
    """A number that depends on every element of every result, differently."""
    total = None
    for number, r in enumerate(r for r in results(answer) if r.requires_grad):
        weights = np.cos(np.arange(r.size, dtype=np.float64) + number).reshape(r.shape)
        part = (r * tg.tensor(weights)).sum()
        total = part if total is None else total + part
    return total


def ops_run_by(sample: Sample) -> set[str]:
    """The names of all ops that a sample runs: forward, backward, and backward through that."""
    seen: set[str] = set()

    def watch(event: observe.Event) -> None:
        if isinstance(event, observe.Forward):
            seen.add(event.op)

    xs = tensors(sample, requires_grad=sample.order > 0)
    with observe.watching(watch):
        answer = sample.call(*xs)
        loss = loss_of(answer) if sample.order else None
        if loss is not None:
            wrt = [x for x in xs if x.requires_grad]
            gradients = tg.grad(loss, wrt, create_graph=True, allow_unused=True)
            again = [g for g in gradients if g is not None and g.requires_grad]
            if sample.order > 1 and again:
                tg.grad(loss_of(again), wrt, create_graph=True, allow_unused=True)
    return seen


WITHOUT_SAMPLES = {
    "static_call": "a call of a static function (tests/static)",
    "to_device": "between devices, of which there is one (tests/gpu/test_device.py)",
    "made": "what follows from open sizes alone (tests/static/dims)",
    "renew": "what an overwritten leaf is in a trace (tests/static)",
    "stop_gradient": "what detach() is in a trace (tests/core/test_inplace.py)",
    "once": "what a user's own function is (tests/arrays/test_function.py)",
    **dict.fromkeys(("cond", "scan", "while_gradient", "while_loop", "sections", "join_sections"),
                    "loops and branches, in a static graph (tests/static/test_control.py)"),
    "recompute": "code that runs again; watchers are told what it runs (tests/passes/test_checkpoint.py)",
    "next_step": "the counter of random numbers (tests/arrays/test_random.py)",
    **{f"random_{kind}": "different at every call (tests/arrays/test_random.py)" for kind in
       ("bernoulli", "integers", "normal", "permutation", "uniform")},
    **dict.fromkeys((
        "adadelta_scaled", "adagrad_update", "adam_update", "add_square_update", "average_update", "count_update",
        "momentum_update", "nesterov_update", "rms_scaled", "sgd_update", "square_update",
    ), "the arithmetic of an optimizer (tests/optim)"),
    "keep_scaled": "dropout, different at every call (tests/functional)",
    "within": "the check of targets, in what cross_entropy is taken apart into (tests/static/c)",
    "moments": "the running statistics of batch norm (tests/functional)",
    "write_view": "what a base is after a write through a view, in both modes (tests/core/test_inplace.py)",
}


def test_every_op_has_a_sample() -> None:
    seen: set[str] = set()
    for sample in SAMPLES:
        seen |= ops_run_by(sample)
    missing = sorted(set(REGISTRY) - seen - set(WITHOUT_SAMPLES))
    assert not missing, f"no sample in tests/op_samples.py runs {missing}"


@pytest.mark.parametrize("sample", SAMPLES, ids=IDS)
def test_shape_rule_and_static_levels(sample: Sample) -> None:
    """The shape rule says what comes out, for every op on the way; both levels keep every bit; nothing is modified."""
    if "value shape" in sample.tags:
        with pytest.raises(tg.TraceError, match="TG-S04"):
            tg.static(sample.call)(*tensors(sample))
        return

    def run(*xs: tg.Tensor) -> Any:
        answer = sample.call(*xs)
        wrt = [x for x in xs if x.requires_grad]
        if not wrt or not sample.order:
            return results(answer)
        loss = loss_of(answer)
        gradients = [] if loss is None else tg.grad(loss, wrt, allow_unused=True)
        return [*results(answer), *(g for g in gradients if g is not None)]

    plain = tensors(sample, requires_grad=sample.order > 0)
    before = [x.numpy(copy=True) for x in plain]
    expected = [r.numpy(copy=True) for r in run(*plain)]
    for x, b in zip(plain, before, strict=True):
        assert x.numpy().tobytes() == b.tobytes(), "an input was modified"
    for level in ("O0", "O1"):
        step: StaticFunction = tg.static(run, level=level)
        for _ in range(2):
            got = [r.numpy() for r in step(*tensors(sample, requires_grad=sample.order > 0))]
            assert len(got) == len(expected)
            for g, e in zip(got, expected, strict=True):
                assert (g.dtype, g.shape) == (e.dtype, e.shape)
                assert g.tobytes() == e.tobytes()
        from teachgrad.interpreter import interpret

        recorded = step.trace.moments[0][1]
        leaves = {} if recorded.cells else dict(zip([x.id for x in recorded.inputs], sample.inputs, strict=True))
        values = {} if recorded.cells else interpret(recorded, {i: np.asarray(a) for i, a in leaves.items()})
        for v in recorded.order:
            if v.id in values:
                for spec, value in zip(_listed(v._data), _listed(values[v.id]), strict=True):
                    assert Spec(value.shape, value.dtype) == spec, f"the shape rule of {v.op} is wrong"


def _listed(value: Any) -> list[Any]:
    return list(value) if type(value) is tuple else [value]


@pytest.mark.parametrize("sample", [s for s in SAMPLES if s.order], ids=[str(s) for s in SAMPLES if s.order])
def test_gradients_by_finite_differences(sample: Sample) -> None:
    if "hidden" in sample.tags or any(a.size == 0 for a in sample.inputs):
        return
    xs = list(tensors(sample, requires_grad=True))
    assert tg.gradcheck(sample.call, *xs, order=sample.order).ok


@pytest.mark.parametrize("sample", [s for s in SAMPLES if s.numpy], ids=[str(s) for s in SAMPLES if s.numpy])
def test_forward_against_numpy(sample: Sample) -> None:
    assert sample.numpy is not None
    ours, theirs = results(sample.call(*tensors(sample))), _listed(sample.numpy(*sample.inputs))
    for got, want in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(got.numpy(), want, rtol=1e-13)


@pytest.mark.oracles
@pytest.mark.parametrize("sample", [s for s in SAMPLES if s.torch], ids=[str(s) for s in SAMPLES if s.torch])
def test_against_torch(sample: Sample) -> None:
    """Values, gradients, and gradients of gradients."""
    torch = pytest.importorskip("torch")
    mine = tensors(sample, requires_grad=sample.order > 0)
    theirs = [torch.tensor(a, requires_grad=sample.order > 0 and a.dtype.kind == "f") for a in sample.inputs]
    ours, expected = results(sample.call(*mine)), results(sample.torch(*theirs))  # type: ignore[misc]
    for a, b in zip(ours, expected, strict=True):
        np.testing.assert_allclose(a.numpy(), b.detach().numpy(), rtol=sample.tolerance, atol=1e-12)
    if not sample.order:
        return

    def slopes(lib: Any, answers: list[Any], xs: list[Any]) -> list[list[Any]]:
        waves = [np.cos(np.arange(int(np.prod(r.shape)), dtype=np.float64) + k) for k, r in enumerate(answers)]
        loss = sum((r * make(lib, wave.reshape(tuple(r.shape)))).sum() for r, wave in zip(answers, waves, strict=True))
        grad = tg.grad if lib is tg else torch.autograd.grad
        first = list(grad(loss, xs, create_graph=True, allow_unused=True))
        tracked = [g for g in first if g is not None and g.requires_grad]
        if not tracked or sample.order < 2:
            return [first, []]
        return [first, list(grad(sum((g * g).sum() for g in tracked), xs, allow_unused=True))]

    def make(lib: Any, array: Any) -> Any:
        return lib.tensor(array)

    for a_order, b_order in zip(slopes(tg, ours, mine), slopes(torch, expected, theirs), strict=True):
        for k, (a, b) in enumerate(zip(a_order, b_order, strict=False)):
            zero = np.zeros(mine[k].shape)
            np.testing.assert_allclose(zero if a is None else a.detach().numpy(),
                                       zero if b is None else b.detach().numpy(),
                                       rtol=1e-8, atol=1e-10)


FORMULAS = [op for op in REGISTRY.values() if op.derivatives and all(op.derivatives) and getattr(op, "c", "")]
NAMES = {name: getattr(np, name)
         for name in ("exp", "log", "sqrt", "sin", "cos", "sinh", "cosh", "sign", "floor", "copysign")}


@pytest.mark.parametrize("op", FORMULAS, ids=str)
def test_printed_derivative_is_the_derivative(op: Any) -> None:
    """The formula on an op's card, evaluated, is what its rule computes."""
    domain = {"acosh": (1.2, 3.0), "reciprocal": (0.3, 2.0), "log": (0.2, 3.0), "sqrt": (0.2, 3.0),
              "divide": (0.4, 2.0), "power": (0.3, 2.0),
              "log1p": (0.1, 2.0), "log2": (0.2, 3.0), "log10": (0.2, 3.0)}.get(op.name, (0.1, 0.9))
    rng = np.random.default_rng(3)
    xs = [tg.tensor(rng.uniform(*domain, 5), requires_grad=True) for _ in op.derivatives]
    try:
        z = op(*xs)
    except TypeError:
        pytest.skip("takes settings that this test does not know")
    space = {**NAMES, "z": z.numpy(), **dict(zip("xyuvw", [x.numpy() for x in xs], strict=False)), "erf": None}
    gradients = tg.grad(z.sum(), xs, allow_unused=True)
    for x, text, gradient in zip(xs, op.derivatives, gradients, strict=True):
        names = {n.id for n in ast.walk(ast.parse(text, mode="eval")) if isinstance(n, ast.Name)}
        if not names <= {k for k, v in space.items() if v is not None}:
            pytest.skip(f"{text} uses names of its own")
        want = np.broadcast_to(eval(text, {"__builtins__": {}}, space), x.shape)
        got = np.zeros(x.shape) if gradient is None else gradient.numpy()
        np.testing.assert_allclose(got, want, rtol=1e-10, err_msg=f"{op}: {text}")
