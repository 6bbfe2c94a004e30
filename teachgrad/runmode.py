"""How static functions run: as plain Python, as a graph, or both ways and compared. The mode belongs to the thread."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from .errors import TeachgradError

RUN_MODES = ("dynamic", "static", "check")


class _Mode(threading.local):
    name = os.environ.get("TEACHGRAD_MODE", "static")


_mode = _Mode()


def current_mode() -> str:
    """How static functions run now: as `tg.mode` says, else as TEACHGRAD_MODE said at the start, else "static"."""
    name = _mode.name
    if name not in RUN_MODES:
        raise TeachgradError(f"there is no mode {name!r} (is TEACHGRAD_MODE set?); choose one of "
                             f"{', '.join(RUN_MODES)}")
    return name


@contextmanager
def mode(name: str) -> Iterator[None]:
    """Decide how every `tg.static` function runs inside this block, in this thread.

    "dynamic": as plain Python; "static": as a compiled graph; "check": both on every call, stopping at the first
    differing bit and naming the op that made it.
    """
    if name not in RUN_MODES:
        raise TeachgradError(f"there is no mode {name!r}; choose one of {', '.join(RUN_MODES)}")
    before, _mode.name = _mode.name, name
    try:
        yield
    finally:
        _mode.name = before


__all__ = ["current_mode", "mode"]
