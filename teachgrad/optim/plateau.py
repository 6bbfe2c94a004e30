"""The schedule that waits for a metric to stop improving."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf
from typing import SupportsFloat

from ..errors import SettingError
from .optimizer import Optimizer
from .schedules import Schedule


class ReduceLROnPlateau(Schedule):
    """lr ← factor · lr when a metric has not become better for more than `patience` epochs

    Better than the best so far means lower (`mode` "min") or higher ("max") by `threshold`, as a part of the best
    ("rel") or as such ("abs"). After a reduction, `cooldown` epochs do not count. The learning rate stays at least
    `min_lr`, and changes smaller than `eps` are not made.
    """

    progress = ("best", "num_bad_epochs", "cooldown_counter", "last_epoch")

    def __init__(
        self,
        optimizer: Optimizer,
        mode: str = "min",
        factor: float = 0.1,
        patience: int = 10,
        threshold: float = 1e-4,
        threshold_mode: str = "rel",
        cooldown: int = 0,
        min_lr: float | Sequence[float] = 0.0,
        eps: float = 1e-8,
    ) -> None:
        if factor >= 1.0:
            raise SettingError(f"the factor must be below 1, not {factor}")
        if mode not in ("min", "max") or threshold_mode not in ("rel", "abs"):
            raise SettingError(
                f'mode is "min" or "max", threshold_mode "rel" or "abs"; not {mode!r} and {threshold_mode!r}'
            )
        super().__init__(optimizer)
        self.mode, self.factor, self.patience, self.eps = mode, factor, patience, eps
        self.threshold, self.threshold_mode, self.cooldown = threshold, threshold_mode, cooldown
        groups = optimizer.param_groups
        self.min_lrs = [min_lr] * len(groups) if isinstance(min_lr, (int, float)) else list(min_lr)
        self.best = inf if mode == "min" else -inf
        self.num_bad_epochs = self.cooldown_counter = self.last_epoch = 0

    def step(self, metrics: SupportsFloat) -> None:
        """Take note of this epoch's metric, and reduce the learning rate if it is time."""
        value = float(metrics)
        self.last_epoch += 1
        if self.is_better(value):
            self.best, self.num_bad_epochs = value, 0
        else:
            self.num_bad_epochs += 1
        if self.cooldown_counter > 0:
            self.cooldown_counter -= 1
            self.num_bad_epochs = 0
        if self.num_bad_epochs > self.patience:
            self.cooldown_counter, self.num_bad_epochs = self.cooldown, 0
            for group, lowest in zip(self.optimizer.param_groups, self.min_lrs, strict=True):
                old = group["lr"]
                new = max(old * self.factor, lowest)
                if old - new > self.eps:
                    group["lr"] = new

    def is_better(self, value: float) -> bool:
        """Whether `value` is better than the best so far by more than the threshold."""
        down = self.mode == "min"
        margin = -self.threshold if down else self.threshold
        limit = self.best * (1.0 + margin) if self.threshold_mode == "rel" else self.best + margin
        return value < limit if down else value > limit
