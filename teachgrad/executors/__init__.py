"""Executors run a static graph. Each is `build(graph, plan) -> Program`, found by name.

`numpy` and `c` are built in. Others register through the entry-point group `teachgrad.executors`, so that the
core never imports them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any, Protocol

from .. import devices as places
from ..errors import DeviceError, ExecutorError
from ..graph import Graph
from ..passes.plan import Plan
from ..random import is_site
from ..stand_ins import StandIn, called
from . import numpy


class Program(Protocol):
    """A graph made ready to run."""

    source: str
    """The program as text."""

    def __call__(self, inputs: Sequence[Any], cells: list[Any]) -> list[Any]:
        """Run on arrays: the outputs. The new values of updated leaves are written into them at the end."""

    def trial(self, inputs: Sequence[Any], cells: Sequence[Any]) -> tuple[list[Any], list[Any]]:
        """Run and write nothing: the outputs, and what the updated leaves would become."""


Build = Callable[[Graph, Plan], Program]
BUILT_IN = ("c", "numpy")


def default(level: str) -> str:
    """The executor of a level for which none is named."""
    return "c" if level == "O3" else "numpy"


def find(name: str, exact: bool = False, threads: int | None = None) -> Build:
    """The executor of that name. `exact` asks generated C for no rounding but that of each op, `threads` for cores."""
    if name == "numpy":
        return numpy.build
    if name == "c":
        from . import c  # it needs modules that are half of the import time of teachgrad

        return partial(c.build, exact=exact, threads=threads)
    offered = others()
    if name not in offered:
        raise ExecutorError(f"there is no executor {name!r}; here are: {', '.join(available())}")
    return offered[name].load()


def device_of(build: Any) -> str:
    """The device on which the programs of an executor compute."""
    return getattr(build, "device", "cpu")


def refuse_devices(name: str, executor: str, build: Build, leaves: Iterable[StandIn]) -> None:
    """Refuse tensors from outside that an executor cannot reach. Numbers, and where random bits are, it may be told."""
    device = device_of(build)
    for s in leaves:
        here = places.of(s.real._data).name
        if here != device and not (here == "cpu" and (s.ndim == 0 or is_site(s.real))):
            raise DeviceError(
                f"{name} runs on the executor \"{executor}\", which computes on \"{device}\"; {called(s)} is on "
                f"\"{here}\".\nWays out: .to(\"{device}\") before the call; or an executor that computes there.")


def available() -> list[str]:
    """The names of all executors that are installed."""
    return sorted({*BUILT_IN, *others()})


def others() -> dict[str, Any]:
    """The executors that other packages offer, as entry points by name."""
    from importlib.metadata import entry_points  # a fifth of the import time of teachgrad, and seldom needed

    return {point.name: point for point in entry_points(group="teachgrad.executors")}
