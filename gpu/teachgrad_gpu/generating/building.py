"""From a graph to CUDA: one source for the whole program, and the launches that a call makes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np

from teachgrad.executors.c.groups import Group
from teachgrad.executors.c.placing import Placing
from teachgrad.executors.c.products import Product
from teachgrad.executors.c.spelling import pattern, remark
from teachgrad.graph import Graph, describe, is_constant
from teachgrad.op import Spec, Vertex
from teachgrad.ops.matmul import matmul
from teachgrad.passes.plan import Block, aligned

from . import attention, classes, division, drawing, lines, moves, products, windows  # noqa: F401  (they add their recipes)
from .fusion import ThreadFusion
from .gemm import Gemm
from .loops import FusedKernel
from .nests import ThreadNest
from .threads import KERNELS, Kernel, Work
from .words import PRELUDE, RESERVED, combining

FEW = 3
"""An argument of so few elements may come from the host: it is a number, or where random bits are."""
LEAST = 1 << 15
"""A product of fewer multiplications has a kernel of ours: a library would take longer to begin."""


@dataclass(frozen=True)
class Launch:
    """A kernel, and what it is launched with."""

    name: str
    grid: int
    block: int
    arguments: tuple[int, ...]
    """The ids of the values whose arrays are its arguments."""
    group: int
    """The position of the group of ops that it computes."""
    product: Gemm | None = None
    """The product of matrices that it is, if a library makes it."""
    offsets: tuple[int, int] = (0, 0)
    """The elements at which the factors of a product begin in their arrays."""


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
        return blocks

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
            product = self.product_of(group, number) if self.by_library else None
            if product is not None:
                self.launch(product)
                continue
            for kernel in self.kernels_of(group, len(self.kernels) + 1, fallible):
                work = f"{pattern(kernel.text, kernel.name)} {kernel.grid} {kernel.block}"
                same = known.setdefault(work, kernel.name)
                if same == kernel.name:
                    self.kernels.append(kernel)
                    combines |= kernel.combines
                ids = [self.place_of(v).id for v in kernel.arguments] + [self.flag.id] * kernel.uses_flag
                self.launch(Launch(same, kernel.grid, kernel.block, tuple(ids), number))
        name = remark(self.graph.name)
        title = f"/* {name}: {len(self.graph.order)} ops in {len(self.kernels)} kernels, written by teachgrad. */"
        self.source = "\n".join([title, "", PRELUDE, *combining(sorted(combines)),
                                 *(kernel.text for kernel in self.kernels), *self.calls()])

    def launch(self, launch: Launch) -> None:
        """Add a launch to what a call does."""
        if not self.steps or self.steps[-1].call is not None:
            self.steps.append(Step())
        self.steps[-1].launches.append(launch)

    def product_of(self, group: Group, number: int) -> Launch | None:
        """The product of matrices that a group is, for a library to make; None if it is another op, or a small one."""
        v = group.members[0]
        if v.op is not matmul or v.dtype.char not in "fd":
            return None
        product = Product.of(v, self.views)
        gemm = Gemm.of(product)
        if gemm is None or product.m * product.n * product.k < LEAST:
            return None
        first, second = v.inputs[::-1] if product.turned else v.inputs
        of_x, of_y = self.views.of(first), self.views.of(second)
        ids = (self.place_of(of_x.base).id, self.place_of(of_y.base).id, v.id)
        return Launch("gemm", 0, 0, ids, number, gemm, (of_x.offset, of_y.offset))

    def place_of(self, v: Vertex) -> Vertex:
        """The value in whose memory a value lies: the leaf, if it is written straight over one."""
        return self.direct.get(v.id, v)

    def kernels_of(self, group: Group, number: int, fallible: bool) -> list[Kernel]:
        """The kernels of a group."""
        name = self.name_of(group, number)
        if group.kind in ("loops", "scalar"):
            nest = self.nests[id(group)]
            assert isinstance(nest, ThreadNest)
            writer = FusedKernel(nest, self.graph, self.label, name,
                                 {v.id for v in group.members if v.id in self.stored},
                                 {v.id: self.direct[v.id] for v in group.members if v.id in self.direct}, fallible)
            text = writer.text()
            return [Kernel(name, text, writer.grid, writer.block, tuple(v for v, _ in writer.arrays.values()),
                           writer.uses_flag, frozenset(writer.combines))]
        v, *items = group.members
        if group.kind == "attention":
            return attention.kernels(v, items, self.views, name, self.comment(v))
        return Work.on(v, self.views, name, self.comment(v)).kernels

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
                if launch.product is not None:
                    v = self.order[launch.group].members[0]
                    yield f"    {self.label[v.id]} = {v.op}({', '.join(map(self.told, v.inputs))}) by cuBLAS"
                else:
                    yield f"    {launch.name}<<<{launch.grid}, {launch.block}>>>"
        yield "*/"

    @property
    def without_kernel(self) -> list[Vertex]:
        """What the array library computes, though it has elements to compute."""
        return [step.call for step in self.steps if step.call is not None and has_elements(step.call)]


def has_elements(v: Vertex) -> bool:
    """Whether something is computed of elements; taking a result out of several computes nothing."""
    specs = v._data if type(v._data) is tuple else (v._data,)
    return any(spec.size for spec in specs) and any(type(x._data) is not tuple and x.size for x in v.inputs)
