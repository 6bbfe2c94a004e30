"""Eight networks, three steps of training each: the bits of dynamic mode at O0 and at O1 (card X1)."""

from __future__ import annotations

from typing import Any

import pytest

import teachgrad as tg
from tests.passes.models import MODELS, made


def trained(name: str, how: dict[str, Any] | None) -> list[Any]:
    """The bits of the losses and of everything that three steps leave behind."""
    training, batch = made(name)
    step = training.step if how is None else tg.static(training.step, **how)
    return [(step(*batch).numpy().tobytes(), training.state()) for _ in range(3)]


@pytest.mark.parametrize("level", ["O0", "O1"])
@pytest.mark.parametrize("name", MODELS)
def test_same_bits(name: str, level: str) -> None:
    assert trained(name, {"level": level}) == trained(name, None)


@pytest.mark.parametrize("name", MODELS)
def test_training_changes_what_is_compared(name: str) -> None:
    first, second, third = trained(name, None)
    assert first != second != third


@pytest.mark.parametrize("name", MODELS)
def test_check_mode_finds_no_difference(name: str) -> None:
    training, batch = made(name)
    step = tg.static(training.step)
    with tg.mode("check"):
        for _ in range(2):
            step(*batch)
