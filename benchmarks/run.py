"""`python -m benchmarks.run`: measure everything, or some of it, and write the tables.

A whole run writes `RESULTS.md` and `results.json` beside this file; a partial or quick one writes to
`build/benchmarks/`.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from . import machine
from .children import ROOT, ChildFailed, run
from .costs import COSTS
from .peers import DYNAMIC, FAST, OURS, PEERS, YARDSTICK
from .report import markdown
from .results import Entry, Results
from .timing import Estimate
from .worker import MARK
from .workload import Workload
from .workloads import WORKLOADS


def main(argv: Sequence[str] | None = None) -> int:
    args = _arguments(argv)
    whole = args.workloads is args.costs is args.peers is None and not args.quick
    everything = args.workloads is args.costs is None
    results = Results(machine.describe(args.core), "quick" if args.quick else "full")
    folder = args.output or (Path(__file__).parent if whole else ROOT / "build" / "benchmarks")
    for name in WORKLOADS if everything else args.workloads or ():
        results.entries[name] = measure_workload(WORKLOADS[name], args.peers or list(PEERS), results.effort, args)
        _write(results, folder)
    for name in COSTS if everything else args.costs or ():
        measure_cost(name, results, args)
        _write(results, folder)
    _say(f"written: {folder / 'RESULTS.md'}")
    return 0


def _write(results: Results, folder: Path) -> None:
    """Write what there is so far: a run is long, and the machine may not be."""
    results.machine["load_after"] = os.getloadavg()[0]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "results.json").write_text(json.dumps(results.as_json(), indent=1) + "\n")
    (folder / "RESULTS.md").write_text(markdown(results))


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.run",
        description="Measure teachgrad beside hand-written NumPy and other frameworks.",
        epilog="Without --workloads and --costs everything is measured.",
    )
    names: dict[str, Any] = {"nargs": "+", "metavar": "NAME"}
    parser.add_argument("--workloads", choices=list(WORKLOADS), help=f"only these: {', '.join(WORKLOADS)}", **names)
    parser.add_argument("--costs", choices=list(COSTS), help=f"only these: {', '.join(COSTS)}", **names)
    parser.add_argument("--peers", choices=list(PEERS), help=f"only these: {', '.join(PEERS)}", **names)
    parser.add_argument("--quick", action="store_true", help="few rounds: good to 10 %% or so")
    parser.add_argument(
        "--limit", type=float, default=240, metavar="SECONDS", help="for one process, its compiling included"
    )
    parser.add_argument("--core", type=int, default=machine.last_core(), help="the core to measure on (the last)")
    parser.add_argument("--output", type=Path, metavar="FOLDER", help="where RESULTS.md and results.json go")
    return parser.parse_args(argv)


def measure_workload(
    workload: Workload, peers: Sequence[str], effort: str, args: argparse.Namespace
) -> dict[str, Entry]:
    """NumPy by hand and all ways of teachgrad take turns in one process; then each peer does, with NumPy by hand,
    dynamic mode and generated C.

    One process for each peer: a library's threads, allocator or crash trouble nobody else.
    """
    absent = {name: reason for name in peers if (reason := _why_not(workload, name))}
    present = [YARDSTICK, *(name for name in peers if name not in absent and name != YARDSTICK)]
    entries = {name: Entry(not_run=reason) for name, reason in absent.items()}
    _measure_together(workload, [name for name in present if name in OURS], entries, effort, args)
    beside = [YARDSTICK, *(name for name in (DYNAMIC, FAST) if name in entries and entries[name].not_run is None)]
    for name in present:
        if name not in OURS:
            _measure_together(workload, [*beside, name], entries, effort, args)
    return {name: entries[name] for name in PEERS if name in entries}


def measure_cost(name: str, results: Results, args: argparse.Namespace) -> None:
    """Enter one table of costs, and what of it could not be measured."""
    _say(name)
    try:
        rows = COSTS[name](args.core, args.limit)
    except ChildFailed as failure:
        results.not_measured[name] = str(failure)
        return
    results.costs[name] = {row: figure for row, figure in rows.items() if isinstance(figure, Estimate)}
    results.not_measured |= {f"{name}: {row}": why for row, why in rows.items() if isinstance(why, str)}


def _why_not(workload: Workload, peer: str) -> str | None:
    if PEERS[peer].distribution not in machine.versions():
        return "not installed"
    if peer not in workload.contestants:
        return workload.absent.get(peer, "has no step for this workload here")
    return None


def _measure_together(
    workload: Workload, names: Sequence[str], entries: dict[str, Entry], effort: str, args: argparse.Namespace
) -> None:
    """Time `names` in one process and enter those that have no entry yet; those that have one gain a ratio."""
    _say(f"{workload.name}: {', '.join(names)}")
    try:
        command = ["-m", "benchmarks.worker", workload.name, *names, "--effort", effort]
        output = run(command, args.core, args.limit).stdout
    except ChildFailed as failure:
        entries |= {name: Entry(not_run=str(failure)) for name in names if name not in entries}
        return
    found = json.loads(next(line for line in output.splitlines() if line.startswith(MARK)).removeprefix(MARK))
    for name in names:
        if name not in entries:
            reason = found["not_run"].get(name)
            entries[name] = (
                Entry(reason)
                if reason
                else Entry(
                    seconds=found["seconds"][name], first_steps=found["first_steps"][name], rounds=found["rounds"]
                )
            )
    for pair, figures in found["ratios"].items():
        a, b = pair.split("/")
        entries[a].over.setdefault(b, Estimate(*figures))


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
