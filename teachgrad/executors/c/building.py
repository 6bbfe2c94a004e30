"""From a graph to C: the text of the kernels, and of the functions that call them."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from typing import Any

from ...dtypes import C_TYPES
from ...errors import counted
from ...graph import Graph, describe
from ...op import Spec, Vertex
from . import attention, products, tiles
from .blas import blas
from .compiler import OPENMP, compiler, load, prelude_of_math
from .groups import Group
from .loops import LoopFunction
from .placing import Placing
from .spelling import pattern, remark
from .team import Team, enlist

BLAS_ARGUMENTS = "int, int, int, {0}, {0}, {0}, {1}, const {1} *, {0}, const {1} *, {0}, {1}, {1} *, {0}"


@dataclass
class Segment:
    """Groups that run one after the other in one call: C, or a single call of NumPy."""

    groups: list[Group]
    is_c: bool


class Building(Placing):
    """A graph as compiled C, bound to no memory yet. `exact` forbids fused multiply-adds; `team` may share the work."""

    segments: list[Segment]
    source: str
    functions: list[Any]
    """The C functions of the segments that are C."""

    def __init__(self, graph: Graph, exact: bool, team: Team | None = None) -> None:
        self.exact, self.team = exact, team or Team()
        self.slots: dict[int, int] = {}
        """The place of each array in the table of pointers, by id."""
        super().__init__(graph)
        self.divide()
        self.write()
        self.functions = self.compiled()

    def divide(self) -> None:
        """Segments of C between calls of NumPy."""
        self.segments = []
        for group in self.order:
            is_c = group.kind != "numpy"
            if is_c and self.segments and self.segments[-1].is_c:
                self.segments[-1].groups.append(group)
            else:
                self.segments.append(Segment([group], is_c))

    # ---- text --------------------------------------------------------------------------------------------------------

    def slot(self, v: Vertex) -> int:
        """The place of an array in the table of pointers."""
        v = self.direct.get(v.id, v)
        return self.slots.setdefault(v.id, len(self.slots))

    def write(self) -> None:
        """The whole source."""
        kernels, runs = self.texts()
        self.source = "\n".join([self.title(len(kernels)), "", *self.head(kernels, runs), *kernels, *runs])

    def texts(self) -> tuple[list[str], list[str]]:
        """The functions that compute, each once, and those that call them."""
        kernels: list[str] = []
        runs: list[str] = []
        known: dict[str, str] = {}
        segments = [s for s in self.segments if s.is_c]
        for count, segment in enumerate(segments, 1):
            calls: list[str] = []
            used: dict[int, Vertex] = {}
            for group in segment.groups:
                name = self.name_of(group, len(kernels) + 1)
                text, call = self.kernel(group, name, used)
                same = known.setdefault(pattern(text, name), name)
                if same == name:
                    kernels.append(text)
                calls.append(call.replace(name, same))
            runs.append(self.run(f"run_{count}" if len(segments) > 1 else "run", calls, used))
        return kernels, runs

    def title(self, kernels: int) -> str:
        """The first line of the source."""
        name = remark(self.graph.name)
        ops = counted(len(self.graph.order), "op")
        return f"/* {name}: {ops} in {counted(kernels, 'kernel')}, written by teachgrad. */"

    def compiled(self) -> list[Any]:
        """The functions that come of the source."""
        count = sum(segment.is_c for segment in self.segments)
        if not count:
            return []
        shared = bool(self.team.head(self.source))
        extra = (*(("-ffp-contract=off",) if self.exact else ()), *((OPENMP,) if shared else ()))
        self.library = library = load(self.source, extra)
        if shared:
            enlist(library)
        functions = []
        for number in range(1, count + 1):
            function = getattr(library, f"run_{number}" if count > 1 else "run")
            function.argtypes, function.restype = [ctypes.c_void_p], ctypes.c_int
            functions.append(function)
        return functions

    def head(self, kernels: list[str], runs: list[str]) -> list[str]:
        """What stands before the kernels."""
        text = "\n".join(kernels)
        lines = ["#include <math.h>", "#include <stdbool.h>", "#include <stdint.h>",
                 *(["#include <string.h>"] if "memcpy(" in text else []), "",
                 "#define KERNEL static __attribute__((noinline))", ""]
        how = compiler()
        if how is not None and how.simd_math:
            wanted = [line for line in prelude_of_math().splitlines()[1:]
                      if f"{line.partition('(')[0].rpartition(' ')[2]}(" in text]
            if wanted:
                lines += ["/* The math library has these for whole vectors, too. */",
                          prelude_of_math().partition("\n")[0], *wanted, ""]
        lines += reductions(text)
        known = blas()
        for letter, kind in (("s", "float"), ("d", "double")):
            if known is not None and f"{letter}gemm_t" in text:
                lines += [f"/* z = x y by the {known.spelling.format(letter + 'gemm')} that NumPy brings. */",
                          f"typedef void (*{letter}gemm_t)({BLAS_ARGUMENTS.format(known.length, kind)});", ""]
        return [*lines, *self.team.head(text), *helpers(text)]

    def kernel(self, group: Group, name: str, used: dict[int, Vertex]) -> tuple[str, str]:
        """The function of a group, and the call of it."""
        if group.kind in ("loops", "scalar"):
            stored = {v.id for v in group.members if v.id in self.stored}
            function = LoopFunction(self.nests[id(group)], self.graph, self.label, name, stored,
                                    {v.id: self.direct[v.id] for v in group.members if v.id in self.direct}, self.team)
            text = function.text()
            arguments = [v for v, _ in function.arrays.values()]
            fails = function.fails
        else:
            v, *items = group.members
            text = self.attention(v, items, name) if group.kind == "attention" \
                else self.product(v, name) if group.kind == "product" else self.own_body(v, name)
            arguments = [*(self.views.base(x) for x in v.inputs), *(items or [v])]
            fails = group.kind == "body" and v.op is not None and v.op.may_fail
        for v in arguments:
            used[v.id] = v
        given = [self.label[v.id] for v in arguments]
        if group.kind in ("product", "body", "attention"):
            offsets = [self.views.of(x).offset for x in group.members[0].inputs]
            given[:len(offsets)] = [f"{name} + {offset}" if offset else name
                                    for name, offset in zip(given, offsets, strict=False)]
        if group.kind == "product" and "gemm_t gemm" in text:
            given.insert(0, self.gemm(group.members[0].dtype.itemsize))
        call = f"{name}({', '.join(given)})"
        return text, f"if ({call}) return 1;" if fails else f"{call};"

    def gemm(self, itemsize: int) -> str:
        """The product of BLAS for elements of so many bytes, in the table; its key there is minus their number."""
        return f"p[{self.slots.setdefault(-itemsize, len(self.slots))}]"

    def maker(self, product: products.Product) -> str:
        """Who makes a product."""
        return product.made_by(self.exact)

    def product(self, v: Vertex, name: str) -> str:
        """The function of a product of matrices."""
        kind = C_TYPES[v.dtype]
        product = products.Product.of(v, self.views)
        maker = self.maker(product)
        gemm = f"{'s' if v.dtype.itemsize == 4 else 'd'}gemm_t gemm, " if maker == "blas" else ""
        first, second = "yx" if product.turned else "xy"
        parameters = f"{gemm}const {kind} *restrict {first}, const {kind} *restrict {second}, {kind} *restrict z"
        return "\n".join([self.comment(v), f"KERNEL void {name}({parameters})", "{",
                          *products.body(v, product, maker, self.team), "}", ""])

    def attention(self, v: Vertex, items: list[Vertex], name: str) -> str:
        """The function of an attention, or of the gradient of one, with its results as arrays."""
        results = {item.attrs["index"]: item for item in items}
        return "\n".join([self.comment(v), attention.function(v, results, name, self.views, self.team)])

    def own_body(self, v: Vertex, name: str) -> str:
        """The function of an op with loops of its own."""
        assert v.op is not None
        text = v.op.c_body(v, *v.inputs)
        assert text is not None
        text = self.team.settled(text, max(v.size, v.op.flops(v, *v.inputs, **v.attrs)))
        code = v.op.forward.__code__
        names = [*code.co_varnames[2:code.co_argcount], *(f"x{k}" for k in range(len(v.inputs)))]
        parameters = [f"const {C_TYPES[x.dtype]} *restrict {parameter}"
                      for parameter, x in zip(names, v.inputs, strict=False)]
        parameters.append(f"{C_TYPES[v.dtype]} *restrict z")
        return "\n".join([self.comment(v), f"KERNEL int {name}({', '.join(parameters)})", "{",
                          *(f"    {line}" if line else line for line in text.splitlines()), "}", ""])

    def run(self, name: str, calls: list[str], used: dict[int, Vertex]) -> str:
        """The function that calls the kernels of a segment. `p` points to all arrays."""
        written = {*self.stored, *(leaf.id for leaf in self.direct.values())}
        lines = [f"int {name}(void **p)", "{"]
        for v in used.values():  # a value that lies straight in a leaf may be read by its own name
            const = "" if v.id in written else "const "
            lines.append(f"    {const}{C_TYPES[v.dtype]} *{self.label[v.id]} = p[{self.slot(v)}];"
                         f"  // {describe(v._data if type(v._data) is Spec else Spec(v.shape, v.dtype))}")
        return "\n".join([*dict.fromkeys(lines), *(f"    {call}" for call in calls), "    return 0;", "}", ""])


def helpers(text: str) -> list[str]:
    """The functions that kernels call."""
    return [*tiles.source_of(text), *attention.head(text)]


def reductions(text: str) -> list[str]:
    """Declarations of the running results that some C code asks for."""
    lines = []
    for name, sign, start in (("greatest", ">", "-INFINITY"), ("least", "<", "INFINITY")):
        if f"reduction({name}:" in text:
            lines += ["/* A result of several parts: nan if one of them is. */",
                      f"#pragma omp declare reduction({name} : float, double : \\",
                      f"    omp_out = omp_in {sign} omp_out || omp_in != omp_in ? omp_in : omp_out) "
                      f"initializer(omp_priv = {start})", ""]
    return lines
