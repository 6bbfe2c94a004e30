"""The cases that our optimizers and schedules share with PyTorch's: one list, run by both."""

from __future__ import annotations

from typing import Any

import numpy as np

STEPS = 200
SHOWN = (0, 1, 2, 10, 50, 199)
"""The steps whose parameters are stored."""

# Settings with which the 200 steps converge. RMSprop with a short memory circles the minimum chaotically and blows up
# the rounding in the last bits of any two programs' gradients.
OPTIMIZERS: dict[str, tuple[str, dict[str, Any]]] = {
    "sgd": ("SGD", {"lr": 0.1}),
    "sgd_decay_maximize": ("SGD", {"lr": 0.01, "weight_decay": 0.1, "maximize": True}),
    "sgd_momentum": ("SGD", {"lr": 0.1, "momentum": 0.9}),
    "sgd_dampening": ("SGD", {"lr": 0.1, "momentum": 0.9, "dampening": 0.3, "weight_decay": 0.01}),
    "sgd_nesterov": ("SGD", {"lr": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 0.1}),
    "adam": ("Adam", {"lr": 0.01}),
    "adam_decay": ("Adam", {"lr": 0.02, "betas": (0.8, 0.99), "eps": 1e-6, "weight_decay": 0.1}),
    "adam_amsgrad": ("Adam", {"lr": 0.01, "amsgrad": True, "maximize": True}),
    "adamw": ("AdamW", {"lr": 0.01}),
    "adamw_amsgrad": ("AdamW", {"lr": 0.01, "weight_decay": 0.2, "amsgrad": True}),
    "rmsprop": ("RMSprop", {}),
    "rmsprop_momentum": ("RMSprop", {"lr": 0.001, "momentum": 0.5, "weight_decay": 0.1}),
    "rmsprop_centered": ("RMSprop", {"lr": 0.005, "centered": True, "momentum": 0.9, "maximize": True}),
    "adagrad": ("Adagrad", {"lr": 0.1}),
    "adagrad_decay": ("Adagrad", {"lr": 0.1, "lr_decay": 0.01, "initial_accumulator_value": 0.1, "weight_decay": 0.1}),
    "adadelta": ("Adadelta", {}),
    "adadelta_decay": ("Adadelta", {"lr": 0.5, "rho": 0.8, "eps": 1e-5, "weight_decay": 0.1}),
}

EPOCHS = 45
START = 0.4
SCHEDULES: dict[str, tuple[str, dict[str, Any]]] = {
    "step": ("StepLR", {"step_size": 7, "gamma": 0.5}),
    "multi_step": ("MultiStepLR", {"milestones": [3, 8, 8, 30], "gamma": 0.3}),
    "exponential": ("ExponentialLR", {"gamma": 0.9}),
    "constant": ("ConstantLR", {"factor": 0.2, "total_iters": 6}),
    "linear": ("LinearLR", {"start_factor": 0.1, "end_factor": 0.8, "total_iters": 12}),
    "polynomial": ("PolynomialLR", {"total_iters": 20, "power": 1.7}),
    "cosine": ("CosineAnnealingLR", {"T_max": 9, "eta_min": 0.01}),
    "cosine_to_zero": ("CosineAnnealingLR", {"T_max": 8}),
    "warm_restarts": ("CosineAnnealingWarmRestarts", {"T_0": 4, "T_mult": 2, "eta_min": 0.02}),
    "restarts_of_one_length": ("CosineAnnealingWarmRestarts", {"T_0": 5}),
    "one_cycle": ("OneCycleLR", {"max_lr": 1.0, "total_steps": EPOCHS + 1}),
    "one_cycle_linear": (
        "OneCycleLR",
        {"max_lr": 1.0, "epochs": 8, "steps_per_epoch": 6, "anneal_strategy": "linear", "pct_start": 0.2},
    ),
    "one_cycle_three": (
        "OneCycleLR",
        {"max_lr": 2.0, "total_steps": EPOCHS + 3, "three_phase": True, "div_factor": 10.0},
    ),
}

PLATEAUS: dict[str, dict[str, Any]] = {
    "min_rel": {"patience": 2, "factor": 0.5},
    "min_abs": {"patience": 1, "factor": 0.3, "threshold": 0.05, "threshold_mode": "abs", "cooldown": 3},
    "max_rel": {"mode": "max", "patience": 3, "factor": 0.5, "threshold": 0.1, "min_lr": 0.1},
    "max_abs": {"mode": "max", "patience": 0, "factor": 0.9, "threshold_mode": "abs", "eps": 0.02},
}


def metrics() -> list[float]:
    """A loss that falls, stops, rises and falls again."""
    return [1.0 / (1 + t) + 0.3 * np.sin(0.7 * t) + 0.1 * (t % 5 == 0) for t in range(EPOCHS)]


def data() -> tuple[np.ndarray, np.ndarray, list[np.ndarray]]:
    """Inputs (20, 4), targets (20, 3), and first values of three parameters: a matrix, a vector, a scalar.

    Made with sines rather than drawn, so that they are the same with every version of every library.
    """
    inputs = np.sin(np.arange(80.0) * 1.7).reshape(20, 4)
    targets = np.cos(np.arange(60.0) * 2.3).reshape(20, 3)
    first = [np.sin(np.arange(12.0) * 0.9).reshape(4, 3), np.cos(np.arange(3.0)), np.array(0.7)]
    return inputs, targets, first


def loss_of(namespace: Any, parameters: list[Any], inputs: Any, targets: Any) -> Any:
    """A loss in which every parameter matters: mean((s tanh(x W + b) - t)²)."""
    weight, bias, scale = parameters
    return ((namespace.tanh(inputs @ weight + bias) * scale - targets) ** 2).mean()
