"""The goals, in one table. The report says of each whether it is reached."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from .peers import DYNAMIC, FAST, PEERS, STATIC, YARDSTICK
from .timing import Estimate
from .workloads import WORKLOADS


@dataclass(frozen=True, slots=True)
class Bar:
    """A measure (named as in `Results.measures`) must not be above its limit.

    With `within_noise` the lower end of the confidence interval counts: the claim is then "not measurably above".
    """

    claim: str
    measure: str
    limit: float
    unit: str = "x"
    within_noise: bool = False

    def reached(self, measures: Mapping[str, Estimate]) -> bool | None:
        """Whether the goal is reached, or None if it was not measured."""
        ratio = measures.get(self.measure)
        if ratio is None:
            return None
        return (ratio.low if self.within_noise else ratio.value) <= self.limit


OTHERS_TO_BEAT = ("mygrad", "autograd", "tinygrad", "tinygrad-jit", "micrograd")


def _step(claim: str, peer: str, base: str, limit: float, within_noise: bool = False) -> list[Bar]:
    """One bar for each workload in which the base can take part."""
    return [
        Bar(f"{name}: {claim}", f"{name}: {peer} / {base}", limit, within_noise=within_noise)
        for name, workload in WORKLOADS.items()
        if base not in workload.absent
    ]


BARS: list[Bar] = [
    Bar("moons: dynamic over NumPy by hand", f"moons: {DYNAMIC} / {YARDSTICK}", 2.2),
    Bar("mlp: dynamic over NumPy by hand", f"mlp: {DYNAMIC} / {YARDSTICK}", 1.3),
    *_step("static O1 over NumPy by hand", STATIC, YARDSTICK, 1.15),
    *_step("static O1 never slower than dynamic", STATIC, DYNAMIC, 1.0, within_noise=True),
    Bar("moons: static O3 over NumPy by hand", f"moons: {FAST} / {YARDSTICK}", 0.3),
    Bar("mlp: static O3 over PyTorch, eager", f"mlp: {FAST} / torch", 0.95),
    Bar("mlp: static O3 over jax.jit", f"mlp: {FAST} / jax", 0.95),
    Bar("chain: static O3 over jax.jit", f"chain: {FAST} / jax", 0.6),
    *(Bar(f"{name}: static O3 on two cores over one", f"cores: {name}", 0.667) for name in ("mlp", "cnn", "gpt")),
    *_step("dynamic over PyTorch, eager", DYNAMIC, "torch", 1.5),
    *(bar for peer in OTHERS_TO_BEAT for bar in _step(f"dynamic ahead of {PEERS[peer].title}", DYNAMIC, peer, 1.0)),
    *(
        Bar(f"gpt: peak memory of {PEERS[key].title} over PyTorch's, both above the import",
            f"memory: gpt: {key} / torch", 1.0)
        for key in (STATIC, FAST)
    ),
    Bar("import over NumPy's own", "import: teachgrad", 0.1, "s"),
    Bar("forward op on 10 elements over the NumPy call, the worst", "op: worst forward", 4.0),
    Bar("recording off: share of an mlp step", "recording: off", 0.01, ""),
    Bar("recording at level stats: mlp step", "recording: stats", 1.5),
    Bar("recording at level values: mlp step", "recording: values", 3.0),
]
