"""What one op costs on 10 elements, where arithmetic is nothing: teachgrad's call over the bare NumPy call."""

from __future__ import annotations

import json
from collections.abc import Callable

import numpy as np

from ..children import run
from ..results import Rows
from ..timing import Effort, Estimate, paired

EFFORT = Effort(sample_s=0.005, warm_up_s=0.1, budget_s=3.0, precision=0.02)


def measure(core: int, limit_s: float) -> Rows:
    """Ratios by `op, kind`; `worst forward` is the largest of the forward ones that record for a gradient."""
    rows = json.loads(run(["-m", "benchmarks.costs.op"], core, limit_s).stdout)
    return {row: Estimate(*figures) for row, figures in rows.items()}


def rows() -> dict[str, Estimate]:
    """Three kinds: no gradient wanted, gradient wanted (the op is remembered), and with `backward()` of a sum."""
    import teachgrad as tg

    rng = np.random.default_rng(0)
    a, b = rng.uniform(0.5, 1.5, (2, 10)).astype(np.float32)
    plain_a, plain_b = tg.tensor(a), tg.tensor(b)
    x, y = tg.tensor(a, requires_grad=True), tg.tensor(b, requires_grad=True)
    calls: dict[str, tuple[Callable[[], object], Callable[[], object], Callable[[], object]]] = {
        "add": (lambda: np.add(a, b), lambda: plain_a + plain_b, lambda: x + y),
        "multiply": (lambda: np.multiply(a, b), lambda: plain_a * plain_b, lambda: x * y),
        "exp": (lambda: np.exp(a), lambda: tg.exp(plain_a), lambda: tg.exp(x)),
        "tanh": (lambda: np.tanh(a), lambda: tg.tanh(plain_a), lambda: tg.tanh(x)),
        "matmul": (lambda: np.matmul(a, b), lambda: plain_a @ plain_b, lambda: x @ y),
        "sum": (lambda: np.sum(a), lambda: tg.sum(plain_a), lambda: tg.sum(x)),
    }
    found: dict[str, Estimate] = {}
    for name, (bare, forward, remembered) in calls.items():
        timings = paired({"bare": bare, "forward": forward, "remembered": remembered}, EFFORT)
        found[f"{name}, no gradient"] = timings.ratio("forward", "bare")
        found[f"{name}, for a gradient"] = timings.ratio("remembered", "bare")
    worst = max((e for row, e in found.items() if row.endswith("for a gradient")), key=lambda e: e.value)
    return {**found, "worst forward": worst}


if __name__ == "__main__":
    print(json.dumps({row: estimate.as_list() for row, estimate in rows().items()}))
