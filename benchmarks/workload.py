"""What a workload is: one training problem, and for each contestant a function that builds its training step."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]
Labels = NDArray[np.int64]

Step = Callable[[], float]
"""Do one whole SGD step (forward, backward, update) and give the loss from before the update."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One batch of data, the initial weights and the learning rate. The arrays are read-only: contestants copy them.

    Weights have PyTorch's names and layouts (`fc1.weight` is `(out, in)`), so they load as a state dict.
    """

    inputs: NDArray[Any]
    targets: NDArray[Any]
    weights: Mapping[str, Array]
    lr: float

    def __post_init__(self) -> None:
        for array in (self.inputs, self.targets, *self.weights.values()):
            array.flags.writeable = False


@dataclass(frozen=True, slots=True)
class Workload:
    """A problem and its contestants. `absent` says of a peer that cannot take part why not."""

    name: str
    title: str
    problem: Callable[[], Problem]
    absent: Mapping[str, str] = field(default_factory=dict)
    contestants: dict[str, Callable[[Problem], Step]] = field(default_factory=dict)

    def by(self, peer: str) -> Callable[[Callable[[Problem], Step]], Callable[[Problem], Step]]:
        """Decorator: this function builds the step of `peer`. It imports the peer itself, so that others need not."""

        def enter(build: Callable[[Problem], Step]) -> Callable[[Problem], Step]:
            self.contestants[peer] = build
            return build

        return enter


def linear_weights(rng: np.random.Generator, prefix: str, fan_out: int, fan_in: int) -> dict[str, Array]:
    """Weights of `fc(x) = x W^T + b`, uniform within 1/sqrt(fan_in) as PyTorch draws them."""
    bound = fan_in**-0.5
    return {
        f"{prefix}.weight": rng.uniform(-bound, bound, (fan_out, fan_in)).astype(np.float32),
        f"{prefix}.bias": rng.uniform(-bound, bound, fan_out).astype(np.float32),
    }


def transposed(weights: Mapping[str, Array]) -> list[Array]:
    """Copies of the weights in order, each matrix as `(in, out)`: for peers that write `x @ w + b`."""
    return [array.T.copy() for array in weights.values()]
