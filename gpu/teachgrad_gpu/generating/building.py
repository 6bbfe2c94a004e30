"""From a graph to CUDA: one source for the whole program, and the launches that a call makes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from teachgrad.errors import counted
from teachgrad.executors.c.alone import standing_alone
from teachgrad.executors.c.groups import Group
from teachgrad.executors.c.placing import Placing
from teachgrad.executors.c.spelling import pattern, remark
from teachgrad.graph import Graph, describe, is_constant
from teachgrad.op import Spec, Vertex
from teachgrad.ops.matmul import matmul
from teachgrad.ops.tuples import Item
from teachgrad.passes.plan import Block, aligned

from ..kernels.kernel import source_of
from . import (  # noqa: F401  (they add their recipes)
    attention,
    classes,
    columns,
    contractions,
    division,
    drawing,
    flash,
    lines,
    matrices,
    moves,
    products,
    weights,
    windows,
    writing_back,
)
from .catalogued import WAYS, ByLibrary, FromCatalogue, Operand, Way, find_way
from .control import LOOPS, Loop
from .fusion import ThreadFusion
from .kept import KeptRows
from .launches import At, Launch, Source, Step, has_elements, told_launch
from .loops import Elements, FusedKernel
from .nests import ThreadNest
from .rows import JoinedRows, TeamRows, ThreadRows
from .threads import KERNELS, Combine, Kernel, Threads, Work
from .words import FOURS, PRELUDE, RESERVED, combining

FEW = 3
"""An argument of so few elements may come from the host: it is a number, or where random bits are."""


class CudaBuilding(Placing):
    """A graph as CUDA source and launches, bound to no device yet. All values have places in one arena."""

    fusion_type = ThreadFusion
    nest_type = ThreadNest
    words = RESERVED

    def __init__(self, graph: Graph, by_library: bool = False, flag: Vertex | None = None) -> None:
        self.by_library = by_library
        for v in (*graph.order, *graph.results):
            for x in (v, *v.inputs):
                if is_constant(x) and any(x._data.strides):
                    x._data = np.ascontiguousarray(x._data).reshape(x.shape)
        self.flag = Vertex(Spec((1,), np.dtype(np.int32))) if flag is None else flag
        """Where kernels say that they refuse their values."""
        self.loops: dict[int, Loop] = {}
        """The loops and branches, by the id of their vertex."""
        self.ways: dict[int, Way] = {}
        """The groups that kernels of the catalogue compute, by their position."""
        self.left: dict[int, Vertex] = {}
        """Where the blocks that sum parts of rows leave what they have, by the id of the sum."""
        super().__init__(replace(graph, strides={}))
        self.steps: list[Step] = []
        self.kernels: list[Kernel] = []
        self.known: dict[str, str] = {}
        """The names of the kernels by what they do: each is written once."""
        self.combines: set[Combine] = set()
        self.write()

    # ---- loops and branches ------------------------------------------------------------------------------------------

    def adopt(self) -> None:
        for group in list(self.fusion.groups):
            v = group.members[0]
            if group.kind == "numpy" and type(v.op) in LOOPS:
                items = [w for w in self.graph.order if isinstance(w.op, Item) and w.inputs[0] is v]
                loop = self.loops[v.id] = LOOPS[type(v.op)](v, items, self)
                self.take_over(group, "control", items, [loop.room])

    def find_stored(self) -> Iterator[Vertex]:
        yield from super().find_stored()
        yield from (loop.room for loop in self.loops.values())

    def body(self, graph: Graph) -> CudaBody:
        """The body of a loop or branch."""
        return CudaBody(graph, self)

    @property
    def bodies(self) -> list[CudaBody]:
        """The bodies of all loops and branches."""
        return [body for loop in self.loops.values() for body in loop.bodies.values()]

    # ---- memory ------------------------------------------------------------------------------------------------------

    def read_before_written(self, group: Group, leaf: Vertex, new: Vertex) -> bool:
        if leaf.size == 1:  # other threads may read it after the one that writes it
            return leaf.id not in self.reads(group)
        return super().read_before_written(group, leaf, new)

    def can_fail(self, group: Group) -> bool:
        op = group.members[0].op
        if group.kind == "control":
            return self.loops[group.members[0].id].fails
        if group.kind == "kernel" and op is not None:
            return KERNELS[type(op)].fails
        return group.kind != "attention" and super().can_fail(group)

    @property
    def constants(self) -> dict[int, Vertex]:
        """The constants that kernels or calls read from memory, by id, in bodies, too."""
        found = {x.id: x for v in self.graph.order for x in v.inputs if is_constant(x)}
        found |= {v.id: v for v in self.graph.results if is_constant(v)}
        for body in self.bodies:
            found |= body.constants
        return found

    def lay_out(self) -> None:
        for position, group in enumerate(self.order):
            way = self.way_of(group)
            if way is not None:
                self.ways[position] = way
        super().lay_out()

    def way_of(self, group: Group) -> Way | None:
        """How kernels of the catalogue compute a group, where they are better than those that are written here."""
        v, *items = group.members
        if group.kind not in ("attention", "kernel") or v.op not in WAYS:
            return None
        if group.kind == "attention":
            names, results = attention.NAMES[v.op][0], attention.results_of(v, items)
        else:
            names, results = KERNELS[type(v.op)].names, {"z": v}
        return find_way(v, results, names, self.views, self.comment(v), self.by_library)

    def lasting(self) -> Iterator[Block]:
        """What lies in the arena before a call computes anything."""
        last, end = self.last_reads(), len(self.order) + 1
        staying = {leaf.id for leaf, _ in self.graph.updates} | {v.id for v in self.graph.inputs if v.size <= FEW}
        yield Block([self.flag], aligned(4), -1, end)
        for v in self.graph.inputs:  # few elements stay: whoever copies them in need not do so again
            yield Block([v], aligned(v._data.nbytes), -1, end if v.id in staying else last.get(v.id, -1))
        for v in (*self.graph.cells, *self.constants.values()):
            yield Block([v], aligned(v._data.nbytes), -1, end)

    @property
    def handed_out(self) -> dict[int, Vertex]:
        """What is computed straight into arrays of others, by id."""
        return {}

    def blocks(self) -> list[Block]:
        last, blocks = self.last_reads(), list(self.lasting())
        for b in self.stored.values():
            if b.id not in self.direct and b.id not in self.handed_out:
                born = self.position[id(self.fusion.home[b.id])]
                blocks.append(Block([b], aligned(b._data.nbytes), born, last.get(b.id, born)))
        blocks += [Block([w], aligned(w._data.nbytes), position, position)
                   for position, way in self.ways.items() for w in way.workspaces]
        for group in self.order:
            nest = self.nests.get(id(group))
            if isinstance(nest, ThreadNest) and nest.has_rows and nest.team.parts > 1:
                at = self.position[id(group)]
                for v in nest.sums:
                    self.left[v.id] = Vertex(Spec((nest.rows, nest.team.parts), v.dtype))
                    blocks.append(Block([self.left[v.id]], aligned(self.left[v.id]._data.nbytes), at, at))
        return blocks

    @property
    def workspaces(self) -> list[Vertex]:
        """What lies in memory only while one group is computed."""
        return [*self.left.values(), *(w for way in self.ways.values() for w in way.workspaces)]

    @property
    def written_back(self) -> list[tuple[Vertex, Vertex]]:
        """The leaves that a kernel at the end overwrites, and their new values."""
        return writing_back.pairs_of(self)

    # ---- text --------------------------------------------------------------------------------------------------------

    def write(self) -> None:
        """The whole source, and what a call does."""
        fallible = any(self.can_fail(group) for group in self.order)
        self.assemble(fallible)
        for kernel in writing_back.kernels(self, self.written_back, len(self.kernels) + 1, fallible):
            self.add(kernel, len(self.order) - 1)
        fours = [FOURS] * any("_four(" in kernel.text for kernel in self.kernels)
        self.code = "\n".join([self.title(), "", PRELUDE, *fours, *combining(sorted(self.combines)),
                               *(kernel.text for kernel in self.kernels)])
        """What is compiled: the kernels that are written here."""
        self.source = "\n".join([self.code, "/* A call:", *self.told_steps("    "), "*/", *self.files()])
        """What is shown: these, what a call does, and the files of the catalogue that it takes kernels from."""

    def assemble(self, fallible: bool) -> None:
        """The steps of a call, and the kernels that they need."""
        for number, group in enumerate(self.order):
            if group.kind == "numpy":
                self.steps.append(Step(call=group.members[0]))
                continue
            if group.kind == "control":
                loop = self.loops[group.members[0].id]
                self.steps.append(Step(loop=loop))
                for body in loop.bodies.values():
                    body.join(self)
                continue
            for part in self.parts_of(group, number, fallible):
                if not isinstance(part, Kernel):
                    self.launch(self.ready(part, number))
                    continue
                self.add(part, number)

    def add(self, kernel: Kernel, number: int) -> None:
        """A kernel that is written here, unless it was already, and a launch of it."""
        work = f"{pattern(kernel.text, kernel.name)} {kernel.grid} {kernel.block}"
        same = self.known.setdefault(work, kernel.name)
        if same == kernel.name:
            self.kernels.append(kernel)
            self.combines |= kernel.combines
        arrays = [At(self.place_of(v).id) for v in kernel.arguments] + [At(self.flag.id)] * kernel.uses_flag
        self.launch(Launch(same, (kernel.grid,), (kernel.block,), tuple(arrays), number, counts=kernel.counts))

    def title(self) -> str:
        """The first line of the source."""
        taken = len({(launch.name, launch.source) for launch in self.launches if launch.source is not None})
        others = f" and {taken} of the catalogue" if taken else ""
        ops, kernels = counted(len(self.graph.order), "op"), counted(len(self.kernels), "kernel")
        return f"/* {remark(self.graph.name)}: {ops} in {kernels}{others}, written by teachgrad. */"

    @property
    def launches(self) -> list[Launch]:
        """All launches of a call, those in bodies once, as they follow each other."""
        found = []
        for step in self.steps:
            found += step.launches
            if step.loop is not None:
                found += [launch for body in step.loop.bodies.values() for launch in body.launches]
        return found

    def launch(self, launch: Launch) -> None:
        """Add a launch to what a call does."""
        if not self.steps or not self.steps[-1].launches:
            self.steps.append(Step())
        self.steps[-1].launches.append(launch)

    def ready(self, part: FromCatalogue | ByLibrary, number: int) -> Launch:
        """A part of the way of a group as a launch."""
        if isinstance(part, ByLibrary):
            return Launch("gemm", (), (), tuple(map(self.at, (*part.factors, part.result))), number, part.gemm,
                          counts=part.counts)
        arguments = tuple(self.at(x) if isinstance(x, Operand) else x for x in part.arguments)
        plan = part.plan
        return Launch(part.kernel.name, plan.grid, plan.block, arguments, number,
                      source=Source(part.kernel.family, part.options), shared=plan.shared, counts=part.counts)

    def at(self, x: Operand) -> At:
        """Where the elements of an operand are."""
        place = self.place_of(x.vertex)
        return At(place.id) if x.size == place.size else At(place.id, x.offset, x.size)

    def place_of(self, v: Vertex) -> Vertex:
        """The value in whose memory a value lies: the leaf, if it is written straight over one."""
        return self.direct.get(v.id, v)

    def parts_of(self, group: Group, position: int, fallible: bool) -> Sequence[Kernel | FromCatalogue | ByLibrary]:
        """What computes a group: kernels that are written here, and in between those of the catalogue."""
        number = len(self.kernels) + 1
        way = self.ways.get(position)
        if way is None:
            return self.kernels_of(group, number, fallible)
        way.work.name = self.name_of(group, number)
        return [way.written(part) if isinstance(part, Threads) else part for part in way.parts]

    def kernels_of(self, group: Group, number: int, fallible: bool) -> list[Kernel]:
        """The kernels of a group, all written here."""
        name = self.name_of(group, number)
        if group.kind in ("loops", "scalar"):
            nest = self.nests[id(group)]
            assert isinstance(nest, ThreadNest)
            return [Kernel(w.name, w.text(), w.grid, w.block, w.arguments, w.uses_flag, frozenset(w.combines), w.does)
                    for w in self.writers(group, nest, name, fallible)]
        v, *items = group.members
        if group.kind == "attention":
            return attention.kernels(v, items, self.views, name, self.comment(v))
        return Work.on(v, self.views, name, self.comment(v)).kernels

    def writers(self, group: Group, nest: ThreadNest, name: str, fallible: bool) -> list[FusedKernel]:
        """What writes the kernels of a group of fused ops: one kernel, or two where rows are summed in parts."""
        common = ({v.id for v in group.members if v.id in self.stored},
                  {v.id: self.direct[v.id] for v in group.members if v.id in self.direct}, fallible)
        if nest.has_rows and nest.team.parts > 1:
            return [TeamRows(nest, self.graph, self.label, f"{name}_parts", *common, left=self.left),
                    JoinedRows(nest, self.graph, self.label, name, *common, left=self.left)]
        kind = (FusedKernel if group.kind == "scalar" else Elements if not nest.has_rows else
                ThreadRows if nest.team.threads == 1 else KeptRows if nest.team.keeps else TeamRows)
        return [kind(nest, self.graph, self.label, name, *common)]

    def name_of(self, group: Group, number: int) -> str:
        """As for C, and what the user calls the parameter that is written, or that goes into a product and the like."""
        name, cells = super().name_of(group, number), {v.id for v in self.graph.cells if v.name}
        written = [self.direct[v.id] for v in group.members if v.id in self.direct]
        read = [self.views.base(x) for x in group.members[0].inputs] if group.kind == "kernel" else []
        for word, leaves in (("into", written), ("of", read)):
            named = sorted((v for v in leaves if v.id in cells), key=lambda v: not v.requires_grad)
            if named:
                return f"{name}_{word}_{self.label[named[0].id]}".rstrip("_")
        return name

    def comment(self, v: Vertex) -> str:
        """What a vertex is, of which values, and the user's line."""
        where = self.graph.where(v)
        inputs = ", ".join(map(self.told, v.inputs))
        line = f"{self.label[v.id]}: {describe(v._data)} = {v.op}({inputs})" + (f"   {where}" if where else "")
        return f"/* {remark(line)} */"

    def told(self, x: Vertex) -> str:
        """The name of a value; of a view, that of what it is a view of."""
        base = self.views.base(x)
        name = self.label.get(base.id, "constant")
        seen = x.shape != base.shape or self.views.of(x).strides != self.views.of(base).strides
        return f"{name} seen as {describe(x._data)}" if seen and type(x._data) is Spec else name

    def told_steps(self, indent: str) -> Iterator[str]:
        """What a call does, in words."""
        for step in self.steps:
            if step.call is not None:
                v = step.call
                inputs = ", ".join(self.label.get(x.id, "constant") for x in v.inputs)
                yield f"{indent}{self.label[v.id]} = {v.op}({inputs}) by the array library: there is no kernel for it"
            if step.loop is not None:
                yield f"{indent}{step.loop.v.op}, {step.loop.told()}:"
                for key, body in step.loop.bodies.items():
                    yield f"{indent}    {key}:"
                    yield from body.told_steps(f"{indent}        ")
            for launch in step.launches:
                v = self.order[launch.group].members[0]
                if launch.product is not None and v.op is matmul:
                    yield f"{indent}{self.label[v.id]} = {v.op}({', '.join(map(self.told, v.inputs))}) by cuBLAS"
                elif launch.product is not None:
                    yield f"{indent}{launch.product} by cuBLAS for {self.label[v.id]}"
                elif launch.source is None:
                    yield f"{indent}{told_launch(launch)}"
                else:
                    macros = "".join(f" {option}" for option in launch.source.options)
                    yield f"{indent}{told_launch(launch)} of {launch.source.family}.cu{macros} for {self.label[v.id]}"

    def files(self) -> Iterator[str]:
        """The files of the catalogue from which kernels are launched, each compiled on its own."""
        for family in dict.fromkeys(launch.source.family for launch in self.launches if launch.source is not None):
            yield f"\n/* ---- {family}.cu, from the catalogue, a program of its own ---- */\n\n{source_of(family)}"

    @property
    def without_kernel(self) -> list[Vertex]:
        """What the array library computes, though it has elements to compute."""
        return [step.call for step in self.steps if step.call is not None and has_elements(step.call)] + [
            v for body in self.bodies for v in body.without_kernel]


class CudaBody(CudaBuilding):
    """A body. Inputs, outputs and constants are arrays from outside; `updates` are what a loop hands on."""

    def __init__(self, graph: Graph, outer: CudaBuilding) -> None:
        super().__init__(standing_alone(graph), outer.by_library, outer.flag)

    def lasting(self) -> Iterator[Block]:
        yield from ()

    @property
    def handed_out(self) -> dict[int, Vertex]:
        return self.outputs

    def write(self) -> None:
        """Nothing yet: kernels are numbered through the whole program."""

    def join(self, outer: CudaBuilding) -> None:
        """Add the kernels to those of a program."""
        self.kernels, self.known, self.combines = outer.kernels, outer.known, outer.combines
        self.assemble(fallible=False)  # it overwrites nothing but what the loop hands on
