"""What teachgrad costs besides its steps: importing it, one op, being recorded, being profiled, memory, a new batch
size; and what a second core is worth.

Each module has `measure(core, limit_s)`, giving the rows of one table: a figure, or why there is none.
"""

from __future__ import annotations

from collections.abc import Callable

from ..results import Rows
from . import cores, import_time, memory, op, profile, recording, sizes

COSTS: dict[str, Callable[[int, float], Rows]] = {
    "import": import_time.measure,
    "op": op.measure,
    "recording": recording.measure,
    "profile": profile.measure,
    "memory": memory.measure,
    "cores": cores.measure,
    "sizes": sizes.measure,
}
