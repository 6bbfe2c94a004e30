"""Every difference that is explained in `known.py` shows, as it is explained; the day it does not, its entry goes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import teachgrad as tg
from teachgrad.nn import functional as F

from .known import explanation
from .program import Line, Program

pytestmark = pytest.mark.oracles("torch")


def torch() -> Any:
    import torch

    return torch


def second(grad: Callable[..., Any], x: Any, z: Any) -> Any:
    """The gradient of the squares of the gradient of the sum of z."""
    (g,) = grad(z.sum(), [x], create_graph=True)
    (again,) = grad((g * g).sum(), [x], allow_unused=True)
    return np.zeros(x.shape) if again is None else again.detach().numpy()


def both(a: Any, ours: Callable[[Any], Any], theirs: Callable[[Any], Any]) -> tuple[Any, Any]:
    """Second derivatives of a function here and in PyTorch."""
    x, y = tg.tensor(a, requires_grad=True), torch().tensor(a, requires_grad=True)
    return second(tg.grad, x, ours(x)), second(torch().autograd.grad, y, theirs(y))


def test_sign_of_nan() -> None:
    assert np.isnan(tg.sign(tg.tensor([np.nan])).numpy()[0])
    assert torch().sign(torch().tensor([np.nan])).item() == 0.0


def test_binary_cross_entropy_twice() -> None:
    """(x - t)/(x (1 - x)), squared and differentiated by hand, is what we have; PyTorch is off by 1e-12 relative."""
    a, t = np.array([0.1, 0.3]), np.array([0.6, 0.2])
    ours, theirs = both(a, lambda x: F.binary_cross_entropy(x, tg.tensor(t), reduction="none"),
                        lambda x: torch().nn.functional.binary_cross_entropy(x, torch().tensor(t), reduction="none"))
    first = (a - t) / (a * (1 - a))
    slope = 1 / (a * (1 - a)) - (a - t) * (1 - 2 * a) / (a * (1 - a)) ** 2
    np.testing.assert_allclose(ours, 2 * first * slope, rtol=1e-14)
    assert 1e-14 < np.abs(theirs / ours - 1).max() < 1e-10


def test_prod_twice() -> None:
    """The product of one factor is that factor: its second derivative is 0."""
    a = np.random.default_rng(0).uniform(0.5, 2.0, (200, 1)).astype(np.float32)
    ours, theirs = both(a, lambda x: tg.prod(x, axis=1) * 0.3, lambda x: torch().prod(x, 1) * 0.3)
    assert not ours.any()
    assert 0 < np.abs(theirs).max() < 1e-6


def test_cumulative_prod_twice() -> None:
    """Of two factors, of which the second has weight w: d/dx₀ of the squared slopes is 2 w² x₀."""
    a, w = np.array([-0.8, 0.6], np.float32), np.float32([0.82, 0.01])
    ours, theirs = both(a, lambda x: tg.cumulative_prod(x) * tg.tensor(w),
                        lambda x: torch().cumprod(x, 0) * torch().tensor(w))
    want = 2 * float(w[1]) ** 2 * -0.8
    assert abs(ours[0] / want - 1) < 1e-6
    assert 1e-5 < abs(theirs[0] / want - 1) < 1e-2


def test_copysign_twice() -> None:
    a = np.random.default_rng(0).uniform(0.5, 2.0, 200).astype(np.float32)
    w = np.random.default_rng(1).uniform(-1, 1, 200).astype(np.float32)
    ours, theirs = both(a, lambda x: tg.copysign(x, x) * tg.tensor(w),
                        lambda x: torch().copysign(x, x) * torch().tensor(w))
    assert not ours.any()
    assert 0 < np.abs(theirs).max() < 1e-5


def test_signs_of_nan_and_of_the_larger_zero() -> None:
    """Only that they may differ can be said: which sign comes depends on the machine's instructions."""
    zeros = tg.tensor([-0.0, 0.0])
    assert (tg.max(zeros) == 0.0).item()
    assert np.isnan(tg.sqrt(tg.tensor([np.nan])).numpy()[0])


@pytest.mark.parametrize("function", [
    (lambda x: F.normalize(x, p=3.0, axis=0), lambda x: torch().nn.functional.normalize(x, p=3.0, dim=0)),
    (lambda x: tg.linalg.cross(x, x), lambda x: torch().linalg.cross(x, x)),
    (lambda x: tg.linalg.vector_norm(x, axis=0, ord=-1), lambda x: torch().linalg.vector_norm(x, dim=0, ord=-1)),
    (lambda x: tg.log(tg.exp(x) * 2.0), lambda x: torch().log(torch().exp(x) * 2.0)),
])  # fmt: skip
def test_derivatives_that_are_zero(function: tuple[Callable[[Any], Any], Callable[[Any], Any]]) -> None:
    """Of a row of one number divided by its length, and the like: here and there a few rounding errors away from 0."""
    a = np.random.default_rng(0).uniform(0.5, 2.0, (1, 3))
    for value in both(a, *function):
        assert np.abs(value).max() < 1e-14


def test_group_norm_of_two_numbers() -> None:
    """In float32 both are off, in float64 they agree: what is left of 1 - 1/(1 + eps/var) has few digits."""
    a = np.random.default_rng(3).standard_normal((4, 4))
    weights = np.cos(np.arange(16) * 1.7).reshape(4, 4)
    found = []
    for dtype in (np.float64, np.float32):
        x, y = tg.tensor(a.astype(dtype), requires_grad=True), torch().tensor(a.astype(dtype), requires_grad=True)
        w = weights.astype(dtype)
        found.append(tg.grad((F.group_norm(x, 2) * tg.tensor(w)).sum(), [x])[0].numpy())
        z = (torch().nn.functional.group_norm(y, 2) * torch().tensor(w)).sum()
        found.append(torch().autograd.grad(z, [y])[0].numpy())
    exact, theirs, ours, single = found
    np.testing.assert_allclose(exact, theirs, rtol=1e-9, atol=1e-11)
    assert 0 < np.abs(ours - exact).max() < 1e-3
    assert 0 < np.abs(single - exact).max() < 1e-3


def test_gelu_far_below_zero() -> None:
    """x Φ(x) at -4.26 is -4.265e-5; half an ulp of 1 + erf is a thousandth of that in float32."""
    a, exact = np.array([-4.264889], np.float32), -4.26492755e-05
    assert F.gelu(tg.tensor(a)).item() == pytest.approx(exact, rel=5e-3)
    assert torch().nn.functional.gelu(torch().tensor(a)).item() == pytest.approx(exact, rel=5e-3)


@pytest.mark.parametrize(("line", "what"), [
    ("v0 = F.group_norm(x0, 2)", "np.float32(0.5) instead of np.float32(0.1); rounding explains 1e-06, not 0.4"),
    ("v0 = F.gelu(x0)", "np.float32(0.5) instead of np.float32(0.1); rounding explains 1e-07, not 0.4"),
    ("v0 = tg.log(x0)", "np.float32(0.0) instead of np.float32(0.3); rounding explains 0, not 0.3"),
    ("v0 = F.normalize(x0)", "np.float64(1e-07) instead of np.float64(0.0); rounding explains 0, not 1e-07"),
    ("v0 = tg.copysign(x0, x1)", "np.float32(-2.0) instead of np.float32(3.0); rounding explains 1e-6, not 5"),
])  # fmt: skip
def test_what_is_known_is_no_excuse_for_errors(line: str, what: str) -> None:
    program = Program({}, (Line("row", ("v0",), {"tg": line}),), ("v0",), order=1, special=True)
    assert explanation(program, "torch", f"number 0, element [0]: {what}") == ""


# ---- differences that programs are drawn around ----------------------------------------------------------------------

def test_a_number_does_not_decide_the_dtype_in_pytorch() -> None:
    """A tensor of rank 0 is a tensor like any other in the array API standard; in PyTorch it gives way."""
    small, wide = np.ones(2, np.int16), np.array(1, np.int64)
    assert (tg.tensor(small) + tg.tensor(wide)).dtype == tg.int64
    assert (torch().tensor(small) + torch().tensor(wide)).dtype == torch().int16


@pytest.mark.parametrize(("name", "settings", "slope"), [("hardsigmoid", {}, 1 / 6), ("celu", {"alpha": 0.6}, None)])
def test_constants_in_single_precision(name: str, settings: dict[str, float], slope: float | None) -> None:
    """PyTorch keeps 1/6 and 1/alpha of these in float32, whatever the dtype of x."""
    a = np.array([-0.7, -0.2])
    x, y = tg.tensor(a, requires_grad=True), torch().tensor(a, requires_grad=True)
    ours = tg.grad(getattr(F, name)(x, **settings).sum(), [x])[0].numpy()
    theirs = torch().autograd.grad(getattr(torch().nn.functional, name)(y, **settings).sum(), [y])[0].numpy()
    np.testing.assert_allclose(ours, np.exp(a / 0.6) if slope is None else slope, rtol=1e-14)
    assert 1e-10 < np.abs(theirs / ours - 1).max() < 1e-6


def test_cosine_embedding_loss_of_short_vectors() -> None:
    """PyTorch adds 1e-12 to the squares of both lengths; we, as cosine_similarity does, take 1e-8 at least for each."""
    x, y = np.array([[1.4, 1.4]]), np.array([[0.030, 0.031]]) * 1e-2
    ours = F.cosine_embedding_loss(tg.tensor(x), tg.tensor(y), tg.tensor([-1])).item()
    theirs = torch().nn.functional.cosine_embedding_loss(*map(torch().tensor, (x, y)), torch().tensor([-1])).item()
    np.testing.assert_allclose(ours, (x * y).sum() / np.sqrt((x * x).sum() * (y * y).sum()), rtol=1e-14)
    assert 1e-9 < abs(ours - theirs) < 1e-4
