"""How many arithmetic operations an op takes: against counts by hand and against PyTorch's counter."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import teachgrad as tg
from teachgrad import nn
from teachgrad.graph import specs
from teachgrad.op import REGISTRY, Spec
from tests.op_samples import SAMPLES

F4 = np.dtype(np.float32)


def spec(*shape: int) -> Spec:
    return Spec(shape, F4)


@pytest.mark.parametrize(("op", "result", "inputs", "attrs", "expected"), [
    ("add", spec(3, 4), [spec(3, 4), spec(4)], {}, 12),
    ("sigmoid", spec(5), [spec(5)], {}, 5 * 4),
    ("exp", spec(5), [spec(5)], {}, 5),
    ("sum", spec(), [spec(3, 4)], {"axis": (0, 1), "keepdims": False}, 12),
    ("matmul", spec(2, 3, 5), [spec(2, 3, 4), spec(4, 5)], {}, 2 * 2 * 3 * 4 * 5),
    ("matmul_nt", spec(3, 5), [spec(3, 4), spec(5, 4)], {}, 2 * 3 * 4 * 5),
    ("matmul_tn", spec(3, 5), [spec(4, 3), spec(4, 5)], {}, 2 * 3 * 4 * 5),
    ("linear", spec(7, 5), [spec(7, 4), spec(5, 4), spec(5)], {}, 2 * 7 * 4 * 5 + 7 * 5),
    ("einsum", spec(3, 5), [spec(3, 4), spec(4, 5)], {"subscripts": "ij,jk->ik"}, 2 * 3 * 4 * 5),
    ("reshape", spec(12), [spec(3, 4)], {"shape": (12,)}, 0),
    ("concat", spec(6), [spec(3), spec(3)], {"axis": 0}, 0),
])
def test_by_hand(op: str, result: Spec, inputs: list[Spec], attrs: dict[str, Any], expected: int) -> None:
    assert REGISTRY[op].flops(result, *inputs, **attrs) == expected


def test_a_loop_takes_its_body_for_each_step() -> None:
    w = tg.ones((3, 3))

    @tg.static
    def loop(xs: Any, h: Any) -> Any:
        return tg.scan(lambda h, x: ((x + h @ w).tanh(), None), init=h, xs=xs)[0]

    loop(tg.ones((7, 3)), tg.zeros(3))
    scan = next(v for v in loop.graph.order if v.op.name == "scan")
    assert scan.op.flops(*specs([scan, *scan.inputs]), **scan.attrs) == 7 * (2 * 3 * 3 + 3 + 3)


def test_every_op_has_a_count() -> None:
    """For each op that a sample runs, what it is called with in dynamic mode gives a count that is not negative."""
    seen: dict[str, int] = {}

    for sample in SAMPLES:
        with tg.profile() as p:
            sample.call(*[tg.tensor(x) for x in map(np.asarray, sample.inputs)])
        for run in p.runs:
            assert run.flops >= 0
            seen[run.op] = max(seen.get(run.op, 0), run.flops)
    assert len(seen) > 100
    assert seen["copy"] == seen["concat"] == 0 < seen["add"]


@pytest.mark.oracles("torch")
def test_products_and_convolutions_as_pytorch_counts_them() -> None:
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    def convolution(library: Any, *sizes: int, **settings: int) -> Any:
        return library.Conv2d(*sizes, bias=False, **settings)

    padded, grouped = {"padding": 1}, {"stride": 2, "groups": 2}
    layers: list[tuple[Any, Any, tuple[int, ...], bool]] = [
        (nn.Linear(6, 5, bias=False), torch.nn.Linear(6, 5, bias=False), (4, 6), True),
        (convolution(nn, 3, 4, 3, **padded), convolution(torch.nn, 3, 4, 3, **padded), (2, 3, 7, 6), True),
        (convolution(nn, 4, 8, 3, **grouped), convolution(torch.nn, 4, 8, 3, **grouped), (2, 4, 9, 9), False),
    ]  # of a convolution in groups, PyTorch counts the products between groups too, once it goes backward
    heavy = ("linear", "matmul", "convolution")
    for ours, theirs, shape, backward in layers:
        with FlopCounterMode(display=False) as counter:
            z = theirs(torch.ones(shape, requires_grad=True)).sum()
            if backward:
                z.backward()
        with tg.profile() as p:
            y = ours(tg.ones(shape, requires_grad=True)).sum()
            if backward:
                y.backward()
        assert sum(run.flops for run in p.runs if run.op.startswith(heavy)) == counter.get_total_flops()
