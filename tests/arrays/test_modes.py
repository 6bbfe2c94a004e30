"""The gradient modes: as blocks and as decorators, nested, in threads, in generators."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import teachgrad as tg


@pytest.fixture
def w() -> tg.Tensor:
    return tg.tensor([1.0, 2.0], requires_grad=True)


def test_blocks_and_decorators_with_and_without_parentheses(w: tg.Tensor) -> None:
    with tg.no_grad():
        assert not (w * 2).requires_grad
    with tg.no_grad:
        assert not (w * 2).requires_grad

    @tg.no_grad
    def plain(x: Any) -> Any:
        """Its text."""
        return x * 2

    @tg.no_grad()
    def called(x: Any) -> Any:
        return x * 2

    assert not plain(w).requires_grad
    assert not called(w).requires_grad
    assert plain.__doc__ == "Its text."
    assert (w * 2).requires_grad


def test_modes_nest_and_end_with_an_error(w: tg.Tensor) -> None:
    with tg.no_grad(), tg.no_grad():
        with tg.enable_grad():
            assert tg.is_grad_enabled()
            assert (w * 2).requires_grad
        assert not tg.is_grad_enabled()
    assert tg.is_grad_enabled()
    with pytest.raises(ZeroDivisionError), tg.no_grad():
        1 / 0
    assert tg.is_grad_enabled()

    @tg.no_grad
    def recursive(n: int) -> bool:
        return tg.is_grad_enabled() if n == 0 else recursive(n - 1)

    assert recursive(3) is False
    assert tg.is_grad_enabled()


def test_no_grad_makes_no_graph_and_lets_leaves_be_overwritten(w: tg.Tensor) -> None:
    (w * w).sum().backward()
    with tg.no_grad():
        w -= 0.5 * w.grad
        y = w * 3
    assert y.op is None
    assert y.inputs == ()
    np.testing.assert_array_equal(w.numpy(), [0, 0])
    (y * w).sum().backward()  # what was made without a graph is a constant afterwards


def test_inference_marks_what_must_not_be_trained_with(w: tg.Tensor) -> None:
    with tg.inference:
        y = w * 2
        z = tg.ones(2) * 3
        np.testing.assert_array_equal((y + 1).numpy(), [3, 5])
    np.testing.assert_array_equal(y.numpy(), [2, 4])
    with pytest.raises(tg.GradientError, match=r"inference mode is used at test_modes.py"):
        y * w
    with tg.no_grad():
        np.testing.assert_array_equal((y * 2).numpy(), [4, 8])
    assert (z * w).requires_grad  # it never had to do with a gradient


def test_each_thread_has_its_own_mode(w: tg.Tensor) -> None:
    ready, go = threading.Barrier(2), threading.Barrier(2)
    seen = {}

    def work() -> None:
        with tg.no_grad():
            ready.wait()
            go.wait()
            seen["in no_grad"] = (w * 2).requires_grad

    thread = threading.Thread(target=work)
    thread.start()
    ready.wait()
    seen["outside"] = (w * 2).requires_grad
    go.wait()
    thread.join()
    assert seen == {"in no_grad": False, "outside": True}


def test_a_generator_runs_in_the_mode_and_its_user_does_not(w: tg.Tensor) -> None:
    heard = []

    @tg.no_grad
    def values() -> Iterator[Any]:
        try:
            heard.append((yield (w * 1).requires_grad))
            yield tg.is_grad_enabled()
        except ValueError:
            yield f"caught, {tg.is_grad_enabled()}"
        finally:
            heard.append(tg.is_grad_enabled())

    running = values()
    assert next(running) is False
    assert tg.is_grad_enabled()
    assert running.send("hello") is False
    assert tg.is_grad_enabled()
    assert running.throw(ValueError()) == "caught, False"
    assert tg.is_grad_enabled()
    running.close()
    assert heard == ["hello", False]
    assert list(values()) == [False, False]


def test_what_cannot_be_decorated_is_refused() -> None:
    async def later() -> None: ...

    with pytest.raises(TypeError, match=r"tg.no_grad cannot decorate later.* async"):
        tg.no_grad(later)
    with pytest.raises(TypeError, match=r"not with a int"):
        tg.no_grad(3)
