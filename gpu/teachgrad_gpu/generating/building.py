"""From a graph to CUDA: one source for the whole program, and the launches that a call makes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from teachgrad.executors.c.groups import Group
from teachgrad.executors.c.placing import Placing
from teachgrad.executors.c.spelling import pattern, remark
from teachgrad.graph import Graph, describe, is_constant
from teachgrad.op import Spec, Vertex
from teachgrad.passes.plan import Block, aligned

from ..kernels.kernel import source_of
from . import (  # noqa: F401  (they add their recipes)
    attention,
    classes,
    columns,
    division,
    drawing,
    flash,
    lines,
    matrices,
    moves,
    products,
    windows,
)
from .catalogued import WAYS, ByLibrary, FromCatalogue, Operand, Way, find_way
from .fusion import ThreadFusion
from .gemm import Gemm
from .loops import Elements, FusedKernel
from .nests import ThreadNest
from .rows import JoinedRows, KeptRows, TeamRows, ThreadRows
from .threads import KERNELS, Counts, Kernel, Threads, Work
from .words import FOURS, PRELUDE, RESERVED, combining

FEW = 3
"""An argument of so few elements may come from the host: it is a number, or where random bits are."""


@dataclass(frozen=True)
class At:
    """An array among the arguments of a launch: that of a value, or so many elements of it, from the first on."""

    id: int
    first: int = 0
    size: int | None = None


@dataclass(frozen=True)
class Source:
    """A file of the catalogue, and the options with which it is compiled."""

    family: str
    options: tuple[str, ...]

    @property
    def text(self) -> str:
        return source_of(self.family)


@dataclass(frozen=True)
class Launch:
    """A kernel, and what it is launched with."""

    name: str
    grid: tuple[int, ...]
    block: tuple[int, ...]
    arguments: tuple[At | np.generic, ...]
    group: int
    """The position of the group of ops that it computes."""
    product: Gemm | None = None
    """The product of matrices that it is, if a library makes it."""
    source: Source | None = None
    """Where the kernel comes from, if it is not written here."""
    shared: int = 0
    """Bytes of dynamic shared memory."""
    counts: Counts | None = None
    """What it does, if that is only a part of what the group does."""


@dataclass
class Step:
    """Launches one after the other, or else a single call of the array library."""

    launches: list[Launch] = field(default_factory=list)
    call: Vertex | None = None
    """What the array library computes, because there is no kernel for it."""


class CudaBuilding(Placing):
    """A graph as CUDA source and launches, bound to no device yet. All values have places in one arena."""

    fusion_type = ThreadFusion
    nest_type = ThreadNest
    words = RESERVED

    def __init__(self, graph: Graph, by_library: bool = False) -> None:
        self.by_library = by_library
        for v in (*graph.order, *graph.results):
            for x in (v, *v.inputs):
                if is_constant(x) and any(x._data.strides):
                    x._data = np.ascontiguousarray(x._data).reshape(x.shape)
        self.flag = Vertex(Spec((1,), np.dtype(np.int32)))
        """Where kernels say that they refuse their values."""
        self.ways: dict[int, Way] = {}
        """The groups that kernels of the catalogue compute, by their position."""
        self.left: dict[int, Vertex] = {}
        """Where the blocks that sum parts of rows leave what they have, by the id of the sum."""
        super().__init__(replace(graph, strides={}))
        self.steps: list[Step] = []
        self.kernels: list[Kernel] = []
        self.write()

    # ---- memory ------------------------------------------------------------------------------------------------------

    def read_before_written(self, group: Group, leaf: Vertex, new: Vertex) -> bool:
        if leaf.size == 1:  # other threads may read it after the one that writes it
            return leaf.id not in self.reads(group)
        return super().read_before_written(group, leaf, new)

    def can_fail(self, group: Group) -> bool:
        op = group.members[0].op
        if group.kind == "kernel" and op is not None:
            return KERNELS[type(op)].fails
        return group.kind != "attention" and super().can_fail(group)

    @property
    def constants(self) -> dict[int, Vertex]:
        """The constants that kernels or calls read from memory, by id."""
        return {x.id: x for v in self.graph.order for x in v.inputs if is_constant(x)} | {
            v.id: v for v in self.graph.results if is_constant(v)}

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

    def blocks(self) -> list[Block]:
        last, end = self.last_reads(), len(self.order) + 1
        staying = {leaf.id for leaf, _ in self.graph.updates} | {v.id for v in self.graph.inputs if v.size <= FEW}
        blocks = [Block([self.flag], aligned(4), -1, end)]
        blocks += [Block([v], aligned(v._data.nbytes), -1, end if v.id in staying else last.get(v.id, -1))
                   for v in self.graph.inputs]  # few elements stay: whoever copies them in need not do so again
        blocks += [Block([v], aligned(v._data.nbytes), -1, end) for v in self.graph.cells]
        blocks += [Block([x], aligned(x._data.nbytes), -1, end) for x in self.constants.values()]
        for b in self.stored.values():
            if b.id not in self.direct:
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

    # ---- text --------------------------------------------------------------------------------------------------------

    def write(self) -> None:
        """The whole source, and what a call does."""
        known: dict[str, str] = {}
        combines: set[tuple[str, str, str]] = set()
        fallible = any(self.can_fail(group) for group in self.order)
        for number, group in enumerate(self.order):
            if group.kind == "numpy":
                self.steps.append(Step(call=group.members[0]))
                continue
            for part in self.parts_of(group, number, fallible):
                if not isinstance(part, Kernel):
                    self.launch(self.ready(part, number))
                    continue
                work = f"{pattern(part.text, part.name)} {part.grid} {part.block}"
                same = known.setdefault(work, part.name)
                if same == part.name:
                    self.kernels.append(part)
                    combines |= part.combines
                arrays = [At(self.place_of(v).id) for v in part.arguments] + [At(self.flag.id)] * part.uses_flag
                self.launch(Launch(same, (part.grid,), (part.block,), tuple(arrays), number, counts=part.counts))
        fours = [FOURS] * any("_four(" in kernel.text for kernel in self.kernels)
        self.code = "\n".join([self.title(), "", PRELUDE, *fours, *combining(sorted(combines)),
                               *(kernel.text for kernel in self.kernels)])
        """What is compiled: the kernels that are written here."""
        self.source = "\n".join([self.code, *self.calls(), *self.files()])
        """What is shown: these, what a call does, and the files of the catalogue that it takes kernels from."""

    def title(self) -> str:
        """The first line of the source."""
        taken = len({(launch.name, launch.source) for launch in self.launches if launch.source is not None})
        others = f" and {taken} of the catalogue" if taken else ""
        return (f"/* {remark(self.graph.name)}: {len(self.graph.order)} ops in {len(self.kernels)} kernels{others}, "
                "written by teachgrad. */")

    @property
    def launches(self) -> list[Launch]:
        """All launches of a call."""
        return [launch for step in self.steps for launch in step.launches]

    def launch(self, launch: Launch) -> None:
        """Add a launch to what a call does."""
        if not self.steps or self.steps[-1].call is not None:
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

    def calls(self) -> Iterator[str]:
        """A comment that says what a call does."""
        yield "/* A call:"
        for step in self.steps:
            if step.call is not None:
                v = step.call
                inputs = ", ".join(self.label.get(x.id, "constant") for x in v.inputs)
                yield f"    {self.label[v.id]} = {v.op}({inputs}) by the array library: there is no kernel for it"
            for launch in step.launches:
                v = self.order[launch.group].members[0]
                if launch.product is not None:
                    yield f"    {self.label[v.id]} = {v.op}({', '.join(map(self.told, v.inputs))}) by cuBLAS"
                elif launch.source is None:
                    yield f"    {told_launch(launch)}"
                else:
                    macros = "".join(f" {option}" for option in launch.source.options)
                    yield f"    {told_launch(launch)} of {launch.source.family}.cu{macros} for {self.label[v.id]}"
        yield "*/"

    def files(self) -> Iterator[str]:
        """The files of the catalogue from which kernels are launched, each compiled on its own."""
        for family in dict.fromkeys(launch.source.family for launch in self.launches if launch.source is not None):
            yield f"\n/* ---- {family}.cu, from the catalogue, a program of its own ---- */\n\n{source_of(family)}"

    @property
    def without_kernel(self) -> list[Vertex]:
        """What the array library computes, though it has elements to compute."""
        return [step.call for step in self.steps if step.call is not None and has_elements(step.call)]


def has_elements(v: Vertex) -> bool:
    """Whether something is computed of elements; taking a result out of several computes nothing."""
    specs = v._data if type(v._data) is tuple else (v._data,)
    return any(spec.size for spec in specs) and any(type(x._data) is not tuple and x.size for x in v.inputs)


def told_launch(launch: Launch) -> str:
    """A launch as CUDA C writes it."""
    grid, block = (str(x[0]) if len(x) == 1 else f"dim3({', '.join(map(str, x))})" for x in (launch.grid, launch.block))
    return f"{launch.name}<<<{grid}, {block}{f', {launch.shared}' if launch.shared else ''}>>>"
