"""Peak memory of a process that takes five steps, seen from outside: what the kernel counted as resident."""

from __future__ import annotations

from ..children import ChildFailed, run
from ..machine import versions
from ..peers import PEERS
from ..results import Rows
from ..timing import Estimate
from ..workloads import WORKLOADS

WHERE_IT_SHOWS = ("gpt", "chain")


def measure(core: int, limit_s: float) -> Rows:
    """Bytes, by `workload: peer`; under `import: peer` those of a process that only imports the peer and NumPy."""
    rows: Rows = {}
    installed = [peer for peer in PEERS.values() if peer.distribution in versions()]
    for distribution in dict.fromkeys(peer.distribution for peer in installed):
        rows[f"import: {distribution}"] = _peak(["-c", f"import numpy, {distribution}"], core, limit_s)
    for workload in WHERE_IT_SHOWS:
        for peer in installed:
            if peer.key in WORKLOADS[workload].contestants:
                arguments = ["-m", "benchmarks.worker", workload, peer.key, "--only-steps"]
                rows[f"{workload}: {peer.key}"] = _peak(arguments, core, limit_s)
    return rows


def _peak(arguments: list[str], core: int, limit_s: float) -> Estimate | str:
    try:
        peak = run(arguments, core, limit_s).peak_bytes
    except ChildFailed as failure:
        return str(failure)
    return Estimate(peak, peak, peak)
