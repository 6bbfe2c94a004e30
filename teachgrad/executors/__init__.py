"""Executors run a static graph. Each is `build(graph, plan) -> Program`, found by name.

`numpy` is built in. Others register through the entry-point group `teachgrad.executors`, so that the core never
imports them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from ..errors import ExecutorError
from ..graph import Graph
from ..passes.plan import Plan
from . import numpy as numpy_executor


class Program(Protocol):
    """A graph made ready to run."""

    source: str
    """The program as text."""

    def __call__(self, inputs: Sequence[Any], cells: list[Any]) -> list[Any]:
        """Run on arrays: the outputs. The new values of updated leaves are written into them at the end."""

    def trial(self, inputs: Sequence[Any], cells: Sequence[Any]) -> tuple[list[Any], list[Any]]:
        """Run and write nothing: the outputs, and what the updated leaves would become."""


Build = Callable[[Graph, Plan], Program]


def find(name: str) -> Build:
    """The executor of that name."""
    if name == "numpy":
        return numpy_executor.build
    offered = others()
    if name not in offered:
        known = ", ".join(sorted({"numpy", *offered}))
        raise ExecutorError(f"there is no executor {name!r}; here are: {known}")
    return offered[name].load()


def available() -> list[str]:
    """The names of all executors that are installed."""
    return sorted({"numpy", *others()})


def others() -> dict[str, Any]:
    """The executors that other packages offer, as entry points by name."""
    from importlib.metadata import entry_points  # a fifth of the import time of teachgrad, and seldom needed

    return {point.name: point for point in entry_points(group="teachgrad.executors")}
