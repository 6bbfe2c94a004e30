"""Which kernels a graph becomes, in which order they run, and where each value lies.

That is what every executor with kernels of its own has to know, whatever language it writes them in."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from ...graph import Graph, describe
from ...op import Spec, Vertex
from ...ops.tuples import Item
from ...passes.plan import Block, aligned, place
from .fusion import Fusion, ordered
from .groups import Group
from .nest import Nest
from .spelling import labels, remark
from .views import Views


class Placing:
    """A graph as groups of ops, with a place in memory for every value that needs one."""

    fusion_type: type[Fusion] = Fusion
    """What puts ops into groups."""
    nest_type: type[Nest] = Nest
    """What says where in its loops each op of a group is computed."""
    words: Collection[str] = ()
    """The words of the language that no value may be called."""
    arena: int
    """The bytes of memory that the values inside need."""
    offsets: dict[int, int]
    """Where in the arena each value lies, by id."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.views = Views(graph)
        self.fusion = self.fusion_type(graph, self.views)
        self.label = labels(graph, self.words)
        self.adopt()
        self.order = ordered(self.fusion.groups, graph)
        self.position = {id(group): k for k, group in enumerate(self.order)}
        self.nests = {id(g): self.nest_type(g, self.fusion) for g in self.order if g.kind in ("loops", "scalar")}
        self.stored = {v.id: v for v in self.find_stored()}
        """What lies in memory of our choice, by id."""
        self.direct = self.find_direct()
        """The leaf that a new value is written straight over, by the id of the new value."""
        self.outputs = self.find_outputs()
        """What is handed out in memory of its own, by id."""
        self.lay_out()

    def adopt(self) -> None:
        """Take over groups that neither loops nor single ops are; here there are none."""

    def take_over(self, group: Group, kind: str, results: Sequence[Vertex], rooms: Sequence[Vertex]) -> None:
        """Have the group of a loop or a branch compute the results that are taken out of it, too, with some room."""
        group.kind = kind
        for w in results:
            other = self.fusion.home[w.id]
            self.fusion.groups.remove(other)
            for third in self.fusion.groups:
                if other in third.needs:
                    third.needs = third.needs - {other} | {group}
        group.members += results
        for w in (*results, *rooms):
            self.fusion.home[w.id] = group

    def find_stored(self) -> Iterator[Vertex]:
        """What has to be in memory: what leaves the group that computes it."""
        home, views = self.fusion.home, self.views
        for w in self.graph.order:
            for x in w.inputs:
                b = views.base(x)
                if b.id in home and views.base(w) is w and home.get(w.id) is not home[b.id] and type(b._data) is Spec:
                    yield b
        for v in self.graph.results:
            b = views.base(v)
            if b.id in home:
                yield b
        for group in self.order:
            if group.kind == "loops":
                yield from self.nests[id(group)].needs_memory
                yield from (v for v in group.members if not group.known_inside(v))
            else:
                yield from (v for v in group.members if type(v._data) is Spec)

    def reads(self, group: Group) -> set[int]:
        """The ids of the arrays that a group reads."""
        if group.kind not in ("loops", "scalar"):
            return {self.views.base(x).id for v in group.members for x in v.inputs}
        found: set[int] = set()
        pending, seen = [x for v in group.members for x in v.inputs], set()
        while pending:
            b = self.views.base(pending.pop())
            if b.id in self.fusion.scalars:
                if b.id not in seen:
                    seen.add(b.id)
                    pending += b.inputs
            elif self.fusion.home.get(b.id) is not group:
                found.add(b.id)
        return found

    def find_direct(self) -> dict[int, Vertex]:
        """New values that can be written straight over the leaf that they are for: nobody reads the old one later.

        The old one may also be the new value of another leaf, which is written when all is computed.
        """
        graph, views, home = self.graph, self.views, self.fusion.home
        new_values = [views.base(new).id for _, new in graph.updates]
        given = {views.base(v).id for v in graph.outputs}
        fallible = [k for k, group in enumerate(self.order) if self.can_fail(group)]
        last_fallible = fallible[-1] if fallible else -1
        last_read = {number: k for k, group in enumerate(self.order) for number in self.reads(group)}
        found: dict[int, Vertex] = {}
        for leaf, new in graph.updates:
            group = home.get(new.id)
            if (group is None or group.kind not in ("loops", "scalar") or views.base(new) is not new
                    or new_values.count(new.id) > 1 or new.id in given or leaf.id in given or leaf.id in new_values
                    or leaf.id in graph.strides):
                continue
            at = self.position[id(group)]
            if at <= last_fallible or last_read.get(leaf.id, -1) > at:
                continue
            if group.kind == "scalar" or self.read_before_written(group, leaf, new):
                found[new.id] = leaf
        return found

    def can_fail(self, group: Group) -> bool:
        """Whether computing a group may end in an error."""
        return any(v.op is not None and (v.op.may_fail or group.kind == "numpy") for v in group.members)

    def read_before_written(self, group: Group, leaf: Vertex, new: Vertex) -> bool:
        """Whether a group reads each element of a leaf for the last time before it writes the new one over it."""
        nest = self.nests[id(group)]
        if leaf.size == 1:
            return True  # it is read at the head
        if not nest.is_line(new):
            return all(self.views.base(x) is not leaf for v in group.members for x in v.inputs)
        for v in group.members:
            for x in v.inputs:
                if self.views.base(x) is leaf and (
                        nest.steps(x, v) != nest.steps_of_result(new) or self.views.of(x).offset
                        or nest.phase[v.id] > nest.phase[new.id]):
                    return False
        return True

    def find_outputs(self) -> dict[int, Vertex]:
        """Values that are computed into the arrays that are handed out."""
        found: dict[int, Vertex] = {}
        for v in self.graph.outputs:
            b = self.views.base(v)
            if b.id in self.stored and b.id not in self.direct and b.size:
                found[b.id] = b
        return found

    def lay_out(self) -> None:
        """Places in the arena for all else that is stored."""
        blocks = self.blocks()
        self.arena, where = place(sorted(blocks, key=lambda block: (-block.bytes, block.born)))
        self.offsets = {block.members[0].id: where[id(block)] for block in blocks}

    def blocks(self) -> list[Block]:
        """What lies in the arena, and for how long."""
        last = self.last_reads()
        blocks = []
        for b in self.stored.values():
            if b.id not in self.direct and b.id not in self.outputs:
                born = self.position[id(self.fusion.home[b.id])]
                blocks.append(Block([b], aligned(b._data.nbytes), born, last.get(b.id, born)))
        return blocks

    def last_reads(self) -> dict[int, int]:
        """The position of the last group that reads an array, by its id; past the end for what is a result."""
        last = {number: k for k, group in enumerate(self.order) for number in self.reads(group)}
        return last | {self.views.base(v).id: len(self.order) for v in self.graph.results}

    # ---- words -------------------------------------------------------------------------------------------------------

    def name_of(self, group: Group, number: int) -> str:
        """A name for a kernel: its number, the module whose work it does, its first and its last op.

        To take a result out of several is nothing that it does.
        """
        members = [v for v in group.members if not isinstance(v.op, Item)]
        scopes = {self.graph.scopes.get(self.graph.source(v), "") for v in members}
        scope = scopes.pop() if len(scopes) == 1 else ""
        ops = [str(v.op) for v in members]
        words = [scope, ops[0], *([] if len(ops) == 1 else ["to", ops[-1]])]
        name = "_".join(word for word in words if word)
        return f"k{number}_" + "".join(c if c.isascii() and c.isalnum() else "_" for c in name)

    def comment(self, v: Vertex) -> str:
        """What a vertex is, and the user's line."""
        where = self.graph.where(v)
        inputs = ", ".join(self.label.get(x.id, self.label.get(self.views.base(x).id, "")) for x in v.inputs)
        line = f"{self.label[v.id]}: {describe(v._data)} = {v.op}({inputs})" + (f"   {where}" if where else "")
        return f"/* {remark(line)} */"
