"""How far something is that takes long and can be given up."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class Progress:
    """Counts how often work in the background asks whether to go on; text for the screen."""

    def __init__(self) -> None:
        self._asked = 0
        self._told = 0
        self._step: int | None = None

    def counting(self, going: Callable[..., bool]) -> Callable[..., bool]:
        """The same question, counted. Work that goes from training step to training step says which one it is at."""
        self._asked = self._told = 0
        self._step = None

        def asked(*where: Any) -> bool:
            self._asked += 1
            self._step = where[0] if where else None
            return going(*where)

        return asked

    def moved(self) -> bool:
        """Whether there is something new to tell since the last time."""
        before, self._told = self._told, self._asked
        return self._asked != before

    def __str__(self) -> str:
        if self._step is not None:
            return f", at t{self._step}"
        return f", {self._asked} parts done" if self._asked > 1 else ""
