"""Adam, and AdamW with decay that does not go through the averages."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import repeat
from math import inf
from typing import Any

import teachgrad as tg

from ..ops.updates import adam_update, average_update, count_update, square_update
from .optimizer import Group, Optimizer, Tensors, check, directions


class Adam(Optimizer):
    r"""m ← β₁ m + (1 - β₁) d,   v ← β₂ v + (1 - β₂) d²,   p ← p - η m̂ / (√v̂ + ε)

    with m̂ = m / (1 - β₁ᵗ), v̂ = v / (1 - β₂ᵗ) after t steps, and d = g + λ p. η is `lr`, β `betas`, ε `eps`, λ
    `weight_decay`, g the gradient (its negative under `maximize`). With `amsgrad` the largest v so far takes the place
    of v in the last formula.

    Source: D. Kingma, J. Ba, "Adam: a method for stochastic optimization" (2015), algorithm 1; S. Reddi, S. Kale,
    S. Kumar, "On the convergence of Adam and beyond" (2018), in the form of PyTorch, which corrects the largest v too.
    """

    cells = ("lr", "betas")
    decoupled = False
    """Whether weight decay shrinks the parameter itself instead of being part of d."""

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        settings = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "amsgrad": amsgrad,
            "maximize": maximize,
        }
        check(settings, lr=(0, inf), betas=(0, 1), eps=(0, inf), weight_decay=(0, inf))
        super().__init__(params, settings)

    @staticmethod
    def slot_names(group: Group) -> tuple[str, ...]:
        slots = ("step", "exp_avg", "exp_avg_sq")
        return (*slots, "max_exp_avg_sq") if group["amsgrad"] else slots

    def rule(self, ps: Tensors, gs: Tensors, group: Group) -> None:
        decay = group.settings["weight_decay"]
        ds = directions(ps, gs, group, with_decay=not self.decoupled)
        beta1, beta2 = map(repeat, group.pair("betas"))
        steps, averages, squares = (self.kept(ps, name) for name in ("step", "exp_avg", "exp_avg_sq"))
        count_update.overwrite(steps)
        average_update.overwrite(averages, ds, beta1)
        square_update.overwrite(squares, ds, beta2)
        if group.settings["amsgrad"]:
            largest = self.kept(ps, "max_exp_avg_sq")
            squares = [most.copy_(tg.maximum(most, square)) for most, square in zip(largest, squares, strict=True)]
        adam_update.overwrite(
            ps,
            averages,
            squares,
            steps,
            repeat(group.cell("lr")),
            beta1,
            beta2,
            eps=group.settings["eps"],
            decay=decay if self.decoupled else 0.0,
        )


class AdamW(Adam):
    r"""As `Adam`, but p ← (1 - η λ) p - η m̂ / (√v̂ + ε), with d = g

    Source: I. Loshchilov, F. Hutter, "Decoupled weight decay regularization" (2019), algorithm 2.
    """

    decoupled = True

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(params, lr, betas, eps, weight_decay, amsgrad, maximize=maximize)
