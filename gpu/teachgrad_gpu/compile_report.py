"""What kernels take on each architecture, as rows of a table."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np

from .compiling import compile_cuda
from .kernels import Kernel, Plan, catalogue
from .kernels.kernel import source_of
from .occupancy import occupancy


@dataclass(frozen=True)
class Row:
    """One kernel on one architecture."""

    file: str
    kernel: str
    arch: str
    compiler: str
    registers: int
    shared: int
    stack: int
    spilled: int
    threads: int
    dynamic: int
    """Dynamic shared memory, bytes a block."""
    blocks: int
    """Blocks that a multiprocessor holds at once."""
    occupancy: float
    """Percent of the warps that it could hold."""
    limit: str


def rows_of_file(name: str, source: str, archs: Sequence[str], options: tuple[str, ...], threads: int, shared: int,
                 compiler: str | None = None) -> list[Row]:
    """A row for each kernel of a source and each architecture, for blocks of so many threads."""
    return [row(name, kernel.kernel, arch, options, source, threads, shared, compiler)
            for arch in archs for kernel in compile_cuda(source, arch, options, name, compiler).resources]


def rows_of_catalogue(archs: Sequence[str], compiler: str | None = None) -> list[Row]:
    """A row for each kernel of the catalogue and each architecture, launched as for its last example."""
    found = []
    for kernel in catalogue.values():
        options, plan = usual_launch(kernel)
        shape = plan.block
        threads = shape[0] * (shape[1] if len(shape) > 1 else 1)
        found += [row(f"{kernel.family}.cu", kernel.name, arch, options, source_of(kernel.family), threads, plan.shared,
                      compiler) for arch in archs]
    return found


def row(file: str, kernel: str, arch: str, options: tuple[str, ...], source: str, threads: int, dynamic: int,
        compiler: str | None) -> Row:
    made = compile_cuda(source, arch, options, file, compiler)
    of = next(r for r in made.resources if r.kernel == kernel)
    fits = occupancy(arch, threads, of.registers, of.shared + dynamic)
    return Row(file, kernel, arch, made.compiler, of.registers, of.shared, of.stack, of.spilled, threads, dynamic,
               fits.blocks, round(fits.percent, 1), fits.limit)


def usual_launch(kernel: Kernel) -> tuple[tuple[str, ...], Plan]:
    """Options and plan of a launch for the last example."""
    example = kernel.example(np.random.default_rng(0), kernel.dtypes[0], *kernel.shapes[-1])
    plan = kernel.plan(*example.arrays, **example.settings)
    return kernel.options(example.arrays, plan), plan


HEAD = ("kernel", "arch", "regs", "shared", "stack", "spill", "block", "occ", "limit")
WORDS = (0, 1, 8)
"""The columns that are aligned to the left."""


def table(rows: Iterable[Row]) -> str:
    """Columns of text, a paragraph a file."""
    return "\n\n".join(paragraph(file, compiler, list(of)) for (file, compiler), of in
                        groupby(rows, key=lambda r: (r.file, r.compiler)))


def paragraph(file: str, compiler: str, rows: list[Row]) -> str:
    lines = [HEAD, *map(cells, rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    texts = ["  ".join(text.ljust(width) if i in WORDS else text.rjust(width)
                       for i, (text, width) in enumerate(zip(line, widths, strict=True))) for line in lines]
    return "\n".join([f"{file}, by {compiler}", *(f"  {text}".rstrip() for text in texts)])


def plain(symbol: str) -> str:
    """A symbol as its kernel is called in the source: C++ adds the types of parameters, unless it is `extern "C"`."""
    found = re.match(r"_Z(\d+)", symbol)
    if found is None:
        return symbol
    end = found.end() + int(found[1])
    return symbol[found.end():end] + ("<...>" if symbol[end:].startswith("I") else "")


def cells(r: Row) -> tuple[str, ...]:
    shared = f"{r.shared}+{r.dynamic}" if r.dynamic else str(r.shared)
    return (plain(r.kernel), r.arch, str(r.registers), shared, str(r.stack), str(r.spilled), str(r.threads),
            f"{r.occupancy:.0f} %", r.limit)
