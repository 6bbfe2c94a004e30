"""Stochastic gradient descent."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import inf
from typing import Any

import numpy as np

from ..errors import SettingError
from ..ops.updates import momentum_update, nesterov_update, sgd_update
from .optimizer import Group, Optimizer, Tensors, check, directions


class SGD(Optimizer):
    r"""d = g + λ p,   v ← μ v + (1 - δ) d,   p ← p - η v

    η is `lr`, μ `momentum`, δ `dampening`, λ `weight_decay`, g the gradient (its negative under `maximize`). The first
    step has v = d. Without momentum p ← p - η d; with `nesterov` p ← p - η (d + μ v).

    Source: I. Sutskever, J. Martens, G. Dahl, G. Hinton, "On the importance of initialization and momentum in deep
    learning" (2013), in the form of PyTorch, where v is not scaled by η.
    """

    cells = ("lr", "momentum")

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        momentum: float = 0.0,
        dampening: float = 0.0,
        weight_decay: float = 0.0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        settings = {
            "lr": lr,
            "momentum": momentum,
            "dampening": dampening,
            "weight_decay": weight_decay,
            "nesterov": nesterov,
            "maximize": maximize,
        }
        check(settings, lr=(0, inf), momentum=(0, inf), weight_decay=(0, inf))
        if nesterov and (momentum == 0 or dampening != 0):
            raise SettingError("nesterov needs a momentum above 0, and no dampening")
        super().__init__(params, settings)

    @staticmethod
    def slot_names(group: Group) -> tuple[str, ...]:
        if not group["momentum"]:
            return ()
        return ("momentum_buffer", "started") if group["dampening"] else ("momentum_buffer",)

    def rule(self, ps: Tensors, gs: Tensors, group: Group) -> None:
        ds = directions(ps, gs, group)
        lrs = group.column("lr", ps)
        if "momentum_buffer" not in group.slots:
            sgd_update.overwrite(ps, ds, lrs)
            return
        momenta, velocities = group.column("momentum", ps), self.kept(ps, "momentum_buffer")
        if "started" in group.slots:
            started = self.kept(ps, "started")
            momentum_update.overwrite(velocities, ds, momenta, started, dampening=group.settings["dampening"])
            for flag in started:
                flag.fill_(1.0)
        else:
            momentum_update.overwrite(velocities, ds, momenta)
        if group.settings["nesterov"]:
            nesterov_update.overwrite(ps, ds, velocities, lrs, momenta)
        else:
            sgd_update.overwrite(ps, velocities, lrs)

    def state_dict(self) -> dict[str, Any]:
        """As PyTorch's; a parameter whose dampened momentum has not started has no state there."""
        state_dict = super().state_dict()
        for number, tensors in list(state_dict["state"].items()):
            if (started := tensors.pop("started", None)) is not None and not started:
                del state_dict["state"][number]
        return state_dict

    def adopted(self, p: Any, group: Group, given: Mapping[str, Any]) -> dict[str, np.ndarray]:
        started = np.array(float(given.get("momentum_buffer") is not None))
        return super().adopted(p, group, {**given, "started": started})
