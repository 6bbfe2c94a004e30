"""Where one stands in a kernel trace, and which events are the two sides of a race."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from teachgrad.recording.kernel_trace import ACCESSES, TracedFinding


@dataclass(frozen=True, slots=True)
class Place:
    """Where one stands."""

    block: int = 0
    step: int = 0
    """Steps of the block that are done."""
    warp: int = 0
    lane: int = 0
    """The chosen thread of the warp."""
    together: bool = True

    def but(self, **changes: Any) -> Place:
        return replace(self, **changes)


def sides_of(events: npt.NDArray[Any], finding: TracedFinding) -> npt.NDArray[np.bool_]:
    """Which of these events are one of the two accesses of a race."""
    if finding.kind != "race":
        return np.zeros(len(events), bool)
    ahead = finding.offset - events["offset"]
    near = (events["kind"] < ACCESSES) & (events["array"] == finding.array) & (ahead >= 0) & (ahead < events["size"])
    pair = ((finding.block, finding.thread, finding.line),
            (finding.other_block, finding.other_thread, finding.other_line))  # fmt: skip
    sides = [(events["block"] == block) & (events["thread"] == thread) & (events["line"] == line)
             for block, thread, line in pair]  # fmt: skip
    return near & (sides[0] | sides[1])
