"""The C executor: a static graph as generated C, compiled by whatever compiler is there.

Read on in this order: `groups` and `fusion` (which ops share loops), `nest` (what is computed in which loop), `loops`
and `products` (the text of a kernel), `building` (the whole source, and where each value lies), `program` (a call).
"""

from __future__ import annotations

from typing import Any

from ...errors import ExecutorError
from ...graph import Graph
from ...passes.plan import Plan
from ..numpy import NumpyProgram
from .blas import blas
from .building import Building
from .compiler import cache_dir, clear, compiler, say_once
from .program import CProgram


def build(graph: Graph, plan: Plan, exact: bool = False) -> Any:
    """Make a graph ready to run as C; on NumPy, after a word about it, where there is no compiler."""
    if compiler() is None:
        say_once("There is no C compiler here; install gcc or clang, or `pip install ziglang`")
        return NumpyProgram(graph, plan)
    try:
        return CProgram(Building(graph, exact))
    except ExecutorError as error:
        say_once(str(error))
        return NumpyProgram(graph, plan)


__all__ = ["CProgram", "blas", "build", "cache_dir", "clear", "compiler"]
