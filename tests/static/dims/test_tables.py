"""Open batch sizes in every call of the tables that other tests go through: ops, nn.functional, and the layers of nn.

The first axis of the first input, and that of every input of the same length, is open; for another size, rows are
repeated. Values and gradients have the bits of dynamic mode.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

import teachgrad as tg
import tests.arrays.samples  # noqa: F401  (adds its rows to the table)
from teachgrad import nn
from teachgrad.errors import GradientError
from teachgrad.op import Vertex
from tests.functional.test_cases import CASES
from tests.nn.layers import LAYERS
from tests.op_samples import SAMPLES

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")


@dataclass(frozen=True)
class Call:
    """A call of tensors, the arrays that it is given, and how many of these are differentiated."""

    run: Callable[..., Any]
    arrays: tuple[Any, ...]
    wanted: int


def table() -> dict[str, Call]:
    """All calls of the tables whose first input has an axis."""
    found = {}
    for case in CASES:
        found[f"functional: {case.name}"] = Call(
            lambda *xs, case=case: case.call(nn.functional, tg, *xs), (*case.arrays, *case.constants),
            len(case.arrays))
    for sample in SAMPLES:
        if "value shape" not in sample.tags and all(isinstance(x, np.ndarray) for x in sample.inputs):
            found[f"op: {sample.name}"] = Call(sample.call, sample.inputs, len(sample.inputs) if sample.order else 0)
    for name, layer in LAYERS.items():
        tg.seed(1)
        module = getattr(nn, layer.name)(*layer.args, **layer.settings)
        found[f"layer: {name}"] = Call(module, tuple([np.asarray(x, np.float32) if x.dtype.kind == "f" else x
                                                      for x in layer.inputs]), len(layer.inputs))
    return {name: call for name, call in found.items() if call.arrays and call.arrays[0].ndim}


TABLE = table()


def resized(arrays: tuple[Any, ...], n: int) -> list[Any]:
    """The arrays with n rows where they had as many as the first."""
    rows = len(arrays[0])
    return [np.ascontiguousarray(np.take(x, np.arange(n) % rows, axis=0)) if x.ndim and len(x) == rows and rows else x
            for x in arrays]


def answers(call: Call, run: Callable[..., Any], arrays: list[Any]) -> Any:
    """The bits of values and gradients, or the kind of error."""
    tg.seed(3)
    tensors = [tg.tensor(x, requires_grad=k < call.wanted and x.dtype.kind == "f") for k, x in enumerate(arrays)]
    try:
        found = run(*tensors)
    except (ValueError, IndexError, ZeroDivisionError, GradientError) as error:
        return type(error).__name__
    return [None if x is None else (x.shape, str(x.dtype), x.numpy().tobytes()) for x in found]


def with_gradients(call: Call, count: int) -> Callable[..., Any]:
    """The values of a call and its gradients, as a function of `count` tensors."""
    def step(*xs: Any) -> Any:
        values = call.run(*xs)
        values = [y for y in (values if isinstance(values, (tuple, list)) else [values]) if isinstance(y, Vertex)]
        sums = [(y * 1.5).sum() for y in values if y.requires_grad]
        targets = [x for x in xs if x.requires_grad]
        slopes = tg.grad(sum(sums[1:], sums[0]), targets, allow_unused=True) if sums and targets else []
        return [*values, *slopes]

    names = ", ".join(f"x{k}" for k in range(count))
    space: dict[str, Any] = {"step": step}
    exec(f"def named({names}): return step({names})", space)
    named: Callable[..., Any] = space["named"]
    return named


def compare(call: Call, sizes: tuple[int, ...], level: str = "O1") -> int:
    """Compare a call for many sizes in both modes; how often it was traced."""
    rows = len(call.arrays[0])
    step = with_gradients(call, len(call.arrays))
    dims = {f"x{k}": ("N", ...) for k, x in enumerate(call.arrays) if x.ndim and len(x) == rows}
    static = tg.static(step, dims=dims, level=level)
    for n in sizes:
        arrays = resized(call.arrays, n)
        assert answers(call, static, arrays) == answers(call, step, arrays), n
    return static.count


TRACED_AGAIN = {
    "layer: rnn", "layer: lstm", "layer: lstm_single", "layer: gru", "layer: gru_deep",  # their times are unrolled
    "op: cond 1", "op: cond -1", "op: trace", "op: gather", "op: scatter_add",  # they ask which axis is the longer one
    "op: einsum bhid,bhjd->bhij",  # one row, which may broadcast
    *(f"op: {kind} {matrix}()" for matrix in ("square", "wide")  # these ask it, too; a tall matrix stays tall
      for kind in ("svd", "svd full", "svdvals", "qr", *(f"matrix_norm {order}" for order in ("nuc", 2, -2)))),
    "op: pinv wide()", "op: matrix_rank wide()", "op: qr, r alone", "op: qr, q alone",
    *(f"op: {kind} {offset}()" for kind in ("diagonal", "trace") for offset in (0, 2)),
}
"""Calls with more than one trace for these sizes. They are right all the same."""


@pytest.mark.parametrize("name", [pytest.param(name, marks=pytest.mark.slow) if name.startswith("op:") else name
                                  for name in TABLE])
def test_every_call_of_the_tables(name: str) -> None:
    rows = len(TABLE[name].arrays[0])
    count = compare(TABLE[name], (rows, rows + 3, 2 * rows + 1, rows))
    assert (count > 1) == (name in TRACED_AGAIN)


@pytest.mark.slow
@pytest.mark.parametrize("level", ["O0", "O1"])
@pytest.mark.parametrize("name", TABLE)
def test_one_row_and_none(name: str, level: str) -> None:
    rows = len(TABLE[name].arrays[0])
    compare(TABLE[name], (rows, 1, 0, 2), level)
