"""Activations: accuracy, extreme inputs, fused ops beside their plain formulas, and long arrays in pieces."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np
import pytest

import teachgrad as tg
from teachgrad.nn import functional as F
from teachgrad.op import REGISTRY
from teachgrad.ops.pieces import PIECE

PLAIN: dict[str, Any] = {
    "relu": lambda x: tg.maximum(x, 0.0),
    "sigmoid": lambda x: 1.0 / (1.0 + tg.exp(-x)),
    "silu": lambda x: x / (1.0 + tg.exp(-x)),
    "gelu": lambda x: 0.5 * x * (1.0 + F.erf(x / math.sqrt(2.0))),
    "gelu_tanh": lambda x: 0.5 * x * (1.0 + tg.tanh(math.sqrt(2.0 / math.pi) * (x + 0.044715 * x * x * x))),
    "softplus": lambda x: tg.log(1.0 + tg.exp(x)),
    "elu": lambda x: tg.where(x > 0.0, x, tg.exp(x) - 1.0),
    "leaky_relu": lambda x: tg.where(x > 0.0, x, 0.01 * x),
    "softmax": lambda x: tg.exp(x) / tg.sum(tg.exp(x), axis=-1, keepdims=True),
    "log_softmax": lambda x: x - tg.log(tg.sum(tg.exp(x), axis=-1, keepdims=True)),
    "logsumexp": lambda x: tg.log(tg.sum(tg.exp(x))),
}


def slopes(f: Any, x: np.ndarray, u: np.ndarray) -> list[np.ndarray]:
    """The value, the gradient of u·f, and the gradients of the sum of squares of that, for x and for u."""
    a, b = tg.tensor(x, requires_grad=True), tg.tensor(u, requires_grad=True)
    z = f(a)
    g = tg.grad(z, a, b, create_graph=True)
    second = tg.grad((g * g).sum(), [a, b], allow_unused=True)
    return [
        z.numpy(),
        g.numpy(),
        *(h.numpy() if h is not None else np.zeros(t.shape) for h, t in zip(second, (a, b), strict=True)),
    ]


@pytest.mark.parametrize("name", PLAIN)
@pytest.mark.parametrize("shape", [(40,), (4, 10)])
def test_fused_is_the_plain_formula(name: str, shape: tuple[int, ...]) -> None:
    """In value, first and second derivative; the plain formula is differentiated by the rules of its own ops."""
    fused = (lambda x: F.gelu(x, approximate="tanh")) if name == "gelu_tanh" else getattr(F, name)
    x = np.linspace(-3.9, 4.2, 40).reshape(shape)
    u = np.cos(np.arange(40.0)).reshape(shape) if name != "logsumexp" else np.array(0.7)
    for got, want in zip(slopes(fused, x, u), slopes(PLAIN[name], x, u), strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize(("dtype", "ulp"), [(np.float16, 0.51), (np.float32, 3.2), (np.float64, 6.0)])
def test_erf_is_accurate(dtype: Any, ulp: float) -> None:
    """Against the C library's erf, in units of the last place of the exact value."""
    x = np.concatenate(
        [np.linspace(-7, 7, 60001), 10.0 ** np.linspace(-30 if dtype != np.float16 else -4, 1, 4001)]
    ).astype(dtype)
    exact = np.array([math.erf(v) for v in x.tolist()])
    got = F.erf(tg.tensor(x)).numpy()
    assert got.dtype == dtype
    error = np.abs(got.astype(np.float64) - exact) / np.spacing(np.abs(exact).astype(dtype)).astype(np.float64)
    assert error.max() <= ulp
    edges = F.erf(tg.tensor(np.array([-np.inf, -0.0, 0.0, np.inf, np.nan, 1e4], dtype))).numpy()
    np.testing.assert_array_equal(edges, [-1, 0, 0, 1, np.nan, 1])
    assert np.signbit(edges[1:3]).tolist() == [True, False]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    ("name", "low", "high"),
    [
        ("sigmoid", 0.0, 1.0),
        ("logsigmoid", -1e4, 0.0),
        ("silu", 0.0, 1e4),
        ("softplus", 0.0, 1e4),
        ("mish", 0.0, 1e4),
        ("gelu", 0.0, 1e4),
        ("elu", -1.0, 1e4),
        ("selu", -1.7580993408473766, 1e4 * 1.0507009873554805),
        ("tanh", -1.0, 1.0),
        ("softsign", -1e4 / (1 + 1e4), 1e4 / (1 + 1e4)),
        ("erf", -1.0, 1.0),
    ],
)
def test_extreme_inputs(name: str, low: float, high: float, dtype: Any) -> None:
    """Far out, the limit is reached, without a warning and with finite derivatives."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        x = tg.tensor(np.array([-1e4, 1e4], dtype), requires_grad=True)
        z = getattr(F, name)(x)
        np.testing.assert_allclose(z.numpy(), np.array([low, high]), rtol=1e-6)
        g = tg.grad(z.sum(), x, create_graph=True)
        h = tg.grad(g.sum(), x, allow_unused=True)
    assert np.isfinite(g.numpy()).all()
    assert h is None or np.isfinite(h.numpy()).all()


def test_small_probabilities_keep_their_digits() -> None:
    """sigmoid and softplus far on the left are exp(x), not a difference of large numbers."""
    x = np.array([-60.0, -40.0, -20.0])
    np.testing.assert_allclose(F.sigmoid(tg.tensor(x)).numpy(), np.exp(x) / (1 + np.exp(x)), rtol=1e-15)
    np.testing.assert_allclose(F.softplus(tg.tensor(x)).numpy(), np.log1p(np.exp(x)), rtol=1e-15)
    np.testing.assert_allclose(F.logsigmoid(tg.tensor(-x)).numpy(), -np.log1p(np.exp(x)), rtol=1e-15)


def test_what_relu_cuts_off_is_not_seen() -> None:
    """d log(relu(x)) at x < 0 is infinity times nothing: it must be 0, not nan."""
    x = tg.tensor([-1.0, 2.0], requires_grad=True)
    with np.errstate(divide="ignore"):
        tg.log(F.relu(x)).sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), [0.0, 0.5])


IN_PIECES = ["leaky_relu", "elu", "sigmoid", "silu", "gelu", "gelu_tanh", "softplus", "erf"]


@pytest.mark.parametrize("name", IN_PIECES)
@pytest.mark.parametrize("size", [PIECE, PIECE + 1, 3 * PIECE - 5])
def test_pieces_join_up(name: str, size: int) -> None:
    """A long array gives, bit for bit, what its parts give."""
    x = np.random.default_rng(1).normal(scale=3.0, size=size).astype(np.float32)
    op: Any = REGISTRY[name]
    settings = {"leaky_relu": {"slope": 0.1}, "elu": {"alpha": 1.0}, "softplus": {"beta": 1.0, "threshold": 20.0}}.get(
        name, {}
    )
    whole = op.forward(np, x, **settings)
    parts = np.concatenate([op.forward(np, part, **settings) for part in np.array_split(x, 7)])
    assert whole.tobytes() == parts.tobytes()
    square = x[: size // 4 * 4].reshape(-1, 4)
    assert op.forward(np, square.T, **settings).T.tobytes() == op.forward(np, square, **settings).tobytes()


OVERWRITING = [
    op
    for op in REGISTRY.values()
    if op.may_overwrite
    and type(op).__module__.rpartition(".")[2] in ("activations", "softmax", "dropout", "erf", "losses")
]


@pytest.mark.parametrize("op", OVERWRITING, ids=str)
@pytest.mark.parametrize("size", [(3, 5), (40, PIECE // 32 + 1)])
def test_may_write_over_an_input(op: Any, size: tuple[int, int]) -> None:
    """An op that says it may be given the memory of an input as `out` gives the same bits there."""
    rng = np.random.default_rng(2)
    count = 1 if op.derivatives and len(op.derivatives) == 1 else 2
    arrays = [rng.uniform(0.1, 0.9, size).astype(np.float32) for _ in range(count)]
    settings: dict[str, Any] = {
        "softplus": {"beta": 1.0, "threshold": 20.0},
        "elu": {"alpha": 1.0},
        "leaky_relu": {"slope": 0.1},
        "leaky_relu_gradient": {"slope": 0.1},
        "keep_scaled": {"scale": 2.0},
        **{
            f"{log}softmax{gradient}": {"axis": axis}
            for log in ("", "log_")
            for gradient in ("", "_gradient")
            for axis in (0,)
        },
    }.get(op.name, {})
    if op.name == "keep_scaled":
        arrays[1] = arrays[1] > 0.5
    want = op.forward(np, *arrays, **settings)
    for k in op.may_overwrite:
        if k < count:
            given = [a.copy() for a in arrays]
            got = op.forward(np, *given, out=given[k], **settings)
            assert got is given[k]
            assert got.tobytes() == want.tobytes()


def test_softmax_far_out() -> None:
    x = tg.tensor(np.array([[1e4, 0.0, -1e4], [-np.inf, 1.0, 1.0]]), requires_grad=True)
    np.testing.assert_array_equal(F.softmax(x).numpy(), [[1, 0, 0], [0, 0.5, 0.5]])
    np.testing.assert_allclose(F.logsumexp(x, 1).numpy(), [1e4, 1 + math.log(2.0)])
    assert F.logsumexp(tg.tensor(np.array([-np.inf, -np.inf]))).item() == -np.inf
    assert F.logsumexp(tg.tensor(np.array([np.inf, 1.0]))).item() == np.inf
    np.testing.assert_array_equal(F.log_softmax(x).numpy()[0], [0, -1e4, -2e4])


def test_methods_are_the_functions() -> None:
    x = tg.tensor(np.linspace(-2, 2, 12).reshape(3, 4))
    for name in (
        "relu",
        "leaky_relu",
        "elu",
        "sigmoid",
        "silu",
        "gelu",
        "softplus",
        "softmax",
        "log_softmax",
        "erf",
        "logsumexp",
    ):
        np.testing.assert_array_equal(getattr(x, name)().numpy(), getattr(F, name)(x).numpy())
    np.testing.assert_array_equal(x.softmax(0).numpy(), F.softmax(x, axis=0).numpy())
    np.testing.assert_array_equal(x.gelu("tanh").numpy(), F.gelu(x, "tanh").numpy())


def test_integers() -> None:
    """relu keeps integers; what is smooth makes floats of them."""
    x = tg.tensor(np.array([-2, 0, 3]))
    assert F.relu(x).dtype == np.int64
    assert F.relu(x).numpy().tolist() == [0, 0, 3]
    assert F.sigmoid(x).dtype == np.float32
    with pytest.raises(tg.DTypeError, match=r"softmax takes floating-point numbers, not int64; use tg.astype"):
        F.softmax(x)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: F.gelu(x, "sigmoid"), "approximate is 'none' or 'tanh', not 'sigmoid'"),
        (lambda x: F.glu(x, 0), r"axis 0 of shape \(3, 4\) cannot be halved; its length 3 is odd"),
        (lambda x: F.softmax(x, 2), "axis 2 does not exist"),
        (lambda x: F.celu(x, 0.0), "alpha must not be 0"),
        (lambda x: F.softplus(x, 0.0), "beta must not be 0"),
        (lambda x: F.prelu(x, tg.ones(3)), "the weight has 3 slopes; it needs 1, or one for each of 4 channels"),
    ],
)
def test_errors(call: Any, message: str) -> None:
    with pytest.raises(tg.TeachgradError, match=message):
        call(tg.ones((3, 4)))
