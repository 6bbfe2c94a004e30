"""Write `reference.json`: what PyTorch's optimizers and schedules answer to the cases.

python -m tests.optim.make_reference
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch

from tests.optim.cases import EPOCHS, OPTIMIZERS, PLATEAUS, SCHEDULES, SHOWN, START, STEPS, data, loss_of, metrics

REFERENCE = Path(__file__).with_name("reference.json")


def trajectory(kind: str, settings: dict[str, Any]) -> dict[str, list[Any]]:
    """The parameters after each shown step."""
    inputs, targets, first = data()
    parameters = [torch.tensor(array, requires_grad=True) for array in first]
    optimizer = getattr(torch.optim, kind)(parameters, **settings)
    shown = {}
    for step in range(STEPS):
        optimizer.zero_grad()
        loss_of(torch, parameters, torch.tensor(inputs), torch.tensor(targets)).backward()
        optimizer.step()
        if step in SHOWN:
            shown[str(step)] = [p.detach().numpy().tolist() for p in parameters]
    return shown


def rates(kind: str, settings: dict[str, Any]) -> list[list[float]]:
    """The learning rate and momentum of every epoch."""
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=START, momentum=0.9)
    schedule = getattr(torch.optim.lr_scheduler, kind)(optimizer, **settings)
    answers = []
    for _ in range(EPOCHS):
        answers.append([optimizer.param_groups[0]["lr"], optimizer.param_groups[0]["momentum"]])
        optimizer.step()
        schedule.step()
    return answers


def plateau(settings: dict[str, Any]) -> list[float]:
    """The learning rate after every epoch's metric."""
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=START)
    schedule = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, **settings)
    answers = []
    for metric in metrics():
        schedule.step(metric)
        answers.append(optimizer.param_groups[0]["lr"])
    return answers


def main() -> None:
    reference = {
        "torch": torch.__version__.split("+")[0],
        "optimizers": {name: trajectory(*case) for name, case in OPTIMIZERS.items()},
        "schedules": {name: rates(*case) for name, case in SCHEDULES.items()},
        "plateaus": {name: plateau(settings) for name, settings in PLATEAUS.items()},
    }
    lines = json.dumps(reference, separators=(",", ":")).replace('],"', '],\n"').replace(']},"', ']},\n"')
    REFERENCE.write_text(lines + "\n")


if __name__ == "__main__":
    main()
