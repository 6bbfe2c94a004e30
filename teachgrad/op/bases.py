"""`base` as a mark: of tensors that were made in inference mode, and of those that have no value yet.

Of others it is the tensor whose memory they share, or None.
"""

from __future__ import annotations

import numpy as np

from .vertex import Tracer, Vertex


class _Inference(Vertex):
    __slots__ = ()


INFERENCE = _Inference(np.empty(0))
"""The `base` of results that were made in inference mode."""


class Symbolic(Vertex):
    """The `base` of tensors whose values come later (placeholders and what is made of them)."""

    __slots__ = ("tracer",)

    tracer: Tracer


class Deferred(Exception):
    """An operand has no value yet."""

    def __init__(self, tracer: Tracer) -> None:
        self.tracer = tracer
