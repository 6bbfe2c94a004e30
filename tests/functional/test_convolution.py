"""Convolution: against loops that say what it is, in pieces of every size, as the adjoint of its transpose."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest

import teachgrad as tg
from teachgrad.nn import functional as F
from teachgrad.ops import convolution


def by_loops(x: np.ndarray, w: np.ndarray, stride: Any, padding: Any, dilation: Any, groups: int) -> np.ndarray:
    """The definition, element by element."""
    n, _, *size = x.shape
    out, taken, *kernel = w.shape
    places = [
        (s + 2 * p - d * (k - 1) - 1) // t + 1
        for s, p, d, k, t in zip(size, padding, dilation, kernel, stride, strict=True)
    ]
    z = np.zeros((n, out, *places))
    for o, place, c, offset in product(
        range(out), product(*map(range, places)), range(taken), product(*map(range, kernel))
    ):
        at = [p * t + k * d - q for p, t, k, d, q in zip(place, stride, offset, dilation, padding, strict=True)]
        if all(0 <= a < s for a, s in zip(at, size, strict=True)):
            channel = o // (out // groups) * taken + c
            z[(slice(None), o, *place)] += x[(slice(None), channel, *at)] * w[(o, c, *offset)]
    return z


SETTINGS = [
    ((1, 1), (0, 0), (1, 1), 1),
    ((2, 1), (1, 2), (1, 2), 1),
    ((3, 2), (2, 0), (2, 1), 2),
    ((1, 1), (1, 1), (1, 1), 4),
]


@pytest.mark.parametrize(("stride", "padding", "dilation", "groups"), SETTINGS)
def test_is_its_definition(stride: Any, padding: Any, dilation: Any, groups: int) -> None:
    rng = np.random.default_rng(0)
    x, w = rng.normal(size=(2, 4, 7, 6)), rng.normal(size=(4, 4 // groups, 3, 2))
    z = F.conv2d(tg.tensor(x), tg.tensor(w), None, stride, padding, dilation, groups)
    np.testing.assert_allclose(z.numpy(), by_loops(x, w, stride, padding, dilation, groups), rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize(("stride", "padding", "dilation", "groups"), SETTINGS)
def test_gradients_are_adjoints(stride: Any, padding: Any, dilation: Any, groups: int) -> None:
    """<conv(x, w), u> = <x, gradient for x> = <w, gradient for w>, since it is linear in both; and the transposed
    convolution of u is the gradient for x."""
    rng = np.random.default_rng(1)
    x = tg.tensor(rng.normal(size=(3, 4, 7, 9)), requires_grad=True)
    w = tg.tensor(rng.normal(size=(6 if groups == 2 else 4, 4 // groups, 3, 2)), requires_grad=True)
    z = F.conv2d(x, w, None, stride, padding, dilation, groups)
    u = tg.tensor(rng.normal(size=z.shape))
    gx, gw = tg.grad(z, [x, w], u)
    product_of = (z * u).sum().item()
    np.testing.assert_allclose([(gx * x).sum().item(), (gw * w).sum().item()], product_of, rtol=1e-11)
    rest = tuple(
        (n + 2 * p - d * (k - 1) - 1) % s
        for n, p, d, k, s in zip(x.shape[2:], padding, dilation, w.shape[2:], stride, strict=True)
    )
    back = F.conv_transpose2d(u, w, None, stride, padding, rest, groups, dilation)
    np.testing.assert_allclose(back.numpy(), gx.numpy(), rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("gather", [1, 3000, 1 << 30])
@pytest.mark.parametrize("small", [1, 600, 10**9])
@pytest.mark.parametrize(("stride", "padding", "dilation", "groups"), SETTINGS)
def test_pieces_of_any_size(
    monkeypatch: pytest.MonkeyPatch, gather: int, small: int, stride: Any, padding: Any, dilation: Any, groups: int
) -> None:
    """How many rows are taken at a time, and how products are cut, is a matter of speed alone."""
    rng = np.random.default_rng(2)
    x, w, b = rng.normal(size=(2, 4, 8, 7)), rng.normal(size=(4, 4 // groups, 2, 3)), rng.normal(size=4)

    def results() -> list[np.ndarray]:
        xs = [tg.tensor(a, requires_grad=True) for a in (x, w, b)]
        z = F.conv2d(*xs, stride, padding, dilation, groups)
        return [z.numpy(), *(g.numpy() for g in tg.grad((z * z).sum(), xs))]

    expected = results()
    monkeypatch.setattr(convolution, "GATHER_BYTES", gather)
    monkeypatch.setattr(convolution, "SPREAD_BYTES", gather)
    monkeypatch.setattr(convolution, "SMALL_PRODUCT", small)
    monkeypatch.setattr(convolution, "LONG_ENOUGH", 16)
    for got, want in zip(results(), expected, strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-11, atol=1e-12)


def test_result_may_be_written_elsewhere() -> None:
    """`out` gets the bits that would have been returned, whatever was in it."""
    rng = np.random.default_rng(3)
    x, w, b = (rng.normal(size=s).astype(np.float32) for s in ((4, 6, 5, 3), (2, 4, 3, 3), (2,)))
    for padding in (((0, 0), (0, 0)), ((1, 2), (0, 1))):
        settings: dict[str, Any] = {"stride": (1, 2), "padding": padding, "dilation": (1, 1), "groups": 1}
        z = convolution.convolution.forward(np, x, w, b, **settings)
        calls = (
            (convolution.convolution, (x, w, b), {}),
            (convolution.convolution_input_gradient, (z, w), {"size": (6, 5)}),
            (convolution.convolution_weight_gradient, (z, x), {"kernel": (3, 3)}),
        )
        for op, arrays, more in calls:
            want = op.forward(np, *arrays, **settings, **more)
            out = np.full_like(want, np.nan)
            assert op.forward(np, *arrays, out=out, **settings, **more) is out
            assert out.tobytes() == want.tobytes()


def test_same_keeps_the_size_and_puts_the_odd_one_after() -> None:
    x, w = np.arange(5.0).reshape(1, 1, 5), np.array([[[1.0, 10.0]]])
    np.testing.assert_array_equal(F.conv1d(tg.tensor(x), tg.tensor(w), padding="same").numpy(), [[[10, 21, 32, 43, 4]]])


def test_a_single_image_needs_no_batch() -> None:
    rng = np.random.default_rng(4)
    x, w = tg.tensor(rng.normal(size=(2, 5, 6))), tg.tensor(rng.normal(size=(3, 2, 2, 2)))
    np.testing.assert_array_equal(F.conv2d(x, w).numpy(), F.conv2d(x[None], w).numpy()[0])


def test_types_meet() -> None:
    z = F.conv1d(tg.ones((1, 1, 4), dtype=tg.float32), tg.ones((1, 1, 2), dtype=tg.float64))
    assert z.dtype == np.float64
    with pytest.raises(tg.DTypeError, match="convolution takes floating-point numbers, not int64"):
        F.conv1d(tg.ones((1, 1, 4), dtype=tg.int64), tg.ones((1, 1, 2), dtype=tg.int64))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda x: F.conv2d(x, tg.ones((8, 5, 3, 3))),
            r"\(2, 4, 6, 6\) has 4 channels, the weight \(8, 5, 3, 3\) takes 5.\n"
            r"Ways out: an input of 5 channels; or a weight \(8, 4, 3, 3\)",
        ),
        (
            lambda x: F.conv2d(x, tg.ones((8, 4, 3, 3)), groups=2),
            r"takes 4 in each of 2 groups.\n.*8 channels; or a weight \(8, 2, 3, 3\)",
        ),
        (lambda x: F.conv2d(x, tg.ones((9, 2, 3, 3)), groups=2), r"\(9, 2, 3, 3\) cannot be cut into 2 groups"),
        (
            lambda x: F.conv2d(x, tg.ones((8, 4, 3, 3)), tg.ones(4)),
            r"the bias \(4,\) must have a number for each output channel: \(8,\)",
        ),
        (lambda x: F.conv2d(x, tg.ones((8, 4, 7, 3))), r"kernel \(7, 3\) .* does not fit into the input \(6, 6\)"),
        (lambda x: F.conv2d(x, tg.ones((8, 4, 3, 3)), stride=0), "must be at least 1"),
        (
            lambda x: F.conv2d(x, tg.ones((8, 4, 3, 3)), stride=(1, 2, 3)),
            "stride must be one number, or one for each of 2 axes",
        ),
        (lambda x: F.conv2d(x, tg.ones((8, 4, 3, 3)), padding=-1), "padding must not be negative"),
        (lambda x: F.conv2d(x, tg.ones((8, 4, 3, 3)), padding="full"), "'same' or 'valid', not 'full'"),
        (lambda x: F.conv2d(x, tg.ones((8, 4, 3, 3)), stride=2, padding="same"), "padding='same' needs a stride of 1"),
        (
            lambda x: F.conv2d(x[0, 0], tg.ones((8, 4, 3, 3))),
            r"conv2d: the input \(6, 6\) must be \(images, channels, ...\) with 2 spatial axes",
        ),
        (
            lambda x: F.conv2d(x, tg.ones((8, 4, 3))),
            r"the weight \(8, 4, 3\) \(out, in, ...\), with the same number of spatial axes",
        ),
        (
            lambda x: F.conv_transpose2d(x, tg.ones((3, 4, 2, 2))),
            r"has 4 channels, but the weight \(3, 4, 2, 2\), .* takes 3",
        ),
        (
            lambda x: F.conv_transpose2d(x, tg.ones((4, 4, 2, 2)), output_padding=1),
            "output_padding .* must be smaller than the stride",
        ),
        (
            lambda x: F.conv_transpose2d(x[:, :, :1, :1], tg.ones((4, 4, 2, 2)), padding=1),
            "leaves nothing of the result",
        ),
    ],
)
def test_errors(call: Any, message: str) -> None:
    with pytest.raises(tg.TeachgradError, match=message):
        call(tg.ones((2, 4, 6, 6)))
