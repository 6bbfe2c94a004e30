"""Learning-rate schedules: how the learning rate of an optimizer changes from epoch to epoch (or step to step).

A schedule sets the learning rate when it is made, and again at every `step()`. It writes into a tensor that static
functions read, so nothing is traced again; call `step()` itself outside of them.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from math import cos, pi
from typing import Any

from ..errors import SettingError, StateError
from .optimizer import Group, Optimizer


class Schedule:
    """The base of all that changes the learning rate of an optimizer as the training goes on."""

    progress: tuple[str, ...]
    """What changes as the schedule goes on, and so is kept in its state."""

    def __init__(self, optimizer: Optimizer) -> None:
        if not isinstance(optimizer, Optimizer):
            raise TypeError(f"a schedule takes an optimizer, not a {type(optimizer).__name__}")
        self.optimizer = optimizer

    def get_last_lr(self) -> list[float]:
        """The present learning rate of each group."""
        return [group["lr"] for group in self.optimizer.param_groups]

    def state_dict(self) -> dict[str, Any]:
        """How far the schedule is. Its settings are given anew when it is made again."""
        return {name: getattr(self, name) for name in self.progress}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Go on from `state_dict()`, or from PyTorch's. The learning rate itself is in the optimizer's state."""
        missing = [name for name in self.progress if name not in state_dict]
        if missing:
            raise StateError(
                f"the state of a {type(self).__name__} needs {', '.join(missing)}; it has {', '.join(state_dict)}"
            )
        for name in self.progress:
            setattr(self, name, state_dict[name])


class EpochSchedule(Schedule):
    """A schedule by epochs. A subclass gives `rate`: the learning rate of a group at epoch `last_epoch`.

    `base_lrs` are the learning rates that the groups had before any schedule.
    """

    progress = ("last_epoch", "base_lrs")

    def __init__(self, optimizer: Optimizer) -> None:
        super().__init__(optimizer)
        for group in optimizer.param_groups:
            if "initial_lr" not in group:
                group["initial_lr"] = group["lr"]
        self.base_lrs = [group["initial_lr"] for group in optimizer.param_groups]
        self.last_epoch = 0
        self.begin()

    def rate(self, group: Group, base: float) -> float:
        """The learning rate of `group` at `last_epoch`."""
        raise NotImplementedError

    def begin(self) -> None:
        """Set the learning rates of epoch 0, when the schedule is made."""
        self.update()

    def restart(self) -> None:
        """Go back to epoch 0 and its learning rates, whatever other schedules have done."""
        self.last_epoch = 0
        self.update()

    def step(self) -> None:
        """Go on to the next epoch and set its learning rates."""
        self.last_epoch += 1
        self.update()

    def update(self) -> None:
        """Set the learning rates of epoch `last_epoch`."""
        for group, base in zip(self.optimizer.param_groups, self.base_lrs, strict=True):
            group["lr"] = self.rate(group, base)


class FactorSchedule(EpochSchedule):
    """A schedule lr(t) = low + (base - low) f(t), where a subclass gives the factor f.

    It is applied from one epoch to the next, as lr ← low + (lr - low) f(t) / f(t - 1). So schedules can be combined by
    stepping them one after the other, and a learning rate that is set by hand goes on from there.
    """

    low = 0.0

    def factor(self, t: int) -> float:
        """The factor f at epoch t."""
        raise NotImplementedError

    def rate(self, group: Group, base: float) -> float:
        now, before = self.factor(self.last_epoch), self.factor(self.last_epoch - 1)
        if before == 0:
            return self.low + (base - self.low) * now
        return group["lr"] if now == before else self.low + (group["lr"] - self.low) * (now / before)

    def begin(self) -> None:
        for group in self.optimizer.param_groups:
            group["lr"] = self.low + (group["lr"] - self.low) * self.factor(0)

    def restart(self) -> None:
        self.last_epoch = 0
        for group, base in zip(self.optimizer.param_groups, self.base_lrs, strict=True):
            group["lr"] = self.low + (base - self.low) * self.factor(0)


class StepLR(FactorSchedule):
    """f(t) = gamma^⌊t / step_size⌋"""

    def __init__(self, optimizer: Optimizer, step_size: int, gamma: float = 0.1) -> None:
        self.step_size, self.gamma = step_size, gamma
        super().__init__(optimizer)

    def factor(self, t: int) -> float:
        return self.gamma ** (t // self.step_size)


class MultiStepLR(FactorSchedule):
    """f(t) = gamma^k, with k the number of milestones that are not after t"""

    def __init__(self, optimizer: Optimizer, milestones: Sequence[int], gamma: float = 0.1) -> None:
        self.milestones, self.gamma = sorted(milestones), gamma
        super().__init__(optimizer)

    def factor(self, t: int) -> float:
        return self.gamma ** bisect_right(self.milestones, t)


class ExponentialLR(FactorSchedule):
    """f(t) = gamma^t"""

    def __init__(self, optimizer: Optimizer, gamma: float) -> None:
        self.gamma = gamma
        super().__init__(optimizer)

    def factor(self, t: int) -> float:
        return self.gamma**t


class ConstantLR(FactorSchedule):
    """f(t) = factor while t < total_iters, then 1"""

    def __init__(self, optimizer: Optimizer, factor: float = 1 / 3, total_iters: int = 5) -> None:
        self.at_first, self.total_iters = factor, total_iters
        super().__init__(optimizer)

    def factor(self, t: int) -> float:
        return self.at_first if t < self.total_iters else 1.0


class LinearLR(FactorSchedule):
    """f(t) goes in a straight line from start_factor at 0 to end_factor at total_iters, and stays there"""

    def __init__(
        self, optimizer: Optimizer, start_factor: float = 1 / 3, end_factor: float = 1.0, total_iters: int = 5
    ) -> None:
        if not 0 < start_factor <= 1 or not 0 <= end_factor <= 1:
            raise SettingError(
                f"start_factor must be in (0, 1] and end_factor in [0, 1], not {start_factor} and {end_factor}"
            )
        self.start_factor, self.end_factor, self.total_iters = start_factor, end_factor, total_iters
        super().__init__(optimizer)

    def factor(self, t: int) -> float:
        return self.start_factor + (self.end_factor - self.start_factor) * min(t, self.total_iters) / self.total_iters


class PolynomialLR(FactorSchedule):
    """f(t) = (1 - t / total_iters)^power, and 0 from total_iters on"""

    def __init__(self, optimizer: Optimizer, total_iters: int = 5, power: float = 1.0) -> None:
        self.total_iters, self.power = total_iters, power
        super().__init__(optimizer)

    def factor(self, t: int) -> float:
        return (1.0 - min(t, self.total_iters) / self.total_iters) ** self.power


class CosineAnnealingLR(FactorSchedule):
    """f(t) = (1 + cos(π t / T_max)) / 2, with low = eta_min: down along half a wave in T_max epochs, then up again

    Source: I. Loshchilov, F. Hutter, "SGDR: stochastic gradient descent with warm restarts" (2017).
    """

    def __init__(self, optimizer: Optimizer, T_max: int, eta_min: float = 0.0) -> None:
        self.T_max, self.low = T_max, eta_min
        super().__init__(optimizer)

    def factor(self, t: int) -> float:
        return 0.0 if (t - self.T_max) % (2 * self.T_max) == 0 else (1.0 + cos(pi * t / self.T_max)) / 2.0


class CosineAnnealingWarmRestarts(EpochSchedule):
    """lr = eta_min + (base - eta_min) (1 + cos(π t / T)) / 2, with t counted from the last restart

    The first run takes T = T_0 epochs, each further one T_mult times as many as the one before.
    Source: I. Loshchilov, F. Hutter, "SGDR: stochastic gradient descent with warm restarts" (2017).
    """

    def __init__(self, optimizer: Optimizer, T_0: int, T_mult: int = 1, eta_min: float = 0.0) -> None:
        if T_0 < 1 or T_mult < 1:
            raise SettingError(f"T_0 and T_mult must be at least 1, not {T_0} and {T_mult}")
        self.T_0, self.T_mult, self.eta_min = T_0, T_mult, eta_min
        super().__init__(optimizer)

    def rate(self, group: Group, base: float) -> float:
        t, length = self.last_epoch, self.T_0
        while t >= length:
            t, length = t - length, length * self.T_mult
        return self.eta_min + (base - self.eta_min) * (1.0 + cos(pi * t / length)) / 2.0


class LambdaLR(EpochSchedule):
    """lr = base · lr_lambda(t), with a function of your own (or one a group)"""

    def __init__(
        self, optimizer: Optimizer, lr_lambda: Callable[[int], float] | Sequence[Callable[[int], float]]
    ) -> None:
        functions = [lr_lambda] * len(optimizer.param_groups) if callable(lr_lambda) else list(lr_lambda)
        if len(functions) != len(optimizer.param_groups):
            raise SettingError(f"{len(functions)} functions for {len(optimizer.param_groups)} groups of parameters")
        self.lr_lambdas = functions
        super().__init__(optimizer)

    def update(self) -> None:
        for group, base, function in zip(self.optimizer.param_groups, self.base_lrs, self.lr_lambdas, strict=True):
            group["lr"] = base * function(self.last_epoch)


class OneCycleLR(EpochSchedule):
    """Up from max_lr / div_factor to max_lr, then down to max_lr / (div_factor final_div_factor), in total_steps steps

    The way up takes the part pct_start of the steps. The momentum (or Adam's β₁) goes the other way, between
    max_momentum and base_momentum, if `cycle_momentum`. With `three_phase` the way down is as long as the way up, and
    a last phase goes on from there. `anneal_strategy` is "cos" or "linear". Step it after every batch.

    Source: L. Smith, N. Topin, "Super-convergence: very fast training of neural networks using large learning rates"
    (2018); in three phases as there, in two as fastai and PyTorch do by default.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        max_lr: float | Sequence[float],
        total_steps: int | None = None,
        epochs: int | None = None,
        steps_per_epoch: int | None = None,
        pct_start: float = 0.3,
        anneal_strategy: str = "cos",
        cycle_momentum: bool = True,
        base_momentum: float = 0.85,
        max_momentum: float = 0.95,
        div_factor: float = 25.0,
        final_div_factor: float = 1e4,
        three_phase: bool = False,
    ) -> None:
        if total_steps is None:
            if epochs is None or steps_per_epoch is None:
                raise SettingError("OneCycleLR needs total_steps, or epochs and steps_per_epoch")
            total_steps = epochs * steps_per_epoch
        if anneal_strategy not in ("cos", "linear"):
            raise SettingError(f'anneal_strategy is "cos" or "linear", not {anneal_strategy!r}')
        if cycle_momentum and not optimizer.defaults.keys() & {"momentum", "betas"}:
            raise SettingError(f"{type(optimizer).__name__} has no momentum to cycle; pass cycle_momentum=False")
        groups = optimizer.param_groups
        self.max_lrs = [max_lr] * len(groups) if isinstance(max_lr, (int, float)) else list(max_lr)
        for group, highest in zip(groups, self.max_lrs, strict=True):
            group["initial_lr"] = highest / div_factor
        self.total_steps, self.anneal_strategy, self.final_div_factor = total_steps, anneal_strategy, final_div_factor
        self.momenta = (max_momentum, base_momentum) if cycle_momentum else None
        up = pct_start * total_steps - 1
        self.ends = (up, 2 * pct_start * total_steps - 2, total_steps - 1) if three_phase else (up, total_steps - 1)
        super().__init__(optimizer)

    def update(self) -> None:
        t = self.last_epoch
        if t > self.total_steps:
            raise SettingError(f"OneCycleLR was made for {self.total_steps} steps; this is step {t + 1}")
        phase = next((number for number, end in enumerate(self.ends) if t <= end), len(self.ends) - 1)
        start = self.ends[phase - 1] if phase else 0
        part = (t - start) / (self.ends[phase] - start)
        for group, base, highest in zip(self.optimizer.param_groups, self.base_lrs, self.max_lrs, strict=True):
            lowest = base / self.final_div_factor
            corners = (base, highest, base, lowest) if len(self.ends) == 3 else (base, highest, lowest)
            group["lr"] = self.between(corners[phase], corners[phase + 1], part)
            if self.momenta is not None:
                most, least = self.momenta
                momentum = self.between(*((most, least), (least, most), (most, most))[phase], part)
                if "betas" in group:
                    group["betas"] = (momentum, *group["betas"][1:])
                else:
                    group["momentum"] = momentum

    def between(self, start: float, end: float, part: float) -> float:
        """The value at `part` (0 to 1) of the way from start to end."""
        if self.anneal_strategy == "linear":
            return start + (end - start) * part
        return end + (start - end) / 2.0 * (1.0 + cos(pi * part))


class SequentialLR(EpochSchedule):
    """One schedule after the other: the k-th one begins at milestone k - 1, with its own epoch 0"""

    def __init__(self, optimizer: Optimizer, schedulers: Sequence[EpochSchedule], milestones: Sequence[int]) -> None:
        if len(milestones) != len(schedulers) - 1:
            raise SettingError(
                f"{len(schedulers)} schedules need {len(schedulers) - 1} milestones, got {len(milestones)}"
            )
        for schedule in schedulers:
            if not isinstance(schedule, EpochSchedule) or schedule.optimizer is not optimizer:
                raise SettingError(
                    f"{type(schedule).__name__} cannot be one of several: it must be a schedule by epochs, of the same "
                    "optimizer"
                )
        self.schedulers, self.milestones = list(schedulers), list(milestones)
        super().__init__(optimizer)

    def update(self) -> None:
        number = bisect_right(self.milestones, self.last_epoch)
        schedule = self.schedulers[number]
        if self.last_epoch == (self.milestones[number - 1] if number else 0):
            schedule.restart()
        else:
            schedule.step()

    def state_dict(self) -> dict[str, Any]:
        return {**super().state_dict(), "_schedulers": [schedule.state_dict() for schedule in self.schedulers]}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        super().load_state_dict({"base_lrs": self.base_lrs, **state_dict})
        for schedule, part in zip(self.schedulers, state_dict["_schedulers"], strict=True):
            schedule.load_state_dict(part)
