"""What a recording has told of vertices: which leaf needs a row, and which results follow from what is there.

A leaf is told once, and again when it has another array. When more is kept of arrays than before, all leaves are told
anew in the training step that comes then, each before the first op that reads it.
"""

from __future__ import annotations

import weakref
from typing import Any

import numpy as np

from ..op import REGISTRY
from .marks import replayable


class Vertices:
    """The vertices that have a row. Asked with every event."""

    def __init__(self) -> None:
        self.made: set[int] = set()
        """Those that have a row in this training step. A static program has the same ones each time."""
        self._known: dict[int, weakref.ref[np.ndarray] | None] = {}
        """The arrays of vertices that have a row. `Leaf` events come with every use, and results without a gradient
        look like leaves too; but a static program gives its inputs new arrays each time."""
        self._leaves: set[int] = set()
        self._again: set[int] = set()
        """The vertices of this training step whose op can run again."""
        self._forgets = False
        """Whether what is known is to be forgotten with this training step."""
        self._retold: set[int] = set()
        """The leaves that have been told since that was decided."""
        self.step = 0
        """The training step that they belong to."""

    def forget(self) -> None:
        """Leaves are told anew from the next training step on, with what is kept of them now."""
        self._forgets = True
        self._retold.clear()

    def is_told(self, vertex: int, array: Any, pulled: bool) -> bool:
        """Whether a leaf needs no row: it has one, with this array. `pulled`: gradient has flowed in this step."""
        if vertex not in self._known or (self._forgets and self._is_anew(vertex, pulled)):
            return False
        known = self._known[vertex]
        return known is None or known() is array

    def comes_again(self, vertex: int, pulled: bool) -> bool:
        """Whether a leaf that is to be told had another array earlier in this training step."""
        return vertex in self.made and vertex in self._known and not self._is_anew(vertex, pulled)

    def _is_anew(self, vertex: int, pulled: bool) -> bool:
        """Whether a leaf is told once more. After a backward pass, an op that reads it may begin the next step."""
        return self._forgets and pulled and vertex not in self._retold

    def tell(self, vertex: int, array: Any) -> None:
        """A vertex gets a row, with this array."""
        self.made.add(vertex)
        self._known[vertex] = weakref.ref(array) if type(array) is np.ndarray else None

    def tell_leaf(self, vertex: int, array: Any) -> None:
        """A leaf gets a row."""
        self.tell(vertex, array)
        if self._forgets:
            self._retold.add(vertex)
        self._leaves.add(vertex)

    def update(self, vertex: int, array: Any) -> None:
        """A leaf has another array, as a row of its own tells."""
        if vertex in self._known and type(array) is np.ndarray:
            self._known[vertex] = weakref.ref(array)

    def turn(self, vertex: int, step: int) -> None:
        """The row of a vertex has begun a new training step: it is the only one in it so far."""
        self.step = step
        self.made = {vertex}
        self._again &= {vertex}
        # The leaves of the op that begins the step have been told before it.
        known = {i: self._known[i] for i in self._retold} if self._forgets else self._known
        self._known = {i: old for i, old in known.items() if old is None or old() is not None}
        self._forgets = False
        self._retold.clear()

    # ---- level replay ------------------------------------------------------------------------------------------------

    def ran(self, vertex: int, op: str, inputs: tuple[int, ...], settings: str, array: Any) -> None:
        """An op has made `array`: see whether that is a function of what the recording has."""
        again = type(array) is np.ndarray and self._runs_again(op, inputs, settings)
        (self._again.add if again else self._again.discard)(vertex)

    def _runs_again(self, op: str, inputs: tuple[int, ...], settings: str) -> bool:
        return (not self._forgets and replayable(REGISTRY.get(op))
                and '{"text":' not in settings and '{"op":' not in settings
                and all(vertex in self.made or vertex in self._leaves for vertex in inputs)
                and None not in (self._known.get(vertex, True) for vertex in inputs))  # fmt: skip  (of several arrays)

    def follows(self, vertex: int) -> bool:
        """Whether what the op of a vertex makes, forward or backward, can be computed again. While leaves are still to
        be told anew, too little is kept of them."""
        return not self._forgets and vertex in self._again
