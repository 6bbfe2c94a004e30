"""Optimizers that scale each element by the size of its gradients so far: RMSprop, Adagrad, Adadelta."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import repeat
from math import inf
from typing import Any

import teachgrad as tg

from ..ops.updates import (
    adadelta_scaled,
    adagrad_update,
    add_square_update,
    average_update,
    count_update,
    momentum_update,
    rms_scaled,
    sgd_update,
    square_update,
)
from .optimizer import Group, Optimizer, Tensors, check, directions


class RMSprop(Optimizer):
    r"""v ← α v + (1 - α) d²,   p ← p - η d / (√v + ε),   with d = g + λ p

    η is `lr`, α `alpha`, ε `eps`, λ `weight_decay`. `centered` subtracts the square of the running average of d from
    v. With `momentum` μ a velocity u ← μ u + d / (√v + ε) takes the place of the fraction.

    Source: G. Hinton, "Neural networks for machine learning", lecture 6e (2012); centered: A. Graves, "Generating
    sequences with recurrent neural networks" (2013).
    """

    cells = ("lr", "alpha", "momentum")

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        momentum: float = 0.0,
        centered: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        settings = {
            "lr": lr,
            "momentum": momentum,
            "alpha": alpha,
            "eps": eps,
            "centered": centered,
            "weight_decay": weight_decay,
            "maximize": maximize,
        }
        check(settings, lr=(0, inf), alpha=(0, inf), eps=(0, inf), momentum=(0, inf), weight_decay=(0, inf))
        super().__init__(params, settings)

    @staticmethod
    def slot_names(group: Group) -> tuple[str, ...]:
        slots: tuple[str, ...] = ("step", "square_avg")
        if group["momentum"]:
            slots += ("momentum_buffer",)
        return (*slots, "grad_avg") if group["centered"] else slots

    def rule(self, ps: Tensors, gs: Tensors, group: Group) -> None:
        ds = directions(ps, gs, group)
        alpha, squares = repeat(group.cell("alpha")), self.kept(ps, "square_avg")
        count_update.overwrite(self.kept(ps, "step"))
        square_update.overwrite(squares, ds, alpha)
        columns = [ds, squares]
        if group.settings["centered"]:
            averages = self.kept(ps, "grad_avg")
            average_update.overwrite(averages, ds, alpha)
            columns.append(averages)
        changes = [rms_scaled(*row, eps=group.settings["eps"]) for row in zip(*columns, strict=True)]
        if "momentum_buffer" in group.slots:
            velocities = self.kept(ps, "momentum_buffer")
            momentum_update.overwrite(velocities, changes, group.column("momentum", ps))
            changes = velocities
        sgd_update.overwrite(ps, changes, group.column("lr", ps))


class Adagrad(Optimizer):
    r"""s ← s + d²,   p ← p - η / (1 + (t - 1) γ) · d / (√s + ε),   with d = g + λ p, in step t

    η is `lr`, γ `lr_decay`, ε `eps`, λ `weight_decay`; s starts at `initial_accumulator_value`.

    Source: J. Duchi, E. Hazan, Y. Singer, "Adaptive subgradient methods for online learning and stochastic
    optimization" (2011).
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-2,
        lr_decay: float = 0.0,
        weight_decay: float = 0.0,
        initial_accumulator_value: float = 0.0,
        eps: float = 1e-10,
        *,
        maximize: bool = False,
    ) -> None:
        settings = {
            "lr": lr,
            "lr_decay": lr_decay,
            "eps": eps,
            "weight_decay": weight_decay,
            "initial_accumulator_value": initial_accumulator_value,
            "maximize": maximize,
        }
        check(
            settings,
            lr=(0, inf),
            lr_decay=(0, inf),
            eps=(0, inf),
            weight_decay=(0, inf),
            initial_accumulator_value=(0, inf),
        )
        super().__init__(params, settings)

    @staticmethod
    def slot_names(group: Group) -> tuple[str, ...]:
        return "step", "sum"

    @staticmethod
    def initial(name: str, p: Any, group: Group) -> Any:
        if name == "sum":
            return tg.full_like(p, group["initial_accumulator_value"])
        return Optimizer.initial(name, p, group)

    def rule(self, ps: Tensors, gs: Tensors, group: Group) -> None:
        ds = directions(ps, gs, group)
        steps, sums = self.kept(ps, "step"), self.kept(ps, "sum")
        count_update.overwrite(steps)
        add_square_update.overwrite(sums, ds)
        lr_decay, eps = group.settings["lr_decay"], group.settings["eps"]
        adagrad_update.overwrite(ps, ds, sums, steps, repeat(group.cell("lr")), lr_decay=lr_decay, eps=eps)


class Adadelta(Optimizer):
    r"""v ← ρ v + (1 - ρ) d²,   z = d √(u + ε) / √(v + ε),   u ← ρ u + (1 - ρ) z²,   p ← p - η z,   with d = g + λ p

    η is `lr`, ρ `rho`, ε `eps`, λ `weight_decay`.

    Source: M. Zeiler, "Adadelta: an adaptive learning rate method" (2012), algorithm 1.
    """

    cells = ("lr", "rho")

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1.0,
        rho: float = 0.9,
        eps: float = 1e-6,
        weight_decay: float = 0.0,
        *,
        maximize: bool = False,
    ) -> None:
        settings = {"lr": lr, "rho": rho, "eps": eps, "weight_decay": weight_decay, "maximize": maximize}
        check(settings, lr=(0, inf), rho=(0, 1), eps=(0, inf), weight_decay=(0, inf))
        super().__init__(params, settings)

    @staticmethod
    def slot_names(group: Group) -> tuple[str, ...]:
        return "step", "square_avg", "acc_delta"

    def rule(self, ps: Tensors, gs: Tensors, group: Group) -> None:
        ds = directions(ps, gs, group)
        rho, eps = repeat(group.cell("rho")), group.settings["eps"]
        squares, deltas = self.kept(ps, "square_avg"), self.kept(ps, "acc_delta")
        count_update.overwrite(self.kept(ps, "step"))
        square_update.overwrite(squares, ds, rho)
        changes = [adadelta_scaled(*row, eps=eps) for row in zip(ds, squares, deltas, strict=True)]
        square_update.overwrite(deltas, changes, rho)
        sgd_update.overwrite(ps, changes, group.column("lr", ps))
