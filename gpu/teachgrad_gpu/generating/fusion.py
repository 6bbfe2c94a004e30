"""Which ops share a kernel.

On a GPU the turns of the outer loops run at the same time, so nothing is summed up from one to the next: the loops that
a kernel sums over are its inner ones, whichever they are, and all its sums go over the same ones.
"""

from __future__ import annotations

from teachgrad.executors.c.fusion import Fusion
from teachgrad.executors.c.groups import Group
from teachgrad.op import Vertex

from .attention import can_write
from .threads import has_kernel


class ThreadFusion(Fusion):
    """Puts the vertices of a graph into kernels."""

    def kind_of(self, v: Vertex) -> str:
        if can_write(v, self.views):
            return "attention" if self.only_taken_apart(v) else "numpy"
        return "kernel" if has_kernel(v, self.views) else "numpy"

    @staticmethod
    def inner_for(group: Group, level: frozenset[int], summed: frozenset[int]) -> frozenset[int] | None:
        if group.inner is not None or not summed or level != group.loops:
            return group.inner
        return summed

    @staticmethod
    def can_sum(group: Group, summed: frozenset[int], inner: frozenset[int] | None) -> bool:
        return not summed or summed == inner
