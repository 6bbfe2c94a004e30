"""Loops divided among threads, where more than one core is asked for (OpenMP).

Whether a loop is divided depends on the work in it: to wake the threads and to wait for the last of them takes some
microseconds. What is computed must not depend on how many there are: loops that are divided have turns of which none
reads what another writes, and sums over turns are made of parts that are fixed beforehand.

After a fork the threads are gone, and the OpenMP of GCC would wait for them for ever; so a child runs on one.
"""

from __future__ import annotations

import ctypes
import functools
import os
import re
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib import import_module

LEAST = 1 << 15
"""Loops with fewer steps than this (additions of two numbers, say) are left to one thread."""
PRAGMA = re.compile(r"^( *)#pragma omp parallel for\b(.*)$", re.MULTILINE)
VARIABLE = "threads"
"""The name of the number of threads in generated C."""


@dataclass(frozen=True)
class Team:
    """The threads that a program may use. `asked` is None where nobody asked for a number: then it is one."""

    asked: int | None = None

    @property
    def size(self) -> int:
        return self.asked or 1

    def divides(self, work: float) -> bool:
        """Whether a loop with so much work in all is divided among the threads."""
        return self.size > 1 and work >= LEAST

    def parallel_for(self, work: float, clauses: str = "", simd: bool = False) -> list[str]:
        """The line before a loop whose turns do not depend on one another; none if one thread does it all."""
        if not self.divides(work):
            return []
        words = f"#pragma omp parallel for{' simd' if simd else ''} num_threads({VARIABLE})"
        return [f"{words} {clauses}" if clauses else words]

    def settled(self, text: str, work: float) -> str:
        """Some C with plain `#pragma omp parallel for` before loops that may be divided: these lines made real, or
        left out."""
        if not self.divides(work):
            return re.sub(r"^ *#pragma omp parallel for\b.*\n", "", text, flags=re.MULTILINE)
        return PRAGMA.sub(rf"\1#pragma omp parallel for num_threads({VARIABLE})\2", text)

    def take_blas(self) -> Callable[[], None]:
        """Keep BLAS to one thread where a number was asked for, since each of ours may call it; what undoes it."""
        known = blas_threads() if self.asked else None
        if known is None:
            return nothing
        tell, put = known
        before = tell()
        put(1)
        return partial(put, before)

    def head(self, text: str) -> list[str]:
        """The definition of the number, for a text that uses it."""
        if f"num_threads({VARIABLE})" not in text:
            return []
        return ["/* Long loops are divided among so many threads; a forked child sets it to 1. */",
                f"int {VARIABLE} = {self.size};", ""]


def nothing() -> None:
    """There is nothing to undo."""


@functools.cache
def blas_threads() -> tuple[Callable[[], int], Callable[[int], None]] | None:
    """What tells and what sets the number of threads of the OpenBLAS that NumPy brings; None for another BLAS."""
    try:
        library = ctypes.PyDLL(import_module("numpy._core._multiarray_umath").__file__)
    except (ImportError, OSError, TypeError):
        return None
    for spelling in ("scipy_openblas_{}_num_threads64_", "openblas_{}_num_threads64_", "scipy_openblas_{}_num_threads",
                     "openblas_{}_num_threads"):
        tell, put = (getattr(library, spelling.format(word), None) for word in ("get", "set"))
        if tell is not None and put is not None:
            tell.restype, put.argtypes, put.restype = ctypes.c_int, [ctypes.c_int], None
            return tell, put
    return None


_libraries: weakref.WeakSet[ctypes.CDLL] = weakref.WeakSet()
_is_child = False


def enlist(library: ctypes.CDLL) -> None:
    """Note a library with threads: a forked child must not wait for them."""
    _libraries.add(library)
    if _is_child:
        run_alone(library)


def run_alone(library: ctypes.CDLL) -> None:
    ctypes.c_int.in_dll(library, VARIABLE).value = 1


def after_fork() -> None:
    """In a child whose parent had threads: go on with one."""
    global _is_child
    if _libraries:
        _is_child = True
        for library in _libraries:
            run_alone(library)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=after_fork)
