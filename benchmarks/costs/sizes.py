"""What the first step with a new batch size costs: traced again, or the one trace whose batch size is open."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from ..children import run
from ..results import Rows
from ..timing import Estimate

FIRST, NEW = 64, range(33, 54)
"""The batch size that every function has seen, and those that are new."""


def measure(core: int, limit_s: float) -> Rows:
    """By network the milliseconds of tracing again and of `dims`, above a later step of that size, and their ratio."""
    rows = json.loads(run(["-m", "benchmarks.costs.sizes"], core, limit_s).stdout)
    return {row: Estimate(*figures) for row, figures in rows.items()}


def rows() -> dict[str, Estimate]:
    from teachgrad import nn

    networks: dict[str, tuple[Callable[[], Any], tuple[int, ...]]] = {
        "mlp": (lambda: nn.Sequential(nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 64), nn.ReLU(),
                                      nn.Linear(64, 10)), (784,)),
        "cnn": (lambda: nn.Sequential(nn.Conv2d(1, 6, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 16, 5), nn.ReLU(),
                                      nn.MaxPool2d(2), nn.Flatten(), nn.Linear(256, 10)), (1, 28, 28)),
    }
    found = {}
    for name, (make, shape) in networks.items():
        again, opened = [], []
        step = training(make(), {"x": ("N", ...), "t": ("N",)})
        extra(step, FIRST, shape)
        for n in NEW:
            opened.append(extra(step, n, shape))
            fixed = training(make(), None)
            extra(fixed, FIRST, shape)
            again.append(extra(fixed, n, shape))
        found[f"{name}: traced again, ms"] = Estimate.of([1e3 * s for s in again])
        found[f"{name}: with dims, ms"] = Estimate.of([1e3 * s for s in opened])
        found[f"{name}: with dims over traced again"] = Estimate.of([b / a for a, b in zip(again, opened, strict=True)])
    return found


def training(model: Any, dims: Any) -> Callable[[Any, Any], Any]:
    """A step of training as a static function."""
    import teachgrad as tg

    optimizer = tg.optim.SGD(model.parameters(), lr=0.01)

    @tg.static(dims=dims)
    def step(x: Any, t: Any) -> Any:
        optimizer.zero_grad()
        loss = tg.nn.functional.cross_entropy(model(x), t)
        loss.backward()
        optimizer.step()
        return loss

    return step


def extra(step: Callable[[Any, Any], Any], n: int, shape: tuple[int, ...]) -> float:
    """The seconds by which the first step with a batch of n is longer than the second."""
    import teachgrad as tg

    x, t = tg.tensor(np.zeros((n, *shape), np.float32)), tg.tensor(np.arange(n) % 10)
    start = time.perf_counter()
    step(x, t)
    middle = time.perf_counter()
    step(x, t)
    return 2 * middle - start - time.perf_counter()


if __name__ == "__main__":
    print(json.dumps({row: estimate.as_list() for row, estimate in rows().items()}))
