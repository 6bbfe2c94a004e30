"""Every case of the table: against PyTorch and finite differences, in static mode, in float32, by the shape rules."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import teachgrad as tg
from teachgrad import observe
from teachgrad.nn import functional as F
from teachgrad.op import REGISTRY
from tests.functional import layers, losses  # noqa: F401  (they fill the table)
from tests.functional.table import CASES, Case

each = pytest.mark.parametrize("case", CASES, ids=str)


def run(case: Case, *xs: tg.Tensor) -> tg.Tensor:
    return case.call(F, tg, *xs, *map(tg.tensor, case.constants))


def leaves(case: Case, dtype: Any = np.float64) -> list[tg.Tensor]:
    return [tg.tensor(a.astype(dtype), requires_grad=True) for a in case.arrays]


def weights(shape: tuple[int, ...], number: int) -> np.ndarray:
    """Numbers that give every element of a result another say in a sum."""
    return np.cos(np.arange(int(np.prod(shape)), dtype=np.float64) * 1.3 + number).reshape(shape)


def pulled(case: Case, *xs: tg.Tensor, create_graph: bool = False) -> tuple[tg.Tensor, list[tg.Tensor]]:
    """The result, and the gradients of a weighted sum of it."""
    z = run(case, *xs)
    u = tg.tensor(weights(z.shape, 0).astype(z.dtype))
    return z, list(tg.grad(z, list(xs), u, create_graph=create_graph))


@pytest.mark.oracles
@pytest.mark.filterwarnings("ignore:Using padding='same'", "ignore:reduction. 'mean' divides")
@each
def test_against_torch(case: Case) -> None:
    """Result, gradients, and the gradients of gradients, for the inputs and for what came in from above."""
    import torch
    from torch.nn.attention import SDPBackend, sdpa_kernel

    ours = leaves(case)
    theirs = [torch.tensor(a, requires_grad=True) for a in case.arrays]
    with sdpa_kernel(SDPBackend.MATH):
        expected = case.call(torch.nn.functional, torch, *theirs, *map(torch.tensor, case.constants))
    z = run(case, *ours)
    assert z.shape == tuple(expected.shape)
    assert z.dtype == np.float64
    np.testing.assert_allclose(z.numpy(), expected.detach().numpy(), rtol=1e-9, atol=1e-11)
    u = weights(z.shape, 0)
    mine, other = tg.tensor(u, requires_grad=True), torch.tensor(u, requires_grad=True)
    first = tg.grad(z, ours, mine, create_graph=True)
    wanted = torch.autograd.grad(expected, theirs, other, create_graph=True)
    for g, w in zip(first, wanted, strict=True):
        np.testing.assert_allclose(
            g.numpy(), w.detach().numpy(), rtol=1e-6 if "loose" in case.tags else 1e-9, atol=1e-11
        )
    if case.order < 2:
        return
    vs = [weights(g.shape, 1 + k) for k, g in enumerate(first)]
    second = tg.grad(list(first), [*ours, mine], [tg.tensor(v) for v in vs], allow_unused=True)
    wanted = torch.autograd.grad(wanted, [*theirs, other], [torch.tensor(v) for v in vs], allow_unused=True)
    for x, g, w in zip([*ours, mine], second, wanted, strict=True):
        zero = np.zeros(x.shape)
        np.testing.assert_allclose(
            zero if g is None else g.numpy(),
            zero if w is None else w.numpy(),
            rtol=1e-6 if "loose" in case.tags else 1e-7,
            atol=1e-9,
        )


def small(case: Case) -> bool:
    return sum(a.size for a in case.arrays) <= 24


@pytest.mark.parametrize(
    "case",
    [pytest.param(c, id=str(c), marks=() if small(c) else pytest.mark.slow) for c in CASES if c.smooth],
)
def test_by_finite_differences(case: Case) -> None:
    if any(a.size for a in case.arrays):
        assert tg.gradcheck(lambda *xs: run(case, *xs), *leaves(case), order=case.smooth)


@each
def test_both_modes_give_the_same_bits(case: Case) -> None:
    """Result and gradients, as plain Python and as a graph at both levels, in float32, where rounding shows."""
    z, gradients = pulled(case, *leaves(case, np.float32))
    expected = [a.numpy() for a in (z, *gradients)]

    def step(*xs: tg.Tensor) -> list[tg.Tensor]:
        z, gradients = pulled(case, *xs)
        return [z, *gradients]

    for level in ("O0", "O1"):
        static = tg.static(step, level=level)
        for _ in range(2):
            for got, want in zip(static(*leaves(case, np.float32)), expected, strict=True):
                assert (got.dtype, got.shape) == (want.dtype, want.shape)
                assert got.numpy().tobytes() == want.tobytes()


@each
def test_float32_stays_and_is_accurate(case: Case) -> None:
    """float32 in, float32 out, for gradients as well; close to float64 and not a word of warning."""
    if any(c.dtype.kind == "f" for c in case.constants):
        case = Case(
            case.name,
            case.call,
            case.arrays,
            tuple(c.astype(np.float32) if c.dtype.kind == "f" else c for c in case.constants),
        )
    exact_z, exact = pulled(case, *leaves(case))
    z, gradients = pulled(case, *leaves(case, np.float32))
    for got, want in zip((z, *gradients), (exact_z, *exact), strict=True):
        assert got.dtype == np.float32
        size = np.abs(want.numpy()).max(initial=1e-3)
        np.testing.assert_allclose(got.numpy(), want.numpy(), rtol=1e-4, atol=2e-6 * size)


@each
def test_shape_rules_and_inputs_left_alone(case: Case) -> None:
    """For each op on the way: the shape rule says what came out, in C order, and no array was written to."""
    wrong: list[str] = []
    inside: list[Any] = []

    def checked(op: Any, forward: Any) -> Any:
        def call(xp: Any, *arrays: Any, **attrs: Any) -> Any:
            inside.append(op)
            before = [a.copy() for a in arrays if isinstance(a, np.ndarray)]
            result = forward(xp, *arrays, **attrs)
            inside.pop()
            settings = {k: v for k, v in attrs.items() if k != "out"}
            specs = op.infer(*arrays, **settings)
            for spec, array in zip(
                specs if type(result) is tuple else [specs], result if type(result) is tuple else [result], strict=True
            ):
                if tuple(spec.shape) != array.shape or spec.dtype != array.dtype:
                    wrong.append(f"{op}: {spec} is not {array.shape} {array.dtype}")
            for a, b in zip([a for a in arrays if isinstance(a, np.ndarray)], before, strict=True):
                if a.tobytes() != b.tobytes():
                    wrong.append(f"{op} wrote to an input")
            return result

        return call

    families = (
        "activations",
        "softmax",
        "convolution",
        "pooling",
        "normalization",
        "attention",
        "embedding",
        "losses",
        "dropout",
        "erf",
    )
    ops = [op for op in REGISTRY.values() if type(op).__module__.rpartition(".")[2] in families]
    for op in ops:
        op.forward = checked(op, op.forward)  # type: ignore[method-assign]
    try:
        _, gradients = pulled(case, *leaves(case), create_graph=True)
        tracked = [g for g in gradients if g.requires_grad]
        if tracked:
            tg.grad(tracked, bottom(tracked), [tg.tensor(weights(g.shape, 2)) for g in tracked], allow_unused=True)
    finally:
        for op in ops:
            del op.forward
    assert not wrong


def bottom(tensors: list[tg.Tensor]) -> list[tg.Tensor]:
    """The leaves that require a gradient and that some tensors depend on."""
    found, stack, seen = [], list(tensors), set()
    while stack:
        x = stack.pop()
        if id(x) not in seen:
            seen.add(id(x))
            stack += x.inputs
            if x.op is None and x.requires_grad:
                found.append(x)
    return found


def test_every_function_has_a_case() -> None:
    """Each public function, run under observation of its name."""
    used: set[str] = set()

    class Spy:
        __name__ = "teachgrad.nn.functional"

        def __getattr__(self, name: str) -> Any:
            used.add(name)
            return getattr(F, name)

    with observe.watching(lambda event: None):
        for case in CASES:
            case.call(Spy(), tg, *leaves(case), *map(tg.tensor, case.constants))
    elsewhere = {"dropout", "dropout1d", "dropout2d", "one_hot", "flatten",  # test_dropout.py, test_table.py
                 "einsum"}  # tg.einsum itself: op_samples.py
    assert set(F.__all__) - used == elsewhere
