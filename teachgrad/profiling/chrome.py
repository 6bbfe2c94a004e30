"""A profile as a Chrome trace, for any viewer that reads the Trace Event Format: complete events on one track.

Phases contain modules, modules contain modules, and these contain kernels, as they followed each other in time.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .runs import Run


def events(runs: Sequence[Run], start: float) -> list[dict[str, Any]]:
    """Complete events, outer ones before inner ones. Times are microseconds from the start of the profile."""
    answer: list[dict[str, Any]] = []
    open_slices: list[tuple[str, dict[str, Any]]] = []
    for run in runs:
        path = [run.phase, *(run.scope.split(".") if run.scope else [])]
        depth = 0
        while depth < min(len(path), len(open_slices)) and open_slices[depth][0] == path[depth]:
            depth += 1
        del open_slices[depth:]
        begin, end = 1e6 * (run.start - start), 1e6 * (run.start + run.seconds - start)
        for level in range(depth, len(path)):
            name = path[0] if level == 0 else ".".join(path[1:level + 1])
            outer = complete(name, "module" if level else "phase", begin, end, {})
            answer.append(outer)
            open_slices.append((path[level], outer))
        for _, outer in open_slices:
            outer["dur"] = end - outer["ts"]
        facts = {"line": run.where, "read": run.read, "written": run.written, "flops": run.flops, "mode": run.mode}
        answer.append(complete(run.name, "kernel", begin, end, facts))
    return answer


def complete(name: str, category: str, begin: float, end: float, facts: dict[str, Any]) -> dict[str, Any]:
    """One complete event."""
    return {"name": name, "cat": category, "ph": "X", "ts": begin, "dur": end - begin, "pid": 1, "tid": 1,
            "args": facts}
