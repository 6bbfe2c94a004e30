"""The bodies of loops and branches are rewritten like everything else, and what is done there is told and verified."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import teachgrad as tg
from teachgrad.errors import VerificationError
from teachgrad.passes.accuracy import verified

X = np.array([[0.5, -1.0, 1000.0], [2.0, -1000.0, 0.0]], np.float32)


def softplus(x: Any) -> Any:
    return tg.log(1.0 + tg.exp(x))


LOOPS: dict[str, Callable[[Any], Any]] = {
    "scan": lambda x: tg.scan(lambda c, row: (c + softplus(row), softplus(row)), tg.zeros((3,)), x)[1],
    "while": lambda x: tg.while_loop(lambda n, c: n < 1, lambda n, c: (n + 1, softplus(c)), (tg.tensor(0), x))[1],
    "cond": lambda x: tg.cond(x.sum() > -1e9, softplus, lambda y: y, x),
    "scan in scan": lambda x: tg.scan(lambda c, row: (c, tg.scan(lambda d, r: (d, softplus(r)), c, row)[1]),
                                      tg.tensor(0.0), x)[1],
}


@pytest.mark.parametrize("name", LOOPS)
def test_bodies_are_rewritten(name: str) -> None:
    x = tg.tensor(X)
    with np.errstate(over="ignore"):
        assert np.isinf(tg.static(LOOPS[name], level="O1")(x).numpy()).any()
    f = tg.static(LOOPS[name], level="O2", verify=True)
    np.testing.assert_allclose(f(x).numpy(), np.logaddexp(0, X), rtol=1e-6)
    found = [entry for entry in f.trace.rewrites if entry.rule == "log_of_one_plus_exp"]
    assert found
    for entry in found:
        assert " in the body of tg." in entry.pass_name
        assert entry.error is not None
        assert "test_bodies.py" in str(entry.where)


def test_a_wrong_rewrite_in_a_body_is_found() -> None:
    f = tg.static(LOOPS["scan"], level="O2", verify=True)
    f(tg.tensor(X))
    good = next(entry for entry in f.trace.rewrites if entry.rule == "log_of_one_plus_exp")
    (graph,) = {id(v.attrs["body"].graph): v.attrs["body"].graph for v in f.graph.order if "body" in v.attrs}.values()
    bad = replace(good, after=graph.inputs[1])
    leaves = {v.id: X for v in f.graph.inputs} | {v.id: np.zeros(3, np.float32) for v in f.graph.cells}
    with pytest.raises(VerificationError, match="log_of_one_plus_exp"):
        verified([bad], leaves, f.trace.recording.graph)


def test_a_branch_that_does_not_run_is_not_verified() -> None:
    f = tg.static(lambda x: tg.cond(x.sum() > 1e9, softplus, lambda y: y, x), level="O2", verify=True)
    np.testing.assert_array_equal(f(tg.tensor(X)).numpy(), X)
    errors = [entry.error for entry in f.trace.rewrites if entry.rule == "log_of_one_plus_exp"]
    assert errors
    assert all(error is None for error in errors)


def test_gradients_of_bodies_are_rewritten() -> None:
    w = tg.tensor([0.5, -0.5, 1.0], requires_grad=True, name="w")

    def loss(x: Any) -> Any:
        w.grad = None
        z = tg.scan(lambda c, row: (softplus(c * w + row), None), tg.zeros((3,)), x)[0].sum()
        z.backward()
        return z, w.grad

    x = tg.tensor(X / 1000)
    wanted = loss(x)
    f = tg.static(loss, level="O2", verify=True)
    for got, right in zip(f(x), wanted, strict=True):
        np.testing.assert_allclose(got.numpy(), right.numpy(), rtol=1e-5)
    assert any("gradient of the body" in entry.pass_name for entry in f.trace.rewrites)
