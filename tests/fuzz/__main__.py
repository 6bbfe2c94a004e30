"""Compare random programs in every mode, and with PyTorch and JAX: `python -m tests.fuzz --graphs 1000 --seed 0`.

A graph is a program of a few lines (see `drawing`). Graphs are checked in batches; every batch runs dynamically and in
PyTorch, one of so many (`--every`) at all levels, as generated C, and sometimes in JAX; another one at O1.
What differs by more than rounding explains is made as small as it gets and printed as a script. The last line says
what has been done, as JSON.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import signal
import sys
import time
import warnings
from collections import Counter
from importlib.util import find_spec
from typing import Any

from .checking import CALLS, MANNERS, PLANS, Check, Tally
from .drawing import Refused, draw
from .program import Program
from .shrinking import script

BATCH = 25
OPTIMISED, IN_JAX = 11, 16
"""Of the batches at all levels, one of so many is compiled as it is for users, with -O3; one of so many runs in JAX."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--graphs", type=int, default=1000, help="how many graphs there are")
    parser.add_argument("--seed", type=int, default=0, help="the seed of the first one; the others follow")
    parser.add_argument("--workers", type=int, default=1, help="how many processes share the work")
    parser.add_argument("--every", type=int, default=1, help="one batch of so many runs at all levels")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="stop after so long")
    parser.add_argument("--without-oracles", action="store_true", help="compare our own modes alone")
    options = parser.parse_args()
    firsts = range(options.seed, options.seed + options.graphs, BATCH)
    jobs = [[(first, min(BATCH, options.seed + options.graphs - first)) for first in firsts[k::options.workers]]
            for k in range(options.workers)]
    end = time.monotonic() + options.seconds
    if options.workers == 1:
        tallies = [work(jobs[0], options, end)]
    else:
        with multiprocessing.get_context("spawn").Pool(options.workers) as pool:
            tallies = pool.starmap(work, [(job, options, end) for job in jobs])
    total = Tally()
    for tally in tallies:
        total.add(tally)
    print(json.dumps(summary(total)))
    return int(any(not f.explained for f in total.findings))


def work(job: list[tuple[int, int]], options: Any, end: float) -> Tally:
    """Check batches one after the other, and tell what is found."""
    warnings.simplefilter("ignore")
    os.environ["TEACHGRAD_STRICT"] = "1"  # what cannot be written as C is a finding, too
    tally, told = Tally(), 0
    started = time.monotonic()
    stopped: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, frame: stopped.append(number))
    for count, (first, size) in enumerate(job, 1):
        if stopped or time.monotonic() > end:
            break
        check_batch(tally, first, size, options.every, not options.without_oracles)
        for finding in tally.findings[told:]:
            print(f"\n# seed {finding.seed}, {finding.where}: {finding.explained or 'UNEXPLAINED'}")
            if not finding.explained:
                level = finding.where if finding.where[0] == "O" else "O1"
                print(script(finding.program, f"seed {finding.seed}, {finding.where}: {finding.what}", level))
        told = len(tally.findings)
        if count % 40 == 0:
            spent = time.monotonic() - started
            print(f"# {tally.graphs} graphs in {spent:.0f} s; {dict(tally.compared)}; {told} findings", file=sys.stderr,
                  flush=True)
        sys.stdout.flush()
    return tally


def check_batch(tally: Tally, first: int, size: int, every: int = 1, oracles: bool = True) -> None:
    """Draw the graphs of some seeds, and check them."""
    number = first // BATCH
    whole = number % every == 0
    jax = oracles and (number // every) % IN_JAX == 0 and whole and find_spec("jax") is not None
    seeds, programs = [], []
    for seed in range(first, first + size):
        program = drawn(tally, seed, ("jax",) if jax else ())
        if program is not None and program.lines:
            seeds.append(seed)
            programs.append(program)
    turn = number // every
    levels = ("O0", "O1", "O2", "O3") if whole else ("O1",) if number % every == every // 2 else ()
    check = Check(tally, seeds, programs, PLANS[number % len(PLANS)], list(MANNERS)[turn % len(MANNERS)],
                  "-O3" if turn % OPTIMISED == 1 else "-O0", CALLS if levels else 1)
    if levels:
        check.levels(levels)
    if oracles and find_spec("torch") is not None:
        check.torch()
    if jax:
        check.jax()


def drawn(tally: Tally, seed: int, needs: tuple[str, ...]) -> Program | None:
    """The program of a seed, or None: one that teachgrad refuses while it is drawn is a finding."""
    try:
        return draw(seed, needs=needs)
    except Refused as refusal:
        tally.note(seed, "drawing", str(refusal), refusal.program)
        return None


def summary(tally: Tally) -> dict[str, Any]:
    """The totals, without the programs."""
    found = Counter(f"{f.where}: {f.explained or 'UNEXPLAINED'}" for f in tally.findings)
    return {**vars(tally), "rows": dict(tally.rows.most_common()), "findings": dict(found),
            "unexplained": [f.seed for f in tally.findings if not f.explained]}


if __name__ == "__main__":
    sys.exit(main())
