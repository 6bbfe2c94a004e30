"""How objects show themselves in a notebook.

A notebook asks an object what it is like as HTML. Who can draw that stands above the object, or in another package, and
is found by name, as commands and executors are: teachgrad's own stand in `BUILT_IN`; other packages, the inspector
among them, register theirs under the entry-point group `teachgrad.displays`. Such a display is a function from the
object to texts by MIME type.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import cache
from typing import Any, ClassVar

from .errors import TeachgradError

GROUP = "teachgrad.displays"
BUILT_IN = {"tensor": "teachgrad.drawing.notebook:tensor", "graph": "teachgrad.drawing.notebook:graph"}

Display = Callable[[Any], dict[str, str]]


@cache
def display_of(kind: str) -> Display | None:
    """What draws a kind of object; None where nothing that is installed does."""
    from importlib.metadata import EntryPoint, entry_points  # seldom needed

    entries = {entry.name: entry for entry in entry_points(group=GROUP)}
    entries |= {name: EntryPoint(name, where, GROUP) for name, where in BUILT_IN.items()}
    if kind not in entries:
        return None
    try:
        display: Display = entries[kind].load()
    except ModuleNotFoundError:  # an extra is not installed; text remains
        return None
    return display


class Displayed:
    """An object that a notebook can show."""

    __slots__ = ()
    displayed_as: ClassVar[str]
    """What kind of object it is to displays."""

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        """What notebooks ask for: texts by MIME type; none where plain text has to do."""
        display = display_of(self.displayed_as)
        try:
            return display(self) if display is not None else {}
        except TeachgradError:  # there is nothing to draw yet, or not any more
            return {}


def publish(texts: dict[str, str]) -> bool:
    """Show texts below the cell that runs; whether there is a notebook to do so."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    if shell is None or not hasattr(shell, "kernel"):
        return False
    shell.display_pub.publish(texts)
    return True
