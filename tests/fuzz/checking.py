"""Checking a batch of programs: dynamic mode against every level, and against other libraries.

A batch becomes one static function, so that a compiler is called once for all of it. Where a batch fails, its programs
are tried one by one, to learn which it is.
"""

from __future__ import annotations

import importlib
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np

import teachgrad as tg

from .comparing import Difference, Judge, exactly
from .known import explanation
from .program import Program
from .running import Numbers, rewritten_beyond, run_jax, run_levels, run_ours, run_torch
from .shrinking import shrunk

CALLS = 2
"""A static function is called so often: cells have other values then, and memory has been used before."""
EXACT = ("O0", "O1")
PLANS = ("reuse", "inplace", "best", "off")


@dataclass(frozen=True)
class Finding:
    """A program that is not the same everywhere."""

    seed: int
    where: str
    """The level or library that differs from dynamic mode, or "dynamic" where that fails."""
    what: str
    program: Program
    """As small as it gets."""
    explained: str = ""
    """Why the difference is no error, if it is known."""


@dataclass
class Tally:
    """What has been done."""

    graphs: int = 0
    lines: int = 0
    compared: Counter[str] = field(default_factory=Counter)
    """How many graphs were compared at each level and with each library."""
    left_out: Counter[str] = field(default_factory=Counter)
    """How many were not, and why."""
    undecided: int = 0
    noisy: int = 0
    rows: Counter[str] = field(default_factory=Counter)
    findings: list[Finding] = field(default_factory=list)

    def note(self, seed: int, where: str, what: str, program: Program) -> None:
        """A program that is not the same everywhere."""
        self.findings.append(Finding(seed, where, what, program, explanation(program, where, what)))

    def add(self, other: Tally) -> None:
        """What another process has done, too."""
        for name, value in vars(other).items():
            mine = getattr(self, name)
            if isinstance(mine, Counter):
                mine.update(value)
            else:
                setattr(self, name, mine + value)


MANNERS: dict[str, dict[str, int]] = {
    "small": {},
    "large products": {"products.SMALL": 0, "products.REGISTERS": 0},
    "long loops": {"team.LEAST": 1, "sums.LEAST": 1, "sums.FEWEST": 2, "sums.LONGEST": 2},
    "long lines": {"nest.LONGEST_LINE": 4, "groups.TILE": 8, "fusion.MOST_MEMBERS": 3, "products.LONGEST_ROW": 2},
}
"""What generated C does for large arrays, it is made to do for small ones: limits by their module and name."""


@contextmanager
def writing_c(optimisation: str, manner: str = "small") -> Iterator[None]:
    """C as it is generated for arrays of another size, compiled more or less carefully: -O0 takes a tenth of -O3."""
    def module(name: str) -> Any:
        return importlib.import_module(f"teachgrad.executors.c.{name}")

    flags = tuple(optimisation if f.startswith("-O") else f for f in module("compiler").FLAGS)
    with ExitStack() as changed:
        for place, value in {**MANNERS[manner], "compiler.FLAGS": flags}.items():
            where, name = place.split(".")
            changed.callback(setattr, module(where), name, getattr(module(where), name))
            setattr(module(where), name, value)
        yield


def has_gaps(program: Program, answer: Numbers) -> bool:
    """Whether a program works with infinities or nan, or ends there."""
    return program.special or any(x is not None and x.dtype.kind == "f" and not np.isfinite(x).all() for x in answer)


def origin(error: Exception) -> tuple[type, str, int]:
    """What kind of error it is, and where it comes from."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return type(error), frame.filename, frame.lineno or 0


class Check:
    """One batch: seeds and their programs."""

    def __init__(self, tally: Tally, seeds: Sequence[int], programs: Sequence[Program], plan: str = "reuse",
                 manner: str = "small", optimisation: str = "-O0", calls: int = CALLS) -> None:
        self.tally, self.plan, self.manner, self.optimisation, self.calls = tally, plan, manner, optimisation, calls
        self.threads = 2 if manner == "long loops" else None
        self.seeds, self.programs = list(seeds), list(programs)
        self.dynamic = self.each("dynamic", self.programs, lambda ps: run_ours(ps, calls=calls))
        alive = [k for k, numbers in enumerate(self.dynamic) if numbers is not None]
        self.seeds, self.programs, self.dynamic = ([row[k] for k in alive]
                                                   for row in (self.seeds, self.programs, self.dynamic))
        self.judges = [Judge(p, calls) for p in self.programs]
        tally.graphs += len(self.programs)
        for p in self.programs:
            tally.lines += len(p.lines)
            tally.rows.update(line.row for line in p.lines)

    def each(self, where: str, programs: Sequence[Program], run: Callable[..., list[Numbers]]) -> list[Any]:
        """The answer of each program: of all at once, else one by one. None where one fails or is refused."""
        try:
            return run(programs)
        except Exception:
            return [self.alone(where, p, run) for p in programs]

    def alone(self, where: str, p: Program, run: Callable[..., list[Numbers]]) -> Numbers | None:
        """The answer of one program, or None and a note why not."""
        try:
            return run([p])[0]
        except Exception as error:
            reason = self.excuse(where, error)
            if reason:
                self.tally.left_out[f"{where}: {reason}"] += 1
                return None
            same = origin(error)

            def fails(q: Program) -> bool:
                try:
                    run([q])
                except Exception as other:
                    return origin(other) == same
                return False

            seed = self.seeds[next(k for k, other in enumerate(self.programs) if other is p)]
            self.tally.note(seed, where, f"{type(error).__name__}: {error}", shrunk(p, fails))
            return None

    @staticmethod
    def excuse(where: str, error: Exception) -> str:
        """Why it is no error that something cannot be run there, or nothing."""
        if isinstance(error, tg.TraceError) and error.code == "TG-S09":
            return "an overwrite through reshape(), a view or a copy depending on the layout"
        if "tg.while_loop" in str(error) and "differentiated again" in str(error):
            return "a second derivative of while_loop, which a static graph refuses"
        if "XLA ended its process" in str(error):
            return "a program that ends the process in XLA's compiler"
        if "not implemented" in str(error) and where == "torch":
            return "a derivative that PyTorch has not"
        return ""

    def compare(self, where: str, run: Callable[..., list[Numbers]], exact: bool = False,
                chosen: Callable[[Program], bool] = lambda p: True, answers: list[Any] | None = None) -> None:
        """Run the programs in another way, unless the answers are there, and note which differ from dynamic mode."""
        picked = [k for k, p in enumerate(self.programs) if chosen(p)]
        if not picked:
            return
        if answers is None:
            answers = self.each(where, [self.programs[k] for k in picked], run)
        for k, got in zip(picked, answers, strict=True):
            if got is None:
                continue
            self.tally.compared[where] += 1
            judge = self.judges[k]
            difference = self.differs(judge, got, self.dynamic[k], exact)
            self.tally.undecided += judge.undecided
            self.tally.noisy += judge.noisy
            judge.undecided, judge.noisy = 0, False
            if difference is not None:
                self.look_closer(k, where, run, exact, difference)

    @staticmethod
    def differs(judge: Judge, got: Numbers, want: Numbers, exact: bool) -> Difference | None:
        want = want[:len(got)]
        return exactly(got, want) if exact else judge.difference(got, want)

    def look_closer(self, k: int, where: str, run: Callable[..., list[Numbers]], exact: bool, seen: Difference) -> None:
        """Shrink a program that differs by itself; one that differs only in company is kept with all of it."""
        def fails(q: Program) -> bool:
            got, want = run([q])[0], run_ours([q], calls=self.calls)[0]
            return self.differs(Judge(q, self.calls), got, want, exact) is not None

        program = self.programs[k]
        try:
            alone = fails(program)
        except Exception:
            alone = False
        if not alone:
            self.tally.note(self.seeds[k], where, f"only together with {self.seeds}: {seen.text}", program)
            return
        small = shrunk(program, fails)
        got, want = run([small])[0], run_ours([small], calls=self.calls)[0]
        if where in ("O2", "O3") and has_gaps(small, want) and rewritten_beyond(small, where):
            self.tally.left_out[f"{where}: a rule gives a value where there was none, as it says"] += 1
            return
        difference = self.differs(Judge(small, self.calls), got, want, exact) or seen
        self.tally.note(self.seeds[k], where, difference.text, small)

    # ---- ways --------------------------------------------------------------------------------------------------------

    def levels(self, names: Sequence[str]) -> None:
        """Static mode at some levels."""
        with writing_c(self.optimisation, self.manner):
            try:
                answers: list[Any] = run_levels(self.programs, names, self.plan, self.calls, self.threads)
            except Exception:
                answers = [None] * len(names)
            for level, answer in zip(names, answers, strict=True):
                def run(ps: Sequence[Program], level: str = level) -> list[Numbers]:
                    return run_levels(ps, [level], self.plan, self.calls, self.threads)[0]

                self.compare(level, run, level in EXACT, answers=answer)

    def torch(self) -> None:
        """PyTorch, called once; what a result that lies in a cell shows afterwards is for our own modes to agree on."""
        self.compare("torch", run_torch, chosen=lambda p: p.can_run_in("torch") and not p.aliased)

    def jax(self) -> None:
        """JAX, all in one compilation; gradients of first order."""
        self.compare("jax", run_jax, chosen=lambda p: p.can_run_in("jax") and p.order < 2 and not p.cells)
