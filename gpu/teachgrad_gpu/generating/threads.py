"""Kernels for ops that have a structure of their own: a thread, or a team of threads, for each element of the result.

Each op has a recipe, a function that writes its kernels; the files beside this one hold them by family. They are what
a learner would write first: correct for every shape, stride and type, before they are fast.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from math import prod

from teachgrad.dtypes import C_TYPES
from teachgrad.executors.c.groups import speakable
from teachgrad.executors.c.views import Views
from teachgrad.op import Op, Vertex
from teachgrad.ops.code import Code, index

from .words import FAILED, coordinates, head_of, without_unused

BLOCK = 256
"""The threads of a block."""
TEAM = 32
"""The threads that share a long sum."""
LONG_SUM = 256
"""A sum of at least so many terms is shared by a team."""
Combine = tuple[str, str, str]
Counts = tuple[int, int, int]
"""Bytes read, bytes written, operations."""


@dataclass
class Kernel:
    """A kernel: its text, and how it is launched."""

    name: str
    text: str
    grid: int
    block: int
    arguments: tuple[Vertex, ...]
    """The values whose arrays it takes, in order."""
    uses_flag: bool = False
    """Whether its last argument is the flag by which kernels refuse values."""
    combines: frozenset[Combine] = frozenset()
    """The functions that it calls to put results together (`words.combining`)."""
    counts: Counts | None = None
    """What it does, if that is only a part of the op."""


@dataclass
class Recipe:
    """How the kernels of an op are written."""

    names: tuple[str, ...]
    """What the inputs are called; those beyond are x0, x1, ..."""
    write: Callable[[Work], None] | None
    """None where kernels of the catalogue are all there is (`catalogued`)."""
    fits: Callable[[Vertex], bool]
    fails: bool
    """Whether a kernel may refuse values."""


KERNELS: dict[type[Op], Recipe] = {}
"""The recipes, by the class of the op."""


def kernel_of(op: Op, *names: str, fits: Callable[[Vertex], bool] = lambda v: True,
              fails: bool = False) -> Callable[[Callable[[Work], None]], Callable[[Work], None]]:
    """Let a function write the kernels of an op."""
    def note(write: Callable[[Work], None]) -> Callable[[Work], None]:
        KERNELS[type(op)] = Recipe(names, write, fits, fails)
        return write

    return note


def has_kernel(v: Vertex, views: Views) -> bool:
    """Whether there is a kernel for a vertex as it is."""
    recipe = KERNELS.get(type(v.op)) if v.op is not None else None
    return (recipe is not None and speakable(v) and all(x.id in views.access for x in v.inputs) and recipe.fits(v))


@dataclass
class Work:
    """A vertex whose kernels are to be written."""

    v: Vertex
    views: Views
    name: str
    """The name of the kernels, or how their names begin if there are several."""
    comment: str
    results: dict[str, Vertex]
    """What is written, by the name of the parameter: mostly z, the vertex itself."""
    names: tuple[str, ...]
    written: list[Threads] = field(default_factory=list)

    @classmethod
    def on(cls, v: Vertex, views: Views, name: str, comment: str) -> Work:
        """The kernels of a vertex with one result, by its recipe."""
        recipe = KERNELS[type(v.op)]  # type: ignore[index]
        names = (*recipe.names, *(f"x{k}" for k in range(len(v.inputs))))[:len(v.inputs)]
        work = cls(v, views, name, comment, {"z": v}, names)
        assert recipe.write is not None
        recipe.write(work)
        return work

    @property
    def inputs(self) -> dict[str, Vertex]:
        """The inputs by name."""
        return dict(zip(self.names, self.v.inputs, strict=True))

    def threads(self, suffix: str = "") -> Threads:
        """One more kernel, which begins empty."""
        self.written.append(Threads(self, suffix))
        return self.written[-1]

    @property
    def kernels(self) -> list[Kernel]:
        """The kernels that were written."""
        return [threads.kernel() for threads in self.written]


class Threads(Code):
    """A kernel as it is written: the statements of one of its threads."""

    def __init__(self, work: Work, suffix: str) -> None:
        super().__init__()
        self.work, self.suffix = work, suffix
        self.depth = 1
        self.count = 1
        self.team = 1
        self.element = "0"
        """The number of the element that a thread makes, in C order."""
        self.used: dict[str, Vertex] = {}
        self.stored: set[str] = set()
        """Those of the arrays that it uses to which it writes."""
        self.uses_flag = False
        self.combines: set[Combine] = set()

    # ---- who does what -----------------------------------------------------------------------------------------------

    def spread(self, names: Sequence[str], shape: Sequence[int], team: int = 1) -> None:
        """A thread, or a team of threads, for each element of a shape, with these names for where it is."""
        self.count, self.team = prod(shape), team
        names = names[:len(shape)]
        self.element = "at" if len(names) > 1 else names[0] if names else "0"
        if team == 1:
            self.put(*coordinates(names, shape))
            return
        self.put(f"const int lane = threadIdx.x % {team};",
                 *coordinates(names, shape, f"((int64_t)blockIdx.x * blockDim.x + threadIdx.x) / {team}"))

    # ---- elements ----------------------------------------------------------------------------------------------------

    def load(self, name: str, *indices: str | int) -> str:
        """An element of an input, wherever it lies. Along axes of length 1 there is only one."""
        x = self.work.inputs[name]
        access = self.work.views.of(x)
        self.used[name] = x
        terms: list[tuple[int, str] | int] = [access.offset]
        for step, n, where in zip(access.strides, x.shape, indices, strict=True):
            if n == 1 or not step or where == "0":
                continue
            terms.append(step * where if isinstance(where, int) else (step, inside(where)))
        return f"{name}[{index(*terms)}]"

    def store(self, where: str, value: str, name: str = "z") -> str:
        """The statement that writes an element of a result, by its number."""
        self.used[name] = self.work.results[name]
        self.stored.add(name)
        return f"{name}[{where}] = {value};"

    def kind(self, name: str) -> str:
        """The type of an input or result."""
        known = self.work.results if name in self.work.results else self.work.inputs
        return C_TYPES[known[name].dtype]

    def refuse(self, condition: str) -> None:
        """Say that the values are refused, and return, where a condition holds."""
        self.uses_flag = True
        with self.block(f"if ({condition})"):
            self.put(f"atomicOr({FAILED}, 1);", "return;")

    # ---- sums --------------------------------------------------------------------------------------------------------

    @contextmanager
    def along(self, name: str, count: int) -> Iterator[str]:
        """A loop over the terms of a sum, whose turns the threads of a team share."""
        if self.team == 1:
            with self.loop(name, count):
                yield name if count > 1 else "0"
            return
        with self.block(f"for (int64_t {name} = lane; {name} < {count}; {name} += {self.team})"):
            yield name

    def summed(self, name: str) -> None:
        """Put the parts of a sum together that the threads of a team have; only one of them goes on."""
        if self.team > 1:
            kind = self.kind("z")
            words = (f"sum_of_warp_{kind.removesuffix('_t')}", kind, "z + x")
            self.combines.add(words)
            self.put(f"{name} = {words[0]}({name});", "if (lane > 0) return;")

    # ---- text --------------------------------------------------------------------------------------------------------

    def kernel(self) -> Kernel:
        """The whole kernel."""
        work = self.work
        name = work.name + self.suffix
        parameters, arguments = [], []
        for parameter in (*work.names, *work.results):
            if parameter in self.used:
                const = "" if parameter in work.results else "const "
                parameters.append(f"{const}{self.kind(parameter)} *__restrict__ {parameter}")
                x = self.used[parameter]
                arguments.append(x if parameter in work.results else work.views.base(x))
        if self.uses_flag:
            parameters.append(f"int *__restrict__ {FAILED}")
        text = "\n".join([work.comment, head_of(name, parameters), "{", *without_unused(self.lines), "}", ""])
        return Kernel(name, text, max(1, -(-self.count * self.team // BLOCK)), BLOCK, tuple(arguments),
                      self.uses_flag, frozenset(self.combines))


def inside(where: str) -> str:
    """An index as a factor: in parentheses, if it is a sum."""
    return where if where.isidentifier() or where.isdecimal() or where.startswith("(") else f"({where})"
