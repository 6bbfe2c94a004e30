"""Where CuPy does something else than NumPy without a word, and where code of the user's gets its arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import teachgrad as tg


def test_positions_of_no_element_are_refused(place: Any) -> None:
    """CuPy would count on from the beginning, and give another element."""
    x = tg.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]], device=place.name)
    wrong, right = (tg.tensor(k, device=place.name) for k in ([0, 3], [-2, 1]))
    assert x[:, tg.tensor([-1], device=place.name)].to("cpu").numpy().tolist() == [[3.0], [6.0]]
    assert x[right].to("cpu").numpy().tolist() == [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]
    calls = {
        "axis 1 with size 3": (lambda: x[..., wrong], lambda: x[:, None, wrong], lambda: x[1, wrong],
                               lambda: tg.xp.take(x, wrong, axis=1),
                               lambda: tg.xp.take_along_axis(x, tg.stack([wrong, wrong]), axis=1)),
        "axis 0 with size 2": (lambda: x[wrong], lambda: x[wrong, right]),
    }
    for told, forms in calls.items():
        for form in forms:
            with pytest.raises(IndexError, match=f"index 3 is out of bounds for {told}"):
                form()
    for tracked in (False, True):
        told = []
        for name in ("cpu", place.name):
            y = tg.zeros((2, 3), device=name, requires_grad=tracked) + 0.0
            with pytest.raises((IndexError, tg.ShapeError), match="index 3 is out of bounds for axis 0") as caught:
                y[wrong.to(name)] = 1.0
            assert (y == 0.0).all()
            told.append((caught.type, str(caught.value)))
        assert told[0] == told[1]


@pytest.mark.parametrize("tracked", [False, True])
def test_the_last_of_several_values_for_one_place_stays(tracked: bool, place: Any) -> None:
    """As with NumPy, and for gradients: CuPy leaves open which stays."""
    answers = []
    for name in ("cpu", place.name):
        with tg.device(name):
            x, twice = tg.zeros((4, 2)), tg.tensor([1, 3, 1, 1])
            values = tg.tensor(np.arange(8.0, dtype=np.float32).reshape(4, 2), requires_grad=tracked)
            y = x + 0.0
            y[twice] = values
            y[twice, 0] = values[:, 1] * 10.0
            y[0] = tg.tensor([7.0, 8.0])
            found = [y]
            if tracked:
                found += tg.grad((y * y).sum(), [values])
        answers.append([a.to("cpu").numpy() for a in found])
    for got, want in zip(answers[1], answers[0], strict=True):
        np.testing.assert_array_equal(got, want)


def test_functions_of_your_own(place: Any) -> None:
    """They get arrays of the device, and their rules tensors of it; also where a result is not used."""
    class Both(tg.Function):
        @staticmethod
        def forward(ctx: Any, x: Any, factor: float) -> Any:
            assert type(x) is place.array
            cube = x * x * x
            ctx.save(x, cube)
            ctx.factor = factor
            return cube * factor, x.reshape(-1)

        @staticmethod
        def backward(ctx: Any, g: Any, h: Any) -> Any:
            x, _ = ctx.saved
            return g * x * x * (3.0 * ctx.factor) + h.reshape(x.shape), None

    x = tg.tensor([[1.0, 2.0]], requires_grad=True, device=place.name)
    z, y = Both.apply(x, 2.0)
    (slope,) = tg.grad(z.sum(), [x], create_graph=True)
    (bend,) = tg.grad(slope.sum(), [x])
    (ones,) = tg.grad((y * 3.0).sum(), [x])
    for got, want in ((z, [[2.0, 16.0]]), (y, [1.0, 2.0]), (slope, [[6.0, 24.0]]), (bend, [[12.0, 24.0]]),
                      (ones, [[3.0, 3.0]])):
        assert got.device == place.name
        assert got.to("cpu").numpy().tolist() == want
    y._data[0] = 7.0  # a copy, although forward gave a view of its argument
    assert x.to("cpu").numpy().tolist() == [[1.0, 2.0]]
