"""The results of a run as data: what `results.json` holds, and the measures that the goals are about."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from .peers import PEERS
from .timing import Estimate

Rows = dict[str, Estimate | str]
"""One table of costs: by row a figure, or why there is none."""


@dataclass(slots=True)
class Entry:
    """One contestant on one workload: either why it did not run, or what it needed.

    `over` holds the paired ratios of its time to that of NumPy by hand and of teachgrad in dynamic mode, taken in the
    same process; `seconds` is a median step, `first_steps` what building and the first five steps took.
    """

    not_run: str | None = None
    seconds: float = 0.0
    first_steps: float = 0.0
    rounds: int = 0
    over: dict[str, Estimate] = field(default_factory=dict)


@dataclass(slots=True)
class Results:
    machine: dict[str, Any]
    effort: str
    entries: dict[str, dict[str, Entry]] = field(default_factory=dict)
    """By workload and peer."""
    costs: dict[str, dict[str, Estimate]] = field(default_factory=dict)
    """By table (`import`, `op`, `recording`, `memory`) and row; seconds, bytes or ratios, as the table has it."""
    not_measured: dict[str, str] = field(default_factory=dict)
    """Costs that could not be measured, by `table` or `table: row`, and why."""

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Results:
        entries = {
            workload: {
                peer: Entry(**{**entry, "over": {k: Estimate(**r) for k, r in entry["over"].items()}})
                for peer, entry in by_peer.items()
            }
            for workload, by_peer in data["entries"].items()
        }
        costs = {table: {row: Estimate(**r) for row, r in rows.items()} for table, rows in data["costs"].items()}
        return cls(**{**data, "entries": entries, "costs": costs})

    def measures(self) -> dict[str, Estimate]:
        """Every figure a goal can be about, by name: `mlp: teachgrad / numpy`, `recording: values`, ..."""
        found = {
            f"{workload}: {peer} / {base}": ratio
            for workload, by_peer in self.entries.items()
            for peer, entry in by_peer.items()
            for base, ratio in entry.over.items()
        }
        found |= {f"{table}: {row}": ratio for table, rows in self.costs.items() for row, ratio in rows.items()}
        return found | self.memory_over_torch()

    def memory_over_torch(self) -> dict[str, Estimate]:
        """The peak memory of steps above that of the import, over PyTorch's: `memory: gpt: teachgrad-c / torch`."""
        rows = self.costs.get("memory", {})
        above = {}
        for row, peak in rows.items():
            workload, key = row.split(": ")
            imported = rows.get(f"import: {PEERS[key].distribution}") if key in PEERS else None
            if imported is not None and workload != "import":
                above[workload, key] = peak.value - imported.value
        ratios = {(workload, key): size / above[workload, "torch"] for (workload, key), size in above.items()
                  if (workload, "torch") in above}
        return {f"memory: {workload}: {key} / torch": Estimate(x, x, x) for (workload, key), x in ratios.items()}
