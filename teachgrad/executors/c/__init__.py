"""The C executor: a static graph as generated C, compiled by whatever compiler is there.

Read on in this order: `groups` and `fusion` (which ops share loops), `nest` (what is computed in which loop), `placing`
(the order of the kernels, and where each value lies), `statements`, `loops` and `products` (the text of a kernel),
`building` (the whole source), `control` (loops and branches), `program` (a call). Generated CUDA (`teachgrad_gpu`)
shares all of it up to `statements`.
"""

from __future__ import annotations

import os
from traceback import extract_tb
from typing import Any

from ...errors import ExecutorError
from ...graph import Graph
from ...passes.plan import Plan
from ...threads import asked
from ..numpy import NumpyProgram
from . import steps  # noqa: F401  (they add themselves to what there is C for)
from .blas import blas
from .compiler import CompilationError, Compiler, cache_dir, clear, compiler, has_openmp, say_once
from .control import ControlBuilding
from .program import CProgram
from .team import Team

STRICT = "TEACHGRAD_STRICT"
"""The environment variable under which bugs of this executor are raised, rather than told of. Our tests set it."""


def build(graph: Graph, plan: Plan, exact: bool = False, threads: int | None = None) -> Any:
    """Make a graph ready to run as C; on NumPy, after a word about it, where there is no compiler, or we have a bug."""
    how = compiler()
    if how is None:
        say_once("There is no C compiler here; install gcc or clang, or `pip install ziglang`")
        return NumpyProgram(graph, plan)
    try:
        return CProgram(ControlBuilding(graph, exact, team(how, asked() if threads is None else threads)))
    except Exception as error:
        if isinstance(error, ExecutorError) and not isinstance(error, CompilationError):
            say_once(str(error))
        elif os.environ.get(STRICT):
            raise
        else:
            place = extract_tb(error.__traceback__)[-1]
            say_once(f"teachgrad has a bug: it cannot write {graph.name} as C ({type(error).__name__}: {error}; "
                     f"{os.path.basename(place.filename)}:{place.lineno}). Please report it, with the function")
        return NumpyProgram(graph, plan)


def team(how: Compiler, threads: int | None) -> Team:
    """So many threads, or one, after a word about it, if the compiler cannot divide loops among them."""
    if threads is None or threads == 1 or has_openmp(how, str(cache_dir())):
        return Team(threads)
    say_once(f"The C compiler {how.command[0]} has no OpenMP (gcc brings it along, clang wants libomp)",
             "Generated C runs on one core")
    return Team(1)


__all__ = ["CProgram", "blas", "build", "cache_dir", "clear", "compiler"]
