"""Tables, indices, borders, distances and flattening: against NumPy, and what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import teachgrad as tg
from teachgrad.nn import functional as F
from teachgrad.ops.embedding import embedding_gradient

RNG = np.random.default_rng(8)


@pytest.mark.parametrize("rows", [1, 3, 1000])
def test_rows_taken_often_collect_their_gradients(rows: int) -> None:
    """As adding one by one does."""
    index, g = RNG.integers(0, rows, (40, 5)), RNG.normal(size=(40, 5, 3))
    want = np.zeros((rows, 3))
    np.add.at(want, index, g)
    np.testing.assert_allclose(
        embedding_gradient.forward(np, g, index, rows=rows, padding_index=None), want, rtol=1e-12
    )


def test_padding_gets_no_gradient() -> None:
    table = tg.tensor(RNG.normal(size=(4, 2)), requires_grad=True)
    i = tg.tensor(np.array([0, 3, 3, 1]))
    for padding in (3, -1):
        g = tg.grad(F.embedding(i, table, padding).sum(), table).numpy()
        np.testing.assert_array_equal(g, [[1, 1], [1, 1], [0, 0], [0, 0]])
    u = tg.tensor(RNG.normal(size=(4, 2)), requires_grad=True)
    pulled = tg.grad(F.embedding(i, table, 3), table, u, create_graph=True)
    np.testing.assert_array_equal(tg.grad(pulled.sum(), u).numpy(), [[1, 1], [0, 0], [0, 0], [1, 1]])


def test_one_hot() -> None:
    index = np.array([[1, 0], [3, 1]])
    for classes in (-1, 4):
        z = F.one_hot(tg.tensor(index), classes)
        assert z.dtype == np.int64
        np.testing.assert_array_equal(z.numpy(), np.eye(4, dtype=int)[index])
    assert F.one_hot(tg.tensor(index), 6).shape == (2, 2, 6)
    step = tg.static(lambda i: F.one_hot(i, 4))
    np.testing.assert_array_equal(step(tg.tensor(index)).numpy(), np.eye(4, dtype=int)[index])
    with pytest.raises(tg.TraceError):
        tg.static(lambda i: F.one_hot(i))(tg.tensor(index))


def test_gather_and_scatter_add_are_adjoints() -> None:
    """<gather(x), u> = <x, scatter_add(0, u)>, also for an index that is shorter along other axes."""
    for axis in range(3):
        x, index = RNG.normal(size=(4, 5, 3)), RNG.integers(0, (4, 5, 3)[axis], (3, 4, 2))
        u = RNG.normal(size=index.shape)
        gathered = F.gather(tg.tensor(x), axis, tg.tensor(index)).numpy()
        scattered = F.scatter_add(tg.zeros((4, 5, 3), dtype=tg.float64), axis, tg.tensor(index), tg.tensor(u)).numpy()
        np.testing.assert_allclose((gathered * u).sum(), (x * scattered).sum(), rtol=1e-12)
        part = x[tuple(slice(None) if a == axis else slice(n) for a, n in enumerate(index.shape))]
        np.testing.assert_array_equal(gathered, np.take_along_axis(part, index, axis))


def test_scatter_add_may_leave_part_of_the_source() -> None:
    """src may be longer than the index; what is left over gets no gradient."""
    x, src = (tg.tensor(RNG.normal(size=(2, 4)), requires_grad=True) for _ in range(2))
    index = tg.tensor(np.array([[3, 3, 0]]))
    z = F.scatter_add(x, 1, index, src)
    want = x.numpy(copy=True)
    np.add.at(want, ([0, 0, 0], [3, 3, 0]), src.numpy()[0, :3])
    np.testing.assert_allclose(z.numpy(), want, rtol=1e-13)
    np.testing.assert_array_equal(tg.grad(z.sum(), src).numpy(), [[1, 1, 1, 0], [0, 0, 0, 0]])


@pytest.mark.parametrize(
    ("mode", "theirs"), [("constant", "constant"), ("reflect", "reflect"), ("replicate", "edge"), ("circular", "wrap")]
)
def test_pad_is_numpys(mode: str, theirs: str) -> None:
    x = RNG.normal(size=(2, 4, 5))
    for widths in ((1, 2), (0, 3, 2, 1), (2, 0, 0, 0)):
        pairs = [(0, 0)] * (3 - len(widths) // 2) + [widths[i : i + 2] for i in range(len(widths) - 2, -1, -2)]
        np.testing.assert_array_equal(F.pad(tg.tensor(x), widths, mode).numpy(), np.pad(x, pairs, theirs))  # type: ignore[call-overload]


def test_interpolate_repeats() -> None:
    x = np.arange(6.0).reshape(1, 1, 2, 3)
    np.testing.assert_array_equal(F.interpolate(tg.tensor(x), scale_factor=2).numpy(), x.repeat(2, 2).repeat(2, 3))


@pytest.mark.parametrize(
    ("start", "end", "shape"), [(0, -1, (24,)), (1, -1, (2, 12)), (0, 1, (6, 4)), (1, 1, (2, 3, 4)), (-2, -1, (2, 12))]
)
def test_flatten(start: int, end: int, shape: tuple[int, ...]) -> None:
    assert F.flatten(tg.ones((2, 3, 4)), start, end).shape == shape
    assert F.flatten(tg.tensor(1.0)).shape == (1,)


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_normalize_gives_length_1(axis: int) -> None:
    x = tg.tensor(RNG.normal(size=(3, 4, 2)))
    np.testing.assert_allclose((F.normalize(x, axis=axis).numpy() ** 2).sum(axis=axis), 1.0, rtol=1e-12)
    assert (F.normalize(tg.zeros((2, 3))).numpy() == 0).all()


@pytest.mark.oracles
@pytest.mark.parametrize("p", [0.5, 1.0, 2.0, 3.0, np.inf])
def test_the_gradient_of_normalize_at_0_is_that_of_torch(p: float) -> None:
    import torch

    data = np.array([[0.0, 0.0, 0.0], [1.0, -2.0, 3.0]])
    x, y = tg.tensor(data, requires_grad=True), torch.tensor(data, requires_grad=True)
    F.normalize(x, p).sum().backward()
    torch.nn.functional.normalize(y, p).sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), y.grad.numpy(), rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: F.embedding(tg.tensor(np.array([1, 4])), x), "row 4 is not one of the 4 from 0 to 3"),
        (lambda x: F.embedding(tg.tensor(np.array([1, -1])), x), "row -1 is not one of the 4 from 0 to 3"),
        (lambda x: F.embedding(x, x), "embedding takes integer indices, not float32"),
        (lambda x: F.embedding(tg.tensor(np.array([1])), x[0]), r"the weight \(5,\) must be \(rows, width\)"),
        (lambda x: F.embedding(tg.tensor(np.array([1])), x, 4), "padding_idx 4 is not a row"),
        (lambda x: F.one_hot(tg.tensor(np.array([1, 3])), 3), "class 3 is not one of the 3 from 0 to 2"),
        (lambda x: F.one_hot(tg.tensor(np.zeros(0, int))), "one_hot of no elements needs num_classes"),
        (
            lambda x: F.gather(x, 0, tg.tensor(np.array([1]))),
            r"the index \(1,\) must have the axes of the input \(4, 5\)",
        ),
        (lambda x: F.gather(x, 0, tg.tensor(np.zeros((1, 6), int))), "be no longer along those other than 0"),
        (
            lambda x: F.scatter_add(x, 0, tg.tensor(np.zeros((2, 3), int)), x[:1]),
            r"src \(1, 5\) must be at least as long as the index",
        ),
        (lambda x: F.pad(x, (1,)), "must be pairs"),
        (lambda x: F.pad(x, (1, 1), "mirror"), "mode is one of constant, reflect, replicate, circular, not 'mirror'"),
        (lambda x: F.pad(x, (5, 0), "reflect"), "mode 'reflect' can add at most 4 elements along axis 1 of length 5"),
        (lambda x: F.pad(x, (-3, -3)), "cuts more off"),
        (lambda x: F.interpolate(x[None], 2, mode="bilinear"), "only mode 'nearest' is there"),
        (lambda x: F.interpolate(x[None]), "either size or scale_factor"),
        (lambda x: F.flatten(x, 1, 0), "start_axis 1 comes after end_axis 0"),
        (lambda x: F.normalize(x, 0.0), "a norm needs p > 0"),
        (lambda x: F.linear(x, tg.ones((2, 4))), r"weight \(2, 4\) do not fit"),
        (lambda x: F.bilinear(x, x, tg.ones((2, 4, 5))), "do not fit the weight"),
    ],
)
def test_errors(call: Any, message: str) -> None:
    with pytest.raises((tg.TeachgradError, IndexError), match=message):
        call(tg.ones((4, 5)))
