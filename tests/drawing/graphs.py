"""Graphs to draw: histories of the samples of ops, a training step, random graphs of modules."""

from __future__ import annotations

from typing import Any

import numpy as np

import teachgrad as tg
from teachgrad import nn, optim
from teachgrad.op import Vertex
from tests.op_samples import SAMPLES


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc1 = nn.Linear(2, 16)
        self.fc2 = nn.Linear(16, 1)

    def forward(self, x: Any) -> Any:
        return self.fc2(self.fc1(x).tanh())


def training_step(level: str = "O1") -> Any:
    """A static training step that has run."""
    tg.seed(0)
    net = Net()
    optimizer = optim.SGD(net.parameters(), lr=0.1, momentum=0.9)

    def step(x: Any, t: Any) -> Any:
        optimizer.zero_grad()
        loss = ((net(x) - t) ** 2).mean()
        loss.backward()
        optimizer.step()
        return loss

    function = tg.static(step, level=level)
    for _ in range(2):
        function(tg.ones((5, 2)), tg.zeros((5, 1)))
    return function


def histories(count: int) -> list[Any]:
    """Results of samples that have a history."""
    found: list[Any] = []
    for sample in SAMPLES:
        if sample.order == 0 or len(found) == count:
            continue
        answer = sample.call(*[tg.tensor(x, requires_grad=x.dtype.kind == "f") for x in map(np.asarray, sample.inputs)])
        if isinstance(answer, Vertex) and answer.op is not None:
            found.append(answer)
    return found


def walked(root: Any) -> tuple[int, int]:
    """How many vertices and operands there are behind a tensor, counted by walking `.inputs`."""
    seen, stack, edges = {}, [root], 0
    while stack:
        v = stack.pop()
        if id(v) not in seen:
            seen[id(v)] = v
            edges += len(v.inputs)
            stack += v.inputs
    return len(seen), edges


def residual(seed: int, size: int) -> Any:
    """A random tensor program: chains, branches and joins."""
    rng = np.random.default_rng(seed)
    values = [tg.tensor(np.ones((2, 3), np.float32), requires_grad=True, name=f"x{k}") for k in range(3)]
    for _ in range(size):
        a, b = (values[-1 - int(rng.integers(min(8, len(values))))] for _ in range(2))
        values.append(a.tanh() if rng.random() < 0.4 else a * b if rng.random() < 0.5 else a + b)
    return values[-1].sum()
