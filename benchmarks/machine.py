"""What a figure depends on: the processor, its load, and the versions of everything that ran."""

from __future__ import annotations

import os
import platform
from datetime import date
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from .peers import PEERS


def describe(core: int) -> dict[str, object]:
    return {
        "date": date.today().isoformat(),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "pinned_to": core,
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30),
        "system": f"{platform.system()} {platform.release().partition('-')[0]}",
        "python": platform.python_version(),
        "versions": versions(),
        "load": os.getloadavg()[0],
    }


def versions() -> dict[str, str]:
    """The installed version of every contestant's distribution; what is not installed is left out."""
    found = {}
    for name in sorted({peer.distribution for peer in PEERS.values()}):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def _processor() -> str:
    """The model's name, and where a virtual machine hides that, the numbers by which the maker knows it."""
    facts: dict[str, str] = {}
    source = Path("/proc/cpuinfo")
    for line in source.read_text().splitlines() if source.exists() else []:
        key, _, value = line.partition(":")
        facts.setdefault(key.strip(), value.strip())
    numbers = ", ".join(f"{key} {facts[key]}" for key in ("cpu family", "model", "stepping") if key in facts)
    name = facts.get("model name") or platform.processor() or platform.machine()
    return f"{name} ({numbers})" if numbers else name


def last_core() -> int:
    """The core that other work is least likely to be on: the last of those this process may use."""
    return max(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 0
