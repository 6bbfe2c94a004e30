"""Optimizers and learning-rate schedules, with PyTorch's names, formulas and state.

>>> from teachgrad import optim
>>> w = tg.Parameter([3.0])
>>> opt = optim.SGD([w], lr=0.1, momentum=0.9)
>>> schedule = optim.StepLR(opt, step_size=10, gamma=0.5)
>>> for epoch in range(40):
...     opt.zero_grad()
...     loss = (w * w).sum()
...     loss.backward()
...     opt.step()
...     schedule.step()                                 # outside of static functions
>>> opt.lr
0.00625
>>> abs(w.item()) < 0.2
True
"""

# ruff: noqa: I001, RUF022  (names stand in groups by subject, several a line)
# fmt: off

from __future__ import annotations

from .adam import Adam, AdamW
from .adaptive import Adadelta, Adagrad, RMSprop
from .optimizer import Group, Optimizer
from .plateau import ReduceLROnPlateau
from .schedules import (
    ConstantLR, CosineAnnealingLR, CosineAnnealingWarmRestarts, EpochSchedule, ExponentialLR, LambdaLR, LinearLR,
    MultiStepLR, OneCycleLR, PolynomialLR, Schedule, SequentialLR, StepLR,
)
from .sgd import SGD

__all__ = [
    "Adadelta", "Adagrad", "Adam", "AdamW", "Group", "Optimizer", "RMSprop", "SGD",
    # schedules
    "ConstantLR", "CosineAnnealingLR", "CosineAnnealingWarmRestarts", "EpochSchedule", "ExponentialLR", "LambdaLR",
    "LinearLR", "MultiStepLR", "OneCycleLR", "PolynomialLR", "ReduceLROnPlateau", "Schedule", "SequentialLR", "StepLR",
]
