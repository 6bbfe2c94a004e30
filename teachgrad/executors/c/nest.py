"""A group as a nest of loops: what is computed in which loop, and what has to be kept from one to the next.

For every turn of the outer loops there are phases, one after the other, each with the inner loops around its
statements. A phase begins where something is needed that an earlier phase has summed up. What a later phase needs of an
earlier one is read back from memory where it is stored, or else kept in a line, an array as long as the inner loops.
"""

from __future__ import annotations

from math import prod

from ...graph import is_constant
from ...op import Vertex
from .fusion import Fusion
from .groups import Group, is_reduction, varying
from .views import contiguous

Steps = tuple[int, ...]
"""How far apart elements are in memory along each loop."""
LONGEST_LINE = 4096
"""Lines up to this many numbers are kept on the stack; longer ones in memory that is planned."""


class Nest:
    """The loops of a group."""

    def __init__(self, group: Group, fusion: Fusion) -> None:
        self.group, self.fusion, self.views = group, fusion, fusion.views
        self.space = group.space
        self.inner = group.loops if group.inner is None else group.inner
        self.phase: dict[int, int] = {}
        """The phase of each member; of what is computed once for all inner loops, the one that it follows."""
        if group.kind == "loops":
            for v in group.members:
                self.phase[v.id] = self.earliest(v)
            self.put_off()
        self.phases = 1 + max(self.phase.values(), default=0)
        self.kept = self.read_later()
        """Members that a later phase reads, by id."""
        self.order = [*sorted(group.loops - self.inner), *sorted(self.inner)]

    def is_full(self, v: Vertex) -> bool:
        """Whether a member is computed inside of the inner loops."""
        return varying(self.group.points[v.id]) == self.group.loops

    def is_line(self, v: Vertex) -> bool:
        """Whether the value of a member varies along inner loops, as opposed to what is summed over them."""
        return self.is_full(v) and not (is_reduction(v) and self.group.summed(v))

    def member_of(self, x: Vertex) -> Vertex | None:
        """The member whose value an input is, if it is one."""
        base = self.views.base(x)
        return base if base.id in self.group.places else None

    def earliest(self, v: Vertex) -> int:
        """The first phase in which a member can be computed."""
        full = self.is_full(v)
        found = 0 if full else -1
        for x in v.inputs:
            m = self.member_of(x)
            if m is not None:
                after = full and not self.is_line(m)
                found = max(found, self.phase[m.id] + after)
        return found

    def put_off(self) -> None:
        """Compute what needs no other member as late as its readers need it, rather than keep it for them."""
        readers: dict[int, list[Vertex]] = {}
        for v in self.group.members:
            for x in v.inputs:
                m = self.member_of(x)
                if m is not None:
                    readers.setdefault(m.id, []).append(v)
        for v in reversed(self.group.members):
            lines = [m for m in map(self.member_of, v.inputs) if m is not None and self.is_line(m)]
            later = [self.phase[w.id] for w in readers.get(v.id, []) if self.is_full(w)]
            if self.is_line(v) and later and len(later) == len(readers[v.id]) and not lines:
                self.phase[v.id] = min(later)

    def read_later(self) -> set[int]:
        """The members that have to be kept for a later phase."""
        found = set()
        for v in self.group.members:
            for x in v.inputs:
                m = self.member_of(x)
                if m is not None and self.is_line(m) and self.phase[m.id] < self.phase[v.id]:
                    found.add(m.id)
        return found

    @property
    def needs_memory(self) -> list[Vertex]:
        """Members that have to be stored although nobody else reads them, since a line of them is too long to keep."""
        if prod(self.space[loop] for loop in self.inner) <= LONGEST_LINE:
            return []
        return [v for v in self.group.members if v.id in self.kept]

    # ---- memory ------------------------------------------------------------------------------------------------------

    def steps(self, x: Vertex, v: Vertex) -> Steps:
        """The steps, along each loop, of an input of a member that is read from memory."""
        point = self.group.points[v.id]
        strides, found = self.views.of(x).strides, [0] * len(self.space)
        for axis, (n, stride) in enumerate(zip(x.shape, strides, strict=True)):
            loop = point[axis + len(point) - x.ndim]
            if n != 1 and loop is not None:
                found[loop] = stride
        return tuple(found)

    def steps_of_result(self, v: Vertex) -> Steps:
        """The steps, along each loop, of the memory of a member."""
        found = [0] * len(self.space)
        for loop, stride in zip(self.group.places[v.id], contiguous(v.shape), strict=True):
            if loop is not None:
                found[loop] = stride
        return tuple(found)

    @property
    def steps_of_line(self) -> Steps:
        """The steps of a line that is kept."""
        found, step = [0] * len(self.space), 1
        for loop in sorted(self.inner, reverse=True):
            found[loop] = step
            step *= self.space[loop]
        return tuple(found)

    def is_loaded(self, x: Vertex) -> bool:
        """Whether an input of a member is read from memory."""
        base = self.views.base(x)
        return base.id not in self.group.places and base.id not in self.fusion.scalars and not (
            is_constant(base) and self.single(base))

    def single(self, x: Vertex) -> bool:
        """Whether all elements of a value are the same one."""
        known = self.views.access.get(x.id)
        return x.size == 1 or (known is not None
                               and not any(s for s, n in zip(known.strides, x.shape, strict=True) if n > 1))

    def loads(self) -> list[tuple[Vertex, Vertex]]:
        """Pairs of a member and an input that it reads from memory."""
        if self.group.kind == "scalar":
            return []
        return [(v, x) for v in self.group.members for x in v.inputs if self.is_loaded(x)]

    def merged(self, stored: set[int]) -> tuple[list[list[int]], list[list[int]]]:
        """The outer and the inner loops, those put together that all memory is passed by as if they were one."""
        steps = {self.steps(x, v) for v, x in self.loads()}
        steps |= {self.steps_of_result(v) for v in self.group.members if v.id in stored and v.id in self.group.places}
        if self.kept - stored:
            steps.add(self.steps_of_line)
        answer = []
        for loops in (sorted(self.group.loops - self.inner), sorted(self.inner)):
            bundles: list[list[int]] = []
            for loop in loops:
                if bundles and all(s[bundles[-1][-1]] == s[loop] * self.space[loop] for s in steps):
                    bundles[-1].append(loop)
                else:
                    bundles.append([loop])
            answer.append(bundles)
        return answer[0], answer[1]
