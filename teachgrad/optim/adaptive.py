"""Optimizers that scale each element by the size of its gradients so far: RMSprop, Adagrad, Adadelta."""

from __future__ import annotations

from collections.abc import Iterable
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
from .optimizer import Group, Optimizer, check


def direction(p: Any, g: Any, settings: dict[str, Any]) -> Any:
    """d = g + λ p, with -g for g under `maximize`."""
    if settings["maximize"]:
        g = -g
    return g + p * settings["weight_decay"] if settings["weight_decay"] else g


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
    def slots(group: Group) -> tuple[str, ...]:
        slots: tuple[str, ...] = ("step", "square_avg")
        if group["momentum"]:
            slots += ("momentum_buffer",)
        return (*slots, "grad_avg") if group["centered"] else slots

    def rule(self, p: Any, g: Any, s: Any, group: Group) -> None:
        g = direction(p, g, group.settings)
        alpha, square = group.cell("alpha"), s["square_avg"]
        averages: tuple[Any, ...] = ()
        count_update.overwrite(s["step"])
        square_update.overwrite(square, g, alpha)
        if "grad_avg" in s:
            average_update.overwrite(s["grad_avg"], g, alpha)
            averages = (s["grad_avg"],)
        change = rms_scaled(g, square, *averages, eps=group.settings["eps"])
        if "momentum_buffer" in s:
            velocity = s["momentum_buffer"]
            momentum_update.overwrite(velocity, change, group.cell("momentum", p.dtype))
            change = velocity
        sgd_update.overwrite(p, change, group.cell("lr", p.dtype))


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
    def slots(group: Group) -> tuple[str, ...]:
        return "step", "sum"

    @staticmethod
    def initial(name: str, p: Any, group: Group) -> Any:
        if name == "sum":
            return tg.full_like(p, group["initial_accumulator_value"])
        return Optimizer.initial(name, p, group)

    def rule(self, p: Any, g: Any, s: Any, group: Group) -> None:
        g = direction(p, g, group.settings)
        count_update.overwrite(s["step"])
        add_square_update.overwrite(s["sum"], g)
        adagrad_update.overwrite(
            p, g, s["sum"], s["step"], group.cell("lr"), lr_decay=group.settings["lr_decay"], eps=group.settings["eps"]
        )


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
    def slots(group: Group) -> tuple[str, ...]:
        return "step", "square_avg", "acc_delta"

    def rule(self, p: Any, g: Any, s: Any, group: Group) -> None:
        g = direction(p, g, group.settings)
        rho = group.cell("rho")
        count_update.overwrite(s["step"])
        square_update.overwrite(s["square_avg"], g, rho)
        change = adadelta_scaled(g, s["square_avg"], s["acc_delta"], eps=group.settings["eps"])
        square_update.overwrite(s["acc_delta"], change, rho)
        sgd_update.overwrite(p, change, group.cell("lr", p.dtype))
